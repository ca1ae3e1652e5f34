"""TLS: OPENSSL and OPENSSL-LISTEN, beside openssl(1), curl(1), stunnel(8), nginx(8) and the reference."""
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import lab
from certs import Zoo
from test_tcp import LOOP, accept, connect, listening, server

BIG = os.urandom(3 << 20)


@pytest.fixture(scope="module", name="zoo")
def _zoo(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl(1)")
    if b"#define WITH_OPENSSL" not in subprocess.run([lab.SOCAST, "-V"], capture_output=True, check=True).stdout:
        pytest.skip("built without OpenSSL")
    return Zoo(str(tmp_path_factory.mktemp("zoo")))


def tls_server(local, zoo, second="PIPE", cert="server", options="verify=0,fork", flags=()):
    """The program as server; returns (it, its port)."""
    port = lab.port()
    p = local.start("-d", "-d", *flags, f"OPENSSL-LISTEN:{port},cert={zoo / cert}.pem,{options}", second)
    p.wait_log("listening on")
    return p, port


def client_context(zoo, **kw):
    c = ssl.create_default_context(cafile=zoo / "ca.crt")
    for k, v in kw.items():
        setattr(c, k, v)
    return c


def tls_connect(local, port, context, name="localhost"):
    return context.wrap_socket(connect(local, port), server_hostname=name)


def python_server(local, zoo, cert="server", **kw):
    """A TLS server of the test: (listening socket, port, context)."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(zoo / f"{cert}.pem")
    for k, v in kw.items():
        setattr(c, k, v)
    s, port = server(local)
    return s, port, c


# ---------------------------------------------------------------- bytes

def test_there_and_back(local, zoo, fast):
    """A megabyte each way through our client and our server."""
    p, port = tls_server(local, zoo)
    r = local.run("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", input=BIG, timeout=20)
    assert r.status == 0 and r.out == BIG
    assert not re.search(r" [EW] ", p.log), p


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_half_close(local, zoo, version):
    """After our close-notify the other direction goes on; the answer comes late."""
    p, port = tls_server(local, zoo, "SYSTEM:n=$(wc -c); sleep 0.3; echo $n", flags=["-t", "5"])
    c = client_context(zoo, maximum_version=getattr(ssl.TLSVersion, version))
    s = tls_connect(local, port, c)
    s.sendall(b"12345")
    # Python cannot half-close TLS: our own client can
    s.close()
    r = local.run("-t", "5", "-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},max-version={version.replace('_', '.')}", input=b"12345")
    assert r.out.strip() == b"5" and r.status == 0
    assert not p.ended()


@pytest.mark.parametrize("args", [["-tls1_2"], ["-tls1_3"], []])
def test_s_client(local, zoo, args):
    p, port = tls_server(local, zoo, "SYSTEM:read x; echo got $x")
    c = local.command(["openssl", "s_client", "-connect", f"{LOOP}:{port}", "-CAfile", zoo / "ca.crt", "-verify_return_error", "-quiet", *args])
    c.send(b"hello\n")
    c.expect_output(b"got hello")
    assert not re.search(r" E ", p.log), p


@pytest.mark.parametrize("args,version", [(["-tls1_2"], "TLSv1.2"), (["-tls1_3"], "TLSv1.3")])
def test_s_server(local, zoo, args, version):
    port = lab.port()
    s = local.command(["openssl", "s_server", "-accept", str(port), "-cert", zoo / "server.pem", "-quiet", *args])
    connect(local, port).close()
    p = local.start("-d", "-d", "-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},retry=3")
    p.wait_log(f"SSL proto version used: {version}")
    p.send(b"to the server\n")
    s.expect_output(b"to the server")
    s.send(b"to the client\n")
    p.expect_output(b"to the client")


def test_the_reference(local, zoo):
    """Both ways round with the program people come from."""
    if not os.access(lab.SOCAT_REF, os.X_OK):
        pytest.skip("no reference program")
    _, port = tls_server(local, zoo)
    r = local.run("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", input=BIG, prog=lab.SOCAT_REF, timeout=20)
    assert r.out == BIG
    port = lab.port()
    s = local.command([lab.SOCAT_REF, "-d", "-d", f"OPENSSL-LISTEN:{port},cert={zoo / 'server.pem'},verify=0", "PIPE"])
    s.wait_log("listening on")
    assert local.run("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", input=BIG, timeout=20).out == BIG


def test_curl(local, zoo, tmp_path):
    """Plain HTTP behind our TLS, asked for by curl."""
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    (tmp_path / "page").write_bytes(BIG)
    web = local.command(["/usr/bin/python3", "-u", "-m", "http.server", "--bind", LOOP, "0"], cwd=tmp_path)
    target = int(web.until(lambda: b"port" in web.out, 5, "port") or re.search(rb"port (\d+)", web.out)[1])
    _, port = tls_server(local, zoo, f"TCP4:{LOOP}:{target}")
    c = local.command(["curl", "-s", "--noproxy", "*", "--cacert", zoo / "ca.crt", f"https://localhost:{port}/page"])
    lab.wait_until(lambda: len(c.out) == len(BIG), 10, lambda: repr(c))
    assert c.out == BIG


def test_stunnel(local, zoo, tmp_path):
    """stunnel takes our TLS apart; the far end echoes."""
    stunnel = shutil.which("stunnel4") or shutil.which("stunnel")
    if not stunnel:
        pytest.skip("needs stunnel")
    echo = listening(local, "TCP4-LISTEN:0,fork", "PIPE")
    target, port = int(re.search(r"listening on AF=2 0.0.0.0:(\d+)", echo.log)[1]), lab.port()
    conf = tmp_path / "stunnel.conf"
    conf.write_text(f"foreground = yes\npid =\n[x]\naccept = {LOOP}:{port}\nconnect = {LOOP}:{target}\ncert = {zoo / 'server.pem'}\n")
    local.command([stunnel, str(conf)])
    connect(local, port).close()
    p = local.start("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}")
    p.send(BIG[:500000])
    p.expect_output(500000, timeout=20)
    assert p.out == BIG[:500000]


def test_nginx(local, zoo, tmp_path):
    """A web server behind TLS, which asks for our certificate; and its own client's TLS in front of us."""
    if not shutil.which("nginx"):
        pytest.skip("needs nginx")
    (tmp_path / "page").write_bytes(BIG)
    (tmp_path / "web.sh").write_text("read x; printf 'HTTP/1.0 200 OK\\r\\n\\r\\nfrom behind'")
    far, port = tls_server(local, zoo, f"EXEC:sh {tmp_path}/web.sh")
    a, b = lab.port(), lab.port()
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"""
        daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/err;
        events {{}}
        http {{
          access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;
          uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
          server {{ listen {LOOP}:{a} ssl; ssl_certificate {zoo / 'server.crt'}; ssl_certificate_key {zoo / 'server.key'};
                    ssl_client_certificate {zoo / 'ca.crt'}; ssl_verify_client on; root {tmp_path};
                    location = /who {{ return 200 "$ssl_client_s_dn"; }} }}
          server {{ listen {LOOP}:{b}; location / {{ proxy_pass https://{LOOP}:{port}; proxy_ssl_verify on; proxy_ssl_name localhost;
                    proxy_ssl_trusted_certificate {zoo / 'ca.crt'}; }} }}
        }}""")
    local.command(["nginx", "-c", str(conf), "-p", str(tmp_path)])
    connect(local, a).close()
    # a web server that meets a close-notify it does not expect may reset the connection
    address = f"OPENSSL:localhost:{a},shut-none,cafile={zoo / 'ca.crt'},cert={zoo / 'client'}.pem"
    r = local.run("-t", "5", "-", address, input=b"GET /who HTTP/1.0\r\n\r\n")
    assert b"CN=alice,O=clientorg,C=XY" in r.out, r
    r = local.run("-t", "5", "-", address, input=b"GET /page HTTP/1.0\r\n\r\n", timeout=15)
    assert r.out.endswith(BIG), r
    r = local.run("-t", "5", "-", f"TCP4:{LOOP}:{b},shut-none", input=b"GET / HTTP/1.0\r\n\r\n")
    assert b"from behind" in r.out, (r, far)


@pytest.mark.whole
def test_many_at_once(local, zoo):
    """200 sessions in one process, all of them answered."""
    p, port = tls_server(local, zoo)
    c = client_context(zoo)
    socks = [tls_connect(local, port, c) for _ in range(200)]
    for k, s in enumerate(socks):
        s.sendall(b"%d" % k)
    assert all(s.recv(99) == b"%d" % k for k, s in enumerate(socks))
    assert not p.ended()
    for s in socks:
        s.close()


@pytest.mark.parametrize("which", ["both", "client", "server"])
def test_dsa(local, zoo, which):
    """A server whose key is a DSA one; the suites for it are offered, though the library's list lacks them. So does classic, both ways."""
    if which != "both" and not os.access(lab.SOCAT_REF, os.X_OK):
        pytest.skip("no reference program")
    port = lab.port()
    p = local.start("-d", "-d", f"OPENSSL-LISTEN:{port},cert={zoo / 'dsa.pem'},verify=0,fork", "PIPE", prog=lab.SOCAT_REF if which == "client" else None)
    p.wait_log("listening on")
    r = local.run("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", input=b"hello", prog=lab.SOCAT_REF if which == "server" else None)
    assert r.out == b"hello", (r, p)


def test_dsa_changes_nothing_for_others(local, zoo):
    """Other servers are talked to as before, by TLS 1.3."""
    _, port = tls_server(local, zoo, "TEXT:x")
    r = local.run("-d", "-d", "-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", "-")
    assert "TLSv1.3" in r.log and "TLS_AES_256_GCM_SHA384" in r.log


# ---------------------------------------------------------------- verdicts

@pytest.mark.parametrize("cert,options,ok,why", [
    ("server", "", True, ""), ("chained", "", True, ""), ("cn-only", "", True, ""), ("wildcard", "cn=a.example.test", True, ""),
    ("wildcard", "cn=A.Example.Test", True, ""), ("server", "cn=LOCALHOST", True, ""), ("self", "verify=0", True, ""), ("wrong-name", "cn=", True, ""),
    ("wrong-name", "cn=elsewhere.test", True, ""), ("server", "snihost=elsewhere.test", True, ""), ("server", "no-sni", True, ""),
    ("expired", "", False, "certificate has expired"), ("future", "", False, "certificate is not yet valid"),
    ("wrong-name", "", False, 'does not match hostname "localhost"'), ("wrong-ca", "", False, "unable to get local issuer certificate"),
    ("self", "", False, "self-signed certificate"), ("unchained", "", False, "unable to get local issuer certificate"),
    ("wildcard", "cn=a.b.example.test", False, "does not match hostname"), ("wildcard", "cn=example.test", False, "does not match hostname"),
    ("ip-only", "", False, "does not match hostname"), ("partial", "cn=foo.example.test", False, "does not match hostname"),
    ("partial", "cn=f.example.test", False, "does not match hostname"), ("partial", "cn=bar.example.test", False, "does not match hostname"),
], ids=lambda v: str(v))
def test_what_a_client_thinks(local, zoo, cert, options, ok, why):
    """Each certificate gets the verdict a user expects, and a sentence that says why."""
    _, port = tls_server(local, zoo, "TEXT:welcome", cert=cert)
    r = local.run("-u", f"OPENSSL:localhost:{port}" + (f",cafile={zoo / 'ca.crt'}") + ("," + options if options else ""), "-")
    if ok:
        assert r.status == 0 and r.out == b"welcome", r
    else:
        assert r.status == 1 and r.out == b"" and why in r.log, r


ANONYMOUS = ["", "cipher=HIGH", "cipher=ALL", "cipher=HIGH:MEDIUM:LOW", "cipher=kDHE:kECDHE", "cipher=HIGH@SECLEVEL=0", "cipher=ALL:@SECLEVEL=0", "cipher=DEFAULT:@SECLEVEL=0",
             "cipher=ADH", "cipher=AECDH", "cipher=aNULL:@SECLEVEL=0", "cipher=kDHE+aNULL:@SECLEVEL=0", "cipher=ADH-AES256-GCM-SHA384", "cipher=ALL:COMPLEMENTOFALL:@SECLEVEL=0"]


@pytest.mark.parametrize("version", ["", "min-version=TLS1.0", "min-version=TLS1.1", "max-version=TLS1.2"])
@pytest.mark.parametrize("cipher", ANONYMOUS)
def test_nobody_without_certificate(local, zoo, version, cipher):
    """A client that verifies never talks to a server without a certificate, whatever it allows otherwise. Classic refuses all of these."""
    port = lab.port()
    s = local.command(["openssl", "s_server", "-accept", str(port), "-nocert", "-cipher", "ALL:eNULL:@SECLEVEL=0", "-quiet"])
    connect(local, port).close()
    options = "".join("," + o for o in (version, cipher) if o)
    r = local.run("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},handshake-timeout=5{options}", input=b"secret")
    assert r.status == 1 and " E " in r.log, r
    assert b"secret" not in s.out


def test_anonymous_is_possible(local):
    """It is refused for want of a certificate, not because the handshake cannot be: without verification it works."""
    port = lab.port()
    s = local.command(["openssl", "s_server", "-accept", str(port), "-nocert", "-cipher", "ALL:eNULL:@SECLEVEL=0", "-quiet"])
    connect(local, port).close()
    p = local.start("-", f"OPENSSL:localhost:{port},verify=0,cipher=ADH")
    p.send(b"not secret\n")
    s.expect_output(b"not secret")
    p.stop()
    r = local.run("-", f"OPENSSL:localhost:{port},cipher=ADH")
    assert r.status == 1 and "E the peer has shown no certificate" in r.log and "verify=0" in r.log, r


@pytest.mark.parametrize("cipher", ["ADH", "HIGH", "ALL:@SECLEVEL=0"])
def test_a_server_that_verifies_wants_a_certificate(local, zoo, cipher):
    """Also where the cipher goes without."""
    _, port = tls_server(local, zoo, "TEXT:secret", options=f"cafile={zoo / 'ca.crt'},fork,cipher={cipher}")
    r = local.run("-u", f"OPENSSL:localhost:{port},verify=0,cipher=ALL:ADH:@SECLEVEL=0", "-")
    assert r.out == b"", r


@pytest.mark.parametrize("host,cert,ok", [("127.0.0.1", "server", True), ("127.0.0.1", "ip-only", True), ("127.0.0.1", "wrong-name", False),
                                          ("[::1]", "server", True), ("[::1]", "ip-only", False), ("[::1]", "typed", True), ("[::1]", "typed-dns", True),
                                          ("[::1]", "typed-ip", False), ("127.0.0.1", "typed", False)])
def test_addresses_in_certificates(local, zoo, host, cert, ok):
    _, port = tls_server(local, zoo, "TEXT:x", cert=cert, options="verify=0,fork,pf=ip6" if ":" in host else "verify=0,fork")
    r = local.run("-u", f"OPENSSL:{host}:{port},cafile={zoo / 'ca.crt'}", "-")
    assert (r.status, r.out) == ((0, b"x") if ok else (1, b"")), r


def test_trust_by_directory(local, zoo):
    _, port = tls_server(local, zoo, "TEXT:x")
    assert local.run("-u", f"OPENSSL:localhost:{port},capath={zoo / 'hashed'}", "-").out == b"x"
    r = local.run("-u", f"OPENSSL:localhost:{port}", "-")        # the system does not know our authority
    assert r.status == 1 and "cafile=FILE" in r.log


@pytest.mark.parametrize("cert,ok,why", [("client", True, ""), (None, False, "peer did not return a certificate"), ("stranger", False, "certificate verify failed")])
def test_what_a_server_thinks(local, zoo, cert, ok, why):
    """A server that verifies demands a certificate of its authority."""
    p, port = tls_server(local, zoo, "TEXT:welcome", options=f"cafile={zoo / 'ca.crt'},fork")
    own = f",cert={zoo / cert}.pem" if cert else ""
    r = local.run("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}{own}", "-")
    assert (r.out == b"welcome") == ok, r
    if not ok:
        p.wait_log(rf"E \S+:\d+: SSL_accept\(\).*{why}")
    if cert is None:
        p.wait_log("W clients have to show a certificate that cafile verifies; verify=0 asks for none")
        assert "W the server wants a certificate of its clients: add cert=FILE" in r.log, r
    assert not p.ended()


def test_a_server_that_speaks_no_tls(local):
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", "TEXT:220 a mail server")
    r = local.run("-u", f"TLS:127.0.0.1:{port},verify=0", "-")
    assert r.status == 1 and "W the peer seems to speak no TLS" in r.log, r
    p.stop()


def test_a_server_may_ask_for_a_name(local, zoo):
    p, port = tls_server(local, zoo, "TEXT:x", options=f"cafile={zoo / 'ca.crt'},fork,cn=bob")
    r = local.run("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},cert={zoo / 'client'}.pem", "-")
    assert r.out == b""
    p.wait_log('does not match hostname "bob"')


def test_variables(local, zoo):
    """What programs learn of the peer, under both names."""
    p, port = tls_server(local, zoo, "SYSTEM:env | grep ^SOCAT_", options=f"cafile={zoo / 'ca.crt'},fork")
    r = local.run("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},cert={zoo / 'client'}.pem", "-")
    env = dict(line.split("=", 1) for line in r.out.decode().splitlines())
    for prefix in ("SOCAT_OPENSSL_", "SOCAT_TLS_"):
        assert env[prefix + "X509_COMMONNAME"] == "alice" and env[prefix + "X509_COUNTRYNAME"] == "XY"
        assert env[prefix + "X509_ORGANIZATIONNAME"] == "clientorg" and env[prefix + "X509_ISSUER"] == "CN = Test CA"
        assert env[prefix + "X509_SUBJECT"] == "C = XY, O = clientorg, CN = alice"
        assert env[prefix + "PROTO_VERSION"] == "TLSv1.3" and env[prefix + "CIPHER"].startswith("TLS_")
    s, port, c = python_server(local, zoo)
    q = local.start("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", "SYSTEM:cat; echo $SOCAT_OPENSSL_X509V3_SUBJECTALTNAME_DNS $SOCAT_TLS_X509V3_SUBJECTALTNAME_IPADD >&2")
    conn = c.wrap_socket(accept(s)[0], server_side=True)
    conn.unwrap().close()
    q.wait_log(r"localhost 127\.0\.0\.1 // ::1")
    assert not p.ended()


HOSTILE = {b"admin\0.mallory": r"admin\0.mallory", b"a\nSOCAT_X=1": r"a\nSOCAT_X=1", b"red\x1b[31m": r"red\x1B[31m", "red\u009b31m".encode(): r"red\xC2\x9B31m",
           b"alice // bob": r"alice \x2F/ bob", b"alice //": r"alice \x2F/", b"// bob": r"\x2F/ bob", b"http://ok": "http://ok",
           "Zo\u00eb".encode(): "Zo\u00eb", b"tab\there": r"tab\there", b"del\x7f": r"del\x7F"}


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_hostile_names(local, zoo, name, tmp_path):
    """What a certificate says cannot be cut short, look like two names, begin a line, or reach a terminal as a command: not in a variable, not in the log."""
    zoo.forged("forged", name)
    _, port = tls_server(local, zoo, "TEXT:x", cert="forged")
    r = local.run("-d", "-d", "-d", "-u", f"OPENSSL:localhost:{port},verify=0", f"SYSTEM:env > {tmp_path}/env", timeout=10)
    out, env = (tmp_path / "env").read_bytes(), {}
    for line in out.decode("utf-8").split("\n"):
        key, _, value = line.partition("=")
        env[key] = value
    assert env["SOCAT_OPENSSL_X509_COMMONNAME"] == HOSTILE[name]
    assert env["SOCAT_TLS_X509V3_SUBJECTALTNAME_DNS"] == HOSTILE[name]
    text = out + r.err
    assert "SOCAT_X" not in env and b"\x1b" not in text and b"\0" not in text and b"\x7f" not in text
    assert not re.search(rb"(?<![\x80-\xff])[\x80-\x9f]|\xc2[\x80-\x9f]", text)


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_hostile_names_in_the_log(local, zoo, name):
    """The same of a trusted certificate with the wrong name, whose hint shows whom it belongs to; and as JSON."""
    zoo.forged("forged", name)
    _, port = tls_server(local, zoo, "TEXT:x", cert="forged")
    for form in ("text", "json"):
        r = local.run("-d", "-d", "-d", f"--log={form}", "-u", f"OPENSSL:localhost:{port},cafile={zoo / 'forged.crt'}", "-")
        assert r.status == 1
        assert b"\x1b" not in r.err and b"\0" not in r.err and not re.search(rb"(?<![\x80-\xff])[\x80-\x9f]|\xc2[\x80-\x9f]", r.err), r
        if form == "text":
            assert all(re.match(rb"\d{4}/", line) for line in r.err.splitlines())


# ---------------------------------------------------------------- versions, ciphers, settings

@pytest.mark.parametrize("server_options,client_options,want", [
    ("", "", "TLSv1.3"), ("max-version=TLS1.2", "", "TLSv1.2"), ("", "max-proto-version=tlsv1.2", "TLSv1.2"), ("min-version=TLS1.3", "", "TLSv1.3"),
    ("min-version=TLS1.3", "max-version=TLS1.2", None), ("max-version=TLS1.1", "", None), ("max-version=TLS1.1", "min-version=TLS1.0,max-version=TLS1.1", "TLSv1.1"),
])
def test_versions(local, zoo, server_options, client_options, want):
    p, port = tls_server(local, zoo, "TEXT:x", options="verify=0,fork" + ("," + server_options if server_options else ""))
    r = local.run("-d", "-d", "-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}" + ("," + client_options if client_options else ""), "-")
    if want:
        assert r.out == b"x" and f"SSL proto version used: {want}" in r.log, r
    else:
        assert r.status == 1 and re.search("alert protocol version|unsupported protocol|no protocols", r.log), r
        p.wait_log(r"E \S+:\d+: SSL_accept")


def test_old_versions_are_refused(local, zoo):
    """TLS 1.1 only on request."""
    p, port = tls_server(local, zoo)
    c = local.command(["openssl", "s_client", "-connect", f"{LOOP}:{port}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])
    c.close_stdin()
    p.wait_log(r"E \S+:\d+: SSL_accept.*unsupported protocol")


@pytest.mark.parametrize("cipher,version", [("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS1.2"), ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS1.2")])
def test_ciphers(local, zoo, cipher, version):
    _, port = tls_server(local, zoo, "TEXT:x")
    r = local.run("-d", "-d", "-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},cipher={cipher},max-version={version}", "-")
    assert r.out == b"x" and f"SSL connection using {cipher}" in r.log


def test_anonymous_ciphers_by_name(local, zoo):
    """Without certificates, where both sides ask for that."""
    port = lab.port()
    p = local.start("-d", "-d", f"OPENSSL-LISTEN:{port},verify=0,fork,cipher=ADH", "TEXT:x")
    p.wait_log('W no certificate given; consider option "cert"')
    p.wait_log("listening on")
    r = local.run("-d", "-d", "-u", f"OPENSSL:localhost:{port},verify=0,cipher=ADH", "-")
    assert r.out == b"x" and "SSL connection using ADH" in r.log


def test_a_server_without_certificate(local, zoo):
    """It warns at the start, and says at each refused handshake why."""
    port = lab.port()
    p = local.start("-d", "-d", f"OPENSSL-LISTEN:{port},verify=0,fork", "PIPE")
    p.wait_log('W no certificate given; consider option "cert"')
    p.wait_log("listening on")
    r = local.run("-u", f"OPENSSL:localhost:{port},verify=0", "-")
    assert r.status == 1 and "E SSL_connect()" in r.log
    p.wait_log(r"E \S+:\d+: SSL_accept\(\).*no shared cipher|no suitable signature")


def test_server_name(local, zoo):
    """The name a client asks for: the target's, another, none."""
    seen = []
    s, port, c = python_server(local, zoo)
    c.sni_callback = lambda sock, name, ctx: seen.append(name)
    for options, want in (("", "localhost"), (",cn=LocalHost", "LocalHost"), (",snihost=elsewhere.test", "elsewhere.test"), (",no-sni", None)):
        p = local.start("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}{options}", "-")
        c.wrap_socket(accept(s)[0], server_side=True).unwrap().close()
        p.wait()
        assert seen.pop() == want
    p = local.start("-u", f"OPENSSL:{LOOP}:{port},cafile={zoo / 'ca.crt'}", "-")        # an address is no name
    c.wrap_socket(accept(s)[0], server_side=True).unwrap().close()
    assert p.wait().status == 0 and seen.pop() is None


@pytest.mark.whole
def test_alpn(local, zoo):
    """The protocol both sides know; none in common ends the handshake."""
    p, port = tls_server(local, zoo, "SYSTEM:echo $SOCAT_TLS_ALPN", options=r"verify=0,fork,alpn=h2\,http/1.1")
    c = client_context(zoo)
    c.set_alpn_protocols(["http/1.1", "other"])
    s = tls_connect(local, port, c)
    assert s.selected_alpn_protocol() == "http/1.1" and s.recv(99) == b"http/1.1\n"
    c.set_alpn_protocols(["spdy/9"])
    with pytest.raises(ssl.SSLError):
        tls_connect(local, port, c)
    p.wait_log(r"E \S+:\d+: SSL_accept")
    l, port, sc = python_server(local, zoo)
    sc.set_alpn_protocols(["imap"])
    q = local.start("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},alpn=imap", "SYSTEM:cat; echo $SOCAT_TLS_ALPN >&2")
    sc.wrap_socket(accept(l)[0], server_side=True).unwrap().close()
    q.wait_log("imap")


@pytest.mark.whole
def test_sessions_are_resumed(local, zoo):
    """The second handshake with the same server is the short one, both as client and as server."""
    _, port = tls_server(local, zoo)
    front = lab.port()
    relay = local.start("-ddd", f"TCP4-LISTEN:{front},fork", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}")
    relay.wait_log("listening on")
    for k in range(3):
        s = connect(local, front)
        s.sendall(b"x%d" % k)
        assert s.recv(9) == b"x%d" % k
        s.close()
        relay.wait_log("is at EOF", count=k + 1)
    relay.wait_log("SSL session resumed", count=2)
    assert relay.log.count("trusting certificate, commonName matches") == 3


@pytest.mark.parametrize("cert,status", [("", 1), (",cert={z}/stranger.pem", 1), (",cert={z}/client.pem", 0)])
@pytest.mark.parametrize("address", ["OPENSSL:localhost:{p},cafile={z}/ca.crt{c}", "TLS(cafile={z}/ca.crt{c})+TCP:localhost:{p}"])
@pytest.mark.parametrize("way", ["-u", "-U"])
def test_refused_behind_the_handshake(local, zoo, tmp_path, cert, status, address, way):
    """The handshake of TLS 1.3 is over for a client before the server has judged it: who only writes waits for the verdict, at
    most -t. (It had left with status 0, and nothing had arrived.)"""
    p, port = tls_server(local, zoo, options=f"cafile={zoo / 'ca.crt'},fork", second=f"CREATE:{tmp_path}/got")
    address = address.format(p=port, z=zoo.d, c=cert.replace('{z}', zoo.d))
    for _ in range(3):
        r = local.run("-t", "5", way, *(("-", address) if way == "-u" else (address, "-")), input=b"important")
        assert r.status == status and bool(re.search(r" E (SSL_read|SSL_write|write|the peer of socket)", r.log)) == bool(status), (r, p)


def test_handshake_timeout(local, zoo):
    """A client that says nothing is not waited for for ever, and holds nobody up."""
    p, port = tls_server(local, zoo, options="verify=0,fork,handshake-timeout=0.5")
    silent = connect(local, port)
    s = tls_connect(local, port, client_context(zoo))
    s.sendall(b"x")
    assert s.recv(9) == b"x"
    p.wait_log(r"E \S+:\d+: OPENSSL-LISTEN: handshake: Connection timed out")
    assert silent.recv(9) == b""
    l, port = server(local)
    r = local.start("-", f"OPENSSL:localhost:{port},handshake-timeout=0.3,verify=0")
    conn, _ = accept(l)
    assert r.wait().status == 1 and "handshake: Connection timed out" in r.log
    conn.close()


@pytest.mark.parametrize("options,text", [
    ("cert=/nofile", "E SSL_CTX_use_certificate_file(): error:80000002:system library::No such file or directory"),
    ("cert={z}/ca.crt", "E SSL_CTX_use_PrivateKey_file()"), ("cert={z}/server.crt,key={z}/client.key", "key values mismatch"),
    ("cert={z}/locked.pem", "is encrypted"), ("cert={z}/server.pem,cafile=/nofile", "E SSL_CTX_load_verify_locations(): error:80000002"),
    ("cert={z}/server.pem,min-version=FOO", 'E Unknown SSL/TLS version "FOO" (use forms like "TLS1.2")'),
    ("cert={z}/server.pem,max-version=SSL2", 'E SSL_CTX_set_max_proto_version("SSL2"->2): failed'),
    ("cert={z}/server.pem,cipher=nonsense", 'E SSL_set_cipher_list(, "nonsense"): error:0A0000B9:SSL routines::no cipher match'),
    ("cert={z}/server.pem,compress=zip", 'E openssl-compress="zip": unknown compression method'),
    ("cert={z}/server.pem,maxfraglen=512", "E openssl: maxfraglen option not applicable to a server"),
    ("cert={z}/server.pem,maxsendfrag=511", "E openssl: maxsendfrag 511 out of range 512 - 16384"),
    ("cert={z}/server.pem,alpn=a\\,\\,b", "E openssl-alpn"),
])
def test_wrong_settings(local, zoo, options, text):
    """Said before anything listens."""
    port = lab.port()
    r = local.run("-d", "-d", f"OPENSSL-LISTEN:{port}," + options.replace("{z}", zoo.d), "-")
    assert r.status == 1 and text in r.log and "listening on" not in r.log, r


def test_harmless_settings(local, zoo):
    """Obsolete and unreadable ones are told and passed over; the rest does its work."""
    _, port = tls_server(local, zoo, "TEXT:x", options="verify=0,fork,dhparam=/nofile,egd=/x,pseudo,compress=none,maxsendfrag=1000")
    assert local.run("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},compress=auto,maxfraglen=1024,sndbuf=20000", "-").out == b"x"
    r = local.run("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},maxfraglen=513", "-")
    assert r.status == 1 and "E openssl: maxfraglen 513 is not one of 512, 1024, 2048, or 4096" in r.log


def test_dhparam(local, zoo):
    """Own parameters are used where a cipher needs some."""
    subprocess.run(["openssl", "dhparam", "-dsaparam", "-out", zoo / "dh.pem", "1024"], check=True, capture_output=True)
    _, port = tls_server(local, zoo, "TEXT:x", options=f"verify=0,fork,dhparam={zoo / 'dh.pem'},cipher=ADH,max-version=TLS1.2")
    r = local.run("-u", f"OPENSSL:localhost:{port},verify=0,cipher=ADH", "-")
    assert r.out == b"x", r


def test_readable_keys_are_warned_about(local, zoo, tmp_path):
    path = tmp_path / "open.pem"
    path.write_text(zoo.read("server.pem"))
    path.chmod(0o644)
    p = local.start("-d", "-d", f"OPENSSL-LISTEN:0,cert={path},verify=0", "PIPE")
    p.wait_log(rf'W private key "{path}" can be read by others \(mode 0644\)')


# ---------------------------------------------------------------- trouble

def test_truncation_is_an_error(local, zoo):
    """FIN without close-notify: somebody may have cut the connection."""
    s, port, c = python_server(local, zoo)
    p = local.start("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", "-")
    conn = c.wrap_socket(accept(s)[0], server_side=True)
    conn.sendall(b"half of it")
    raw = socket.socket(fileno=conn.detach())
    raw.close()
    r = p.wait()
    assert r.status == 1 and r.out == b"half of it" and "without close-notify: data may be missing" in r.log, r


@pytest.mark.parametrize("name,option,ok", [("socast", "", False), ("socast", "eof-without-notify", True), ("socast", "eof-without-notify=0", False),
                                            ("socat", "", True), ("socat", "eof-without-notify=0", False)])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_end_without_notify_is_an_end(local, zoo, tmp_path, name, option, ok, version):
    """Python's http.server and others never send close-notify. Classic takes that for the end; so does what is called socat, else an option says so."""
    os.symlink(lab.SOCAST, tmp_path / name)
    s, port, c = python_server(local, zoo, maximum_version=getattr(ssl.TLSVersion, version))
    p = local.start("-u", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}" + ("," + option if option else ""), "-", prog=tmp_path / name)
    conn = c.wrap_socket(accept(s)[0], server_side=True, suppress_ragged_eofs=False)
    conn.sendall(b"all of it")
    socket.socket(fileno=conn.detach()).close()
    r = p.wait()
    assert r.out == b"all of it" and (r.status, "without close-notify" in r.log) == ((0, False) if ok else (1, True)), r


def test_handshake_cut_off(local, zoo):
    """Before the handshake is over it stays an error."""
    s, port, _ = python_server(local, zoo)
    p = local.start("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'},eof-without-notify")
    accept(s)[0].close()
    r = p.wait()
    assert r.status == 1 and " E SSL_connect()" in r.log, r


def test_plain_peers(local, zoo):
    """TLS to a plain server, and a plain client at a TLS server."""
    s, port = server(local)
    p = local.start("-", f"OPENSSL:localhost:{port},verify=0")
    c, _ = accept(s)
    c.sendall(b"220 hello, this is plain text\r\n")
    r = p.wait()
    assert r.status == 1 and re.search(r"E SSL_connect\(\): error:0A", r.log), r
    p, port = tls_server(local, zoo)
    c = connect(local, port)
    c.sendall(b"GET / HTTP/1.0\r\n\r\n")
    p.wait_log(r"E \S+:\d+: SSL_accept\(\): error:0A")
    c.close()
    assert not p.ended()


def test_garbage_during_the_handshake(local, zoo):
    """Random bytes, short records, early ends: the server goes on serving."""
    p, port = tls_server(local, zoo)
    for data in (b"", b"\x16", b"\x16\x03\x01\xff\xff" + os.urandom(2000), os.urandom(300), b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x03\x00\x02\x02\x28"):
        c = connect(local, port)
        c.sendall(data)
        c.close()
    s = tls_connect(local, port, client_context(zoo))
    s.sendall(b"x")
    assert s.recv(9) == b"x" and not p.ended()


def test_a_slow_reader(local, zoo):
    """What nobody reads stays with the sender; nothing is lost."""
    p, port = tls_server(local, zoo, "EXEC:cat")
    s = tls_connect(local, port, client_context(zoo))
    got = []
    t = threading.Thread(target=lambda: s.sendall(BIG))
    t.start()
    time.sleep(0.5)
    data = b""
    while len(data) < len(BIG):
        data += s.recv(1 << 16)
    t.join()
    got.append(data)
    assert got[0] == BIG and not p.ended()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("right", ["PIPE", "EXEC:cat", "SYSTEM:yes | head -c 300000", "isolate"])
def test_a_peer_that_says_goodbye_and_is_gone(local, zoo, right, version):
    """It sends something, its close-notify, and goes with the answer unread: the kernel sends a reset. What is written then
    fails, once. (A write that failed behind a close-notify was taken for one that wrote nothing, and tried for ever.)"""
    options, right = ("verify=0,fork,isolate", "EXEC:cat") if right == "isolate" else ("verify=0,fork", right)
    p, port = tls_server(local, zoo, right, options=options)
    context = client_context(zoo, maximum_version=version)
    for size in [4, 4, 4, 70000, 4, 300000] * 3:
        s = tls_connect(local, port, context)
        s.settimeout(0.3)
        with contextlib.suppress(OSError):
            s.sendall(b"x" * size)
        with contextlib.suppress(OSError):
            s.setblocking(False)
            s.unwrap()
        s.close()
    with tls_connect(local, port, context) as s:
        s.sendall(b"hello")
        assert s.recv(9)
    p.kill()
    assert p.wait().status == 143
    lab.wait_until(lambda: not lab.descendants(p.pid), 5, "session processes are left")


def test_a_server_that_ends_first(local, zoo):
    """It has had everything, and is gone when our close-notify comes: that is no failure (classic: status 0)."""
    listener, there, context = python_server(local, zoo)
    for _ in range(3):
        p = local.start("-t", "3", "-", f"OPENSSL:localhost:{there},cafile={zoo / 'ca.crt'}")
        listener.settimeout(5)
        far = context.wrap_socket(listener.accept()[0], server_side=True)
        p.send(b"question")
        assert far.recv(99) == b"question"
        far.sendall(b"answer")
        far.setblocking(False)
        with contextlib.suppress(OSError):
            far.unwrap()
        far.close()
        p.until(lambda: p.out == b"answer", 5, "answer")  # pylint: disable=cell-var-from-loop
        lab.rest(0.1)
        p.close_stdin()
        r = p.wait()
        assert (r.status, r.log) == (0, ""), r


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("size", [4, 300000])
def test_a_server_that_answers_early_and_goes(local, zoo, size, version):
    """As client: "413", close-notify, gone. The relay of others goes on."""
    listener, there, context = python_server(local, zoo, maximum_version=version)
    front = lab.port()
    p = local.start(f"TCP4-LISTEN:{front},fork", f"OPENSSL:localhost:{there},cafile={zoo / 'ca.crt'}")
    lab.rest(0.2)
    for _ in range(8):
        s = connect(local, front)
        listener.settimeout(5)
        far = context.wrap_socket(listener.accept()[0], server_side=True)
        with contextlib.suppress(OSError):
            s.settimeout(0.3)
            s.sendall(b"x" * size)
        far.send(b"413")
        far.setblocking(False)
        with contextlib.suppress(OSError):
            far.unwrap()
        far.close()
        s.settimeout(5)
        with contextlib.suppress(ConnectionError):
            while s.recv(99):
                pass
        s.close()
    p.kill()
    assert p.wait().status == 143


def test_chaos(local, zoo, chaos):
    """Reads and writes of a few bytes."""
    _, port = tls_server(local, zoo)
    r = local.run("-", f"OPENSSL:localhost:{port},cafile={zoo / 'ca.crt'}", input=BIG[:200000], timeout=30)
    assert r.out == BIG[:200000]


def test_own_processes(local, zoo):
    """isolate: the session's process has the connection, its parent sends no close-notify."""
    p, port = tls_server(local, zoo, options="verify=0,fork,isolate")
    s = tls_connect(local, port, client_context(zoo))
    s.sendall(b"x")
    assert s.recv(9) == b"x" and not p.ended()
    p.kill(signal.SIGTERM)
    assert p.wait().status == 143


def test_own_processes_beside_handshakes(local, zoo):
    """A session's process forgets the handshakes of others, and what they had; the sanitizers look for it at its end."""
    p, port = tls_server(local, zoo, options="verify=0,fork,isolate", flags=["-d"])
    silent = [local.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(3)]
    for s in silent:
        s.connect(("127.0.0.1", port))
        s.send(b"\x16\x03\x01")
    p.wait_log("accepting connection from", count=3)
    with tls_connect(local, port, client_context(zoo)) as s:
        s.sendall(b"x")
        assert s.recv(9) == b"x"
    p.wait_log("number of children decreased to", timeout=5)


def test_names(local, zoo):
    """SSL and TLS are the same addresses."""
    for listen, client in (("SSL-L", "SSL"), ("TLS-LISTEN", "TLS"), ("TLS-L", "TLS-CONNECT"), ("openssl-listen", "OPENSSL-CONNECT")):
        port = lab.port()
        p = local.start("-d", "-d", f"{listen}:{port},cert={zoo / 'server'}.pem,verify=0", "TEXT:x")
        p.wait_log("listening on")
        assert local.run("-u", f"{client}:localhost:{port},cafile={zoo / 'ca.crt'}", "-").out == b"x"


def test_the_program_itself_links_no_tls(local):
    """Lines that use no TLS do not pay for it."""
    r = subprocess.run(["ldd", lab.SOCAST], capture_output=True, text=True, check=True)
    assert "ssl" not in r.stdout and "crypto" not in r.stdout
