"""Network interfaces side by side: the same packets, the same frames, the same errors.

POSIX message queues are not here: the usual reference does not know them.
"""
import os
import re
import socket
import struct

import pytest

import lab
from test_side_by_side import agreed

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK), reason=f"no reference program {lab.SOCAT_REF} (set SOCAT_REF)")

PROGRAMS = [lab.SOCAST, lab.SOCAT_REF]
KINDS = ["tun-type=tun", "tun-type=tun,iff-no-pi", "tun-type=tap,iff-noarp", "tun-type=tap,iff-noarp,iff-no-pi"]
needs_tun = pytest.mark.skipif(lab.tun_missing() is not None, reason=str(lab.tun_missing()))


@pytest.fixture
def wire():
    if lab.become_root():
        pytest.skip("needs root or user namespaces")
    west, east = lab.Host("west"), lab.Host("east")
    for h in (west, east):
        h.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        h.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
    west.ip(f"link add eth0 type veth peer name eth0 netns {east.pid}", "link set eth0 up")
    east.ip("link set eth0 up")
    yield west, east
    lab.stop_all()
    west.close()
    east.close()


def read_packet(host, prog, kind):
    """What the other side gets when the host sends a datagram into the interface."""
    s = host.udp()
    p = host.start("-d", "-d", "-u", f"TUN:10.90.0.1/24,up,{kind}", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}", prog=prog)
    p.wait_log("starting data transfer loop")
    t = host.udp(("10.90.0.1", 1234))
    while True:
        t.sendto(b"four", ("10.90.0.2", 99))
        got = s.recv(9999)
        if got.endswith(b"four"):
            break
    p.stop()
    s.close()
    t.close()
    return got


@needs_tun
@pytest.mark.parametrize("kind", KINDS)
def test_packet_from_tun(wire, kind):
    """The same bytes, apart from addresses of hardware, id and checksums."""
    def shape(data):
        at = data.index(b"\x45\0")
        return len(data), data[:at] if at < 14 else (data[:at - 14], data[at - 2:at]), data[at + 12:at + 24]
    ours, theirs = (read_packet(wire[0], prog, kind) for prog in PROGRAMS)
    assert shape(ours) == shape(theirs)


@needs_tun
@pytest.mark.parametrize("pi", [True, False])
def test_packet_to_tun(wire, pi):
    """A packet written arrives as a datagram."""
    udp = struct.pack("!4H", 9, 99, 12, 0) + b"four"
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0, socket.inet_aton("10.90.0.2"), socket.inet_aton("10.90.0.1"))
    total = sum(struct.unpack("!10H", head))
    packet = head[:10] + struct.pack("!H", ~((total >> 16) + total) & 0xffff) + head[12:] + udp
    for prog in PROGRAMS:
        port = lab.port()
        p = wire[0].start("-d", "-d", "-u", f"UDP4-RECV:{port}", "TUN:10.90.0.1/24,up" + ("" if pi else ",iff-no-pi"), prog=prog)
        p.wait_log("starting data transfer loop")
        rx, tx = wire[0].udp(("10.90.0.1", 99)), wire[0].udp()
        tx.sendto((b"\0\0\x08\0" if pi else b"") + packet, ("127.0.0.1", port))
        assert rx.recv(99) == b"four", p
        p.stop()
        rx.close()
        tx.close()


def test_frames(wire):
    """A frame in, a frame out, untouched by both programs."""
    west, east = wire
    far = east.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3), bind=("eth0", 3))
    data = b"\xff" * 6 + b"\2\0\0\0\0\7" + b"\x88\xb5" + bytes(range(200))
    for prog in PROGRAMS:
        p = west.start("-d", "-d", "INTERFACE:eth0", "PIPE", prog=prog)
        p.wait_log("starting data transfer loop")
        far.send(data)
        while True:
            got, addr = far.recvfrom(9999)
            if addr[2] != socket.PACKET_OUTGOING:
                break
        assert got == data, p
        p.stop()
    far.close()


@pytest.mark.parametrize("addr", ["TUN:10.77.0.1", "TUN,tun-device=/nodev", "TUN:10.77.0.1/24,tun-type=foo", "INTERFACE:nosuch"])
def test_errors(local, addr):
    """The first error is the same sentence, and so is the status."""
    ours, theirs = (local.run(addr, "PIPE", prog=prog) for prog in PROGRAMS)
    first = [agreed(r.log, "E", prog, "DIR")[:1] for r, prog in zip((ours, theirs), PROGRAMS)]
    assert ours.status == theirs.status == 1
    assert [re.sub(r"parsenetwork(_ip4)?", "parsenetwork", text) for _, text in first[0]] == \
        [re.sub(r"parsenetwork(_ip4)?", "parsenetwork", text) for _, text in first[1]], (ours, theirs)
