"""Control sockets of services, forwarders in front of them, health answers, fixtures of tests."""
import contextlib
import os
import socket
import threading
import time

import pytest

import lab
from desk import MEGABYTES, needs, sha, take_all


class Service:
    """A server of the test in a thread: @talk(connection) for each connection."""

    def __init__(self, sock, talk):
        self.sock, self.talk, self.threads = sock, talk, []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.sock.accept()
                t = threading.Thread(target=self.one, args=(c,), daemon=True)
                t.start()

    def one(self, c):
        with contextlib.suppress(OSError):
            self.talk(c)
        c.close()


def command_server(c):
    """haproxy's statistics socket: one command, one answer, the end."""
    line = c.makefile("rb").readline()
    c.sendall(b"# answer to " + line + b"x" * 200_000 + b"\n\n")


def monitor(c):
    """QEMU's monitor: a greeting, an answer for each line, and no end."""
    f = c.makefile("rb")
    c.sendall(b'{"QMP": {"version": {}}}\r\n')
    for line in f:
        c.sendall(b'{"return": {}, "to": ' + line.strip() + b"}\r\n")
    c.recv(1)       # the end of the questions is not its end
    time.sleep(1)


@pytest.mark.parametrize("line", ["echo 'show stat' | socat stdio unix-connect:run.sock", "echo 'show stat' | socat - UNIX:run.sock",
                                  "echo 'show stat' | socat unix-connect:run.sock stdio", "socat - UNIX-CLIENT:run.sock <<< 'show stat'",
                                  "printf 'show stat\\n' | socat -t 5 - GOPEN:run.sock"])
def test_statistics_socket(desk, line, load):
    Service(desk.unix_listener("run.sock"), command_server)
    if "<<<" in line:
        line = f'bash -c "{line}"'
    r = desk.run(line)
    assert r.status == 0 and r.out == b"# answer to show stat\n" + b"x" * 200_000 + b"\n\n" and r.log == "", r


def test_statistics_through_tcp(desk):
    """The socket made reachable by TCP, for one host only."""
    Service(desk.unix_listener("run.sock"), command_server)
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},fork,reuseaddr,range=127.0.0.0/8 UNIX-CONNECT:run.sock", port)
    for i in range(10):
        c = desk.tcp(port)
        c.sendall(b"show info %d\n" % i)
        assert take_all(c).startswith(b"# answer to show info %d\n" % i)
    desk.idle(p)
    desk.end(p)


def test_qemu_monitor(desk):
    """Commands piped in; the monitor never ends by itself: -t has the last word, without a word, as in classic."""
    Service(desk.unix_listener("mon"), monitor)
    r = desk.run("(echo 1; sleep 0.1; echo 2) | socat -t 0.3 - UNIX-CONNECT:mon")
    assert r.status == 0 and r.out.count(b"return") == 2 and r.log == "", r


def test_qemu_monitor_by_hand(desk):
    Service(desk.unix_listener("mon"), monitor)
    p = desk.line("socat - UNIX-CONNECT:mon")
    p.expect_output("QMP")
    for i in range(20):
        p.send(f"{i}\n")
        p.expect_output(f'"to": {i}}}')
    desk.idle(p)
    p.close_stdin()
    assert p.wait().status == 0


def http(c):
    """Docker's daemon, in small: requests with keep-alive, an upgrade to a raw stream."""
    f = c.makefile("rb")
    while True:
        head = f.readline()
        if not head:
            return
        size = 0
        while True:
            h = f.readline()
            if h.lower().startswith(b"content-length:"):
                size = int(h.split(b":")[1])
            if h in (b"\r\n", b""):
                break
        body = f.read(size)
        if b"/attach" in head:
            c.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            for line in f:
                c.sendall(b"container says " + line)
            c.sendall(b"bye\n")
            return
        answer = b"%d bytes " % len(body) + body[:100_000]
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


@pytest.mark.parametrize("tls", [False, True])
def test_docker_socket_over_tcp(desk, tls, load):
    """TCP-LISTEN,fork to /var/run/docker.sock: keep-alive, big uploads, attached streams."""
    needs("curl")
    Service(desk.unix_listener("docker.sock"), http)
    port = lab.port()
    listen, scheme, curl = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", "http", "curl -s"
    if tls:
        needs("openssl")
        desk.run("openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
                 " -keyout k -out c 2>/dev/null; cat k c > p; chmod 600 p")
        desk.keep("k", "c", "p")
        listen, scheme, curl = f"OPENSSL-LISTEN:{port},cert=p,verify=0,fork,reuseaddr", "https", "curl -s --cacert c"
    p = desk.server(f"socat {listen} UNIX-CONNECT:docker.sock", port)
    desk.write("big", MEGABYTES)
    url = f"{scheme}://localhost:{port}"
    r = desk.run(f"{curl} {url}/_ping {url}/version")
    assert r.out == b"0 bytes 0 bytes ", r
    r = desk.run(f"{curl} --data-binary @big -H 'Expect:' {url}/build | sha256sum")
    assert r.out.split()[0].decode() == sha(b"3000000 bytes " + MEGABYTES[:100_000]), r
    desk.idle(p)
    desk.end(p)


def test_attached_stream(desk):
    """The client half-closes; what the container says afterwards still arrives."""
    Service(desk.unix_listener("docker.sock"), http)
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},fork,reuseaddr UNIX-CONNECT:docker.sock", port)
    c = desk.tcp(port)
    c.sendall(b"POST /containers/x/attach HTTP/1.1\r\n\r\n")
    assert c.recv(999).startswith(b"HTTP/1.1 101")
    c.sendall(b"ls\n")
    assert c.recv(99) == b"container says ls\n"
    c.shutdown(socket.SHUT_WR)
    assert take_all(c) == b"bye\n"
    desk.end(p)


@pytest.mark.parametrize("right", ["SYSTEM:'echo HTTP/1.0 200 OK; echo; echo fine'",
                                   "EXEC:'cat answer'", "SHELL:'cat answer'", "OPEN:answer,rdonly"])
def test_health_answers(desk, right):
    """The one-line web server of containers: the request is never read, and the answer arrives all the same."""
    needs("curl")
    port = lab.port()
    desk.write("answer", "HTTP/1.0 200 OK\r\n\r\nfine")
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr,fork {right}", port)
    for _ in range(10):
        r = desk.run(f"curl -s --http0.9 --max-time 4 http://127.0.0.1:{port}/healthz")
        assert b"fine" in r.out, r
    desk.idle(p)
    desk.end(p)


def test_acme_challenge(desk):
    """Port 80 answers one token while a certificate is fetched; then it goes away."""
    needs("curl")
    port = lab.port()
    p = desk.server(f"socat -T 5 TCP-LISTEN:{port},crlf,reuseaddr,fork SYSTEM:'sleep 0.05; echo HTTP/1.0 200 OK; echo Content-Length\\: 5; echo; echo -n token'", port)
    r = desk.run(f"curl -s --max-time 4 http://127.0.0.1:{port}/.well-known/acme-challenge/x")
    assert r.out == b"token", r
    desk.end(p)


@pytest.mark.parametrize("left,right", [("TCP-LISTEN:{a},fork,reuseaddr", "TCP:127.0.0.1:{b}"), ("TCP4-LISTEN:{a},fork,reuseaddr,nodelay", "TCP4:localhost:{b},nodelay"),
                                        ("TCP6-LISTEN:{a},fork,reuseaddr,ipv6only=0", "TCP4:127.0.0.1:{b}"), ("TCP-LISTEN:{a},fork,reuseaddr,bind=127.0.0.1,backlog=64", "TCP:127.0.0.1:{b},keepalive")])
def test_port_forwarder(desk, left, right, load):
    """The commonest line of all: megabytes both ways at once, slow readers, early closers, resets."""
    s, b = desk.listener()

    def echo(c):
        while True:
            d = c.recv(65536)
            if not d:
                return
            c.sendall(d)
    Service(s, echo)
    a = lab.port()
    p = desk.server(f"socat {left.format(a=a)} {right.format(b=b)}", a)
    idle = desk.sockets(p)

    def client(result, pause):
        c = desk.tcp(a)
        t = threading.Thread(target=lambda: (c.sendall(MEGABYTES), c.shutdown(socket.SHUT_WR)))
        t.start()
        result.append(sha(take_all(c, pause)))
        t.join()
    results = []
    threads = [threading.Thread(target=client, args=(results, pause)) for pause in (0, 0, 0.003)]
    for t in threads:
        t.start()
    for i in range(10):     # meanwhile some come and go badly
        c = desk.tcp(a)
        c.sendall(b"x" * 1000)
        if i % 2:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.close()
    for t in threads:
        t.join(20)
    assert results == [sha(MEGABYTES)] * 3
    lab.wait_until(lambda: desk.sockets(p) == idle, 3, lambda: f"sockets stay: {desk.sockets(p)} instead of {idle}")
    desk.idle(p)
    desk.end(p)


def test_forwarder_to_nobody(desk):
    """Nothing listens behind it: each client is told by the end, the line goes on."""
    a, b = lab.port(), lab.port()
    p = desk.server(f"socat TCP-LISTEN:{a},fork,reuseaddr TCP:127.0.0.1:{b}", a)
    for _ in range(5):
        c = desk.tcp(a)
        assert c.recv(9) == b""
    assert p.log.count("Connection refused") <= 5 and not p.ended()
    desk.idle(p)
    desk.end(p)


def test_wait_for_a_service(desk):
    """retry until the database is up, as compose files do."""
    a = lab.port()
    p = desk.line(f"socat - TCP:127.0.0.1:{a},retry=50,interval=0.1")
    time.sleep(0.4)
    s = desk.host.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", a))
    s.listen()
    c, _ = s.accept()
    c.sendall(b"ready\n")
    p.expect_output("ready")
    c.close()
    p.close_stdin()
    assert p.wait().status == 0


def test_is_the_port_open(desk):
    """socat /dev/null TCP:host:port as a probe: the status tells."""
    s, a = desk.listener()
    b = lab.port()
    start = time.monotonic()
    assert desk.run(f"socat /dev/null TCP:127.0.0.1:{a},connect-timeout=2").status == 0
    assert desk.run(f"socat -u OPEN:/dev/null TCP:127.0.0.1:{a}").status == 0
    assert desk.run(f"socat /dev/null TCP:127.0.0.1:{b},connect-timeout=2").status == 1
    assert time.monotonic() - start < 6 * lab.SLOW


@pytest.mark.parametrize("kind", ["UNIX", "ABSTRACT"])
def test_agent_socket(desk, kind):
    """ssh-agent behind another name, for another user: requests one after the other on several connections."""
    needs("ssh-agent", "ssh-add", "ssh-keygen")
    desk.run("ssh-keygen -q -t ed25519 -N '' -f key")
    desk.keep("key", "key.pub", "agent")
    agent = desk.line("ssh-agent -D -a agent")
    lab.wait_until(lambda: (desk / "agent").exists(), 3, "no agent")
    assert desk.run("ssh-add -q key", env={"SSH_AUTH_SOCK": str(desk / "agent")}).status == 0
    if kind == "UNIX":
        p = desk.server("socat UNIX-LISTEN:other,fork,mode=600 UNIX-CONNECT:agent", "other")
        other = desk / "other"
    else:
        name = f"lines-{lab.port()}"
        desk.line(f"socat ABSTRACT-LISTEN:{name},fork UNIX-CONNECT:agent")
        time.sleep(0.2)
        p = desk.server(f"socat UNIX-LISTEN:other,fork ABSTRACT-CONNECT:{name}", "other")
        other = desk / "other"
    for _ in range(5):
        r = desk.run("ssh-add -l", env={"SSH_AUTH_SOCK": str(other)})
        assert r.status == 0 and b"ED25519" in r.out, r
    desk.idle(p)
    desk.end(p)
    agent.kill()


def test_x11_socket_over_tcp(desk):
    """A display forwarded: the first client word decides the byte order, both sides talk at once."""
    (desk / "X11").mkdir()
    desk.keep("X11")

    def server(c):
        setup = c.recv(12)
        c.sendall(b"\1\0\x0b\0" + setup)
        n = 0
        while True:
            d = c.recv(65536)
            if not d:
                return
            n += len(d)
            c.sendall(b"E" * 32)
    Service(desk.unix_listener("X11/X0"), server)
    desk.stays.discard("X11/X0")
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},fork,bind=localhost,reuseaddr UNIX-CONNECT:X11/X0", port)
    cs = [desk.tcp(port) for _ in range(8)]
    for c in cs:
        c.sendall(b"l\0\x0b\0\0\0\0\0\0\0\0\0")
    for c in cs:
        assert c.recv(99) == b"\1\0\x0b\0l\0\x0b\0\0\0\0\0\0\0\0\0"
        c.sendall(b"R" * 8000)
        assert c.recv(32)
        c.close()
    desk.idle(p)
    desk.end(p)


def test_mysql_through_a_unix_socket(desk):
    """Servers that greet first: the entry is made by the line and goes with it."""
    s, b = desk.listener()

    def greet(c):
        c.sendall(b"J\0\0\0\n8.0.36\0")
        c.sendall(b"OK " + c.recv(999))
    Service(s, greet)
    p = desk.server(f"socat UNIX-LISTEN:mysql.sock,fork,reuseaddr,unlink-early,mode=777 TCP:127.0.0.1:{b}", "mysql.sock")
    for _ in range(5):
        c = desk.unix("mysql.sock")
        assert c.recv(999).endswith(b"8.0.36\0")
        c.sendall(b"login")
        assert take_all(c) == b"OK login"
    desk.end(p)
    assert not os.path.exists(desk / "mysql.sock")


def test_redis_pipeline(desk):
    """cat commands | socat - TCP:redis: a pipelined batch, answers to the last."""
    s, b = desk.listener()

    def redis(c):
        f = c.makefile("rb")
        for line in f:
            c.sendall(b"+" + line)
    Service(s, redis)
    desk.write("commands", b"".join(b"SET key%d %s\r\n" % (i, b"v" * 100) for i in range(5000)))
    r = desk.run(f"cat commands | socat - TCP:127.0.0.1:{b}")
    assert r.status == 0 and r.out.count(b"\n") == 5000 and r.log == "", r


def test_graphite_one_way(desk):
    """echo "name value time" | socat -u - TCP: a server that says nothing and closes when it likes."""
    s, b = desk.listener()
    got = []

    def carbon(c):
        got.append(take_all(c))
    Service(s, carbon)
    for i in range(10):
        r = desk.run(f"echo 'servers.web.load {i} 1700000000' | socat -u - TCP:127.0.0.1:{b}")
        assert r.status == 0 and r.log == "", r
    lab.wait_until(lambda: len(got) == 10, 3, "lines are missing")
    assert sorted(got) == [b"servers.web.load %d 1700000000\n" % i for i in range(10)]


def test_mail_by_hand(desk):
    """A dialogue typed ahead into a server that greets and insists on its turn."""
    s, b = desk.listener()

    def smtp(c):
        f = c.makefile("rb")
        c.sendall(b"220 mail\r\n")
        for line in f:
            time.sleep(0.02)
            c.sendall(b"250 ok " + line)
            if line.startswith(b"QUIT"):
                return
    Service(s, smtp)
    desk.write("talk", "HELO me\nMAIL FROM:<a>\nRCPT TO:<b>\nQUIT\n")
    r = desk.run(f"socat - TCP:127.0.0.1:{b},crnl < talk")
    assert r.status == 0 and r.out.count(b"250 ok") == 4, r
    assert b"\r" not in r.out


def test_printer(desk):
    """A print queue's filter: megabytes to port 9100, whose printer speaks now and then."""
    s, b = desk.listener()
    jobs = []

    def printer(c):
        c.sendall(b"@PJL INFO STATUS\r\nCODE=10001\r\n")
        time.sleep(0.2)
        jobs.append(sha(take_all(c)))
        c.sendall(b"@PJL USTATUS JOB END\r\n")
    Service(s, printer)
    desk.write("job.ps", MEGABYTES)
    for flags in ("-u", ""):
        r = desk.run(f"cat job.ps | socat {flags} STDIN TCP:127.0.0.1:{b}")
        assert r.status == 0 and " E " not in r.log, r
    lab.wait_until(lambda: len(jobs) == 2, 3, "jobs are missing")
    assert jobs == [sha(MEGABYTES)] * 2


def test_ci_fixture_that_accepts_and_closes(desk):
    """A fake server of a test suite: reads one request, answers, is gone."""
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr SYSTEM:'read x; echo \"got $x\"'", port)
    c = desk.tcp(port)
    c.sendall(b"hello\n")
    assert take_all(c) == b"got hello\n"
    assert p.wait().status == 0


def test_ci_fixture_black_hole(desk):
    """A server that takes everything and says nothing."""
    port = lab.port()
    p = desk.server(f"socat -u TCP-LISTEN:{port},fork,reuseaddr /dev/null", port)
    for _ in range(5):
        c = desk.tcp(port)
        c.sendall(MEGABYTES)
        c.shutdown(socket.SHUT_WR)
        assert c.recv(1) == b""
    desk.idle(p)
    desk.end(p)


def test_ci_fixture_random_data(desk):
    port = lab.port()
    p = desk.server(f"socat -U TCP-LISTEN:{port},fork,reuseaddr OPEN:/dev/urandom", port)
    c = desk.tcp(port)
    n = 0
    while n < 3_000_000:
        n += len(c.recv(65536))
    c.close()
    lab.wait_until(lambda: desk.sockets(p) == 1, 3, "the session stays")
    desk.idle(p)
    desk.end(p)
