"""Packets told apart: what they were sent to (dst=), and own ones that come back (no-echo)."""
import signal
import socket
import struct

import pytest

import lab

GROUP, GROUP6 = "224.1.0.1", "ff15::114"


def receiver(host, port, options, version=4, second="-"):
    group = f"ip-add-membership={GROUP}:eth0" if version == 4 else f"ipv6-join-group=[{GROUP6}]:eth0"
    p = host.start("-d", "-d", "-u", f"UDP{version}-RECV:{port},{group},{options}", second)
    p.wait_log("starting data transfer loop|receiving on")
    return p


def shout(host, port, version=4):
    """One datagram of each kind from @host to host2."""
    if version == 4:
        s = host.udp(("0.0.0.0", 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for to, word in (("192.168.10.2", b"unicast"), (GROUP, b"multicast"), ("192.168.10.255", b"broadcast"), ("255.255.255.255", b"everybody")):
            try:
                s.sendto(word + b"\n", (to, port))
            except OSError:
                assert to == "255.255.255.255"          # no route for it here
        s.sendto(b"end\n", ("192.168.10.2", port + 1))
        return
    s = host.udp(("::", 0))
    with host.inside():
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, struct.pack("@I", socket.if_nametoindex("eth0")))
    for to, word in (("fd00::2", b"unicast"), (GROUP6, b"multicast")):
        s.sendto(word + b"\n", (to, port))


@pytest.mark.parametrize("rule,want", [
    ("unicast", ["unicast"]), ("multicast", ["multicast"]), ("broadcast", ["broadcast"]), ("unicast+broadcast", ["unicast", "broadcast"]),
    ("192.168.10.2", ["unicast"]), (f"{GROUP}+192.168.10.255", ["multicast", "broadcast"]), ("224.0.0.0/4", ["multicast"]),
    ("unicast+multicast+broadcast", ["unicast", "multicast", "broadcast"]),
])
def test_kinds(lan, fast, rule, want):
    """Only what was sent to such an address is heard; the rest is counted."""
    port = lab.port()
    p = receiver(lan[1], port, f"dst={rule}")
    shout(lan[0], port)
    for word in want:
        p.expect_output(word.encode() + b"\n")
    p.kill(signal.SIGUSR1)
    p.wait_log("STATISTICS: left to right")
    heard = [w for w in p.lines() if w != "everybody"]
    assert heard == want
    if len(want) < 3:
        p.wait_log(r"datagrams: refused \d+ \(dst \d+\)")
        p.wait_log(r"W refusing connection from AF=2 192\.168\.10\.1:\d+ due to dst option")


@pytest.mark.parametrize("rule,want", [("unicast", ["unicast"]), ("multicast", ["multicast"]), ("[fd00::2]", ["unicast"]), ("[ff00::]/8", ["multicast"]),
                                       ("unicast+multicast", ["unicast", "multicast"])])
def test_kinds_of_ipv6(lan, fast, rule, want):
    port = lab.port()
    p = receiver(lan[1], port, f"dst={rule}", 6)
    shout(lan[0], port, 6)
    for word in want:
        p.expect_output(word.encode() + b"\n")
    assert p.lines() == want


def test_variables(lan):
    """Programs learn what each datagram was sent to."""
    port = lab.port()
    p = lan[1].start("-d", "-d", "-u", f"UDP4-RECVFROM:{port},ip-add-membership={GROUP}:eth0,ip-pktinfo,fork", "SYSTEM:echo $(cat) $SOCAT_IP_DSTTYPE >&2")
    p.wait_log("receiving on")
    shout(lan[0], port)
    for word in ("unicast", "multicast", "broadcast"):
        p.wait_log(rf"(?m)^{word} {word}$")
    port = lab.port()
    p = lan[1].start("-ddd", "-u", f"UDP6-RECVFROM:{port},ipv6-join-group=[{GROUP6}]:eth0,ipv6-recvpktinfo,fork",
                     "SYSTEM:echo $(cat) $SOCAT_IPV6_DSTTYPE >&2")
    p.wait_log("receiving on")
    shout(lan[0], port, 6)
    for word in ("unicast", "multicast"):
        p.wait_log(rf"(?m)^{word} {word}$")


@pytest.mark.parametrize("kind", ["RECV", "RECVFROM", "LISTEN"])
def test_every_receiver(lan, kind):
    """dst= is judged for each datagram, whatever the type."""
    port = lab.port()
    fork = ",fork" if kind != "RECV" else ""
    p = lan[1].start("-d", "-d", "-u", f"UDP4-{kind}:{port},dst=unicast,ip-add-membership={GROUP}:eth0{fork}", "-")
    p.wait_log("receiving on|listening on|starting data")
    shout(lan[0], port)
    p.expect_output(b"unicast\n")
    p.wait_log("due to dst option")
    assert b"multicast" not in p.out


@pytest.mark.parametrize("address,text", [
    ("UDP4-RECV:{p},dst=anycast", 'option "dst=anycast"'), ("UDP4-RECV:{p},dst=[ff02::1]", 'option "dst=[ff02::1]"'), ("UDP4-RECV:{p},dst=", 'option "dst='),
    ("UDP4-RECV:{p},dst=unicast+", 'option "dst='), ("TCP4-LISTEN:{p},dst=unicast", "option dst is for datagrams"),
    ("UDP4-RECV:{p},dst=10.0.0.0/99", 'option "dst=10.0.0.0/99"')])
def test_wrong_rules(local, address, text):
    r = local.run("-u", address.replace("{p}", str(lab.port())), "-")
    assert r.status == 1 and text in r.log, r


def peer(host, port, options):
    p = host.start("-d", "-d", "-", f"UDP4-DATAGRAM:{options}")
    p.wait_log("starting data transfer loop")
    return p


@pytest.mark.parametrize("to", ["192.168.10.255:{p},bind=:{p},broadcast", GROUP + ":{p},bind=:{p},ip-add-membership=" + GROUP + ":eth0"])
def test_own_packets_do_not_come_back(lan, fast, to):
    """The tutorial's peers without their own voice; everybody else is heard, others of this host too."""
    port = lab.port()
    line = to.replace("{p}", str(port)) + ",reuseaddr"
    mine, twin, far = peer(lan[0], port, line + ",no-echo"), peer(lan[0], port, line), peer(lan[1], port, line)
    mine.send(b"from mine\n")
    twin.expect_output(b"from mine\n")
    far.expect_output(b"from mine\n")
    twin.send(b"from twin\n")
    mine.expect_output(b"from twin\n")
    far.send(b"from far\n")
    mine.expect_output(b"from far\n")
    far.send(b"from mine\n")                            # the same words of another host are not an echo
    mine.expect_output(b"from mine\n")
    assert mine.lines() == ["from twin", "from far", "from mine"]
    twin.until(lambda: twin.out.count(b"from mine\n") == 2, 5, "both")
    mine.kill(signal.SIGUSR1)
    mine.wait_log(r"refused \d+ \(no-echo 1\)")
    assert "refusing" not in mine.log                   # nothing to worry about


def test_echoes_with_a_new_address(lan, fast):
    """The host's address changes while the program runs."""
    port, host = lab.port(), lan[0]
    p = peer(host, port, f"{GROUP}:{port},bind=:{port},ip-add-membership={GROUP}:eth0,no-echo")
    far = peer(lan[1], port, f"{GROUP}:{port},bind=:{port},ip-add-membership={GROUP}:eth0")
    p.send(b"one\n")
    far.expect_output(b"one\n")
    host.sysctl("net/ipv4/conf/eth0/promote_secondaries", 1)
    route = "route replace 224.0.0.0/4 dev eth0"
    host.ip("addr add 192.168.10.77/24 dev eth0", "addr del 192.168.10.1/24 dev eth0", route)
    try:
        p.send(b"two\n")
        far.expect_output(b"two\n")
        far.send(b"three\n")
        p.expect_output(b"three\n")
        assert p.lines() == ["three"]
    finally:
        lab.stop_all()
        host.ip("addr add 192.168.10.1/24 dev eth0", "addr del 192.168.10.77/24 dev eth0", route)


def test_many_echoes(lan, fast):
    """A fast sender: none of its thousand datagrams comes back, all of the other's arrive."""
    port = lab.port()
    line = f"{GROUP}:{port},bind=:{port},ip-add-membership={GROUP}:eth0,no-echo"
    a, b = peer(lan[0], port, line), peer(lan[1], port, line)
    for k in range(1000):
        a.send(b"a%04d\n" % k)
        if k % 100 == 0:
            b.send(b"b%04d\n" % k)
    b.expect_output(b"a0999\n")
    a.expect_output(b"b0900\n")
    assert b"a0" not in a.out and len(a.lines()) == 10
