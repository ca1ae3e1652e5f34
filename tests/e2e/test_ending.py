"""The end of an end: what was written arrives, or the status says that it did not.

Every transport with every size and direction, hashes compared at the far end; then peers that speak
unasked, read slowly, close first, reset and vanish. Classic loses data where the peer has said
something that nobody read, because close(2) makes the kernel drop what is still on its way."""
import hashlib
import os
import re
import socket
import struct
import threading
import time

import pytest

import lab
from certs import zoo_if_any
from test_tcp import LOOP, accept, server

DATA = os.urandom(5_000_000)
SIZES = (1, 100_000, 5_000_000)


@pytest.fixture(scope="module", name="zoo")
def _zoo(tmp_path_factory):
    return zoo_if_any(tmp_path_factory)


def tls(version):
    def pair(where, zoo):
        if zoo is None:
            pytest.skip("built without OpenSSL")
        limit = f"min-version=TLS{version},max-version=TLS{version}"
        return (f"OPENSSL-LISTEN:{where},cert={zoo / 'server.pem'},verify=0,reuseaddr,{limit}",
                f"OPENSSL:{LOOP}:{where},cafile={zoo / 'ca.crt'},{limit}")
    return pair


TRANSPORTS = {
    "tcp4": lambda w, _: (f"TCP4-LISTEN:{w},reuseaddr", f"TCP4:{LOOP}:{w}"),
    "tcp6": lambda w, _: (f"TCP6-LISTEN:{w},reuseaddr", f"TCP6:[::1]:{w}"),
    "unix": lambda w, _: (f"UNIX-LISTEN:./s{w}", f"UNIX:./s{w}"),
    "abstract": lambda w, _: (f"ABSTRACT-LISTEN:s{w}", f"ABSTRACT:s{w}"),
    "socket": lambda w, _: (f"SOCKET-LISTEN:2:6:x{int(w):04x}x7f000001x0000000000000000", f"SOCKET-CONNECT:2:6:x{int(w):04x}x7f000001x0000000000000000"),
    "tls1.2": tls("1.2"),
    "tls1.3": tls("1.3"),
}


def wait_for_listener(p):
    p.wait_log("listening on")


def sha(data):
    return hashlib.sha256(data).hexdigest()


DIRECTIONS = ("-u", "-U", "both", "dual")


def sending(flag, address, file):
    return {"-u": ("-u", f"OPEN:{file}", address), "-U": ("-U", address, f"OPEN:{file}"), "both": (f"OPEN:{file},rdonly", address),
            "dual": (f"OPEN:{file},rdonly!!OPEN:/dev/null,wronly", address)}[flag]


def receiving(flag, address, file):
    return {"-u": ("-u", address, f"CREATE:{file}"), "-U": ("-U", f"CREATE:{file}", address), "both": (address, f"CREATE:{file}"),
            "dual": (address, f"OPEN:/dev/null,rdonly,ignoreeof!!CREATE:{file}")}[flag]


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("flag", DIRECTIONS)
@pytest.mark.parametrize("transport,size", [(t, s) for t in TRANSPORTS for s in SIZES
                                            if t not in ("abstract", "socket") or s == 100_000])
def test_everything_arrives(local, zoo, tmp_path, transport, size, flag, who):
    """Either side sends: what arrives is what was sent, and both say 0."""
    listen, connect = TRANSPORTS[transport](lab.port(), zoo)
    (tmp_path / "in").write_bytes(DATA[:size])
    first, second = (receiving, sending) if who == "client" else (sending, receiving)
    file = {"client": ("out", "in"), "server": ("in", "out")}[who]
    s = local.start("-d", "-d", *first(flag, listen, file[0]), cwd=tmp_path)
    wait_for_listener(s)
    c = local.start(*second(flag, connect, file[1]), cwd=tmp_path)
    assert c.wait(20).status == 0, c
    assert s.wait(20).status == 0, s
    assert sha((tmp_path / "out").read_bytes()) == sha(DATA[:size])


@pytest.mark.parametrize("flag", ["-U", "both"])
@pytest.mark.parametrize("transport", ["tcp4", "unix", "tls1.2", "tls1.3"])
def test_everything_arrives_from_a_fork(local, zoo, tmp_path, transport, flag):
    """A forking server sends a file to four clients at once."""
    listen, connect = TRANSPORTS[transport](lab.port(), zoo)
    (tmp_path / "in").write_bytes(DATA)
    s = local.start("-d", "-d", *([flag] if flag == "-U" else []), listen + ",fork", "OPEN:in,rdonly", cwd=tmp_path)
    wait_for_listener(s)
    clients = [local.start(*receiving(flag, connect, f"out{i}"), cwd=tmp_path) for i in range(4)]
    for i, c in enumerate(clients):
        assert c.wait(20).status == 0, c
        assert sha((tmp_path / f"out{i}").read_bytes()) == sha(DATA)


# ---------------------------------------------------------------- peers with a mind of their own

def take_all(c, pause=0.0, step=65536):
    got = b""
    while True:
        if pause:
            time.sleep(pause)
        part = c.recv(step)
        if not part:
            return got
        got += part


def behave(s, result, before=b"", after=b"", pause=0.0, delay=0.0):
    """Accept one connection; say @before, wait @delay, read everything, say @after, close."""
    def body():
        try:
            c, _ = s.accept()
            if before:
                c.sendall(before)
            time.sleep(delay)
            result.append(take_all(c, pause))
            if after:
                c.sendall(after)
            c.close()
        except OSError as e:
            result.append(e)
    t = threading.Thread(target=body)
    t.start()
    return t


@pytest.mark.parametrize("how", [dict(before=b"220 hello\r\n"), dict(before=b"220 hello\r\n", delay=0.3), dict(after=b"250 thanks\r\n"),
                                 dict(before=bytes(100_000), delay=0.2), dict(delay=0.5, pause=0.002)])
@pytest.mark.parametrize("family", ["tcp", "unix"])
@pytest.mark.parametrize("flag", ["-u", "-U", "both"])
def test_peers_that_speak_unasked_and_read_slowly(local, tmp_path, flag, family, how):
    """Nothing is lost to a server that greets, answers at the end, or takes its time. (Classic: 346 of 3000 KB.)"""
    size = 5_000_000 if "pause" not in how else 600_000
    (tmp_path / "in").write_bytes(DATA[:size])
    if family == "tcp":
        s, port = server(local)
        where = f"TCP4:{LOOP}:{port},sndbuf=100000"
    else:
        s = local.socket(socket.AF_UNIX, socket.SOCK_STREAM, bind=str(tmp_path / "s"))
        s.listen()
        where = f"UNIX:{tmp_path}/s"
    s.settimeout(20)
    got = []
    t = behave(s, got, **how)
    p = local.start(*sending(flag, where, tmp_path / "in"))
    t.join(20)
    assert got and not isinstance(got[0], OSError) and sha(got[0]) == sha(DATA[:size]), got
    r = p.wait()
    assert r.status == 0 and " E " not in r.log, r


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("flag", ["-u", "-U"])
@pytest.mark.parametrize("late", [0, 0.4])
def test_a_tls_server_that_reads_late(local, zoo, tmp_path, version, flag, late):
    """Session tickets, a greeting and a slow reader: the upload arrives whole. (Before: one in two was cut, status 0.)"""
    import ssl
    if zoo is None:
        pytest.skip("built without OpenSSL")
    (tmp_path / "in").write_bytes(DATA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(zoo / "server.pem")
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
    s, port = server(local)
    s.settimeout(20)
    got = []

    def body():
        c, _ = s.accept()
        try:
            with context.wrap_socket(c, server_side=True, suppress_ragged_eofs=False) as t:
                t.sendall(b"220 hello\r\n")
                time.sleep(late)
                got.append(take_all(t))
        except OSError as e:
            got.append(e)
    t = threading.Thread(target=body)
    t.start()
    p = local.start(*sending(flag, f"OPENSSL:{LOOP}:{port},cafile={zoo / 'ca.crt'}", tmp_path / "in"))
    t.join(20)
    assert got and not isinstance(got[0], OSError) and sha(got[0]) == sha(DATA), got
    assert p.wait().status == 0, p


@pytest.mark.parametrize("flag", ["-u", "-U"])
def test_clients_that_ask(local, tmp_path, flag):
    """A file is served to clients that ask first and read late: an unread question does no harm."""
    (tmp_path / "in").write_bytes(DATA)
    port = lab.port()
    address = f"TCP4-LISTEN:{port},reuseaddr"
    p = local.start("-d", "-d", *sending(flag, address + (",fork" if flag == "-U" else ""), tmp_path / "in"))
    p.wait_log("listening on")
    for _ in range(3 if flag == "-U" else 1):
        c = local.socket(kind=socket.SOCK_STREAM)
        c.connect((LOOP, port))
        c.sendall(b"GET / HTTP/1.0\r\n\r\n" + bytes(50_000))
        time.sleep(0.2)
        assert sha(take_all(c)) == sha(DATA)
        c.close()


def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def test_a_peer_that_resets_is_told(local):
    """It closes with everything unread: status 1 and a sentence. (Classic: 0.)"""
    s, port = server(local)
    p = local.start("-u", "TEXT:data", f"TCP4:{LOOP}:{port}")
    c, _ = accept(s)
    lab.wait_until(lambda: c.recv(9, socket.MSG_PEEK | socket.MSG_DONTWAIT), 3, "no data")
    reset(c)
    r = p.wait()
    assert r.status == 1 and re.search(r" E the peer of socket 2 did not take all .*: Connection reset by peer", r.log), r


def test_a_peer_that_vanishes_is_told(lan):
    """The cable is pulled before the last bytes: after close-timeout it is said, with status 1."""
    s = lan[1].socket(kind=socket.SOCK_STREAM, bind=("192.168.10.2", 0))
    s.listen()
    p = lan[0].start("-u", "-", f"TCP4:192.168.10.2:{s.getsockname()[1]},close-timeout=0.6")
    c, _ = accept(s)
    p.send(b"x")
    assert c.recv(9) == b"x"
    lan[1].ip("link set eth0 down")
    try:
        p.send(DATA[:20_000])
        start = time.monotonic()
        p.close_stdin()
        r = p.wait(8)
        assert r.status == 1 and re.search(r" E the peer of socket 2 did not take all .*: Connection timed out", r.log), r
        assert 0.5 < time.monotonic() - start < 4
    finally:
        lan[1].ip("link set eth0 up", lab.Lan.ROUTE.replace("add", "replace"), "addr replace fd00::2/64 dev eth0 nodad",
                  "addr replace fe80::2/64 dev eth0 nodad")


def test_a_peer_that_stands_still_is_left_to_the_kernel(local):
    """It is there, but reads nothing for close-timeout: a warning, and what it reads later is whole."""
    s, port = server(local)
    s.settimeout(10)
    p = local.start("-u", "-", f"TCP4:{LOOP}:{port},close-timeout=0.5")
    c, _ = accept(s)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    p.send(DATA[:40_000])
    p.close_stdin()
    r = p.wait(8)
    assert r.status == 0 and re.search(r" W the peer of socket 2 has not taken \d+ bytes yet", r.log), r
    assert sha(take_all(c)) == sha(DATA[:40_000])


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_peer_that_never_closes_costs_no_more_than_t(local, tmp_path, family):
    """One way to a server that keeps its side open: nothing if it is silent; -t if it has said something that nobody reads,
    because more may come."""
    if family == "tcp":
        s, port = server(local)
        where = f"TCP4:{LOOP}:{port}"
    else:
        s = local.socket(socket.AF_UNIX, socket.SOCK_STREAM, bind=str(tmp_path / "s"))
        s.listen()
        where = f"UNIX:{tmp_path}/s"
    for t, greeting, least, most in (("0.6", b"220 hello", 0.3, 2), ("0", b"220 hello", 0, 0.5), ("3", b"", 0, 1)):
        p = local.start("-t", t, "-u", "-", where)
        c, _ = accept(s)
        c.sendall(greeting)
        p.send(b"x")
        assert c.recv(9) == b"x"
        start = time.monotonic()
        p.close_stdin()
        assert p.wait().status == 0, p
        assert least <= time.monotonic() - start < most * lab.SLOW
        c.close()


def test_lingering_holds_no_session(local):
    """max-children=1: the next client is served while the end of the first is still on its way."""
    port = lab.port()
    p = local.start("-d", "-d", "-t", "3", "-U", f"TCP4-LISTEN:{port},fork,max-children=1", "SYSTEM:echo hello")
    p.wait_log("listening on")
    kept = []
    for _ in range(3):
        c = local.socket(kind=socket.SOCK_STREAM)
        c.connect((LOOP, port))
        start = time.monotonic()
        assert lab.take(c, 99) == b"hello\n"
        assert time.monotonic() - start < 1.5 * lab.SLOW
        kept.append(c)      # its side stays open
    p.kill()
    assert p.wait(2).status == 143


@pytest.mark.parametrize("seconds,least", [(0, 0), (2, 0)])
def test_option_linger(local, seconds, least):
    """linger=0: the socket is closed at once. Any other number is the limit for a peer that stands still."""
    s, port = server(local)
    p = local.start("-t", "1", "-u", "-", f"TCP4:{LOOP}:{port},linger={seconds}")
    c, _ = accept(s)
    p.send(b"x")
    assert c.recv(9) == b"x"
    start = time.monotonic()
    p.close_stdin()
    assert p.wait().status == 0, p
    assert least <= time.monotonic() - start < least + 0.8 * lab.SLOW


def test_ending_does_not_spin(local):
    """A peer that has closed its side but does not read: waiting for it costs no processor time."""
    s, port = server(local)
    p = local.start("-u", "-", f"TCP4:{LOOP}:{port},close-timeout=2")
    c, _ = accept(s)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.shutdown(socket.SHUT_WR)
    p.send(DATA[:40_000])
    p.close_stdin()
    time.sleep(0.3)
    before = cpu(p.pid)
    time.sleep(1)
    assert cpu(p.pid) - before <= 0.1
    assert sha(take_all(c)) == sha(DATA[:40_000])
    assert p.wait().status == 0


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_peer_that_half_closes_first_and_takes_nothing(local, tmp_path):
    """It has said its end, so nothing is missed; that it did not take ours is told all the same. (Before: status 0.)"""
    (tmp_path / "in").write_bytes(DATA[:400_000])
    s, port = server(local)
    with local.inside():
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    p = local.start("OPEN:in,rdonly!!OPEN:/dev/null,wronly", f"TCP4:{LOOP}:{port}", cwd=tmp_path)
    c, _ = accept(s)
    c.shutdown(socket.SHUT_WR)
    time.sleep(0.3)
    c.close()
    r = p.wait()
    assert r.status == 1 and re.search(" E .*(Connection reset by peer|Broken pipe)", r.log), r


def test_trickling_readers_are_bounded(local):
    """Peers that take a little now and then hold their sockets for some close-timeouts, not for ever; the rest is the kernel's."""
    port = lab.port()
    p = local.start("-d", "-d", "-U", f"TCP4-LISTEN:{port},reuseaddr,fork,close-timeout=0.3", "SYSTEM:head -c 300000 /dev/zero")
    p.wait_log("listening on")
    kept = []
    for _ in range(10):
        c = local.socket(kind=socket.SOCK_STREAM)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.connect((LOOP, port))
        kept.append(c)
    before = time.monotonic()

    def trickle():
        for c in kept:
            c.setblocking(False)
            try:
                c.recv(600)
            except BlockingIOError:
                pass
        time.sleep(0.05)
        return len([fd for fd in os.listdir(f"/proc/{p.pid}/fd") if is_socket(p.pid, fd)]) == 1
    lab.wait_until(trickle, 8, lambda: f"sockets stay: {p!r}")
    assert time.monotonic() - before < 6 * lab.SLOW


def is_socket(pid, fd):
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    except OSError:
        return False
