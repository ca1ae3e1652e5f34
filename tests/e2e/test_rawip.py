"""Raw IP addresses: protocol 200 on the loopback interface."""
import re
import socket

import pytest

import lab

PROTO = 200


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def v(request):
    return request.param


HOST = {4: "127.0.0.1", 6: "::1"}
LIT = {4: "127.0.0.1", 6: "[::1]"}


def raw(local, v, proto=PROTO):
    return local.socket(socket.AF_INET if v == 4 else socket.AF_INET6, socket.SOCK_RAW, proto)


def payload(v, data):
    return data[(data[0] & 15) * 4:] if v == 4 else data


@pytest.mark.parametrize("kind", ["SENDTO", "DATAGRAM"])
def test_send(local, v, kind):
    """Data becomes the payload of one IP packet."""
    s = raw(local, v)
    r = local.run("-u", "-", f"IP{v}-{kind}:{LIT[v]}:{PROTO}", input=b"raw")
    assert r.status == 0, r
    assert payload(v, s.recv(99)) == b"raw"
    s.close()


def test_recv(local, fast, v):
    """The payload is written without the IPv4 header."""
    p = local.start("-d", "-d", "-u", f"IP{v}-RECV:{PROTO}", "-")
    p.wait_log("starting data transfer loop")
    s = raw(local, v)
    s.sendto(b"one", (HOST[v], 0))
    s.sendto(b"two", (HOST[v], 0))
    p.expect_output(b"onetwo")
    assert p.out == b"onetwo"
    s.close()


def test_recvfrom_and_sendto(local, v):
    """Request and answer between two addresses."""
    p = local.start("-d", "-d", f"IP{v}-RECVFROM:{PROTO + 1},fork", "SYSTEM:cat >/dev/null; hostname")
    p.wait_log(rf" N receiving IP protocol {PROTO + 1}")
    # Both ends share protocol and host, so either may see the question; ask from another address.
    if v == 4:
        q = local.start("-", f"IP4-SENDTO:127.0.0.1:{PROTO + 1},bind=127.0.0.5")
        q.send("hi\n")
        q.expect_output(b"host1\n")
    else:
        s = raw(local, v, PROTO + 1)
        s.sendto(b"hi\n", (HOST[v], 0))
        got = [payload(v, s.recv(99)) for _ in range(2)]
        assert b"host1\n" in got
        s.close()


def test_recvfrom_records(local):
    """Peers are shown with port 0; the logged size includes the IPv4 header."""
    p = local.start("-d", "-d", "-u", f"IP4-RECVFROM:{PROTO + 2}", "-")
    p.wait_log("receiving IP protocol")
    s = raw(local, 4, PROTO + 2)
    s.sendto(b"abc", ("127.0.0.1", 0))
    p.wait_log(r" N receiving packet from AF=2 127\.0\.0\.1:0")
    p.wait_log(r" N received packet with 23 bytes from AF=2 127\.0\.0\.1:0")
    assert p.wait().out == b"abc"
    s.close()


def test_range(local):
    """Range applies to raw packets too."""
    p = local.start("-d", "-d", "-u", f"IP4-RECV:{PROTO + 3},range=10.0.0.0/8", "-")
    p.wait_log("starting data transfer loop")
    s = raw(local, 4, PROTO + 3)
    s.sendto(b"abc", ("127.0.0.1", 0))
    p.wait_log(r" W refusing connection from AF=2 127\.0\.0\.1:0 due to range option")
    assert p.out == b""
    s.close()


def test_multicast_over_raw_ip(lan):
    """A group reaches raw receivers that joined."""
    p = lan[1].start("-d", "-d", "-u", f"IP4-RECV:{PROTO},ip-add-membership=224.1.0.1:eth0", "-")
    p.wait_log("starting data transfer loop")
    lan[0].run("-u", "-", f"IP4-DATAGRAM:224.1.0.1:{PROTO}", input=b"group")
    p.expect_output(b"group")


@pytest.mark.parametrize("args,text", [
    (["-u", "IP4-RECV:256", "-"], "protocol number exceeds 255 (256)"),
    (["-u", "IP4-RECV:99999999999999999999", "-"], "protocol number exceeds 255"),
    (["-u", "IP4-RECV:nosuch", "-"], 'IP protocol "nosuch" is not a number from 0 to 255 (see /etc/protocols)'),
    (["-u", "IP4-RECV:200,bind=10.99.99.99", "-"], "Cannot assign requested address"),
    (["-u", "-", "IP4-SENDTO:127.0.0.1"], "wrong number of parameters (1 instead of 2)"),
    (["-u", "IP4-RECV:0", "-"], "Protocol not supported"),
    (["-u", "-", "IP4-SENDTO:[::1]:200"], "Address family for hostname not supported"),
])
def test_errors(local, args, text):
    """One clear sentence, status 1."""
    r = local.run(*args, input=b"x")
    assert r.status == 1 and text in r.log, r


def test_needs_the_right(local):
    """Without the capability the kernel's refusal is reported."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root to drop a right")
    p = local.command(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", lab.SOCAST, "-u", "IP4-RECV:200", "-"])
    r = p.wait()
    assert r.status == 1 and re.search(r" E socket\(2, 3, 200\): Operation not permitted", r.log), r
