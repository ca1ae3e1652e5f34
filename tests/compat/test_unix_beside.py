"""UNIX, ABSTRACT, SOCKET and VSOCK: the same command lines on this program and on a reference.

Names are relative, and every run has a directory of its own, so that even lengths in messages
agree. What is known to be wrong in the reference is not here; tests/e2e shows what we do there.
"""
import os
import re
import shutil
import socket
import stat
import tempfile

import pytest

import lab

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK), reason=f"no reference program {lab.SOCAT_REF} (set SOCAT_REF)")

BIG = bytes(range(256)) * 400
READY = r"listening on|receiving on|starting recv loop|starting data transfer loop"


@pytest.fixture(name="dirs")
def _dirs():
    """A directory with a short name for each program."""
    paths = [tempfile.mkdtemp(prefix="c") for _ in range(2)]
    yield paths
    lab.stop_all()
    for path in paths:
        shutil.rmtree(path)


def records(log, levels):
    """Texts of these levels, without what may differ."""
    out = []
    for level, text in re.findall(r"^\S+ \S+ \S+\[\d+\] ([A-Z]) (.*)$", log, re.M):
        if level in levels:
            text = re.sub(r"0x[0-9a-f]+", "0xPTR", text)
            text = re.sub(r"^UNIX-CLIENT:(?! )", "UNIX-CLIENT: ", text)    # a blank since 1.8
            text = re.sub(r"^(\w+)\(\d+, ", r"\1(FD, ", text)
            out.append(re.sub(r"^connect\((FD)?, AF=1", "connect(, AF=1", text))      # ours has the number unless called socat
    return out


def entries(d):
    """What is there: name, type, mode."""
    return sorted((n, stat.filemode(os.lstat(f"{d}/{n}").st_mode)) for n in os.listdir(d))


def both(dirs, what):
    """The same on both programs."""
    ours, ref = (what(prog, d) for prog, d in zip((lab.SOCAST, lab.SOCAT_REF), dirs))
    assert ours == ref, f"ours {ours}\nreference {ref}"


# ---------------------------------------------------------------- one program, no peer

MISUSE = [
    ["-", "UNIX-CONNECT:missing"], ["-", "LOCAL:missing"], ["-", "UNIX-CLIENT:missing"], ["-", "UNIX:missing"],
    ["-", "UNIX-CONNECT:file"], ["-", "UNIX-CLIENT:file"], ["-", "GOPEN:nodir/x"],
    ["-", "ABSTRACT-CONNECT:missing"], ["-", "UNIX-CONNECT:missing,retry=1,interval=0.1"],
    ["-", "UNIX-CONNECT:x,perm=600"], ["-", "UNIX-CLIENT:x,user=0"], ["-", "UNIX-SENDTO:x,group=0"],
    ["-", "ABSTRACT-CONNECT:x,perm=600"], ["-", "UNIX-CONNECT:x,fork"], ["-", "UNIX-SENDTO:x,fork"],
    ["-", "ABSTRACT-CONNECT:x,unlink-early"], ["UNIX-LISTEN:file", "-"], ["-u", "UNIX-RECV:file", "-"],
    ["UNIX-RECVFROM:file", "-"], ["UNIX-LISTEN:nodir/x", "-"], ["UNIX-LISTEN:x,max-children=2", "-"],
    ["UNIX-LISTEN:x,range=1/2", "-"], ["UNIX-LISTEN:x,accept-timeout=0.1", "-"], ["-u", "-", "UNIX-SENDTO:missing"],
    ["-u", "-", "UNIX-CONNECT:nodir/x"], ["-", "UNIX-CONNECT:x,bind=nodir/x"],
    ["-", "VSOCK-CONNECT:x:7"], ["-", "VSOCK-CONNECT:1:y"], ["VSOCK-LISTEN:y", "-"], ["VSOCK-LISTEN:7,bind=1:2", "-"],
    ["-", "SOCKET-CONNECT:2:6:x0001x7f000001x0000000000000000"], ["-", "SOCKET-CONNECT:99:6:x00"],
    ["-u", "SOCKET-RECV:2:2:17:x00000a000001x0000000000000000", "-"],
    ["SOCKET-LISTEN:2:6:x00000a000001x0000000000000000", "-"], ["-", "SOCKET-DATAGRAM:2:2:17:x00,fork"],
    ["-u", "-", "SOCKET-SENDTO:2:2:17:x00090a000001x0000000000000000"],
]

# The text differs on purpose: with "(0 instead of 1)" goes the usage, unknown options get advice.
WORDING = {"fork", "range", "unlink-early"}


@pytest.mark.parametrize("args", MISUSE, ids=" ".join)
def test_misuse(local, dirs, args):
    """Same status, same error, same entries afterwards."""
    def run(prog, d):
        with open(f"{d}/file", "w", encoding="ascii"):
            pass
        r = local.run(*args, input=b"x", prog=prog, cwd=d)
        worded = any(w in args[-1].split(",") or w in args[0] or w in args[-1] for w in WORDING)
        return r.status, [] if worded else records(r.log, "E")[:1], entries(d)
    both(dirs, run)


# ---------------------------------------------------------------- server and client

PORT = "x%04xx7f000001x0000000000000000"

PAIRS = [
    ("UNIX-LISTEN:s", "UNIX-CONNECT:s"), ("UNIX-LISTEN:s,fork", "UNIX-CLIENT:s"), ("UNIX-L:s,perm=600", "LOCAL:s"),
    ("UNIX-LISTEN:s,unlink-close=0", "GOPEN:s"), ("UNIX-LISTEN:s,mode=640,fork", "UNIX-CONNECT:s,bind=c"),
    ("UNIX-LISTEN:s", "UNIX-CONNECT:s,bind=c,unlink-close=0"), ("UNIX-LISTEN:s,socktype=5", "UNIX-CONNECT:s,socktype=5"),
    ("UNIX-LISTEN:s,socktype=5", "UNIX-CLIENT:s"), ("UNIX-LISTEN:s,unlink-early", "UNIX-CONNECT:s"),
    ("ABSTRACT-LISTEN:s", "ABSTRACT-CONNECT:s"), ("ABSTRACT-LISTEN:s,fork", "ABSTRACT-CLIENT:s"),
    ("ABSTRACT-LISTEN:s,unix-tightsocklen=0", "ABSTRACT:s,tightsocklen=0"), ("UNIX-LISTEN:s,umask=077", "UNIX:s"),
    ("UNIX-RECVFROM:s", "UNIX-SENDTO:s,bind=c"), ("UNIX-RECVFROM:s,fork", "UNIX-SENDTO:s,bind=c"),
    ("UNIX-RECVFROM:s,perm=622", "UNIX-SEND:s,bind=c,perm=600"), ("ABSTRACT-RECVFROM:s", "ABSTRACT-SENDTO:s,bind=c"),
    ("SOCKET-LISTEN:2:6:{p}", "SOCKET-CONNECT:2:6:{p}"), ("SOCKET-LISTEN:2:6:{p},fork,range=x0000x7f000000:x0000xff000000", "SOCKET-CONNECT:2:6:{p}"),
    ("UDP4-RECVFROM:{n},bind=127.0.0.1", "SOCKET-SENDTO:2:2:17:{p}"), ("UDP4-RECVFROM:{n},fork", "SOCKET-DATAGRAM:2:2:17:{p}"),
]


@pytest.mark.parametrize("server,client", PAIRS, ids=str)
def test_pair(local, dirs, server, client):
    """An echo: same answer, same status, same entries while it runs and afterwards."""
    def run(prog, d):
        port = lab.port()
        data = PORT % port
        p = local.start("-d", "-d", server.replace("{p}", data).replace("{n}", str(port)), "EXEC:cat", prog=prog, cwd=d)
        p.wait_log(READY)
        r = local.start("-d", "-d", "-t1", "-", client.replace("{p}", data), prog=prog, cwd=d)
        r.send("hello\n")
        r.expect_output("hello\n")
        before = entries(d) if "RECVFROM:s" not in server or ",fork" in server else []  # may have ended
        r.close_stdin()
        status = r.wait().status
        if ",fork" in server:
            p.kill()
        return r.out, status, before, p.wait().status, entries(d)
    both(dirs, run)


@pytest.mark.parametrize("mine,other", [(lab.SOCAST, lab.SOCAT_REF), (lab.SOCAT_REF, lab.SOCAST)], ids=["server", "client"])
@pytest.mark.parametrize("server,client", PAIRS[:17], ids=str)
def test_mixed_pair(local, dirs, mine, other, server, client):
    """Each understands the other."""
    p = local.start("-d", "-d", server, "EXEC:cat", prog=mine, cwd=dirs[0])
    p.wait_log(READY)
    r = local.start("-t1", "-", client, prog=other, cwd=dirs[0])
    r.send("hello\n")
    r.expect_output("hello\n")


@pytest.mark.parametrize("server,client", [PAIRS[0], PAIRS[1], PAIRS[3], PAIRS[9], PAIRS[10]], ids=str)
def test_many_bytes(local, dirs, server, client):
    def run(prog, d):
        p = local.start("-d", "-d", server, "EXEC:cat", prog=prog, cwd=d)
        p.wait_log(READY)
        r = local.run("-t5", "-", client, input=BIG, prog=prog, cwd=d)
        p.stop()
        return r.out == BIG, r.status
    both(dirs, run)


# ---------------------------------------------------------------- records and variables

@pytest.mark.parametrize("server,name", [("UNIX-LISTEN:s", "s"), ("ABSTRACT-LISTEN:s", "\0s")])
def test_notices_of_a_listener(local, dirs, server, name):
    """What is logged at notice level, but for the programs' ways to fork."""
    def run(prog, d):
        p = local.start("-d", "-d", server, "PIPE", prog=prog, cwd=d)
        p.wait_log(READY)
        with local.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            os.chdir(d)
            s.bind("c" if name == "s" else "\0c")
            s.connect(name)
            s.sendall(b"x")
            assert s.recv(9) == b"x"
        return [re.sub(r"FDs .*|\(fd \d+\)", "", t) for t in records(p.wait().log, "NW")]
    here = os.getcwd()
    try:
        both(dirs, run)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("client", ["UNIX-CONNECT:s,bind=c", "UNIX-CLIENT:s,bind=c", "GOPEN:s"])
def test_notices_of_a_client(local, dirs, client):
    def run(prog, d):
        with local.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.bind(f"{d}/s")
            s.listen()
            r = local.run("-d", "-d", "-t0.1", "-", client, prog=prog, cwd=d)
        texts = [re.sub(r"FDs .*|\(fd \d+\)", "", t) for t in records(r.log, "NW")]
        # that a side which had not ended is cut off is told by ours only
        return r.status, [t for t in texts if ("connected" not in t or "bind" in client) and "is cut off" not in t]
    both(dirs, run)


@pytest.mark.parametrize("server,kind,own", [
    ("UNIX-LISTEN:s", socket.SOCK_STREAM, "c"), ("UNIX-LISTEN:s", socket.SOCK_STREAM, None), ("UNIX-RECVFROM:s", socket.SOCK_DGRAM, "c")])
def test_variables(local, dirs, server, kind, own):
    """Those that the reference has."""
    def run(prog, d):
        p = local.start("-d", "-d", server, "SYSTEM:env | grep -e SOCAT_PEERADDR -e SOCAT_PEERPORT -e SOCAT_SOCK | sort; cat >/dev/null", prog=prog, cwd=d)
        p.wait_log(READY)
        here = os.getcwd()
        with local.socket(socket.AF_UNIX, kind, timeout=8) as s:
            try:
                os.chdir(d)
                if own:
                    s.bind(own)
                s.connect("s")
            finally:
                os.chdir(here)
            s.send(b"x")
            if kind == socket.SOCK_STREAM:
                s.shutdown(socket.SHUT_WR)
            text = b""
            while part := s.recv(9999):
                text += part
                if kind == socket.SOCK_DGRAM:
                    break
        assert b"PEERADDR" in text, p
        return text
    both(dirs, run)
