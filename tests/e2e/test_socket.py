"""Sockets of any family: domain, type and protocol as numbers, addresses as data."""
import os
import re
import select
import shutil
import socket
import struct
import tempfile
import threading

import pytest

import lab

BIG = bytes(range(256)) * 2000
LO, LO6 = socket.inet_aton("127.0.0.1"), socket.inet_pton(socket.AF_INET6, "::1")


@pytest.fixture(name="d")
def _d():
    path = tempfile.mkdtemp(prefix="u")
    yield path
    lab.stop_all()
    shutil.rmtree(path)


def data4(port, ip="127.0.0.1"):
    """What follows the family in sockaddr_in."""
    return f"x{port:04x}x{socket.inet_aton(ip).hex()}x0000000000000000"


def data6(port):
    """What follows the family in sockaddr_in6."""
    return f"x{port:04x}x00000000x{LO6.hex()}x00000000"


def up(local, *args, **kw):
    p = local.start("-d", "-d", *args, **kw)
    p.wait_log(r"listening on|receiving on|starting data transfer loop")
    return p


def tcp(local, port, source=None):
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=source, timeout=8)
    s.connect(("127.0.0.1", port))
    return s


# ---------------------------------------------------------------- connections

@pytest.mark.parametrize("domain,data", [(2, data4), (10, data6)])
def test_stream(local, fast, domain, data):
    """LISTEN and CONNECT find each other, and TCP peers."""
    port = lab.port()
    up(local, f"SOCKET-LISTEN:{domain}:6:{data(port)},fork", "EXEC:cat")
    named = f"TCP{'4' if domain == 2 else '6'}:{'127.0.0.1' if domain == 2 else '[::1]'}:{port}"
    for client in (f"SOCKET-CONNECT:{domain}:6:{data(port)}", f"socket-connect:{domain}:0:{data(port)}", named):
        r = local.run("-t5", "-", client, input=BIG, timeout=20)
        assert r.status == 0 and r.out == BIG, r


def test_a_client_of_tcp(local, fast):
    port, own = lab.port(), lab.port()
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", port)) as s:
        s.listen()
        p = up(local, "-", f"SOCKET-CONNECT:2:6:{data4(port)},bind={data4(own)}")
        c, peer = s.accept()
        assert peer == ("127.0.0.1", own)
        assert f"N opening connection to AF=2 127.0.0.1:{port}" in p.log
        assert f"N successfully connected from local address AF=2 127.0.0.1:{own}" in p.log
        c.sendall(b"hello")
        p.expect_output("hello")
        c.close()


@pytest.mark.parametrize("kind", [1, 5])
def test_unix(local, d, fast, kind):
    """Domain 1: the entry is ours, and goes with us."""
    p = up(local, f'SOCKET-LISTEN:1:0:\\"{d}/s\\",so-type={kind}', "SOCKETPAIR" if kind == 5 else "PIPE")
    with local.socket(socket.AF_UNIX, kind) as s:
        s.connect(f"{d}/s")
        for n in (3, 1, 9):
            s.send(b"x" * n)
            assert s.recv(99) == b"x" * n
        p.stop()
    assert not os.listdir(d)


def test_range(local):
    """The range is data over what follows the family, here the port and the address."""
    port = lab.port()
    p = up(local, f"SOCKET-LISTEN:2:6:x{port:04x}x00000000x0000000000000000,fork,range=x0000x7f000002:x0000xffffffff", "PIPE")
    with tcp(local, port) as s:
        assert s.recv(9) == b""
    p.wait_log(r"W refusing connection from AF=2 127.0.0.1:\d+ due to range option")
    with tcp(local, port, ("127.0.0.2", 0)) as s:
        s.sendall(b"x")
        assert s.recv(9) == b"x"


def test_variables(local):
    port = lab.port()
    up(local, f"SOCKET-LISTEN:2:6:{data4(port)},fork", "SYSTEM:set | grep SOCAT_")
    with tcp(local, port) as s:
        own, text = s.getsockname()[1], b""
        while part := s.recv(9999):
            text += part
    v = dict(re.findall(r"SOCAT_(\w+)='?(.*?)'?$", text.decode(), re.M))
    assert (v["SOCKADDR"], v["SOCKPORT"], v["PEERADDR"], v["PEERPORT"]) == ("127.0.0.1", str(port), "127.0.0.1", str(own))


def test_reuseaddr(local):
    """A TCP listener starts again at once, though old connections linger."""
    port = lab.port()
    for _ in range(3):
        p = up(local, f"SOCKET-LISTEN:2:6:{data4(port)}", "EXEC:echo bye")
        with tcp(local, port) as s:
            assert s.recv(9) == b"bye\n"
            assert s.recv(9) == b""             # the server closes first: its port lingers
        p.wait()


def test_connect_forks(local):
    """A connection after the other, each a session."""
    port = lab.port()
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", port), timeout=8) as s:
        s.listen()
        up(local, f"SOCKET-CONNECT:2:6:{data4(port)},fork,interval=0.05", "EXEC:echo hi")
        for _ in range(3):
            c = s.accept()[0]
            c.settimeout(8)
            assert c.recv(9) == b"hi\n"
            c.close()


def test_retry(local):
    port = lab.port()
    p = local.start("-ddd", "-", f"SOCKET-CONNECT:2:6:{data4(port)},retry=99,interval=0.05")
    p.wait_log("Connection refused", count=2)
    up(local, f"TCP4-LISTEN:{port}", "PIPE")
    p.send("x")
    p.expect_output("x")


# ---------------------------------------------------------------- datagrams

def test_sendto(local, fast):
    """Only the target is heard."""
    with local.udp() as srv, local.udp() as other:
        own = lab.port()
        p = up(local, "-ddd", "-", f"SOCKET-SENDTO:2:2:17:{data4(srv.getsockname()[1])},bind={data4(own)}")
        p.send("question")
        assert srv.recvfrom(99) == (b"question", ("127.0.0.1", own))
        other.sendto(b"stranger", ("127.0.0.1", own))
        p.wait_log("wrong peer address, ignoring packet")
        srv.sendto(b"answer", ("127.0.0.1", own))
        p.expect_output("answer")
        assert b"stranger" not in p.out


@pytest.mark.parametrize("kw", ["SOCKET-DATAGRAM", "DGRAM", "DATAGRAM"])
def test_datagram(local, fast, kw):
    """Everybody within the range is heard, whatever the port."""
    with local.udp() as srv, local.udp(("127.0.0.2", 0)) as other, local.udp(("127.0.0.9", 0)) as bad:
        own = lab.port()
        p = up(local, "-", f"{kw}:2:2:17:{data4(srv.getsockname()[1])},bind={data4(own, '0.0.0.0')}," +
               "range=x0000x7f000000:x0000xfffffffc")
        p.send("question")
        assert srv.recv(99) == b"question"
        bad.sendto(b"bad", ("127.0.0.1", own))
        p.wait_log(r"W refusing connection from AF=2 127.0.0.9:\d+ due to range option")
        srv.sendto(b"one ", ("127.0.0.1", own))
        bad.close()
        other.sendto(b"x", ("127.0.0.1", own))
        p.expect_output(4)
        srv.sendto(b"two", ("127.0.0.1", own))
        p.expect_output("two")
        assert b"bad" not in p.out


def test_broadcast(lan, fast):
    """The equivalent of UDP4-DATAGRAM: a question to all, answers of each."""
    port = lab.port()
    for h in lan[1:]:
        up(h, f"UDP4-RECVFROM:{port},fork", "EXEC:hostname")
    to = f"x{port:04x}x{socket.inet_aton('192.168.10.255').hex()}x0000000000000000"
    p = lan[0].start("-", f"SOCKET-DATAGRAM:2:2:17:{to},broadcast,range=x0000xc0a80a00:x0000xffffff00")
    p.send("who\n")
    p.expect_output("host2\n")
    p.expect_output("host3\n")


def test_recv(local, fast):
    port = lab.port()
    p = up(local, "-u", f"SOCKET-RECV:2:2:17:{data4(port)}", "-")
    with local.udp() as a, local.udp() as b:
        for i in range(50):
            (a, b)[i % 2].sendto(b"%02d" % i, ("127.0.0.1", port))
        p.expect_output(100)
    assert p.out == b"".join(b"%02d" % i for i in range(50))


def test_recvfrom(local, fast):
    """One datagram, its answer, and the end; others are not answered to the first."""
    port = lab.port()
    p = up(local, f"SOCKET-RECVFROM:2:2:17:{data4(port)}", "PIPE")
    with local.udp() as a, local.udp() as b:
        a.sendto(b"a", ("127.0.0.1", port))
        b.sendto(b"b", ("127.0.0.1", port))
        assert a.recv(9) == b"a"
        assert p.wait().status == 0
        assert not select.select([a, b], [], [], 0.2)[0]


@pytest.mark.parametrize("domain,data,addr", [(2, data4, "127.0.0.1"), (10, data6, "::1")])
def test_recvfrom_forks(local, domain, data, addr):
    """400 requests of 8 clients: each gets its own answers, nothing is lost."""
    port = lab.port()
    up(local, f"SOCKET-RECVFROM:{domain}:2:17:{data(port)},fork", "SYSTEM:cat; echo $SOCAT_PEERPORT")
    got, threads = [0] * 8, []

    def client(i, s):
        for k in range(50):
            s.sendto(b"%d " % k, (addr, port))
            text = b""
            while not text.endswith(b"\n"):
                text += s.recv(99)
            got[i] += text == b"%d %d\n" % (k, s.getsockname()[1])
    for i in range(8):
        threads.append(threading.Thread(target=client, args=(i, local.udp((addr, 0), timeout=30))))
        threads[-1].start()
    lab.wait_until(lambda: not any(t.is_alive() for t in threads), 60, "clients wait for ever")
    assert sum(got) == 400


def test_recvfrom_and_its_range(local):
    port = lab.port()
    p = up(local, f"SOCKET-RECVFROM:2:2:17:{data4(port, '0.0.0.0')},fork,range=x0000x7f000002:x0000xffffffff", "PIPE")
    with local.udp() as a, local.udp(("127.0.0.2", 0)) as b:
        a.sendto(b"a", ("127.0.0.1", port))
        p.wait_log("due to range option")
        b.sendto(b"b", ("127.0.0.1", port))
        assert b.recv(9) == b"b"
        assert not select.select([a], [], [], 0.1)[0]


def test_raw(local):
    """Type 3 with a protocol of IP; the header of what is received is removed."""
    p = up(local, "-u", "SOCKET-RECV:2:3:200:x0000x7f000001x0000000000000000", "-")
    r = local.run("-u", "-", "SOCKET-SENDTO:2:3:200:x0000x7f000001x0000000000000000", input=b"payload")
    assert r.status == 0, r
    p.expect_output("payload")
    assert p.out == b"payload"


def test_packet_sockets(local):
    """A family without any keyword: frames of the loopback interface."""
    index = struct.pack("@i", 1).hex()
    p = up(local, "-u", f"SOCKET-RECV:17:2:2048:x0800x{index}x0000x00x00x0000000000000000,so-protocol=8", "-")
    with local.udp() as a, local.udp() as b:
        a.sendto(b"look at this", b.getsockname())
        p.expect_output("look at this")


# ---------------------------------------------------------------- misuse

@pytest.mark.parametrize("args,pattern", [
    (["-", "SOCKET-CONNECT:inet:6:x00"], 'E garbage in parameter: "inet"; .*numbers'),
    (["-", "SOCKET-CONNECT:2:tcp:x00"], 'E garbage in parameter: "tcp"'),
    (["-", "SOCKET-SENDTO:2:dgram:17:x00"], 'E garbage in parameter: "dgram"'),
    (["-", "SOCKET-SENDTO:2:-1:17:x00"], 'E garbage in parameter: "-1"'),
    (["-", "SOCKET-SENDTO:70000:2:17:x00"], 'E garbage in parameter: "70000"'),
    (["-", "SOCKET-CONNECT::6:x00"], 'E garbage in parameter: ""'),
    (["-", "SOCKET-CONNECT:2:6:zz"], 'E syntax error in "zz"'),
    (["-", "SOCKET-CONNECT:2:6:x012"], "E syntax error in .*odd number of hexadecimal digits"),
    (["-", "SOCKET-CONNECT:2:6:x" + "00" * 200], 'E data too long: "'),
    (["-", "SOCKET-CONNECT:2:6:x0001,bind=zz"], 'E syntax error in "zz"'),
    (["-", "SOCKET-CONNECT:2:6:x0001"], r"E connect\(\d+, AF=2 .*, 4\): Invalid argument"),
    (["-", "SOCKET-CONNECT:2:6:" + data4(1)], r"E connect\(\d+, AF=2 127.0.0.1:1, 16\): Connection refused"),
    (["-", "SOCKET-CONNECT:99:6:x00"], r"E socket\(99, 1, 6\): Address family not supported"),
    (["-", "SOCKET-CONNECT:2:6"], r"E SOCKET-CONNECT: wrong number of parameters \(2 instead of 3\): usage: SOCKET-CONNECT:<domain>:<protocol>:<remote-address>"),
    (["-", "SENDTO:2:2:17"], r"E SENDTO: wrong number of parameters \(3 instead of 4\): usage: SENDTO:<domain>:<type>:<protocol>:<remote-address>"),
    (["SOCKET-LISTEN:2:6:" + data4(1) + ",bind=x00", "-"], "bind option not allowed"),
    (["SOCKET-LISTEN:2:6:" + data4(0) + ",max-children=2", "-"], "max-children not allowed without option fork"),
    (["-u", "SOCKET-RECV:2:2:17:" + data4(0) + ",range=127.0.0.1/8", "-"], 'E syntax error in range "127.0.0.1/8": use <data>:<mask>'),
    (["-u", "SOCKET-RECV:2:2:17:" + data4(0) + ",range=x00:zz", "-"], 'E syntax error in "zz"'),
    (["-u", "SOCKET-RECV:2:2:17:" + data4(0) + ",range=q:x00", "-"], "E syntax error in"),
    (["-u", "SOCKET-RECV:2:2:17:x00000a000001x0000000000000000", "-"], r"E bind\(\d+, \{AF=2 10.0.0.1:0\}, 16\): Cannot assign requested address"),
    (["-", "SOCKET-DATAGRAM:2:2:17:" + data4(1) + ",fork"], 'option "fork" not supported with this address type'),
], ids=lambda v: re.sub("0000+", "0", " ".join(v))[:60] if isinstance(v, list) else "")
def test_misuse(local, args, pattern):
    r = local.run(*args)
    assert r.status == 1 and re.search(pattern, r.log) and len(re.findall(r"\] E ", r.log)) == 1, r
