"""SOCKS4, SOCKS4A and PROXY beside the reference: the same command line against a server of the test.

Compared are every byte of the request, what is delivered both ways, and the exit status; of
refusals, the reason, which some versions of the reference give as a warning (with status 255)."""
import os
import re

import pytest

import lab
from test_tcp import accept, read_all, server

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK), reason=f"no reference program {lab.SOCAT_REF} (set SOCAT_REF)")

BOTH = [lab.SOCAST, lab.SOCAT_REF]
OK4 = bytes([0, 90, 0, 0, 0, 0, 0, 0])
OK = b"HTTP/1.0 200 Connection established\r\n\r\n"
ENV = {"LOGNAME": "somebody"}


def request(c, end, some):
    """What comes until @end (or @some bytes)."""
    data = b""
    while not (end and data.endswith(end)) and len(data) < some:
        part = c.recv(1)
        if not part:
            break
        data += part
    return data


def session(local, prog, address, end, some, answer):
    """The request, what arrives at the server behind it, what is delivered, the status, the records."""
    s, port = server(local)
    p = local.start("-t", "3", "-", address.replace("{p}", str(port)), prog=prog, env=ENV)
    c, _ = accept(s)
    asked = request(c, end, some)
    c.sendall(answer)
    if answer.startswith((OK4[:2], b"HTTP/1.0 200", b"HTTP/1.1 200")):
        p.send(b"from the program")
        p.close_stdin()
        there = read_all(c)
        c.sendall(b" and back")
    else:
        there = b""
    c.close()
    s.close()
    r = p.wait()
    return (asked, there, r.out), r


SOCKS = [
    ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport={p},socksuser=joe", 12), ("SOCKS:127.0.0.1:localhost:80,socksport={p},socksuser=joe", 12),
    ("socks4:127.0.0.1:10.1.2.3:http,socksport={p}", 17), ("SOCKS4:127.0.0.1:10.1.2.3:0x1F90,socksport={p}", 17),
    ("SOCKS4:127.0.0.1:10.1.2.3:010,socksport={p},socksuser=", 9), ("SOCKS4A:127.0.0.1:www.example.test:80,socksport={p},socksuser=joe", 29),
    ("SOCKS4A:127.0.0.1:10.1.2.3:443,socksport={p}", 26), ("SOCKS4A:localhost:x:80,socksport={p},bind=127.0.0.9", 19),
    ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport={p},nodelay,crnl", 17),
]
PROXY = [
    "PROXY:127.0.0.1:www.example.test:443,proxyport={p}", "PROXY:127.0.0.1:10.1.2.3:https,proxyport={p}", "proxy-connect:localhost:x:0x50,proxyport={p}",
    "PROXY:127.0.0.1:x:80,proxyport={p},proxyauth=joe:secret", "PROXY:127.0.0.1:x:80,proxyport={p},proxy-authorization=joe:",
    "PROXY:127.0.0.1:localhost:80,proxyport={p},resolve", "PROXY:127.0.0.1:x:80,proxyport={p},bind=127.0.0.9,retry=2",
    "PROXY:127.0.0.1:[2001:db8::1]:80,proxyport={p}",
]


@pytest.mark.parametrize("glued", [b"", b"glued"])
@pytest.mark.parametrize("address,some", SOCKS, ids=lambda v: v if isinstance(v, str) else "")
def test_socks(local, address, some, glued):
    ours, ref = (session(local, prog, address, None, some, OK4 + glued) for prog in BOTH)
    assert ours[0] == ref[0] and ours[1].status == ref[1].status == 0


@pytest.mark.parametrize("answer", [OK, OK + b"glued", b"HTTP/1.1 200 OK\r\nVia: x\r\nA: b\r\n\r\n"])
@pytest.mark.parametrize("address", PROXY)
def test_proxy(local, address, answer):
    ours, ref = (session(local, prog, address, b"\r\n\r\n", 9999, answer) for prog in BOTH)
    assert ours[0] == ref[0] and ours[1].status == ref[1].status == 0


def test_proxy_bare_newlines(local):
    address = PROXY[0] + ",ignorecr"
    ours, ref = (session(local, prog, address, b"\r\n\r\n", 9999, b"HTTP/1.0 200 OK\nA: b\n\n") for prog in BOTH)
    assert ours[0] == ref[0]


REFUSALS = [
    ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport={p},socksuser=joe", 12, b"\0\x5b" + bytes(6)), ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport={p},socksuser=joe", 12, b"\0\x5c" + bytes(6)),
    ("SOCKS4A:127.0.0.1:x:80,socksport={p},socksuser=joe", 14, b"\0\x5d" + bytes(6)), ("SOCKS4A:127.0.0.1:x:80,socksport={p},socksuser=joe", 14, b"\0"),
    ("PROXY:127.0.0.1:x:80,proxyport={p}", 9999, b"HTTP/1.0 403 Forbidden by rule\r\n\r\n"), ("PROXY:127.0.0.1:x:80,proxyport={p}", 9999, b"HTTP/1.0 407 No\r\n\r\n"),
    ("PROXY:127.0.0.1:x:80,proxyport={p}", 9999, b"garbage\r\n\r\n"),
]


@pytest.mark.parametrize("address,some,answer", REFUSALS, ids=lambda v: "")
def test_refusals(local, address, some, answer):
    """The sentence that the reference warns with is the error's."""
    ours, ref = (session(local, prog, address, b"\r\n\r\n", some, answer) for prog in BOTH)
    assert ours[0] == ref[0] and ours[1].status == 1 and ref[1].status in (1, 255)
    warned = re.findall(r"\] [WE] (.*)", ref[1].log)
    error = re.findall(r"\] E (.*)", ours[1].log)
    assert len(error) == 1 and error[0] in warned, (ours[1], ref[1])


@pytest.mark.parametrize("address", ["SOCKS4:127.0.0.1:10.1.2.3:80,socksport=1", "SOCKS4A:127.0.0.1:x:80,socksport=1", "PROXY:127.0.0.1:x:80,proxyport=1",
                                     "SOCKS4:127.0.0.1:10.1.2.3:80x,socksport=1", "PROXY:127.0.0.1:x:80,proxyport=1,nosuchoption"])
def test_wrong(local, address):
    said = []
    for prog in BOTH:
        r = local.run("-", address, prog=prog)
        said.append((r.status, re.findall(r"\] E (.*)", r.log)[-1].split(": ")[-1].split(";")[0]))
    assert said[0] == said[1]
