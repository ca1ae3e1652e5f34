"""Datagrams in the name of the very socket that receives them.

Whoever can forge a source makes an echo service answer itself, without end: classic's UDP-RECVFROM,fork and
UDP-LISTEN,fork then take a processor each, until they are stopped.
"""
import ipaddress
import socket
import struct

import pytest

import lab


def forge(host, source, destination, port, data=b"forged"):
    """A UDP datagram from @source, port @port, to @destination, port @port."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    udp = struct.pack("!4H", port, port, 8 + len(data), 0) + data
    if a.version == 4:
        packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, a.packed, b.packed) + udp
    else:
        pseudo = a.packed + b.packed + struct.pack("!II", len(udp), 17) + udp + b"\0" * (len(udp) % 2)
        total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        udp = udp[:6] + struct.pack("!H", ~total & 0xffff or 0xffff) + udp[8:]
        packet = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + a.packed + b.packed + udp
    with host.inside():
        s = socket.socket(socket.AF_INET if a.version == 4 else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if b.is_multicast:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        s.sendto(packet, (destination, 0))


def asks(host, family, to, port, bind=None):
    """Somebody who is not forged is answered."""
    with host.socket(family, socket.SOCK_DGRAM, bind=bind) as s:
        s.settimeout(3 * lab.SLOW)
        s.sendto(b"honest", (to, port))
        assert s.recv(99) == b"honest"


def is_calm(p):
    before = lab.cpu_seconds(p.pid)
    lab.rest(0.3)
    assert lab.cpu_seconds(p.pid) - before < 0.1 * lab.SLOW, "it talks to itself"


ONCE = r" W refusing connection from .* due to its source, which is this socket: answers would come back for ever"

WAYS = [("UDP4-{}:{port},bind=127.0.0.1", "127.0.0.1", "127.0.0.1"), ("UDP4-{}:{port}", "127.0.0.1", "127.0.0.1"),
        ("UDP4-{}:{port}", "127.0.0.1", "127.0.0.9"), ("UDP4-{}:{port}", "10.7.7.7", "127.0.0.1"),
        ("UDP6-{}:{port}", "::1", "::1"), ("UDP6-{}:{port},bind=[::1]", "::1", "::1"), ("UDP6-{}:{port}", "::1", "fd00:7::7"),
        ("UDP6-{}:{port}", "fd00:7::7", "::1"), ("UDP6-{}:{port},ipv6only=0", "127.0.0.1", "127.0.0.1"),
        ("UDP6-{}:{port},ipv6only=0", "10.7.7.7", "127.0.0.1")]


@pytest.fixture(name="host")
def _host(local):
    local.ip("addr add 10.7.7.7/32 dev lo", "addr add fd00:7::7/128 dev lo nodad")
    yield local
    local.ip("addr del 10.7.7.7/32 dev lo", "addr del fd00:7::7/128 dev lo")


def begins(host, address, right, port):
    p = host.start("--statistics", address.format(port=port), right)
    lab.wait_until(lambda: is_bound(host, port, address.startswith("UDP6")), 3, lambda: f"it does not begin {p!r}")
    return p


def is_bound(host, port, v6):
    with host.inside(), open(f"/proc/self/net/udp{6 if v6 else ''}", encoding="ascii") as f:
        return any(int(line.split()[1].split(":")[1], 16) == port for line in f.readlines()[1:])


@pytest.mark.parametrize("address, source, destination", WAYS)
@pytest.mark.parametrize("kind, right", [("LISTEN", "PIPE"), ("RECVFROM", "EXEC:cat")])
def test_forged(host, kind, right, address, source, destination):
    """Refused, told once, counted; others are answered."""
    port = lab.port()
    p = begins(host, address.format(kind, port=port) + ",fork", right, port)
    for _ in range(3):
        forge(host, source, destination, port)
    p.wait_log(ONCE)
    is_calm(p)
    asks(host, socket.AF_INET6 if ":" in destination else socket.AF_INET, destination, port)
    assert p.log.count("due to its source") == 1, p.log
    p.kill()
    lab.wait_until(p.ended, 3, "no end")
    assert "self 3" in p.log, p.log


@pytest.mark.parametrize("address", ["UDP4-LISTEN:{port}", "UDP4-RECVFROM:{port}", "UDP6-LISTEN:{port}"])
def test_forged_without_fork(host, address):
    """Who waits for one client does not take himself for it."""
    port = lab.port()
    p = begins(host, address, "PIPE", port)
    v6 = "6" in address.split("-")[0]
    forge(host, *["::1" if v6 else "127.0.0.1"] * 2, port)
    p.wait_log(ONCE)
    asks(host, socket.AF_INET6 if v6 else socket.AF_INET, "::1" if v6 else "127.0.0.1", port)


def test_the_same_port_of_another_address(host):
    """Two services of one host with the same port talk to each other."""
    port = lab.port()
    p = begins(host, "UDP4-RECVFROM:{port},bind=127.0.0.1,fork", "EXEC:cat", port)
    asks(host, socket.AF_INET, "127.0.0.1", port, bind=("10.7.7.7", port))
    assert not p.log, p.log


def test_a_group(host):
    """What came to a group is answered, as others of this host may use the port there; the answer, if it comes back, is
    not."""
    host.ip("link set lo multicast on", "route add 224.0.0.0/4 dev lo")
    try:
        port = lab.port()
        p = begins(host, "UDP4-RECVFROM:{port},fork,ip-add-membership=224.7.7.7:127.0.0.1", "PIPE", port)
        forge(host, "127.0.0.1", "224.7.7.7", port)
        p.wait_log(ONCE)
        is_calm(p)
    finally:
        host.ip("route del 224.0.0.0/4 dev lo", "link set lo multicast off")



CIRCLES = ["UDP4-DATAGRAM:127.255.255.255:{port},bind=:{port},broadcast", "MCAST:239.7.7.7:{port},interface=lo"]


@pytest.mark.parametrize("how", CIRCLES + ["UDP6-DATAGRAM:[ff15::7]:{port},bind=[::]:{port}"], ids=["broadcast", "MCAST", "IPv6"])
def test_a_group_that_is_given_back(local, how):
    """PIPE gives back what it gets, and the group what is sent to it: one datagram goes round for ever, in classic too. Here a
    warning says so at the start."""
    p = local.start(how.format(port=lab.port()), "PIPE")
    p.wait_log(r" W socket 1 hears what it sends, and the pipe gives it back: .* add option no-echo$")


@pytest.mark.parametrize("how", CIRCLES, ids=["broadcast", "MCAST"])
def test_the_remedy_against_it(local, how):
    port = lab.port()
    p = local.start("--statistics", how.format(port=port) + ",no-echo,answers=any", "PIPE")
    lab.wait_until(lambda: is_bound(local, port, False), 3, lambda: f"it does not begin {p!r}")
    with local.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"hello", ("127.0.0.1", port))
        lab.rest(0.1)
    is_calm(p)
    assert " W " not in p.log, p.log
    p.stop()
    assert " sent datagrams 1, " in p.log, p.log
