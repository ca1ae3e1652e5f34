"""Groups, broadcasts, syslog, sensors, feeds: lines whose data come in datagrams."""
import os
import socket
import struct
import time

import pytest

import lab



def udp(desk, **kw):
    return desk.host.udp(**kw)


@pytest.mark.parametrize("name", ["socat", "socast"])
def test_ssdp_search(desks, name):
    """M-SEARCH: devices answer from any port. Called socat all answers are heard, as ever; called socast an option says so."""
    desk, devices = desks[0], desks[1:]
    servers = []
    for d in devices:
        s = d.host.socket(bind=("", 1900))
        with d.host.inside():
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.255.255.250") + struct.pack("=iI", 0, 0)[:4])
        servers.append(s)
    extra = ",answers=any" if name == "socast" else ""
    if name == "socast":
        (desk.bin / "socast").symlink_to(lab.SOCAST)
    p = desk.line(f"printf 'M-SEARCH * HTTP/1.1\\r\\nHOST:239.255.255.250:1900\\r\\nST:ssdp:all\\r\\nMX:1\\r\\n\\r\\n' |"
                  f" {name} -t 1 - UDP4-DATAGRAM:239.255.255.250:1900{extra}")
    for i, s in enumerate(servers):
        ask, peer = s.recvfrom(2000)
        assert ask.startswith(b"M-SEARCH")
        other = devices[i].host.udp(bind=(f"192.168.10.{i + 2}", 0))     # libupnp and many scripts answer from an ephemeral port
        other.sendto(b"HTTP/1.1 200 OK\r\nUSN: device%d\r\n\r\n" % i, peer)
    r = p.wait()
    assert r.status == 0 and r.out.count(b"200 OK") == 2, r


@pytest.mark.parametrize("target", ["UDP-DATAGRAM:255.255.255.255:9,broadcast", "UDP4-DATAGRAM:192.168.10.255:9,broadcast", "UDP-SENDTO:192.168.10.255:9,broadcast"])
def test_wake_on_lan(desks, target):
    """The magic packet, made by printf or python, sent to everybody."""
    heard = [d.host.socket(bind=("", 9)) for d in desks[1:]]
    for h in heard:
        h.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if "255.255.255.255" in target:
        desks[0].host.ip("route replace 255.255.255.255 dev eth0")
    magic = b"\xff" * 6 + bytes.fromhex("001122334455") * 16
    desks[0].write("magic", magic)
    r = desks[0].run(f"socat - {target} < magic")
    assert r.status == 0, r
    for h in heard:
        assert h.recv(999) == magic


def test_syslog_from_unix_to_udp(desk):
    """/dev/log of a container handed to a log server, from many programs at once."""
    s = udp(desk)
    p = desk.server(f"socat -u UNIX-RECV:log,mode=0666 UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}", "log")
    senders = [desk.unix("log", kind=socket.SOCK_DGRAM) for _ in range(5)]
    lines = {f"<13>app{i}: message {j}".encode() for i in range(5) for j in range(100)}
    got = set()
    for j in range(100):
        for i, c in enumerate(senders):
            c.send(f"<13>app{i}: message {j}".encode())
        while len(got) < (j + 1) * 5:
            got.add(s.recv(999))
    assert got == lines
    desk.idle(p)
    desk.end(p)


def test_syslog_server_to_a_file(desk, load):
    """One line for each datagram, whole, from several hosts at once."""
    port = lab.port()
    p = desk.server(f"socat -u UDP4-RECV:{port} OPEN:messages,creat,append", port)
    c = udp(desk)
    for i in range(300):
        c.sendto(b"<30>Nov 27 host daemon[%d]: started\n" % i, ("127.0.0.1", port))
        if i % 50 == 49:
            time.sleep(0.02)
    lab.wait_until(lambda: (desk / "messages").exists() and (desk / "messages").read_bytes().count(b"\n") == 300, 5, "lines are missing")
    assert (desk / "messages").read_text().splitlines() == [f"<30>Nov 27 host daemon[{i}]: started" for i in range(300)]
    desk.keep("messages")
    desk.idle(p)
    desk.end(p)


def test_statsd(desk):
    """echo "metric:1|c" | socat -t 0 - UDP: no waiting for an answer, status 0, and no empty datagram behind it."""
    s = udp(desk)
    start = time.monotonic()
    for i in range(10):
        r = desk.run(f"echo -n 'deploys.web:{i}|c' | socat -t 0 - UDP:127.0.0.1:{s.getsockname()[1]}")
        assert r.status == 0 and r.log == "", r
        data = s.recv(99) or s.recv(99)     # UDP-CONNECT tells its end by an empty datagram, as classic does
        assert data == b"deploys.web:%d|c" % i
    assert time.monotonic() - start < 5 * lab.SLOW
    s.setblocking(False)
    rest = []
    try:
        while True:
            rest.append(s.recv(99))
    except BlockingIOError:
        pass
    assert set(rest) <= {b""}


@pytest.mark.parametrize("family", ["4", "6"])
def test_udp_forwarder_with_many_clients(desk, family, load):
    """DNS and games: a forwarder with fork; each client has its own answers."""
    inner, outer = lab.port(), lab.port()
    host = {"4": "127.0.0.1", "6": "::1"}[family]
    bracket = {"4": host, "6": "[::1]"}[family]
    s = udp(desk, bind=(host, inner))
    s.setblocking(False)
    p = desk.server(f"socat UDP{family}-LISTEN:{outer},fork,reuseaddr UDP{family}:{bracket}:{inner}", outer)
    clients = [udp(desk, bind=(host, 0)) for _ in range(40)]
    for i, c in enumerate(clients):
        c.sendto(b"question %d" % i, (host, outer))
    answered = 0
    end = time.monotonic() + 5 * lab.SLOW
    while answered < 40 and time.monotonic() < end:
        try:
            data, peer = s.recvfrom(999)
            s.sendto(data.replace(b"question", b"answer"), peer)
            answered += 1
        except BlockingIOError:
            lab.pump(0.01)
    for i, c in enumerate(clients):
        assert c.recv(99) == b"answer %d" % i
    desk.idle(p)
    desk.end(p)


def test_nmea_feed_to_a_serial_line(desk):
    """A GPS talks UDP, the old chart plotter has a serial port: a pty with a link."""
    port = lab.port()
    p = desk.server(f"socat -u UDP4-RECV:{port} PTY,link=gps,rawer", "gps")
    fd = os.open(desk / "gps", os.O_RDWR | os.O_NOCTTY)
    lab.wait_until(lambda: desk.listens(port), 3, "no port")
    s = udp(desk)
    want = b"".join(b"$GPGGA,%06d.00,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n" % i for i in range(50))
    for part in want.splitlines(True):
        s.sendto(part, ("127.0.0.1", port))
    got = b""
    while len(got) < len(want):
        got += os.read(fd, 999)
    assert got == want
    os.close(fd)
    desk.idle(p)
    desk.end(p)


def test_mavlink_between_serial_and_two_ground_stations(desk):
    """A flight controller on a pty, one UDP station; frames pass both ways with their borders as the link has them."""
    station = udp(desk)
    p = desk.server(f"socat PTY,link=fc,rawer UDP4:127.0.0.1:{station.getsockname()[1]}", "fc")
    fd = os.open(desk / "fc", os.O_RDWR | os.O_NOCTTY)
    frame = b"\xfd\x09\x00\x00\x07\x01\x01\x00\x00\x00" + bytes(11)
    for _ in range(20):
        os.write(fd, frame)
        data, peer = station.recvfrom(999)
        assert data == frame
        station.sendto(frame[::-1], peer)
        got = b""
        while len(got) < len(frame):
            got += os.read(fd, 99)
        assert got == frame[::-1]
    desk.idle(p)
    os.close(fd)
    desk.end(p)


def test_multicast_player(desks):
    """rtp://: a stream of a group into a pipe; every packet, in order."""
    p = desks[1].line("socat -u UDP4-RECV:5004,ip-add-membership=239.1.2.3:eth0,reuseaddr,rcvbuf=4000000 - | cat > stream")
    lab.wait_until(lambda: desks[1].listens(5004), 3, "no port")
    s = desks[0].host.udp(bind=("192.168.10.1", 0))
    want = b""
    for i in range(500):
        packet = struct.pack("!BBHII", 0x80, 33, i, i * 3600, 7) + bytes([i % 256]) * 1316
        want += packet
        s.sendto(packet, ("239.1.2.3", 5004))
        if i % 100 == 99:
            time.sleep(0.01)
    lab.wait_until(lambda: (desks[1] / "stream").stat().st_size == len(want), 5, "packets are missing")
    assert (desks[1] / "stream").read_bytes() == want
    desks[1].keep("stream")
    p.kill()


def test_chat_of_a_group(desks):
    """Three people, one group: everybody hears everybody."""
    people = [d.line("socat - UDP4-DATAGRAM:239.9.9.9:9000,bind=:9000,ip-add-membership=239.9.9.9:eth0,ip-multicast-loop=0,reuseaddr") for d in desks]
    for d in desks:
        lab.wait_until(lambda d=d: d.listens(9000), 3, "no port")
    for i, p in enumerate(people):
        p.send(f"hello from {i}\n")
        for j, q in enumerate(people):
            if i != j:
                q.expect_output(f"hello from {i}\n")
    for p in people:
        p.close_stdin()
        assert p.wait().status == 0


def test_tftp_like_recvfrom_with_a_program(desk):
    """A datagram, a program, an answer: whatever the program does with its input."""
    port = lab.port()
    p = desk.server(f"socat UDP4-RECVFROM:{port},fork SYSTEM:'echo $SOCAT_PEERPORT'", port)
    for _ in range(30):
        c = udp(desk)
        c.sendto(b"who am I", ("127.0.0.1", port))
        assert c.recv(99) == b"%d\n" % c.getsockname()[1]
    desk.idle(p)
    desk.end(p)


def test_gelf_over_udp_is_one_datagram(desk):
    s = udp(desk)
    message = b'{"version":"1.1","host":"x","short_message":"' + b"m" * 7000 + b'"}'
    desk.write("m", message)
    assert desk.run(f"socat -u - UDP:127.0.0.1:{s.getsockname()[1]} < m").status == 0
    assert s.recv(65535) == message


def test_artnet_universe(desk):
    """512 channels to everybody on port 6454, forty times a second, from a FIFO of frames."""
    port = lab.port()
    s = udp(desk, bind=("127.0.0.1", port))
    p = desk.line(f"socat -b 530 -u - UDP4-DATAGRAM:127.0.0.1:{port}")
    frames = [b"Art-Net\0\0\x50\0\x0e" + bytes([i, 0, 0, 0, 2, 0]) + bytes([i]) * 512 for i in range(40)]
    for f in frames:
        p.send(f)
        assert s.recv(999) == f
    p.close_stdin()
    assert p.wait().status == 0


def test_dns_over_tcp_to_udp_is_refused_by_nobody(desk):
    """A client that vanishes, one that asks from two ports: the server goes on."""
    port = lab.port()
    p = desk.server(f"socat UDP4-LISTEN:{port},fork PIPE", port)
    for i in range(20):
        c = udp(desk)
        c.sendto(b"x", ("127.0.0.1", port))
        if i % 2:
            assert c.recv(9) == b"x"
        c.close()
    desk.idle(p)
    desk.end(p)
