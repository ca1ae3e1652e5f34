"""TLS beside the reference: the same command line as server and as client.

The other end is OpenSSL as Python has it, or the other program. Compared are the bytes both ways, the
exit status where both agree about it, and the reason of an error."""
import contextlib
import os
import re
import shutil
import socket
import ssl

import pytest

import lab
from certs import Zoo

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK) or not shutil.which("openssl"), reason="needs a reference program (SOCAT_REF) and openssl(1)")

BIG = bytes(range(256)) * 2000
LOOP = "127.0.0.1"
BOTH = [lab.SOCAST, lab.SOCAT_REF]


@pytest.fixture(scope="module", name="zoo")
def _zoo(tmp_path_factory):
    return Zoo(str(tmp_path_factory.mktemp("zoo")))


def fill(args, zoo, port):
    return [a.replace("{z}", zoo.d).replace("{p}", str(port)) for a in args]


def as_server(local, prog, zoo, args, data, context):
    """What a TLS client of the test gets; None when the handshake is refused."""
    port = lab.port()
    p = local.start("-d", "-d", *fill(args, zoo, port), prog=prog)
    p.wait_log("listening on")
    try:
        with local.socket(socket.AF_INET, socket.SOCK_STREAM) as raw:
            raw.connect((LOOP, port))
            with context.wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(data)
                got = b""
                while len(got) < len(data) or not data:
                    part = s.recv(1 << 16)
                    if not part:
                        break
                    got += part
                return got
    except (ssl.SSLError, ConnectionError):
        return None
    finally:
        p.stop()


def trusting(zoo, cert=None, **kw):
    c = ssl.create_default_context(cafile=zoo / "ca.crt")
    if cert:
        c.load_cert_chain(zoo / f"{cert}.pem")
    for k, v in kw.items():
        setattr(c, k, v)
    return c


SERVERS = [
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0", "PIPE"], BIG[:100000], {}), (["SSL-L:{p},cert={z}/server.pem,verify=0", "EXEC:cat"], b"x", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.crt,key={z}/server.key,verify=0", "PIPE"], b"x", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,fork", "SYSTEM:cat"], b"x", {}), (["OPENSSL-LISTEN:{p},cert={z}/chained.pem,verify=0", "PIPE"], b"x", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,cafile={z}/ca.crt", "PIPE"], b"x", {"cert": "client"}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,cafile={z}/ca.crt", "PIPE"], b"x", {"cert": "stranger", "maximum_version": ssl.TLSVersion.TLSv1_2}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,cafile={z}/ca.crt", "PIPE"], b"x", {"maximum_version": ssl.TLSVersion.TLSv1_2}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,cafile={z}/ca.crt,cn=alice", "PIPE"], b"x", {"cert": "client"}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,openssl-max-proto-version=TLS1.2", "PIPE"], b"x", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,openssl-min-proto-version=TLS1.3", "PIPE"], b"x", {"maximum_version": ssl.TLSVersion.TLSv1_2}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,cipher=ECDHE-ECDSA-AES256-GCM-SHA384", "PIPE"], b"x", {"maximum_version": ssl.TLSVersion.TLSv1_2}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0", "PIPE,crnl"], b"a\nb\n", {}), (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,cr", "PIPE"], b"a\rb\r", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,range=127.0.0.0/8", "PIPE"], b"x", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,verify=0,range=10.0.0.0/8,fork", "PIPE"], b"x", {}),
    (["OPENSSL-LISTEN:{p},cert={z}/server.pem,cafile={z}/ca.crt", "SYSTEM:echo $SOCAT_OPENSSL_X509_COMMONNAME $SOCAT_OPENSSL_X509_SUBJECT $SOCAT_OPENSSL_X509_ISSUER"],
     b"", {"cert": "client"}),
    (["OPENSSL-LISTEN:{p},verify=0,fork", "PIPE"], b"x", {}),
]


@pytest.mark.parametrize("args,data,how", SERVERS, ids=lambda v: re.sub(r"\W+", "_", v[0])[:70] if isinstance(v, list) else "")
def test_servers(local, zoo, args, data, how):
    ours, ref = (as_server(local, prog, zoo, args, data, trusting(zoo, **how)) for prog in BOTH)
    assert ours == ref


def as_client(local, prog, zoo, args, data, answer, cert, **kw):
    """What a TLS server of the test is told, what the program prints, and its status."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(zoo / f"{cert}.pem")
    for k, v in kw.items():
        setattr(c, k, v)
    names = []
    # the reference sends addresses as names, which RFC 6066 (3) forbids
    c.sni_callback = lambda sock, name, ctx: names.append(name if name != LOOP else None)
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=(LOOP, 0)) as listener:
        listener.listen()
        listener.settimeout(5 * lab.SLOW)
        p = local.start(*fill(args, zoo, listener.getsockname()[1]), prog=prog)
        p.send(data)
        p.close_stdin()
        raw, _ = listener.accept()
        raw.settimeout(5 * lab.SLOW)
        got = b""
        try:
            with c.wrap_socket(raw, server_side=True) as s:
                while len(got) < len(data) and (part := s.recv(1 << 16)):
                    got += part
                s.sendall(answer)
                with contextlib.suppress(OSError):
                    s.unwrap()
        except (ssl.SSLError, ConnectionError):
            got = None
        r = p.wait(8)
    return got, r.out, names, r.status == 0


CLIENTS = [
    (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], BIG[:50000], b"y", "server"), (["-", "SSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], b"x", b"y", "chained"),
    (["-", "OPENSSL:127.0.0.1:{p},cafile={z}/ca.crt"], b"x", b"y", "server"), (["-", "OPENSSL:127.0.0.1:{p},verify=0"], b"x", b"y", "self"),
    (["-", "OPENSSL:localhost:{p},capath={z}/hashed,pf=ip4"], b"x", b"y", "server"), (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], b"x", b"y", "wrong-name"),
    (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], b"x", b"y", "expired"), (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], b"x", b"y", "wrong-ca"),
    (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], b"x", b"y", "cn-only"), (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4,cn=elsewhere.test"], b"x", b"y", "wrong-name"),
    (["-", "OPENSSL:127.0.0.1:{p},cafile={z}/ca.crt,cn=a.example.test"], b"x", b"y", "wildcard"), (["-", "OPENSSL:127.0.0.1:{p},cafile={z}/ca.crt,cn=a.b.example.test"], b"x", b"y", "wildcard"),
    (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4,snihost=other.test"], b"x", b"y", "server"), (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4,no-sni"], b"x", b"y", "server"),
    (["-u", "-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4"], b"one way", b"", "server"), (["-", "OPENSSL:localhost:{p},cafile={z}/ca.crt,pf=ip4,crnl"], b"a\n", b"b\r\n", "server"),
]


@pytest.mark.parametrize("args,data,answer,cert", CLIENTS, ids=lambda v: re.sub(r"\W+", "_", v[-1])[:70] if isinstance(v, list) else v if isinstance(v, str) else "")
def test_clients(local, zoo, args, data, answer, cert):
    ours, ref = (as_client(local, prog, zoo, args, data, answer, cert) for prog in BOTH)
    assert ours == ref


@pytest.mark.parametrize("args", [
    ["OPENSSL-LISTEN:{p},cert=/nofile", "-"], ["OPENSSL-LISTEN:{p},cert={z}/ca.crt", "-"], ["OPENSSL-LISTEN:{p},cert={z}/server.crt,key={z}/client.key", "-"],
    ["-", "OPENSSL:localhost:{p},cafile=/nofile"], ["-", "OPENSSL:127.0.0.1:1,cipher=nonsense,verify=0"], ["-", "OPENSSL:localhost:1,openssl-min-proto-version=FOO"],
    ["-", "OPENSSL:127.0.0.1:1,compress=zip"], ["-", "OPENSSL:localhost"], ["-", "OPENSSL:127.0.0.1:1,maxfraglen=513"],
], ids=lambda v: re.sub(r"\W+", "_", "_".join(v)))
def test_refusals(local, zoo, args):
    """Wrong settings end both with status 1, before anything is connected."""
    for prog in BOTH:
        r = local.run(*fill(args, zoo, lab.port()), prog=prog)
        assert r.status == 1 and re.search(r"\] E ", r.log), r
