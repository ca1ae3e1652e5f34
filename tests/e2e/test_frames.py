"""Frames: datagrams keep their borders in any stream, in nine formats.

Two programs stand between a sender and a receiver of datagrams; what lies between the two is the stream."""
import hashlib
import os
import random
import re
import shutil
import socket
import time

import pytest

import lab
import test_stacks
from proxies import ssh_server
from test_stacks import WAYS, dialing, ends, listening, some, tls_client, tls_server
from test_tcp import LOOP, accept, connect, server

_zoo, here = test_stacks._zoo, test_stacks.here         # its fixtures

FORMATS = ["u16", "u32", "varint", "line", "nul", "slip", "cobs", "netstring", "fixed=700"]


def datagrams(fmt, n=200, most=9000, seed=1):
    """Datagrams that the format can say, of all sizes, with all bytes it takes."""
    r = random.Random(seed)
    made = []
    for i in range(n):
        size = 700 if "fixed" in fmt else (i % 5 if i < 25 else r.randrange(most))
        data = r.randbytes(size) if i % 3 else r.choice([b"\0", b"\n", b"\r", b"\xc0", b"\xdb", b"x"]) * size
        if fmt == "line":
            data = data.replace(b"\n", b"N").rstrip(b"\r")
        if fmt == "nul":
            data = data.replace(b"\0", b"N")
        made.append(data or (b"s" if fmt == "slip" else b""))
    return made


def told(socket_, n, timeout=5):
    """The next @n datagrams."""
    socket_.settimeout(timeout * lab.SLOW)
    return [socket_.recv(70000) for _ in range(n)]


class Path:
    """A sender, a stream with frames, a receiver which may answer."""

    def __init__(self, local, listen, dial, *flags, right=None):
        self.near, self.far = local.udp(), local.udp()
        for s in (self.near, self.far):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self.port = lab.port()
        self.server = local.start("-d", "-d", *flags, listen, right or f"UDP4:{LOOP}:{self.far.getsockname()[1]}")
        self.server.wait_log("listening on|starting data transfer|opening")
        self.client = local.start("-d", "-d", *flags, f"UDP4-LISTEN:{self.port},bind={LOOP}", dial)
        self.client.wait_log("waiting for|listening on")
        self.near.connect((LOOP, self.port))

    def there(self, data):
        """Send all, a few at a time: UDP would lose them otherwise."""
        for at in range(0, len(data), 10):
            part = data[at:at + 10]
            for d in part:
                self.near.send(d)
            assert told(self.far, len(part)) == part, at

    def back(self, data):
        peer = self.far_peer()
        for at in range(0, len(data), 10):
            part = data[at:at + 10]
            for d in part:
                self.far.sendto(d, peer)
            assert told(self.near, len(part)) == part, at

    def far_peer(self):
        self.near.send(self.hello)
        return self.far.recvfrom(70000)[1]

    hello = b"hello"


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format(local, fmt):
    """Both ways, whatever the datagrams hold."""
    port = lab.port()
    p = Path(local, f"TCP4-LISTEN:{port},bind={LOOP},reuseaddr,frames={fmt}", f"TCP4:{LOOP}:{port},frames={fmt}")
    p.hello = b"h" * 700 if "fixed" in fmt else b"hello"
    data = [d for d in datagrams(fmt) if d]
    p.there(data)
    p.back(data)


@pytest.mark.parametrize("fmt", ["u16", "u32", "varint", "line", "nul", "cobs", "netstring"])
def test_empty_datagrams(local, fmt):
    port = lab.port()
    s = local.start("-u", f"TCP4-LISTEN:{port},bind={LOOP},reuseaddr,frames={fmt}", "UNIX-SENDTO:./there")
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.bind("./there")
    c = connect(local, port)
    empty = {"u16": b"\0\0", "u32": b"\0\0\0\0", "varint": b"\0", "line": b"\n", "nul": b"\0", "cobs": b"\1\0", "netstring": b"0:,"}[fmt]
    c.sendall(empty + {"u16": b"\0\1x", "u32": b"\0\0\0\1x", "varint": b"\1x", "line": b"x\r\n", "nul": b"x\0", "cobs": b"\2x\0", "netstring": b"1:x,"}[fmt] + empty)
    assert told(there, 3) == [b"", b"x", b""], s
    c.close()
    there.close()


# what a frame looks like, and how it may come: whole, byte by byte, many at once
WIRE = {"u16": b"\0\3abc", "u32": b"\0\0\0\3abc", "varint": b"\3abc", "line": b"abc\n", "nul": b"abc\0", "slip": b"\xc0abc\xc0",
        "cobs": b"\4abc\0", "netstring": b"3:abc,", "fixed=3": b"abc"}


@pytest.mark.parametrize("fmt", WIRE)
def test_on_the_wire(local, fmt):
    listener, port = server(local)
    near, here_ = lab.port(), local.udp()
    p = local.start("-d", "-d", f"UDP4-LISTEN:{near},bind={LOOP}", f"FRAMES({fmt})+TCP4:{LOOP}:{port}")
    p.wait_log("waiting for|listening on")
    here_.connect((LOOP, near))
    here_.send(b"abc")
    c, _ = accept(listener)
    assert c.recv(100) == WIRE[fmt]
    for byte in WIRE[fmt]:
        c.sendall(bytes([byte]))
        lab.rest(0.003)
    assert told(here_, 1) == [b"abc"]
    c.sendall(WIRE[fmt] * 100)
    assert told(here_, 100) == [b"abc"] * 100
    c.close()


# ---------------------------------------------------------------- on any stream

@pytest.mark.parametrize("way", some(w for w in WAYS if w not in ("stdio", "stdio-pipes")))
@pytest.mark.parametrize("fmt", ["u16", "cobs"])
def test_on_every_way(local, way, fmt):
    """There and back; a terminal below changes nothing, as it is raw."""
    far, port = local.udp(), lab.port()
    w = WAYS[way](local)
    s = listening(local, w, f"FRAMES({fmt})", "-d", right=f"UDP4:{LOOP}:{far.getsockname()[1]}")
    c = dialing(local, w, f"FRAMES({fmt})", "-d", "-d", right=f"UDP4-LISTEN:{port},bind={LOOP}")
    c.wait_log("waiting for|listening on")
    near = local.udp()
    near.connect((LOOP, port))
    data = [d for d in datagrams(fmt, 60, 3000) if d]
    for d in data:
        near.send(d)
        got, peer = far.recvfrom(70000)
        assert got == d, (s, c)
        far.sendto(d[::-1], peer)
        assert near.recv(70000) == d[::-1], (s, c)


@pytest.mark.parametrize("layers", [1, 2])
def test_in_tls(local, zoo, layers):
    port = lab.port()
    theirs, ours = "+".join([tls_server(zoo)] * layers), "+".join([tls_client(zoo)] * layers)
    p = Path(local, f"FRAMES(u16)+{theirs}+TCP4-LISTEN:{port},bind={LOOP},reuseaddr", f"{ours}+TCP4:{LOOP}:{port},frames=u16")
    data = [d for d in datagrams("u16", 100, 60000) if d]
    p.there(data)
    p.back(data)


def test_files_and_pipes(local, tmp_path):
    """A file of frames, written and read again; half of a dual address; a FIFO."""
    data = [d for d in datagrams("u16", 300, 1400) if d]       # an empty one from a UNIX socket means nothing
    here_ = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    here_.bind("./out")
    p = local.start("-d", "-d", "-u", "UNIX-RECV:./in", "CREATE:kept,frames=u16")
    p.wait_log("starting data transfer")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for d in data:
        s.sendto(d, "./in")
    lab.wait_until(lambda: os.path.getsize("kept") == sum(map(len, data)) + 2 * len(data), 5, lambda: repr(p))
    p.stop()
    assert (tmp_path / "kept").read_bytes() == b"".join(len(d).to_bytes(2, "big") + d for d in data)
    os.mkfifo("fifo")
    lines = ([("-u", "OPEN:kept,rdonly,frames=u16", "UNIX-SENDTO:./out")],
             [("OPEN:kept,rdonly,frames=u16!!/dev/null", "UNIX-SENDTO:./out,null-eof")],
             [("-u", "PIPE:fifo,rdonly,frames=u16", "UNIX-SENDTO:./out"), ("-u", "OPEN:kept,rdonly", "OPEN:fifo,wronly")])
    for pair in lines:
        started = [local.start("-t0.2", *args) for args in pair]
        assert told(here_, len(data)) == data, pair
        for p in started:
            p.stop()
    here_.close()


def test_peers_one_to_one(local):
    """Each peer of UDP-LISTEN has a session of its own, and so each its stream; and at the other end a socket of its own."""
    port, near = lab.port(), lab.port()
    far = local.udp()
    s = local.start("-d", "-d", f"TCP4-LISTEN:{port},bind={LOOP},reuseaddr,fork,frames=u16", f"UDP4:{LOOP}:{far.getsockname()[1]}")
    s.wait_log("listening on")
    c = local.start("-d", "-d", f"UDP4-LISTEN:{near},bind={LOOP},fork", f"TCP4:{LOOP}:{port},frames=u16")
    c.wait_log("waiting for|listening on")
    peers = [local.udp() for _ in range(20)]
    for n, p in enumerate(peers):
        p.connect((LOOP, near))
        p.send(b"from %d" % n)
    for _ in peers:
        data, peer = far.recvfrom(100)
        far.sendto(b"to" + data[4:], peer)
    for n, p in enumerate(peers):
        assert told(p, 1) == [b"to %d" % n]


def test_no_border_is_lost(local, zoo):
    """Many datagrams of random sizes by framed TLS, as fast as they go: each has its number and its hash."""
    port = lab.port()
    n = 20_000 if "asan" not in lab.SOCAST else 3000
    s = local.start("-d", "-d", "-u", f"FRAMES(u16)+{tls_server(zoo)}+TCP4-LISTEN:{port},bind={LOOP},reuseaddr", "UNIX-SENDTO:./out")
    s.wait_log("listening on")
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    out.bind("./out")
    c = local.start("-d", "-d", "-u", "UNIX-RECV:./in", f"{tls_client(zoo)}+TCP4:{LOOP}:{port},frames=u16")
    c.wait_log("starting data transfer")
    pid = os.fork()
    if pid == 0:
        try:
            r = random.Random(7)
            to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            to.connect("./in")
            for i in range(n):
                body = i.to_bytes(4, "big") + r.randbytes(r.randrange(3000))
                to.send(hashlib.md5(body).digest() + body)
        finally:
            os._exit(0)
    out.settimeout(10 * lab.SLOW)
    for i in range(n):
        got = out.recv(70000)
        assert got[:16] == hashlib.md5(got[16:]).digest() and int.from_bytes(got[16:20], "big") == i, (i, len(got))
    os.waitpid(pid, 0)
    out.close()


# ---------------------------------------------------------------- what is wrong

@pytest.mark.parametrize("fmt,wire,text", [
    ("u16,frames-max=9", b"\0\3abc\0\12", "a frame is longer than 9 bytes (option frames-max), at byte 5 of what has come from socket 1"),
    ("u32,frames-max=9", b"\0\0\0\3abc\x16\x03\x01\x02", "a frame is longer than 9 bytes (option frames-max), at byte 7"),
    ("varint", b"\3abc\xff\xff\xff\xff\xff", "a frame is longer than 65535 bytes (option frames-max), at byte 4"),
    ("line,frames-max=9", b"abc\n0123456789x", "a frame is longer than 9 bytes (option frames-max), at byte 4"),
    ("netstring", b"3:abc,03:abc,", "'3' is no end of the length of a netstring, at byte 7"),
    ("netstring", b"3:abc,GET / HTTP/1.1\r\n", "'G' is no length of a netstring, at byte 6"),
    ("netstring", b"3:abc,3:abcd", "'d' is no end of a netstring, at byte 11"),
    ("u16", b"\0\3abc\0\3ab", "the stream ends within a frame, at byte 9 of what has come from socket 1"),
    ("line", b"abc\nhalf", "the stream ends within a frame, at byte 8"),
    ("cobs", b"\4abc\0\4ab", "the stream ends within a frame, at byte 8"),
    ("fixed=3", b"abcab", "the stream ends within a frame, at byte 5"),
])
def test_wrong(local, fmt, wire, text):
    """One sentence with the place; what was whole before it is delivered."""
    port = lab.port()
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.bind("./there")
    s = local.start("-d", "-d", "-u", f"FRAMES({fmt})+TCP4-LISTEN:{port},bind={LOOP},reuseaddr", "UNIX-SENDTO:./there")
    s.wait_log("listening on")
    c = connect(local, port)
    c.sendall(wire)
    c.shutdown(socket.SHUT_WR)
    assert told(there, 1) == [b"abc"]
    r = s.wait()
    assert r.status == 1 and f"E FRAMES: {text}" in r.log, r
    c.close()
    there.close()


@pytest.mark.parametrize("fmt,bad,why", [
    ("line", b"a\nb", "it has more than one line"), ("line", b"a\r", "the CR at its end"), ("nul", b"a\0b", "it holds a NUL"),
    ("fixed=3", b"ab", "its length is not that of the others"), ("u16,frames-max=10", b"x" * 11, "it is longer than option frames-max allows"),
])
def test_cannot_be_said(local, fmt, bad, why):
    """A datagram that the format has no words for is counted and told, and the next one goes."""
    listener, port = server(local)
    p = local.start("-d", "-u", "--stats=100", "UNIX-RECV:./in", f"FRAMES({fmt})+TCP4:{LOOP}:{port}")
    c, _ = accept(listener)
    lab.wait_until(lambda: os.path.exists("in"), 5, lambda: repr(p))
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for d in (b"abc", bad, bad, b"xyz"):
        s.sendto(d, "./in")
    key = fmt.split(",", maxsplit=1)[0]
    want = WIRE[key] + WIRE[key].replace(b"abc", b"xyz")
    got = b""
    while len(got) < len(want):
        got += c.recv(100)
    assert got == want
    p.kill()
    r = p.wait()
    assert len(re.findall(rf"W a datagram of {len(bad)} bytes is not sent to socket 2: {why}", r.log)) == 1, r
    assert re.search(r"address 2 .*unframed 2", r.log), r
    c.close()


def test_noise(local):
    """A serial line: what is no frame is counted, and the next border is found."""
    port = lab.port()
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.bind("./there")
    s = local.start("-d", "-d", "-u", "--stats=100", f"FRAMES(cobs)+TCP4-LISTEN:{port},bind={LOOP},reuseaddr", "UNIX-SENDTO:./there")
    s.wait_log("listening on")
    c = connect(local, port)
    c.sendall(b"\xffnoise\0\4abc\0\0\0\x09x\0\4xyz\0")
    assert told(there, 2) == [b"abc", b"xyz"]
    s.kill()
    r = s.wait()
    assert re.search(r"address 1 .*noise 2", r.log), r
    c.close()
    there.close()


@pytest.mark.parametrize("address,text", [
    ("FRAMES+TCP4:h:1", "FRAMES has no format: FRAMES(u16)+..., or one of u16, u32"),
    ("TCP4:h:1,frames=u8", '"u8" is no format of frames: u16, u32, varint'),
    ("TCP4:h:1,frames=fixed", '"fixed" is no format of frames'),
    ("TCP4:h:1,frames=fixed=0", "fixed=0: the bytes of each datagram, 1 to 65535"),
    ("TCP4:h:1,frames=u16,frames-max=70000", "option frames-max: 70000 is not between 1 and 65535 bytes"),
    ("FRAMES(u16,slip)+TCP4:h:1", "frames are u16 or slip, not both"),
    ("TCP4:h:1,frames-max=9", "TCP4: option frames-max needs option frames"),
    ("UDP4:h:1,frames=u16", "FRAMES needs a stream, and UDP4 gives datagrams"),
    ("FRAMES(u16)+TCP4:h:1,frames=u16", "FRAMES needs a stream, and FRAMES gives datagrams"),
    ("TLS(verify=0)+FRAMES(u16)+TCP4:h:1", "TLS needs a stream, and FRAMES gives datagrams"),
])
def test_sentences(local, address, text):
    for flags in ([], ["--check"]):
        r = local.run(*flags, "/dev/null", address)
        assert r.status == 1 and text in r.log, r


def test_explained(local):
    r = local.run("--explain", "UDP4-LISTEN:5000,fork", "FRAMES(u16)+TLS+TCP:gw.test:5001").out.decode()
    assert "On that stands FRAMES, as client: it keeps the borders of datagrams in the stream" in r and r.count("Borders are kept") == 2, r
    r = local.run("--explain", "UDP4-LISTEN:5000,fork", "TLS+TCP:gw.test:5001,frames=u16").out.decode()
    assert "On that stands FRAMES, as client: it keeps the borders of datagrams in the stream" in r and r.count("Borders are kept") == 2, r
    r = local.run("--explain", "-u", "UDP4-RECV:5000", "CREATE:x,frames=u16").out.decode()
    assert "Borders are kept" in r, r


# ---------------------------------------------------------------- a slow far end

def test_a_slow_reader(local):
    """Frames that wait hold the source back; none is cut, none is lost."""
    listener, port = server(local)
    p = local.start("-u", "-b", "1000", "SYSTEM:head -c 3000000 /dev/zero", f"TCP4:{LOOP}:{port},frames=u16,sndbuf=20000")
    c, _ = accept(listener)
    c.settimeout(10 * lab.SLOW)
    got = bytearray()
    while True:
        part = c.recv(30000)
        if not part:
            break
        got += part
        if len(got) < 300_000:
            lab.rest(0.01)
    at = sent = 0
    while at < len(got):
        n = int.from_bytes(got[at:at + 2], "big")
        assert 0 < n <= 1000
        sent += n
        at += 2 + n
    assert at == len(got) and sent == 3_000_000
    ends(p, timeout=10)
    c.close()


def test_end_in_the_middle(local):
    """-T ends a session whose far end takes nothing: what is in hand is told with its bytes."""
    listener, port = server(local)
    p = local.start("-u", "-T", "0.3", "SYSTEM:cat /dev/zero", f"TCP4:{LOOP}:{port},frames=u16,sndbuf=5000,close-timeout=0.2")
    c, _ = accept(listener)
    begun = time.monotonic()
    r = p.wait(10)
    assert r.status == 1 and re.search(r"\d+ bytes read from socket 1 could not be delivered|has not taken|did not take", r.log), r
    assert time.monotonic() - begun < 8 * lab.SLOW
    c.close()


# ---------------------------------------------------------------- others' programs

def need(*programs):
    for name in programs:
        if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"):
            pytest.skip(f"needs {name}")


def test_udptunnel(local):
    """It has two bytes of length, too."""
    need("udptunnel")
    far, port, entry = local.udp(), lab.port(), lab.port()
    s = local.start("-d", "-d", f"TCP4-LISTEN:{port},bind={LOOP},reuseaddr,frames=u16", f"UDP4:{LOOP}:{far.getsockname()[1]}")
    s.wait_log("listening on")
    local.command(["udptunnel", "-c", f"{LOOP}/{port}", f"{LOOP}/{entry}"])
    s.wait_log("starting data transfer")
    near = local.udp()

    def hears(data):
        near.sendto(data, (LOOP, entry))
        far.settimeout(0.2)
        try:
            return far.recv(70000) == data
        except OSError:
            return False
    lab.wait_until(lambda: hears(b"hello"), 5, lambda: f"nothing comes by {s!r}")      # it connects first, and listens then
    for d in (b"abc", b"x" * 1400, b"y"):
        near.sendto(d, (LOOP, entry))
        while (got := told(far, 1)[0]) == b"hello":
            pass
        assert got == d, s


def test_names_by_a_stream(local, tmp_path):
    """DNS over TCP has two bytes of length, too: dig asks by UDP, a server answers by TCP, or at the far end of a framed stream."""
    need("dnsmasq", "dig")
    dns = lab.port()
    d = local.command(["/usr/sbin/dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-p", str(dns), f"--listen-address={LOOP}", "--bind-interfaces",
                       "-A", "/name.test/192.0.2.77", "--user=root", f"--pid-file={tmp_path}/pid"])
    connect(local, dns).close()
    entry, middle, direct = lab.port(), lab.port(), lab.port()
    relays = [(f"UDP4-LISTEN:{direct},bind={LOOP},fork", f"TCP4:{LOOP}:{dns},frames=u16"),
              (f"TCP4-LISTEN:{middle},bind={LOOP},fork,reuseaddr,frames=netstring", f"UDP4:{LOOP}:{dns}"),
              (f"UDP4-LISTEN:{entry},bind={LOOP},fork", f"TCP4:{LOOP}:{middle},frames=netstring")]
    for args in relays:
        local.start("-d", "-d", *args).wait_log("listening on|waiting for")
    for port in (direct, entry):
        for _ in range(3):
            p = local.command(["dig", "+short", "+notcp", "+tries=3", "+time=2", f"@{LOOP}", "-p", str(port), "name.test"])
            p.wait(10)
            assert p.out == b"192.0.2.77\n", (p, d)


def test_by_ssh(local, tmp_path):
    """The stream is a program on another host; there the frames become datagrams again."""
    ssh = ssh_server(local, tmp_path)
    far, near = local.udp(), lab.port()
    there = " ".join([*ssh, lab.SOCAST, "STDIO\\,frames=cobs", f"UDP4\\:{LOOP}\\:{far.getsockname()[1]}"])
    p = local.start("-d", "-d", f"UDP4-LISTEN:{near},bind={LOOP}", f"FRAMES(cobs)+EXEC:{there.replace('127.0.0.1,', '')}")
    p.wait_log("waiting for|listening on")
    here_ = local.udp()
    here_.connect((LOOP, near))
    for data in (b"hello", b"\0" * 900, os.urandom(1400)):
        here_.send(data)
        far.settimeout(10 * lab.SLOW)
        got, peer = far.recvfrom(70000)
        assert got == data, p
        far.sendto(got[::-1], peer)
        assert told(here_, 1) == [data[::-1]], p
