"""Serial lines: bridges, taps, gateways, fake devices; the devices are pseudo terminals."""
import os
import select
import time
import tty

import pytest

import lab
from desk import MEGABYTES, sha


def open_tty(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    return fd


def read_exactly(fd, n, timeout=5):
    got = b""
    end = time.monotonic() + timeout * lab.SLOW
    while len(got) < n:
        assert time.monotonic() < end, got[-99:]
        if select.select([fd], [], [], 0.1)[0]:
            got += os.read(fd, n - len(got))
        lab.pump(0)
    return got


class Device:
    """A serial device of the test: `name` leads to its terminal."""

    def __init__(self, desk, name):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.slave = slave
        (desk / name).symlink_to(self.path)
        desk.keep(name)

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def test_null_modem(desk, load):
    """Two ptys joined: the commonest line of all who test serial programs."""
    p = desk.server("socat -d -d pty,raw,echo=0,link=a pty,raw,echo=0,link=b", "b")
    assert p.log.count("PTY is /dev/pts/") == 2 or p.wait_log("PTY is /dev/pts/", count=2)
    a, b = open_tty(desk / "a"), open_tty(desk / "b")
    for data in (b"AT\r", bytes(range(256)) * 10, MEGABYTES[:1000]):
        os.write(a, data)
        assert read_exactly(b, len(data)) == data
        os.write(b, data[::-1])
        assert read_exactly(a, len(data)) == data[::-1]
    desk.idle(p)
    os.close(a)
    os.close(b)
    desk.end(p)
    assert not os.path.lexists(desk / "a") and not os.path.lexists(desk / "b")


@pytest.mark.parametrize("line", ["socat TCP-LISTEN:{port},reuseaddr,fork,max-children=1 FILE:dev,b115200,raw,echo=0,nonblock",
                                  "socat tcp-l:{port},reuseaddr,fork file:dev,nonblock,rawer,b9600",
                                  "socat OPEN:dev,raw,echo=0,b57600,cs8,parenb=0,cstopb=0 TCP-LISTEN:{port},reuseaddr"])
def test_serial_server(desk, line):
    """A device reached by TCP; the client talks first, the device talks unasked."""
    device = Device(desk, "dev")
    port = lab.port()
    p = desk.server(line.format(port=port), port)
    c = desk.tcp(port)
    c.sendall(b"ATZ\r")
    assert read_exactly(device.master, 4) == b"ATZ\r"
    os.write(device.master, b"OK\r\n")
    assert c.recv(99) == b"OK\r\n"
    data = MEGABYTES[:100_000]
    sent = 0
    got = b""
    while len(got) < len(data):     # both ways at once, as fast as the line takes it
        if sent < len(data):
            sent += c.send(data[sent:sent + 4000])
        while select.select([device.master], [], [], 0)[0]:
            got += os.read(device.master, 65536)
        lab.pump(0)
    assert sha(got) == sha(data)
    desk.idle(p)
    c.close()
    if "fork" in line:
        time.sleep(0.6)
        c = desk.tcp(port)          # the next one finds the device again
        c.sendall(b"ATI\r")
        assert read_exactly(device.master, 4) == b"ATI\r"
        c.close()
        desk.end(p)
    else:
        assert p.wait().status == 0
    device.close()


def test_remote_port_as_a_local_one(desk):
    """The other end: a pty whose bytes come from a network serial server; its link goes with it."""
    s, port = desk.listener()
    p = desk.server(f"socat PTY,link=ttyV0,raw,echo=0,mode=660 TCP:127.0.0.1:{port},keepalive,nodelay", "ttyV0")
    c, _ = s.accept()
    fd = open_tty(desk / "ttyV0")
    os.write(fd, b"\x02\x30\x31\x03")
    assert c.recv(99) == b"\x02\x30\x31\x03"
    c.sendall(b"\x06" * 500)
    assert read_exactly(fd, 500) == b"\x06" * 500
    desk.idle(p)
    c.close()
    assert p.wait().status == 0
    os.close(fd)
    assert not os.path.lexists(desk / "ttyV0")


def test_a_gateway_that_comes_and_goes(desk):
    """Zigbee sticks by network: the pty stays while its gateway is restarted (fork,max-children=1)."""
    s, port = desk.listener()
    p = desk.server(f"socat PTY,link=zigbee,raw,echo=0 TCP:127.0.0.1:{port},fork,max-children=1,interval=0.1,forever", "zigbee")
    fd = open_tty(desk / "zigbee")
    for i in range(4):
        c, _ = s.accept()
        os.write(fd, b"ping %d" % i)
        assert c.recv(99) == b"ping %d" % i
        c.sendall(b"pong %d" % i)
        assert read_exactly(fd, 6) == b"pong %d" % i
        c.close()
    os.close(fd)
    desk.end(p)


def test_tap_on_a_serial_line(desk):
    """-x between program and device: what is shown is what passes."""
    device = Device(desk, "dev")
    p = desk.server("socat -x -v PTY,link=tap,raw,echo=0 FILE:dev,raw,echo=0", "tap")
    fd = open_tty(desk / "tap")
    os.write(fd, b"hello\r")
    assert read_exactly(device.master, 6) == b"hello\r"
    os.write(device.master, b"world\n")
    assert read_exactly(fd, 6) == b"world\n"
    p.wait_log("77 6f 72 6c 64 0a")
    assert "68 65 6c 6c 6f 0d" in p.log and "> " in p.log and "< " in p.log
    os.close(fd)
    desk.end(p)
    device.close()


def test_gps_to_many(desk):
    """One device, several readers, one after the other; each gets whole sentences from now on."""
    device = Device(desk, "gps")
    port = lab.port()
    p = desk.server(f"socat -u FILE:gps,b4800,raw,echo=0 TCP-LISTEN:{port},reuseaddr", port)
    c = desk.tcp(port)
    want = b"".join(b"$GPRMC,%06d,A*00\r\n" % i for i in range(200))
    os.write(device.master, want)
    got = b""
    while len(got) < len(want):
        got += c.recv(999)
    assert got == want
    c.close()
    os.write(device.master, b"$GPRMC more\r\n" * 3)
    lab.wait_until(lambda: p.ended() or not os.write(device.master, b"$GPRMC more\r\n") or p.ended(), 5, "it does not notice that the reader has gone")
    device.close()


def test_a_modem_dialogue(desk):
    """echo AT | socat - /dev/ttyUSB0,crnl: the answer within -t; a terminal has no end, so nothing is cut off."""
    device = Device(desk, "modem")
    p = desk.line("(echo AT; sleep 0.3) | socat -t 0.5 - FILE:modem,raw,echo=0,crnl")
    assert read_exactly(device.master, 4) == b"AT\r\n"
    os.write(device.master, b"\r\nOK\r\n")
    r = p.wait()
    assert r.status == 0 and r.out == b"\nOK\n" and r.log == "", r
    device.close()


def test_a_device_that_is_pulled_out(desk):
    """The master side closes: the session ends, the listener serves on."""
    device = Device(desk, "dev")
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr,fork FILE:dev,raw,echo=0", port)
    c = desk.tcp(port)
    c.sendall(b"x")
    assert read_exactly(device.master, 1) == b"x"
    device.close()
    assert c.recv(9) == b""
    assert not p.ended()
    desk.idle(p)
    desk.end(p)


def test_modbus_gateway_with_a_lock(desk):
    """Clients take turns by max-children=1; each has its own question and answer."""
    device = Device(desk, "bus")
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},fork,reuseaddr,max-children=1,nodelay FILE:bus,raw,echo=0,b19200", port)
    clients = [desk.tcp(port) for _ in range(4)]
    for i, c in enumerate(clients):
        c.sendall(bytes([i, 3, 0, 0, 0, 1, 0xAA, 0x55]))
    for _ in clients:
        q = read_exactly(device.master, 8)
        os.write(device.master, q[:2] + b"\2\0\7")
        c = clients[q[0]]
        assert c.recv(99) == q[:2] + b"\2\0\7"
        c.close()
    desk.end(p)
    device.close()


def test_fake_device_from_a_script(desk):
    """A program behaves as a device for the program under test: PTY,link to EXEC."""
    desk.write("device.sh", "#!/bin/sh\nwhile read -r l; do case $l in *IDN*) echo 'ACME,1';; *) echo ERR;; esac; done\n", 0o755)
    p = desk.server("socat PTY,link=dev,raw,echo=0 EXEC:./device.sh", "dev")
    fd = open_tty(desk / "dev")
    for _ in range(20):
        os.write(fd, b"*IDN?\n")
        assert read_exactly(fd, 7) == b"ACME,1\n"
        os.write(fd, b"x\n")
        assert read_exactly(fd, 4) == b"ERR\n"
    desk.idle(p)
    os.close(fd)
    desk.end(p)
