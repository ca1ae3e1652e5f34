"""Option reopen: every byte is accounted for. What was given is what has arrived, and what was told as lost.

A program writes numbered records without a pause; what is below our end is cut a hundred times. The peer knows where
in the stream its first byte belongs, so what each cut has cost is known exactly, and is held against the warning that
stands in front of the record "has been lost". The other way each peer says records with its own number: all that its
kernel had handed over comes out, in order."""
import contextlib
import fcntl
import itertools
import os
import random
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import termios

import pytest

import lab
from certs import zoo_if_any

LOOP = "127.0.0.1"
CUTS = 100
RECORD = 16
SAYS = "SYSTEM:seq -f %015.0f 0 99999999!!STDOUT"     # what comes the other way is the output
AT_ONCE = struct.pack("ii", 1, 0)   # SO_LINGER: close resets


def place(data):
    """Where in the stream of records @data begins."""
    at = data.index(b"\n") + 1
    return int(data[at:at + 15]) * RECORD - at


def check_run(data):
    start = place(data)
    whole = b"".join(b"%015d\n" % n for n in range(start // RECORD, (start + len(data)) // RECORD + 1))
    assert whole[start % RECORD:start % RECORD + len(data)] == data, "out of order"
    return start


def told(log):
    """For each loss the number that was told in front of it."""
    losses, n = [], 0
    for line in log.splitlines():
        if m := re.search(r" W (?:up to )?(\d+) (?:bytes|datagrams) written to socket \d had not been", line):
            n = int(m[1])
        elif "has been lost" in line:
            losses.append(n)
            n = 0
    return losses


def unread(c):
    return struct.unpack("i", fcntl.ioctl(c, termios.FIONREAD, b"\0" * 4))[0]


@pytest.fixture(name="zoo", scope="module")
def _zoo(tmp_path_factory):
    return zoo_if_any(tmp_path_factory) or pytest.skip("needs OpenSSL")


def read_some(c, n):
    """@n bytes of @c, a stream socket or whatever has recv()."""
    data = b""
    end = lab.Deadline(5)
    while len(data) < n:
        assert end.left(), f"{len(data)} of {n} bytes"
        lab.pump(0)
        try:
            part = c.recv(n - len(data))
        except (BlockingIOError, ssl.SSLWantReadError):
            lab.pump(0.001)
            continue
        assert part
        data += part
    return data


def lost_bytes(p):
    """The counter of address 2."""
    p.kill(signal.SIGUSR1)
    p.wait_log("COUNTERS: address 2")
    return int(re.findall(r"COUNTERS: address 2 .* lost bytes (\d+)", p.log)[-1])


class Peers:
    """Listens; takes one connection after the other, reads a little of it, says a little, and cuts it."""

    def __init__(self, listener, wrap=lambda c: c):
        self.listener, self.wrap = listener, wrap
        self.runs, self.unread, self.random = [], [], random.Random(7)
        listener.listen()

    def take(self, i):
        """The next connection; it has heard something and said something."""
        lab.wait_until(lambda: select.select([self.listener], [], [], 0)[0], 5, "connection")
        c = self.listener.accept()[0]
        if c.family == socket.AF_INET:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)     # what is said has gone, and a reset cannot take it back
        c = self.wrap(c)
        c.settimeout(5 * lab.SLOW)
        self.runs.append(read_some(c, self.random.choice((20, 2000, 70000)) + self.random.randrange(1000)))
        c.sendall(b"".join(b"%07d %07d\n" % (i, n) for n in range(20)))
        return c

    def check(self, p, cuts, exactly):
        """What each cut has cost, but the last one, and what was told of it."""
        starts = [check_run(r) for r in self.runs]
        costs = [b - a - len(r) for a, b, r in zip(starts, starts[1:], self.runs)]
        numbers = told(p.log)
        assert len(numbers) >= len(costs) == cuts - 1 and sum(costs)
        for i, (cost, n) in enumerate(zip(costs, numbers)):
            missing = cost - self.unread[i]
            assert 0 <= cost and (n == missing if exactly else n >= missing), f"cut {i}: {cost} - {self.unread[i]}, told {n}"
        assert lost_bytes(p) == sum(told(p.log))


def check_said(p, cuts):
    """What the peers have said has come out, each peer's in order and whole."""
    everything = [(i, n) for i in range(cuts) for n in range(20)]
    lab.wait_until(lambda: p.out.count(b"\n") >= len(everything), 5,
                   lambda: f"not said: {sorted(set(everything) - {tuple(map(int, r.split())) for r in p.out.splitlines()})[:30]}")
    assert [tuple(map(int, r.split())) for r in p.out.split(b"\n")[:len(everything)]] == everything


def buffer_of(c):
    return c.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def end_both_ways(c):
    """From now on the kernel takes nothing more, and has acknowledged what it has: what nobody reads of that."""
    c.shutdown(socket.SHUT_RDWR)
    n = unread(c)
    c.close()
    return n


def reset(c):
    """What was unread nobody knows: no more than its buffer."""
    n = buffer_of(c)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    c.close()
    return n


def close(c):
    n = buffer_of(c)
    c.close()
    return n


def be_killed(c):
    """Somebody else holds the connection, and is killed."""
    n = buffer_of(c)
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(1)
    c.close()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return n


def tcp_listener(local):
    s = local.socket(kind=socket.SOCK_STREAM, bind=(LOOP, 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    return s


def cut_often(p, peers, cut, exactly=False, cuts=CUTS):
    for i in range(cuts):
        peers.unread.append(cut(peers.take(i)))
    check_said(p, cuts)
    peers.check(p, cuts, exactly)
    p.stop()


@pytest.mark.parametrize("cut", [end_both_ways, reset, close, be_killed])
def test_tcp(local, cut):
    """TCP tells what was acknowledged. What a program has not read of that, only the peer knows."""
    peers = Peers(tcp_listener(local))
    p = local.start("-d", "-d", "--stats=1000", SAYS, f"TCP4:{LOOP}:{peers.listener.getsockname()[1]},reopen=0.001,sndbuf=20000")
    cut_often(p, peers, cut, cut is end_both_ways)


def test_tcp_behind_a_wall(local):
    """A packet filter drops what we send while the peer closes: the kernel tells exactly what has got through. The
    pause is long enough for the wall to be gone when it is over."""
    port = lab.port()
    listener = local.socket(kind=socket.SOCK_STREAM, bind=(LOOP, port))
    peers = Peers(listener)

    def nft(rules):
        with local.inside():
            subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)

    def wall(c):
        nft(f"add table inet w; add chain inet w c {{ type filter hook input priority 0; }}; add rule inet w c tcp dport {port} drop")
        lab.rest(0.06)      # the peer acknowledges what it has
        n = unread(c)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        c.close()
        nft("delete table inet w")
        return n

    p = local.start("-d", "-d", "--stats=1000", SAYS, f"TCP4:{LOOP}:{port},reopen=0.1,sndbuf=20000")
    cut_often(p, peers, wall, True, cuts=30)


def test_behind_a_proxy(local):
    """What was said to the proxy is not counted."""
    def answer(c):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += c.recv(1)
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        return c
    peers = Peers(tcp_listener(local), answer)
    p = local.start("-d", "-d", "--stats=1000", SAYS, f"PROXY:{LOOP}:far.test:80,proxyport={peers.listener.getsockname()[1]},reopen=0.001,sndbuf=20000")
    cut_often(p, peers, end_both_ways, True, cuts=20)


def test_unix(local, tmp_path):
    """A local peer that leaves something unread says so; how much was in its queue is a bound."""
    listener = local.socket(socket.AF_UNIX, socket.SOCK_STREAM, bind=str(tmp_path / "s"))
    peers = Peers(listener)
    p = local.start("-d", "-d", "--stats=1000", SAYS, f"UNIX:{tmp_path}/s,reopen=0.001")
    cut_often(p, peers, lambda c: [c.close(), 0][1])


def test_unix_that_has_read_everything(local, tmp_path):
    """No false alarm."""
    listener = local.socket(socket.AF_UNIX, socket.SOCK_STREAM, bind=str(tmp_path / "s"))
    listener.listen()
    p = local.start("-d", "-d", "-", f"UNIX:{tmp_path}/s,reopen=0.001")
    for i in range(CUTS):
        p.send(b"%03d\n" % i)
        lab.wait_until(lambda: select.select([listener], [], [], 0)[0], 5, "connection")
        c = listener.accept()[0]
        assert read_some(c, 4) == b"%03d\n" % i
        c.close()
    lab.wait_until(lambda: len(told(p.log)) == CUTS, 5, "all of them lost")
    assert not any(told(p.log)) and " W " not in p.log
    p.stop()


@pytest.mark.parametrize("cut", [end_both_ways, reset])
@pytest.mark.parametrize("below", ["tcp", "unix"])
def test_tls(local, zoo, tmp_path, below, cut):
    """Layers: what is written last is told as a bound, in bytes of the session."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(zoo / "server.pem")
    if below == "tcp":
        listener = tcp_listener(local)
        address = f"TCP4:{LOOP}:{listener.getsockname()[1]}"
    else:
        listener = local.socket(socket.AF_UNIX, socket.SOCK_STREAM, bind=str(tmp_path / "s"))
        address = f"UNIX:{tmp_path}/s"
    peers = Peers(listener, lambda c: context.wrap_socket(c, server_side=True))

    def cut_below(c):
        n = c.pending() + (0 if below == "unix" else buffer_of(c))
        raw = socket.socket(fileno=c.detach())
        cut(raw)
        return n
    p = local.start("-d", "-d", "--stats=1000", SAYS, f"TLS(verify=0)+{address},reopen=0.001")
    cut_often(p, peers, cut_below)


def test_tls_that_reads_on(local, zoo, tmp_path):
    """A peer that says its end and reads on, while a record has gone out in part: that is not completed, as what is in
    it is written to the next connection."""
    port = lab.port()
    (tmp_path / "peer").write_text(f"exec >&-; sleep 0.05; exec cat >{tmp_path}/run$SOCAST_PEERPORT", encoding="ascii")
    peer = local.start("-d", "-d", f"TLS-LISTEN:{port},bind={LOOP},reuseaddr,fork,cert={zoo / 'server.pem'},verify=0,rcvbuf=8192",
                       f"EXEC:sh {tmp_path}/peer,pipes")
    peer.wait_log("listening on")
    p = local.start("-d", "-d", SAYS, f"TLS(verify=0)+TCP4:{LOOP}:{port},reopen=0.001,sndbuf=20000")
    def runs():
        return sorted((r for r in (f.read_bytes() for f in tmp_path.glob("run*")) if len(r) > 2 * RECORD), key=place)
    lab.wait_until(lambda: len(runs()) > 12, 15, "a dozen that have been read")
    p.stop()
    peer.stop()
    assert min(costs_of(runs())) >= 0, costs_of(runs())


# ---- pipes, programs, terminals ----

def costs_of(runs):
    starts = [check_run(r) for r in runs]
    return [b - a - len(r) for a, b, r in zip(starts, starts[1:], runs)]


def check_costs(p, runs, exactly):
    """What was lost between the @runs that have arrived is what was told, or no more."""
    costs, numbers = costs_of(runs), told(p.log)
    assert len(numbers) >= len(costs) == CUTS - 1 and sum(costs)
    wrong = [(i, c, n) for i, (c, n) in enumerate(zip(costs, numbers)) if c < 0 or (n != c if exactly else n < c)]
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("program, exactly", [("EXEC:head -c 4000,pipes", True), ("EXEC:head -c 4000", False),
                                              ("SYSTEM:head -c 4000; kill -9 $$,pipes", True), ("SYSTEM:head -c 4000; kill -9 $$", False),
                                              ("EXEC:head -c 4000,pty,raw,echo=0", False)])
def test_programs(local, program, exactly):
    """A program that gives back what it reads, and ends in the middle of it. All that it has said comes out."""
    p = local.start("-d", "-d", SAYS, program + ",reopen=0.001")
    p.until(lambda: len(p.out) >= CUTS * 4000, 15, "what was read")
    p.stop()
    check_costs(p, [p.out[i * 4000:(i + 1) * 4000] for i in range(CUTS)], exactly)


def test_fifo(local, tmp_path):
    """The bytes in a pipe are counted when its reader has gone, even where it can only be written."""
    os.mkfifo(tmp_path / "fifo")
    runs = []
    p = local.start("-d", "-d", "-u", "SYSTEM:seq -f %015.0f 0 99999999", f"PIPE:{tmp_path}/fifo,reopen=0.001")
    for i in range(CUTS):
        fd = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        runs.append(b"")
        lab.wait_until(lambda: grow(runs, fd, 3000), 5, "bytes")
        os.close(fd)
        lab.wait_until(lambda: len(told(p.log)) > i, 5, "loss")
    p.stop()
    check_costs(p, runs, True)
    assert "Bad file" not in p.log


def grow(runs, fd, n):
    try:
        runs[-1] += os.read(fd, n)
    except BlockingIOError:
        pass
    return len(runs[-1]) >= n


def test_device(local, tmp_path):
    """A terminal whose other side is closed: nobody tells what was in it, but it is no more than it holds."""
    link, runs = tmp_path / "dev", []
    p = local.start("-d", "-d", SAYS, f"{link},raw,echo=0,reopen=0.001")
    for i in range(CUTS):
        far, near = os.openpty()
        (tmp_path / "new").symlink_to(os.ttyname(near))
        os.set_blocking(far, False)
        os.rename(tmp_path / "new", link)
        runs.append(b"")
        lab.wait_until(lambda: grow(runs, far, 3000), 5, "bytes")
        os.write(far, b"".join(b"%07d %07d\n" % (i, n) for n in range(20)))
        lab.wait_until(lambda: p.out.count(b"\n") >= 20 * (i + 1), 5, "what was said")
        os.close(near)
        link.unlink()
        os.close(far)
        lab.wait_until(lambda: len(told(p.log)) > i, 5, "loss")
    check_said(p, CUTS)
    p.stop()
    check_costs(p, runs, False)


def test_our_terminal(local, tmp_path):
    """PTY that ends with its user: the next one gets a new terminal."""
    link, runs = tmp_path / "dev", []
    p = local.start("-d", "-d", SAYS, f"PTY,link={link},raw,echo=0,wait-slave,reopen=0.001")
    for i in range(CUTS):
        lab.wait_until(link.exists, 5, "link")
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        runs.append(b"")
        lab.wait_until(lambda: grow(runs, fd, 3000), 5, "bytes")
        os.write(fd, b"".join(b"%07d %07d\n" % (i, n) for n in range(20)))
        os.close(fd)
        lab.wait_until(lambda: len(told(p.log)) > i, 5, "loss")
    check_said(p, CUTS)
    p.stop()
    check_costs(p, runs, False)


# ---- datagrams ----

SIZE = 3000


def send_numbers(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while s.connect_ex(path):       # the entry is there before the socket hears
        pass
    for n in itertools.count():
        s.send(b"%09d\n" % n + b"x" * (SIZE - 10))


@pytest.fixture(name="feed")
def _feed(local, tmp_path):
    """A process that sends numbered datagrams to a UNIX socket, without a pause, and loses none."""
    pids = []

    def feed(path):
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                send_numbers(path)
            os._exit(0)
        pids.append(pid)
    yield feed
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_datagrams_to_a_stream(local, tmp_path, feed):
    """The next connection begins with a whole datagram: one of which a part was sent is dropped, and told."""
    listener = tcp_listener(local)
    listener.listen()
    p = local.start("-d", "-d", "--stats=1000", "-u", f"UNIX-RECV:{tmp_path}/in", f"TCP4:{LOOP}:{listener.getsockname()[1]},reopen=0.001,sndbuf=20000")
    lab.wait_until((tmp_path / "in").exists, 5, "socket")
    feed(f"{tmp_path}/in")
    runs, gone = [], []
    for i in range(CUTS):
        lab.wait_until(lambda: select.select([listener], [], [], 0)[0], 5, "connection")
        c = listener.accept()[0]
        runs.append(read_some(c, 5000 + 777 * (i % 10)))
        gone.append(end_both_ways(c))
    lab.wait_until(lambda: len(told(p.log)) == CUTS, 5, "all of them lost")
    numbers, rests = told(p.log), []
    for line in p.log.splitlines():     # it is dropped when the next connection is written to
        if "has been lost" in line:
            rests.append(0)
        elif m := re.search(r" W (\d+) of the (\d+) bytes of a datagram had been written to socket 2 when it was lost: the rest is dropped", line):
            rests[-1] = int(m[2]) - int(m[1])
    places = [int(r[:9]) * SIZE for r in runs]
    assert all(r[9:11] == b"\nx" for r in runs)
    for i, (a, b, r) in enumerate(zip(places, places[1:], runs)):
        assert b - a - len(r) == gone[i] + numbers[i] + rests[i], f"cut {i}: from {a} + {len(r)} to {b}, {gone[i]} unread, told {numbers[i]}, {rests[i]} dropped"
    assert any(rests)
    p.kill(signal.SIGUSR1)
    p.wait_log("COUNTERS: address 2")
    assert int(re.findall(r"COUNTERS: address 2 .* lost \d+ \(gone (\d+)\)", p.log)[-1]) == p.log.count("the rest is dropped")
    p.stop()


def test_datagrams_to_a_program(local, tmp_path, feed):
    """A program at a socket of packets ends with some unread."""
    (tmp_path / "program").write_text(f"dd bs={SIZE} count=5 2>/dev/null >>{tmp_path}/out", encoding="ascii")
    p = local.start("-d", "-d", "-u", f"UNIX-RECV:{tmp_path}/in", f"EXEC:sh {tmp_path}/program,so-type=5,reopen=0.001")
    lab.wait_until((tmp_path / "in").exists, 5, "socket")
    feed(f"{tmp_path}/in")
    lab.wait_until(lambda: len(told(p.log)) >= CUTS, 15, "losses")
    p.stop()
    data = (tmp_path / "out").read_bytes()
    got = [int(data[i:i + 9]) for i in range(0, len(data) - SIZE + 1, SIZE)]
    runs = [got[i:i + 5] for i in range(0, 5 * CUTS, 5)]
    costs = [b[0] - a[-1] - 1 for a, b in zip(runs, runs[1:])]
    assert got == sorted(set(got)) and sum(costs) and all(0 <= c <= n for c, n in zip(costs, told(p.log))), list(zip(costs, told(p.log)))[:20]


def test_datagrams_to_a_unix_socket(local, tmp_path, feed):
    """A receiver of datagrams goes with some unread: how many at most is told, the others reach the next one."""
    p = local.start("-d", "-d", "--stats=1000", "-u", f"UNIX-RECV:{tmp_path}/in", f"UNIX-SENDTO:{tmp_path}/out,reopen=0.001")
    lab.wait_until((tmp_path / "in").exists, 5, "socket")
    feed(f"{tmp_path}/in")
    runs, sums = [], [0]
    for i in range(CUTS):
        s = local.socket(socket.AF_UNIX, socket.SOCK_DGRAM, bind=f"{tmp_path}/new")
        os.rename(tmp_path / "new", tmp_path / "out")
        runs.append([int(s.recv(SIZE)[:9]) for _ in range(5 + i % 7)])
        lab.pump(0)
        losses = told(p.log)        # what there was to tell of the last one has been told by now
        sums.append(sum(losses))
        s.close()
        (tmp_path / "out").unlink()
        lab.wait_until(lambda: len(told(p.log)) > len(losses), 5, "loss")
    assert [n for r in runs for n in r] == sorted({n for r in runs for n in r})
    numbers = [b - a for a, b in zip(sums[1:], sums[2:])]
    costs = [b[0] - a[-1] - 1 for a, b in zip(runs, runs[1:])]
    assert all(0 <= c <= n for c, n in zip(costs, numbers)) and sum(costs), [(i, c, n) for i, (c, n) in enumerate(zip(costs, numbers)) if not 0 <= c <= n]
    lab.wait_until(lambda: sum(told(p.log)) > sums[-1], 5, "the last loss")
    p.kill(signal.SIGUSR1)
    p.wait_log("COUNTERS: address 2")
    assert int(re.findall(r"COUNTERS: address 2 .* lost \d+ \(gone (\d+)\)", p.log)[-1]) == sum(told(p.log))
    p.stop()
