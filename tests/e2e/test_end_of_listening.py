"""The end of listening, kind by kind: accept-timeout, --drain, signals, the loss of the socket.

One table for all: whatever ends the listening, and whether sessions share the process or have processes of their own
(isolate, su): no session begins any more, those that have begun go on as long as the reason allows, a socket that
serves many peers goes on serving those who have a session, and at the end nothing is left.

Classic has a process for each session, which outlives a listener that has been ended by a signal; with accept-timeout
it waits for one of them.
"""
import os
import signal
import socket

import pytest

import lab
from certs import zoo_if_any
from test_posixmq import exists

LOOP = "127.0.0.1"
OWN = ["", ",isolate"]


class Stream:
    """A client with a stream socket."""

    def __init__(self, local, family, where):
        self.s = local.socket(family, socket.SOCK_STREAM)
        self.s.connect(where)

    def ask(self, text):
        self.s.send(text)
        return self.s.recv(99)

    def close(self):
        self.s.close()


class Datagrams:
    """A client whose farewell is an empty datagram."""

    def __init__(self, local, where):
        self.s = local.udp()
        self.s.connect(where)

    def ask(self, text):
        self.s.send(text)
        return self.s.recv(99)

    def close(self):
        self.s.send(b"")
        self.s.close()


class Program:
    """A client that is a socast: DTLS."""

    def __init__(self, local, *args):
        self.p = local.start("-t", "0.1", "-", *args)

    def ask(self, text):
        n = len(self.p.out)
        self.p.send(text)
        self.p.until(lambda: len(self.p.out) > n, 3, "answer")
        return self.p.out[n:]

    def close(self):
        self.p.close_stdin()
        self.p.wait()


class Kind:
    """An address that listens, and how to be its client."""

    def __init__(self, name, tmp_path, zoo):
        self.name, self.port = name, lab.port()
        self.path = str(tmp_path / "sock")
        self.zoo = zoo
        self.address = {
            "tcp": f"TCP4-LISTEN:{self.port},bind={LOOP}",
            "unix": f"UNIX-LISTEN:{self.path}",
            "seqpacket": f"UNIX-LISTEN:{self.path},so-type=5",
            "socket": f"SOCKET-LISTEN:2:6:x{self.port:04x}7f000001x0000000000000000",
            "udp": f"UDP4-LISTEN:{self.port},bind={LOOP}",
            "dtls": f"DTLS-LISTEN:{self.port},bind={LOOP},pf=ip4,verify=0" + (f",cert={zoo / 'server'}.pem" if zoo else ""),
            "vsock": f"VSOCK-LISTEN:{self.port}",
        }[name] + ",fork"

        # how long somebody new may take: a client that is a program has to be started, and shakes hands
        self.soon = 0.5 * lab.SLOW if name == "dtls" else 0.3

    def client(self, local):
        if self.name in ("tcp", "socket"):
            return Stream(local, socket.AF_INET, (LOOP, self.port))
        if self.name == "unix":
            return Stream(local, socket.AF_UNIX, self.path)
        if self.name == "seqpacket":
            c = Stream.__new__(Stream)
            c.s = local.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            c.s.connect(self.path)
            return c
        if self.name == "vsock":
            return Stream(local, socket.AF_VSOCK, (1, self.port))
        if self.name == "udp":
            return Datagrams(local, (LOOP, self.port))
        return Program(local, f"DTLS:{LOOP}:{self.port},pf=ip4,verify=0")

    def is_served(self, local):
        """Somebody new gets an answer."""
        if self.name == "dtls":
            r = local.run("-t0.2", "-", f"DTLS:{LOOP}:{self.port},pf=ip4,verify=0,handshake-timeout=0.4", input=b"x")
            return r.out != b""
        try:
            c = self.client(local)
            c.s.settimeout(0.2)
            answer = c.ask(b"new")
            c.s.close()
            return answer != b""
        except OSError:
            return False


def vsock_missing():
    try:
        with socket.socket(socket.AF_VSOCK) as a, socket.socket(socket.AF_VSOCK) as b:
            a.bind((1, socket.VMADDR_PORT_ANY))
            a.listen()
            b.settimeout(1)
            b.connect((1, a.getsockname()[1]))
    except OSError as e:
        return f"no VSOCK loopback ({e})"
    return None


@pytest.fixture(name="zoo", scope="module")
def _zoo(tmp_path_factory):
    return zoo_if_any(tmp_path_factory)


@pytest.fixture(name="kind", params=["tcp", "unix", "seqpacket", "socket", "udp", "dtls", "vsock"])
def _kind(request, tmp_path, zoo):
    if request.param == "vsock" and vsock_missing():
        pytest.skip(vsock_missing())
    if request.param == "dtls" and not zoo:
        pytest.skip("needs OpenSSL")
    return Kind(request.param, tmp_path, zoo)


def listen(local, kind, own, *flags, options="", right="PIPE"):
    if own == ",su=nobody" and not lab.REAL_ROOT:
        pytest.skip("needs root")
    p = local.start("-d", "-d", "-t", "0.1", *flags, kind.address + own + options, right)
    p.wait_log("listening on")
    return p


def begin(local, kind):
    c = kind.client(local)
    assert c.ask(b"one") == b"one"
    return c


def goes_on(c):
    for n in range(4):
        assert c.ask(b"%d" % n) == b"%d" % n
        lab.rest(0.05)


def nothing_left(pids, timeout=3):
    lab.wait_until(lambda: not any(lab.running(pid) for pid in pids), timeout,
                   lambda: f"left: {[pid for pid in pids if lab.running(pid)]}")


@pytest.mark.parametrize("own", [*OWN, ",su=nobody"])
def test_accept_timeout(local, kind, own):
    """Nobody new came in time: those who are there talk on as long as they like, then the status is 0."""
    p = listen(local, kind, own, options=f",accept-timeout={kind.soon}")
    c = begin(local, kind)
    pids = [p.pid, *lab.descendants(p.pid)]
    p.wait_log("accept: Connection timed out")
    goes_on(c)
    assert not kind.is_served(local)
    assert c.ask(b"still") == b"still"
    assert not p.ended()
    c.close()
    assert p.wait().status == 0
    nothing_left(pids)


@pytest.mark.parametrize("own", OWN)
def test_drain(local, kind, own):
    """With --drain a session may finish; the last one ends the program, before the time is over."""
    p = listen(local, kind, own, "--drain=20")
    c = begin(local, kind)
    pids = [p.pid, *lab.descendants(p.pid)]
    p.kill()
    p.wait_log("exiting on signal 15")
    goes_on(c)
    assert not kind.is_served(local)
    assert c.ask(b"still") == b"still"
    c.close()
    assert p.wait().status == 143
    nothing_left(pids)


@pytest.mark.parametrize("own", OWN)
def test_drain_is_over(local, kind, own):
    """At the limit of --drain all end: sessions, their processes, and the programs of those."""
    p = listen(local, kind, own, "--drain=0.5", right="EXEC:cat")
    c = begin(local, kind)
    pids = [p.pid, *lab.descendants(p.pid)]
    assert len(pids) == (3 if own else 2)
    p.kill()
    p.wait_log("exiting on signal 15")
    assert c.ask(b"still") == b"still"
    assert p.wait(4).status == 143
    nothing_left(pids)


@pytest.mark.parametrize("own", [",isolate", ",su=nobody"])
def test_two_signals(local, kind, own):
    """The second one finds session processes that have been told, and are still there: each gives its place back once."""
    p = listen(local, kind, own, options=",max-children=1")
    c = begin(local, kind)
    p.kill(signal.SIGSTOP)      # so that it finds both together
    p.kill(signal.SIGTERM)
    p.kill(signal.SIGHUP)
    p.kill(signal.SIGCONT)
    r = p.wait()
    assert r.status in (143, 129) and "ssertion" not in r.log, r
    c.s.close() if hasattr(c, "s") else c.p.stop()


def test_stopped_session_process(local, tmp_path):
    """A session's process that somebody has stopped (SIGSTOP) ends with the listener as well."""
    kind = Kind("tcp", tmp_path, None)
    p = listen(local, kind, ",isolate")
    c = begin(local, kind)
    pids = lab.descendants(p.pid)
    os.kill(pids[0], signal.SIGSTOP)
    lab.wait_until(lambda: lab.state(pids[0]) == "T", 2, "stopped")
    p.kill()
    assert p.wait(2).status == 143
    nothing_left(pids)
    c.close()


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=["term", "hup", "int"])
def test_signal(local, kind, own, sig):
    """Without --drain everything ends at once. In classic the sessions live on."""
    if sig == signal.SIGINT and kind.name not in ("tcp", "unix", "udp"):
        pytest.skip("the three signals differ before the listening is ended, not behind it")
    p = listen(local, kind, own, right="EXEC:cat")
    c = begin(local, kind)
    pids = [p.pid, *lab.descendants(p.pid)]
    assert len(pids) == (3 if own else 2)
    p.kill(sig)
    assert p.wait(2).status == 128 + sig
    nothing_left(pids)
    c.s.close() if hasattr(c, "s") else c.p.stop()


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("how", ["accept-timeout", "drain", "term"])
def test_waiting_at_max_children(local, kind, own, how):
    """Who waits for a session because max-children are active: while nobody is accepted, nobody is late
    (accept-timeout); at the end those who wait are sent away, and memory stays whole."""
    p = listen(local, kind, own, *(["--drain=0.5"] if how == "drain" else []),
               options=",max-children=1" + (f",accept-timeout={kind.soon}" if how == "accept-timeout" else ""))
    c = begin(local, kind)
    waiting = [kind.client(local) for _ in range(1 if kind.name == "dtls" else 8)]
    if kind.name != "dtls":
        for w in waiting:
            w.s.send(b"wait")
    lab.rest(kind.soon + 0.15 if how == "accept-timeout" else 0.1)
    assert c.ask(b"two") == b"two"
    if how == "accept-timeout":
        assert "timed out" not in p.log
        for w in [c, *waiting]:
            if w is not c and kind.name != "dtls":
                assert w.s.recv(9) == b"wait"
            w.close()
        assert p.wait().status == 0
    else:
        p.kill()
        assert p.wait(4).status == 143
    assert "Sanitizer" not in p.log


@pytest.mark.parametrize("own", OWN)
def test_sessions_expire_behind_it(local, own, tmp_path):
    """A silent peer of a table that takes nobody new still expires, and that is the end."""
    kind = Kind("udp", tmp_path, None)
    p = listen(local, kind, own, options=",accept-timeout=0.2,session-timeout=0.5")
    c = begin(local, kind)
    p.wait_log("accept: Connection timed out")
    p.wait_log("silent for session-timeout")
    assert p.wait().status == 0
    c.s.close()


@pytest.mark.parametrize("own", OWN)
def test_lost_socket(local, kind, own):
    """Another holder of the listening socket shuts it down: status 1, once the sessions have ended."""
    if kind.name not in ("tcp", "unix", "seqpacket", "vsock"):
        pytest.skip("for connections; datagrams are below")
    family, where = {"tcp": (socket.AF_INET, (LOOP, kind.port)), "vsock": (socket.AF_VSOCK, (1, kind.port))}.get(kind.name, (socket.AF_UNIX, kind.path))
    s = local.socket(family, socket.SOCK_SEQPACKET if kind.name == "seqpacket" else socket.SOCK_STREAM)
    s.bind(where)
    s.listen()
    p = local.start("-d", "-d", "-t", "0.1", f"ACCEPT-FD:{s.fileno()},fork{own}", "PIPE", pass_fds=(s.fileno(),))
    p.wait_log("listening on")
    c = begin(local, kind)
    s.shutdown(socket.SHUT_RDWR)
    p.wait_log(r" E .*accept")
    goes_on(c)
    c.close()
    assert p.wait().status == 1


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET], ids=["unix", "udp"])
def test_lost_socket_of_datagrams(local, family, own):
    """The same for datagrams: Linux says of a UDP socket that it has no peer, and shuts it down nevertheless."""
    s, c = [local.socket(family, socket.SOCK_DGRAM, bind="" if family == socket.AF_UNIX else (LOOP, 0)) for _ in range(2)]
    p = local.start("-d", "-d", "-t", "0.1", f"ACCEPT-FD:{s.fileno()},fork{own}", "PIPE", pass_fds=(s.fileno(),))
    p.wait_log("receiving on")
    c.connect(s.getsockname())
    c.send(b"one")
    assert c.recv(9) == b"one"
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        assert family == socket.AF_INET
    p.wait_log(r" E .*has been shut down")
    assert p.wait().status == 1


@pytest.mark.parametrize("own", ["", ",isolate"])
@pytest.mark.parametrize("how", ["drain", "over", "term"])
def test_queue_of_messages(local, own, how):
    """POSIXMQ-RECV,fork: a message is a session, and its program the right address."""
    name = f"/socast-end-{os.getpid()}-{lab.port()}"
    p = local.start("-ddd", "-u", *{"drain": ["--drain=20"], "over": ["--drain=0.3"], "term": []}[how],
                    f"POSIXMQ-RECV:{name},fork,unlink-close=1{own}", "SYSTEM:cat; sleep 0.8; echo done")
    p.wait_log("POSIXMQ-RECV: waiting")
    assert local.run("-u", "-", f"POSIXMQ-SEND:{name}", input=b"text").status == 0
    p.wait_log("starting data transfer loop")
    pids = [p.pid, *lab.descendants(p.pid)]
    assert len(pids) > (2 if own else 1)
    p.kill()
    r = p.wait(4)
    assert r.status == 143
    nothing_left(pids)
    assert not exists(name)


@pytest.mark.parametrize("farewell", ["expires", "evicted", "accept-timeout", "killed"])
@pytest.mark.parametrize("own", [",isolate", ",su=nobody"])
def test_own_processes_end_with_their_feed(local, zoo, tmp_path, own, farewell):
    """The process of a DTLS or UDP session whose table has dropped it, or has died, ends, and does not spin."""
    for name in ("udp", "dtls"):
        if name == "dtls" and not zoo:
            continue
        kind = Kind(name, tmp_path, zoo)
        options = {"expires": ",session-timeout=0.4", "evicted": ",max-sessions=1",
                   "accept-timeout": f",accept-timeout={kind.soon},session-timeout={kind.soon + 0.5}", "killed": ""}[farewell]
        p = listen(local, kind, own, options=options)
        c = begin(local, kind)
        pids = lab.descendants(p.pid)
        assert len(pids) == 1
        if name == "udp" and farewell == "expires":
            c.s.send(b"x")
        if farewell == "evicted":
            begin(local, kind)
        if farewell == "killed":
            p.kill(signal.SIGKILL)
        before = lab.cpu_seconds(pids[0])
        nothing_left(pids)
        assert lab.cpu_seconds(pids[0]) - before < 0.3
        p.stop()


def test_empty_datagrams_below_a_layer(local, zoo, tmp_path):
    """Anybody can send an empty datagram from a peer's address: it is no end of a DTLS session, in whatever process."""
    if not zoo:
        pytest.skip("needs OpenSSL")
    for own in ("", ",isolate"):
        kind, back = Kind("dtls", tmp_path, zoo), lab.port()
        p = listen(local, kind, own)
        c = Program(local, f"DTLS:{LOOP}:{kind.port},pf=ip4,verify=0,bind={LOOP}:{back},reuseaddr")
        assert c.ask(b"one") == b"one"
        s = local.udp()
        forger = local.socket(socket.AF_INET, socket.SOCK_DGRAM)
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        forger.bind((LOOP, back))
        for _ in range(5):
            forger.sendto(b"", (LOOP, kind.port))
        forger.close()
        lab.rest(0.1)
        assert c.ask(b"two") == b"two"
        assert sum(lab.cpu_seconds(n) for n in [p.pid, *lab.descendants(p.pid)]) < 1
        s.close()
        c.close()
        p.stop()


@pytest.mark.parametrize("own", ["isolate", "su=nobody"])
def test_session_processes_do_not_drain_again(local, own):
    """They end with the limit of their parent; who waits for the program has not to wait for orphans. (Before: the same time once more.)"""
    port = lab.port()
    p = local.start("-d", "-d", "--drain=3", f"TCP4-LISTEN:{port},reuseaddr,fork,{own}", "EXEC:cat")
    p.wait_log("listening on")
    c = local.socket(kind=socket.SOCK_STREAM)
    c.connect(("127.0.0.1", port))
    c.sendall(b"x")
    assert c.recv(9) == b"x"
    pids = lab.descendants(p.pid)
    p.kill()
    assert p.wait(6).status == 143
    nothing_left(pids, 1.5 / lab.SLOW)
    c.close()
