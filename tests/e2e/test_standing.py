"""Option reopen: what is lost is opened again, and the session goes on."""
import hashlib
import os
import re
import select
import signal
import socket
import threading

import pytest

import lab
from certs import zoo_if_any

LOOP = "127.0.0.1"


def lines(n, start=0):
    return b"".join(b"line %06d\n" % i for i in range(start, start + n))


class Server:
    """A listener that the test opens and closes, for the same port or path again and again."""

    def __init__(self, local, family, tmp_path):
        self.local, self.family = local, family
        self.where = (LOOP, lab.port()) if family == socket.AF_INET else str(tmp_path / "sock")
        self.address = f"TCP4:{LOOP}:{self.where[1]}" if family == socket.AF_INET else f"UNIX:{self.where}"

    def open(self):
        if self.family == socket.AF_UNIX and os.path.exists(self.where):
            os.unlink(self.where)
        self.listener = self.local.socket(self.family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.where)
        self.listener.listen()
        self.listener.settimeout(5 * lab.SLOW)

    def accept(self):
        c, _ = self.listener.accept()
        c.settimeout(5 * lab.SLOW)
        return c

    def close(self):
        self.listener.close()


@pytest.fixture(name="server", params=[socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
def _server(request, local, tmp_path):
    return Server(local, request.param, tmp_path)


def recv_exactly(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        assert piece, f"{len(data)} of {n} bytes"
        data += piece
    return data


REFUSED = {
    "is for addresses that connect, devices and programs": [
        "TCP4-LISTEN:9,reopen -", "- UDP4-RECVFROM:9,reopen", "- ACCEPT-FD:3,reopen", "-,reopen TCP4:127.0.0.1:9", "STDIN,reopen -",
        "- FD:3,reopen", "TCP4:127.0.0.1:9,fork,reopen -"],
    "is not for files": ["-u /etc/passwd,reopen -", "- TEXT:x,reopen", "-u - CREATE:/tmp/x,reopen"],
    "is not possible in a dual address": ["- TCP4:127.0.0.1:9,reopen!!-", "- -!!TCP4:127.0.0.1:9,reopen"],
    "is not possible with option nofork": ["- EXEC:cat,nofork,reopen", "TCP4:127.0.0.1:9,reopen EXEC:cat,nofork", "EXEC:cat,reopen SYSTEM:cat,nofork"],
    "is not possible where the right address has option fork": ["TCP4:127.0.0.1:9,reopen TCP4-LISTEN:9,fork", "EXEC:cat,reopen TCP4:127.0.0.1:9,fork"],
    "is not possible with an option that changes user, root directory or session": [
        "- TCP4:127.0.0.1:9,reopen,setsid", "- TCP4:127.0.0.1:9,reopen,chroot=/", "- EXEC:cat,reopen,chroot-early=/"],
}


@pytest.mark.parametrize("line, why", [(line, why) for why, some in REFUSED.items() for line in some])
def test_what_it_is_not_for(local, line, why):
    """Told while planning, so a start and --check say the same."""
    for flags in ([], ["--check"]):
        r = local.run(*flags, *line.split())
        assert r.status == 1 and f": option reopen {why}" in r.log, r


@pytest.mark.parametrize("line", ["- UDP4:127.0.0.1:9,reopen", "-U - UDP4-RECV:9,reopen", "- UNIX:/x,reopen,forever,retry=3", "- PTY,reopen", "- STALL,reopen",
                                  "- TCP4:127.0.0.1:9,reopen,ignoreeof,readbytes=9,end-close,chdir=/", "- EXEC:cat,reopen,su=0,setsid", "- OPEN:/dev/none,reopen",
                                  "TCP4-LISTEN:9,fork TCP4:127.0.0.1:9,reopen", "TCP4-LISTEN:9,fork,su=0 EXEC:cat,reopen", "-u - PIPE:/none,reopen"])
def test_what_it_may_stand_beside(local, line):
    r = local.run("--check", *line.split())
    assert r.status == 0 and " E " not in r.log, r


def test_a_file_that_comes_later(local, tmp_path):
    """It is no device after all: it is not read again and again."""
    p = local.start("-u", f"OPEN:{tmp_path}/x,reopen=0.01", "-")
    p.wait_log("No such file")
    (tmp_path / "x").write_text("once", encoding="ascii")
    p.wait_log(" W OPEN: option reopen is not for files")
    assert not p.out
    p.stop()


def test_what_a_program_is_told(local):
    """A program that is started again knows the session, as it does without reopen."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},bind={LOOP},reuseaddr,fork", "SYSTEM:echo $SOCAST_PEERPORT,reopen=0.01")
    p.wait_log("listening on")
    c = local.socket(kind=socket.SOCK_STREAM)
    c.connect((LOOP, port))
    line = b"%d\n" % c.getsockname()[1]
    assert recv_exactly(c, 3 * len(line)) == 3 * line
    c.close()
    p.stop()


def test_questions_and_answers(local, server):
    """A hundred times the server answers and goes; nothing is lost or doubled."""
    server.open()
    p = local.start("-d", "-d", "-", server.address + ",reopen=0.01")
    for i in range(100):
        c = server.accept()
        p.send(b"question %03d\n" % i)
        assert recv_exactly(c, 13) == b"question %03d\n" % i
        c.sendall(b"answer %03d\n" % i)
        p.until(lambda: p.out.endswith(b"answer %03d\n" % i), 5, "answer")
        c.close()
    assert p.out == b"".join(b"answer %03d\n" % i for i in range(100))
    assert p.log.count("has been lost") >= 99 and " W " not in p.log
    p.stop()


def test_nobody_there_yet(local, server):
    """The session begins before there is a server; what was said meanwhile arrives when there is one."""
    p = local.start("-", server.address + ",reopen=0.05")
    p.send(lines(5000))
    p.close_stdin()
    p.until(lambda: "refused" in p.log or "No such file" in p.log, 5, "refusal")
    server.open()
    c = server.accept()
    assert recv_exactly(c, len(lines(5000))) == lines(5000)
    assert c.recv(1) == b""
    c.sendall(b"bye")
    c.close()
    r = p.wait()
    assert r.out == b"bye" and r.status == 0


def test_pauses_grow(local, server):
    p = local.start("-d", "-", server.address + ",reopen=0.05")
    lab.rest(0.9)
    n = len(re.findall(r" W .*(?:Connection refused|No such file)", p.log))
    assert 2 <= n <= 14, p.log      # 0.05, 0.1, 0.2, 0.4, two records each
    p.stop()


def test_big_answers(local, server):
    """Megabytes in several connections, all of them at the far end."""
    server.open()
    p = local.start("-u", server.address + ",reopen=0.01", "-")
    part = os.urandom(700_000)

    def serve():
        for _ in range(5):
            c = server.accept()
            c.sendall(part)
            c.close()
    t = threading.Thread(target=serve)
    t.start()
    p.until(lambda: len(p.out) == 5 * len(part), 10, "all parts")
    t.join()
    assert hashlib.sha256(p.out).digest() == hashlib.sha256(5 * part).digest()
    p.stop()


def test_what_is_lost_is_told(local):
    """A server that vanishes with bytes unread: what had been written is told, the rest goes to the next."""
    server = Server(local, socket.AF_INET, None)
    server.listener = local.socket(kind=socket.SOCK_STREAM)
    server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server.listener.bind(server.where)
    server.listener.listen()
    p = local.start("-d", "-u", "SYSTEM:seq 100000 999999", server.address + ",reopen=0.01,sndbuf=20000")
    c = server.listener.accept()[0]
    lab.rest(0.3)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    c.close()
    d = server.listener.accept()[0]
    d.settimeout(5 * lab.SLOW)
    rest = b""
    while piece := d.recv(1 << 20):
        rest += piece
    everything = b"".join(b"%d\n" % i for i in range(100000, 1000000))
    assert everything.endswith(rest) and rest
    lost = len(everything) - len(rest)
    d.close()
    assert p.wait().status == 0
    told = int(re.search(r"W (\d+) bytes written to socket 2 had not been acknowledged", p.log)[1])
    assert 0 < told <= lost < 200000    # some had been acknowledged, and then not been read


def test_a_program(local):
    """A program that answers once is started again for each question."""
    p = local.start("-", "SYSTEM:read x && echo got $x,reopen=0.02")
    for i in range(10):
        p.send(b"%d\n" % i)
        p.until(lambda: b"got %d\n" % i in p.out, 5, "answer")
        lab.rest(0.1)
    assert p.out == b"".join(b"got %d\n" % i for i in range(10))
    p.stop()


def test_a_program_that_works_on(local, tmp_path):
    """One that has ended its output gets the time for its exit that it has without reopen, and is not killed. What is
    said meanwhile is for the next one."""
    (tmp_path / "program").write_text(f"read x; echo $x; exec >&-; sleep 0.02; echo $x >>{tmp_path}/done", encoding="ascii")
    p = local.start("-d", "-d", "-", f"EXEC:sh {tmp_path}/program,pipes,reopen=0.001")
    for i in range(10):
        p.send(b"%d\n" % i)
        p.until(lambda: p.out.count(b"\n") > i, 5, "answer")
        lab.rest(0.005)     # its end has been read
    lab.wait_until(lambda: p.log.count("has been lost") == 10, 5, "last loss")
    assert (tmp_path / "done").read_text() == "".join(f"{i}\n" for i in range(10)) and " W " not in p.log
    p.stop()


def test_a_program_that_does_not_want_everything(local, tmp_path):
    """It has had the last of what there is, and is not started again for nothing; what it has left is told."""
    (tmp_path / "program").write_text(f"echo run >>{tmp_path}/runs; read x; echo $x", encoding="ascii")
    r = local.run("-", f"EXEC:sh {tmp_path}/program,reopen=0.001", input=b"wanted\nnot wanted\n")
    assert r.out == b"wanted\n" and r.status == 0 and (tmp_path / "runs").read_text() == "run\n"
    assert re.search(r" W up to \d+ bytes written to socket 2 had not been read", r.log)


def test_a_program_whose_child_stays(local):
    """The end of the program is the end, though somebody holds its output."""
    p = local.start("-u", "SYSTEM:sleep 2 & echo started,reopen=0.001", "-")
    p.until(lambda: p.out.count(b"\n") > 3, 1.5, "four starts")
    p.stop()


def test_a_program_that_is_missing(local, tmp_path):
    """Whatever the reason is: it is a warning, and tried again."""
    p = local.start("-u", f"EXEC:{tmp_path}/program,reopen=0.01", "-")
    p.wait_log(" W .*No such file")
    (tmp_path / "new").write_text("#!/bin/sh\necho here\n", encoding="ascii")
    (tmp_path / "new").chmod(0o700)
    (tmp_path / "new").rename(tmp_path / "program")
    p.until(lambda: b"here" in p.out, 5, "output")
    assert " E " not in p.log
    p.stop()


def test_a_certificate_that_is_renewed(local, tmp_path_factory):
    """Errors that no number stands for are no end either."""
    zoo = zoo_if_any(tmp_path_factory) or pytest.skip("needs OpenSSL")
    port = lab.port()

    def serve(cert):
        q = local.start("-d", "-d", f"TLS-LISTEN:{port},bind={LOOP},reuseaddr,fork,cert={zoo / cert},verify=0", "PIPE")
        q.wait_log("listening on")
        return q
    q = serve("expired.pem")
    p = local.start("-", f"TLS:localhost:{port},pf=ip4,cafile={zoo / 'ca.crt'},reopen=0.02")
    p.send(b"hello")
    p.wait_log(" W the peer's certificate is not trusted: certificate has expired")
    q.stop()
    q = serve("server.pem")
    p.until(lambda: p.out == b"hello", 5, "echo")
    p.stop()
    q.stop()


def test_what_waits_is_bounded(local):
    """Nobody is there: a stream is not read on, and datagrams that find no room are counted by the kernel."""
    p = local.start("-", f"TCP4:{LOOP}:{lab.port()},reopen=10")
    p.wait_log("refused")
    os.set_blocking(p.p.stdin.fileno(), False)
    n = 0
    for _ in range(10):
        try:
            n += os.write(p.p.stdin.fileno(), b"x" * 1_000_000)
        except BlockingIOError:
            lab.rest(0.01)
    assert n < 500_000
    p.stop()
    udp, server = lab.port(), Server(local, socket.AF_INET, None)
    p = local.start("--stats=1000", "-u", f"UDP4-RECV:{udp},bind={LOOP},rcvbuf=20000", server.address + ",reopen=0.05")
    p.wait_log("refused")
    s = local.udp()
    for i in range(500):
        s.sendto(b"%04d\n" % i + b"x" * 995, (LOOP, udp))
    server.open()
    c = server.accept()
    c.settimeout(0.3 * lab.SLOW)
    data = b""
    try:
        while part := c.recv(65536):
            data += part
    except TimeoutError:
        pass
    p.kill(signal.SIGUSR1)
    p.wait_log("COUNTERS: address 2")
    drops = int(re.search(r"COUNTERS: address 1 .* kernel drops (\d+)", p.log)[1])
    assert len(data) % 1000 == 0 and len(data) // 1000 + drops == 500 and drops > 0
    p.stop()


def test_few_descriptors(local):
    """Clients of an end that is away get no more descriptors than it needs when it comes back; the others wait."""
    port, server = lab.port(), Server(local, socket.AF_INET, None)
    p = local.command(["sh", "-c", f"ulimit -n 40; exec {lab.SOCAST} -d -d TCP4-LISTEN:{port},bind={LOOP},reuseaddr,fork {server.address},reopen=0.02"])
    p.wait_log("listening on")
    clients = [local.socket(kind=socket.SOCK_STREAM) for _ in range(40)]
    for i, c in enumerate(clients):
        c.connect((LOOP, port))
        lab.wait_until(lambda: p.log.count("starting data transfer") > i or "others wait" in p.log, 5, "session")
    p.wait_log("others wait")
    server.open()
    served = []
    while len(served) < 12:     # those that wait follow when the first ones have what they need
        lab.wait_until(lambda: select.select([server.listener], [], [], 0)[0], 5, lambda: f"only {len(served)}: {p!r}")
        served.append(server.accept())
    assert "Too many open files" not in p.log, p
    for c in served:
        c.close()
    p.stop()


def test_sessions_that_wait_count(local):
    """max-children: a session whose end is away is one of them, and a client that goes gives its place back."""
    port, server = lab.port(), Server(local, socket.AF_INET, None)
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},bind={LOOP},reuseaddr,fork,max-children=1", server.address + ",reopen=0.01")
    p.wait_log("listening on")
    a, b = (local.socket(kind=socket.SOCK_STREAM) for _ in range(2))
    a.connect((LOOP, port))
    p.wait_log(" W .*refused")
    b.connect((LOOP, port))
    b.sendall(b"second")
    a.sendall(b"first")
    server.open()
    c = server.accept()
    assert recv_exactly(c, 5) == b"first"
    a.close()
    assert c.recv(1) == b""
    c.close()
    assert recv_exactly(server.accept(), 6) == b"second"
    p.stop()


def test_cut_off(local, server):
    """-t counts as it does without reopen: a peer that still reads is waited for, one that is silent is cut off, and told."""
    server.open()
    p = local.start("-", server.address + ",reopen")
    c = server.accept()
    p.send(b"question")
    p.close_stdin()
    assert recv_exactly(c, 8) == b"question"
    assert p.wait().status == 0 and re.search(" W socket 2 had not ended, but said nothing for 0.5 seconds", p.log)


def test_a_device(local, tmp_path):
    """A terminal that goes away and comes back under the same name."""
    link = tmp_path / "dev"
    p = local.start("-d", "-d", "-", f"{link},raw,echo=0,reopen=0.02")
    for i in range(10):
        far, near = os.openpty()
        link.symlink_to(os.ttyname(near))
        os.close(near)
        os.set_blocking(far, False)
        lab.wait_until(lambda: p.log.count("has been lost") >= i and try_write(far, b"in %d\n" % i), 5, "open")
        p.until(lambda: b"in %d\n" % i in p.out, 5, "line from the device")
        p.send(b"out %d\n" % i)
        lab.wait_until(lambda: b"out %d\n" % i in try_read(far), 5, "line to the device")
        link.unlink()
        os.close(far)
    p.stop()


def try_write(fd, data):
    try:
        return os.write(fd, data) == len(data)
    except OSError:
        return False


seen = {}


def try_read(fd):
    try:
        seen[fd] = seen.get(fd, b"") + os.read(fd, 4096)
    except OSError:
        pass
    return seen.get(fd, b"")


def test_datagrams_to_a_stream(local):
    """A receiver goes and comes back while datagrams arrive: every one that was read arrives, in order."""
    udp = lab.port()
    server = Server(local, socket.AF_INET, None)
    server.open()
    p = local.start("-u", f"UDP4-RECV:{udp},bind={LOOP}", server.address + ",reopen=0.01")
    c = server.accept()
    s = local.udp()
    got = b""
    for i in range(50):
        s.sendto(b"%04d\n" % i, (LOOP, udp))
        if i % 10 == 9:
            got += recv_exactly(c, 50)
            c.close()
            c = server.accept()
    assert got == b"".join(b"%04d\n" % i for i in range(50))
    c.close()
    p.stop()


def test_datagrams_that_are_refused(local):
    """UDP: each that comes back is told and counted, and the next one is tried."""
    port = lab.port()
    p = local.start("-d", "-d", "--stats=1000", "-", f"UDP4:{LOOP}:{port},reopen=0.01")
    for i in range(5):
        p.wait_log("socket 2 is open", count=i + 1)
        p.send(b"%d" % i)
        lab.wait_until(lambda: p.log.count("has been lost") > i, 5, "loss")
    assert p.log.count(" W 1 datagrams written to socket 2 had not been received when it was lost") == 5
    s = local.udp((LOOP, port))
    p.wait_log("socket 2 is open", count=6)
    p.send(b"here")
    assert s.recv(9) == b"here"
    p.kill(signal.SIGUSR1)
    p.wait_log(r"COUNTERS: address 2 .* sent datagrams 6.* lost 5 \(gone 5\)")
    p.stop()


def test_drain(local, server):
    """--drain: a session whose end is away goes on, until the limit."""
    server.open()
    tcp = lab.port()
    p = local.start("-d", "-d", "--drain=10", f"TCP4-LISTEN:{tcp},bind={LOOP},reuseaddr,fork", server.address + ",reopen=0.05")
    p.wait_log("listening on")
    c = local.socket(kind=socket.SOCK_STREAM)
    c.connect((LOOP, tcp))
    server.accept().close()
    p.wait_log("has been lost")
    p.kill()
    p.wait_log("exiting on signal 15")
    a = server.accept()
    c.sendall(b"still")
    assert recv_exactly(a, 5) == b"still"
    c.shutdown(socket.SHUT_WR)
    assert a.recv(1) == b""
    a.close()
    assert p.wait().status == 143


def test_a_local_peer_that_did_not_read(local, tmp_path):
    """A UNIX peer that goes with bytes unread: how many at most is told."""
    server = Server(local, socket.AF_UNIX, tmp_path)
    server.open()
    p = local.start("-u", "SYSTEM:seq 100000 200000; sleep 5", server.address + ",reopen=0.01")
    c = server.accept()
    assert recv_exactly(c, 7) == b"100000\n"
    c.close()
    p.wait_log(r" W up to \d+ bytes written to socket 2 had not been read when it was lost")
    p.stop()
