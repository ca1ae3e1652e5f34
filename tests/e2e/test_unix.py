"""UNIX domain sockets: by path and by abstract name; streams, packets, datagrams."""
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import stat
import tempfile
import threading
import time

import pytest

import lab

BIG = bytes(range(256)) * 2000
U, STREAM, DGRAM, SEQ = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET


@pytest.fixture(name="d")
def _d():
    """A directory with a short name: paths of sockets have at most 108 bytes."""
    path = tempfile.mkdtemp(prefix="u")
    yield path
    lab.stop_all()
    shutil.rmtree(path)


def up(local, *args, **kw):
    p = local.start("-d", "-d", *args, **kw)
    p.wait_log(r"listening on|receiving on|starting data transfer loop")
    return p


def sock(local, kind, bind=None):
    """A socket of this test; abstract names count on the host only."""
    return local.socket(U, kind, bind=bind, timeout=8)


def connected(local, kind, name, bind=None):
    s = sock(local, kind, bind)
    s.connect(name)
    return s


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(n) for n in f.read().split()]


def refused(local, pattern, *args, status=1):
    r = local.run(*args)
    assert r.status == status and re.search(pattern, r.log) and len(re.findall(r"\] E ", r.log)) == 1, r


# ---------------------------------------------------------------- streams

@pytest.mark.parametrize("listen,connect", [
    ("UNIX-LISTEN", "UNIX-CONNECT"), ("UNIX-L", "LOCAL"), ("UNIX-LISTEN", "UNIX-CLIENT"), ("unix-l", "UNIX"),
    ("UNIX-LISTEN", "GOPEN"), ("ABSTRACT-LISTEN", "ABSTRACT-CONNECT"), ("ABSTRACT-LISTEN", "ABSTRACT-CLIENT"),
    ("ABSTRACT-LISTEN", "ABSTRACT")])
def test_stream(local, d, fast, listen, connect):
    """Both ends, both directions, half-close."""
    up(local, f"{listen}:{d}/s,fork", "EXEC:cat")
    for _ in range(2):
        r = local.run("-t5", "-", f"{connect}:{d}/s", input=BIG, timeout=20)
        assert r.status == 0 and r.out == BIG, r


def test_one_connection(local, d, fast):
    """Without fork the second client is not served, and the program ends with the first."""
    p = up(local, f"UNIX-LISTEN:{d}/s", "PIPE")
    with connected(local, STREAM, f"{d}/s") as s:
        s.sendall(b"x")
        assert s.recv(9) == b"x"
        with pytest.raises(ConnectionRefusedError):
            connected(local, STREAM, f"{d}/s")
    assert p.wait().status == 0 and not os.listdir(d)


@pytest.mark.parametrize("argv", [["nc", "-N", "-U", "{}"], ["ncat", "-U", "{}"], [lab.SOCAT_REF, "-t5", "-", "UNIX:{}"]])
def test_foreign_clients(local, d, argv):
    if not shutil.which(argv[0]):
        pytest.skip(f"no program {argv[0]}")
    up(local, f"UNIX-LISTEN:{d}/s,fork", "EXEC:cat")
    c = local.command([a.format(f"{d}/s") for a in argv])
    c.send("one\n")
    c.expect_output(b"one\n")
    c.send("two\n")
    c.expect_output(b"one\ntwo\n")
    c.close_stdin()
    assert c.wait().out == b"one\ntwo\n"


@pytest.mark.parametrize("argv", [["ncat", "-l", "-U", "{}", "-e", "/bin/cat"], [lab.SOCAT_REF, "UNIX-LISTEN:{}", "PIPE"]])
def test_foreign_servers(local, d, fast, argv):
    if not shutil.which(argv[0]):
        pytest.skip(f"no program {argv[0]}")
    local.command([a.format(f"{d}/s") for a in argv])
    lab.wait_until(lambda: os.path.exists(f"{d}/s"), 5, "the server does not come up")
    p = local.start("-t5", "-", f"UNIX-CONNECT:{d}/s,retry=20,interval=0.05")
    # both can wait for themselves when the pipe between their halves is full; and ncat loses what its program has not written when
    # the input ends
    data = BIG[:50000]
    p.send(data)
    p.expect_output(len(data), timeout=20)
    p.close_stdin()
    assert p.wait(8).status == 0 and p.out == data


def test_notices(local, d):
    """What scripts wait for."""
    p = up(local, f"UNIX-LISTEN:{d}/s", "PIPE", env={"LC_ALL": "C"})
    r = local.run("-d", "-d", "-", f"UNIX-CONNECT:{d}/s,bind={d}/me", input=b"")
    log = p.wait().log
    assert f'N listening on AF=1 "{d}/s"' in log
    assert f'N accepting connection from AF=1 "{d}/me" on AF=1 "{d}/s"' in log
    assert f'N opening connection to AF=1 "{d}/s"' in r.log
    assert f'N successfully connected from local address AF=1 "{d}/me"' in r.log


@pytest.mark.whole
def test_many_at_once(local, d, fast):
    """200 sessions are alive at the same time, each with its own echo."""
    p = up(local, f"UNIX-LISTEN:{d}/s,fork", "PIPE")
    socks = [connected(local, STREAM, f"{d}/s") for _ in range(200)]
    for i, s in enumerate(socks):
        s.sendall(b"%d" % i)
    assert [s.recv(99) for s in socks] == [b"%d" % i for i in range(200)]
    for s in socks:
        s.close()
    p.wait_log("socket 2 .* is at EOF", count=200, timeout=20)


def test_descriptors_stay_flat(local, d):
    """After 2,000 sessions there are as few descriptors as before."""
    p = up(local, f"UNIX-LISTEN:{d}/s,fork", "PIPE", stdout=None)
    with connected(local, STREAM, f"{d}/s") as s:
        s.sendall(b"x")
        assert s.recv(9) == b"x"
    lab.wait_until(lambda: len(lab.descriptors(p.pid)) < 12, 5, "the first session does not end")
    before = len(lab.descriptors(p.pid))
    for i in range(2000):
        with connected(local, STREAM, f"{d}/s") as s:
            s.sendall(b"x")
            assert s.recv(9) == b"x"
        if not i % 50:
            lab.pump(0)
    lab.wait_until(lambda: len(lab.descriptors(p.pid)) <= before, 5,
                   lambda: f"{len(lab.descriptors(p.pid))} descriptors, before {before}")


def test_slow_reader(local, d, fast):
    """Nothing is lost and nothing spins while the reader does not read."""
    p = up(local, "-u", "OPEN:/dev/zero,readbytes=4000000", f"UNIX-LISTEN:{d}/s")
    with connected(local, STREAM, f"{d}/s") as s:
        p.wait_log("starting data transfer loop")
        time.sleep(0.3)
        before = cpu_seconds(p.pid)
        time.sleep(0.5)
        assert cpu_seconds(p.pid) - before < 0.1
        n = 0
        while data := s.recv(1 << 16):
            n += len(data)
    assert n == 4000000 and p.wait().status == 0


def test_sessions_of_both_sides(local, d, fast):
    """A forwarder: each session has a connection of its own on the right."""
    up(local, "-t", "5", f"UNIX-LISTEN:{d}/server,fork", "EXEC:cat")      # twenty programs start, on a busy machine
    up(local, "-t", "5", f"ABSTRACT-LISTEN:{d}/x,fork", f"UNIX-CONNECT:{d}/server,bind-tempname={d}/tXXXXXX")
    threads, got = [], [None] * 20

    def ask(i):
        with connected_raw[i] as s:
            s.sendall(b"%d" % i * 1000)
            s.shutdown(socket.SHUT_WR)
            data = b""
            while part := s.recv(9999):
                data += part
            got[i] = data
    connected_raw = [connected(local, STREAM, f"\0{d}/x") for _ in range(20)]
    for i in range(20):
        threads.append(threading.Thread(target=ask, args=(i,)))
        threads[-1].start()
    lab.wait_until(lambda: not any(t.is_alive() for t in threads), 20, "sessions do not end")
    assert got == [b"%d" % i * 1000 for i in range(20)]
    lab.wait_until(lambda: os.listdir(d) == ["server"], 5, lambda: f"left: {os.listdir(d)}")


@contextlib.contextmanager
def full_queue(local, name):
    """A server that accepts nobody, and whose queue is full."""
    with sock(local, STREAM, name) as s, contextlib.ExitStack() as stack:
        s.listen(0)
        while True:
            c = stack.enter_context(sock(local, STREAM))
            c.setblocking(False)
            try:
                c.connect(name)
            except BlockingIOError:
                break
        yield s


def test_full_queue_is_waited_for(local, d):
    """As a blocking connect would, and without spinning."""
    with full_queue(local, f"{d}/s") as s:
        p = local.start("-d", "-d", "-", f"UNIX-CONNECT:{d}/s")
        p.wait_log("opening connection to")
        time.sleep(0.3)
        assert not p.ended() and "successfully" not in p.log and cpu_seconds(p.pid) < 0.2
        s.accept()[0].close()
        p.wait_log("successfully connected")


@pytest.mark.parametrize("kw", ["UNIX-CONNECT", "UNIX-CLIENT", "GOPEN"])
def test_full_queue_and_connect_timeout(local, d, kw):
    with full_queue(local, f"{d}/s"):
        begin = time.monotonic()
        refused(local, "Connection timed out", "-", f"{kw}:{d}/s,connect-timeout=0.3")
        assert 0.25 < time.monotonic() - begin < 3 * lab.SLOW


def test_backlog(local, d):
    """The option is the length of the queue."""
    up(local, f"UNIX-LISTEN:{d}/s,fork,max-children=1,backlog=1", "PIPE")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(connected(local, STREAM, f"{d}/s"))
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        n = 0
        with contextlib.suppress(BlockingIOError):
            while n < 50:
                s = stack.enter_context(sock(local, STREAM))
                s.setblocking(False)
                s.connect(f"{d}/s")
                n += 1
        assert n == 2


def test_accept_timeout(local, d):
    p = local.start(f"UNIX-LISTEN:{d}/s,accept-timeout=0.2", "PIPE")
    r = p.wait()
    assert r.status == 0 and "W accept: Connection timed out" in r.log and not os.listdir(d)


def test_max_children(local, d):
    p = up(local, f"UNIX-LISTEN:{d}/s,fork,max-children=1", "PIPE")
    with connected(local, STREAM, f"{d}/s") as a, connected(local, STREAM, f"{d}/s") as b:
        for s in (a, b):
            s.sendall(b"x")
        assert a.recv(1) == b"x"
        p.wait_log("maxchildren are active, waiting")
        assert not select.select([b], [], [], 0.2)[0]
        a.close()
        assert b.recv(1) == b"x"


def test_retry(local, d):
    """The server comes later; failures before that are no errors."""
    p = local.start("-d", "-d", "-d", "-", f"UNIX-CONNECT:{d}/s,retry=50,interval=0.05")
    p.wait_log(r"I connect\(.*No such file", count=2)
    up(local, f"UNIX-LISTEN:{d}/s", "PIPE")
    p.send("late\n")
    p.expect_output("late\n")
    p.close_stdin()
    assert p.wait().status == 0 and " E " not in p.log


def test_retry_of_a_listener(local, d):
    """A name in use becomes free."""
    with sock(local, STREAM, f"\0{d}/s"):
        p = local.start("-d", "-d", "-d", f"ABSTRACT-LISTEN:{d}/s,retry=99,interval=0.05", "PIPE")
        p.wait_log("Address already in use", count=2)
    p.wait_log("listening on")


# ---------------------------------------------------------------- packets

def test_seqpacket_keeps_borders(local, d, fast):
    """From a server that is asked for it to a client that finds out."""
    with sock(local, SEQ, f"{d}/right") as server:
        server.listen()
        p = up(local, f"UNIX-LISTEN:{d}/left,so-type=5", f"UNIX-CLIENT:{d}/right")
        with connected(local, SEQ, f"{d}/left") as a:
            b = server.accept()[0]
            b.settimeout(8)
            sizes = [1, 10, 3, 20000, 2]
            for n in sizes:
                a.send(b"a" * n)
            assert [len(b.recv(99999)) for _ in sizes] == sizes
            for n in sizes:
                b.send(b"b" * n)
            assert [len(a.recv(99999)) for _ in sizes] == sizes
            a.shutdown(socket.SHUT_WR)
            assert b.recv(9) == b""         # the end of one is the end of the other
            b.send(b"last")
            assert a.recv(9) == b"last"
            b.close()
            assert a.recv(9) == b""
    assert p.wait().status == 0


@pytest.mark.parametrize("connect", ["UNIX-CONNECT:{},so-type=5", "UNIX:{}", "GOPEN:{}", "UNIX-CLIENT:{},socktype=5"])
def test_seqpacket_sessions(local, d, fast, connect):
    """A stream becomes packets of at most -b bytes."""
    up(local, f"UNIX-LISTEN:{d}/s,fork,so-type=5", "EXEC:cat,socktype=5")
    r = local.run("-t5", "-b1000", "-", connect.format(f"{d}/s"), input=BIG[:50000])
    assert r.out == BIG[:50000] and r.status == 0, r


def test_connected_datagrams(local, d, fast):
    """so-type=2: datagrams of the peer only."""
    with sock(local, DGRAM, f"{d}/s") as s:
        p = up(local, "-", f"UNIX-CONNECT:{d}/s,so-type=2,bind={d}/c")
        p.send("question")
        data, name = s.recvfrom(99)
        assert (data, name) == (b"question", f"{d}/c")
        with sock(local, DGRAM, f"{d}/other") as other, pytest.raises(PermissionError):
            other.sendto(b"no", f"{d}/c")
        s.sendto(b"answer", name)
        p.expect_output("answer")


# ---------------------------------------------------------------- datagrams

def kinds(d):
    return [("UNIX", f"{d}/", f"{d}/"), ("ABSTRACT", f"{d}/", f"\0{d}/")]


@pytest.mark.parametrize("family", [0, 1])
def test_sendto(local, d, fast, family):
    """Only the target is heard, or who has no name."""
    name, ours, theirs = kinds(d)[family]
    with sock(local, DGRAM, theirs + "srv") as srv, sock(local, DGRAM, theirs + "other") as other, sock(local, DGRAM) as anon:
        p = up(local, "-ddd", "-", f"{name}-SENDTO:{ours}srv,bind={ours}cli")
        p.send("hello")
        data, addr = srv.recvfrom(99)
        assert data == b"hello" and addr in (theirs + "cli", (theirs + "cli").encode())
        other.sendto(b"stranger", theirs + "cli")
        p.wait_log("wrong peer address, ignoring packet")
        anon.sendto(b"unnamed ", theirs + "cli")
        srv.sendto(b"answer", theirs + "cli")
        p.expect_output("unnamed answer")
        assert b"stranger" not in p.out


@pytest.mark.parametrize("family", [0, 1])
def test_recv(local, d, fast, family):
    """Everybody is heard, borders vanish in a stream, and it never ends."""
    name, ours, theirs = kinds(d)[family]
    p = up(local, "-u", f"{name}-RECV:{ours}srv", "-")
    with sock(local, DGRAM) as a, sock(local, DGRAM, theirs + "b") as b:
        for i in range(50):
            (a, b)[i % 2].sendto(b"%02d" % i, theirs + "srv")
        p.expect_output(100)
    assert p.out == b"".join(b"%02d" % i for i in range(50))
    p.stop()
    assert not os.path.exists(f"{d}/srv")


@pytest.mark.whole
@pytest.mark.parametrize("family", [0, 1])
def test_recvfrom(local, d, fast, family):
    """One datagram and its answer; then the end."""
    name, ours, theirs = kinds(d)[family]
    p = up(local, f"{name}-RECVFROM:{ours}srv", "SYSTEM:cat; echo and more")
    with sock(local, DGRAM, theirs + "c") as c:
        c.sendto(b"one ", theirs + "srv")
        got = c.recv(99)
        while b"more" not in got:
            got += c.recv(99)
        assert got == b"one and more\n"
    assert p.wait().status == 0 and not os.path.exists(f"{d}/srv")


@pytest.mark.parametrize("client", ["UNIX-CLIENT", "UNIX", "GOPEN", "UNIX-SENDTO", "UNIX-SEND"])
@pytest.mark.parametrize("own", ["bind={}/me", "bind-tempname={}/tXXXXXX", "bind-tempname"])
def test_datagram_clients(local, d, fast, client, own):
    """CLIENT finds out that the server takes datagrams; its own entry goes with it."""
    up(local, f"UNIX-RECVFROM:{d}/s,fork", "EXEC:cat")
    before = set(os.listdir("/tmp"))
    p = local.start("-t5", "-d", "-d", "-", f"{client}:{d}/s," + own.format(d))
    p.send("ping\n")
    p.expect_output("ping\n")
    mine = re.search(r'local socket AF=1 "([^"]+)"', p.log)[1]
    assert os.path.exists(mine) and stat.S_ISSOCK(os.stat(mine).st_mode)
    assert own != "bind-tempname" or re.fullmatch(r"/tmp/socat-bind\.\w{6}", mine)
    p.send("pong\n")
    p.expect_output("ping\npong\n")
    p.stop()
    assert os.listdir(d) == ["s"] and not os.path.exists(mine)
    assert mine not in before


def test_foreign_datagram_server(local, d):
    local.command([lab.SOCAT_REF, f"UNIX-RECVFROM:{d}/s,fork", "EXEC:cat"])
    lab.wait_until(lambda: os.path.exists(f"{d}/s"), 5, "the server does not come up")
    p = local.start("-", f"UNIX-CLIENT:{d}/s,bind={d}/c")
    p.send("hello\n")
    p.expect_output("hello\n")


@pytest.mark.whole
def test_a_client_without_name_cannot_be_answered(local, d):
    """One warning that tells what to do; the server goes on."""
    p = up(local, f"UNIX-RECVFROM:{d}/s,fork", "EXEC:echo answer")
    with sock(local, DGRAM) as a, sock(local, DGRAM, f"{d}/c") as c:
        for _ in range(5):
            a.sendto(b"x", f"{d}/s")
        p.wait_log("W .*use option bind or bind-tempname on the client")
        c.sendto(b"x", f"{d}/s")
        assert c.recv(99) == b"answer\n"
    assert len(re.findall(" W ", p.log)) == 1 and " E " not in p.log
    p = up(local, f"UNIX-RECVFROM:{d}/s2", "EXEC:echo answer")
    with sock(local, DGRAM) as a:
        a.sendto(b"x", f"{d}/s2")
    r = p.wait()
    assert r.status == 0 and "bind-tempname on the client" in r.log


@pytest.mark.whole
def test_thousand_requests(local, d):
    """1,000 requests of 32 clients to a program that ignores its input: 1,000 answers."""
    up(local, "-t", "5", f"UNIX-RECVFROM:{d}/s,fork", "EXEC:hostname")
    got, threads = [0] * 32, []

    def client(i, s):
        for _ in range(1000 // 32 + (i < 1000 % 32)):
            s.sendto(b"?", f"{d}/s")
            got[i] += s.recv(99) == b"host1\n"
    for i in range(32):
        s = local.socket(U, DGRAM, bind=f"{d}/c{i}", timeout=60)
        threads.append(threading.Thread(target=client, args=(i, s)))
        threads[-1].start()
    lab.wait_until(lambda: not any(t.is_alive() for t in threads), 120, "clients wait for ever")
    assert sum(got) == 1000


@pytest.mark.whole
def test_datagrams_to_a_slow_reader(local, d, fast):
    """Its short queue fills; nothing is lost, nothing spins."""
    with sock(local, DGRAM, f"{d}/s") as s:
        p = up(local, "-u", "-b", "100", "-", f"UNIX-SENDTO:{d}/s")
        p.send(b"".join(b"%0100d" % i for i in range(500)))
        time.sleep(0.3)
        before = cpu_seconds(p.pid)
        time.sleep(0.5)
        assert cpu_seconds(p.pid) - before < 0.1
        assert [int(s.recv(999)) for _ in range(500)] == list(range(500))
        p.close_stdin()
        assert p.wait().status == 0


def test_recording_is_not_delayed(local, d, fast):
    """The queue holds ten datagrams or so: collecting them for a millisecond would make the sender wait
    (40,000 would take four seconds)."""
    p = local.start("-u", f"UNIX-RECV:{d}/s", f"CREATE:{d}/out")    # a log would have to be read meanwhile
    lab.wait_until(lambda: os.path.exists(f"{d}/s"), 5, "the receiver does not come up")
    with sock(local, DGRAM) as s:
        s.connect(f"{d}/s")
        begin = time.monotonic()
        for i in range(40000):
            s.send(b"%07d\n" % i)
        assert time.monotonic() - begin < 2.5 * lab.SLOW
    lab.wait_until(lambda: os.path.getsize(f"{d}/out") == 320000, 5, "datagrams are missing")
    with open(f"{d}/out", "rb") as f:
        assert f.read() == b"".join(b"%07d\n" % i for i in range(40000))
    p.stop()


def test_large_datagrams_to_a_slow_reader(local, d, fast):
    """Here it is our own send buffer that is full first."""
    with sock(local, DGRAM, f"{d}/s") as s:
        p = up(local, "-u", "-b", "60000", "-", f"UNIX-SENDTO:{d}/s,sndbuf=60000")
        threads = [threading.Thread(target=lambda: os.write(p.p.stdin.fileno(), b"x" * 60000 * 20))]
        threads[0].start()
        time.sleep(0.3)
        before = cpu_seconds(p.pid)
        time.sleep(0.5)
        assert cpu_seconds(p.pid) - before < 0.1
        n = 0
        while n < 1200000:
            n += len(s.recv(99999))
        threads[0].join()
        assert n == 1200000


def test_answers_to_a_slow_client(local, d, fast):
    """The server's one socket serves others meanwhile."""
    p = up(local, "-b", "100", f"UNIX-RECVFROM:{d}/s,fork", "SYSTEM:head -c 5000 /dev/zero; cat")
    with sock(local, DGRAM, f"{d}/slow") as slow, sock(local, DGRAM, f"{d}/c") as c:
        slow.sendto(b"end", f"{d}/s")
        time.sleep(0.3)
        before = cpu_seconds(p.pid)
        time.sleep(0.4)
        assert cpu_seconds(p.pid) - before < 0.1
        for s in (c, slow):
            if s is c:
                s.sendto(b"end", f"{d}/s")
            got = b""
            while not got.endswith(b"end"):
                got += s.recv(9999)
            assert len(got) == 5003


def test_dual_address_to_a_slow_reader(local, d):
    with sock(local, DGRAM, f"{d}/s") as s:
        p = up(local, f"STALL!!UNIX-SENDTO:{d}/s", "EXEC:head -c 400000 /dev/zero")
        time.sleep(0.3)
        before = cpu_seconds(p.pid)
        time.sleep(0.4)
        assert cpu_seconds(p.pid) - before < 0.1
        n = 0
        while n < 400000:
            n += len(s.recv(99999))
        assert n == 400000


def fill(local, name):
    """Make the queue behind @name full; returns how many datagrams it holds."""
    with sock(local, DGRAM) as s:
        s.setblocking(False)
        n = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                s.sendto(b"filling", name)
                n += 1
    return n


def test_another_receiver_with_a_full_queue(local, d):
    """While we wait, the name goes over to a socket that has no room either: no spinning."""
    old, new = sock(local, DGRAM, f"{d}/s"), sock(local, DGRAM, f"{d}/new")
    fill(local, f"{d}/s")
    n = fill(local, f"{d}/new")
    p = up(local, "-u", "-b", "1", "-", f"UNIX-SENDTO:{d}/s")
    p.send(b"0123456789")
    time.sleep(0.2)
    os.rename(f"{d}/new", f"{d}/s")
    old.close()
    time.sleep(0.2)
    before = cpu_seconds(p.pid)
    time.sleep(0.4)
    assert cpu_seconds(p.pid) - before < 0.1
    assert [new.recv(99) for _ in range(n)] == [b"filling"] * n
    assert b"".join(new.recv(99) for _ in range(10)) == b"0123456789"
    new.close()


def test_the_receiver_goes_away(local, d):
    """While we wait for room in its queue: an error, not a wait for ever."""
    s = sock(local, DGRAM, f"{d}/s")
    p = up(local, "-u", "-b", "10", "OPEN:/dev/zero", f"UNIX-SENDTO:{d}/s")
    time.sleep(0.2)
    s.close()
    r = p.wait()
    assert r.status == 1 and re.search(r"E sendto\(.*Connection refused", r.log), r


def test_a_slow_client_goes_away(local, d):
    """Its session ends; the server goes on."""
    p = up(local, "-b", "100", f"UNIX-RECVFROM:{d}/s,fork", "SYSTEM:head -c 5000 /dev/zero; cat")
    slow = sock(local, DGRAM, f"{d}/slow")
    slow.sendto(b"end", f"{d}/s")
    lab.wait_until(lambda: select.select([slow], [], [], 0)[0], 5, "no answer")
    time.sleep(0.2)
    slow.close()
    p.wait_log(r"E sendto\(.*Connection refused")
    lab.wait_until(lambda: not children(p.pid), 5, "its program is left")
    with sock(local, DGRAM, f"{d}/c") as c:
        c.sendto(b"end", f"{d}/s")
        got = b""
        while not got.endswith(b"end"):
            got += c.recv(9999)


def test_nobody_receives(local, d):
    r = local.run("-u", "-", "UNIX-SENDTO:missing", input=b"x")
    assert r.status == 1 and re.search(r'E sendto\(\d+, \S+, 1, 0, AF=1 "missing", 9\): No such file', r.log), r
    r = local.run("-u", "-", f"ABSTRACT:{d}/missing", input=b"x")
    assert r.status == 1 and "Connection refused" in r.log, r


# ---------------------------------------------------------------- the entry

RECEIVERS = ["UNIX-LISTEN", "UNIX-RECV", "UNIX-RECVFROM"]


@pytest.mark.parametrize("kw", RECEIVERS)
@pytest.mark.parametrize("what", ["file", "socket", "link", "directory"])
def test_an_existing_entry_stays(local, d, kw, what):
    path = f"{d}/x"
    s = socket.socket(U, STREAM)
    if what == "file":
        open(path, "w", encoding="ascii").close()
    elif what == "socket":
        s.bind(path)
    elif what == "link":
        os.symlink("nowhere", path)
    else:
        os.mkdir(path)
    before = os.lstat(path)
    refused(local, f'E "{path}" exists', "-u", f"{kw}:{path}", "-")
    s.close()
    assert os.lstat(path) == before


@pytest.mark.parametrize("kw", RECEIVERS)
def test_unlink_early(local, d, kw):
    with open(f"{d}/x", "w", encoding="ascii"):
        pass
    p = up(local, "-u", f"{kw}:{d}/x,unlink-early", "-") if kw != "UNIX-LISTEN" else up(local, f"{kw}:{d}/x,unlink-early,fork", "-")
    assert stat.S_ISSOCK(os.stat(f"{d}/x").st_mode)
    p.stop()
    assert not os.listdir(d)
    os.mkdir(f"{d}/x")
    refused(local, r'unlink\(".*/x"\): Is a directory', "-u", f"{kw}:{d}/x,unlink-early", "-")


@pytest.mark.parametrize("kw", RECEIVERS)
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("fork", ["", ",fork"])
def test_the_entry_is_removed_on_signals(local, d, kw, sig, fork):
    if kw == "UNIX-RECV" and fork:
        pytest.skip("RECV has no option fork")
    p = up(local, "-u", f"{kw}:{d}/x{fork}", "-")
    assert os.listdir(d) == ["x"]
    p.kill(sig)
    assert p.wait().status == 128 + sig and not os.listdir(d)


def test_unlink_close(local, d):
    p = up(local, f"UNIX-LISTEN:{d}/x,fork,unlink-close=0", "PIPE")
    p.stop()
    assert os.listdir(d) == ["x"]


def test_unlink(local, d):
    """Nobody can connect by name any more, but the socket is there."""
    for opt in ("unlink", "unlink-late"):
        p = up(local, f"UNIX-LISTEN:{d}/x,{opt}", "PIPE")
        assert not os.listdir(d)
        p.stop()


def test_what_others_have_put_there_stays(local, d):
    """A second server has taken the name over."""
    p = up(local, f"UNIX-LISTEN:{d}/x,fork", "PIPE")
    q = up(local, f"UNIX-LISTEN:{d}/x,fork,unlink-early", "PIPE")
    p.stop()
    with connected(local, STREAM, f"{d}/x") as s:
        s.sendall(b"still here")
        assert s.recv(99) == b"still here"
    q.stop()
    assert not os.listdir(d)


@pytest.mark.parametrize("args", [["UNIX-LISTEN:x,fork,chdir={}", "PIPE"], ["-u", "UNIX-RECV:x,chdir={}", "-"],
                                  ["-", "UNIX-SENDTO:{}/y,bind=x,chdir={}"], ['SOCKET-LISTEN:1:0:\\"x\\",chdir={}', "PIPE"]], ids=lambda a: a[-2])
def test_the_entry_of_another_directory(local, d, args):
    """A relative name is one of the directory in force when it was made."""
    p = up(local, *[a.replace("{}", d) for a in args], cwd="/")
    assert os.listdir(d) == ["x"]
    p.stop()
    assert not os.listdir(d)


def test_session_processes_remove_nothing(local, d):
    p = up(local, f"UNIX-LISTEN:{d}/x,fork,isolate", "PIPE")
    for _ in range(3):
        with connected(local, STREAM, f"{d}/x") as s:
            s.sendall(b"x")
            assert s.recv(9) == b"x"
            (child,) = children(p.pid)
            os.kill(child, signal.SIGTERM)
            assert s.recv(9) == b""
        lab.wait_until(lambda: not children(p.pid), 5, "the session's process stays")
    assert os.listdir(d) == ["x"]
    p.stop()
    assert not os.listdir(d)


def test_a_failing_second_address(local, d):
    """The program ends with an error: the entry goes as well."""
    p = up(local, f"UNIX-LISTEN:{d}/x", "OPEN:/nonexistent/file")
    with connected(local, STREAM, f"{d}/x"):
        assert p.wait().status == 1 and not os.listdir(d)


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs several users")
@pytest.mark.parametrize("kw", RECEIVERS)
def test_owner_and_mode(local, d, kw):
    up(local, "-u", f"{kw}:{d}/x,perm=640,user=65534,group=65533" + (",fork" if kw == "UNIX-LISTEN" else ""), "-")
    st = os.stat(f"{d}/x")
    assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o640, 65534, 65533)
    up(local, "-u", f"{kw}:{d}/y,mode=777,perm-early=604,user-early=65534,group-early=65533" +
       (",fork" if kw == "UNIX-LISTEN" else ""), "-")
    st = os.stat(f"{d}/y")
    assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o604, 65534, 65533)


def test_umask(local, d):
    up(local, f"UNIX-LISTEN:{d}/x,fork,umask=077", "PIPE")
    assert os.stat(f"{d}/x").st_mode & 0o777 == 0o700


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs several users")
@pytest.mark.parametrize("kw", ["UNIX-LISTEN", "UNIX-RECV", "UNIX-RECVFROM"])
@pytest.mark.parametrize("option,want", [("user=65534", (65534, 0)), ("group=65534", (0, 65534)), ("user=1,group=2", (1, 2))])
def test_owner_of_the_entry(local, d, kw, option, want):
    """user or group alone, and both."""
    p = local.start("-d", "-d", *(["-u"] if kw == "UNIX-RECV" else []), f"{kw}:{d}/x,{option}", "-")
    p.wait_log("listening on|receiving on|starting data transfer loop")
    st = os.stat(f"{d}/x")
    assert (st.st_uid, st.st_gid) == want


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs several users")
def test_the_entry_keeps_its_owner_when_clients_come(local, d):
    """Owner and mode are set once, when the entry is made."""
    p = up(local, f"UNIX-LISTEN:{d}/x,fork,perm=666,user=65534", "PIPE")
    os.chown(f"{d}/x", 65533, 0)
    os.chmod(f"{d}/x", 0o600)
    with connected(local, STREAM, f"{d}/x") as s:
        s.sendall(b"x")
        assert s.recv(9) == b"x"
    assert os.stat(f"{d}/x").st_uid == 65533 and os.stat(f"{d}/x").st_mode & 0o777 == 0o600
    p.stop()


@pytest.mark.parametrize("kw", ["UNIX-CONNECT", "UNIX-CLIENT", "UNIX-SENDTO"])
def test_a_clients_entry(local, d, kw):
    """Its mode is that of the descriptor, without the umask's bits; it goes with the client."""
    server = sock(local, DGRAM if kw == "UNIX-SENDTO" else STREAM, f"{d}/s")
    if kw != "UNIX-SENDTO":
        server.listen()
    p = up(local, "-", f"{kw}:{d}/s,bind={d}/me,perm=606")
    assert os.stat(f"{d}/me").st_mode & 0o777 == 0o604
    p.stop()
    assert os.listdir(d) == ["s"]
    p = up(local, "-", f"{kw}:{d}/s,bind={d}/me,unlink-close=0")
    p.stop()
    assert sorted(os.listdir(d)) == ["me", "s"]
    refused(local, f'E bind.*"{d}/me".*: Address already in use', "-", f"{kw}:{d}/s,bind={d}/me")
    assert sorted(os.listdir(d)) == ["me", "s"]
    p = up(local, "-", f"{kw}:{d}/s,bind={d}/me,unlink-early,perm-early=600")
    assert os.stat(f"{d}/me").st_mode & 0o777 == 0o600
    p.stop()
    assert os.listdir(d) == ["s"]
    server.close()


def test_temporary_names_are_random(local, d):
    with sock(local, DGRAM, f"{d}/s"):
        names = set()
        for _ in range(5):
            up(local, "-", f"UNIX-SENDTO:{d}/s,bind-tempname={d}/aXXXXXXb")
        for n in os.listdir(d):
            if n != "s":
                assert re.fullmatch(r"a\w{6}b", n)
                names.add(n)
        assert len(names) == 5


@pytest.mark.parametrize("opt,pattern", [("bind-tempname", rb"\0/tmp/socat-bind\.\w{6}"), ("bind-tempname=%s/XXXXXX.x", rb"\0%s/\w{6}\.x")])
def test_abstract_temporary_names(local, d, opt, pattern):
    """No trailing NULs, and no entry."""
    with sock(local, DGRAM, f"\0{d}/s") as s:
        p = up(local, "-", f"ABSTRACT-SENDTO:{d}/s," + opt.replace("%s", d))
        p.send("x")
        name = s.recvfrom(9)[1]
        assert re.fullmatch(pattern.replace(b"%s", d.encode()), name), name
        s.sendto(b"answer", name)
        p.expect_output("answer")
    assert not os.listdir(d)


@pytest.mark.parametrize("length", ["1", "0"])
def test_tightsocklen(local, d, length):
    """0 gives the name all the bytes of the structure."""
    up(local, f"ABSTRACT-LISTEN:{d},fork,unix-tightsocklen={length}", "PIPE")
    name = f"\0{d}" + ("" if length == "1" else "\0" * (107 - len(d)))
    with connected(local, STREAM, name) as s:
        s.sendall(b"x")
        assert s.recv(9) == b"x"
    assert local.run("-", f"ABSTRACT-CONNECT:{d},tightsocklen={length}", input=b"y").out == b"y"
    assert local.run("-", f"ABSTRACT-CONNECT:{d},tightsocklen={1 - int(length)}").status == 1


def test_long_names(local, d):
    """Longer than the structure: cut, with a warning; exactly as long is fine."""
    fits = f"{d}/" + "p" * (108 - len(d) - 1)
    p = up(local, f"UNIX-LISTEN:{fits},fork", "PIPE")
    assert local.run("-", f"UNIX-CONNECT:{fits}xyz", input=b"y").out == b"y"
    r = local.run("-", f"UNIX-CONNECT:{fits}xyz", input=b"y")
    assert "W unix socket address 111 characters long, truncating to 108" in r.log, r
    p.stop()
    assert not os.listdir(d)
    r = local.run("-", "ABSTRACT-CONNECT:" + "p" * 120)
    assert r.status == 1 and "W socket address 121 characters long, truncating to 108" in r.log, r


# ---------------------------------------------------------------- who is it

def variables(text):
    return dict(re.findall(r"^SOCAT_(\w+)='?(.*?)'?$", text, re.M))


@pytest.mark.parametrize("family", [0, 1])
def test_variables_of_a_stream(local, d, family):
    name, ours, theirs = kinds(d)[family]
    up(local, f"{name}-LISTEN:{ours}s,fork", "SYSTEM:set")
    shown = theirs.replace("\0", "\\0")
    for own, want in ((None, "<anon>"), (theirs + "me", shown + "me")):
        with connected(local, STREAM, theirs + "s", own) as s:
            text = b""
            while part := s.recv(9999):
                text += part
        v = variables(text.decode())
        assert v["SOCKADDR"] == shown + "s" and v["PEERADDR"] == want and "PEERPORT" not in v
        assert (v["PEERPID"], v["PEERUID"], v["PEERGID"]) == (str(os.getpid()), str(os.getuid()), str(os.getgid()))


@pytest.mark.whole
def test_variables_of_a_datagram(local, d):
    """Credentials are asked for by so-passcred, and logged as well."""
    p = up(local, "-ddd", f"UNIX-RECVFROM:{d}/s,fork,so-passcred", "SYSTEM:set | grep SOCAT_PEER")
    with sock(local, DGRAM, f"{d}/c") as c:
        c.sendto(b"?", f"{d}/s")
        v = variables(c.recv(9999).decode())
    assert v == {"PEERADDR": f"{d}/c", "PEERPID": str(os.getpid()), "PEERUID": str(os.getuid()), "PEERGID": str(os.getgid())}
    p.wait_log(f"I ancillary message: SCM_CREDENTIALS: pid={os.getpid()}")


@pytest.mark.whole
def test_no_credentials_unless_asked_for(local, d):
    up(local, f"UNIX-RECVFROM:{d}/s,fork", "SYSTEM:set | grep SOCAT_PEER")
    with sock(local, DGRAM, f"{d}/c") as c:
        c.sendto(b"?", f"{d}/s")
        assert variables(c.recv(9999).decode()) == {"PEERADDR": f"{d}/c"}


# ---------------------------------------------------------------- misuse

@pytest.mark.parametrize("args,pattern", [
    (["-", "UNIX-CONNECT:missing"], r'E connect\(\d+, AF=1 "missing", 9\): No such file or directory'),
    (["-", "UNIX-CLIENT:missing"], "E UNIX-CLIENT: missing: No such file or directory"),
    (["-", "UNIX:missing"], "E UNIX-CLIENT: missing: No such file or directory"),
    (["-", "UNIX-CONNECT:{d}/file"], "Connection refused"),
    (["-", "UNIX-CLIENT:{d}/file"], "E UNIX-CLIENT: .*/file: Connection refused"),
    (["-", "UNIX-CONNECT:{d}/dgram"], "Protocol wrong type for socket"),
    (["-", "ABSTRACT-CONNECT:{d}/missing"], "Connection refused"),
    (["-", "UNIX-CONNECT:x,bind=a,bind-tempname=b"], "do not use both options bind and"),
    (["-", "UNIX-SENDTO:x,bind=a,bind-tempname"], "do not use both options bind and"),
    (["-", "UNIX-CLIENT:x,bind-tempname=bad"], r'E tempnam\("bad"\): Invalid argument'),
    (["-", "UNIX-CONNECT:x,bind={d}/no/dir"], r"E bind\(\d+, \{AF=1 .*\}, \d+\): No such file or directory"),
    (["-", "UNIX-CONNECT:x,bind="], "empty path"),
    (["-", "UNIX-CONNECT:"], "empty path"),
    (["-", "UNIX-CONNECT:x,fork"], 'option "fork" not supported with this address type'),
    (["-", "UNIX-CONNECT:x:y"], r"E UNIX-CONNECT: wrong number of parameters \(2 instead of 1\): usage: UNIX-CONNECT:<filename>"),
    (["-", "ABSTRACT-SENDTO"], r"E ABSTRACT-SENDTO: wrong number of parameters \(0 instead of 1\): usage: ABSTRACT-SENDTO:<filename>"),
    (["UNIX-L:{d}/x,bind=q", "-"], "E UNIX-L:.*/x: binds implicitly, bind option not allowed"),
    (["UNIX-RECVFROM:{d}/x,bind-tempname", "-"], "binds implicitly"),
    (["ABSTRACT-LISTEN:x,bind=q", "-"], "E ABSTRACT-LISTEN:x: binds implicitly, bind option not allowed"),
    (["UNIX-LISTEN:{d}/x,max-children=2", "-"], "max-children not allowed without option fork"),
    (["UNIX-LISTEN:{d}/x,so-type=2", "-"], r"E listen\(\d+, \d+\): Operation not supported"),
    (["UNIX-LISTEN:{d}/x,user=nosuchuser", "-"], "nosuchuser"),
    (["ABSTRACT-LISTEN:x,unlink-early", "-"], 'option "unlink-early" not supported with this address type'),
    (["-", "ABSTRACT-CONNECT:x,perm=600"], 'E Option "perm" only with bind option'),
    *[(["-", f"UNIX-{kw}:x,{opt}"], f'E Option "{opt.split("=")[0]}" only with bind option')
      for kw in ("CONNECT", "CLIENT", "SENDTO") for opt in ("perm=600", "user=0", "group=0", "perm-early=600", "unlink-early")],
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_misuse(local, d, args, pattern):
    """One clear sentence, and nothing left behind."""
    with open(f"{d}/file", "w", encoding="ascii"):
        pass
    with sock(local, DGRAM, f"{d}/dgram"):
        refused(local, pattern, *[a.replace("{d}", d) for a in args])
    assert sorted(os.listdir(d)) == ["dgram", "file"]


def test_gopen_tries_again(local, d):
    """What is there may change between attempts."""
    s = sock(local, STREAM, f"{d}/x")
    p = local.start("-d", "-d", "-d", "-g", "-", f"GOPEN:{d}/x,retry=99,interval=0.05")
    p.wait_log("Connection refused", count=2)
    s.listen()
    p.wait_log("starting data transfer loop")
    s.close()
