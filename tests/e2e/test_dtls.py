"""DTLS: OPENSSL-DTLS-CLIENT and OPENSSL-DTLS-SERVER, beside openssl(1) and the reference."""
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

import lab
from certs import Zoo

LOOP = "127.0.0.1"


@pytest.fixture(scope="module", name="zoo")
def _zoo(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl(1)")
    if b"#define WITH_OPENSSL" not in subprocess.run([lab.SOCAST, "-V"], capture_output=True, check=True).stdout:
        pytest.skip("built without OpenSSL")
    return Zoo(str(tmp_path_factory.mktemp("zoo")))


def dtls_server(local, zoo, second="PIPE", options="verify=0,fork", cert="server"):
    port = lab.port()
    p = local.start("-d", "-d", f"OPENSSL-DTLS-SERVER:{port},cert={zoo / cert}.pem,{options}", second)
    p.wait_log("listening on UDP")
    return p, port


def client(zoo, port, options="", name="localhost"):
    return f"OPENSSL-DTLS-CLIENT:{name}:{port},pf=ip4,cafile={zoo / 'ca.crt'}" + ("," + options if options else "")


@pytest.mark.parametrize("fork", ["", ",fork"])
def test_there_and_back(local, zoo, fast, fork):
    p, port = dtls_server(local, zoo, options="verify=0" + fork)
    r = local.run("-d", "-d", "-", client(zoo, port), input=b"hello")
    assert r.out == b"hello" and r.status == 0 and "SSL proto version used: DTLSv1.2" in r.log
    if not fork:
        assert p.wait().status == 0


def test_borders_are_kept(local, zoo, fast):
    """A datagram here is a datagram there, both ways."""
    back = local.udp()
    a, b = lab.port(), lab.port()
    _, port = dtls_server(local, zoo, f"UDP4-DATAGRAM:{LOOP}:{back.getsockname()[1]},bind={LOOP}:{a}")
    p = local.start("-d", "-d", f"UDP4-LISTEN:{b}", client(zoo, port))
    p.wait_log("listening on")
    s = local.udp()
    s.sendto(b"first", (LOOP, b))
    assert back.recv(99999) == b"first"
    for n in (1, 2, 1000, 1400, 9000, 16384):
        s.sendto(b"x" * n, (LOOP, b))
        assert len(back.recv(99999)) == n
        back.sendto(b"y" * n, (LOOP, a))
        assert len(s.recv(99999)) == n


def test_a_datagram_too_long(local, zoo):
    """16 KiB is what a record holds; more is an error with its sentence."""
    _, port = dtls_server(local, zoo)
    r = local.run("-b", "20000", "-u", "-", client(zoo, port), input=b"x" * 20000)
    assert r.status == 1 and "a datagram of 20000 bytes does not fit into a DTLS record of 16384" in r.log


def test_s_client(local, zoo):
    p, port = dtls_server(local, zoo)
    c = local.command(["openssl", "s_client", "-dtls1_2", "-connect", f"{LOOP}:{port}", "-CAfile", zoo / "ca.crt", "-verify_return_error", "-quiet"])
    c.send(b"hello\n")
    c.expect_output(b"hello\n")
    assert not re.search(r" E ", p.log)


@pytest.mark.parametrize("listen", [False, True])
def test_s_server(local, zoo, listen):
    """With and without stateless cookies on the other side."""
    port = lab.port()
    argv = ["openssl", "s_server", "-dtls1_2", "-accept", str(port), "-cert", zoo / "server.pem", "-quiet"] + (["-listen"] if listen else [])
    s = local.command(argv)
    p = local.start("-d", "-d", "-", client(zoo, port, "retry=20,interval=0.1"))
    p.wait_log("starting data transfer loop", timeout=8)
    p.send(b"to the server\n")
    s.expect_output(b"to the server")
    s.send(b"to the client\n")
    p.expect_output(b"to the client")


@pytest.mark.parametrize("options", ["", "cipher=HIGH:@SECLEVEL=0", "cipher=ALL:@SECLEVEL=0", "cipher=ADH", "min-version=DTLS1.0", "min-version=DTLS1.0,cipher=HIGH"])
def test_nobody_without_certificate(local, zoo, options):
    """A client that verifies never talks to a server without a certificate."""
    port = lab.port()
    s = local.command(["openssl", "s_server", "-dtls", "-accept", str(port), "-nocert", "-cipher", "ALL:eNULL:@SECLEVEL=0", "-quiet"])
    r = local.run("-", client(zoo, port, f"handshake-timeout=5,retry=20,interval=0.1{',' + options if options else ''}"), input=b"secret", timeout=15)
    assert r.status == 1 and not s.out, r


def test_the_reference(local, zoo):
    if not os.access(lab.SOCAT_REF, os.X_OK):
        pytest.skip("no reference program")
    _, port = dtls_server(local, zoo)
    r = local.run("-", client(zoo, port), input=b"hello", prog=lab.SOCAT_REF)
    assert r.out == b"hello"
    port = lab.port()
    s = local.command([lab.SOCAT_REF, "-d", "-d", f"OPENSSL-DTLS-SERVER:{port},cert={zoo / 'server.pem'},verify=0", "PIPE"])
    s.wait_log("listening on")
    assert local.run("-", client(zoo, port), input=b"hello").out == b"hello"


def test_many_peers_on_one_socket(local, zoo):
    """60 clients at once, one server process, one socket; every answer is the right one."""
    p, port = dtls_server(local, zoo)
    clients = [local.start("-t", "5", "-", client(zoo, port)) for _ in range(60)]
    for k, c in enumerate(clients):
        c.send(b"number %d\n" % k)
    for k, c in enumerate(clients):
        c.expect_output(b"number %d\n" % k, timeout=20)
        assert c.out == b"number %d\n" % k
    sockets = [os.readlink(f"/proc/{p.pid}/fd/{n}") for n in os.listdir(f"/proc/{p.pid}/fd")]
    assert sum(s.startswith("socket:") for s in sockets) < 5
    for c in clients:
        c.close_stdin()
    for c in clients:
        assert c.wait(10).status == 0


def test_verdicts(local, zoo):
    """Certificates and names are judged as in TLS."""
    for cert, options, ok, why in (("server", "", True, ""), ("wrong-name", "", False, "does not match hostname"), ("expired", "", False, "certificate has expired"),
                                   ("wrong-ca", "", False, "unable to get local issuer"), ("self", "verify=0", True, "")):
        _, port = dtls_server(local, zoo, "TEXT:x", cert=cert)
        r = local.run("-u", client(zoo, port, options), "-")
        assert (r.out, r.status) == ((b"x", 0) if ok else (b"", 1)) and why in r.log, (cert, r)


def test_client_certificates(local, zoo):
    p, port = dtls_server(local, zoo, "SYSTEM:echo $SOCAT_OPENSSL_X509_COMMONNAME $SOCAT_PEERADDR $SOCAT_SOCKPORT", options=f"cafile={zoo / 'ca.crt'},fork")
    r = local.run("-u", client(zoo, port, f"cert={zoo / 'client'}.pem"), "-")
    assert r.out == b"alice 127.0.0.1 %d\n" % port, r
    r = local.run("-u", client(zoo, port), "-")
    assert r.out == b""
    p.wait_log(r"E \S+:\d+: SSL_accept\(\).*peer did not return a certificate")


class Wire(threading.Thread):
    """A path between client and server that loses the datagrams it is told to."""

    def __init__(self, local, server, lose):
        super().__init__(daemon=True)
        self.front, self.back = local.udp(), local.udp()
        self.server, self.lose, self.peer, self.n, self.over = (LOOP, server), lose, None, 0, False
        for s in (self.front, self.back):
            s.settimeout(0.05)
        self.port = self.front.getsockname()[1]
        self.start()

    def run(self):
        while not self.over:
            for s in (self.front, self.back):
                try:
                    data, peer = s.recvfrom(70000)
                except OSError:
                    continue
                self.n += 1
                if self.n in self.lose:
                    continue
                if s is self.front:
                    self.peer = peer
                    self.back.sendto(data, self.server)
                elif self.peer:
                    self.front.sendto(data, self.peer)


@pytest.mark.parametrize("lose", [{1}, {2}, {3, 4}, {5}, {4, 5, 6}])
def test_lost_datagrams_are_repeated(local, zoo, lose):
    """A handshake survives what the network loses: flights are sent again after a second."""
    p, port = dtls_server(local, zoo)
    wire = Wire(local, port, lose)
    c = local.start("-", client(zoo, wire.port))
    c.send(b"hello")
    c.expect_output(b"hello", timeout=15)
    wire.over = True
    wire.join()
    assert not p.ended()


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-CCM8"])
def test_forged_records(local, zoo, cipher):
    """Whoever knows address and port of a peer can send in its name: what does not fit, or is too short for the cipher, is
    dropped. (The library ends the connection for the latter, and so does openssl s_server.)"""
    p, port = dtls_server(local, zoo, options=f"verify=0,cipher={cipher}@SECLEVEL=0")
    wire = Wire(local, port, set())
    c = local.start("-", client(zoo, wire.port, f"cipher={cipher}@SECLEVEL=0"))
    c.send(b"0")
    c.expect_output(b"0")
    forged = [bytes([kind, 254, 253, 0, 1, 0, 0, 0, 0, 1, n, 0, n]) + os.urandom(n) for kind in (21, 22, 23) for n in (*range(1, 40, 2), 64)]           # few enough for its buffer
    for data in forged:
        wire.back.sendto(data, (LOOP, port))
        wire.front.sendto(data, wire.peer)
    for n in range(1, 4):
        c.send(b"%d" % n)
        c.expect_output(b"0123"[:n + 1])
    wire.over = True
    wire.join()
    assert not re.search(" [EW] ", p.log + c.log), (p, c)


def test_cookies(local, zoo):
    """Before it has seen its cookie the server sends one small datagram: nobody can have it shower others."""
    _, port = dtls_server(local, zoo)
    spy = local.udp()
    c = local.start("-", client(zoo, spy.getsockname()[1]))
    first, _ = spy.recvfrom(9999)                       # a ClientHello without cookie
    assert first[13] == 1
    for _ in range(3):
        victim = local.udp()
        victim.sendto(first, (LOOP, port))
        answer, _ = victim.recvfrom(9999)
        assert answer[13] == 3 and len(answer) < len(first)     # HelloVerifyRequest
        victim.settimeout(0.2)
        with pytest.raises(TimeoutError):
            victim.recv(9999)
    c.stop()


def test_strangers_cost_nothing(local, zoo):
    """Ten thousand greetings without cookie leave no memory behind, and no record."""
    p, port = dtls_server(local, zoo)
    spy = local.udp()
    c = local.start("-", client(zoo, spy.getsockname()[1]))
    first, _ = spy.recvfrom(9999)
    c.stop()

    def memory():
        with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
            return int(next(line.split()[1] for line in f if line.startswith("VmRSS:")))
    before, strangers = 0, [local.udp() for _ in range(50)]
    for k in range(200):
        for s in strangers:
            s.sendto(first, (LOOP, port))
        for s in strangers:
            assert s.recv(9999)[13] == 3
        before = before or memory()
        lab.pump(0)
    assert "asan" in lab.SOCAST or memory() - before < 512      # the sanitizer keeps what was freed
    assert "accepting UDP connection" not in p.log


def test_nobody_there(local, zoo):
    """ICMP says so at once; a silent peer costs handshake-timeout."""
    r = local.run("-", client(zoo, lab.port()), timeout=5)
    assert r.status == 1 and "Connection refused" in r.log, r
    silent = local.udp()
    r = local.run("-", client(zoo, silent.getsockname()[1], "handshake-timeout=0.5"), input=None)
    assert r.status == 1 and "handshake: Connection timed out" in r.log, r


def test_garbage(local, zoo):
    """Foreign datagrams, before and amid sessions, disturb nobody; silent peers are forgotten."""
    p, port = dtls_server(local, zoo, options="verify=0,fork,handshake-timeout=1")
    c = local.start("-", client(zoo, port))
    c.send(b"one")
    c.expect_output(b"one")
    s = local.udp()
    for data in (b"", b"x", os.urandom(500), b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff", b"\x16\xfe\xfd" + bytes(8) + b"\0\5hello"):
        s.sendto(data, (LOOP, port))
    c.send(b"two")
    c.expect_output(b"onetwo")
    assert p.log.count("accepting UDP connection") == 1 and not re.search(r" E ", p.log)


def test_max_children(local, zoo):
    """Peers beyond it wait and are served when others have gone."""
    _, port = dtls_server(local, zoo, options="verify=0,fork,max-children=1")
    a = local.start("-", client(zoo, port))
    a.send(b"a")
    a.expect_output(b"a")
    b = local.start("-t", "9", "-", client(zoo, port))
    b.send(b"b")
    lab.rest(0.3)
    assert b.out == b""
    a.close_stdin()
    a.wait()
    b.expect_output(b"b", timeout=10)


def test_session_timeout(local, zoo):
    """Silent peers leave the table."""
    p, port = dtls_server(local, zoo, options="verify=0,fork,session-timeout=0.5")
    c = local.start("-", client(zoo, port))
    c.send(b"a")
    c.expect_output(b"a")
    p.wait_log("silent for session-timeout", timeout=5)
    assert c.wait().status == 0                         # it has been told by close-notify


def test_own_processes(local, zoo):
    """isolate: the handshake happens in the process with the table, the session in its own."""
    p, port = dtls_server(local, zoo, options="verify=0,fork,isolate")
    clients = [local.start("-", client(zoo, port)) for _ in range(3)]
    for k, c in enumerate(clients):
        c.send(b"%d" % k)
        c.expect_output(b"%d" % k)
    for k, c in enumerate(clients):
        c.send(b"again %d" % k)
        c.expect_output(b"again %d" % k)
        c.close_stdin()
        assert c.wait().status == 0
    p.kill()
    assert p.wait().status == 143


def test_a_relay_to_dtls(local, zoo):
    """Every TCP connection its own DTLS one; sessions are resumed."""
    _, port = dtls_server(local, zoo)
    front = lab.port()
    p = local.start("-ddd", f"TCP4-LISTEN:{front},fork", client(zoo, port))
    p.wait_log("listening on")
    for k in range(3):
        with local.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            s.connect((LOOP, front))
            s.sendall(b"%d" % k)
            assert s.recv(9) == b"%d" % k
        p.wait_log("is at EOF", count=k + 1)
    p.wait_log("SSL session resumed")


@pytest.mark.parametrize("name", ["DTLS", "DTLS-C", "DTLS-CLIENT", "DTLS-CONNECT", "OPENSSL-DTLS-CONNECT"])
@pytest.mark.parametrize("listen", ["DTLS-L", "DTLS-SERVER"])
def test_names(local, zoo, name, listen):
    port = lab.port()
    p = local.start("-d", "-d", f"{listen}:{port},cert={zoo / 'server'}.pem,verify=0", "TEXT:x")
    p.wait_log("listening on")
    assert local.run("-u", f"{name}:{LOOP}:{port},cafile={zoo / 'ca.crt'}", "-").out == b"x"


def test_ipv6(local, zoo):
    p, port = dtls_server(local, zoo, options="verify=0,fork,pf=ip6")
    r = local.run("-", f"DTLS:[::1]:{port},cafile={zoo / 'ca.crt'}", input=b"six")
    assert r.out == b"six", (r, p)


def test_versions(local, zoo):
    _, port = dtls_server(local, zoo, "TEXT:x")
    r = local.run("-u", client(zoo, port, "max-version=DTLS1.0"), "-", timeout=12)
    assert r.status == 1 and re.search("alert protocol version|unsupported", r.log), r
