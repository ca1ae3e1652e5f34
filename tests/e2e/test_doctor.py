"""The doctor: hosts broken in just one way, and what `socast --doctor` says about them.

host1 and host2 share a cable (eth0, 192.168.10.1 and .2); each test breaks host1. The doctor must
name the fault with its evidence, and when its cure is carried out it must be content.
"""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

import lab
from certs import zoo_if_any
from screen import Terminal

SEND = "UDP4-DATAGRAM:224.1.0.1:6666,range=192.168.10.0/24"
HEAR = "UDP4-RECVFROM:6666,ip-add-membership=224.1.0.1:eth0,fork"
PEER = "UDP4-DATAGRAM:224.1.0.1:6666,bind=:6666,ip-add-membership=224.1.0.1:eth0"
SEND6 = "UDP6-DATAGRAM:[ff15::114]:6666"
HEAR6 = "UDP6-RECV:6666,ipv6-join-group=[ff15::114]:eth0"
BCAST = "UDP4-DATAGRAM:192.168.10.255:6666,bind=:6666,broadcast"
MEMBER = "MCAST:239.1.2.3:6666"
MEMBER6 = "MCAST6:[ff15::114]:6666"
EVERYBODY = "BCAST:6666"
ALL = [SEND, HEAR, PEER, SEND6, HEAR6, BCAST, MEMBER, MEMBER6, EVERYBODY]

needs_nft = pytest.mark.skipif(not shutil.which("nft", path=os.environ["PATH"] + ":/usr/sbin:/sbin"), reason="needs nft")
needs_iptables = pytest.mark.skipif(not shutil.which("iptables", path=os.environ["PATH"] + ":/usr/sbin:/sbin"),
                                    reason="needs iptables")


class Report:
    """What the doctor said."""

    def __init__(self, result):
        self.status = result.status
        assert result.out, result
        self.all = json.loads(result.out)
        assert self.all["status"] == self.status
        self.found = self.all["findings"]
        for f in self.found:
            assert set(f) == {"level", "check", "what", "evidence", "cure", "command"}
            assert f["what"] and isinstance(f["command"], bool)

    def of(self, level):
        return [f for f in self.found if f["level"] == level]

    def __repr__(self):
        return f"status {self.status}\n" + "\n".join(map(str, self.found))


def doctor(host, *args, **kw):
    kw.setdefault("timeout", 20)
    return Report(host.run("--doctor", "--log=json", *args, **kw))


def sh(host, command):
    """Run a command line in the namespace; it must succeed."""
    with host.inside():
        r = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, check=False, timeout=20,
                           env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    assert r.returncode == 0, f"{command}: {r.stdout}{r.stderr}"


def names(report, what, level="problem"):
    """The one finding whose sentence matches; the doctor's exit status fits."""
    hits = [f for f in report.of(level) if re.search(what, f["what"])]
    assert len(hits) == 1, f"no finding like {what}\n{report!r}"
    assert report.status == (1 if report.of("problem") else 2 if report.of("unknown") else 0)
    assert hits[0]["evidence"], hits
    return hits[0]


def healthy(report):
    assert not report.of("problem") and not report.of("unknown"), report
    assert report.status == 0


def cure(host, report, what, *args):
    """The fault is named, its cure is a command, and running it makes the doctor content."""
    f = names(report, what)
    assert f["command"], f
    sh(host, f["cure"])
    healthy(doctor(host, *args))
    return f


def pair_up():
    one, two = lab.Host("host1"), lab.Host("host2")
    one.ip(f"link add eth0 type veth peer name eth0 netns {two.pid}")
    for n, h in enumerate((one, two), 1):
        h.sysctl("net/ipv4/conf/eth0/rp_filter", 0)
        h.sysctl("net/ipv6/conf/eth0/accept_dad", 0)
        h.sysctl("net/ipv6/conf/eth0/addr_gen_mode", 1)
        h.ip("link set eth0 up", f"addr add 192.168.10.{n}/24 brd + dev eth0", f"addr add fd00::{n}/64 dev eth0 nodad",
             f"addr add fe80::{n}/64 dev eth0 nodad", lab.Lan.ROUTE)
    return one, two


@pytest.fixture
def hosts(local):   # which knows whether hosts can be made
    both = pair_up()
    yield both
    lab.stop_all()
    for h in both:
        h.close()


@pytest.fixture
def host(hosts):
    return hosts[0]


def second_link(host, number=20):
    """One more interface of host1, eth1 in 192.168.number.0/24."""
    host.ip("link add eth1 type veth peer name far1", "link set eth1 up", "link set far1 up")
    host.sysctl("net/ipv4/conf/eth1/rp_filter", 0)
    host.ip(f"addr add 192.168.{number}.1/24 brd + dev eth1")


# ---------------------------------------------------------------- healthy

@pytest.mark.parametrize("address", ALL)
def test_healthy(host, address):
    """Nothing is wrong, and the doctor says so."""
    report = doctor(host, address)
    healthy(report)
    assert report.of("ok")
    assert [f for f in report.of("ok") if f["check"] == "probe" and "comes back" in f["what"]]


def test_healthy_connected(host):
    """A connected socket hears its peer only, not the probe: that is no fault of the network."""
    healthy(doctor(host, "UDP4-CONNECT:224.1.0.1:6666,bind=:6666,ip-add-membership=224.1.0.1:eth0"))


def test_healthy_host(host):
    healthy(doctor(host))


def test_two_addresses(host):
    """A whole command line can be examined; programs are not started."""
    r = doctor(host, HEAR, "SYSTEM:touch /dev/null/never")
    healthy(r)
    names(r, "SYSTEM is no datagram address", "note")


@pytest.mark.parametrize("args", [("TCP4:192.168.10.2:80",), ("TCP4-LISTEN:80", "EXEC:ls"), ("-",)])
def test_nothing_to_examine(host, args):
    """That is not the same as healthy."""
    r = doctor(host, *args)
    names(r, "no address here that can be examined", "unknown")
    assert r.status == 2 and not r.of("ok"), r


def unnumbered(report):
    """What was found, whichever free port the probe of a broadcast took."""
    return [{**f, "evidence": re.sub(r" port \d{5} ", " port N ", f["evidence"])} for f in report.found]


@pytest.mark.parametrize("address,meant", [("224.1.0.1:6666", "MCAST:224.1.0.1:6666"), ("224.1.0.1:6666,if=eth0", "MCAST:224.1.0.1:6666,if=eth0"),
                                           ("[ff15::1]:6666,if=eth0", "MCAST:[ff15::1]:6666,if=eth0"), ("255.255.255.255:6666", "BCAST:6666")])
def test_a_group_without_type(host, address, meant):
    """The group that one asks about is enough; a host is another matter."""
    short, long = doctor(host, address), doctor(host, meant)
    assert unnumbered(short) == unnumbered(long) and len(short.of("ok")) > 3, short
    assert "an address begins with a type: TCP:192.168.10.1:6666" in doctor_text(host, "192.168.10.1:6666").log


def doctor_text(host, *args, **kw):
    return host.run("--doctor", *args, timeout=20, **kw)


def test_flags_are_words(host):
    assert "seen: flags up,lower_up,broadcast,multicast, MTU 1500" in doctor_text(host, HEAR).out.decode()
    host.ip("link set eth0 multicast off")
    assert "eth0 has flags up,lower_up,broadcast" in doctor_text(host, HEAR).out.decode()


def test_colours(host):
    """At a terminal the levels have them; see no-color.org."""
    host.ip("route del 224.0.0.0/4 dev eth0")
    for env, colour in (({"NO_COLOR": None}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        t = Terminal(rows=60, cols=200)
        p = host.start("--doctor", SEND, env={"TERM": "vt100", **env}, stdout=t.slave)
        p.wait(20)
        t.look()
        t.close()
        assert (b"\033[1;31mproblem\033[0m  route: " in t.raw) == colour, t.raw
        assert b"route: no route to 224.1.0.1" in t.raw


def test_text_report(host):
    host.ip("route del 224.0.0.0/4 dev eth0")
    r = host.run("--doctor", SEND, timeout=20)
    text = r.out.decode()
    assert r.status == 1
    assert "problem  route: no route to 224.1.0.1\n         seen: " in text
    assert "\n         run: ip route add 224.0.0.0/4 dev eth0\n" in text
    assert re.search(r"^problems: 1, cannot tell: 0, notes: \d+, healthy: \d+$", text, re.M)


def test_usage(local):
    """Errors of the command line have status 1 and no report."""
    for args in (["--doctor", "UDP4-RECVX:1"], ["--doctor", "--log=xml"], ["--doctor", "--wait=x"],
                 ["--doctor", "PIPE", "PIPE", "PIPE"]):
        r = local.run(*args)
        assert r.status == 1 and not r.out and r.log, (args, r)


def test_leaves_no_trace(host):
    """The probe does not leave the host, and a membership ends with the examination."""
    wire = host.capture()
    healthy(doctor(host, PEER))
    assert not wire.packets(dport=6666, ttl=1)
    wire.close()
    with host.inside(), open("/proc/net/igmp", encoding="ascii") as f:
        assert "010001E0" not in f.read()


# ---------------------------------------------------------------- routes and interfaces

def test_no_route(host):
    host.ip("route del 224.0.0.0/4 dev eth0")
    f = cure(host, doctor(host, SEND), "no route to 224.1.0.1", SEND)
    assert "Network is unreachable" in f["evidence"]


def test_no_route_host(host):
    host.ip("route del 224.0.0.0/4 dev eth0")
    cure(host, doctor(host), "no route to 224.1.0.1")


def test_no_route_limited_broadcast(host):
    host.ip("route del 224.0.0.0/4 dev eth0")
    address = "UDP4-DATAGRAM:255.255.255.255:6666,broadcast"
    cure(host, doctor(host, address), "no route to 255.255.255.255", address)


def test_broadcast_needs_no_route(host):
    """BCAST uses one interface, and the kernel asks for no route there: it works, and the doctor finds nothing."""
    host.ip("route del 224.0.0.0/4 dev eth0")
    p = host.start("-d", "-d", EVERYBODY, "PIPE")
    p.wait_log("starting data transfer loop")
    healthy(doctor(host, EVERYBODY))


@pytest.mark.parametrize("address,group", [(MEMBER, "239.1.2.3"), (MEMBER6, "ff15::114")])
def test_membership_of_a_type(host, address, group):
    """MCAST joins without an option: the doctor sees that as well."""
    f = names(doctor(host, address), rf"{group} can be joined on eth0", "ok")
    assert "/proc/net/igmp" in f["evidence"]


def test_no_route6(host):
    # the kernel adds the route when it notices the carrier, which may be after the flush
    sh(host, "timeout 5 sh -c 'until ip link show eth0 | grep -q state.UP; do sleep 0.01; done'; "
             "ip -6 route flush table local type multicast")
    cure(host, doctor(host, SEND6), "no route to ff15::114", SEND6)


def test_default_route_takes_the_group(host):
    """The group leaves by the default route, the peers are elsewhere (option range)."""
    second_link(host)
    host.ip("route del 224.0.0.0/4 dev eth0", "route add default via 192.168.20.2 dev eth1")
    f = cure(host, doctor(host, SEND), "wrong interface", SEND)
    assert "by eth1" in f["evidence"] and "eth0" in f["evidence"]


def test_default_route_noted(host):
    """Without a hint where the peers are it is worth a note only."""
    second_link(host)
    host.ip("route del 224.0.0.0/4 dev eth0", "route add default via 192.168.20.2 dev eth1")
    names(doctor(host, "UDP4-DATAGRAM:224.1.0.1:6666"), "leaves by eth1 because the default route", "note")


def test_wrong_interface(host):
    """Joined on one interface, sent by another."""
    second_link(host)
    address = PEER.replace(":eth0", ":eth1")
    f = cure(host, doctor(host, address), "wrong interface", address)
    assert "joined on eth1" in f["evidence"]


def test_wrong_interface6(host):
    second_link(host)
    host.ip("addr add fe80::11/64 dev eth1 nodad")
    sh(host, "ip -6 route flush table local type multicast; ip -6 route add multicast ff00::/8 dev eth1 table local")
    address = "UDP6-DATAGRAM:[ff15::114]:6666,bind=[::]:6666,ipv6-join-group=[ff15::114]:eth0"
    cure(host, doctor(host, address), "wrong interface", address)


def test_option_chooses_the_interface(host):
    """ip-multicast-if is taken into account, and needs no route."""
    second_link(host)
    host.ip("route del 224.0.0.0/4 dev eth0")
    healthy(doctor(host, PEER.replace(":eth0", ":eth1") + ",ip-multicast-if=192.168.20.1"))
    healthy(doctor(host, PEER.replace(":eth0", ":eth1") + ",interface=eth1"))


@pytest.mark.parametrize("address", [HEAR, HEAR6])
def test_interface_down(host, address):
    host.ip("link set eth0 down")
    f = names(doctor(host, address), "interface eth0 is down")
    assert f["command"]
    sh(host, f["cure"])
    lab.wait_until(lambda: (lambda r: r.status == 0)(doctor(host, HEAR)), 10, "never healthy again")


def test_no_link(hosts):
    hosts[1].ip("link set eth0 down")
    f = names(doctor(hosts[0], HEAR), "eth0 has no link")
    assert not f["command"] and f["cure"]


@pytest.mark.parametrize("address", [HEAR, SEND, HEAR6])
def test_multicast_flag_off(host, address):
    host.ip("link set eth0 multicast off")
    cure(host, doctor(host, address), "eth0 takes no part in multicast", address)


def test_no_such_interface(host):
    f = names(doctor(host, HEAR.replace("eth0", "eth7")), "option ip-add-membership is refused")
    assert "eth0" in f["cure"] and "192.168.10.1" in f["cure"]


def test_no_such_group(host):
    """A name that nobody knows is the fault of its option; all others are tried."""
    report = doctor(host, "UDP4-RECV:6666,ip-add-membership=no.such.name.test:eth0,ip-add-membership=224.1.0.1:eth0")
    f = names(report, "option ip-add-membership is refused")
    assert "no.such.name.test" in f["evidence"]
    names(report, "joined", "ok")


def test_an_interface_that_does_not_come(host):
    """As a start would the doctor waits for it; then it says what a start would say."""
    f = names(doctor(host, MEMBER + ",if=eth7,if-wait=0.3"), "the address MCAST cannot be opened")
    assert "eth7" in f["evidence"]


def test_locks_are_left_alone(host, tmp_path):
    """Whoever has the lock is the one that is to be examined."""
    lock = tmp_path / "lock"
    lock.write_text("1\n")
    for option in "lockfile", "waitlock":
        healthy(doctor(host, f"{MEMBER},{option}={lock}"))
        assert lock.read_text() == "1\n"
        healthy(doctor(host, f"{MEMBER},{option}={tmp_path}/none"))
    assert os.listdir(tmp_path) == ["lock"]


@pytest.mark.parametrize("transport", ["UDP4:{}", "UDP4-DATAGRAM:{}", "UDP4-SENDTO:{}"])
def test_layers_say_nothing(local, transport):
    """What is below layers is examined as it is without them; they do not shake hands."""
    if not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        bare = transport.format(f"127.0.0.1:{peer.getsockname()[1]}")
        stacked = doctor(local, f"DTLS(verify=0)+{bare}", "STDIO")
        plain = doctor(local, bare, "STDIO")
        healthy(plain)
        assert [f for f in stacked.found if f["check"] != "layers"] == plain.found
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.recv(2000)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return zoo_if_any(tmp_path_factory)


@pytest.mark.parametrize("address,found", [
    ("TLS(cafile={z}/ca.crt)+SOCKS5(to=localhost:{port})+TCP4:127.0.0.1:{port}", {
        "ok": ["files and options of the layers on TCP4 are in order", "somebody has port {port} of 127.0.0.1"], "note": ["TLS towards localhost:{port} verifies whom it talks to"]}),
    ("SOCKS5(to=localhost:{port})+TCP4:127.0.0.1:{port}", {"ok": ["somebody has port {port} of 127.0.0.1"]}),
    ("PROXY(to=localhost:{port})+TCP:127.0.0.1:9", {"problem": ["nobody listens at port 9 of 127.0.0.1, this host"]}),
    ("SOCKS5:localhost:1080:target.test:{port}", {"unknown": ["whether a server for SOCKS5 answers at localhost:1080 has not been tried"]}),
    ("OPENSSL:192.0.2.1:{port},verify=0", {"note": ["OPENSSL towards 192.0.2.1:{port} verifies nobody"], "problem": ["no route to 192.0.2.1"]}),
    ("TLS(cert={z}/expired.pem,verify=0)+UNIX-LISTEN:{z}/s", {
        "problem": ['certificate "{z}/expired.pem" has expired on 2020-02-01 00:00:00 UTC: whoever verifies it refuses it'], "note": ["TLS towards clients verifies nobody"]}),
    ("DTLS-L:{port},cert=/none", {"problem": ["the address DTLS-L cannot be opened"]}),
    ("DTLS:127.0.0.1:{port}", {"ok": ["files and options of the layers on DTLS are in order", "127.0.0.1 leaves by lo"],
                               "note": ["DTLS towards 127.0.0.1:{port} verifies whom it talks to"]}),
], ids=lambda a: a.split("{")[0] if isinstance(a, str) else "")
def test_layers(local, zoo, address, found):
    """Certificates, options, whom layers verify, and by which clock; nobody is connected to."""
    if not zoo or not lab.has("OPENSSL"):
        pytest.skip("needs OpenSSL")
    with local.inside(), socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        r = doctor(local, address.format(z=zoo.d, port=port), "STDIO")
        for level, texts in found.items():
            for text in texts:
                assert text.format(z=zoo.d, port=port) in [f["what"] for f in r.of(level)], r
        assert r.status == (1 if "problem" in found else 2 if "unknown" in found else 0), r
        assert any("the clock" in f["what"] for f in r.found) == ("verifies whom" in repr(r)), r
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_nothing_but_loopback(local):
    names(doctor(local), "no interface can multicast")


def test_ip6_switched_off(host):
    host.sysctl("net/ipv6/conf/eth0/disable_ipv6", 1)
    f = names(doctor(host, HEAR6), "IPv6 is switched off on interface eth0")
    sh(host, f["cure"])
    host.ip("addr add fe80::1/64 dev eth0 nodad")
    healthy(doctor(host, HEAR6))


def test_mtu_too_small_for_ip6(host):
    host.ip("link set eth0 mtu 1000")
    f = names(doctor(host, HEAR6), "eth0 cannot carry IPv6")
    sh(host, f["cure"])
    host.ip("addr add fe80::1/64 dev eth0 nodad")
    healthy(doctor(host, HEAR6))


def test_no_address(host):
    host.ip("addr flush dev eth0")
    names(doctor(host, HEAR), "eth0 has no IPv4 address")


# ---------------------------------------------------------------- membership and binding

@pytest.mark.parametrize("address", ["UDP4-RECV:6666,bind=192.168.10.1,ip-add-membership=224.1.0.1:eth0",
                                     "UDP6-RECV:6666,bind=[fd00::1],ipv6-join-group=[ff15::114]:eth0"])
def test_bound_to_unicast(host, address):
    """Do not bind()."""
    f = names(doctor(host, address), "the socket never hears a group")
    assert "leave option bind out" in f["cure"]
    healthy(doctor(host, re.sub(r"bind=[^,]*,", "", address)))


def test_peer_bound_to_unicast(host):
    f = names(doctor(host, PEER.replace("bind=:", "bind=192.168.10.1:")), "the socket never hears a group")
    assert "bind=:6666" in f["cure"]


@pytest.mark.parametrize("group,address", [("224.1.0.1", "UDP4-RECV:6666,bind=224.1.0.1"),
                                           ("ff15::114", "UDP6-RECV:6666,bind=[ff15::114]")])
def test_bound_but_not_joined(host, group, address):
    f = names(doctor(host, address), f"bound to {group}, but not a member")
    option = re.search(r"add option (\S+)INTERFACE", f["cure"])[1]
    healthy(doctor(host, f"{address},{option}eth0"))


def test_all_systems(host):
    report = doctor(host, "UDP4-RECV:6666,ip-add-membership=224.0.0.1:eth0")
    healthy(report)
    names(report, "every host is always a member", "note")


@pytest.mark.parametrize("address,advice", [
    ("UDP4-RECV:6666,bind=10.99.99.99", "bind to an address of this host, or to the port only"),
    ("MCAST:1.2.3.4:6666", "groups are 224.0.0.0/4 and ff00::/8"),
])
def test_an_address_that_cannot_be_opened(host, address, advice):
    f = names(doctor(host, address), f"the address {address.split(':')[0]} cannot be opened")
    assert advice in f["cure"]


def test_membership_limit(host):
    host.sysctl("net/ipv4/igmp_max_memberships", 1)
    address = "UDP4-RECV:6666,ip-add-membership=224.1.0.1:eth0,ip-add-membership=224.1.0.2:eth0"
    report = doctor(host, address)
    healthy(report)
    names(report, "one socket may not join so many groups", "note")
    f = cure(host, doctor(host, f"{address},ip-multicast-all=0"), "one socket may not join so many groups", f"{address},ip-multicast-all=0")
    assert "igmp_max_memberships" in f["cure"]


# ---------------------------------------------------------------- ports and buffers

def test_port_taken(host):
    p = host.start("-d", "-d", "-u", "UDP4-RECV:6666", "STDOUT")
    p.wait_log("starting data transfer")
    f = names(doctor(host, HEAR), "port 6666 is held by another socket")
    assert f"process {p.pid} (" in f["evidence"] and f["cure"] == f"kill {p.pid}"
    sh(host, f["cure"])
    p.wait()
    healthy(doctor(host, HEAR))


def test_port_taken6(host):
    p = host.start("-d", "-d", "-u", "UDP6-RECV:6666", "STDOUT")
    p.wait_log("starting data transfer")
    assert names(doctor(host, HEAR6), "port 6666 is held by another socket")["cure"] == f"kill {p.pid}"


def test_port_could_be_shared(host):
    p = host.start("-d", "-d", "-u", HEAR.replace(",fork", ",reuseaddr,fork"), "STDOUT")
    p.wait_log("receiving on AF=2")
    f = names(doctor(host, HEAR), "port 6666 is held by another socket")
    assert "add option reuseaddr" in f["cure"]
    report = doctor(host, HEAR + ",reuseaddr")
    healthy(report)
    names(report, "port 6666 is shared", "note")
    assert not p.out, "the probe must not reach others"


def test_size_of_the_queue(hosts):
    """What option rcvbuf asks for is told as asked for; the kernel keeps twice as much for its own use."""
    names(doctor(hosts[0], HEAR + ",rcvbuf=20000"), "the receive queue has 20000 bytes", "note")
    names(doctor(hosts[0], MEMBER + ",rcvbuf-late=20000"), "the receive queue has 20000 bytes", "note")


def test_dropped_datagrams(hosts):
    """A small queue that has overflowed; with a larger one all is well."""
    host = hosts[0]
    small = "UDP4-RECV:6666,reuseaddr,rcvbuf=2304,ip-add-membership=224.1.0.1:eth0"
    p = host.start("-d", "-d", "-u", small, "STDOUT")
    p.wait_log("starting data transfer")
    os.kill(p.pid, 19)  # SIGSTOP: it is slow
    s = hosts[1].udp(bind=("192.168.10.2", 0))
    for _ in range(200):
        s.sendto(b"x" * 1000, ("224.1.0.1", 6666))
    f = names(doctor(host, small), "datagrams were lost in a full queue at port 6666")
    assert re.search(r"[1-9]\d* drops of process %d " % p.pid, f["evidence"])
    option = re.search(r"rcvbuf=\d+", f["cure"])[0]
    os.kill(p.pid, 18)
    p.stop()
    p = host.start("-d", "-d", "-u", small.replace("rcvbuf=2304", option), "STDOUT")
    p.wait_log("starting data transfer")
    healthy(doctor(host, small.replace("rcvbuf=2304", option)))


# ---------------------------------------------------------------- sysctls

def test_strict_source_filter(host):
    """Senders whose answers would leave by another interface."""
    second_link(host)
    host.ip("route add 10.9.0.0/16 dev eth1")
    host.sysctl("net/ipv4/conf/eth0/rp_filter", 1)
    address = HEAR + ",range=10.9.0.0/16"
    f = cure(host, doctor(host, address), "rp_filter drops", address)
    assert "rp_filter=2" in f["cure"]


def test_strict_source_filter_without_route(host):
    host.sysctl("net/ipv4/conf/all/rp_filter", 1)
    address = HEAR + ",range=10.9.0.0/16"
    cure(host, doctor(host, address), "rp_filter drops", address)


def test_strict_source_filter_has_dropped(hosts):
    """Nothing is known about the senders, but the counter tells."""
    host = hosts[0]
    host.sysctl("net/ipv4/conf/eth0/rp_filter", 1)
    names(doctor(host, HEAR), "rp_filter is strict on eth0: ", "note")
    p = host.start("-d", "-d", "-u", HEAR, "STDOUT")
    p.wait_log("receiving on AF=2")
    hosts[1].ip("addr add 10.9.0.2/16 dev eth0")
    s = hosts[1].socket(bind=("10.9.0.2", 0))
    s.sendto(b"hello", ("224.1.0.1", 6666))
    p.stop()
    f = cure(host, doctor(host, HEAR), "rp_filter is strict on eth0 and has dropped", HEAR)
    assert "IPReversePathFilter" in f["evidence"]


def test_accept_local(host):
    """Two interfaces in one network."""
    second_link(host, 10)
    f = names(doctor(host, HEAR), "eth0 does not hear what this host sends by eth1", "note")
    sh(host, f["cure"])
    assert not [n for n in doctor(host, HEAR).of("note") if "does not hear" in n["what"]]


def test_forced_igmp_version(host):
    host.sysctl("net/ipv4/conf/eth0/force_igmp_version", 1)
    cure(host, doctor(host, HEAR), "IGMPv1 is forced on eth0", HEAR)


def test_forced_igmp_version_and_sources(host):
    address = "UDP4-RECV:6666,ip-add-source-membership=232.1.1.1:192.168.10.1:192.168.10.2"
    host.sysctl("net/ipv4/conf/all/force_igmp_version", 2)
    names(doctor(host, HEAR), "IGMPv2 is forced on eth0", "note")
    cure(host, doctor(host, address), "IGMPv2 is forced on eth0, which cannot join for one sender", address)


def test_group_of_ip4_on_a_socket_of_ip6(host):
    """The group decides which protocol and which settings count."""
    address = "UDP6-RECV:6666,ip-add-membership=224.1.0.1:eth0"
    healthy(doctor(host, address))
    host.sysctl("net/ipv4/conf/eth0/force_igmp_version", 1)
    cure(host, doctor(host, address), "IGMPv1 is forced on eth0", address)


def test_forced_mld_version(host):
    address = "UDP6-RECV:6666,ipv6-join-source-group=[ff35::1]:eth0:[fd00::2]"
    host.sysctl("net/ipv6/conf/eth0/force_mld_version", 1)
    cure(host, doctor(host, address), "MLDv1 is forced on eth0", address)


# ---------------------------------------------------------------- querier and bridge

def test_no_querier(host):
    report = doctor(host, "--wait=0.2", HEAR)
    assert "0.2 s" in names(report, "no querier was heard on eth0", "note")["evidence"]
    assert not [f for f in doctor(host, HEAR).found if "querier" in f["what"]], "it was not asked for"


def query4():
    """A general query of IGMPv2, with its checksum."""
    return bytes([0x11, 100, 0xff - 0x11, 0xff - 100, 0, 0, 0, 0])


def test_querier(hosts):
    """Another host asks, and the doctor hears it before the time is over."""
    s = hosts[1].socket(kind=socket.SOCK_RAW, proto=socket.IPPROTO_IGMP, bind=("192.168.10.2", 0))
    p = hosts[0].start("--doctor", "--log=json", "--wait=60", HEAR)
    end = lab.Deadline(20)
    while not p.ended():
        s.sendto(query4(), ("224.0.0.1", 0))
        lab.pump(0.05)
        assert end.left(), "the query is not heard"
    f = names(Report(p.wait()), "a querier is active on eth0", "ok")
    assert "192.168.10.2" in f["evidence"]


def bridge(host):
    """eth0 becomes a port of br0, which gets its address."""
    host.ip("link add br0 type bridge forward_delay 0 mcast_snooping 1 mcast_querier 0", "addr flush dev eth0",
            "link set eth0 master br0", "link set br0 up", "addr add 192.168.10.1/24 brd + dev br0",
            "route add 224.0.0.0/4 dev br0")
    host.sysctl("net/ipv4/conf/br0/rp_filter", 0)


def test_bridge_without_querier(host):
    bridge(host)
    address = HEAR.replace("eth0", "br0")
    f = cure(host, doctor(host, address), "bridge br0 snoops IGMP, and no querier is known", address)
    assert "mcast_snooping is 1" in f["evidence"]


def test_bridge_elsewhere(host):
    """A bridge the address does not use is only noted."""
    host.ip("link add br0 type bridge mcast_snooping 1 mcast_querier 0", "link set br0 up")
    names(doctor(host, HEAR), "bridge br0 snoops IGMP", "note")


# ---------------------------------------------------------------- packet filters

NFT = [
    ("input", "udp dport 6666 drop", HEAR),
    ("input", "meta pkttype multicast drop", HEAR),
    ("input", "ip daddr 224.0.0.0/4 udp dport { 53, 6000-7000 } reject", HEAR),
    ("input", "iifname \"eth*\" meta l4proto udp counter drop", HEAR),
    ("output", "ip daddr 224.1.0.1 drop", SEND),
    ("output", "oif eth0 udp dport vmap { 53 : accept, 6666 : drop }", SEND),
    ("output", "ip protocol igmp drop", HEAR),
    ("input", "ip6 daddr ff15::114 udp dport 6666 drop", HEAR6),
    ("output", "ip6 daddr ff00::/8 udp dport 6666 drop", SEND6),
    ("input", "meta pkttype broadcast drop", BCAST),
    ("prerouting", "fib daddr type multicast drop", HEAR),
    ("input", "udp dport 6666 drop", MEMBER),
    ("output", "ip daddr 239.1.2.3 drop", MEMBER),
    ("output", "ip protocol igmp drop", MEMBER),
    ("input", "ip6 daddr ff15::114 drop", MEMBER6),
    ("input", "udp dport 6666 drop", EVERYBODY),
]


@needs_nft
@pytest.mark.parametrize("hook,rule,address", NFT, ids=[f"{a.split(':')[0]}: {r}" for _, r, a in NFT])
def test_nft_drops(host, hook, rule, address):
    sh(host, f"nft add table inet t; nft add chain inet t c '{{ type filter hook {hook} priority 0; }}'; nft add rule inet t c '{rule}'")
    f = cure(host, doctor(host, address), "a packet filter drops", address)
    assert re.search(r"nft: table inet t, chain c, rule handle \d+", f["evidence"])


@needs_nft
def test_nft_policy(host):
    """The usual shape: everything is dropped but some things."""
    sh(host, "nft add table inet t; nft add chain inet t in '{ type filter hook input priority 0; policy drop; }'; "
       "nft add chain inet t more; nft add rule inet t in iif lo accept; "
       "nft add rule inet t in ct state established,related accept; nft add rule inet t in tcp dport 22 accept; "
       "nft add rule inet t in jump more; nft add rule inet t more udp dport 53 accept")
    f = cure(host, doctor(host, HEAR), "a packet filter drops", HEAR)
    assert "policy of chain in" in f["evidence"]


@needs_nft
def test_nft_may_drop(host):
    """What depends on the sender cannot be told: the probe decides."""
    sh(host, "nft add table ip t; nft add chain ip t in '{ type filter hook input priority 0; }'; "
       "nft add rule ip t in ip saddr 192.168.10.2 drop")
    report = doctor(host, HEAR)
    names(report, "a packet filter may drop", "note")
    assert report.status == 0
    sh(host, "nft add rule ip t in ip saddr 192.168.10.1 drop")
    names(doctor(host, HEAR), "does not come back")


@needs_nft
def test_nft_lets_through(host):
    sh(host, "nft add table inet t; nft add chain inet t in '{ type filter hook input priority 0; policy drop; }'; "
       "nft add rule inet t in ip daddr 224.0.0.0/4 accept; nft add rule inet t in ip6 nexthdr icmpv6 accept; "
       "nft add chain inet t out '{ type filter hook output priority 0; }'; nft add rule inet t out tcp dport 6666 drop")
    healthy(doctor(host, HEAR))


@needs_nft
@pytest.mark.parametrize("address", ["UDP4-RECVFROM:6666,broadcast,fork", "UDP6-RECV:6666"])
def test_nft_drops_without_group(host, address):
    """A receiver that joins nothing: of broadcasts, or of the group of all nodes."""
    healthy(doctor(host, address))
    sh(host, "nft add table inet t; nft add chain inet t c '{ type filter hook input priority 0; }'; nft add rule inet t c udp dport 6666 drop")
    f = cure(host, doctor(host, address), "a packet filter drops what comes to the port by eth0", address)
    assert f["cure"] == "nft insert rule inet t c udp dport 6666 accept"


IPTABLES = [
    ("iptables", "-A INPUT -p udp -m udp --dport 6666 -j DROP", HEAR),
    ("iptables", "-A INPUT -i eth0 -m pkttype --pkt-type multicast -j DROP", HEAR),
    ("iptables", "-A OUTPUT -d 224.0.0.0/4 -j REJECT", SEND),
    ("iptables", "-P INPUT DROP", HEAR),
    ("iptables", "-t raw -A PREROUTING ! -d 192.168.10.0/24 -p udp -m multiport --dports 53,6666 -j DROP", HEAR),
    ("ip6tables", "-A INPUT -d ff15::114 -j DROP", HEAR6),
]


@needs_iptables
@pytest.mark.parametrize("program,rule,address", IPTABLES, ids=[f"{p} {r}" for p, r, _ in IPTABLES])
def test_iptables_drops(host, program, rule, address):
    sh(host, f"{program} {rule}")
    f = cure(host, doctor(host, address), "a packet filter drops", address)
    assert f["evidence"].startswith(program + ": ") and f["cure"].startswith(program + " ")


@needs_iptables
def test_iptables_chain(host):
    """A chain of one's own, that returns for the group."""
    sh(host, "iptables -N mine; iptables -A INPUT -j mine; iptables -A mine -d 224.1.0.1 -j RETURN; iptables -A mine -p udp -j DROP")
    healthy(doctor(host, HEAR))
    sh(host, "iptables -D mine 1")
    cure(host, doctor(host, HEAR), "a packet filter drops", HEAR)


@needs_nft
def test_rules_cannot_be_read(host, tmp_path):
    """There are rules, and no program to read them: the doctor cannot tell."""
    sh(host, "nft add table inet t; nft add chain inet t c '{ type filter hook input priority 0; }'")
    for name in ("nft", "iptables-save", "ip6tables-save"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / name).chmod(0o755)
    report = doctor(host, HEAR, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert report.status == 2
    assert "install nft" in names(report, "rules of nftables are not known", "unknown")["cure"]


# ---------------------------------------------------------------- sending

@pytest.mark.parametrize("address,option", [(SEND, "ip-multicast-ttl"), (SEND6, "ipv6-multicast-hops")])
def test_ttl_zero(host, address, option):
    f = names(doctor(host, f"{address},{option}=0"), "do not leave this host")
    assert f["cure"].startswith(f"{option}=1")
    healthy(doctor(host, f"{address},{option}=1"))


def test_ttl_and_router(host):
    """The peers are behind a router, and the TTL is 1."""
    host.ip("route add 10.9.0.0/16 via 192.168.10.2")
    address = "UDP4-DATAGRAM:239.1.1.1:6666,range=10.9.0.0/16"
    f = names(doctor(host, address), "do not pass a router")
    healthy(doctor(host, f"{address},{f['cure'].split(',')[0]}"))


def test_loop_off(host):
    """No copies for this host, where somebody waits for them."""
    p = host.start("-d", "-d", "-u", HEAR, "STDOUT")
    p.wait_log("receiving on AF=2")
    f = names(doctor(host, SEND + ",ip-multicast-loop=0"), "members on this host do not hear")
    assert f"process {p.pid} " in f["evidence"]
    healthy(doctor(host, SEND))
    p.stop()
    report = doctor(host, SEND + ",ip-multicast-loop=0")
    healthy(report)
    names(report, "nobody on this host hears", "note")


@pytest.mark.parametrize("address", [SEND, SEND6])
def test_mtu(host, address):
    """Datagrams that do not fit leave in pieces."""
    host.ip("link set eth0 mtu 1300")
    healthy(doctor(host, "-b", "1200", address))
    f = cure(host, doctor(host, "-b", "1400", address), "datagrams of 1400 bytes leave in pieces", "-b", "1400", address)
    assert "MTU 1300" in f["evidence"]
    f = names(doctor(host, "-b", "8000", address), "datagrams of 8000 bytes leave in pieces")
    healthy(doctor(host, "-b", re.search(r"-b (\d+)", f["cure"])[1], address))


def test_broadcast_not_allowed(host):
    f = names(doctor(host, BCAST.replace(",broadcast", "")), "192.168.10.255 is refused")
    assert f["cure"] == "add option broadcast"
    healthy(doctor(host, BCAST))


# ---------------------------------------------------------------- other addresses

@pytest.mark.skipif(not lab.REAL_ROOT, reason="raw sockets")
@pytest.mark.parametrize("address", ["IP4-DATAGRAM:224.1.0.1:222,ip-add-membership=224.1.0.1:eth0",
                                     "IP4-RECV:222,ip-add-membership=224.1.0.1:eth0",
                                     "IP6-RECV:222,ipv6-join-group=[ff15::114]:eth0"])
def test_raw(host, address):
    healthy(doctor(host, address))
    host.ip("link set eth0 multicast off")
    cure(host, doctor(host, address), "takes no part in multicast", address)


def test_unicast(host):
    healthy(doctor(host, "UDP4-SENDTO:192.168.10.2:6666"))
    names(doctor(host, "UDP4-SENDTO:10.1.1.1:6666"), "no route to 10.1.1.1")
    healthy(doctor(host, "UDP4-CONNECT:192.168.10.2:6666"))


def test_unix(host, tmp_path):
    path = f"{tmp_path}/s"
    assert "start the program" in names(doctor(host, f"UNIX-SENDTO:{path}"), "cannot be reached")["cure"]
    healthy(doctor(host, f"UNIX-RECV:{path}"))
    p = host.start("-u", f"UNIX-RECV:{path}", "STDOUT")
    lab.wait_until(lambda: os.path.exists(path), 5, "no socket")
    healthy(doctor(host, f"UNIX-SENDTO:{path}"))
    assert not names(doctor(host, f"UNIX-RECV:{path}"), "exists")["command"]
    p.stop(9)
    names(doctor(host, f"UNIX-SENDTO:{path}"), "nobody listens")
    cure(host, doctor(host, f"UNIX-RECV:{path}"), "exists", f"UNIX-RECV:{path}")


@pytest.mark.skipif(not lab.REAL_ROOT or not shutil.which("setpriv"), reason="needs root, and setpriv to give it up")
def test_without_rights(host):
    """What may not be seen is not healthy: status 2."""
    argv = ["setpriv", "--reuid", "65534", "--clear-groups", lab.SOCAST, "--doctor", "--log=json", "--wait=1", HEAR]
    report = Report(host.command(argv).wait(20))
    assert report.status == 2
    assert "root" in names(report, "rules of nftables are not known", "unknown")["cure"]
    assert "root" in names(report, "no listening for a querier", "unknown")["cure"]
