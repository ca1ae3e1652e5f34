"""PROXY: scripted HTTP proxies, byte by byte, hostile ones, and tinyproxy."""
import contextlib
import os
import re
import socket
import struct
import threading
import time

import pytest

import lab
from proxies import both_ways, echo, fan, microsocks, play, relays, take, tinyproxy
from test_tcp import BIG, LOOP, accept, connect, reset, server

GO = b"CONNECT www.example.test:443 HTTP/1.0\r\n\r\n"
OK = b"HTTP/1.0 200 Connection established\r\n\r\n"
AUTH = b"Proxy-authorization: Basic am9lOnNlY3JldA==\r\n"

# address, request, answer
DIALOGUES = [
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p}", GO, OK),
    ("proxy-connect:[::1]:www.example.test:https,proxyport={p}", GO, OK),
    ("PROXY:127.0.0.1:[2001:db8::1]:0x50,proxyport={p}", b"CONNECT [2001:db8::1]:80 HTTP/1.0\r\n\r\n", OK),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p},http-version=1.1", GO.replace(b"1.0\r\n", b"1.1\r\nHost: www.example.test:443\r\n"), OK.replace(b"1.0", b"1.1")),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p},proxyauth=joe:secret", GO[:-2] + AUTH + b"\r\n", OK),
    ("PROXY:127.0.0.1:localhost:443,proxyport={p},resolve", b"CONNECT 127.0.0.1:443 HTTP/1.0\r\n\r\n", OK),
    ("PROXY:127.0.0.1:nohost.invalid:443,proxyport={p},proxy-resolve", b"CONNECT nohost.invalid:443 HTTP/1.0\r\n\r\n", OK),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p}", GO, b"HTTP/1.1 204 \r\nVia: x\r\nDate: y\r\n\r\n"),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p}", GO, b"HTTP/1.1 200\r\n" + b"x" * 2046 + b"\r\n\r\n"),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p}", GO, b"HTTP/1.0   200 OK\r\n\r\n"),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p},ignorecr", GO, b"HTTP/1.0 200 OK\nA: b\n\n"),
    ("PROXY:127.0.0.1:www.example.test:443,proxyport={p},ignorecr", GO, b"HTTP/1.0 200 OK\r\nA: b\n\r\n"),
]


@pytest.mark.parametrize("address,request_,answer", DIALOGUES, ids=lambda v: v if isinstance(v, str) else "")
def test_dialogue(local, fast, address, request_, answer):
    """The request is as it must be; what stands right behind the head belongs to the stream."""
    s, port = server(local, "::1" if "[::1]:www" in address else LOOP)
    p = local.start("-", address.format(p=port))
    c = play(s, [(request_, answer + b"\r\nglued\n\n")])
    p.expect_output(b"\r\nglued\n\n")
    both_ways(p, c)
    assert p.out == b"\r\nglued\n\n" + BIG


def test_answer_in_pieces(local):
    s, port = server(local)
    p = local.start("-", DIALOGUES[0][0].format(p=port))
    c = play(s, [(GO, b"")])
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in OK + b"data":
        c.sendall(bytes([byte]))
        lab.pump(0.003)
    p.expect_output(b"data")
    c.close()
    p.close_stdin()
    assert p.wait().status == 0 and p.out == b"data"


@pytest.mark.parametrize("n", [1, 10_000, 65_536])
def test_payload_right_behind_the_head(local, fast, n):
    """What the proxy sends together with its answer is the session's, and then the kernel moves the rest."""
    data = os.urandom(n)
    s, port = server(local)
    p = local.start("-d", "-d", "-d", "-", DIALOGUES[0][0].format(p=port))
    c = play(s, [(GO, OK + data)])
    p.expect_output(n)
    both_ways(p, c)
    assert p.out == data + BIG
    last = dict(re.findall(r"moving from (\d+) to \d+ by (\w+)", p.log))
    assert len(last) == 2 and set(last.values()) == {"splicing" if fast else "copying"}, p


def test_answer_and_payload_byte_by_byte(local, fast):
    s, port = server(local)
    p = local.start("-d", "-d", "-d", "-", DIALOGUES[0][0].format(p=port))
    c = play(s, [(GO, b"")])
    for byte in OK + b"data":
        c.sendall(bytes([byte]))
        lab.pump(0.002)
    p.expect_output(b"data")
    both_ways(p, c)
    assert p.out == b"data" + BIG and p.log.count("by splicing") == (2 if fast else 0), p


def test_a_shared_proxy_speaks_first(local):
    """A left address that all sessions share: what came with the answer goes to the first one."""
    s, port = server(local)
    front = lab.port()
    p = local.start("-d", "-d", DIALOGUES[0][0].format(p=port), f"TCP4-LISTEN:{front},fork")
    c = play(s, [(GO, OK + b"hello")])
    p.wait_log("listening on")
    with connect(local, front) as first:
        assert take(first, 5) == b"hello"
        first.sendall(b"there")
        assert take(c, 5) == b"there"
    c.close()


def test_nofork_behind_a_proxy_that_speaks_first(local):
    """The program gets the descriptor: what has been read cannot be given back to that."""
    s, port = server(local)
    p = local.start(DIALOGUES[0][0].format(p=port), "EXEC:cat,nofork")
    play(s, [(GO, OK + b"hello")])
    r = p.wait()
    assert r.status == 1 and "E option nofork: what came right behind the answer of the proxy" in r.log, r


def test_short_reads_and_writes(local, chaos):
    """The kernel takes and gives any part of what is asked for."""
    s, port = server(local)
    p = local.start("-", DIALOGUES[4][0].format(p=port))
    c = play(s, [(DIALOGUES[4][1], OK[:-2] + b"X: y\r\n" * 100 + b"\r\nglued")])
    p.expect_output(b"glued")
    both_ways(p, c)
    assert p.out == b"glued" + BIG


def test_records(local):
    """What the log tells; the password is not in it."""
    s, port = server(local)
    p = local.start("-d", "-d", "-d", "-", f"PROXY:{LOOP}:www.example.test:443,proxyport={port},proxyauth=joe:secret")
    c = play(s, [(GO[:-2] + AUTH + b"\r\n", OK[:-2] + b"X: \033[31my\r\n\r\n")])
    p.wait_log("starting data transfer loop")
    for line in (f"N opening connection to www.example.test:443 via proxy {LOOP}:{port}", f"N opening connection to proxy {LOOP}:{port}",
                 r'I sending "CONNECT www.example.test:443 HTTP/1.0\r\n"',
                 r'I proxy_connect: received answer "HTTP/1.0 200 Connection established\r\n"', r'I proxy_connect: received header "X: ?[31my\r\n"',
                 f"N successfully connected to www.example.test:443 via proxy {LOOP}:{port}"):
        assert line in p.log, p
    assert "am9lOnNlY3JldA" not in p.log and "secret" not in p.log
    assert 'I setting option "proxy-authorization" to "***"' in p.log
    c.close()


@pytest.mark.parametrize("text", [b"joe:secret", b"joe:secret\n", b"joe:secret\r\n"])
def test_password_file(local, tmp_path, text):
    """proxy-authorization-file: the end of its line is no part of the password."""
    path = tmp_path / "auth"
    path.write_bytes(text)
    path.chmod(0o600)
    s, port = server(local)
    p = local.start("-", f"PROXY:{LOOP}:www.example.test:443,proxyport={port},proxyauthfile={path}")
    c = play(s, [(GO[:-2] + AUTH + b"\r\n", OK)])
    assert "can be read by everybody" not in p.log
    c.close()


def test_password_file_for_everybody(local, tmp_path):
    path = tmp_path / "auth"
    path.write_bytes(b"joe:secret\n")
    path.chmod(0o644)
    r = local.run("-", f"PROXY:{LOOP}:x:443,proxyport=1,proxyauthfile={path}")
    assert f'W file "{path}" with the password for the proxy can be read by everybody; try: chmod o-r' in r.log, r


@pytest.mark.parametrize("text,why", [(None, 'open("{path}", O_RDONLY): No such file or directory'), (b"x\0y", "does not hold one line"),
                                      (b"a\nb\n", "does not hold one line"), (b"x" * 5000, "does not hold one line")])
def test_bad_password_file(local, tmp_path, text, why):
    path = tmp_path / "auth"
    if text is not None:
        path.write_bytes(text)
        path.chmod(0o600)
    r = local.run("-", f"PROXY:{LOOP}:x:443,proxyport=1,proxy-authorization-file={path}")
    assert r.status == 1 and "] E " in r.log and why.format(path=path) in r.log and "connect" not in r.log, r


FAILURES = [
    (b"HTTP/1.0 403 Forbidden by rule\r\n\r\n", "CONNECT www.example.test:443: Forbidden by rule"),
    (b"HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\nbody", "CONNECT www.example.test:443: Proxy Authentication Required"),
    (b"HTTP/1.1 500\r\n", "CONNECT www.example.test:443: status 500"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", "CONNECT www.example.test:443: Continue"),
    (b"HTTP/1.0 403 \xc2\x9b31mred\x9b\r\n\r\n", r"CONNECT www.example.test:443: \xC2\x9B31mred\x9B"),
    (b"garbage\r\n", 'proxy: invalid answer "garbage"'),
    (b"\033]0;x\a\r\n", 'proxy: invalid answer "?]0;x?"'),
    (b"HTTP/2 200 OK\r\n", 'proxy: invalid answer "HTTP/2 200 OK"'),
    (b"HTTP/1.0 2000 OK\r\n", 'proxy: invalid answer "HTTP/1.0 2000 OK"'),
    (b"\r\n", 'proxy: invalid answer ""'),
    (b"", "proxy_connect: connection closed by proxy"),
    (b"HTTP/1.0 2", "proxy_connect: connection closed by proxy"),
    (OK[:-2], "proxy_connect: connection closed by proxy"),
    (OK[:-2] + b"Content-Length: 99999999999\r\n", "proxy_connect: connection closed by proxy"),
    (OK.replace(b"\r", b""), "proxy: a line of the answer ends with a bare newline (see option ignorecr)"),
    (b"x" * 100000, "proxy answer exceeds 2048 bytes, aborting"),
    (OK[:-2] + b"y" * 3000 + b"\r\n\r\n", "proxy answer exceeds 2048 bytes, aborting"),
    (OK[:-2] + b"z: \r\n" * 30000, "proxy answer exceeds 65536 bytes, aborting"),
    (bytes(5000), "proxy answer exceeds 2048 bytes, aborting"),
]


@pytest.mark.parametrize("answer,text", FAILURES, ids=range(len(FAILURES)))
def test_failure(local, answer, text):
    """Whatever the proxy answers instead: one error, status 1, nothing to the other side."""
    s, port = server(local)
    p = local.start("-", DIALOGUES[0][0].format(p=port))
    c, _ = accept(s)
    assert take(c, len(GO)) == GO
    with contextlib.suppress(OSError):  # it may hang up
        c.sendall(answer)
        c.shutdown(socket.SHUT_WR)
    r = p.wait()
    assert r.status == 1 and r.out == b"" and r.log.count(" E ") == 1 and f"] E {text}\n" in r.log, r
    c.close()


def test_reset(local):
    s, port = server(local)
    p = local.start("-", DIALOGUES[0][0].format(p=port))
    c, _ = accept(s)
    take(c, len(GO))
    reset(c)
    r = p.wait()
    assert r.status == 1 and "Connection reset by peer" in r.log, r


@pytest.mark.parametrize("drip", [b"", OK[:12]])
def test_time_limit(local, drip):
    """proxy-timeout: a proxy that is silent, or talks slowly, is given up."""
    s, port = server(local)
    p = local.start("-", DIALOGUES[0][0].format(p=port) + ",proxy-timeout=0.5")
    c, _ = accept(s)
    with contextlib.suppress(OSError):
        for byte in drip:
            c.sendall(bytes([byte]))
            lab.pump(0.1)
    r = p.wait(3)
    assert r.status == 1 and "] E no complete answer from proxy within 0.5 seconds (option proxy-timeout)\n" in r.log, r
    c.close()


def test_waiting_costs_nothing(local):
    """Half an answer does not make the program spin."""
    s, port = server(local)
    p = local.start("-", DIALOGUES[0][0].format(p=port))
    c = play(s, [(GO, OK[:-3])])
    lab.rest(1)
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    assert ticks < os.sysconf("SC_CLK_TCK") / 4
    c.close()


def test_retry(local):
    s, port = server(local)
    p = local.start("-d", "-d", "-", DIALOGUES[0][0].format(p=port) + ",retry=1,interval=0.1")
    play(s, [(GO, b"HTTP/1.0 503 Busy\r\n\r\n")]).close()
    c = play(s, [(GO, OK + b"second")])
    p.expect_output(b"second")
    assert "N CONNECT www.example.test:443: Busy" in p.log and " E " not in p.log
    c.close()


@pytest.mark.parametrize("address,text", [
    ("PROXY:127.0.0.1:x:80,proxyport=1", "PROXY:127.0.0.1:...,proxyport=1: Connection refused"),
    ("proxy-connect:127.0.0.1:x:80", "proxy-connect:127.0.0.1:...,proxyport=8080: Connection refused"),
    ("PROXY:127.0.0.1:x", "PROXY: wrong number of parameters (2 instead of 3): usage: PROXY:<proxy-server>:<host>:<port>"),
    ("PROXY:127.0.0.1:x:80y", 'parseport("80y", 6): extra trailing data "y"'),
    ("PROXY:127.0.0.1:x:nosvc", 'cannot resolve service "nosvc/6"'),
    ("PROXY:127.0.0.1:x:80,proxyport=99999", "port 99999 is out of range 0..65535"),
    ("PROXY:127.0.0.1:x:80,proxyauth=a:b,proxyauthfile=/dev/null", "Only one of options proxy-authorization and proxy-authorization-file allowed"),
    ("PROXY:127.0.0.1::80", "the name of the target is empty"),
    (r"PROXY:127.0.0.1:x\r\ny:80", "the name of the target contains a blank or a control character"),
    (r"PROXY:127.0.0.1:x:80,http-version=1.0\r\nA\: b", "option http-version contains a blank or a control character"),
    ("PROXY:127.0.0.1:x:80,socksport=1", 'option "socksport" not supported with this address type'),
])
def test_wrong(local, address, text):
    r = local.run("-", address)
    assert r.status == 1 and f"] E {text}" in r.log.replace("parseopts_table(): ", ""), r


# ---------------------------------------------------------------- a real proxy

def test_tinyproxy(local, fast, tmp_path):
    r = relays(local, f"PROXY:{LOOP}:localhost:{echo(local)},proxyport={tinyproxy(local, tmp_path)}")
    assert r.log.count("by splicing") == (2 if fast else 0), r


def test_tinyproxy_with_password(local, fast, tmp_path):
    port, target = tinyproxy(local, tmp_path, "BasicAuth joe secret"), echo(local)
    relays(local, f"PROXY:{LOOP}:{LOOP}:{target},proxyport={port},proxyauth=joe:secret")
    r = local.run("-", f"PROXY:{LOOP}:{LOOP}:{target},proxyport={port},proxyauth=joe:wrong")
    assert r.status == 1 and f"] E CONNECT {LOOP}:{target}: " in r.log, r


def test_tinyproxy_two_hundred(local, fast, tmp_path):
    fan(local, f"PROXY:{LOOP}:{LOOP}:{echo(local)},proxyport={tinyproxy(local, tmp_path)}")


HINT = "shut-none"


def slow_server(local):
    """Answers in upper case after a while, once; its port."""
    s, port = server(local)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                c, _ = s.accept()
                data = c.recv(100)
                time.sleep(0.5)
                c.sendall(data.upper())
                c.close()
    threading.Thread(target=serve, daemon=True).start()
    return port


@pytest.mark.parametrize("kind", ["http", "socks"])
def test_proxy_without_half_close(local, tmp_path, kind):
    """Servers in between that take our end of input for the end of the connection: the answer is lost, which
    classic does not say; with shut-none it comes."""
    target = slow_server(local)
    address = f"PROXY:{LOOP}:{LOOP}:{target},proxyport={tinyproxy(local, tmp_path)}" if kind == "http" else \
        f"SOCKS5:{LOOP}:{microsocks(local)}:{LOOP}:{target}"
    r = local.run("-t", "3", "-", address, input=b"hello\n")
    assert (r.status, r.out) == (0, b"") and len(re.findall(f" W the proxy has ended .*{HINT}", r.log)) == 1, r
    r = local.run("-t", "3", "-", address + ",shut-none", input=b"hello\n")
    assert r.out == b"HELLO\n" and HINT not in r.log, r


@pytest.mark.parametrize("how", ["answered", "one way", "shut-none", "reset"])
def test_when_a_proxy_is_not_blamed(local, how):
    """Something came, nothing was expected, or nothing was told; a reset without an answer is blamed too."""
    s, port = server(local)
    flags = ["-u"] if how == "one way" else ["-t", "3"]
    p = local.start(*flags, "-", f"PROXY:{LOOP}:host:7,proxyport={port}" + (",shut-none" if how == "shut-none" else ""))
    c = play(s, [(b"CONNECT host:7 HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n")])
    p.send("hello\n")
    p.close_stdin()
    assert take(c, 6) == b"hello\n"
    if how == "answered":
        c.sendall(b"hi")
    if how == "reset":
        assert c.recv(1) == b""
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    p.wait()
    assert (HINT in p.log) == (how == "reset"), p
