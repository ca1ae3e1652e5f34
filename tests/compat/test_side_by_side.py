"""The same command lines on this program and on a reference: same bytes on stdout,
same exit status, same messages where messages are agreed.

A row is: arguments, input, and what of the log must agree. `{d}` stands for a scratch
directory, `{p}` for a free port. Log texts are compared without time, name, pid, pointers
and descriptor numbers. Runs only where the reference (environment SOCAT_REF) exists.
Rows where the reference is known to be wrong say so in `wrong`; there only our own
result is checked.
"""
import os
import re

import pytest

import lab

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK), reason=f"no reference program {lab.SOCAT_REF} (set SOCAT_REF)")

BIG = bytes(range(256)) * 400

# Level of agreement of the log.
NONE = ""           # not compared
ERRORS = "E"        # the error lines


def row(args, data=b"", log=NONE, wrong=None, setup=None, files=()):
    return pytest.param(args, data, log, wrong, setup, files, id=re.sub(r"\W+", "_", "_".join(args))[:70])


ROWS = [
    # bytes
    row(["-u", "-", "-"], BIG),
    row(["-U", "-", "-"], BIG),
    row(["-", "PIPE"], b"echo"),
    row(["-", "PIPE"], BIG),
    row(["-", "EXEC:cat"], BIG),
    row(["-", "EXEC:cat,pipes"], b"x"),
    row(["-", "SYSTEM:cat"], b"y\n"),
    row(["-", "SYSTEM:tr a-z A-Z"], b"shout\n"),
    row(["-u", "EXEC:echo a b", "-"]),
    row(["-u", "EXEC:echo (,)[,]{,}\",([),])hugo", "-"]),
    row(["-u", "EXEC:echo {a b} [c d] (e f)", "-"]),
    row(["-u", "EXEC:echo 'a  b' c", "-"]),
    row(["-u", "EXEC:'echo \"a  b\" c'", "-"]),
    row(["-u", r"EXEC:echo a\:b\,c", "-"]),
    row(["-u", "EXEC:echo $HOME *", "-"]),
    row(["-u", "SYSTEM:echo $((1+2))", "-"]),
    row(["-u", "OPEN:{d}/in", "-"], setup=b"file\n"),
    row(["-u", "{d}/in", "-"], setup=b"bare name\n"),
    row(["-u", "OPEN:{d}/in,seek=3", "-"], setup=b"0123456\n"),
    row(["-u", "OPEN:{d}/in,readbytes=3", "-"], setup=b"0123456\n"),
    row(["-u", "-", "CREATE:{d}/out"], b"new", files=["out"]),
    row(["-u", "-", "OPEN:{d}/in,append"], b"new", setup=b"old", files=["in"]),
    row(["-u", "-", "OPEN:{d}/in"], b"new", setup=b"old content", files=["in"]),
    row(["-u", "-", "OPEN:{d}/in,trunc"], b"new", setup=b"old content", files=["in"]),
    row(["-u", "-", "GOPEN:{d}/in"], b"new", setup=b"old", files=["in"]),
    row(["-u", "-", "GOPEN:{d}/out"], b"new", files=["out"]),
    row(["-u", "-", "CREATE:{d}/out,perm=600"], b"new", files=["out"]),
    row(["-u", "-,crnl", "-"], b"a\r\nb\rc\n"),
    row(["-u", "-", "-,crnl"], b"a\nb\r\nc"),
    row(["-u", "-,cr", "-"], b"a\rb\nc"),
    row(["-u", "-", "-,cr"], b"a\nb\n"),
    row(["-u", "-,cr", "-,crnl"], b"a\rb\r"),
    row(["-u", "-,readbytes=5", "-"], b"0123456789"),
    row(["-u", "-,escape=0x41", "-"], b"before A after"),
    row(["-b", "3", "-u", "-", "-"], b"0123456789"),
    row(["-b", "0x10", "-u", "-", "-"], BIG),
    row(["-t", "0.1", "-", "EXEC:sleep 3"], b""),
    row(["-T", "0.2", "-u", "EXEC:sleep 3", "-"], b""),
    row(["-u", "FD:0", "FD:1"], b"descriptors"),
    row(["-u", "0", "1"], b"digits"),
    row(["OPEN:{d}/in,rdonly!!CREATE:{d}/out", "-"], b"back", setup=b"forth", files=["out"]),
    row(["-r", "{d}/l", "-R", "{d}/r", "-", "EXEC:cat"], b"dump", files=["l", "r"]),
    row(["-u", "-", "UDP4-SENDTO:127.0.0.1:9"], b"gone"),
    row(["-u", "-", "UDP4-DATAGRAM:127.0.0.1:9"], b"gone"),
    row(["-t", "0.1", "-", "UDP6-SENDTO:[::1]:9"], b"gone"),
    row(["-L", "{d}/lock", "-u", "-", "-"], b"locked"),
    # misuse and errors: the same sentence
    row([], log=ERRORS),
    row(["-"], log=ERRORS),
    row(["-", "-", "-"], log=ERRORS),
    row(["-q"], log=ERRORS),
    row(["-lz"], log=ERRORS),
    row(["-u", "-U", "-", "-"], log=ERRORS),
    row(["-L", "{d}/a", "-W", "{d}/b", "-", "-"], log=ERRORS),
    row(["-L", "{d}/in", "-", "-"], setup=b"1\n", log=ERRORS),
    row(["-", "OPEN:/dev/null,nosuch"], log=ERRORS),
    row(["-u", "OPEN:/nodir/f", "-"], log=ERRORS),
    row(["-u", "-", "OPEN:/nodir/f"], log=ERRORS),
    row(["-u", "-", "CREATE:/nodir/f"], log=ERRORS),
    row(["-u", "-", "GOPEN:/etc"], log=ERRORS),
    row(["-u", "-", "PIPE:/nodir/f"], log=ERRORS),
    row(["-u", "-", "OPEN:/dev/full"], b"x", log=ERRORS),
    row(["-u", "UDP4-RECV:{p},bind=10.99.99.99", "-"], log=ERRORS),
    row(["-u", "UDP4-RECV:{p},range=127.0.0.1/33", "-"]),  # 1.8 says "IPv4 netmask", 1.7 "netmask"
    row(["-u", "-", "UDP4-SENDTO:10.99.99.99:9"], b"x", log=ERRORS),
    row(["-u", "-", "UDP4-DATAGRAM:224.1.0.1:9"], b"x", log=ERRORS),
    row(["-u", "-", "UDP4:10.99.99.99:9"], b"x", log=NONE, wrong="older references print the failed connect() itself"),
    row(["-u", "FOO:1", "-"], log=ERRORS),
    row(["-u", "OPEN:/dev/null,user=nosuchuser", "-"], log=NONE),
    # where the reference is wrong
    row(["-", "EXEC:hostname"], b"not read", wrong="loses the output of a program that ignores its input"),
    row(["-u", "EXEC:false", "-"], wrong="status 0 or 1 by chance"),
    row(["-u", "EXEC:nosuchprogram", "-"], wrong="status 0 or 1 by chance"),
    row(["-u", "GOPEN:{d}/missing", "-"]),
    row(["-u", "-", "23"], wrong="does not know two-digit descriptors"),
]

# What we do where the reference is wrong: stdout, status.
OURS = {
    "EXEC:hostname": (b"host1\n", 0),
    "EXEC:false": (b"", 1),
    "EXEC:nosuchprogram": (b"", 1),
    "missing": (b"", 1),
    "23": (b"", 1),                 # nothing is open there
    "UDP4:10.99.99.99:9": (b"", 1),
}


def agreed(log, level, prog, own):
    """The lines of @level, without what may differ."""
    out = []
    for line in log.splitlines():
        m = re.match(r"\S+ \S+ (\S+)\[\d+\] ([A-Z]) (.*)", line)
        if m and m.group(2) in level:
            text = re.sub(r"0x[0-9a-f]+", "0xPTR", m.group(3))
            text = re.sub(r"^(\w+)\(\d+,", r"\1(FD,", text)
            text = re.sub(r"; did you mean.*", "", text)
            out.append((m.group(2), text.replace(prog, "PROG").replace(own, "DIR")))
    return out


def one(local, prog, args, data, d, setup, files, port):
    os.mkdir(d)
    if setup is not None:
        with open(f"{d}/in", "wb") as f:
            f.write(setup)
    args = [a.replace("{d}", d).replace("{p}", str(port)) for a in args]
    r = local.run(*args, input=data, prog=prog)
    left = {}
    for name in files:
        with open(f"{d}/{name}", "rb") as f:
            left[name] = (f.read(), oct(os.fstat(f.fileno()).st_mode))
    return r, left


@pytest.mark.parametrize("args,data,log,wrong,setup,files", ROWS)
def test_same(local, tmp_path, args, data, log, wrong, setup, files):
    """Both programs do the same, or the reference is known to be wrong."""
    port = lab.port()
    ours, left = one(local, lab.SOCAST, args, data, f"{tmp_path}/ours", setup, files, port)
    if wrong:
        out, status = next(v for k, v in OURS.items() if any(k in a for a in args))
        assert (ours.out, ours.status) == (out, status), f"reference: {wrong}\n{ours!r}"
        return
    ref, ref_left = one(local, lab.SOCAT_REF, args, data, f"{tmp_path}/ref", setup, files, port)
    assert ours.out == ref.out, f"ours {ours!r}\nreference {ref!r}"
    assert ours.status == ref.status, f"ours {ours!r}\nreference {ref!r}"
    assert left == ref_left
    if log:
        a = agreed(ours.log, log, lab.NAME, f"{tmp_path}/ours")
        b = agreed(ref.log, log, os.path.basename(lab.SOCAT_REF), f"{tmp_path}/ref")
        assert a[:1] == b[:1], f"ours {ours!r}\nreference {ref!r}"


def dialogue(local, prog, first, second, messages):
    """Talk to a datagram server run by @prog."""
    port = lab.port()
    p = local.start("-d", "-d", first % port, second, prog=prog)
    p.wait_log("receiving on|listening on|starting data transfer loop")
    s = local.udp(("127.0.0.1", 0))
    got = []
    for m in messages:
        s.sendto(m, ("127.0.0.1", port))
        got.append(s.recv(70000))
    s.close()
    p.stop()
    return got


@pytest.mark.parametrize("first,second,messages", [
    ("UDP4-RECVFROM:%d,fork", "EXEC:cat", [b"a", b"bb", b"c" * 1000]),
    ("UDP4-LISTEN:%d", "PIPE", [b"one", b"two", b"3" * 8000]),
    ("UDP4-LISTEN:%d,fork", "EXEC:cat", [b"one", b"two"]),
    ("UDP4-RECVFROM:%d,fork", "SYSTEM:tr a-z A-Z", [b"shout", b"more"]),
])
def test_same_dialogue(local, first, second, messages):
    """Datagram servers answer alike."""
    assert dialogue(local, lab.SOCAST, first, second, messages) == dialogue(local, lab.SOCAT_REF, first, second, messages)


@pytest.mark.parametrize("notice", ["starting data transfer loop with FDs", "socket 1 \\(fd 0\\) is at EOF", "exiting with status 0", "using stdin for reading"])
def test_same_notices(local, notice):
    """Notices that scripts wait for have the same text."""
    for prog in (lab.SOCAST, lab.SOCAT_REF):
        assert re.search(r" N " + notice, local.run("-d", "-d", "-u", "-", "-", prog=prog).log), prog
