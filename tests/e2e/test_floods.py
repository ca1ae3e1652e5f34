"""Strangers: many of them, forged or not, and what they cost. And few descriptors.

While a flood lasts and behind it, memory is bounded, a client who means it is served, and the processor is idle again
when it is over. The network namespace has a route for all of 10/8 to itself, so any number of forged addresses are at
hand. Classic starts a process for each datagram.
"""
import os
import re
import select
import socket
import ssl
import struct
import time

import pytest

import lab
from certs import Zoo

LOOP = "127.0.0.1"
SECONDS = 0.6           # of each flood
ASAN = "build-asan" in lab.SOCAST
# What an honest client waits at most where nothing is ahead of it but what the program does in a turn or two.
SOON = (2 if ASAN else 0.1) * lab.SLOW
# The same behind a full receive queue: it is served in turn, and 1.5 MiB (net.core.rmem_max is 4 MiB or more) hold 4,100
# datagrams of 20 bytes with what the kernel keeps about each. A session for each takes 13 to 15 us of a processor that has
# nothing else to do: 0.1 s at most, here with what the tests beside take. See doc/performance.md, and test_a_short_queue().
PATIENCE = (5 if ASAN else 0.5) * lab.SLOW


@pytest.fixture(name="many")
def _many(local):
    """A host with sixteen million addresses."""
    local.ip("route replace local 10.0.0.0/8 dev lo")
    yield local
    local.ip("route del local 10.0.0.0/8 dev lo")


@pytest.fixture(name="zoo", scope="module")
def _zoo(tmp_path_factory):
    if not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    return Zoo(str(tmp_path_factory.mktemp("zoo")))


class Raw:
    """Sends UDP datagrams from addresses that do not exist."""

    def __init__(self, host, port):
        with host.inside():
            self.s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.s.setblocking(False)
        self.port, self.n = port, 0

    def fileno(self):
        return self.s.fileno()

    def send(self, data):
        self.n += 1
        n = self.n
        # never the port of the server: its answers would come to itself, which is a loop
        udp = struct.pack("!4H", 32768 + n % 30000, self.port, 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                         bytes((10, n >> 16 & 255, n >> 8 & 255, n & 255)), bytes((127, 0, 0, 1)))
        try:
            self.s.sendto(ip + udp, (LOOP, 0))
        except BlockingIOError:
            select.select([], [self.s], [], 0.05)

    def close(self):
        self.s.close()


class Unix:
    """Sends to a UNIX datagram socket from a socket without a name."""

    def __init__(self, host, path):
        self.s = host.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.s.setblocking(False)
        self.path = path

    def send(self, data):
        try:
            self.s.sendto(data, self.path)
        except BlockingIOError:
            lab.pump(0.001)

    def close(self):
        self.s.close()


class Connections:
    """Connects again and again, from one address after the other, and is refused."""

    def __init__(self, host, port):
        self.host, self.port, self.n = host, port, 0

    def send(self, data):
        self.n += 1
        n = self.n
        with self.host.inside():
            s = socket.socket()
        s.bind((f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255 or 1}", 0))
        s.settimeout(1)
        try:
            s.connect((LOOP, self.port))
            s.send(data)
        except OSError:
            pass
        s.close()

    def close(self):
        pass


class Plain(Connections):
    """Connects from one address, says something that nobody wants, and goes."""

    def send(self, data):
        self.n += 1
        with self.host.inside():
            s = socket.socket()
        s.settimeout(1)
        try:
            s.connect((LOOP, self.port))
            s.send(data)
        except OSError:
            pass
        s.close()


def flood(sender, data, ask):
    """Send for a while; every now and then somebody honest asks. Returns the slowest answer. Of somebody who had to ask
    again, because a full queue has lost the question, the last attempt counts if ask() says how long that took."""
    slowest, end, due = 0.0, time.monotonic() + SECONDS, 0.0
    while time.monotonic() < end:
        for _ in range(200):
            sender.send(data)
            if time.monotonic() >= end:
                break
        lab.pump(0)
        if time.monotonic() >= due:
            start = time.monotonic()
            took = ask() or time.monotonic() - start
            slowest = max(slowest, took)
            due = time.monotonic() + 0.1
    return slowest


def is_calm(p, mib, lines=80):
    """Behind it: memory within bounds, few lines, an idle processor."""
    lab.rest(0.2)
    lab.wait_until(lambda: busy(p, 0.1) < 0.05, 5, "the processor is not idle")
    if not ASAN:
        assert lab.rss_kib(p.pid) < mib * 1024, f"{lab.rss_kib(p.pid)} KiB"
    assert len(p.log.splitlines()) < lines, p.log[-2000:]
    assert not p.ended()


def busy(p, seconds):
    pids = [p.pid, *lab.descendants(p.pid)]
    before = sum(map(lab.cpu_seconds, pids))
    lab.rest(seconds)
    return (sum(map(lab.cpu_seconds, pids)) - before) / seconds


def honest(local, port, own=False):
    """Asks from a socket that lives on, or each time from a new one; an answer lost in the queue is asked for again."""
    keep = local.udp()

    def ask():
        s = local.udp() if own else keep
        text = os.urandom(8)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            s.sendto(text, (LOOP, port))
            while select.select([s], [], [], 0.05)[0]:
                if s.recv(99) == text:
                    return
        raise AssertionError("no answer")
    return ask


@pytest.mark.parametrize("own", [False, True], ids=["known", "new"])
@pytest.mark.parametrize("size", [20, 60000])
@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port},fork,max-sessions=2000", "UDP4-RECVFROM:{port},fork"], ids=["listen", "recvfrom"])
def test_served_strangers(many, address, size, own):
    """Everybody is served: forged senders cost a session each."""
    port = lab.port()
    p = many.start(address.format(port=port), "PIPE")
    lab.wait_until(lambda: answers(many, port), 3, "it does not begin")
    sender = Raw(many, port)
    assert flood(sender, b"x" * size, honest(many, port, own)) < PATIENCE
    assert sender.n > 500
    is_calm(p, 40)
    sender.close()


@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port},fork,max-sessions=2000", "UDP4-RECVFROM:{port},fork"], ids=["listen", "recvfrom"])
def test_a_short_queue(many, address):
    """Where the kernel's queue is short (rcvbuf) a question is lost in it or answered at once: what the program itself
    does in a turn is bounded, however many strangers it serves and sends away in it."""
    port = lab.port()
    p = many.start(address.format(port=port) + ",rcvbuf=65536", "PIPE")
    lab.wait_until(lambda: answers(many, port), 3, "it does not begin")
    s, sender = many.udp(), Raw(many, port)

    def ask():
        """Each attempt has a text of its own: an answer to an earlier one does not count for it."""
        end, sent = time.monotonic() + 10, {}
        while time.monotonic() < end:
            text = os.urandom(8)
            sent[text] = time.monotonic()
            s.sendto(text, (LOOP, port))
            while select.select([s], [], [], 0.02)[0]:
                answer = s.recv(99)
                if answer in sent:
                    return time.monotonic() - sent[answer]
        raise AssertionError("no answer")
    assert flood(sender, b"x" * 20, ask) < SOON
    is_calm(p, 40)
    sender.close()


def answers(local, port):
    s = local.udp(timeout=0.1)
    s.sendto(b"?", (LOOP, port))
    try:
        return s.recv(9) == b"?"
    except OSError:
        return False


@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port},fork", "UDP4-RECVFROM:{port},fork"], ids=["listen", "recvfrom"])
def test_sessions_that_never_begin(many, address):
    """Datagrams wait in memory while the right address is being opened: there is a bound for all together.

    150 ports of one sender took 612 MiB once."""
    port = lab.port()
    fifo = f"/tmp/socast-{os.getpid()}-{port}"
    os.mkfifo(fifo)
    try:
        p = many.start("-u", address.format(port=port), f"OPEN:{fifo}")
        lab.wait_until(lambda: lab.descriptors(p.pid), 3, "it does not begin")
        lab.rest(0.2)
        sender = Raw(many, port)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            sender.n %= 150         # the same again and again
            sender.send(b"x" * 60000)
        lab.rest(0.2)
        if not ASAN:
            assert lab.rss_kib(p.pid) < 80 * 1024      # 10,000 sessions at most, and the budget
        sender.close()
    finally:
        os.unlink(fifo)


@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port},fork", "UDP4-RECVFROM:{port},fork", "UDP4-RECV:{port}", "UDP4-DATAGRAM:10.9.9.9:9,bind=:{port}"],
                         ids=["listen", "recvfrom", "recv", "datagram"])
def test_refused_strangers(many, address):
    """Each refusal is of another host: ten lines a second, the rest is counted. It was 18 MB of log a second once."""
    port = lab.port()
    p = many.start("-u", address.format(port=port) + ",range=10.255.255.255/32", "-")
    lab.rest(0.3)
    sender = Raw(many, port)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        sender.send(b"x")
    is_calm(p, 20, lines=10 * (SECONDS + 2) + 5)
    last = many.udp(("127.0.0.1", 0))
    lab.rest(1.1)
    last.sendto(b"x", (LOOP, port))
    p.wait_log(r"\(and \d+ of others\)")
    sender.close()


def test_refused_connections(many):
    """The same for connections."""
    port = lab.port()
    p = many.start(f"TCP4-LISTEN:{port},fork,range=127.0.0.1/32", "PIPE")
    lab.rest(0.3)

    def ask():
        with many.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            s.connect((LOOP, port))
            s.send(b"hi")
            assert s.recv(9) == b"hi"
    sender = Connections(many, port)
    assert flood(sender, b"x", ask) < SOON
    is_calm(p, 20)


def test_unix_strangers(local, tmp_path):
    """UNIX-RECVFROM,fork: strangers without a name."""
    path, back = str(tmp_path / "s"), str(tmp_path / "c")
    p = local.start(f"UNIX-RECVFROM:{path},fork", "PIPE")
    lab.wait_until(lambda: os.path.exists(path), 3, "no socket")
    s = local.socket(socket.AF_UNIX, socket.SOCK_DGRAM, bind=back)

    def ask():
        s.sendto(b"hi", path)
        assert s.recv(9) == b"hi"
    sender = Unix(local, path)
    assert flood(sender, b"x" * 1000, ask) < SOON
    is_calm(p, 30)


def test_noise_at_dtls(many, zoo):
    """Nothing is kept about anybody who has not shown a cookie."""
    port = lab.port()
    p = many.start(f"DTLS-LISTEN:{port},fork,pf=ip4,verify=0,cert={zoo / 'server'}.pem", "PIPE")
    lab.rest(0.3)
    c = many.start("-", f"DTLS:{LOOP}:{port},pf=ip4,verify=0")

    def ask():
        n = len(c.out)
        for _ in range(20):             # a record may be lost in the full queue
            c.send(b"hi")
            if lab.wait_until(lambda: len(c.out) > n, 0.2, None):
                return
        raise AssertionError(f"no answer {c!r}")
    ask()
    sender = Raw(many, port)
    assert flood(sender, b"\x16\xfe\xff" + b"x" * 60, ask) < PATIENCE
    is_calm(p, 40)
    sender.close()


@pytest.mark.parametrize("data", [b"not sealed", b"\x50" + b"x" * 60], ids=["plain", "forged"])
@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port},fork", "UDP4-RECVFROM:{port},fork"], ids=["listen", "recvfrom"])
def test_noise_at_sealed_addresses(many, tmp_path, address, data):
    """Who has no key costs no session, and few lines; a member is answered."""
    if not lab.has("SEAL"):
        pytest.skip("built without libsodium")
    port, key = lab.port(), str(tmp_path / "keys")
    with open(key, "w", encoding="ascii") as f:
        os.fchmod(f.fileno(), 0o600)
        f.write(many.run("--keygen").out.decode())
    p = many.start(f"{address.format(port=port)},seal={key}", "PIPE")
    lab.rest(0.3)
    c = many.start("-", f"UDP4-SENDTO:{LOOP}:{port},seal={key}")

    def ask():
        n = len(c.out)
        for _ in range(50):             # a datagram may be lost in the full queue
            start = time.monotonic()
            c.send(b"hi")
            if lab.wait_until(lambda: len(c.out) > n, 0.1, None):
                return time.monotonic() - start
        raise AssertionError(f"no answer {c!r}\n{p!r}")
    ask()
    sender = Raw(many, port)
    assert flood(sender, data, ask) < PATIENCE
    is_calm(p, 20)
    sender.close()


@pytest.mark.parametrize("hello", [False, True], ids=["noise", "hello"])
def test_handshakes_that_lead_nowhere(many, zoo, hello):
    """TLS: noise costs nothing but a line now and then; a greeting of somebody who then goes costs a key exchange, and
    nothing that stays. Others are served meanwhile: in turn, 0.4 ms of the processor for each greeting before theirs."""
    port = lab.port()
    p = many.start(f"OPENSSL-LISTEN:{port},fork,pf=ip4,verify=0,cert={zoo / 'server'}.pem", "PIPE")
    lab.wait_until(lambda: connects(many, port), 3, "it does not begin")
    context = ssl.create_default_context(cafile=str(zoo / "ca.crt"))
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()

    def ask():
        with many.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            s.connect((LOOP, port))
            with context.wrap_socket(s, server_hostname="localhost") as t:
                t.send(b"hi")
                assert t.recv(9) == b"hi"
    sender = Plain(many, port)
    assert flood(sender, out.read() if hello else b"x" * 300, ask) < (10 * SOON if hello else SOON)
    assert sender.n > 100
    is_calm(p, 40)
    sender.close()


def test_a_slow_session_process(many):
    """A process that does not read its feed: datagrams are lost, and few lines tell of it."""
    port = lab.port()
    p = many.start("-u", f"UDP4-LISTEN:{port},fork,isolate", "EXEC:sleep 20")
    lab.rest(0.3)
    s = many.udp()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        s.sendto(b"x" * 1000, (LOOP, port))
    lab.rest(0.2)
    assert 0 < len([line for line in p.log.splitlines() if "too slow" in line]) < 4


@pytest.mark.parametrize("own", ["", ",isolate"])
def test_forged_peers_without_descriptors(many, own):
    """Forged peers take all descriptors: who is new takes the place of who has been silent longest."""
    port = lab.port()
    p = limited(many, 60 if own else 100, f"UDP4-LISTEN:{port},fork{own}", "PIPE")
    lab.wait_until(lambda: answers(many, port), 3, "it does not begin")
    sender = Raw(many, port)
    for _ in range(600 if not own else 120):
        sender.send(b"x")
    ask = [honest(many, port) for _ in range(10)]
    for a in ask:
        a()
    for a in ask:
        a()
    assert len(p.log.splitlines()) < 60, p.log[-3000:]
    sender.close()


def limited(host, n, *args):
    """The program under test with at most @n descriptors."""
    return host.command(["sh", "-c", f"ulimit -n {n}; exec \"$@\"", "sh", lab.SOCAST, *args])


LIMITS = [9, 10, 12, 16, 20, 24, 32, 40, 48, 64]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("right", ["pipe", "exec", "tcp"])
def test_few_descriptors_tcp(local, right, limit):
    """One client after the other is served whatever the limit, and several at once where there is room for it; classic
    has a process each. Below 12 a program cannot be started."""
    if limit < {"pipe": 9, "exec": 12, "tcp": 9}[right]:
        pytest.skip("not enough for one session")
    if limit < 20 and ASAN:
        pytest.skip("the sanitizer wants some for itself")
    port, server = lab.port(), local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=(LOOP, 0))
    server.listen(200)
    address = {"pipe": "PIPE", "exec": "EXEC:cat", "tcp": f"TCP4:{LOOP}:{server.getsockname()[1]}"}[right]
    p = limited(local, limit, f"TCP4-LISTEN:{port},bind={LOOP},fork", address)
    lab.wait_until(lambda: connects(local, port), 3, lambda: f"it does not begin {p!r}")
    for _ in range(4):
        served(local, port, server if right == "tcp" else None)
    if limit == 64:                     # ten at once are no question
        together = [Asker(local, port) for _ in range(10)]
        with Echo(server if right == "tcp" else None) as echo:
            for c in together:
                echo.until(lambda c=c: c.answered())
        for c in together:
            c.s.close()
    # many: some wait until others have ended
    crowd = [Asker(local, port) for _ in range(40)]
    with Echo(server if right == "tcp" else None) as echo:
        while crowd:
            echo.until(lambda: any(c.answered() for c in crowd), lambda: f"{len(crowd)} are not served\n{p!r}")
            for c in [c for c in crowd if c.answered()]:
                c.s.close()
                crowd.remove(c)
    lab.wait_until(lambda: busy(p, 0.1) < 0.05, 5, "the processor is not idle")


class Asker:
    """A client that has asked."""

    def __init__(self, local, port):
        self.s = local.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.s.connect((LOOP, port))
        self.s.send(b"hi")

    def answered(self):
        if not select.select([self.s], [], [], 0)[0]:
            return False
        assert self.s.recv(9, socket.MSG_PEEK) == b"hi"
        return True


class Echo:
    """Serves a listening socket, if there is one, while somebody waits."""

    def __init__(self, server):
        self.server, self.taken = server, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.taken:
            s.close()

    def until(self, cond, complain="no answer"):
        lab.wait_until(lambda: self.serve() or cond(), 8, complain)

    def serve(self):
        fds = [*([self.server] if self.server else []), *self.taken]
        for s in select.select(fds, [], [], 0.002)[0]:
            if s is self.server:
                self.taken.append(s.accept()[0])
                continue
            data = s.recv(9)
            if data:
                s.send(data)
            else:
                s.close()
                self.taken.remove(s)


def connects(local, port):
    with local.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        return s.connect_ex((LOOP, port)) == 0


def served(local, port, server=None):
    with local.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.connect((LOOP, port))
        s.send(b"hi")
        if server:
            server.settimeout(3 * lab.SLOW)
            while True:
                far = server.accept()[0]
                far.settimeout(3 * lab.SLOW)
                data = far.recv(9)
                if data:
                    break
                far.close()         # of the one who only knocked
            far.send(data)
            far.close()
        assert s.recv(9) == b"hi"


@pytest.mark.parametrize("limit", LIMITS)
def test_few_descriptors_udp(local, limit):
    """UDP-LISTEN,fork: who is new is always served."""
    if limit < 20 and ASAN:
        pytest.skip("the sanitizer wants some for itself")
    port = lab.port()
    p = limited(local, limit, f"UDP4-LISTEN:{port},fork", "PIPE")
    lab.wait_until(lambda: answers(local, port), 3, lambda: f"it does not begin {p!r}")
    for _ in range(30):
        honest(local, port)()
    assert busy(p, 0.2) < 0.1


def test_who_waits_is_told(local):
    """A warning, once: sessions wait for descriptors. And the accept is taken up again."""
    port = lab.port()
    p = limited(local, 32, f"TCP4-LISTEN:{port},bind={LOOP},fork", "PIPE")
    lab.wait_until(lambda: connects(local, port), 3, "it does not begin")
    s = [local.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(30)]
    for c in s:
        c.connect((LOOP, port))
    p.wait_log(r" W \d+ sessions use all descriptors this process may have \(ulimit -n: 32\), others wait")
    for c in s:
        c.send(b"x")
        assert c.recv(9) == b"x"
        c.close()
    assert len(p.log.splitlines()) == 1, p.log


@pytest.mark.parametrize("own", ["", ",isolate", ",su=nobody"], ids=["", "isolate", "su"])
@pytest.mark.parametrize("right", ["TCP4:127.0.0.1:1", "OPEN:/nonexistent", "EXEC:/nonexistent"])
def test_sessions_that_fail(many, right, own):
    """Ten records a second of each level, the rest is counted, also when each session has a process of its own; when it is
    over, each is told again. Classic writes two for each connection."""
    if own == ",su=nobody" and os.geteuid():
        pytest.skip("needs root")
    port = lab.port()
    p = many.start("--stats=100", f"TCP4-LISTEN:{port},fork{own}", right)
    lab.wait_until(lambda: connects(many, port), 3, "it does not begin")
    sender, begin = Plain(many, port), time.monotonic()
    while time.monotonic() < begin + SECONDS:
        sender.send(b"x")
    assert sender.n > 100
    lab.wait_until(lambda: busy(p, 0.1) < 0.05, 20, "the processor is not idle")
    is_calm(p, 20, lines=24 * (time.monotonic() - begin + 2) + 20)       # several processes may begin a second
    lab.rest(2.5)                       # after two seconds what was left out is told
    running = len(lab.descendants(p.pid))           # they look for their own faults, and have perhaps not told yet
    p.stop()
    sender.close()
    errors = [line for line in p.log.splitlines() if " E " in line]
    hidden = sum(int(n) for n in re.findall(r" E .*\(and (\d+) of others\)| E (\d+) more errors of sessions were left out", p.log) for n in n if n)
    sessions = int(re.search(r"address 1 .* sessions so far (\d+)", p.log)[1])
    told = len([e for e in errors if "left out" not in e])
    assert sessions - running <= hidden + told <= sessions, f"{hidden} + {told} of {sessions}, {running} running: {p.log[-3000:]}"
