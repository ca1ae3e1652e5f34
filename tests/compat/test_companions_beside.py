"""filan and procan side by side: lines that are the same in all versions of the reference.

Old versions write "ip" where newer ones name the protocol, and show a peer that is not there:
such sockets are not here, tests/e2e/test_companions.py has them.
"""
import os
import pty
import re
import shutil
import socket
import tempfile

import pytest

import lab


def programs(name):
    """Ours and the reference's."""
    ours, ref = (os.path.join(os.path.dirname(p), name) for p in (lab.SOCAST, lab.SOCAT_REF))
    if not os.access(ref, os.X_OK):
        pytest.skip(f"no reference program {ref} (set SOCAT_REF)")
    return ours, ref


def both(local, name, *args, norm=lambda text: text, **kw):
    """The same status, output and errors."""
    results = []
    for prog in programs(name):
        r = local.run(*args, prog=prog, **kw)
        errors = re.findall(r"^\S+ \S+ \w+\[\d+\] E (.*)$", r.log, re.M)
        results.append((r.status, norm(r.out.decode()), errors))
    assert results[0] == results[1]
    return results[0][1]


@pytest.fixture(name="d")
def _d():
    path = tempfile.mkdtemp(prefix="f")
    os.mkfifo(f"{path}/fifo")
    with open(f"{path}/file", "w", encoding="ascii") as f:
        f.write("hello")
    os.symlink("file", f"{path}/link")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{path}/sock")
    yield path
    lab.stop_all()
    shutil.rmtree(path)


def open_objects(d):
    """(name, descriptor or socket) of everything that all versions show alike."""
    yield "null", os.open("/dev/null", os.O_RDWR)
    yield "dir", os.open(d, os.O_RDONLY)
    yield "file", os.open(f"{d}/file", os.O_RDONLY)
    yield "fifo", os.open(f"{d}/fifo", os.O_RDWR)
    yield "link", os.open(f"{d}/link", os.O_PATH | os.O_NOFOLLOW)
    yield from zip(("read", "write"), os.pipe())
    yield from zip(("master", "slave"), pty.openpty())
    yield from zip(("pair", "other"), socket.socketpair())
    yield from zip(("seq", "other seq"), socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    s = socket.socket(socket.AF_UNIX)
    s.bind(f"{d}/listening")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect(f"{d}/listening")
    yield from (("client", c), ("accepted", s.accept()[0]))
    s.close()
    yield "netlink", socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


def close(thing):
    if isinstance(thing, int):
        os.close(thing)
    else:
        thing.close()


@pytest.mark.parametrize("form", ["-s", "-S"])
def test_short_form(local, d, form):
    for _, thing in open_objects(d):
        fd = thing if isinstance(thing, int) else thing.fileno()
        assert len(both(local, "filan", form, "-i", str(fd), pass_fds=[fd])) > 5
        close(thing)


def test_short_form_of_listening_socket(local, d):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{d}/s")
        s.listen()
        assert both(local, "filan", "-s", "-i", str(s.fileno()), pass_fds=[s.fileno()]) == f"unix(listening) {d}/s\n"


def columns(text):
    """Header, and the columns up to the times and flags; the tail has changed over time."""
    return ["\t".join(line.split("\t")[:18]) for line in text.splitlines()]


@pytest.mark.parametrize("raw", [[], ["-r"]])
def test_long_form(local, d, raw):
    for name, thing in open_objects(d):
        if name not in ("pair", "other", "seq", "other seq", "client", "accepted", "netlink"):
            text = both(local, "filan", *raw, "-i", str(thing), pass_fds=[thing],
                        norm=lambda t: re.sub(r"\t(-?\d+)\t?(poll: [^\t\n]*)?$", r"\t\1", "\n".join(columns(t)), flags=re.M))
            assert text.count("\n") == 1
        close(thing)


@pytest.mark.parametrize("name", ["", "fifo", "file", "link", "sock", "missing"])
@pytest.mark.parametrize("args", [[], ["-r"], ["-L"], ["-s", "-L"], ["-S", "-L"]])
def test_path(local, d, name, args):
    both(local, "filan", *args, "-f", f"{d}/{name}",
         norm=lambda t: t.replace("\tF_GETPIPE_SZ=65536", ""))     # not in old versions


@pytest.mark.parametrize("args", [
    ["-i", "99"], ["-s", "-n0"], ["-s", "-n", "2"], ["-s", "-n1"], ["-si"], ["-", "-s"], ["-s", "-n0x2"],
    ["-q"], ["--"], ["-i"], ["-n"], ["-f"], ["-o"], ["-T"], ["a"], ["a", "b"],
    ["-o", "no/such"], ["-o", "+77"], ["-s", "-n1", "-o+1"], ["-s", "-f", "no/such"]])
def test_command_line(local, args):
    both(local, "filan", *args)


def test_process(local):
    """Lines about the process, but for its own number; the table of limits, the sizes, interfaces."""
    def common(text):
        text = re.sub(r"^(process( group| session)? id) = \d+$", r"\1 = PID", text, flags=re.M)
        keep = r"process (parent |group |session )?id|process group id if|(effective )?(user|group) id +=|resource  |.*\d{20,}$|" \
               r"open files|max user|stack|core|  address space|sizeof\((char|short|int|long|long long|size_t|struct timespec)\)"
        return [line for line in text.splitlines() if re.match(keep, line)]
    assert len(both(local, "procan", norm=common)) > 25


def test_constants(local):
    """Every constant of the reference is here, with its value."""
    ours, ref = ({m[1]: m[2] for m in re.finditer(r"^#define +(\w+) +(\w+)", local.run("-c", prog=prog).out.decode(), re.M)}
                 for prog in programs("procan"))
    old = {"CRDLY", "CR0", "CR1", "CR2", "CR3", "TABDLY", "TAB0", "TAB1", "TAB2", "TAB3", "CSIZE"}   # octal only
    assert {k: ours.get(k) for k in ref if k not in old} == {k: v for k, v in ref.items() if k not in old}
    assert old <= set(ours) and len(ref) > 40


@pytest.mark.parametrize("args", [["-q"], ["x"], ["x", "y"]])
def test_procan_command_line(local, args):
    both(local, "procan", *args)
