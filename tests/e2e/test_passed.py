"""Descriptors that a UNIX peer passes (SCM_RIGHTS) are neither kept nor inherited by programs."""
import array
import os
import socket
import time

import pytest

import lab

PASSED = 50
# address, kind of socket that talks to it
RECEIVERS = {
    "recv": ("UNIX-RECV:{path}", socket.SOCK_DGRAM),
    "recvfrom": ("UNIX-RECVFROM:{path}", socket.SOCK_DGRAM),
    "recvfrom-fork": ("UNIX-RECVFROM:{path},fork", socket.SOCK_DGRAM),
    "recvfrom-isolate": ("UNIX-RECVFROM:{path},fork,isolate", socket.SOCK_DGRAM),
    "passcred": ("UNIX-RECV:{path},so-passcred", socket.SOCK_DGRAM),
    "seqpacket": ("UNIX-LISTEN:{path},so-type=5", socket.SOCK_SEQPACKET),
    "seqpacket-fork": ("UNIX-LISTEN:{path},so-type=5,fork", socket.SOCK_SEQPACKET),
    "stream": ("UNIX-LISTEN:{path}", socket.SOCK_STREAM),
    "stream-fork": ("UNIX-LISTEN:{path},fork", socket.SOCK_STREAM),
    "abstract": ("ABSTRACT-RECV:{name}", socket.SOCK_DGRAM),
    "abstract-stream": ("ABSTRACT-LISTEN:{name}", socket.SOCK_STREAM),
    "abstract-from": ("ABSTRACT-RECVFROM:{name},fork", socket.SOCK_DGRAM),
}


def send_with_files(s, data, n, *to):
    """Send @data and @n descriptors."""
    f = os.open("/dev/null", os.O_RDONLY)
    s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f] * n))], 0, *to)
    os.close(f)


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
    except FileNotFoundError:
        return None


def few_or_gone(pid):
    try:
        return not lab.running(pid) or lab.descriptors(pid) <= {0, 1, 2}
    except (FileNotFoundError, ProcessLookupError):
        return True


def check(p, before, datagrams):
    lab.wait_until(lambda: len(lab.descriptors(p.pid)) <= before, 3, lambda: f"{lab.descriptors(p.pid)}")   # own processes end
    for pid in lab.descendants(p.pid):
        if name_of(pid) == "cat":   # one that has just been started still opens its libraries
            lab.wait_until(lambda pid=pid: few_or_gone(pid), 3, lambda pid=pid: f"{lab.descriptors(pid)}")
    assert len([line for line in p.log.splitlines() if "descriptors passed by" in line]) <= 1
    if datagrams:
        p.wait_log(rf" W {PASSED} descriptors passed by .* have been closed: only data are relayed")


@pytest.mark.parametrize("program", [False, True], ids=["stdout", "program"])
@pytest.mark.parametrize("kind", RECEIVERS)
def test_received(local, tmp_path, fast, kind, program):
    """Neither the process nor its programs have more descriptors than before; the data arrive."""
    address, socktype = RECEIVERS[kind]
    path, name = str(tmp_path / "s"), f"socast-{os.getpid()}-{lab.port()}"
    p = local.start("-u", address.format(path=path, name=name), "SYSTEM:exec cat" if program else "-")
    where = "\0" + name if "ABSTRACT" in address else path
    s = local.socket(socket.AF_UNIX, socktype)
    lab.wait_until(lambda: s.connect_ex(where) == 0, 3, "no socket")
    s.send(b"first")
    p.expect_output(b"first")
    before = len(lab.descriptors(p.pid))
    one_shot = kind == "recvfrom"
    for _ in range(0 if one_shot else 20):
        send_with_files(s, b"more", PASSED)
    if not one_shot:
        p.expect_output(b"more")
        s.send(b"end")
        p.expect_output(b"end")
        check(p, before + 4 * (kind in ("recvfrom-fork", "recvfrom-isolate", "abstract-from")), socktype != socket.SOCK_STREAM and "isolate" not in kind or kind == "recvfrom-isolate")
    s.close()


@pytest.mark.parametrize("kind", ["UNIX-SENDTO", "UNIX-CLIENT", "UNIX-CONNECT"])
def test_answered(local, tmp_path, kind):
    """The same for what a server sends to our client."""
    server, mine = str(tmp_path / "s"), str(tmp_path / "c")
    stream = kind == "UNIX-CONNECT"
    s = local.socket(socket.AF_UNIX, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM, bind=server)
    if stream:
        s.listen()
    p = local.start("-", f"{kind}:{server}" + ("" if stream else f",bind={mine}"))
    if stream:
        s = s.accept()[0]
    p.send("ask")
    to = [] if stream else [s.recvfrom(9)[1]]
    s.sendmsg([b"first"], [], 0, *to)
    p.expect_output(b"first")
    before = len(lab.descriptors(p.pid))
    for _ in range(10):
        send_with_files(s, b"more", PASSED, *to)
    s.sendmsg([b"end"], [], 0, *to)
    p.expect_output(b"end")
    check(p, before, not stream)


@pytest.mark.parametrize("socktype", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET], ids=["stream", "dgram", "seqpacket"])
def test_inherited(local, socktype, fast):
    """Standard input is a UNIX socket, as inetd and programs give it."""
    a, b = socket.socketpair(socket.AF_UNIX, socktype)
    p = local.start("-u", "STDIN", "SYSTEM:exec cat", stdin=b)
    b.close()
    a.send(b"first")
    p.expect_output(b"first")
    before = len(lab.descriptors(p.pid))
    for _ in range(10):
        send_with_files(a, b"more", PASSED)
    a.send(b"end")
    p.expect_output(b"end")
    check(p, before, False)
    a.close()


@pytest.mark.parametrize("socktype", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["stream", "dgram"])
def test_accept_fd(local, tmp_path, socktype):
    """A socket that the service manager has made."""
    path = str(tmp_path / "s")
    listening = local.socket(socket.AF_UNIX, socktype, bind=path)
    if socktype == socket.SOCK_STREAM:
        listening.listen()
    p = local.start("-u", f"ACCEPT-FD:{listening.fileno()},fork", "SYSTEM:exec cat", pass_fds=[listening.fileno()])
    s = local.socket(socket.AF_UNIX, socktype)
    s.connect(path)
    s.send(b"first")
    p.expect_output(b"first")
    before = len(lab.descriptors(p.pid))
    for _ in range(10):
        send_with_files(s, b"more", PASSED)
    s.send(b"end")
    p.expect_output(b"end")
    check(p, before + 4, socktype == socket.SOCK_DGRAM)


@pytest.mark.parametrize("own", ["", ",isolate"], ids=["", "isolate"])
@pytest.mark.parametrize("what", ["descriptors", "long"])
def test_flood_of_connections(local, tmp_path, what, own):
    """Each connection has a socket of its own, and all of an address have one limit: what is written about them is bounded."""
    path, n = tmp_path / "s", 0
    p = local.start(f"UNIX-LISTEN:{path},fork,so-type=5{own}", "PIPE")
    lab.wait_until(path.exists, 3, "no socket")
    begin = time.monotonic()
    while time.monotonic() < begin + 0.7:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400000)
            try:
                s.connect(str(path))
                if what == "long":
                    s.send(b"x" * 150000)
                else:
                    send_with_files(s, b"x", 1)
                n += 1
            except OSError:
                pass
    lab.rest(0.5)
    assert n > 50 and len(p.log.splitlines()) < 20 * (time.monotonic() - begin + 2), p.log[-2000:]
