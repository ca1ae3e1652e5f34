"""ACCEPT-FD: a listening socket that somebody else has made, for example a service manager."""
import os
import re
import shutil
import socket

import pytest

import lab

BIG = bytes(range(256)) * 2000


def listening(local, family=socket.AF_INET, kind=socket.SOCK_STREAM, addr=("127.0.0.1", 0)):
    s = local.socket(family, kind, bind=addr, timeout=8)
    if kind != socket.SOCK_DGRAM:
        s.listen()
    return s


def start(local, s, address, *args, **kw):
    """The program with socket @s as the descriptor that {} stands for."""
    p = local.start("-d", "-d", address.format(s.fileno()), *args, pass_fds=[s.fileno()], **kw)
    p.wait_log("listening on|receiving on")
    return p


def connected(local, name, bind=None):
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=bind, timeout=8)
    s.connect(name)
    return s


def everything(s):
    data = b""
    while part := s.recv(9999):
        data += part
    return data


@pytest.mark.parametrize("kw", ["ACCEPT-FD", "ACCEPT", "accept-fd"])
def test_accept_loop(local, fast, kw):
    with listening(local) as s:
        p = start(local, s, kw + ":{},fork", "EXEC:cat")
        assert f"N using file descriptor {s.fileno()} accepting a connection for reading and writing" in p.log
        assert f"N listening on {lab.sa4(*s.getsockname())}" in p.log
        for _ in range(3):
            r = local.run("-t5", "-", "TCP4:%s:%d" % s.getsockname(), input=BIG, timeout=20)
            assert r.status == 0 and r.out == BIG, r


@pytest.mark.parametrize("options,blocking", [(",fork", True), (",fork,isolate", True), ("", True), (",fork", False)])
def test_blocks_again(local, options, blocking):
    """The socket is others' too: it does not wait while we use it, and is left as it was found."""
    with listening(local) as s:
        s.setblocking(blocking)
        p = start(local, s, "ACCEPT-FD:{}" + options, "PIPE")
        assert not os.get_blocking(s.fileno())
        for _ in range(2 if options else 1):
            with connected(local, s.getsockname()) as c:
                c.sendall(b"x")
                assert c.recv(9) == b"x"
                assert not options or not os.get_blocking(s.fileno())
        if options:
            p.kill()
        p.wait()
        assert os.get_blocking(s.fileno()) == blocking


def test_one_connection(local, fast):
    with listening(local) as s:
        p = start(local, s, "ACCEPT-FD:{}", "PIPE")
        with connected(local, s.getsockname()) as c:
            c.sendall(b"x")
            assert c.recv(9) == b"x"
        assert p.wait().status == 0


def test_all_four_variables(local):
    with listening(local) as s:
        start(local, s, "ACCEPT-FD:{},fork", "SYSTEM:set | grep SOCAT_")
        with connected(local, s.getsockname()) as c:
            v = dict(re.findall(r"SOCAT_(\w+)='?(.*?)'?$", everything(c).decode(), re.M))
            assert (v["SOCKADDR"], v["SOCKPORT"]) == ("127.0.0.1", str(s.getsockname()[1]))
            assert (v["PEERADDR"], v["PEERPORT"]) == ("127.0.0.1", str(c.getsockname()[1]))


def test_range(local):
    with listening(local, addr=("0.0.0.0", 0)) as s:
        p = start(local, s, "ACCEPT-FD:{},fork,range=127.0.0.2/32", "PIPE")
        name = ("127.0.0.1", s.getsockname()[1])
        with connected(local, name) as c:
            assert everything(c) == b""
        p.wait_log("W refusing connection from .* due to range option")
        with connected(local, name, ("127.0.0.2", 0)) as c:
            c.sendall(b"x")
            assert c.recv(9) == b"x"


def test_max_children(local):
    with listening(local) as s:
        p = start(local, s, "ACCEPT-FD:{},fork,max-children=1", "PIPE")
        with connected(local, s.getsockname()) as a, connected(local, s.getsockname()) as b:
            b.sendall(b"b")
            a.sendall(b"a")
            assert a.recv(9) == b"a"
            p.wait_log("maxchildren are active, waiting")
            a.close()
            assert b.recv(9) == b"b"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_unix(local, fast, tmp_path, monkeypatch, kind):
    """The kind of socket is found out; its entry belongs to who has made it."""
    monkeypatch.chdir(tmp_path)
    with listening(local, socket.AF_UNIX, kind, "s") as s:
        p = start(local, s, "ACCEPT-FD:{},fork", "EXEC:cat,socktype=%d" % kind)
        with local.socket(socket.AF_UNIX, kind) as c:
            c.connect("s")
            for data in (b"one", b"three", b"x"):
                c.send(data)
                assert c.recv(99) == data
        p.stop()
    assert os.path.exists("s")


def test_programs_do_not_inherit_it(local):
    with listening(local) as s:
        start(local, s, "ACCEPT-FD:{},fork", "SYSTEM:ls -l /proc/self/fd")
        with connected(local, s.getsockname()) as c:
            text = everything(c).decode()
        assert len(re.findall("socket:", text)) == 2 and re.search(r" 2 -> ", text), text


@pytest.mark.parametrize("fork", ["", ",fork"])
def test_as_standard_input(local, fork):
    """So an inetd gives it to a server that is to wait for clients."""
    with listening(local) as s:
        p = local.start("-d", "-d", "ACCEPT-FD:0" + fork, "SYSTEM:ls -l /proc/self/fd; cat", stdin=s)
        p.wait_log("N using file descriptor 0 accepting")
        for _ in range(2 if fork else 1):
            with connected(local, s.getsockname()) as c:
                c.sendall(b"bye")
                c.shutdown(socket.SHUT_WR)
                text = everything(c).decode()
            assert text.endswith("bye") and len(re.findall("socket:", text)) == 2, text


def test_isolate(local):
    with listening(local) as s:
        start(local, s, "ACCEPT-FD:{},fork,isolate", "PIPE")
        for _ in range(3):
            with connected(local, s.getsockname()) as c:
                c.sendall(b"x")
                assert c.recv(9) == b"x"


# ---------------------------------------------------------------- datagrams

def test_datagrams(local):
    """Served as RECVFROM does: each is a session."""
    with listening(local, kind=socket.SOCK_DGRAM) as s:
        start(local, s, "ACCEPT-FD:{},fork", "SYSTEM:cat; echo $SOCAT_PEERADDR $SOCAT_PEERPORT")
        with local.udp() as a, local.udp() as b:
            for c in (a, b, a):
                c.sendto(b"hi ", s.getsockname())
                text = b""
                while not text.endswith(b"\n"):
                    text += c.recv(99)
                assert text == b"hi 127.0.0.1 %d\n" % c.getsockname()[1]


def test_one_datagram(local, fast):
    with listening(local, kind=socket.SOCK_DGRAM) as s:
        p = start(local, s, "ACCEPT-FD:{}", "PIPE")
        with local.udp() as c:
            c.sendto(b"hi", s.getsockname())
            assert c.recv(9) == b"hi"
        assert p.wait().status == 0


# ---------------------------------------------------------------- a real service manager

ACTIVATE = shutil.which("systemd-socket-activate") or "/usr/lib/systemd/systemd-socket-activate"
needs_activate = pytest.mark.skipif(not os.access(ACTIVATE, os.X_OK), reason="no program systemd-socket-activate")


def wait_bound(local, port, udp=False):
    """The manager does not say that it listens: ask the kernel."""
    name = "udp" if udp else "tcp"

    def bound():
        with local.inside(), open(f"/proc/thread-self/net/{name}", encoding="ascii") as f:
            return f":{port:04X} " in f.read()
    lab.wait_until(bound, 8, "systemd-socket-activate does not listen")


@needs_activate
@pytest.mark.parametrize("fork", ["", ",fork"])
def test_activation_by_a_connection(local, fast, fork):
    """The program is started when the first client comes, with its connection in the queue."""
    port = lab.port()
    env = {k: v for k, v in lab.extra_env.items()}
    local.command([ACTIVATE, "-l", f"127.0.0.1:{port}", *[f"-E{k}" for k in env], lab.SOCAST, "-t5", f"ACCEPT-FD:3{fork}", "EXEC:cat"])
    wait_bound(local, port)
    for _ in range(3 if fork else 1):
        r = local.run("-t5", "-", f"TCP4:127.0.0.1:{port}", input=BIG, timeout=20)
        assert r.status == 0 and r.out == BIG, r


@needs_activate
@pytest.mark.parametrize("fork", ["", ",fork"])
def test_activation_by_a_datagram(local, fork):
    port = lab.port()
    local.command([ACTIVATE, "-d", "-l", f"127.0.0.1:{port}", lab.SOCAST, f"ACCEPT-FD:3{fork}", "EXEC:hostname"])
    wait_bound(local, port, udp=True)
    for _ in range(3 if fork else 1):
        with local.udp() as c:
            c.sendto(b"?", ("127.0.0.1", port))
            assert c.recv(99) == b"host1\n"


@needs_activate
def test_activation_with_the_connection(local, fast):
    """With --accept the descriptor is a connection: FD takes it, and ACCEPT-FD says so."""
    port = lab.port()
    local.command([ACTIVATE, "-a", "-l", f"127.0.0.1:{port}", lab.SOCAST, "-t5", "FD:3", "EXEC:cat"])
    wait_bound(local, port)
    for _ in range(2):
        r = local.run("-t5", "-", f"TCP4:127.0.0.1:{port}", input=BIG, timeout=20)
        assert r.status == 0 and r.out == BIG, r
    port = lab.port()
    p = local.command([ACTIVATE, "-a", "-l", f"127.0.0.1:{port}", lab.SOCAST, "ACCEPT-FD:3", "EXEC:cat"])
    wait_bound(local, port)
    with connected(local, ("127.0.0.1", port)):
        p.wait_log("E ACCEPT-FD:3: the socket is not listening; for a connection use FD:3")


# ---------------------------------------------------------------- misuse

@pytest.mark.parametrize("address,pattern", [
    ("ACCEPT-FD:x", 'E error in FD number "x"'), ("ACCEPT-FD:", 'E error in FD number ""'),
    ("ACCEPT-FD:-1", 'E error in FD number "-1"'), ("ACCEPT-FD:99999999999", "E error in FD number"),
    ("ACCEPT-FD:77", "E ACCEPT-FD:77: Bad file descriptor"), ("ACCEPT:0", "E ACCEPT:0: Socket operation on non-socket"),
    ("ACCEPT-FD:77,retry=3", "E ACCEPT-FD:77: Bad file descriptor"),
    ("ACCEPT-FD", r"E ACCEPT-FD: wrong number of parameters \(0 instead of 1\): usage: ACCEPT-FD:<fdnum>"),
    ("ACCEPT-FD:3,max-children=2", "max-children not allowed without option fork"),
    ("ACCEPT-FD:3,backlog=2", 'option "backlog" not supported with this address type')])
def test_misuse(local, address, pattern):
    r = local.run(address, "PIPE")
    assert r.status == 1 and re.search(pattern, r.log) and len(re.findall(r"\] E ", r.log)) == 1, r


@pytest.mark.parametrize("fork", ["", ",fork"])
def test_not_listening(local, fork):
    with local.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        r = local.run(f"ACCEPT-FD:{s.fileno()}{fork}", "PIPE", pass_fds=[s.fileno()])
    assert r.status == 1 and "the socket is not listening" in r.log, r


@pytest.mark.parametrize("opts", [",so-type=2", ",so-type=5,fork", ",so-type=2,fork", ",so-protocol=17"])
def test_options_about_the_kind_change_nothing(local, opts):
    """The socket is what it is."""
    with listening(local) as s:
        start(local, s, "ACCEPT-FD:{}" + opts, "PIPE")
        with connected(local, s.getsockname()) as c:
            c.sendall(b"x")
            assert c.recv(9) == b"x"
