"""MCAST and BCAST: a group, or everybody, by one word; on three virtual hosts."""
import re
import socket
import struct

import pytest

import lab

G4, G6, PORT = "239.7.7.7", "[ff05::7:7]", 6007
GROUPS = [("MCAST", G4), ("MCAST4", G4), ("MCAST6", G6), ("MCAST", G6)]


def member(host, address, *args, **kw):
    p = host.start("-d", "-d", *args, "-", address, **kw)
    p.wait_log("starting data transfer loop")
    return p


def dual(host, group, n):
    """An interface beside eth0 that leads nowhere, and the group on it."""
    host.ip(f"link add {n} type veth peer name {n}p", f"link set {n} up", f"link set {n}p up", f"addr add 10.9.{ord(n[-1])}.1/24 dev {n}")


def joined(host, group, index_name):
    """Is the kernel a member of the IPv4 @group on interface @index_name? (/proc/net/igmp)"""
    with host.inside():
        text = open("/proc/self/net/igmp", encoding="ascii").read()
    want = "%08X" % struct.unpack("=I", socket.inet_aton(group))[0]
    block = re.search(rf"^\d+\t{index_name}\s.*\n((?:\t.*\n)*)", text, re.M)
    return bool(block) and want in block.group(1)


@pytest.mark.parametrize("kw,group", [("MCAST4", G4), ("MCAST6", G6), ("MCAST6", "[ff02::7:7]")])
@pytest.mark.parametrize("option,heard", [("", b""), ("answers=any", b"other same "), ("answers=port", b"same ")])
def test_unicast_answers(lan, kw, group, option, heard):
    """A question to the group, answered to the asker alone: heard if option answers is given, from any port or from that of the group."""
    p = member(lan[0], f"{kw}:{group}:{PORT}" + ("," + option if option else ""), "-T", "20")
    q = member(lan[1], f"{kw}:{group}:{PORT}")
    p.send("question\n")
    q.expect_output(b"question")
    family, me = (socket.AF_INET, "192.168.10.1") if kw == "MCAST4" else (socket.AF_INET6, "fd00::1")
    q.stop()
    for port, text in ((0, b"other "), (PORT, b"same ")):
        with lan[1].socket(family, socket.SOCK_DGRAM, bind=("192.168.10.2" if kw == "MCAST4" else "fd00::2", port)) as s:
            try:
                s.sendto(text, (me, PORT))
                s.sendto(text, (me, PORT))
            except OSError:
                pass                    # nobody there: refused
    third = member(lan[2], f"{kw}:{group}:{PORT}")
    third.send("end\n")
    p.expect_output(b"end\n")
    assert p.out == b"question\n" + 2 * heard[:heard.index(b" ") + 1] + 2 * heard[heard.index(b" ") + 1:] + b"end\n" if heard else b"question\nend\n"
    if not heard:
        return
    with lan[2].socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # broadcasts are no answers
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(b"BROADCAST", ("192.168.10.255", PORT))
    third.send("end2\n")
    p.expect_output(b"end2\n")
    assert b"BROADCAST" not in p.out


@pytest.mark.parametrize("value", ["lo", "127.0.0.1", "localhost"])
def test_multicast_interface(local, value):
    """ip-multicast-if takes an interface's name, a local address, or a host name; without it there is no route here. Classic takes no interface."""
    port = lab.port()
    local.ip("link set lo multicast on")
    p = local.start("-d", "-d", "-u", f"UDP4-RECV:{port},reuseaddr,ip-add-membership={G4}:lo", "-")
    p.wait_log("starting data transfer loop")
    r = local.run("-u", "-", f"UDP4-DATAGRAM:{G4}:{port},ip-multicast-if={value}", input=b"x")
    assert r.status == 0, r
    p.expect_output(b"x")


def test_multicast_interface_that_is_none(local):
    r = local.run("-u", "-", f"UDP4-DATAGRAM:{G4}:{lab.port()},ip-multicast-if=nowhere0", input=b"x")
    assert r.status and "there are: lo" in r.log, r


@pytest.mark.parametrize("kw,group", GROUPS)
def test_everybody_hears_everybody(lan, fast, kw, group):
    members = [member(h, f"{kw}:{group}:{PORT}") for h in lan]
    for k, m in enumerate(members):
        m.send(b"%d\n" % k)
    for m in members:
        for k in range(3):
            m.expect_output(b"%d\n" % k)


@pytest.mark.parametrize("kw,group,long", [
    ("MCAST", G4, "UDP4-DATAGRAM:{g}:{p},bind={g}:{p},reuseaddr,ip-add-membership={g}:eth0,ip-multicast-if={a4},ip-multicast-all=0,udp-ignore-peerport"),
    ("MCAST6", G6, "UDP6-DATAGRAM:{g}:{p},bind={g}:{p},reuseaddr,ipv6-join-group={g}:eth0,ipv6-multicast-if=eth0,ipv6-multicast-all=0,udp-ignore-peerport"),
    ("BCAST", None, "UDP4-DATAGRAM:255.255.255.255:{p},bind=:{p},reuseaddr,broadcast,so-bindtodevice=eth0,dst=broadcast,udp-ignore-peerport")])
def test_the_long_line_does_the_same(lan, kw, group, long):
    """One end by the word, the other by the options it stands for."""
    word = f"{kw}:{group}:{PORT}" if group else f"{kw}:{PORT}"
    a, b = member(lan[0], word), member(lan[1], long.format(g=group, p=PORT, a4="192.168.10.2"))
    a.send(b"by the word\n")
    b.expect_output(b"by the word\n")
    b.send(b"by options\n")
    a.expect_output(b"by options\n")
    v6 = group == G6
    with lan[2].socket(socket.AF_INET6 if v6 else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for k in (0, 1):
            s.sendto(b"unicast\n", (f"fd00::{k + 1}" if v6 else f"192.168.10.{k + 1}", PORT))
        s.sendto(b"from any port\n", (group.strip("[]") if group else "192.168.10.255", PORT))
    for m in (a, b):
        m.expect_output(b"from any port\n")
        assert b"unicast" not in m.out


def test_says_what_it_does(lan):
    p = member(lan[0], f"MCAST:{G4}:{PORT}", "-d")
    assert re.search(rf" N joined {G4} on eth0", p.log)
    assert re.search(rf" N sending to .*{G4}:{PORT} by eth0", p.log)
    assert re.search(r" I sending interface eth0 \(\d+\): by route", p.log)


def test_no_route_is_needed(lan):
    """The only interface that can be meant is taken."""
    lan[0].ip("route del 224.0.0.0/4 dev eth0")
    try:
        p = member(lan[0], f"MCAST:{G4}:{PORT}", "-d")
        assert "the only one that is up" in p.log and joined(lan[0], G4, "eth0")
        with lan[1].socket(socket.AF_INET) as s:
            s.sendto(b"x", (G4, PORT))
            p.expect_output(b"x")
    finally:
        lan[0].ip("route add 224.0.0.0/4 dev eth0")


@pytest.mark.parametrize("how,on,off", [
    ("if=eth0", ["eth0"], ["dum0"]), ("if=dum0+eth0", ["eth0", "dum0"], []), ('if="all,!dum0"', ["eth0", "lo"], ["dum0"]),
    ("if=192.168.10.1", ["eth0"], ["dum0"]), ("join-if=dum0,if=eth0", ["dum0"], ["eth0"]), ("mcast-if=eth0,join-if=eth0+dum0", ["eth0", "dum0"], []),
])
def test_interfaces(lan, how, on, off):
    dual(lan[0], G4, "dum0")
    lan[0].ip("link set lo multicast on")
    try:
        p = member(lan[0], f"MCAST4:{G4}:{PORT},{how}")
        assert all(joined(lan[0], G4, n) for n in on) and not any(joined(lan[0], G4, n) for n in off)
        other = member(lan[1], f"MCAST4:{G4}:{PORT}")
        p.send(b"out\n")
        other.expect_output(b"out\n")            # several: where the route to the group leads
    finally:
        lan[0].ip("link del dum0", "link set lo multicast off")


def test_interface_by_number(lan):
    with lan[0].inside():
        index = socket.if_nametoindex("eth0")
    member(lan[0], f"MCAST4:{G4}:{PORT},if={index}")
    assert joined(lan[0], G4, "eth0")


def test_other_interfaces_are_not_heard(lan):
    """Another program joins the group elsewhere: this socket does not hear it (IP_MULTICAST_ALL)."""
    dual(lan[0], G4, "dum0")
    try:
        p = member(lan[0], f"MCAST4:{G4}:{PORT},if=dum0")
        other = member(lan[0], f"MCAST4:{G4}:{PORT},if=eth0")
        with lan[1].socket(socket.AF_INET) as s:
            s.sendto(b"for eth0\n", (G4, PORT))
        other.expect_output(b"for eth0\n")
        assert p.out == b""
    finally:
        lan[0].ip("link del dum0")


@pytest.mark.parametrize("group", [G4, G6, "[ff02::7:7]"])
def test_an_interface_comes_back(lan, group):
    """Removed and made anew, under another number: joined again, and sent by, within two seconds."""
    v6 = group.startswith("[")
    def make():
        lan[0].ip("link add ext0 type veth peer name ext1", "link set ext0 up", "link set ext1 up", "addr add 10.9.1.1/24 dev ext0",
                  "addr add 10.9.1.2/24 dev ext1", "addr add fd09::1/64 dev ext0 nodad", "addr add fd09::2/64 dev ext1 nodad")
        with lan[0].inside():
            return socket.if_nametoindex("ext0"), socket.if_nametoindex("ext1")

    def from_outside(index, data):
        """The packet as it arrives at ext0: sent by its other end."""
        with lan[0].socket(socket.AF_INET6 if v6 else socket.AF_INET) as s:
            if v6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            else:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), index))
                s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            s.sendto(data, (group.strip("[]"), PORT))
    lan[0].sysctl("net/ipv4/conf/all/accept_local", 1)
    lan[0].sysctl("net/ipv4/conf/all/rp_filter", 0)
    lan[0].sysctl("net/ipv4/conf/default/rp_filter", 0)
    _, outside = make()
    try:
        p = member(lan[0], f"MCAST:{group}:{PORT},if=ext0")
        other = member(lan[0], f"MCAST:{group}:{PORT},if=eth0")
        for turn in range(2):
            lan[0].ip("link del ext0")
            p.wait_log(" W interface ext0 is gone", count=turn + 1)
            p.send(b"nobody hears this\n")
            p.wait_log("what is sent is lost until interface ext0 is back", count=turn + 1)
            _, outside = make()
            p.wait_log(r" N joined \S+ on ext0", count=turn + 2)
            p.wait_log(r" N sending to .* by ext0", count=turn + 2)
            p.wait_log(r" W 1 datagrams were lost while interface ext0 was away", count=turn + 1)
            lab.wait_until(lambda: from_outside(outside, b"back %d\n" % turn) or b"back %d" % turn in p.out, 5, "nothing is heard again")
        wire = lan[0].capture("ext1")
        p.send(b"there again\n")
        assert wire.wait(1, dport=PORT)[0].data == b"there again\n"
        wire.close()
        assert other.out == b"" and len(re.findall(" W ", p.log)) == 6
    finally:
        lan[0].ip("link del ext0")


def test_an_interface_that_is_late(lan):
    p = lan[0].start("-d", "-d", "-", f"MCAST4:{G4}:{PORT},if=ext0+eth0,if-wait=20")
    p.wait_log('N interface "ext0" not found.*; waiting for it')
    lan[0].ip("link add ext0 type veth peer name ext1", "link set ext0 up", "link set ext1 up", "addr add 10.9.1.1/24 dev ext0")
    try:
        p.wait_log("joined .* on ext0")
        p.wait_log("joined .* on eth0")
        assert p.log.count("waiting for it") == 1
    finally:
        lan[0].ip("link del ext0")
    r = lan[0].run("-", f"MCAST4:{G4}:{PORT},if=ext0,if-wait=0.5")
    assert r.status == 1 and r.log.count(" E ") == 1 and 'interface "ext0" not found' in r.log


@pytest.fixture
def few(lan):
    """The first host lets a socket join two groups; it has four more interfaces."""
    lan[0].sysctl("net/ipv4/igmp_max_memberships", 2)
    for n in "1234":
        dual(lan[0], G4, f"dum{n}")
    yield lan[0]
    lan[0].ip(*[f"link del dum{n}" for n in "1234"])
    lan[0].sysctl("net/ipv4/igmp_max_memberships", 20)


def test_more_interfaces_than_a_socket_may_join(lan, few):
    """Helper sockets join; heard is still this group only, on these interfaces, from this source."""
    p = member(few, f"MCAST4:{G4}:{PORT},if=dum1+dum2+dum3+eth0")
    assert all(joined(few, G4, n) for n in ("dum1", "dum2", "dum3", "eth0")) and not joined(few, G4, "dum4")
    other = member(lan[1], f"MCAST4:{G4}:{PORT}")
    other.send(b"one\n")
    p.expect_output(b"one\n")
    few.ip("link del dum1")
    p.wait_log("interface dum1 is gone")
    dual(few, G4, "dum1")
    lab.wait_until(lambda: joined(few, G4, "dum1"), 5, "not joined again")
    narrow = member(few, f"MCAST4:192.168.10.3@{G4}:{PORT},if=dum1+dum2+dum3+eth0")
    elsewhere = member(few, f"MCAST4:{G4}:{PORT},if=dum1+dum2+dum3+dum4")
    other.send(b"two\n")
    p.expect_output(b"two\n")           # they are two hosts: nothing else keeps them in this order
    third = member(lan[2], f"MCAST4:{G4}:{PORT}")
    third.send(b"three\n")
    p.expect_output(b"two\nthree\n")
    narrow.expect_output(b"three\n")
    assert elsewhere.out == b"" and b"two" not in narrow.out


@pytest.mark.parametrize("address", ["UDP4-RECV:{p}", "UDP4-RECVFROM:{p},fork", "UDP4-DATAGRAM:239.7.0.1:{p},bind=:{p},udp-ignore-peerport"])
def test_more_groups_than_a_socket_may_join(lan, few, address):
    groups = [f"239.7.0.{k}" for k in range(1, 26)]
    line = address.format(p=PORT) + "".join(f",ip-add-membership={g}:eth0" for g in groups)
    p = few.start("-d", "-d", "-d", "-u", line, "OPEN:/dev/stdout,append")
    p.wait_log("starting data transfer loop|starting recv loop|receiving on AF=2")
    assert all(joined(few, g, "eth0") for g in groups) and p.log.count("joins for it") == 12
    with lan[1].socket(socket.AF_INET) as s:
        for g in groups:
            s.sendto(f"{g}\n".encode(), (g, PORT))
    lab.wait_until(lambda: sorted(p.out.split()) == sorted(g.encode() for g in groups), 5, lambda: repr(p))
    p.kill()
    p.wait()
    r = few.run("-u", f"{line},ip-multicast-all=0", "-")
    assert r.status == 1 and "more groups than one socket may join" in r.log and "sysctl net.ipv4.igmp_max_memberships" in r.log


def test_more_ipv6_groups_than_a_socket_may_join(lan):
    """Their number is bounded by net.core.optmem_max."""
    limit = int(open("/proc/sys/net/core/optmem_max", encoding="ascii").read()) // 40
    line = f"UDP6-RECV:{PORT}" + "".join(f",ipv6-join-group=[ff05::{k:x}]:eth0" for k in range(1, limit))
    if len(line) > 128 * 1024:
        pytest.skip("net.core.optmem_max is so large that a line cannot reach it")
    p = lan[0].start("-d", "-d", "-d", "-u", line, "-")
    p.wait_log("starting data transfer loop", timeout=30)
    assert "joins for it" in p.log
    with lan[1].socket(socket.AF_INET6) as s:
        s.sendto(b"the last one\n", (f"ff05::{limit - 1:x}", PORT))
    p.expect_output(b"the last one\n")


def test_sessions_share_a_group(lan, fast):
    """One socket for all sessions: each end is closed by itself, and the group is still followed."""
    port = lab.port()
    p = lan[0].start("-d", "-d", f"MCAST4:{G4}:{PORT},if=eth0", f"TCP4-LISTEN:{port},fork")
    p.wait_log("listening on")
    far = member(lan[1], f"MCAST4:{G4}:{PORT}")
    for k in range(3):
        with lan[0].socket(socket.AF_INET, socket.SOCK_STREAM) as s:
            s.connect(("127.0.0.1", port))
            s.sendall(b"%d\n" % k)
            far.expect_output(b"%d\n" % k)
    assert joined(lan[0], G4, "eth0")
    p.kill()
    assert p.wait().status == 143


def test_all_grows(lan):
    """if=all: what appears later is joined as well."""
    p = member(lan[0], f"MCAST4:{G4}:{PORT},if=all")
    lan[0].ip("link add ext0 type veth peer name ext1", "link set ext0 up", "link set ext1 up", "addr add 10.9.1.1/24 dev ext0")
    try:
        p.wait_log("joined .* on ext0")
        assert joined(lan[0], G4, "ext0") and "by ext0" not in p.log
    finally:
        lan[0].ip("link del ext0")
    p.wait_log("interface ext0 is gone")


@pytest.mark.parametrize("group", [G4, G6])
def test_only_the_group_is_heard(lan, group):
    """Neither unicast nor another group on the same port."""
    v6 = group.startswith("[")
    other, host = ("[ff05::7:8]", "fd00::1") if v6 else ("239.7.7.8", "192.168.10.1")
    p = member(lan[0], f"MCAST:{group}:{PORT}")
    member(lan[0], f"MCAST:{other}:{PORT}")
    with lan[1].socket(socket.AF_INET6 if v6 else socket.AF_INET) as s:
        s.sendto(b"other group\n", (other.strip("[]"), PORT))
        s.sendto(b"unicast\n", (host, PORT))
        s.sendto(b"right\n", (group.strip("[]"), PORT))
    p.expect_output(b"right\n")
    assert p.out == b"right\n"


@pytest.mark.parametrize("kw,source,group", [("MCAST4", "192.168.10.2", "232.7.7.7"), ("MCAST6", "[fd00::2]", "[ff35::7:7]")])
def test_one_source(lan, kw, source, group):
    """Source-specific: of two senders one is heard."""
    p = member(lan[0], f"{kw}:{source}@{group}:{PORT}")
    assert re.search(r" N joined \S+ from \S+ on eth0", p.log)
    for k in (2, 1):
        lan[k].run("-u", "-", f"UDP-SENDTO:{group}:{PORT}" + (",ipv6-multicast-if=eth0" if "6" in kw else ""), input=b"from %d\n" % (k + 1))
    p.expect_output(b"from 2\n")
    assert p.out == b"from 2\n"


def test_memberships_are_given_back(lan):
    """An interface that vanishes and comes back again and again: its old membership makes room for the new one (a socket
    has room for 20), so no other socket has to join."""
    def make():
        lan[0].ip("link add ext0 type veth peer name ext1", "link set ext0 up", "link set ext1 up", "addr add 10.9.1.1/24 dev ext0")
    lan[0].sysctl("net/ipv4/igmp_max_memberships", 20)
    make()
    try:
        p = lan[0].start("-d", "-d", "-d", "-", f"MCAST4:{G4}:{PORT},if=eth0+ext0")
        p.wait_log("starting data transfer loop")
        before = len(lab.descriptors(p.pid))
        for n in range(25):
            lan[0].ip("link del ext0")
            make()
            p.wait_log(r" N joined \S+ on ext0", count=n + 2)
        assert len(lab.descriptors(p.pid)) == before, "another socket joins for it"
        other = member(lan[1], f"MCAST4:{G4}:{PORT}")
        other.send(b"heard\n")
        p.expect_output(b"heard\n")
    finally:
        lan[0].ip("link del ext0")


def test_hops_and_loop(lan):
    wire = lan[1].capture()
    p = member(lan[0], f"MCAST4:{G4}:{PORT},hops=7,loop=0")
    p.send(b"x")
    assert wire.wait(1, dst=G4)[0].ttl == 7
    q = member(lan[0], f"MCAST6:{G6}:{PORT},hops=9,loop=0")
    q.send(b"y")
    assert wire.wait(1, dst=G6.strip("[]"))[0].ttl == 9
    wire.close()
    here = member(lan[1], f"MCAST4:{G4}:{PORT}")
    p.send(b"again\n")
    here.expect_output(b"again\n")
    lab.rest(0.2)
    assert p.out == b"" and q.out == b""


def test_broadcast(lan, fast):
    members = [member(h, f"BCAST:{PORT}") for h in lan]
    members[0].send(b"all\n")
    for m in members:
        m.expect_output(b"all\n")
    with lan[1].socket(socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(b"unicast\n", ("192.168.10.3", PORT))
        s.sendto(b"directed\n", ("192.168.10.255", PORT))
    members[2].expect_output(b"directed\n")
    assert b"unicast" not in members[2].out


def test_broadcast_on_one_interface(lan):
    a = member(lan[0], f"BCAST:{PORT},if=eth0,no-echo")
    b = member(lan[1], f"BCAST:{PORT},if=eth0")
    a.send(b"x\n")
    b.expect_output(b"x\n")
    b.send(b"y\n")
    a.expect_output(b"y\n")
    assert a.out == b"y\n"


@pytest.mark.parametrize("address,says", [
    ("MCAST:192.168.10.1:6", r"192\.168\.10\.1 is no multicast group[^~]*groups are 224\.0\.0\.0/4 and ff00::/8"),
    ("MCAST6:239.1.1.1:6", r"239\.1\.1\.1"),
    (f"MCAST:{G4}:0", r"a group has a port from 1 to 65535"),
    (f"MCAST:{G4}:6,if=nix0", r'interface "nix0" not found[^~]*no interface is named "nix0".*eth0'),
    (f'MCAST:{G4}:6,if="all,!eth0"', r'leaves no interface'),
    (f"MCAST:{G4}@{G4}:6", r"the source before '@' must be a host"),
    (f"MCAST:{G4}", r"wrong number of parameters|syntax|usage"),
    ("BCAST:x", r'cannot resolve service "x/17"|port'),
    ("UDP4-DATAGRAM:239.1.1.1:6,hops=3", r'option "hops"'),
])
def test_mistakes(lan, address, says):
    r = lan[0].run("-", address)
    assert r.status == 1 and re.search(says, r.log), r


@pytest.mark.parametrize("address", [f"MCAST4:{G4}:{PORT}", f"MCAST6:{G6}:{PORT}", f"BCAST:{PORT}"])
def test_sealed(lan, tmp_path, address):
    """Members with the key hear each other; a stranger neither is heard nor understands."""
    r = lan[0].run("--keygen")
    if r.status:
        pytest.skip("built without libsodium")
    key = tmp_path / "key"
    key.write_bytes(r.out)
    key.chmod(0o600)
    a, b = (member(h, f"{address},seal={key}") for h in lan[:2])
    stranger = member(lan[2], address)
    stranger.send(b"open\n")
    a.send(b"secret\n")
    b.expect_output(b"secret\n")
    stranger.until(lambda: len(stranger.out) > 20, 5, "the sealed bytes")
    assert b"open" not in b.out and b"secret" not in stranger.out
