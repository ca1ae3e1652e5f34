"""SOCKS4, SOCKS4A, SOCKS5-CONNECT, SOCKS5-LISTEN: scripted servers, byte by byte, and real ones."""
import contextlib
import socket

import pytest

import lab
from proxies import both_ways, danted, echo, fan, microsocks, play, relays, ssh, take
from test_tcp import BIG, LOOP, accept, connect, read_all, reset, server

OK4 = bytes([0, 90, 0, 0, 0, 0, 0, 0])
OK5 = bytes([5, 0, 0, 1, 127, 0, 0, 1, 31, 144])
HELLO, NAMED = (b"\5\1\0", b"\5\0"), b"\5\2\0\2"
GO5 = [HELLO, (b"\5\1\0\1\n\1\2\3\0\x50", OK5)]

# address, what must come and what is answered
DIALOGUES = [
    ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport={p},socksuser=joe", [(b"\4\1\0\x50\n\1\2\3joe\0", OK4)]),
    ("SOCKS:127.0.0.1:localhost:0x1F90,socksport={p},socksuser=", [(b"\4\1\x1f\x90\x7f\0\0\1\0", OK4)]),
    ("socks4:127.0.0.1:10.1.2.3:http,socksport={p}", [(b"\4\1\0\x50\n\1\2\3logname\0", OK4)]),
    ("SOCKS4A:127.0.0.1:www.example.test:80,socksport={p},socksuser=joe", [(b"\4\1\0\x50\0\0\0\1joe\0www.example.test\0", OK4)]),
    ("SOCKS4A:[::1]:10.1.2.3:010,socksport={p}", [(b"\4\1\0\x08\0\0\0\1logname\x0010.1.2.3\0", OK4)]),
    ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport={p}", [(b"\4\1\0\x50\n\1\2\3logname\0", b"\4" + OK4[1:])]),
    ("SOCKS5-CONNECT:127.0.0.1:{p}:10.1.2.3:80", GO5),
    ("SOCKS5:127.0.0.1:10.1.2.3:80,socksport={p}", GO5),
    ("socks5:127.0.0.1:1:10.1.2.3:http,socksport={p}", GO5),
    ("SOCKS5:127.0.0.1:{p}:www.example.test:443", [HELLO, (b"\5\1\0\3\x10www.example.test\1\xbb", b"\5\0\0\3\3abc\0\1")]),
    ("SOCKS5:127.0.0.1:{p}:[2001:db8::1]:80", [HELLO, (b"\5\1\0\4" + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + b"\0\x50", b"\5\0\0\4" + bytes(18))]),
    (r"SOCKS5:127.0.0.1:{p}:2001\:db8\:\:1:80", [HELLO, (b"\5\1\0\4" + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + b"\0\x50", OK5)]),
    ("SOCKS5:127.0.0.1:{p}:10.1.2.3:80,socksuser=joe,sockspass=secret",
     [(NAMED, b"\5\2"), (b"\1\3joe\6secret", b"\1\0"), GO5[1]]),
    ("SOCKS5:127.0.0.1:{p}:10.1.2.3:80,socksuser=joe,sockspass=secret", [(NAMED, b"\5\0"), GO5[1]]),
    ("SOCKS5:127.0.0.1:{p}:10.1.2.3:80,socksuser=joe", [(NAMED, b"\5\2"), (b"\1\3joe\0", b"\1\0"), GO5[1]]),
    ("SOCKS5:127.0.0.1:{p}:10.1.2.3:80,sockspass=secret", [(NAMED, b"\5\2"), (b"\1\x09anonymous\6secret", b"\1\0"), GO5[1]]),
    ("SOCKS5-LISTEN:127.0.0.1:{p}:10.1.2.3:80", [HELLO, (b"\5\2\0\1\n\1\2\3\0\x50", OK5), (b"", OK5)]),
    ("SOCKS5-BIND:127.0.0.1:10.1.2.3:0,socksport={p}", [HELLO, (b"\5\2\0\1\n\1\2\3\0\0", b"\5\0\0\3\3abc\0\1"), (b"", b"\5\0\0\4" + bytes(18))]),
]
ENV = {"LOGNAME": "logname"}


@pytest.mark.parametrize("address,dialogue", DIALOGUES, ids=lambda v: v if isinstance(v, str) else "")
def test_dialogue(local, fast, address, dialogue):
    """The bytes are those of the protocol; what stands right behind the answer belongs to the stream."""
    s, port = server(local, "::1" if "[::1]" in address else LOOP)
    p = local.start("-", address.format(p=port), env=ENV)
    last, answer = dialogue[-1]
    c = play(s, [*dialogue[:-1], (last, answer + b"glued")])
    p.expect_output(b"glued")
    both_ways(p, c)
    assert p.out == b"glued" + BIG


@pytest.mark.parametrize("address,dialogue", [DIALOGUES[0], DIALOGUES[3], DIALOGUES[12], DIALOGUES[16]], ids=["4", "4a", "5", "bind"])
def test_answers_in_pieces(local, address, dialogue):
    """A byte at a time means the same."""
    s, port = server(local)
    p = local.start("-d", "-d", "-", address.format(p=port), env=ENV)
    c, _ = accept(s)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for want, answer in dialogue:
        assert take(c, len(want)) == want
        for byte in answer:
            c.sendall(bytes([byte]))
            lab.pump(0.005)
    c.sendall(b"data")
    p.expect_output(b"data")
    c.close()
    p.close_stdin()
    assert p.wait().status == 0


@pytest.mark.parametrize("address,dialogue", [DIALOGUES[0], DIALOGUES[9], DIALOGUES[12], DIALOGUES[17]], ids=["4", "5", "password", "bind"])
def test_short_reads_and_writes(local, chaos, address, dialogue):
    """The kernel takes and gives any part of what is asked for."""
    s, port = server(local)
    p = local.start("-", address.format(p=port))
    last, answer = dialogue[-1]
    c = play(s, [*dialogue[:-1], (last, answer + b"glued")])
    p.expect_output(b"glued")
    both_ways(p, c)
    assert p.out == b"glued" + BIG


def test_records(local):
    """What the log tells, and that the password is not in it."""
    s, port = server(local)
    p = local.start("-d", "-d", "-d", "-", f"SOCKS5:{LOOP}:{port}:www.example.test:443,socksuser=joe,sockspass=secret")
    c = play(s, [(NAMED, b"\5\2"), (b"\1\3joe\6secret", b"\1\0"), (b"\5\1\0\3\x10www.example.test\1\xbb", OK5)])
    p.wait_log("starting data transfer loop")
    for line in (f"N opening connection to www.example.test:443 via socks5 server {LOOP}:{port}",
                 f"N opening connection to socks5 server {LOOP}:{port}", f"N opening connection to AF=2 {LOOP}:{port}",
                 "N SOCKS5 authentication succeeded", f"N successfully connected to www.example.test:443 via socks5 server {LOOP}:{port}"):
        assert line in p.log, p
    assert "secret" not in p.log
    c.close()


def test_bind_tells_where(local):
    """SOCKS5-LISTEN: the address to give to the peer is a record; the wait for it has no limit."""
    s, port = server(local)
    p = local.start("-d", "-d", "-", f"SOCKS5-LISTEN:{LOOP}:{port}:10.1.2.3:80,proxy-timeout=0.2")
    c = play(s, [HELLO, (b"\5\2\0\1\n\1\2\3\0\x50", OK5)])
    p.wait_log("N SOCKS5 server listens on AF=2 127.0.0.1:8080")
    p.wait_log("N listening on remote host, waiting for connection")
    lab.rest(0.5)
    assert not p.ended()
    c.sendall(OK5 + b"caller")
    p.wait_log("N received connection on remote host")
    p.expect_output(b"caller")
    c.close()


EOF5 = "read(): EOF during read of SOCKS5 "
FAILURES = [
    ("SOCKS4", [(b"\4\1\0\x50\n\1\2\3u\0", b"\0\x5b" + bytes(6))], "socks: connect request rejected or failed"),
    ("SOCKS4", [(b"\4\1\0\x50\n\1\2\3u\0", b"\0\x5c" + bytes(6))], "socks: ident refused by client"),
    ("SOCKS4", [(b"\4\1\0\x50\n\1\2\3u\0", b"\0\x5d" + bytes(6))], "socks: ident failed"),
    ("SOCKS4", [(b"\4\1\0\x50\n\1\2\3u\0", b"\0\x63" + bytes(6))], "socks: undefined status 99"),
    ("SOCKS4", [(b"\4\1\0\x50\n\1\2\3u\0", b"\0\x5a\0")], "read(): EOF during read of socks reply, peer might not be a socks4 server"),
    ("SOCKS4", [], "read(): EOF during read of socks reply, peer might not be a socks4 server"),
    ("SOCKS5", [(HELLO[0], b"\5\xff")], "SOCKS5 authentication negotiation failed - client & server have no common supported methods"),
    ("SOCKS5", [(HELLO[0], b"\5\2")], "authentication with SOCKS5 server failed"),
    ("SOCKS5", [(HELLO[0], b"\5\1")], "SOCKS5 server chose authentication method 1, which was not offered"),
    ("SOCKS5", [(HELLO[0], b"\4\0")], "SOCKS5 server hello version was 4, not the expected 5, peer might not be a SOCKS5 server"),
    ("SOCKS5", [(HELLO[0], b"\5")], EOF5 + "server hello, peer might not be a SOCKS5 server"),
    ("SOCKS5", [HELLO, (GO5[1][0], b"")], EOF5 + "reply"),
    ("SOCKS5", [HELLO, (GO5[1][0], OK5[:7])], EOF5 + "reply"),
    ("SOCKS5", [HELLO, (GO5[1][0], b"\5\0\0\3\xff" + b"x" * 200)], EOF5 + "reply"),
    ("SOCKS5", [HELLO, (GO5[1][0], b"\5\0\0\x09\0\0")], "invalid SOCKS5 reply address type (9)"),
    ("SOCKS5", [HELLO, (GO5[1][0], b"\4" + OK5[1:])], "SOCKS5 reply version was 4, not the expected 5"),
    ("SOCKS5-LISTEN", [HELLO, (b"\5\2\0\1\n\1\2\3\0\x50", OK5)], EOF5 + "reply"),
    ("SOCKS5-LISTEN", [HELLO, (b"\5\2\0\1\n\1\2\3\0\x50", OK5 + b"\5\4")], "SOCKS5 server error 4: host unreachable"),
] + [("SOCKS5", [HELLO, (GO5[1][0], bytes([5, code]))], f"SOCKS5 server error {code}: {text}") for code, text in enumerate(
    ["general SOCKS server failure", "connection not allowed by ruleset", "network unreachable", "host unreachable", "connection refused",
     "TTL expired", "command not supported", "address type not supported", "unknown error"], 1)]


@pytest.mark.parametrize("kind,dialogue,text", FAILURES, ids=lambda v: v if isinstance(v, str) else "")
def test_failure(local, kind, dialogue, text):
    """Whatever the server answers instead: one error, status 1, nothing to the other side."""
    s, port = server(local)
    p = local.start("-", f"{kind}:{LOOP}:10.1.2.3:80,socksport={port}" + ("" if "5" in kind else ",socksuser=u"))
    c = play(s, dialogue)
    with contextlib.suppress(OSError):  # it may have hung up already
        c.shutdown(socket.SHUT_WR)
    r = p.wait()
    assert r.status == 1 and r.out == b"" and r.log.count(" E ") == 1 and f"] E {text}\n" in r.log, r
    c.close()


def test_wrong_password(local):
    s, port = server(local)
    p = local.start("-", f"SOCKS5:{LOOP}:{port}:10.1.2.3:80,socksuser=joe,sockspass=x,retry=5,interval=0.1")
    play(s, [(NAMED, b"\5\2"), (b"\1\3joe\1x", b"\1\1")]).close()
    r = p.wait()
    assert r.status == 1 and '] E SOCKS5 authentication for user "joe" failed\n' in r.log, r


@pytest.mark.parametrize("kind", ["SOCKS4", "SOCKS5"])
def test_reset(local, kind):
    s, port = server(local)
    p = local.start("-", f"{kind}:{LOOP}:10.1.2.3:80,socksport={port}")
    c, _ = accept(s)
    c.recv(1)
    reset(c)
    r = p.wait()
    assert r.status == 1 and "Connection reset by peer" in r.log, r


@pytest.mark.parametrize("kind,what,drip", [("SOCKS4", "socks reply", b""), ("SOCKS4", "socks reply", OK4[:7]),
                                            ("SOCKS5", "SOCKS5 server hello", b""), ("SOCKS5", "SOCKS5 server hello", b"\5")])
def test_time_limit(local, kind, what, drip):
    """proxy-timeout: a server that is silent, or talks slowly, is given up."""
    s, port = server(local)
    p = local.start("-", f"{kind}:{LOOP}:10.1.2.3:80,socksport={port},proxy-timeout=0.5")
    c, _ = accept(s)
    with contextlib.suppress(OSError):  # until it is given up
        for byte in drip:
            c.sendall(bytes([byte]))
            lab.pump(0.1)
    r = p.wait(3)
    assert r.status == 1 and f"] E no complete {what} within 0.5 seconds (option proxy-timeout)\n" in r.log, r
    c.close()


def test_no_time_limit(local):
    """proxy-timeout=0: any time will do."""
    s, port = server(local)
    p = local.start("-", f"SOCKS4:{LOOP}:10.1.2.3:80,socksport={port},proxy-timeout=0")
    c, _ = accept(s)
    lab.rest(0.5)
    c.sendall(OK4 + b"late")
    p.expect_output(b"late")
    c.close()


def test_retry(local):
    """A refusal is worth another attempt; those before the last are notices."""
    s, port = server(local)
    p = local.start("-d", "-d", "-", f"SOCKS5:{LOOP}:{port}:10.1.2.3:80,retry=2,interval=0.1")
    for _ in range(2):
        play(s, [HELLO, (GO5[1][0], b"\5\5")]).close()
    c = play(s, GO5)
    c.sendall(b"third time lucky")
    p.expect_output(b"third time lucky")
    assert p.log.count("N SOCKS5 server error 5: connection refused") == 2 and " E " not in p.log, p
    c.close()


@pytest.mark.parametrize("address,text", [
    ("SOCKS4:127.0.0.1:10.1.2.3:80,socksport=1", "SOCKS4:127.0.0.1:...,socksport=1: Connection refused"),
    ("socks4a:127.0.0.1:x:80", "socks4a:127.0.0.1:...,socksport=1080: Connection refused"),
    ("SOCKS5:127.0.0.1:1:10.1.2.3:80", "SOCKS5:127.0.0.1:1:...: Connection refused"),
    ("SOCKS5:127.0.0.1:10.1.2.3:80", "SOCKS5:127.0.0.1:1080:...: Connection refused"),
    ("SOCKS4:127.0.0.1:10.1.2.3", "SOCKS4: wrong number of parameters (2 instead of 3): usage: SOCKS4:<socks-server>:<host>:<port>"),
    ("SOCKS5:127.0.0.1:10.1.2.3", "SOCKS5: wrong number of parameters (2 instead of 4): usage: SOCKS5:<socks-server>[:<socks-port>]:<target-host>:<target-port>"),
    ("SOCKS4:127.0.0.1:10.1.2.3:80x", 'parseport("80x", 6): extra trailing data "x"'),
    ("SOCKS4:127.0.0.1:10.1.2.3:nosvc", 'cannot resolve service "nosvc/6"'),
    ("SOCKS5:127.0.0.1:10.1.2.3:70000", "port 70000 is out of range 0..65535"),
    ("SOCKS5:127.0.0.1:10.1.2.3:0", "SOCKS5: nobody can be connected at port 0"),
    ("SOCKS5:127.0.0.1:10.1.2.3:80,socksport=nosvc", 'cannot resolve service "nosvc/6"'),
    ("SOCKS5:127.0.0.1::80", "SOCKS5: the target's name is missing"),
    ("SOCKS4:127.0.0.1:nohost.invalid:80", 'xioresolve(node="nohost.invalid", pf=2, ...): '),
    ("SOCKS4:127.0.0.1:[::1]:80", 'xioresolve(node="[::1]", pf=2, ...): Address family for hostname not supported'),
    ("SOCKS4:127.0.0.1:10.1.2.3:80,proxyport=1", 'option "proxyport" not supported with this address type'),
])
def test_wrong(local, address, text):
    r = local.run("-", address)
    assert r.status in (1, 255 if "nohost" in address else 1) and f"E {text}" in r.log.replace("parseopts_table(): ", ""), r


@pytest.mark.parametrize("what,options", [("the target's name", ""), ("option socksuser", "socksuser="), ("option sockspass", "sockspass=")])
def test_too_long(local, what, options):
    """What a length byte cannot say is refused."""
    s, port = server(local)
    long = "x" * 256
    p = local.start("-", f"SOCKS5:{LOOP}:{port}:{'y' if options else long}:80" + (f",{options}{long}" if options else ""))
    c, _ = accept(s)
    c.sendall(b"\5\2" if options else b"\5\0")
    r = p.wait()
    assert r.status == 1 and f"] E {what} is longer than 255 bytes\n" in r.log, r
    c.close()


def test_every_address_of_the_server(local, tmp_path):
    """The server's name has two addresses; nobody listens on the first."""
    s, port = server(local, "::1")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 twohosts\n::1 twohosts\n", encoding="ascii")
    p = local.command(["unshare", "-m", "sh", "-c", f"mount --bind {hosts} /etc/hosts && exec {lab.SOCAST} -d -d - "
                       f"SOCKS4:twohosts:10.1.2.3:80,socksport={port}"], env=ENV)
    p.wait_log(r"N connect\(\d+, AF=2 127.*Connection refused")
    c = play(s, [(b"\4\1\0\x50\n\1\2\3logname\0", OK4)])
    c.close()
    p.close_stdin()
    assert p.wait().status == 0


def test_fork(local):
    """fork: a connection and a dialogue again and again."""
    s, port = server(local)
    local.start(f"SOCKS5:{LOOP}:{port}:10.1.2.3:80,fork,interval=0.05,max-children=2", "PIPE")
    a, b = play(s, GO5), play(s, GO5)
    for c in (a, b):
        c.sendall(b"echo")
        assert take(c, 4) == b"echo"
    a.close()
    play(s, GO5).close()
    b.close()


# ---------------------------------------------------------------- real servers

@pytest.mark.parametrize("target", [LOOP, "localhost"])
def test_microsocks(local, fast, target):
    r = relays(local, f"SOCKS5:{LOOP}:{microsocks(local)}:{target}:{echo(local)}")
    assert r.log.count("by splicing") == (2 if fast else 0), r


def test_microsocks_with_password(local, fast):
    port, target = microsocks(local, "-u", "joe", "-P", "secret"), echo(local)
    relays(local, f"SOCKS5:{LOOP}:{port}:{LOOP}:{target},socksuser=joe,sockspass=secret")
    r = local.run("-", f"SOCKS5:{LOOP}:{port}:{LOOP}:{target},socksuser=joe,sockspass=wrong")
    assert r.status == 1 and 'SOCKS5 authentication for user "joe" failed' in r.log
    assert local.run("-", f"SOCKS5:{LOOP}:{port}:{LOOP}:{target}").status == 1


@pytest.mark.parametrize("kind,target", [("SOCKS4", "localhost"), ("SOCKS5", LOOP)])
def test_dante(local, fast, tmp_path, kind, target):
    relays(local, f"{kind}:{LOOP}:{target}:{echo(local)},socksport={danted(local, tmp_path)}")
    r = local.run("-", f"{kind}:{LOOP}:{LOOP}:1,socksport=1")
    assert r.status == 1


def test_dante_bind(local, fast, tmp_path):
    """SOCKS5-LISTEN: the server really listens, and hands the caller on."""
    port = danted(local, tmp_path)
    p = local.start("-d", "-d", "-", f"SOCKS5-LISTEN:{LOOP}:{port}:{LOOP}:0")
    there = p.wait_log(r"SOCKS5 server listens on AF=2 ([\d.]+):(\d+)")
    c = connect(local, int(there[2]), there[1])
    p.wait_log("received connection on remote host")
    both_ways(p, c)
    assert p.out == BIG


def test_ssh(local, fast, tmp_path):
    port, target = ssh(local, tmp_path), echo(local)
    relays(local, f"SOCKS5:{LOOP}:{port}:localhost:{target}")
    relays(local, f"SOCKS4A:{LOOP}:localhost:{target},socksport={port}")


def test_two_hundred(local, fast):
    """Many dialogues at the same time in one process."""
    fan(local, f"SOCKS5:{LOOP}:{microsocks(local)}:{LOOP}:{echo(local)}")


def test_one_that_hangs_harms_nobody(local):
    """While one dialogue waits for its answer, others go on."""
    s, port = server(local)
    front = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{front},fork", f"SOCKS5:{LOOP}:{port}:10.1.2.3:80,proxy-timeout=20")
    p.wait_log("listening on")
    first = connect(local, front)
    silent, _ = accept(s)
    second = connect(local, front)
    c = play(s, GO5)
    c.sendall(b"hello")
    assert take(second, 5) == b"hello"
    silent.close()
    assert first.recv(1) == b""
    p.wait_log(r" E read\(")
    c.close()
    assert read_all(second) == b"" and not p.ended()
