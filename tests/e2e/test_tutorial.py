"""The multicast and broadcast tutorial, packet by packet, over IPv4 and IPv6.

Three hosts on one switch. Who gets which packet, from which port, and what is
refused; see lab.py for the drawing.
"""
import re
import socket
import time

import pytest

import lab

MCAST_SERVER = ("UDP4-RECVFROM:6666,ip-add-membership=224.1.0.1:192.168.10.%d,fork", "EXEC:hostname")
MCAST_CLIENT = ("STDIO", "UDP4-DATAGRAM:224.1.0.1:6666,range=192.168.10.0/24")
BCAST_SERVER = ("UDP4-RECVFROM:6666,broadcast,fork", "EXEC:hostname")
BCAST_CLIENT = ("STDIO", "UDP4-DATAGRAM:192.168.10.255:6666,broadcast,range=192.168.10.0/24")
MCAST_PEER = "UDP4-DATAGRAM:224.1.0.1:6666,bind=:6666,range=192.168.10.0/24,ip-add-membership=224.1.0.1:192.168.10.%d"
BCAST_PEER = "UDP4-DATAGRAM:255.255.255.255:6666,bind=:6666,range=192.168.10.0/24,broadcast"
INFO_SERVER = ("-u", "UDP-RECVFROM:8888,reuseaddr,ip-add-membership=224.1.0.1:192.168.10.2,ip-pktinfo,fork", "SYSTEM:export")
MCAST6_SERVER = ("UDP6-RECVFROM:6666,ipv6-join-group=[ff02::114]:eth0,fork", "EXEC:hostname")
MCAST6_CLIENT = ("STDIO", "UDP6-DATAGRAM:[ff02::114%eth0]:6666,range=[fe80::]/10")
PEER6 = "UDP6-DATAGRAM:[ff15::1234]:6666,bind=[::]:6666,ipv6-join-group=[ff15::1234]:eth0"
INFO6_SERVER = ("-u", "UDP6-RECVFROM:8888,reuseaddr,ipv6-join-group=[ff15::1234]:eth0,ipv6-recvpktinfo,fork", "SYSTEM:export")


def server(host, args, n):
    """Start a server and wait until it listens."""
    first = args[0] % n if "%d" in args[0] else args[0]
    p = host.start("-d", "-d", first, *args[1:])
    p.wait_log(r"receiving on AF=")
    return p


def peer(host, addr, n):
    """Start a peer and wait until its socket is ready."""
    p = host.start("-d", "-d", "STDIO", addr % n if "%d" in addr else addr)
    p.wait_log(r"successfully prepared local socket AF=\d+ \S+:6666")
    p.wait_log(r"starting data transfer loop")
    return p


def client(host, args):
    p = host.start("-d", "-d", *args)
    p.wait_log(r"starting data transfer loop")
    return p


def ask(p, n=2):
    """Send one line and wait for the answers of both servers."""
    have = len(p.lines())
    p.send("hi\n")
    p.until(lambda: len(p.lines()) >= have + n, 5, f"{n} answers")
    return sorted(p.lines()[have:])


def quiet(p, others=0.15):
    """Nothing more is to come: give a wrong packet the time to show up."""
    before = p.out
    end = time.monotonic() + others
    while time.monotonic() < end:
        lab.pump(0.02)
    assert p.out == before, f"unexpected output of {p!r}"


# ---------------------------------------------------------------- 1 and 2: client and servers

@pytest.mark.parametrize("serve,ask_", [(MCAST_SERVER, MCAST_CLIENT), (BCAST_SERVER, BCAST_CLIENT),
                                        (MCAST6_SERVER, MCAST6_CLIENT)], ids=["multicast", "broadcast", "multicast6"])
def test_both_servers_answer_every_request(lan, fast, serve, ask_):
    """Ten requests, twenty answers: none is lost although hostname ignores its input."""
    for n in (2, 3):
        server(lan[n - 1], serve, n)
    p = client(lan[0], ask_)
    for _ in range(10):
        assert ask(p) == ["host2", "host3"]


@pytest.mark.parametrize("serve,ask_,group", [(MCAST_SERVER, MCAST_CLIENT, "224.1.0.1"), (BCAST_SERVER, BCAST_CLIENT, "192.168.10.255"),
                                              (MCAST6_SERVER, MCAST6_CLIENT, "ff02::114")], ids=["multicast", "broadcast", "multicast6"])
def test_packets_on_the_wire(lan, serve, ask_, group):
    """One request packet to the group, one unicast answer of each server from port 6666."""
    for n in (2, 3):
        server(lan[n - 1], serve, n)
    wire = lan[0].capture()
    p = client(lan[0], ask_)
    assert not wire.packets(), "nothing is sent before something is typed"
    ask(p)
    request, = wire.packets(dst=group)
    assert (request.data, request.dport) == (b"hi\n", 6666)
    answers = wire.wait(2, sport=6666)
    assert sorted(a.data for a in answers) == [b"host2\n", b"host3\n"]
    assert {a.dport for a in answers} == {request.sport}
    assert {a.dst for a in answers} == {request.src}
    assert len(wire.packets()) == 3
    wire.close()


def test_client_keeps_its_port(lan):
    """Two requests of one client come from one port, and multicast leaves with TTL 1."""
    server(lan[1], MCAST_SERVER, 2)
    wire = lan[0].capture()
    p = client(lan[0], MCAST_CLIENT)
    ask(p, 1)
    ask(p, 1)
    sent = wire.packets(dst="224.1.0.1")
    assert len({q.sport for q in sent}) == 1 and len(sent) == 2
    assert {q.ttl for q in sent} == {1}
    wire.close()


def test_multicast_ttl(lan):
    """ip-multicast-ttl sets how many routers a packet may pass."""
    wire = lan[0].capture()
    lan[0].run("-u", "-", "UDP4-DATAGRAM:224.1.0.1:6666,ip-multicast-ttl=7", input=b"x")
    assert wire.wait(1, dst="224.1.0.1")[0].ttl == 7
    wire.close()


def test_client_ends_quietly_after_eof(lan):
    """End of input sends nothing; the client waits half a second for answers and ends with 0."""
    wire = lan[0].capture()
    r = lan[0].run("-t", "0.1", *MCAST_CLIENT, input=b"hi\n")
    assert r.status == 0, r
    assert len(wire.packets(dst="224.1.0.1")) == 1
    wire.close()


def test_late_answers_need_t(lan):
    """An answer within -t seconds after end of input is still printed."""
    p = lan[1].start("-d", "-d", "-t", "2", "UDP4-RECVFROM:6666,ip-add-membership=224.1.0.1:192.168.10.2,fork,reuseaddr",
                     "SYSTEM:sleep 0.7; hostname")
    p.wait_log("receiving on")
    r = lan[0].run("-t", "2", *MCAST_CLIENT, input=b"hi\n")
    assert r.out == b"host2\n", r


def test_two_clients_get_their_own_answers(lan):
    """Answers go to the asking client only."""
    for n in (2, 3):
        server(lan[n - 1], MCAST_SERVER, n)
    a, b = client(lan[0], MCAST_CLIENT), client(lan[0], MCAST_CLIENT)
    assert ask(a) == ["host2", "host3"]
    quiet(b)
    assert ask(b) == ["host2", "host3"]
    assert len(a.lines()) == 2


@pytest.fixture
def asked(lan):
    """A client that has sent something, and its port."""
    p = client(lan[0], MCAST_CLIENT)
    p.send("x\n")
    m = p.wait_log(r"local address: AF=2 \S+:(\d+)")
    return p, int(m.group(1))


def test_client_hears_the_target_port(lan, asked):
    """A packet from port 6666 of a host in range is heard."""
    p, port = asked
    s = lan[1].udp(("192.168.10.2", 6666))
    s.sendto(b"one\n", ("192.168.10.1", port))
    p.expect_output(b"one\n")
    s.close()


def test_client_refuses_another_source_port(lan, asked):
    """A packet from another port is refused, once with a warning naming the option that lifts it."""
    p, port = asked
    good, bad = lan[1].udp(("192.168.10.2", 6666)), lan[1].udp(("192.168.10.2", 9999))
    bad.sendto(b"bad\n", ("192.168.10.1", port))
    good.sendto(b"good\n", ("192.168.10.1", port))
    p.expect_output(b"good\n")
    assert p.out == b"good\n"
    p.wait_log(r" W .*192\.168\.10\.2:9999")
    assert "udp-ignore-peerport" in p.log
    good.close()
    bad.close()


def test_ignore_peerport_lifts_the_check(lan):
    """udp-ignore-peerport accepts packets of any port."""
    p = client(lan[0], ("STDIO", "UDP4-DATAGRAM:224.1.0.1:6666,range=192.168.10.0/24,udp-ignore-peerport"))
    p.send("x\n")
    port = int(p.wait_log(r"local address: AF=2 \S+:(\d+)").group(1))
    s = lan[1].udp(("192.168.10.2", 9999))
    s.sendto(b"any\n", ("192.168.10.1", port))
    p.expect_output(b"any\n")
    s.close()


def test_sourceport_refuses_others(lan):
    """With sourceport= given, other ports are refused with the known warning."""
    p = peer(lan[0], MCAST_PEER + ",sourceport=6666", 1)
    s = lan[1].udp(("192.168.10.2", 7777))
    s.sendto(b"x\n", ("192.168.10.1", 6666))
    p.wait_log(r" W refusing connection from AF=2 192\.168\.10\.2:7777 due to wrong sourceport")
    assert p.out == b""
    s.close()


def test_range_refuses_with_a_warning(lan, asked):
    """A packet from outside the range is dropped and said at warning level."""
    p, port = asked
    lan[1].ip("addr add 10.9.9.9/32 dev eth0")
    lan[0].ip("route add 10.9.9.9/32 dev eth0")
    try:
        s = lan[1].udp(("10.9.9.9", 6666))
        s.sendto(b"far\n", ("192.168.10.1", port))
        p.wait_log(r" W refusing connection from AF=2 10\.9\.9\.9:6666 due to range option")
        assert p.out == b""
        s.close()
    finally:
        lan[1].ip("addr del 10.9.9.9/32 dev eth0")
        lan[0].ip("route del 10.9.9.9/32 dev eth0")


def test_range6_refuses_global_answers(lan):
    """fe80 answers are outside of range=[fd00::]/64."""
    server(lan[1], MCAST6_SERVER, 2)
    p = client(lan[0], ("STDIO", "UDP6-DATAGRAM:[ff02::114%eth0]:6666,range=[fd00::]/64"))
    p.send("hi\n")
    p.wait_log(r" W refusing connection from AF=10 \[fe80:.*\]:6666 due to range option")
    assert p.out == b""


def test_client_hears_all_systems_and_broadcast(lan, asked):
    """224.0.0.1 and the broadcast address reach every socket, joined or not."""
    p, port = asked
    s = lan[1].udp(("192.168.10.2", 6666))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(b"all\n", ("224.0.0.1", port))
    p.expect_output(b"all\n")
    s.sendto(b"broad\n", ("192.168.10.255", port))
    p.expect_output(b"broad\n")
    s.close()


def test_client_does_not_hear_the_group(lan, asked):
    """Without membership the group is not heard on the client's port."""
    p, port = asked
    s = lan[1].udp(("192.168.10.2", 6666))
    s.sendto(b"group\n", ("224.1.0.1", port))
    s.sendto(b"done\n", ("192.168.10.1", port))
    p.expect_output(b"done\n")
    assert p.out == b"done\n"
    s.close()


def test_multicast_all_off_ignores_groups_of_others(lan):
    """ip-multicast-all=0: a group that another socket of the host joined is not heard."""
    joined = lan[1].start("-d", "-d", "-u", "UDP4-RECV:6666,reuseaddr,ip-add-membership=224.1.0.1:192.168.10.2", "-")
    joined.wait_log("starting data transfer loop")
    p = lan[1].start("-d", "-d", "-u", "UDP4-RECV:6666,reuseaddr,ip-multicast-all=0", "-")
    p.wait_log("starting data transfer loop")
    s = lan[0].udp(("192.168.10.1", 0))
    s.sendto(b"group\n", ("224.1.0.1", 6666))
    joined.expect_output(b"group\n")
    s.sendto(b"all\n", ("192.168.10.2", 6666))
    lab.wait_until(lambda: b"all" in p.out + joined.out, 5, "unicast is heard")
    assert b"group" not in p.out
    s.close()


def test_multicast6_all_off_ignores_groups_of_others(lan):
    """ipv6-multicast-all=0 does the same for IPv6."""
    joined = lan[1].start("-d", "-d", "-u", "UDP6-RECV:6666,reuseaddr,ipv6-join-group=[ff15::1234]:eth0", "-")
    joined.wait_log("starting data transfer loop")
    p = lan[1].start("-d", "-d", "-u", "UDP6-RECV:6666,reuseaddr,ipv6-multicast-all=0", "-")
    p.wait_log("starting data transfer loop")
    s = lan[0].udp(("fd00::1", 0))
    s.sendto(b"group\n", ("ff15::1234", 6666))
    joined.expect_output(b"group\n")
    s.sendto(b"uni\n", ("fd00::2", 6666))
    lab.wait_until(lambda: b"uni" in p.out + joined.out, 5, "unicast is heard")
    assert b"group" not in p.out
    s.close()


def test_server_hears_group_unicast_and_broadcast(lan):
    """The wildcard-bound server answers whatever way it is addressed."""
    server(lan[1], MCAST_SERVER, 2)
    s = lan[0].udp(("192.168.10.1", 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for dst in ("224.1.0.1", "192.168.10.2", "192.168.10.255", "224.0.0.1"):
        s.sendto(b"hi\n", (dst, 6666))
        assert s.recvfrom(99) == (b"host2\n", ("192.168.10.2", 6666)), dst
    s.close()


def test_server_bound_to_the_group_hears_only_it(lan):
    """bind=224.1.0.1: the kernel delivers group packets only; the reply is unicast."""
    server(lan[1], ("UDP4-RECVFROM:6666,bind=224.1.0.1,ip-add-membership=224.1.0.1:192.168.10.2,fork", "EXEC:hostname"), 2)
    s = lan[0].udp(("192.168.10.1", 0))
    s.sendto(b"no\n", ("192.168.10.2", 6666))
    s.sendto(b"hi\n", ("224.1.0.1", 6666))
    got = []
    while not got or got[-1][0] != b"host2\n":
        try:
            got.append(s.recvfrom(99))
        except ConnectionRefusedError:
            continue
    assert got == [(b"host2\n", ("192.168.10.2", 6666))]
    s.close()


@pytest.mark.parametrize("membership", ["224.1.0.1:192.168.10.2", "224.1.0.1:eth0", "224.1.0.1:192.168.10.2:eth0", "224.1.0.1:IDX"])
def test_membership_forms(lan, membership):
    """Interface by address, by name, by both, by index."""
    with lan[1].inside():
        membership = membership.replace("IDX", str(socket.if_nametoindex("eth0")))
    p = lan[1].start("-d", "-d", "-u", f"UDP4-RECV:6666,ip-add-membership={membership}", "-")
    p.wait_log("starting data transfer loop")
    s = lan[0].udp(("192.168.10.1", 0))
    s.sendto(b"group\n", ("224.1.0.1", 6666))
    p.expect_output(b"group\n")
    s.close()


@pytest.mark.parametrize("source,heard", [("192.168.10.1", True), ("192.168.10.3", False)])
def test_source_membership(lan, source, heard):
    """ip-add-source-membership accepts the group only from the given source."""
    p = lan[1].start("-d", "-d", "-u", f"UDP4-RECV:6666,ip-add-source-membership=224.1.0.1:192.168.10.2:{source},ip-multicast-all=0", "-")
    p.wait_log("starting data transfer loop")
    s = lan[0].udp(("192.168.10.1", 0))
    s.sendto(b"group\n", ("224.1.0.1", 6666))
    s.sendto(b"uni\n", ("192.168.10.2", 6666))
    p.expect_output(b"uni\n")
    assert (b"group" in p.out) == heard
    s.close()


@pytest.mark.parametrize("source,heard", [("fd00::1", True), ("fd00::3", False)])
def test_source_membership6(lan, source, heard):
    """ipv6-join-source-group does the same for IPv6."""
    p = lan[1].start("-d", "-d", "-u", f"UDP6-RECV:6666,ipv6-join-source-group=[ff15::1234]:eth0:[{source}],ipv6-multicast-all=0", "-")
    p.wait_log("starting data transfer loop")
    s = lan[0].udp(("fd00::1", 0))
    s.sendto(b"group\n", ("ff15::1234", 6666))
    s.sendto(b"uni\n", ("fd00::2", 6666))
    p.expect_output(b"uni\n")
    assert (b"group" in p.out) == heard
    s.close()


def test_sendto_client_discards_answers(lan):
    """UDP4-SENDTO to a group sends, but answers come from unicast addresses and are ignored."""
    server(lan[1], MCAST_SERVER, 2)
    wire = lan[0].capture()
    p = lan[0].start("-d", "-d", "-d", "-", "UDP4-SENDTO:224.1.0.1:6666")
    p.wait_log("starting data transfer loop")
    p.send("hi\n")
    wire.wait(1, src="192.168.10.2", sport=6666)
    p.wait_log(r" I .*wrong peer address, ignoring packet")
    assert p.out == b""
    wire.close()


# ---------------------------------------------------------------- routes and misuse

def test_missing_route(unrouted):
    """The known error line, and a warning with the command that mends it."""
    r = unrouted[0].run(*MCAST_CLIENT, input=b"hi\n")
    assert r.status == 1, r
    assert re.search(r" E sendto\(\d+, 0x[0-9a-f]+, 3, 0, AF=2 224\.1\.0\.1:6666, 16\): Network is unreachable", r.log), r
    hint = [line for line in r.log.splitlines() if "ip route add 224.0.0.0/4 dev eth0" in line]
    assert len(hint) == 1 and " W " in hint[0], r
    assert "224.1.0.1" in hint[0]


@pytest.mark.parametrize("cure", ["ip-multicast-if=192.168.10.1", "bind=192.168.10.1", "so-bindtodevice=eth0"])
def test_cures_for_a_missing_route(unrouted, cure):
    """Each of these sends to the group without a route."""
    wire = unrouted[0].capture()
    r = unrouted[0].run("-u", "-", f"UDP4-DATAGRAM:224.1.0.1:6666,{cure}", input=b"hi\n")
    assert r.status == 0, r
    packet, = wire.wait(1, dst="224.1.0.1")
    assert packet.src == "192.168.10.1"
    wire.close()


def test_broadcast_needs_the_option(lan):
    """Without `broadcast` the kernel forbids sending to the broadcast address."""
    r = lan[0].run("-", "UDP4-DATAGRAM:192.168.10.255:6666", input=b"hi\n")
    assert r.status == 1
    assert re.search(r" E sendto\(.*AF=2 192\.168\.10\.255:6666, 16\): Permission denied", r.log), r


def test_unicast_bind_with_membership_warns_and_hears_nothing(lan):
    """Bound to its own address a socket never hears the group: said at start."""
    p = lan[1].start("-d", "-d", "-u", "UDP4-RECV:6666,bind=192.168.10.2,ip-add-membership=224.1.0.1:192.168.10.2", "-")
    p.wait_log("starting data transfer loop")
    s = lan[0].udp(("192.168.10.1", 0))
    s.sendto(b"group\n", ("224.1.0.1", 6666))
    s.sendto(b"uni\n", ("192.168.10.2", 6666))
    p.expect_output(b"uni\n")
    assert p.out == b"uni\n"
    p.wait_log(r" W .*(192\.168\.10\.2|224\.1\.0\.1)")
    s.close()


# ---------------------------------------------------------------- 3 and 4: peers

def everybody(peers):
    """Each peer types a line; every peer prints all three of them."""
    want = [f"from host{n}" for n in (1, 2, 3)]
    for n, p in enumerate(peers, 1):
        p.send(f"from host{n}\n")
        for q in peers:
            q.expect_output(f"from host{n}\n")
    for p in peers:
        assert sorted(p.lines()) == want


@pytest.mark.parametrize("addr,group", [(MCAST_PEER, "224.1.0.1"), (PEER6, "ff15::1234")], ids=["ipv4", "ipv6"])
def test_multicast_peers(lan, fast, addr, group):
    """Three peers, three messages, one packet each, from and to port 6666."""
    wire = lan[0].capture()
    everybody([peer(h, addr, n) for n, h in enumerate(lan, 1)])
    packets = wire.packets(dst=group)
    assert len(packets) == len(wire.packets()) == 3
    assert {(p.sport, p.dport, len(p.data)) for p in packets} == {(6666, 6666, 11)}
    wire.close()


def test_broadcast_peers(lan, fast):
    """The same by broadcast to 255.255.255.255, which needs a route too."""
    for h in lan:
        h.ip("route add 255.255.255.255/32 dev eth0")
    try:
        everybody([peer(h, BCAST_PEER, n) for n, h in enumerate(lan, 1)])
    finally:
        lab.stop_all()
        for h in lan:
            h.ip("route del 255.255.255.255/32 dev eth0")


def test_broadcast_peers_by_subnet_address(lan):
    """192.168.10.255 instead needs no extra route."""
    everybody([peer(h, BCAST_PEER.replace("255.255.255.255", "192.168.10.255"), n) for n, h in enumerate(lan, 1)])


def test_broadcast_without_route(lan):
    """255.255.255.255 without a route is the known error."""
    r = lan[0].run("STDIO", BCAST_PEER, input=b"hi\n")
    assert r.status == 1
    assert re.search(r" E sendto\(.*AF=2 255\.255\.255\.255:6666, 16\): Network is unreachable", r.log), r


@pytest.mark.parametrize("addr,option", [(MCAST_PEER, "ip-multicast-loop=0"), (PEER6, "ipv6-multicast-loop=0")], ids=["ipv4", "ipv6"])
def test_loop_off_suppresses_the_own_copy(lan, addr, option):
    """host2 with loop off hears the others, not itself; they hear all."""
    peers = [peer(h, addr + ("," + option if n == 2 else ""), n) for n, h in enumerate(lan, 1)]
    for n in (2, 1, 3):
        peers[n - 1].send(f"from host{n}\n")
        for m in (1, 2, 3):
            if not m == n == 2:
                peers[m - 1].expect_output(f"from host{n}\n")
    assert sorted(peers[1].lines()) == ["from host1", "from host3"]
    assert len(peers[0].lines()) == len(peers[2].lines()) == 3


def test_peer_without_bind_hears_nothing(lan):
    """Sending from an ephemeral port, a peer does not hear what goes to 6666."""
    deaf = client(lan[1], ("STDIO", "UDP4-DATAGRAM:224.1.0.1:6666,ip-add-membership=224.1.0.1:192.168.10.2"))
    a, c = peer(lan[0], MCAST_PEER + ",udp-ignore-peerport", 1), peer(lan[2], MCAST_PEER, 3)
    a.send("hello\n")
    c.expect_output(b"hello\n")
    quiet(deaf)
    deaf.send("deaf\n")
    a.expect_output(b"deaf\n")


def test_two_peers_on_one_host(lan):
    """With reuseaddr both hear every packet of both."""
    a, b = (peer(lan[0], MCAST_PEER + ",reuseaddr", 1) for _ in "ab")
    a.send("a\n")
    b.send("b\n")
    for p in (a, b):
        p.expect_output(b"a\n")
        p.expect_output(b"b\n")


def test_second_peer_without_reuseaddr(lan):
    """Otherwise the second finds the port taken."""
    peer(lan[0], MCAST_PEER, 1)
    r = lan[0].run("STDIO", MCAST_PEER % 1)
    assert r.status == 1
    assert re.search(r" E bind\(\d+, \{AF=2 0\.0\.0\.0:6666\}, 16\): Address already in use", r.log), r


def test_relay_between_two_groups(lan):
    """Loop off on both sides: one packet crosses exactly once."""
    relay = lan[1].start("-d", "-d",
                         "UDP4-DATAGRAM:224.1.0.1:6666,bind=:6666,ip-add-membership=224.1.0.1:eth0,ip-multicast-loop=0,ip-multicast-all=0",
                         "UDP4-DATAGRAM:224.1.0.2:7777,bind=:7777,ip-add-membership=224.1.0.2:eth0,ip-multicast-loop=0,ip-multicast-all=0")
    relay.wait_log("starting data transfer loop")
    wire = lan[2].capture()
    s = lan[0].udp(("192.168.10.1", 6666))
    s.sendto(b"one", ("224.1.0.1", 6666))
    assert wire.wait(1, dst="224.1.0.2", dport=7777)[0].data == b"one"
    s.sendto(b"two", ("224.1.0.1", 6666))
    wire.wait(2, dst="224.1.0.2")
    assert len(wire.packets()) == 4
    s.close()
    wire.close()


def test_interface_that_is_not_there(lan):
    """A clear error, status 1."""
    r = lan[0].run("-u", "UDP4-RECV:6666,ip-add-membership=224.1.0.1:192.168.99.9", "-")
    assert r.status == 1 and "No such device" in r.log, r
    r = lan[0].run("-u", "UDP6-RECV:6666,ipv6-join-group=[ff02::114]:nosuch", "-")
    assert r.status == 1 and "nosuch" in r.log, r
    r = lan[0].run("-u", "-", "UDP4-DATAGRAM:224.1.0.1:6666,ip-multicast-if=9.9.9.9", input=b"x")
    assert r.status == 1 and "Cannot assign requested address" in r.log, r


# ---------------------------------------------------------------- 5: packet information

def exported(text):
    return dict(re.findall(r"^export " + lab.PREFIX + r"(\w+)='?([^'\n]*)'?$", text, re.M))


def test_packet_information(lan):
    """The program learns sender, destination, interface and local address."""
    p = server(lan[1], INFO_SERVER, 2)
    wire = lan[0].capture()
    r = lan[0].run("-u", "STDIO", "UDP-DATAGRAM:224.1.0.1:8888", input=b"\n")
    assert (r.status, r.out) == (0, b"")
    p.expect_output(b"_VERSION=")
    packet, = wire.wait(1, dst="224.1.0.1", dport=8888)
    v = exported(p.out.decode())
    assert v["IP_DSTADDR"] == "224.1.0.1"
    assert v["IP_IF"] == "eth0"
    assert v["IP_LOCADDR"] == "192.168.10.2"
    assert v["PEERADDR"] == "192.168.10.1"
    assert v["PEERPORT"] == str(packet.sport)
    assert v["PID"] not in ("", "0")
    wire.close()


@pytest.mark.parametrize("dst", ["192.168.10.2", "192.168.10.255", "224.1.0.1", "224.0.0.1"])
def test_packet_information_by_destination(lan, dst):
    """IP_DSTADDR tells unicast, broadcast, group and all-systems packets apart."""
    p = server(lan[1], INFO_SERVER, 2)
    s = lan[0].udp(("192.168.10.1", 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(b"\n", (dst, 8888))
    p.expect_output(b"_VERSION=")
    v = exported(p.out.decode())
    assert (v["IP_DSTADDR"], v["IP_IF"], v["IP_LOCADDR"]) == (dst, "eth0", "192.168.10.2")
    assert re.search(rf' N Ancillary message: interface "eth0", locaddr=192\.168\.10\.2, dstaddr={dst}', p.log)
    s.close()


def test_packet_information6(lan):
    """The IPv6 twin: destination and interface."""
    p = server(lan[1], INFO6_SERVER, 2)
    r = lan[0].run("-u", "STDIO", "UDP6-DATAGRAM:[ff15::1234]:8888", input=b"\n")
    assert r.status == 0, r
    p.expect_output(b"_VERSION=")
    v = exported(p.out.decode())
    assert v["IPV6_DSTADDR"] == "[ff15:0000:0000:0000:0000:0000:0000:1234]"
    assert v["IPV6_IF"] == "eth0"
    assert v["PEERADDR"] == "[fd00:0000:0000:0000:0000:0000:0000:0001]"
