"""TUN and INTERFACE: tunnels between virtual hosts, frames on a wire.

A tunnel is two programs that carry the packets of their interfaces by UDP; a wire is a
pair of hosts with one cable between them:

      west eth0 -------------- eth0 east
      no IPv6, nothing is sent unless a test sends it
"""
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading

import pytest

import lab

ETH_P_ALL, ETH_P_TEST = 3, 0x88b5
SIOCGIFFLAGS = 0x8913
MAC = {"west": b"\2\0\0\0\0\1", "east": b"\2\0\0\0\0\2"}

needs_tun = pytest.mark.skipif(lab.tun_missing() is not None, reason=str(lab.tun_missing()))


def interface(host, name):
    """What `ip` knows about an interface, or None when there is none of this name."""
    with host.inside():
        r = subprocess.run(["ip", "-j", "-d", "addr", "show", "dev", name], capture_output=True, text=True, check=False)
    found = json.loads(r.stdout) if r.returncode == 0 else []
    return found[0] if found and found[0] else None     # nothing when it goes just now


def flags(host, name):
    with host.socket() as s:
        return struct.unpack("16xH", fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sH14x", name.encode(), 0))[:18])[0]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ip_packet(src, dst, dport, payload):
    """An IPv4 UDP packet; without UDP checksum."""
    udp = struct.pack("!4H", 9, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def ping(host, addr, timeout=5):
    """One echo request; true when the answer comes. Repeated, as the first ones may get lost."""
    v6 = ":" in addr
    s = host.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM, 58 if v6 else 1, timeout=0.2)
    request = bytes([128 if v6 else 8, 0, 0, 0, 0, 0, 0, 1]) + b"are you there?"
    if not v6:
        request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]
    end = lab.Deadline(timeout)
    try:
        while end.left():
            try:
                s.sendto(request, (addr, 0))
                answer = s.recv(1000)
                return answer[0] == (129 if v6 else 0) and answer[8:] == b"are you there?"
            except OSError:
                lab.pump(0.02)
        return False
    finally:
        s.close()


def tunnel(hosts, port, opts, addr=("10.77.0.1/24", "10.77.0.2/24"), env=()):
    """Both ends of a tunnel between the first two hosts."""
    ends = []
    for i in (0, 1):
        p = hosts[i].start("-d", "-d", f"UDP4-DATAGRAM:192.168.10.{2 - i}:{port},bind=:{port}", f"TUN:{addr[i]},up,{opts}", env=dict(env))
        p.wait_log("starting data transfer loop")
        ends.append(p)
    return ends


KINDS = ["tun-type=tun", "tun-type=tun,iff-no-pi", "tun-type=tap", "tun-type=tap,no-pi"]


def tcp_transfer(server, client, addr, amount):
    """Send @amount bytes through a TCP connection; what arrived."""
    with server.inside():
        listener = socket.create_server((addr, 5001))
    listener.settimeout(10 * lab.SLOW)
    got = []

    def serve():
        conn, _ = listener.accept()
        conn.settimeout(20 * lab.SLOW)
        while data := conn.recv(1 << 16):
            got.append(data)
        conn.close()
    t = threading.Thread(target=serve, daemon=True)
    t.start()
    s = client.socket(kind=socket.SOCK_STREAM, timeout=20)
    s.connect((addr, 5001))
    s.sendall(amount)
    s.close()
    end = lab.Deadline(30)
    while t.is_alive() and end.left():
        lab.pump(0.02)
    listener.close()
    return b"".join(got)


@needs_tun
@pytest.mark.parametrize("kind", KINDS)
def test_tunnel(lan, fast, kind):
    """Ping, datagrams of many sizes, and a TCP connection; nothing is left at the end."""
    ends = tunnel(lan, lab.port(), "tun-name=tunnel0," + kind)
    assert ping(lan[0], "10.77.0.2") and ping(lan[1], "10.77.0.1"), ends
    rx, tx = lan[1].udp(("10.77.0.2", 7)), lan[0].udp(("10.77.0.1", 0))
    for size in (0, 1, 700, 1400, 1472):
        data = os.urandom(size)
        tx.sendto(data, ("10.77.0.2", 7))
        assert rx.recv(9999) == data
    rx.close()
    tx.close()
    data = os.urandom(3 << 20)
    assert tcp_transfer(lan[1], lan[0], "10.77.0.2", data) == data
    for host, p in zip(lan, ends):
        assert interface(host, "tunnel0")
        r = p.stop()
        assert interface(host, "tunnel0") is None and " E " not in r.log, r


@needs_tun
@pytest.mark.parametrize("info", [True, False], ids=["", "no-pi"])
@pytest.mark.parametrize("piece", [1, 7, 1000, 65536])
def test_packets_out_of_a_stream(local, info, piece):
    """A stream keeps no borders: packets are cut by the length in their header, wherever the stream is. Classic loses what sticks together."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port}", "TUN:10.90.0.1/24,up,tun-name=cutter" + ("" if info else ",no-pi"))
    p.wait_log("listening on")
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    p.wait_log("starting data transfer loop")
    with local.udp(("10.90.0.1", 7)) as rx:
        packets_arrive(p, s, rx, info, piece)


def packets_arrive(p, s, rx, info, piece):
    texts = [b"%d " % k * (k % 300 + 1) for k in range(40 if piece == 1 else 200)]
    stream = b"".join((b"\0\0\x08\0" if info else b"") + ip_packet("10.90.0.2", "10.90.0.1", 7, t) for t in texts)
    rx.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)      # SO_RCVBUFFORCE
    for at in range(0, len(stream), piece):
        s.sendall(stream[at:at + piece])
    assert [rx.recv(99999) for _ in texts] == texts
    assert "refused" not in p.log and " W " not in p.log, p
    s.sendall(stream[:25])
    s.close()
    p.wait_log("the stream has ended within a packet, 25 bytes are dropped")


@needs_tun
def test_no_packets_in_a_stream(local):
    """Something else than IP: said once, taken block by block; a packet at the beginning of a block is found again."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port}", "TUN:10.90.0.1/24,up,tun-name=cutter,no-pi")
    p.wait_log("listening on")
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect(("127.0.0.1", port))
    p.wait_log("starting data transfer loop")
    rx = local.udp(("10.90.0.1", 7))
    for k in range(3):
        s.sendall(b"***** trash *****")
        p.wait_log("W interface \"cutter\": the stream holds something else than IP packets")
        lab.rest(0.05) if hasattr(lab, "rest") else lab.pump(0.05)
        s.sendall(ip_packet("10.90.0.2", "10.90.0.1", 7, b"%d" % k))
        assert rx.recv(9) == b"%d" % k
    assert p.log.count("something else than IP") == 1
    s.close()
    rx.close()


@needs_tun
def test_frames_out_of_a_stream(local):
    """They have no length: said once, before somebody wonders where they are."""
    p = local.start("-d", "-d", "-u", "-", "TUN,up,tun-type=tap,no-pi")
    p.wait_log("starting data transfer loop")
    for _ in range(2):
        p.send(b"\xff" * 6 + MAC["west"] + struct.pack("!H", ETH_P_TEST) + bytes(50))
        p.wait_log("W interface .*frames out of a stream cannot be told apart")
    p.close_stdin()
    assert p.wait().log.count("told apart") == 1


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs the right CAP_NET_RAW")
def test_interface_of_another_family(local):
    """pf, type and prototype ask for a CAN socket, as classic does; where the kernel has none, the error shows what was asked for."""
    p = local.start("-d", "-d", "-d", "-u", "INTERFACE:lo,pf=29,type=3,prototype=1", "-")
    p.wait_log(r"E socket\(29, 3, 1\): |socket\(29, 3, 1\) -> \d")


@needs_tun
@pytest.mark.parametrize("kind", ["tun-type=tun", "iff-no-pi"])
def test_tunnel_by_tcp(lan, kind):
    """A fast transfer through a tunnel through TCP loses nothing."""
    port = lab.port()
    a = lan[0].start("-d", "-d", f"TCP4-LISTEN:{port}", f"TUN:10.77.0.1/24,up,{kind}")
    a.wait_log("listening on")
    b = lan[1].start("-d", "-d", f"TCP4:192.168.10.1:{port}", f"TUN:10.77.0.2/24,up,{kind}")
    b.wait_log("starting data transfer loop")
    assert ping(lan[0], "10.77.0.2"), (a, b)
    data = os.urandom(3 << 20)
    assert tcp_transfer(lan[1], lan[0], "10.77.0.2", data) == data
    assert " W " not in a.log + b.log, (a, b)


@needs_tun
def test_tunnel_ipv6(lan):
    """An IPv6 address in brackets."""
    ends = tunnel(lan, lab.port(), "tun-name=six", ("[fd77::1]/64", "[fd77::2]/64"))
    addr = [a for a in interface(lan[0], "six")["addr_info"] if a["local"] == "fd77::1"]
    assert addr and addr[0]["prefixlen"] == 64
    assert ping(lan[0], "fd77::2"), ends


@needs_tun
def test_tunnel_of_listen_and_connect(lan):
    """As people have always written it; the listening side's device comes with the first packet."""
    port = lab.port()
    one = lan[0].start("-d", "-d", f"UDP-LISTEN:{port}", "TUN:192.168.255.1/24,up")
    one.wait_log("listening on UDP")
    two = lan[1].start("-d", "-d", f"UDP:192.168.10.1:{port}", "TUN:192.168.255.2/24,up")
    two.wait_log('N creating tunnel network interface')
    two.wait_log(r'N TUN: new device "tun\d+"')
    assert ping(lan[1], "192.168.255.1"), (one, two)


@needs_tun
def test_session_per_client(lan):
    """With fork each client gets an interface of its own, for as long as its session lasts."""
    port = lab.port()
    p = lan[0].start("-d", "-d", f"UDP4-LISTEN:{port},fork", "TUN:10.80.0.1/24,up")
    p.wait_log("listening on UDP")
    a, b = lan[1].udp(("192.168.10.2", 0)), lan[1].udp(("192.168.10.2", 0))
    for n, s in ((1, a), (2, b)):
        s.sendto(b"\0\0\x08\0" + ip_packet("10.80.0.9", "10.80.0.1", 9, b"x"), ("192.168.10.1", port))
        p.wait_log("TUN: new device", count=n)
    names = re.findall(r'new device "(\S+)"', p.log)
    assert len(set(names)) == 2 and all(interface(lan[0], n) for n in names)
    a.sendto(b"", ("192.168.10.1", port))
    lab.wait_until(lambda: interface(lan[0], names[0]) is None, 5, lambda: f"interface stays after its session {p!r}")
    assert interface(lan[0], names[1])
    a.close()
    b.close()


@needs_tun
def test_frames_through_a_bridge():
    """A tap interface as a port of a bridge: hosts behind it are reached."""
    if lab.become_root():
        pytest.skip("needs root or user namespaces")
    hosts = west, east, inner = [lab.Host(n) for n in ("west", "east", "inner")]
    try:
        west.ip(f"link add eth0 type veth peer name eth0 netns {east.pid}", "addr add 10.1.0.1/24 dev eth0", "link set eth0 up",
                "link add br0 type bridge forward_delay 0", "link set br0 up",
                f"link add p0 type veth peer name eth0 netns {inner.pid}", "link set p0 master br0 up")
        east.ip("addr add 10.1.0.2/24 dev eth0", "link set eth0 up")
        inner.ip("addr add 10.5.0.1/24 dev eth0", "link set eth0 up")
        port = lab.port()
        a = west.start("-d", "-d", f"UDP4-DATAGRAM:10.1.0.2:{port},bind=:{port}", "TUN,tun-type=tap,tun-name=tap7,up,no-pi")
        b = east.start("-d", "-d", f"UDP4-DATAGRAM:10.1.0.1:{port},bind=:{port}", "TUN:10.5.0.2/24,tun-type=tap,up,no-pi")
        for p in (a, b):
            p.wait_log("starting data transfer loop")
        west.ip("link set tap7 master br0")
        assert ping(inner, "10.5.0.2"), (a, b)
        assert ping(east, "10.5.0.1"), (a, b)
    finally:
        lab.stop_all()
        for h in hosts:
            h.close()


@needs_tun
@pytest.mark.parametrize("kind,front,link", zip(KINDS, (4, 0, 4, 0), (0, 0, 14, 14)))
def test_layout(local, fast, kind, front, link):
    """What a packet looks like on the other side: information, link header, packet; one each."""
    s = local.udp()
    local.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
    p = local.start("-d", "-d", "-u", f"TUN:10.81.0.1/24,up,iff-noarp,{kind}", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    p.wait_log("starting data transfer loop")
    local.sysctl("net/ipv6/conf/default/disable_ipv6", 0)
    t = local.udp(("10.81.0.1", 1234))
    t.sendto(b"four", ("10.81.0.2", 99))
    while True:         # igmp and the like may come in between
        got = s.recv(9999)
        if got.endswith(b"four"):
            break
    assert len(got) == front + link + 32
    assert got[:front] == b"\0\0\x08\0"[:front]
    if link:
        assert got[front + 12:front + 14] == b"\x08\0"
    head = got[front + link:]
    assert head[0] == 0x45 and head[12:20] == socket.inet_aton("10.81.0.1") + socket.inet_aton("10.81.0.2")
    s.close()
    t.close()


@needs_tun
def test_largest_packet(local, fast, tmp_path):
    """An MTU of 65535: the packet is read whole, and written whole."""
    data = os.urandom(65535 - 28)
    out = tmp_path / "out"
    p = local.start("-d", "-d", "-u", "TUN:10.82.0.1/24,up,if-mtu=65535,tun-name=big", f"CREATE:{out}")
    p.wait_log("starting data transfer loop")
    assert interface(local, "big")["mtu"] == 65535
    s = local.udp(("10.82.0.1", 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    s.sendto(data, ("10.82.0.2", 9))
    lab.wait_until(lambda: data in out.read_bytes(), 5, lambda: repr(p))
    p.stop()
    s.close()
    q = local.start("-d", "-d", "-b", "65535", "-u", "-", "TUN:10.82.0.1/24,up,if-mtu=65535,no-pi")
    q.wait_log("starting data transfer loop")
    s = local.udp(("10.82.0.1", 9))
    q.send(ip_packet("10.82.0.2", "10.82.0.1", 9, data))
    assert s.recv(70000) == data, q
    s.close()


@needs_tun
def test_many_packets_in_order(lan, fast):
    """A burst arrives in order and without loss that the tunnel would be to blame for."""
    tunnel(lan, lab.port(), "tun-name=burst")
    assert ping(lan[0], "10.77.0.2")
    rx, tx = lan[1].udp(("10.77.0.2", 7)), lan[0].udp(("10.77.0.1", 0))
    got = []
    for n in range(2000):
        tx.sendto(struct.pack("!I", n) * 50, ("10.77.0.2", 7))
        if n % 50 == 49:            # never more under way than the interface's queue holds
            while len(got) <= n:
                got.append(struct.unpack("!I", rx.recv(999)[:4])[0])
    assert got == list(range(2000))
    rx.close()
    tx.close()


@needs_tun
def test_bad_packets_do_not_end_the_tunnel(local, fast):
    """Garbage is dropped, said once and counted; what is good goes on."""
    port = lab.port()
    p = local.start("-d", "-d", "--statistics", f"UDP4-RECV:{port}!!PIPE", "TUN:10.83.0.1/24,up,no-pi,tun-name=clean")
    p.wait_log("starting data transfer loop")
    rx, tx = local.udp(("10.83.0.1", 9)), local.udp()
    for bad in (b"\1garbage", b"\xff" * 40, b"", b"x", b"\0\0\x08\0"):
        tx.sendto(bad, ("127.0.0.1", port))
    tx.sendto(ip_packet("10.83.0.2", "10.83.0.1", 9, b"good"), ("127.0.0.1", port))
    assert rx.recv(99) == b"good", p
    said = r' W interface "clean" refused a packet of \d+ bytes, which is dropped: Invalid argument; this is no IP packet'
    p.wait_log(said)
    r = p.stop()
    assert len(re.findall(said, r.log)) == 1, r
    assert re.search(r'4 refused by interface "clean"', r.log), r
    rx.close()
    tx.close()


@needs_tun
def test_interface_that_is_down(local):
    """Without `up` packets are dropped with advice; once it is up they arrive."""
    port = lab.port()
    p = local.start("-d", "-d", "-u", f"UDP4-RECV:{port}", "TUN:10.84.0.1/24,no-pi,tun-name=late")
    p.wait_log("starting data transfer loop")
    tx = local.udp()
    tx.sendto(ip_packet("10.84.0.2", "10.84.0.1", 9, b"early"), ("127.0.0.1", port))
    p.wait_log(' W interface "late" refused a packet of 33 bytes, which is dropped: Input/output error; the interface is down')
    local.ip("link set late up")
    rx = local.udp(("10.84.0.1", 9))
    tx.sendto(ip_packet("10.84.0.2", "10.84.0.1", 9, b"late"), ("127.0.0.1", port))
    assert rx.recv(99) == b"late"
    rx.close()
    tx.close()


@needs_tun
@pytest.mark.parametrize("direction", ["-U", "-u"])
def test_interface_removed(local, direction):
    """Somebody removes the interface: an error that says so."""
    p = local.start("-d", "-d", direction, "-", "TUN,up,tun-name=victim")
    p.wait_log("starting data transfer loop")
    local.ip("link del victim")
    if direction == "-u":
        p.send(b"noticed when it is written to")
    r = p.wait()
    assert r.status == 1 and ' E interface "victim" has been removed' in r.log, r


@needs_tun
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_interface_vanishes(local, sig):
    p = local.start("-d", "-d", "TUN:10.85.0.1/24,up,tun-name=brief", "PIPE")
    p.wait_log("starting data transfer loop")
    assert interface(local, "brief")["addr_info"][0]["local"] == "10.85.0.1"
    p.stop(sig)
    assert interface(local, "brief") is None


@needs_tun
def test_descriptor_is_not_inherited(local):
    p = local.start("-d", "-d", "TUN", "SYSTEM:ls -l /proc/self/fd >&2; sleep 9")
    p.wait_log("total")
    lab.rest(0.1)
    assert "tun" not in p.log[p.log.index("total"):], p


BAD = [
    (["TUN:10.77.0.1"], r'E xioparsenetwork_ip4\("10.77.0.1",,\): missing netmask delimiter'),
    (["TUN:10.77.0.1/33"], r'E IPv4 netmask "10.77.0.1/33" is too large'),
    (["TUN:10.77.0.1/x"], r'E "10.77.0.1/x": the netmask must be a number of bits'),
    (["TUN:10.77.0/8"], r'E "10.77.0/8" does not begin with an IPv4 address'),
    (["TUN:[fd00::1]"], r'E xioparsenetwork_ip6\("\[fd00::1\]",,\): missing netmask delimiter'),
    (["TUN:[fd00::1]/129"], r'E IPv6 netmask "\[fd00::1\]/129" is too large'),
    (["TUN:[fd00::x]/64"], r'E "\[fd00::x\]/64" does not begin with'),
    (["TUN:a:b"], r"E TUN: wrong number of parameters \(2 instead of 1\)"),
    (["TUN,tun-type=foo"], r'E unknown tun-type "foo"'),
    (["TUN,tun-device=/nodev"], r'E open\("/nodev", 02, 0666\): No such file or directory'),
    (["TUN,tun-name=" + "x" * 16], r'E tun-name "x{16}" is too long'),
    (["TUN,tun-name=lo"], r'E ioctl\(\d+, TUNSETIFF, {"lo"}\): Invalid argument'),
    (["TUN,if-mtu=70000"], r'E setting the MTU 70000 of interface "tun\d+": Invalid argument'),
    (["TUN,retrieve-vlan"], r'E option "retrieve-vlan" fits INTERFACE only'),
    (["TUN,up=maybe"], r"E parseopts\(\): missing numerical value of option"),
    (["INTERFACE"], r"E INTERFACE: wrong number of parameters \(0 instead of 1\): usage: INTERFACE:<interface>"),
    (["INTERFACE:nosuch"], r'E unknown interface "nosuch"'),
    (["INTERFACE:9999"], r'E unknown interface "9999"'),
    (["INTERFACE:"], r'E unknown interface ""'),
    (["IF:lo,tun-name=x"], r'E option "tun-name" fits TUN only'),
    (["IF:lo,retrieve-vlan=1"], r"E no value permitted for option"),
    (["UDP4-RECV:9,up"], r'E parseopts_table\(\): option "up" not supported with this address type'),
]


@pytest.mark.parametrize("args,text", BAD, ids=lambda v: v[0] if isinstance(v, list) else "")
def test_wrong(local, args, text):
    if "tun-name=lo" in args[0] or "if-mtu" in args[0]:
        if lab.tun_missing():
            pytest.skip(lab.tun_missing())
    r = local.run(*args, "PIPE")
    assert r.status == 1 and re.search(text, r.log) and len(re.findall(" E ", r.log)) == 1, r


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs another user")
@pytest.mark.parametrize("addr,text", [("TUN", r'E (open\("/dev/net/tun", 02, 0666\): Permission denied|ioctl\(.*TUNSETIFF.*: Operation not permitted)'),
                                       ("IF:lo", r"E socket\(17, 3, 0\): Operation not permitted")])
def test_without_rights(local, addr, text):
    r = local.command(["setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all", lab.SOCAST, addr, "PIPE"]).wait()
    assert r.status == 1 and re.search(text, r.log), r


# ---------------------------------------------------------------- INTERFACE

@pytest.fixture
def wire():
    if lab.become_root():
        pytest.skip("needs root or user namespaces")
    west, east = lab.Host("west"), lab.Host("east")
    for h in (west, east):
        h.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        h.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
    west.ip(f"link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns {east.pid}", "link set eth0 up")
    east.ip("link set eth0 up")
    yield west, east
    lab.stop_all()
    west.close()
    east.close()


def frame(src, dst, payload, kind=ETH_P_TEST):
    return MAC[dst] + MAC[src] + struct.pack("!H", kind) + payload


class Tap:
    """A packet socket of the test's own."""

    def __init__(self, host, ifname="eth0"):
        self.s = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL), bind=(ifname, ETH_P_ALL))

    def send(self, data):
        self.s.send(data)

    def recv(self, kind=ETH_P_TEST):
        """The next frame of this kind that came from outside."""
        while True:
            data, addr = self.s.recvfrom(70000)
            if addr[2] != socket.PACKET_OUTGOING and addr[1] == kind:
                return data

    def close(self):
        self.s.close()


def test_frames_out(wire, fast):
    """What is written leaves as it is, one frame a datagram."""
    west, east = wire
    port, rx = lab.port(), Tap(east)
    p = west.start("-d", "-d", "-u", f"UDP4-RECV:{port}", "INTERFACE:eth0")
    p.wait_log("successfully prepared local socket AF=17 AF=17 0x0003")
    p.wait_log("starting data transfer loop")
    tx = west.udp()
    for size in (1, 46, 999, 1500):
        data = frame("west", "east", os.urandom(size))
        tx.sendto(data, ("127.0.0.1", port))
        assert rx.recv() == data
    rx.close()
    tx.close()


def test_frames_in(wire, fast):
    """What arrives is read whole, with its borders; what this host sends is not."""
    west, east = wire
    s, far, near = west.udp(), Tap(east), Tap(west)
    p = west.start("-d", "-d", "-u", "IF:eth0", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    p.wait_log("starting data transfer loop")
    for size in (1, 46, 999, 1500):
        near.send(frame("west", "east", b"own"))
        data = frame("east", "west", os.urandom(size))
        far.send(data)
        assert s.recv(9999) == data
    p.wait_log(r"N received packet with \d+ bytes from AF=17 ")
    for x in (s, far, near):
        x.close()


def test_by_number(wire):
    west, east = wire
    index = interface(west, "eth0")["ifindex"]
    p = west.start("-d", "-d", "-u", f"IF:{index}", "-")
    p.wait_log("starting data transfer loop")
    far = Tap(east)
    data = frame("east", "west", b"by number")
    far.send(data)
    assert p.expect_output(data) == data
    far.close()


def test_switch_of_two_interfaces(fast):
    """INTERFACE on both sides joins two networks: hosts find each other and ping."""
    if lab.become_root():
        pytest.skip("needs root or user namespaces")
    hosts = left, mid, right = [lab.Host(n) for n in ("left", "mid", "right")]
    try:
        for h, name in ((left, "eth0"), (right, "eth1")):
            mid.ip(f"link add {name} type veth peer name eth0 netns {h.pid}", f"link set {name} up")
        for n, h in ((1, left), (2, right)):
            h.sysctl("net/ipv6/conf/eth0/accept_dad", 0)
            h.ip(f"addr add 10.6.0.{n}/24 dev eth0", "link set eth0 up", f"addr add fd06::{n}/64 dev eth0 nodad")
        p = mid.start("-d", "-d", "IF:eth0,promisc", "IF:eth1,promisc")
        p.wait_log("starting data transfer loop")
        assert ping(left, "10.6.0.2") and ping(right, "10.6.0.1"), p
        # virtual hosts leave checksums to hardware, which there is none of
        rx, tx = right.udp(("10.6.0.2", 7)), left.udp(("10.6.0.1", 0))
        for size in (0, 1, 2, 1001, 1472):
            data = os.urandom(size)
            tx.sendto(data, ("10.6.0.2", 7))
            assert rx.recv(9999) == data
        rx.close()
        tx.close()
        rx, tx = right.udp(("fd06::2", 7)), left.udp(("fd06::1", 0))
        tx.sendto(b"six", ("fd06::2", 7))
        assert rx.recv(9999) == b"six"
        rx.close()
        tx.close()
    finally:
        lab.stop_all()
        for h in hosts:
            h.close()


@pytest.mark.parametrize("tpid", [0x8100, 0x88a8])
@pytest.mark.parametrize("size", [50, 1496, 2028, 2040])
def test_retrieve_vlan(wire, fast, tpid, size):
    """The kernel takes VLAN tags out of received frames; the option puts them back."""
    west, east = wire
    for h in wire:
        h.ip("link set eth0 mtu 3000")
    far, outs = Tap(east), [west.udp(), west.udp()]
    for s, opt in zip(outs, ("", ",retrieve-vlan")):
        p = west.start("-d", "-d", "-u", "IF:eth0" + opt, f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
        p.wait_log("starting data transfer loop")
    payload = os.urandom(size)
    plain, tagged = (frame("east", "west", b""), frame("east", "west", struct.pack("!HH", 0x6005, ETH_P_TEST), tpid))
    far.send(plain + b"before")
    far.send(tagged + payload)
    far.send(plain + b"after")
    got = [[s.recv(9999) for _ in range(3)] for s in outs]
    if got[0][1] != plain + payload:
        pytest.skip("this kernel leaves tags in")
    assert got[0] == [plain + b"before", plain + payload, plain + b"after"]
    assert got[1] == [plain + b"before", tagged + payload, plain + b"after"]
    for s in (far, *outs):
        s.close()


def test_frames_that_cannot_be_sent(wire, fast):
    """Too long, too short: dropped, said once, counted; the next one goes out."""
    west, east = wire
    port, rx = lab.port(), Tap(east)
    p = west.start("-d", "-d", "--statistics", "-u", f"UDP4-RECV:{port}", "IF:eth0")
    p.wait_log("starting data transfer loop")
    tx = west.udp()
    for bad in (frame("west", "east", bytes(3000)), frame("west", "east", bytes(2000)), b"short"):
        tx.sendto(bad, ("127.0.0.1", port))
    good = frame("west", "east", b"good")
    tx.sendto(good, ("127.0.0.1", port))
    assert rx.recv() == good
    said = (r" W sendto\(.*Message too long; this frame is dropped: it is longer than the MTU allows",
            r" W sendto\(.*Invalid argument; this frame is dropped")
    for text in said:
        p.wait_log(text)
    r = p.stop()
    assert [len(re.findall(text, r.log)) for text in said] == [1, 1], r
    assert "3 refused by the interface" in r.log, r
    rx.close()
    tx.close()


def test_interface_goes_down_and_comes_back(wire):
    west, east = wire
    port, far = lab.port(), Tap(east)
    p = west.start("-d", "-d", f"UDP4-RECV:{port}!!-", "IF:eth0")
    p.wait_log("starting data transfer loop")
    west.ip("link set eth0 down")
    p.wait_log(r" W interface number \d+ is down: nothing is sent or received until it is up again")
    tx = west.udp()
    tx.sendto(frame("west", "east", b"lost"), ("127.0.0.1", port))
    p.wait_log(" W sendto.*: Network is down; this frame is dropped")
    west.ip("link set eth0 up")
    p.wait_log(r" N interface number \d+ is up again")
    lab.wait_until(lambda: interface(east, "eth0")["operstate"] == "UP", 5, "no carrier")
    data = frame("east", "west", b"here again")
    far.send(data)
    p.expect_output(data)
    tx.sendto(frame("west", "east", b"and there"), ("127.0.0.1", port))
    assert far.recv().endswith(b"and there")
    tx.close()
    far.close()


def test_interface_is_down_at_the_start(wire):
    west, east = wire
    west.ip("link set eth0 down")
    p = west.start("-d", "-d", "-u", "IF:eth0", "-")
    p.wait_log(r" W interface number \d+ is down")
    west.ip("link set eth0 up")
    p.wait_log(r" N interface number \d+ is up again")
    far, data = Tap(east), frame("east", "west", b"at last")
    far.send(data)
    p.expect_output(data)
    far.close()


def test_interface_is_removed(wire):
    west, _ = wire
    p = west.start("-d", "-d", "-u", "IF:eth0", "-")
    p.wait_log("starting data transfer loop")
    west.ip("link del eth0")
    r = p.wait()
    assert r.status == 1 and re.search(r" E interface number \d+ has been removed", r.log), r


@pytest.mark.parametrize("end", ["eof", signal.SIGTERM, signal.SIGINT, signal.SIGHUP, "other address"])
def test_flags_are_restored(wire, end):
    """However it ends, flags and MTU are as before; what was so already stays."""
    west, _ = wire
    west.ip("link set eth0 down", "link set eth0 allmulticast on")
    before = flags(west, "eth0")
    opts = "up,promisc,allmulti,iff-multicast=0,noarp,if-mtu=1234"
    if end == "other address":
        r = west.run(f"IF:eth0,{opts}", "OPEN:/no/such/file")
        assert r.status == 1
    else:
        p = west.start("-d", "-d", "-u", "-", f"IF:eth0,{opts}")
        p.wait_log("starting data transfer loop")
        during = flags(west, "eth0")
        assert during & 1 and during & 0x100 and during & 0x80 and not during & 0x1000, hex(during)
        assert interface(west, "eth0")["mtu"] == 1234
        if end == "eof":
            p.close_stdin()
            assert p.wait().status == 0
        else:
            p.stop(end)
    assert flags(west, "eth0") == before
    assert interface(west, "eth0")["mtu"] == 1500


def test_nothing_is_queued_before_the_interface_is_chosen(wire):
    """Frames of other interfaces never show up."""
    west, east = wire
    p = west.start("-d", "-d", "-u", "IF:eth0", "-")
    p.wait_log("starting data transfer loop")
    s, far = west.udp(), Tap(east)
    s.sendto(b"on the loopback", ("127.0.0.1", 9))
    data = frame("east", "west", b"on the wire")
    far.send(data)
    assert p.expect_output(data) == data
    s.close()
    far.close()
