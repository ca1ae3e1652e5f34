"""Nothing invisible: what is received, sent, refused and lost is counted and can be read, as lines
(--stats, SIGUSR1, the end) and by a scraper (--metrics)."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import lab

LOOP = "127.0.0.1"
NAMES = {"received datagrams": "received_datagrams_total", "received bytes": "received_bytes_total",
         "sent datagrams": "sent_datagrams_total", "sent bytes": "sent_bytes_total",
         "kernel drops": "kernel_drops_total", "refused": "refused_total", "lost": "lost_total",
         "lost bytes": "lost_bytes_total",
         "oversize": "oversize_total", "gso": "gso", "sessions": "sessions", "sessions so far": "sessions_total"}


# ---------------------------------------------------------------- reading

def curl(host, *args, **kw):
    with host.inside():
        return subprocess.run(["curl", "-s", "--max-time", str(10 * lab.SLOW), *args], capture_output=True,
                              check=False, **kw)


def parse(text):
    """{(name, address): value}, reasons as name/reason and their sum as the name."""
    got = {}
    for name, address, reason, value in re.findall(
            r'^socast_(\w+)\{address="(\d)",type="[^"]+"(?:,reason="([^"]+)")?\} (\d+)$', text, re.M):
        key = (name, int(address))
        got[key] = got.get(key, 0) + int(value)
        if reason:
            got[f"{name}/{reason}", int(address)] = int(value)
    return got


def scrape(host, port):
    r = curl(host, "-f", f"http://{LOOP}:{port}/metrics")
    assert r.returncode == 0, r
    return parse(r.stdout.decode())


def last_lines(log):
    """The same out of the last record of each address."""
    got = {}
    for address in (1, 2):
        line = re.findall(rf"COUNTERS: address {address} \([^)]+\): (.*)", log)[-1]
        for text, value, reasons in re.findall(r"([a-z][a-z ]*[a-z]) (\d+)(?: \(([^)]*)\))?", line):
            got[NAMES[text], address] = int(value)
            for reason in filter(None, reasons.split(", ")):
                word, n = reason.split(" ")
                got[f"{NAMES[text]}/{word}", address] = int(n)
    return got


def until(host, port, **want):
    """Scrape until these numbers (name_address=value) are there; the last scrape."""
    seen = {}

    def there():
        seen.clear()
        seen.update(scrape(host, port))
        return all(seen[k[:-2], int(k[-1])] == v for k, v in want.items())
    lab.wait_until(there, 8, lambda: f"not {want} but {({k: v for k, v in seen.items() if v})}")
    return dict(seen)


def serve(host, *args, **kw):
    """A relay that serves its numbers at a port: the program, and the port."""
    port = lab.port()
    p = host.start("-d", "-d", f"--metrics={port}", *args, **kw)
    p.wait_log(rf"serving /metrics on AF=2 127\.0\.0\.1:{port}")
    return p, port


def ready(p, what="starting data transfer loop"):
    p.wait_log(what)


# ---------------------------------------------------------------- the scraper

def test_scraped_by_real_programs(local):
    """curl gets it, promtool finds nothing to complain about."""
    p, port = serve(local, f"TCP4-LISTEN:{lab.port()},fork", "PIPE")
    r = curl(local, "-i", f"http://{LOOP}:{port}/metrics")
    head, body = r.stdout.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert curl(local, f"http://{LOOP}:{port}/metrics?x=y").stdout.startswith(b"# HELP socast_")
    for name in NAMES.values():
        assert f"# TYPE socast_{name} {'counter' if name.endswith('_total') else 'gauge'}\n".encode() in body
    assert re.search(rb'^socast_sessions\{address="1",type="TCP4-LISTEN"\} 0$', body, re.M)
    start = float(re.search(rb"^process_start_time_seconds (\S+)$", body, re.M)[1])
    assert abs(start - time.time()) < 60 * lab.SLOW
    if not shutil.which("promtool"):
        pytest.skip("no promtool (package prometheus)")
    r = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert r.returncode == 0 and not r.stdout and not r.stderr, r
    assert not p.ended()


def test_where(local, tmp_path):
    """A port is one of the loopback interface only; the rest as said; the UNIX socket goes away."""
    p, port = serve(local, "STALL", "STALL")
    with pytest.raises(ConnectionRefusedError):
        local.socket(kind=socket.SOCK_STREAM).connect(("127.0.0.2", port))
    p.stop()
    p = local.start("-d", "-d", f"--metrics=[::1]:{port}", "STALL", "STALL")
    ready(p)
    assert b"socast_gso" in curl(local, "-g", f"http://[::1]:{port}/metrics").stdout
    p.stop()
    p = local.start("-d", "-d", f"--metrics=0.0.0.0:{port}", "STALL", "STALL")
    ready(p)
    assert b"socast_gso" in curl(local, f"http://127.0.0.2:{port}/metrics").stdout
    p.stop()
    path = tmp_path / "m"
    p = local.start("-d", "-d", f"--metrics={path}", "STALL", "STALL")
    ready(p)
    assert b"socast_gso" in curl(local, "--unix-socket", str(path), "http://x/metrics").stdout
    p.stop()
    assert not path.exists()


def test_port_chosen_by_the_kernel(local):
    p = local.start("-d", "-d", "--metrics=0", "STALL", "STALL")
    port = p.wait_log(r"serving /metrics on AF=2 127.0.0.1:(\d+)")[1]
    assert scrape(local, port)


@pytest.mark.parametrize("value", ["", "x", "65536", "localhost:80", "1.2.3.4", "[::1]", "::1:80", "/" * 200])
def test_bad_value(local, value):
    r = local.run("--metrics=" + value if value else "--metrics=-", "STALL", "STALL")
    assert r.status == 1
    assert len(r.log.splitlines()) == 1 and " E option --metrics: " in r.log, r


def test_address_in_use(local, tmp_path):
    p, port = serve(local, "STALL", "STALL")
    r = local.run(f"--metrics={port}", "STALL", "STALL")
    assert r.status == 1
    assert f" E option --metrics: cannot listen at {port}: Address already in use\n" in r.log, r
    p.stop()
    path = tmp_path / "m"
    p = local.start("-d", "-d", f"--metrics={path}", "STALL", "STALL")
    ready(p)
    r = local.run(f"--metrics={path}", "STALL", "STALL")
    assert r.status == 1 and "Address already in use" in r.log
    assert path.exists()
    p.stop(signal.SIGKILL)
    assert path.exists()                # nobody was left to remove it
    p = local.start("-d", "-d", f"--metrics={path}", "STALL", "STALL")
    ready(p)
    p.stop()
    file = tmp_path / "file"            # not ours to remove
    file.write_text("precious")
    assert local.run(f"--metrics={file}", "STALL", "STALL").status == 1
    assert file.read_text() == "precious"


# ---------------------------------------------------------------- strangers

def request(host, port, data, close=False):
    """What comes for these bytes until the end."""
    s = host.socket(kind=socket.SOCK_STREAM, timeout=10)
    s.connect((LOOP, port))
    try:
        s.sendall(data)
        if close:
            s.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass
    got = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        got += part
    s.close()
    return got


@pytest.mark.parametrize("data, status", [
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"GET /metrics HTTP/1.0\n\n", 200),
    (b"GET / HTTP/1.1\r\n\r\n", 404),
    (b"GET /metrics/ HTTP/1.1\r\n\r\n", 404),
    (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"HEAD /metrics HTTP/1.1\r\n\r\n", 405),
    (b"get /metrics HTTP/1.1\r\n\r\n", 405),
    (b"GET /metrics\r\n\r\n", 400),
    (b"GET /metrics HTTP/2\r\n\r\n", 400),
    (b"\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\n\n", 400),
    (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", 431),
], ids=lambda v: repr(v[:24]) if isinstance(v, bytes) else str(v))
def test_requests(local, data, status):
    p, port = serve(local, "STALL", "STALL")
    got = request(local, port, data)
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:200]
    head, body = got.split(b"\r\n\r\n", 1)
    assert len(body) == int(re.search(rb"Content-Length: (\d+)", head)[1])
    assert (b"Allow: GET" in head) == (status == 405)
    assert not p.ended()


def test_byte_by_byte(local):
    _, port = serve(local, "STALL", "STALL")
    s = local.socket(kind=socket.SOCK_STREAM, timeout=10)
    s.connect((LOOP, port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for c in b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n":
        s.send(bytes([c]))
        time.sleep(0.001)
    assert s.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_half_a_request(local):
    """The client leaves: nothing comes, and nothing stays open."""
    p, port = serve(local, "STALL", "STALL")
    ready(p)
    before = lab.descriptors(p.pid)
    assert request(local, port, b"GET /met", close=True) == b""
    assert request(local, port, b"", close=True) == b""
    lab.wait_until(lambda: lab.descriptors(p.pid) == before, 5, "a connection stayed open")


def test_many_slow_clients(local):
    """They cannot keep the scraper out, nor take more than a few descriptors, and their time is over
    soon. Meanwhile datagrams go on."""
    udp = lab.port()
    p, port = serve(local, "-u", f"UDP4-RECV:{udp}", "-")
    ready(p)
    before = len(lab.descriptors(p.pid))
    slow = [local.socket(kind=socket.SOCK_STREAM, timeout=20) for _ in range(100)]
    for s in slow:
        s.connect((LOOP, port))
        s.send(b"GET /metrics HT")
    assert scrape(local, port)["received_datagrams_total", 1] == 0
    assert len(lab.descriptors(p.pid)) - before <= 17
    local.udp().sendto(b"still alive\n", (LOOP, udp))
    p.expect_output(b"still alive")
    for s in slow:
        try:
            assert s.recv(100) == b""
        except ConnectionResetError:
            pass
    lab.wait_until(lambda: len(lab.descriptors(p.pid)) == before, 5, "connections stayed open")


def test_client_that_does_not_read(local):
    """It asks again and again and never takes an answer: time ends it."""
    p, port = serve(local, "STALL", "STALL")
    ready(p)
    before = len(lab.descriptors(p.pid))
    s = local.socket(kind=socket.SOCK_STREAM, timeout=1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.connect((LOOP, port))
    try:
        for _ in range(1000):
            s.send(b"GET /metrics HTTP/1.1\r\n\r\n" * 1000)
    except OSError:
        pass
    assert scrape(local, port)
    lab.wait_until(lambda: len(lab.descriptors(p.pid)) == before, 10, "the connection stayed open")


# ---------------------------------------------------------------- lines

def test_lines(local):
    """Every interval, at SIGUSR1 and at the end, whatever the log level; all tell the same."""
    udp = lab.port()
    p, port = serve(local, "-d0", "-d", "-d", "--stats=0.2", "-u", f"UDP4-RECV:{udp}", "-")
    ready(p)
    p.wait_log(r" I COUNTERS: address 1 \(UDP4-RECV\): ", count=2)
    s = local.udp()
    for n in (1, 10, 100):
        s.sendto(b"x" * n, (LOOP, udp))
    seen = until(local, port, received_datagrams_total_1=3, sent_bytes_total_2=111)
    p.kill(signal.SIGUSR1)
    p.wait_log("finishing signal 10")
    assert "STATISTICS: left to right: 3 packets(s), 111 byte(s)" in p.log      # classic's, as before
    assert last_lines(p.log[:p.log.index("finishing signal 10")]) == {k: seen[k] for k in last_lines(p.log)}
    end = last_lines(p.stop().log)
    assert end["received_bytes_total", 1] == end["sent_bytes_total", 2] == 111
    assert end["received_datagrams_total", 1] == 3 and end["sent_datagrams_total", 2] == 0
    assert end["sessions", 1] == 0 and end["sessions_total", 1] == 1


def test_an_answer_in_pieces(local):
    """More than the socket takes at once, for a client that reads late."""
    local.sysctl("net/ipv4/tcp_wmem", "4096 4096 4096")
    p, port = serve(local, "UDP4-RECV:0", "PIPE")
    ready(p)
    whole = curl(local, "-f", f"http://{LOOP}:{port}/metrics").stdout
    with local.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        s.connect((LOOP, port))
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        lab.pump(0.2)
        got = b""
        while data := s.recv(700):
            got += data
    head, _, body = got.partition(b"\r\n\r\n")
    assert int(re.search(rb"(?i)content-length: (\d+)", head)[1]) == len(body)
    assert [x.split()[0] for x in body.splitlines() if not x.startswith(b"#")] == [x.split()[0] for x in whole.splitlines() if not x.startswith(b"#")]


def test_at_the_end(local):
    """Also of a transfer that is over before the first interval, and with classic's flag."""
    for flag in ("--stats=3600", "--statistics"):
        r = local.run("-d0", flag, "-u", "-", "CREATE:/dev/null", input=b"x" * 100000)
        assert r.status == 0
        end = last_lines(r.log)
        assert end["received_bytes_total", 1] == end["sent_bytes_total", 2] == 100000
    assert "COUNTERS: address" not in local.run("-", "PIPE").log


@pytest.mark.parametrize("value", ["x", "1x", "0", "-1", "1e999", "nan"])
def test_bad_interval(local, value):
    r = local.run(f"--stats={value}", "STALL", "STALL", input=None)
    assert r.status == 1 and len(r.log.splitlines()) == 1 and "--stats" in r.log, r


# ---------------------------------------------------------------- datagrams

def test_refused(local, fast):
    """Each refused datagram has its reason; the rest adds up."""
    udp = lab.port()
    p, port = serve(local, "-u", f"UDP4-RECV:{udp},range=127.0.0.1/32,dst=unicast", "-")
    ready(p)
    good, bad = local.udp(), local.udp(("127.0.0.5", 0))
    good.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for _ in range(7):
        good.sendto(b"good", (LOOP, udp))
    for _ in range(5):
        bad.sendto(b"bad", (LOOP, udp))
    for _ in range(3):
        good.sendto(b"to all", ("127.255.255.255", udp))
    for _ in range(2):
        good.sendto(b"", (LOOP, udp))
    got = until(local, port, received_datagrams_total_1=7, refused_total_1=8, lost_total_1=2)
    assert got["refused_total/range", 1] == 5
    assert got["refused_total/dst", 1] == 3
    assert got["lost_total/empty", 1] == 2
    assert got["received_bytes_total", 1] == got["sent_bytes_total", 2] == 28
    assert p.expect_output(28) == b"good" * 7


def test_other_peer(local):
    """UDP-SENDTO hears its target only."""
    target = local.udp()
    p, port = serve(local, "-", f"UDP4-SENDTO:{LOOP}:{target.getsockname()[1]}")
    p.send(b"hello")
    data, back = target.recvfrom(100)
    for _ in range(4):
        local.udp().sendto(b"stranger", back)
    target.sendto(b"answer", back)
    got = until(local, port, refused_total_2=4, received_datagrams_total_2=1)
    assert got["refused_total/peer", 2] == 4
    assert got["sent_datagrams_total", 2] == 1 and got["sent_bytes_total", 2] == len(data) == 5
    assert got["received_bytes_total", 2] == got["sent_bytes_total", 1] == 6


def test_oversize(local, tmp_path):
    """Too long to be sent; too long to be received whole."""
    r = local.run("--stats=60", "-u", "-b", "66000", "-", f"UDP4-SENDTO:{LOOP}:{lab.port()}", input=b"x" * 66000)
    assert r.status == 1 and "Message too long" in r.log
    assert last_lines(r.log)["oversize_total", 2] == 1
    path = str(tmp_path / "in")
    p, port = serve(local, "-u", f"UNIX-RECV:{path}", "CREATE:/dev/null")
    ready(p)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b"x" * 100000, path)
    s.sendto(b"y" * 1000, path)
    got = until(local, port, received_datagrams_total_1=2)
    assert got["oversize_total", 1] == 1


def flood(host, p, udp, n, size=1000):
    """Send @n datagrams while the program is stopped: its queue takes a few."""
    p.kill(signal.SIGSTOP)
    s = host.udp()
    for _ in range(n):
        s.sendto(b"x" * size, (LOOP, udp))
    p.kill(signal.SIGCONT)


def all_there(host, port, n):
    def there():
        got = scrape(host, port)
        return got["received_datagrams_total", 1] + got["kernel_drops_total", 1] == n
    lab.wait_until(there, 8, lambda: f"{scrape(host, port)} do not add up to {n}")
    return scrape(host, port)


def test_kernel_drops(local, fast):
    """Also those behind which no datagram comes that would tell; a second time; and at the end."""
    udp = lab.port()
    p, port = serve(local, "--stats=60", "-u", f"UDP4-RECV:{udp},rcvbuf=4096", "CREATE:/dev/null")
    ready(p)
    flood(local, p, udp, 300)
    first = all_there(local, port, 300)
    assert first["kernel_drops_total", 1] > 200
    flood(local, p, udp, 200)
    second = all_there(local, port, 500)
    assert second["kernel_drops_total", 1] > first["kernel_drops_total", 1] + 100
    p.wait_log("datagrams were lost in the receive queue")
    end = last_lines(p.stop().log)
    assert end["kernel_drops_total", 1] + end["received_datagrams_total", 1] == 500


def test_kernel_drops_of_a_shared_socket(local):
    """Two sessions read one socket: its losses are counted once."""
    udp, tcp = lab.port(), lab.port()
    p, port = serve(local, "-u", f"UDP4-RECV:{udp},rcvbuf=4096", f"TCP4-LISTEN:{tcp},fork")
    p.wait_log("listening on")
    clients = [local.socket(kind=socket.SOCK_STREAM) for _ in range(2)]
    for c in clients:
        c.connect((LOOP, tcp))
    p.wait_log("starting data transfer loop", count=2)
    flood(local, p, udp, 300)
    assert all_there(local, port, 300)["kernel_drops_total", 1] > 200
    flood(local, p, udp, 100)
    for c in clients:
        c.close()
    assert all_there(local, port, 400)


def test_kernel_drops_and_session_processes(local):
    """They have the socket as well, but it is not theirs to count."""
    udp = lab.port()
    p, port = serve(local, "-u", f"UDP4-RECVFROM:{udp},fork,isolate,rcvbuf=4096", "CREATE:/dev/null")
    p.wait_log("receiving on")
    for n in (100, 200):
        flood(local, p, udp, 100)
        assert all_there(local, port, n)["kernel_drops_total", 1] > n * 0.8
    until(local, port, sessions_1=0)
    all_there(local, port, 200)


def test_gso(local, fast):
    """Runs of equal datagrams leave as one message; not without the fast path."""
    got = local.udp()
    got.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    r = local.run("--stats=60", "-u", "-b", "1000", "-", f"UDP4-SENDTO:{LOOP}:{got.getsockname()[1]}", input=b"x" * 50000)
    end = last_lines(r.log)
    assert end["sent_datagrams_total", 2] == 50 and end["sent_bytes_total", 2] == 50000
    assert end["gso", 2] == fast


def test_unread(local):
    """What has come for a session that ends before it was delivered."""
    udp = lab.port()
    p, port = serve(local, f"UDP4-LISTEN:{udp},fork,session-timeout=0.5", "STALL")
    p.wait_log("listening on")
    s = local.udp()
    for _ in range(10):
        s.sendto(b"hello?", (LOOP, udp))
    got = until(local, port, lost_total_1=10, sessions_1=0)
    assert got["lost_total/unread", 1] == 10
    assert got["received_datagrams_total", 1] == 0 and got["sessions_total", 1] == 1


# ---------------------------------------------------------------- sessions

def test_tcp_sessions(local, fast):
    """Sessions that are over stay in the sums."""
    tcp, server = lab.port(), local.socket(kind=socket.SOCK_STREAM, bind=(LOOP, 0))
    server.listen()
    p, port = serve(local, f"TCP4-LISTEN:{tcp},fork,range=127.0.0.1/32", f"TCP4:{LOOP}:{server.getsockname()[1]}")
    p.wait_log("listening on")
    total = 0
    for n in (1, 1000, 300000):
        c = local.socket(kind=socket.SOCK_STREAM)
        c.connect((LOOP, tcp))
        a, _ = server.accept()
        a.settimeout(5 * lab.SLOW)
        a.sendall(b"y" * 7)
        sender = threading.Thread(target=c.sendall, args=(b"x" * n,))  # nobody promises room for all of it
        sender.start()
        assert scrape(local, port)["sessions", 1] == scrape(local, port)["sessions", 2] == 1
        left = n
        while left:
            left -= len(a.recv(left))
        sender.join()
        c.shutdown(socket.SHUT_WR)
        assert a.recv(1) == b""
        a.close()
        assert c.recv(100) == b"y" * 7
        c.close()
        total += n
    bad = local.socket(kind=socket.SOCK_STREAM, bind=("127.0.0.5", 0))
    bad.connect((LOOP, tcp))
    got = until(local, port, sessions_1=0, sessions_2=0, refused_total_1=1)
    assert got["received_bytes_total", 1] == got["sent_bytes_total", 2] == total
    assert got["received_bytes_total", 2] == got["sent_bytes_total", 1] == 21
    assert got["sessions_total", 1] == got["sessions_total", 2] == 3
    assert got["refused_total/range", 1] == 1
    assert got["received_datagrams_total", 1] == got["sent_datagrams_total", 2] == 0


def test_right_address_fails(local):
    """A session that gets no right address shows the difference."""
    tcp = lab.port()
    p, port = serve(local, f"TCP4-LISTEN:{tcp},fork", f"TCP4:{LOOP}:1")
    p.wait_log("listening on")
    c = local.socket(kind=socket.SOCK_STREAM)
    c.connect((LOOP, tcp))
    assert c.recv(1) == b""
    got = until(local, port, sessions_1=0, sessions_total_1=1)
    assert got["sessions_total", 2] == 0


@pytest.mark.parametrize("options", ["fork", "fork,isolate"])
def test_one_datagram_one_session(local, options):
    """RECVFROM: in this process, and in processes of their own."""
    udp = lab.port()
    p, port = serve(local, f"UDP4-RECVFROM:{udp},{options}", "SYSTEM:cat; echo !")
    p.wait_log("receiving on")
    s = local.udp()
    for i in range(10):
        s.sendto(b"question %d" % i, (LOOP, udp))
    got = until(local, port, sessions_total_1=10, received_bytes_total_2=120, sessions_1=0)
    assert got["received_datagrams_total", 1] == 10
    assert got["received_bytes_total", 1] == got["sent_bytes_total", 2] == 100
    assert got["received_bytes_total", 2] == got["sent_bytes_total", 1] == 120
    assert got["sessions_total", 2] == 10


@pytest.mark.parametrize("options", ["fork", "fork,isolate"])
def test_peers(local, options):
    """LISTEN: a table of peers."""
    udp = lab.port()
    p, port = serve(local, f"UDP4-LISTEN:{udp},{options}", "PIPE")
    p.wait_log("listening on")
    peers = [local.udp() for _ in range(5)]
    for _ in range(3):
        for s in peers:
            s.sendto(b"hello", (LOOP, udp))
        for s in peers:
            assert s.recv(100) == b"hello"
    got = until(local, port, received_datagrams_total_1=15, sent_datagrams_total_1=15)
    assert got["sessions", 1] == got["sessions", 2] == got["sessions_total", 1] == 5
    for name, address in (("received", 1), ("sent", 1), ("received", 2), ("sent", 2)):
        assert got[f"{name}_bytes_total", address] == 75, (name, address)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(n) for n in f.read().split()]


def listening_inode(host, port):
    with host.inside(), open("/proc/thread-self/net/tcp", encoding="ascii") as f:
        return next(line.split()[9] for line in f if f":{port:04X} 00000000:0000 0A" in line)


def test_session_process(local):
    """It counts at the same place while it lives; killed, it leaves its counts. It has nothing of the
    server, and says nothing at its end."""
    tcp = lab.port()
    p, port = serve(local, "--stats=60", f"TCP4-LISTEN:{tcp},fork,isolate", "PIPE")
    p.wait_log("listening on")
    clients = [local.socket(kind=socket.SOCK_STREAM) for _ in range(2)]
    for c in clients:
        c.connect((LOOP, tcp))
        c.sendall(b"x" * 1000)
        assert len(c.recv(1000, socket.MSG_WAITALL)) == 1000
    got = until(local, port, sessions_1=2, sent_bytes_total_1=2000)
    assert got["received_bytes_total", 1] == 2000
    first, second = sorted(children(p.pid))
    inode = f"socket:[{listening_inode(local, port)}]"
    for pid in (first, second):
        assert inode not in [os.readlink(f"/proc/{pid}/fd/{n}") for n in lab.descriptors(pid)]
    os.kill(first, signal.SIGKILL)
    got = until(local, port, sessions_1=1)
    assert got["received_bytes_total", 1] == 2000 and got["sessions_total", 1] == 2
    for c in clients:
        c.close()
    until(local, port, sessions_1=0)
    assert "STATISTICS" not in p.log
    log = p.stop().log
    assert log.count("COUNTERS: address 1") == 1
    assert last_lines(log)["sent_bytes_total", 2] == 2000


def test_filters_and_dual_addresses(local):
    """Received is what came, sent is what left; a dual address is one address."""
    r = local.run("--stats=60", "-u", "-", "CREATE:/dev/null,crlf", input=b"a\nb\n")
    end = last_lines(r.log)
    assert end["received_bytes_total", 1] == 4 and end["sent_bytes_total", 2] == 6
    udp, out = lab.port(), local.udp()
    p, port = serve(local, f"UDP4-RECV:{udp}!!UDP4-SENDTO:{LOOP}:{out.getsockname()[1]}", "PIPE")
    ready(p)
    local.udp().sendto(b"round", (LOOP, udp))
    assert out.recv(100) == b"round"
    got = until(local, port, received_datagrams_total_1=1, sent_datagrams_total_1=1)
    assert got["sent_bytes_total", 2] == got["received_bytes_total", 2] == 5
    assert b'address="1",type="UDP4-RECV!!UDP4-SENDTO"' in curl(local, f"http://{LOOP}:{port}/metrics").stdout


def test_unsealed(local, tmp_path):
    """Reasons of option seal are reasons as the others."""
    if not lab.has("SEAL"):
        pytest.skip("built without libsodium")
    key, udp = tmp_path / "key", lab.port()
    key.write_bytes(local.run("--keygen").out)
    key.chmod(0o600)
    p, port = serve(local, "-u", f"UDP4-RECV:{udp},seal={key}", "-")
    ready(p)
    for _ in range(3):
        local.udp().sendto(b"plain", (LOOP, udp))
    local.run("-u", "-", f"UDP4-SENDTO:{LOOP}:{udp},seal={key}", input=b"sealed")
    got = until(local, port, refused_total_1=3, received_datagrams_total_1=1)
    assert got["refused_total/unsealed", 1] == 3
    assert got["received_bytes_total", 1] == 6


# ---------------------------------------------------------------- contrib

CONTRIB = os.path.join(lab.ROOT, "contrib")


def scraped_names(host, *addresses):
    p, port = serve(host, *addresses)
    body = curl(host, "-f", f"http://{LOOP}:{port}/metrics").stdout.decode()
    p.stop()
    return set(re.findall(r"^# TYPE (\S+)", body, re.M))


def dashboard():
    with open(os.path.join(CONTRIB, "grafana.json"), encoding="utf-8") as f:
        return json.load(f)


def expressions():
    """{where: expression}, of the dashboard with its variables filled in, and of the alerts."""
    found = {}
    for panel in dashboard()["panels"]:
        for t in panel["targets"]:
            found[f"{panel['title']} {t['refId']}"] = t["expr"].replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
    with open(os.path.join(CONTRIB, "alerts.yml"), encoding="utf-8") as f:
        for n, expr in enumerate(re.findall(r"^ +expr: (.*)$", f.read(), re.M)):
            found[f"alert {n}"] = expr
    return found


def promtool(*args, cwd):
    if not shutil.which("promtool"):
        pytest.skip("no promtool (package prometheus)")
    r = subprocess.run(["promtool", *args], cwd=cwd, capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


def test_dashboard(local, tmp_path):
    """Eight panels; every expression is one that Prometheus reads, and every name is scraped from a relay."""
    panels = dashboard()["panels"]
    assert len(panels) == 8 and len({p["id"] for p in panels}) == 8 and len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == 8
    assert all(p["title"] and p["description"].endswith(".") and p["targets"] for p in panels)
    have, used = scraped_names(local, "STALL", "STALL"), set()
    for where, expr in expressions().items():
        names = set(re.findall(r"\b(?:socast|process)_\w+", expr))
        assert names and names <= have, (where, names - have)
        used |= names
    assert {f"socast_{n}" for n in NAMES.values()} - used == {"socast_gso"}
    rules = [{"record": f"x:x:x{n}", "expr": e} for n, e in enumerate(expressions().values())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}), encoding="utf-8")   # YAML holds JSON
    assert f"{len(rules)} rules found" in promtool("check", "rules", "rules.yml", cwd=tmp_path)


def test_alerts(tmp_path):
    """They go off when they should, and only then."""
    for path in (os.path.join(CONTRIB, "alerts.yml"), os.path.join(lab.ROOT, "tests/e2e/alerts_test.yml")):
        shutil.copy(path, tmp_path)
    assert "3 rules found" in promtool("check", "rules", "alerts.yml", cwd=tmp_path)
    promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)


@pytest.mark.parametrize("address,most", [
    ("UDP4-LISTEN:{},fork,max-sessions=2", 2), ("TCP4-LISTEN:{},fork,max-children=3", 3),
    ("UDP4-LISTEN:{},fork,max-children=3,max-sessions=2", 2), ("TCP4-LISTEN:{},fork", 0),
    ("UDP4-LISTEN:{},fork", 10000)])
def test_most_sessions(local, address, most):
    """What options allow is a number beside the sessions that are there; the log says no more than before."""
    p, port = serve(local, "--statistics", address.format(lab.port()), "PIPE")
    p.wait_log("listening on")
    got = scrape(local, port)
    assert got["sessions_max", 1] == most and got["sessions_max", 2] == 0
    assert "max" not in re.search(r"COUNTERS: address 1 .*", p.stop().log)[0]
