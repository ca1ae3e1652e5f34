"""SOCKS and PROXY as layers of a stack: on sockets, programs, TLS, each other, and TLS on them."""
import contextlib
import re
import socket
import threading

import pytest

import lab
from certs import zoo_if_any
from proxies import both_ways, play, take
from test_socks import GO5, HELLO, NAMED, OK4, OK5
from test_tcp import BIG, LOOP, accept, read_all, server
from test_tls import python_server

GO, OK = b"CONNECT h.test:443 HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"

# layer, what must come and what is answered
LAYERS = [
    ("PROXY(to=h.test:443)", [(GO, OK)]),
    ("proxy[to=h.test:https]", [(GO, OK)]),
    ("PROXY(to=[2001:db8::1]:443,http-version=1.1)",
     [(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", OK)]),
    ("PROXY(to=localhost:443,resolve)", [(b"CONNECT 127.0.0.1:443 HTTP/1.0\r\n\r\n", OK)]),
    ("SOCKS4(to=localhost:80,socksuser=joe)", [(b"\4\1\0\x50\x7f\0\0\1joe\0", OK4)]),
    ("SOCKS4A(to=h.test:80,socksuser=joe)", [(b"\4\1\0\x50\0\0\0\1joe\0h.test\0", OK4)]),
    ("SOCKS5(to=10.1.2.3:80)", GO5),
    ("SOCKS5(to=10.1.2.3:80,socksuser=joe,sockspass=x)", [(NAMED, b"\5\2"), (b"\1\3joe\1x", b"\1\0"), GO5[1]]),
    ("SOCKS5(to=[2001:db8::1]:80)", [HELLO, (b"\5\1\0\4" + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + b"\0\x50", OK5)]),
    ("SOCKS5-LISTEN(to=10.1.2.3:80)", [HELLO, (b"\5\2\0\1\n\1\2\3\0\x50", OK5), (b"", OK5)]),
]


@pytest.fixture(scope="module", name="zoo")
def _zoo(tmp_path_factory):
    zoo = zoo_if_any(tmp_path_factory)
    if zoo is None:
        pytest.skip("without OpenSSL")
    return zoo


def glue(dialogue, data):
    last, answer = dialogue[-1]
    return [*dialogue[:-1], (last, answer + data)]


@pytest.mark.parametrize("layer,dialogue", LAYERS, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("below", ["TCP", "UNIX", "EXEC"])
def test_dialogue(local, fast, tmp_path, layer, dialogue, below):
    """On any stream; when the layer has gone the kernel moves the bytes."""
    s, port = server(local)
    path = tmp_path / "s"
    if below == "UNIX":
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(path))
        s.listen()
    address = {"TCP": f"TCP:{LOOP}:{port}", "UNIX": f"UNIX:{path}", "EXEC": rf"EXEC:{lab.SOCAST} - TCP\:{LOOP}\:{port}"}[below]
    p = local.start("-d", "-d", "-d", "-", f"{layer}+{address}")
    c = play(s, glue(dialogue, b"glued"))
    p.expect_output(b"glued")
    both_ways(p, c)
    assert p.out == b"glued" + BIG and p.log.count("by splicing") == (2 if fast else 0), p


def test_short_reads_and_writes(local, chaos):
    s, port = server(local)
    p = local.start("-", f"SOCKS5(to=10.1.2.3:80)+PROXY(to=h.test:443)+TCP:{LOOP}:{port}")
    c = play(s, [(GO, OK), *glue(GO5, b"glued")])
    p.expect_output(b"glued")
    both_ways(p, c)
    assert p.out == b"glued" + BIG


def test_one_behind_the_other(local, fast):
    """Each proxy is asked for the next one; a packet with all answers serves all of them."""
    s, port = server(local)
    p = local.start("-d", "-d", "-d", "-", f"SOCKS5(to=10.1.2.3:80)+PROXY(to=b.test:2)+PROXY(to=h.test:443)+TCP:{LOOP}:{port}")
    c = play(s, [(GO, OK + OK + HELLO[1] + OK5 + b"glued")])
    for want in (b"CONNECT b.test:2 HTTP/1.0\r\n\r\n", HELLO[0], GO5[1][0]):
        assert take(c, len(want)) == want
    p.expect_output(b"glued")
    both_ways(p, c)
    assert p.out == b"glued" + BIG
    last = dict(re.findall(r"moving from (\d+) to \d+ by (\w+)", p.log))
    assert set(last.values()) == {"splicing" if fast else "copying"}, p


def test_on_a_preset(local):
    """Below stands an address that has brought its own layer."""
    s, port = server(local)
    p = local.start("-d", "-d", "-", f"SOCKS4A(to=h.test:80,socksuser=joe)+PROXY:{LOOP}:h.test:443,proxyport={port}")
    c = play(s, [(GO, OK), (b"\4\1\0\x50\0\0\0\1joe\0h.test\0", OK4 + b"glued")])
    p.expect_output(b"glued")
    c.close()
    for line in (f"N opening connection to h.test:443 via proxy {LOOP}:{port}\n", 'N opening connection to h.test:80 via socks4a server as user "joe"\n'):
        assert line in p.log, p


# ---------------------------------------------------------------- with TLS

def test_tls_on_who_has_come(local, zoo):
    """Behind SOCKS5-LISTEN is a client: TLS is the server there, also over a layer in between."""
    s, port = server(local)
    p = local.start("-", f"TLS(cert={zoo / 'server.pem'},verify=0)+TLS(cert={zoo / 'wrong-name.pem'},verify=0)+SOCKS5-LISTEN(to=10.1.2.3:80)+TCP:{LOOP}:{port}")
    c = play(s, LAYERS[-1][1])
    outer = local.start("-", f"TLS(cafile={zoo / 'ca.crt'},commonname=localhost)+TLS(cafile={zoo / 'ca.crt'},commonname=elsewhere.test)+FD:{c.fileno()}", pass_fds=[c.fileno()])
    c.close()
    outer.send(b"hello")
    p.expect_output(b"hello", 10)
    p.send(b"and back")
    outer.expect_output(b"and back", 10)
    outer.close_stdin()
    p.close_stdin()
    assert outer.wait(10).status == p.wait(10).status == 0, (outer, p)


@pytest.mark.parametrize("n", [1, 10_000, 65_536])
@pytest.mark.parametrize("layer,dialogue", [LAYERS[0], LAYERS[6]], ids=["http", "socks"])
def test_proxy_by_tls(local, zoo, fast, layer, dialogue, n):
    """The proxy itself is reached by TLS: what it sends with its answer is plain text, not TLS."""
    s, port, context = python_server(local, zoo)
    p = local.start("-", f"{layer}+TLS(cafile={zoo / 'ca.crt'})+TCP:localhost:{port}")
    c = context.wrap_socket(accept(s)[0], server_side=True)
    data = BIG[:n]
    for want, answer in glue(dialogue, data):
        assert take(c, len(want)) == want
        c.sendall(answer)
    p.expect_output(n)
    c.sendall(BIG)  # one direction after the other: a TLS object of the test serves one thread
    p.expect_output(n + len(BIG), 20)
    got = []
    there = threading.Thread(target=lambda: got.append(read_all(c)))
    there.start()
    p.send(BIG)
    p.close_stdin()
    there.join(20)
    assert got == [BIG]
    with contextlib.suppress(OSError):
        c.unwrap()
    c.close()
    assert p.wait().status == 0 and p.out == data + BIG, p


@pytest.mark.parametrize("to,cert,ok", [("localhost", "server", True), ("localhost", "wrong-name", False), ("elsewhere.test", "wrong-name", True),
                                        ("127.0.0.1", "server", True), ("elsewhere.test", "server", False)])
@pytest.mark.parametrize("preset", [False, True])
def test_tls_verifies_the_target(local, zoo, to, cert, ok, preset):
    """Not the proxy: its target is named in the greeting and has to be in the certificate."""
    s, port, context = python_server(local, zoo, cert)
    names = []
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    below = f"PROXY:{LOOP}:{to}:443,proxyport={port}" if preset else f"PROXY(to={to}:443)+TCP:{LOOP}:{port}"
    p = local.start("-d", "-d", "-", f"TLS(cafile={zoo / 'ca.crt'})+{below}")
    c = play(s, [(b"CONNECT %s:443 HTTP/1.0\r\n\r\n" % to.encode(), OK)])
    with contextlib.suppress(OSError):
        c = context.wrap_socket(c, server_side=True)
        c.sendall(b"hello")
    if ok:
        p.expect_output(b"hello")
    c.close()
    p.close_stdin()
    r = p.wait()
    assert (r.out == b"hello") == ok and names == [to if to != LOOP else None], r
    assert not ok or f" on TCP: connected to {to}:443, TLSv1.3, " in r.log or preset and f" on PROXY: connected to {to}:443, " in r.log, r


# ---------------------------------------------------------------- what goes wrong

def test_time_limit(local):
    """proxy-timeout behind the comma is the layer's; a proxy below a proxy has its own."""
    s, port = server(local)
    p = local.start("-", f"SOCKS5(to=10.1.2.3:80,proxy-timeout=0.3)+PROXY(to=h.test:443,proxy-timeout=20)+TCP:{LOOP}:{port}")
    c = play(s, [(GO, OK), (HELLO[0], b"")])
    r = p.wait(3)
    assert r.status == 1 and "] E no complete SOCKS5 server hello within 0.3 seconds (option proxy-timeout)\n" in r.log, r
    c.close()


def test_retry(local):
    """A refusal begins everything anew, from the look-ups on."""
    s, port = server(local)
    p = local.start("-d", "-d", "-", f"SOCKS4(to=localhost:80,socksuser=u)+TCP:{LOOP}:{port},retry=1,interval=0.1")
    ask = b"\4\1\0\x50\x7f\0\0\1u\0"
    play(s, [(ask, b"\0\x5b" + bytes(6))]).close()
    c = play(s, [(ask, OK4 + b"second")])
    p.expect_output(b"second")
    assert "N socks: connect request rejected or failed" in p.log and " E " not in p.log, p
    c.close()


def test_fork(local):
    s, port = server(local)
    local.start(f"SOCKS5(to=10.1.2.3:80)+TCP:{LOOP}:{port},fork,interval=0.05,max-children=2", "PIPE")
    a, b = play(s, GO5), play(s, GO5)
    for c in (a, b):
        c.sendall(b"echo")
        assert take(c, 4) == b"echo"
        c.close()


def test_a_program_that_ends(local):
    r = local.run("-", "SOCKS5(to=10.1.2.3:80)+EXEC:true")
    assert r.status == 1 and "peer might not be a SOCKS5 server" in r.log or "Broken pipe" in r.log or "reset" in r.log, r


@pytest.mark.parametrize("address,text", [
    ("SOCKS5+TCP:a:1", "SOCKS5 has no target: SOCKS5(to=HOST:PORT)+..."),
    ("proxy+UNIX:/x", "proxy has no target: proxy(to=HOST:PORT)+..."),
    ("PROXY(to=a)+TCP:a:1", 'option to: "a" is not HOST:PORT'),
    ("PROXY(to=a:)+TCP:a:1", 'option to: "a:" is not HOST:PORT'),
    ("PROXY(to=:1)+TCP:a:1", 'option to: ":1" is not HOST:PORT'),
    ("PROXY(to=[::1])+TCP:a:1", 'option to: "[::1]" is not HOST:PORT'),
    ("PROXY(to=[::1]x:1)+TCP:a:1", 'option to: "[::1]x:1" is not HOST:PORT'),
    ("PROXY(to=::1:80)+TCP:a:1", "IPv6 addresses stand in brackets"),
    ("PROXY(to=a:80x)+TCP:a:1", 'parseport("80x", 6): extra trailing data "x"'),
    ("PROXY(to=a:nosvc)+TCP:a:1", 'cannot resolve service "nosvc/6"'),
    ("SOCKS5(to=a:0)+TCP:a:1", "SOCKS5: nobody can be connected at port 0"),
    ("SOCKS5(to=a:1,socksport=1)+TCP:a:1", "SOCKS5: the port of the server is given where it is connected"),
    ("SOCKS5:a:b:1,to=c:1", "SOCKS5: the target is given twice"),
    ("SOCKS5(to=a:1)+TCP-LISTEN:1", "SOCKS5+TCP-LISTEN: SOCKS5 has no server side"),
    ("SOCKS5(to=a:1)+UDP4:127.0.0.1:1", "SOCKS5 needs a stream, and UDP4 gives datagrams"),
    (r"PROXY(to=a\r\nb:1)+TCP:a:1", "the name of the target contains a blank or a control character"),
    ("SOCKS4(to=nohost.invalid:80)+TCP:127.0.0.1:1", 'xioresolve(node="nohost.invalid", pf=2, ...): '),
])
def test_wrong(local, address, text):
    r = local.run("-", address)
    assert r.status != 0 and text in r.log.replace("parseopts_table(): ", ""), r
