"""Thousands of sessions in one process: memory, descriptors, latency, fairness."""
import os
import re
import resource
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import lab
from test_tcp import LOOP, connect, listening, server

LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
SANITIZED = "asan" in lab.SOCAST        # memory figures mean nothing there, and it is slow

ECHO = """
import socket, selectors, sys, resource
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(4096); s.setblocking(False)
print(s.getsockname()[1], flush=True)
sel = selectors.DefaultSelector(); sel.register(s, selectors.EVENT_READ)
while True:
    for key, _ in sel.select():
        if key.fileobj is s:
            try:
                while True:
                    c, _ = s.accept(); sel.register(c, selectors.EVENT_READ)
            except BlockingIOError:
                continue
        try:
            data = key.fileobj.recv(65536)
        except ConnectionError:
            data = b""
        if data:
            key.fileobj.sendall(data)
        else:
            sel.unregister(key.fileobj); key.fileobj.close()
"""


@pytest.fixture(name="echo")
def _echo(local):
    """The port of a server in a process of its own that sends back what comes."""
    p = local.command(["/usr/bin/python3", "-c", ECHO])
    p.until(lambda: b"\n" in p.out, 5, "port")
    return int(p.out)


@pytest.fixture(autouse=True)
def _descriptors():
    """This process may have as many descriptors as the one it talks to."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line.split()[1] for line in f if line.startswith(field + ":")))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def round_trip(s, data=b"x" * 64):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        part = s.recv(65536)
        assert part, "the connection ended"
        got += part
    assert got == data


def median_us(s, n=200):
    times = []
    for _ in range(n):
        t = time.perf_counter()
        round_trip(s)
        times.append(time.perf_counter() - t)
    return sorted(times)[n // 2] * 1e6


def test_descriptor_limit_is_raised(local):
    """As many descriptors as we may have; programs get the limit they expect."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2
    p = local.command(["sh", "-c", f'ulimit -Sn {soft}; exec "$0" "$@"', lab.SOCAST, "-d", "-d", "-", "SYSTEM:ulimit -n; cat"])
    assert p.expect_output(b"\n").strip() == b"%d" % soft
    with open(f"/proc/{p.pid}/limits", encoding="ascii") as f:
        soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", f.read()).groups()
    assert soft == hard
    p.close_stdin()


def test_ten_thousand_idle_sessions(local, echo):
    """Each costs about 1 KB here; one active among them is as quick as alone. (Two descriptors each:
    where the hard limit is 20,000, a few fewer fit.)"""
    n = 1000 if SANITIZED else min(10000, (LIMIT - 200) // 2)
    port = lab.port()
    p = local.start(f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{echo}")
    first = connect(local, port)
    round_trip(first)
    alone, before = median_us(first), status(p.pid, "VmRSS")
    with local.inside():
        clients = [socket.create_connection((LOOP, port), timeout=10 * lab.SLOW) for _ in range(n - 1)]
    for c in clients:
        round_trip(c, b"y")
    used = status(p.pid, "VmRSS")
    assert fds(p.pid) >= 2 * n
    if not SANITIZED:
        assert used < 40 * 1024, f"{used} KiB for {n} sessions"
        assert used - before < 2 * n, f"{(used - before) / n:.2f} KiB each"
    among = median_us(first)
    assert among < 5 * alone + 200, f"{alone:.0f} us alone, {among:.0f} us among {n}"
    idle = cpu_seconds(p.pid)
    time.sleep(0.5)
    assert cpu_seconds(p.pid) - idle < 0.1          # they cost nothing
    for c in clients:
        c.close()
    lab.wait_until(lambda: fds(p.pid) < 30, 20, lambda: f"{fds(p.pid)} descriptors are still open")
    round_trip(first)


def test_many_short_sessions_leave_nothing(local):
    """50,000 sessions, 32 at a time: as many descriptors and as much memory as after the first 2,000."""
    load = os.path.join(os.path.dirname(lab.SOCAST), "..", "build", "stream-load")
    subprocess.run(["cc", "-O2", "-o", load, os.path.join(lab.ROOT, "bench", "stream.c")], check=True)
    total = 3000 if SANITIZED else 50000
    a, b = lab.port(), lab.port()
    p = local.start(f"TCP4-LISTEN:{a},fork", f"TCP4:{LOOP}:{b}")

    def run(secs):
        r = local.command([load, "conns", f"tcp:{a}", f"tcp:{b}", "32", str(secs)])
        r.wait(secs + 20)
        m = re.search(rb'"done": (\d+), "failed": (\d+)', r.out)
        assert m, r
        # the connection that looks whether the relay is there meets no server: not counted
        return int(m[1]), int(m[2])
    done, failed = run(0.5)
    assert failed == 0
    memory, open_ = status(p.pid, "VmRSS"), fds(p.pid)
    while done < total:
        more, failed = run(3)
        assert failed == 0 and more > 100
        done += more
    lab.wait_until(lambda: fds(p.pid) <= open_, 5, lambda: f"{fds(p.pid)} descriptors, {open_} before")
    # (the sanitizers keep freed memory for a while)
    assert SANITIZED or status(p.pid, "VmRSS") < memory + 1024, f"{memory} KiB before, {status(p.pid, 'VmRSS')} after {done}"
    p.kill()
    assert p.wait().status == 143


def test_a_busy_crowd_does_not_starve_one(local, echo, fast):
    """100 sessions that pour without end, one that types: its answers keep coming."""
    port = lab.port()
    p = local.start(f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{echo}")
    quiet = connect(local, port)
    round_trip(quiet)
    busy = [connect(local, port) for _ in range(100)]
    stop = threading.Event()

    def pour():
        data = bytes(1 << 16)
        for s in busy:
            s.setblocking(False)
        while not stop.is_set():
            ready = select.select(busy, busy, [], 0.1)
            for s in ready[0]:
                s.recv(1 << 18)
            for s in ready[1]:
                try:
                    s.send(data)
                except BlockingIOError:
                    pass
    t = threading.Thread(target=pour)
    t.start()
    try:
        time.sleep(0.3)
        worst = 0
        for _ in range(50):
            start = time.monotonic()
            round_trip(quiet)
            worst = max(worst, time.monotonic() - start)
        # everything here shares two processors, the pouring thread and the echo included
        assert worst < 2 * lab.SLOW, f"{worst:.2f} s for 64 bytes"
    finally:
        stop.set()
        t.join()
    assert not p.ended()


def test_a_slow_reader_costs_bounded_memory(local, fast):
    """What nobody reads stays with the sender: no buffer grows."""
    s, target = server(local)
    port = lab.port()
    p = local.start(f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{target}")
    clients = [connect(local, port) for _ in range(20)]
    before = status(p.pid, "VmRSS")
    for c in clients:
        c.setblocking(False)
    quiet, end = 0, lab.Deadline(10)
    while quiet < 10 and end.left():
        sent = 0
        for c in clients:
            try:
                sent += c.send(bytes(1 << 18))
            except BlockingIOError:
                pass
        quiet = 0 if sent else quiet + 1
        time.sleep(0.02)
    assert status(p.pid, "VmRSS") - before < 16 * 1024
    idle = cpu_seconds(p.pid)
    time.sleep(0.4)
    assert cpu_seconds(p.pid) - idle < 0.1      # waiting, not trying
    s.close()


def test_descriptors_run_out(local):
    """With too few descriptors clients wait in the queue; all are served in the end."""
    port = lab.port()
    p = local.command(["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', lab.SOCAST, "-d", "-d", f"TCP4-LISTEN:{port},fork", "PIPE"])
    clients = [connect(local, port) for _ in range(40)]
    p.wait_log("use all descriptors this process may have")
    served, waiting = [], clients
    end = lab.Deadline(10)
    for c in clients:
        c.sendall(b"x")
        c.settimeout(0.2)
    while waiting and end.left():
        for c in list(waiting):
            try:
                assert c.recv(1) == b"x"
            except TimeoutError:
                continue
            waiting.remove(c)
            served.append(c)
            c.close()
    assert not waiting, f"{len(waiting)} of 40 were never served"
    assert not re.search(r" [EF] ", p.log), p


def test_drain(local, echo):
    """--drain: no new connections, the sessions may finish, then the status of the signal."""
    port = lab.port()
    p = listening(local, "--drain=10", f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{echo}")
    clients = [connect(local, port) for _ in range(5)]
    for c in clients:
        round_trip(c)
    p.kill(signal.SIGTERM)
    lab.wait_until(lambda: local.socket(socket.AF_INET, socket.SOCK_STREAM).connect_ex((LOOP, port)) != 0, 3, "still listening")
    for c in clients:
        round_trip(c)
        c.close()
    assert p.wait().status == 143


def test_statistics_add_up(local, echo):
    """SIGUSR1 counts living and ended sessions together."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{echo}")
    living = connect(local, port)
    round_trip(living, b"a" * 10)
    for _ in range(3):
        c = connect(local, port)
        round_trip(c, b"b" * 100)
        c.close()
    p.wait_log("socket 1 .* is at EOF", count=3)
    p.kill(signal.SIGUSR1)
    m = p.wait_log(r"STATISTICS: left to right:\s+(\d+) packets\(s\),\s+(\d+) byte")
    assert m.group(2) == "310"
    p.wait_log(r"STATISTICS: right to left:\s+(\d+) packets\(s\),\s+310 byte")


@pytest.mark.parametrize("option", ["isolate", "su=nobody"])
def test_own_processes(local, echo, option):
    """A process per session: the connection belongs to it alone, and it ends with it."""
    if option.startswith("su") and not lab.REAL_ROOT:
        pytest.skip("needs real root")
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork,{option}", f"TCP4:{LOOP}:{echo}")
    assert "own process per connection" in p.log
    clients = [connect(local, port) for _ in range(10)]
    for c in clients:
        round_trip(c)

    def children():
        with open(f"/proc/{p.pid}/task/{p.pid}/children", encoding="ascii") as f:
            return [int(n) for n in f.read().split()]
    pids = children()
    assert len(pids) == 10
    assert max(fds(pid) for pid in pids) < 20           # not those of the others
    if option.startswith("su"):
        assert all(status(pid, "Uid") == 65534 for pid in pids) and status(p.pid, "Uid") == 0
    for c in clients[:5]:
        c.close()
    lab.wait_until(lambda: len(children()) == 5, 5, "processes are left")
    for c in clients[5:]:
        round_trip(c)
    p.kill()
    assert p.wait().status == 143
    assert clients[9].recv(9) == b""                    # ended with their parent


def test_max_children_pauses_accepting(local, echo):
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork,max-children=2", f"TCP4:{LOOP}:{echo}")
    a, b, c = (connect(local, port) for _ in range(3))
    round_trip(a)
    round_trip(b)
    p.wait_log("maxchildren are active, waiting")
    c.sendall(b"x")
    c.settimeout(0.3)
    with pytest.raises(TimeoutError):
        c.recv(1)
    a.close()
    c.settimeout(5)
    assert c.recv(1) == b"x"
