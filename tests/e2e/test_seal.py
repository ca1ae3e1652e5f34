"""Sealed datagrams: options seal, seal-age, seal-senders, sign-key, trust; flag --keygen; SIGHUP."""
import os
import re
import signal
import socket
import stat
import time

import pytest

import lab

sealed = pytest.importorskip("sealed", reason="needs python3-nacl")

GROUP, GROUP6 = "224.1.0.1", "ff15::115"


@pytest.fixture(autouse=True)
def built():
    if not lab.has("SEAL"):
        pytest.skip("program built without libsodium")


class Keys:
    """Key files in a directory, and their keys."""

    def __init__(self, d):
        self.d, self.group, self.other = d, os.urandom(32), os.urandom(32)
        self.file = self.write("group", self.group)

    def write(self, name, *keys, mode=0o600):
        path = self.d / name
        new = self.d / (name + ".new")
        new.write_text("# a key\n" + "".join(k.hex() + "\n" for k in keys))
        new.chmod(mode)
        new.rename(path)
        return str(path)


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


def receiver(host, address):
    p = host.start("-d", "-d", "-u", address, "-")
    p.wait_log("starting data transfer loop|receiving on")
    return p


def refusals(p):
    """The counts by reason, from the statistics."""
    p.err = b""
    p.kill(signal.SIGUSR1)
    p.wait_log("finishing signal")
    m = re.search(r"refused \d+ \(([^)]*)\)", p.log)
    return {w.rsplit(" ", 1)[0]: int(w.rsplit(" ", 1)[1]) for w in m[1].split(", ")} if m else {}


class Peer:
    """Another implementation that talks to one socket of the program."""

    def __init__(self, host, keys, port, to="127.0.0.1"):
        self.s, self.keys, self.to = host.udp(("::1" if ":" in to else "127.0.0.1", 0)), keys, (to, port)
        self.dest, self.sender = sealed.dest(*self.to), os.urandom(12)

    def make(self, text, sequence, **kw):
        kw.setdefault("sender", self.sender)
        return sealed.seal(kw.pop("key", self.keys.group), text, kw.pop("to", self.dest), sequence=sequence, **kw)

    def send(self, data):
        self.s.sendto(data, self.to)

    def hear(self, key=None):
        """The next datagram, opened."""
        data, _ = self.s.recvfrom(65536)
        return sealed.Opened(key or self.keys.group, data, sealed.dest(*self.s.getsockname()[:2]))


# ---------------------------------------------------------------- the format

def vectors():
    """The test vectors of the document."""
    with open(os.path.join(lab.ROOT, "doc", "sealed-datagrams.md"), encoding="utf-8") as f:
        text = f.read().split("## Test vectors", 1)[1]
    return [bytes.fromhex("".join(block.split())) for block in re.findall(r"\n\n((?:       [0-9a-f ]+\n)+)", text)]


def test_vectors():
    """The second implementation reads and writes the vectors; tests/unit/test_seal.c has the same."""
    key, seed, sender = bytes(range(32)), bytes(range(32, 64)), bytes(range(0xa0, 0xac))
    group, no_address = sealed.dest(GROUP, 6666), sealed.dest(None, 0)
    made = [sealed.seal(key, b"hello\n", group, sender, 1700000000, 0),
            sealed.seal(key, b"", sealed.dest("fd00::2", 5000), sender, 1700000001, 1, sealed.REPLY),
            sealed.seal(key, b"signed\n", group, sealed.public_key(seed)[:4] + bytes(range(0xb0, 0xb8)), 1700000002, 0, seed=seed),
            sealed.seal(key, b"hello\n", no_address, sender, 1700000000, 0)]
    assert vectors() == made
    assert sealed.Opened(key, made[2], group, [sealed.public_key(seed)]).text == b"signed\n"
    with pytest.raises(sealed.Refused):
        sealed.Opened(key, made[3], group)
    with open(os.path.join(lab.ROOT, "tests", "unit", "test_seal.c"), encoding="utf-8") as f:
        unit = re.sub(r'["\s]', "", f.read())
    assert all(v.hex() in unit for v in made[:3])


def test_written_for_others(local, keys):
    """What the program sends can be read by the other one: 40 bytes more, counted on, our clock."""
    port = lab.port()
    s = local.udp(("127.0.0.1", port))
    p = local.start("-u", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file}")
    seen = []
    for i in range(5):
        p.send(b"text %d" % i)
        data = s.recv(65536)
        assert len(data) == 6 + 40 and b"text" not in data
        seen.append(sealed.Opened(keys.group, data, sealed.dest("127.0.0.1", port)))
    assert [o.text for o in seen] == [b"text %d" % i for i in range(5)]
    assert [o.sequence for o in seen] == [0, 1, 2, 3, 4] and len({o.sender for o in seen}) == 1
    assert all(abs(o.seconds - time.time()) < 60 and not o.reply and not o.signed for o in seen)


@pytest.mark.parametrize("to", ["127.0.0.1", "::1"])
def test_answered_by_others(local, keys, to):
    """Questions of the other implementation, answers of the program; an answer is no question."""
    port, v = lab.port(), 6 if ":" in to else 4
    p = local.start("-d", "-d", f"UDP{v}-RECVFROM:{port},seal={keys.file},fork", "EXEC:cat")
    p.wait_log("receiving on")
    peer = Peer(local, keys, port, to)
    peer.send(peer.make(b"hello", 7))
    answer = peer.hear()
    assert answer.text == b"hello" and answer.reply and answer.sender != peer.sender
    peer.send(peer.make(b"loop", 8, flags=sealed.REPLY))
    p.wait_log("due to seal option: an answer instead of a question")
    peer.send(peer.make(b"more", 9))
    again = peer.hear()
    assert again.text == b"more" and again.sender == answer.sender and again.sequence == answer.sequence + 1


# ---------------------------------------------------------------- what is refused

def test_refused(local, keys, fast):
    """Every way to be wrong: dropped, said and counted; nothing of it hinders the next one."""
    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file}")
    peer = Peer(local, keys, port)
    good = peer.make(b"good 1\n", 1)
    flipped = [bytes(b ^ (bit if i == at else 0) for i, b in enumerate(good)) for at in range(len(good)) for bit in (1, 128)]
    for data in flipped:
        peer.send(data)
    for n in range(len(good)):
        peer.send(good[:n])
    peer.send(good + b"\0")
    peer.send(b"nothing sealed, although it is as long as forty bytes")
    peer.send(peer.make(b"wrong key", 2, key=keys.other))
    peer.send(peer.make(b"other port", 3, to=sealed.dest("127.0.0.1", port + 1)))
    peer.send(peer.make(b"other group", 4, to=sealed.dest(GROUP, port)))
    peer.send(peer.make(b"old", 5, seconds=int(time.time()) - 120))
    peer.send(peer.make(b"future", 6, seconds=int(time.time()) + 120))
    peer.send(good)
    p.expect_output(b"good 1\n")
    peer.send(good)
    peer.send(peer.make(b"good 2\n", 7))
    p.expect_output(b"good 2\n")
    assert p.out == b"good 1\ngood 2\n"
    said = p.log
    counts = refusals(p)
    # a flipped first byte: no such version, or signed but too short; but the flag of an answer is a forgery
    assert counts["wrong key"] == 3 * 2 + 1
    assert counts["unsealed"] + counts["forged"] == len(flipped) - 6 + len(good) + 1 + 1 + 2
    assert counts["unsealed"] >= 40 + 1 and counts["forged"] >= (len(good) - 4) * 2
    assert counts["old"] == 2 and counts["replayed"] == 1
    for why in ("the datagram is not sealed", "sealed with a key that is not in the key file", "forged, damaged", "a replay", "older than seal-age or than this program's start"):
        assert f"due to seal option: {why}" in said, why


def test_window(local, keys):
    """Reordered by up to 2047 datagrams: taken once. By more: refused."""
    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file}")
    peer = Peer(local, keys, port)
    for n in (5000, 4999, 2953, 2952, 4999, 4000, 5001, 2953, 2954, 5000):
        peer.send(peer.make(b"%d " % n, n))
    p.expect_output(b"2954 ")
    lab.wait_until(lambda: p.out.endswith(b"2954 "), 5, "the last one")
    peer.send(peer.make(b"end", 6000))
    p.expect_output(b"end")
    assert p.out == b"5000 4999 2953 4000 5001 2954 end"
    assert refusals(p) == {"replayed": 2, "late": 2}


def test_moved_to_another_group(lan, keys):
    """A datagram recorded in one group and sent to another one of the same key, or to a host."""
    port = lab.port()
    p = receiver(lan[1], f"UDP4-RECV:{port},ip-add-membership=224.1.0.1:eth0,ip-add-membership=224.1.0.2:eth0,seal={keys.file}")
    s = lan[0].udp(("192.168.10.1", 0))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.168.10.1"))
    first, second = (sealed.seal(keys.group, b"to %d\n" % i, sealed.dest(f"224.1.0.{i}", port)) for i in (1, 2))
    for to, data in (("224.1.0.2", first), ("192.168.10.2", first), ("192.168.10.255", first), ("224.1.0.1", second), ("224.1.0.1", first), ("224.1.0.2", second)):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(data, (to, port))
    p.expect_output(b"to 1\nto 2\n")
    assert refusals(p) == {"forged": 4}


def test_flood_of_strangers(local, keys):
    """10,000 sender ids without the key: nothing is kept of them."""
    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file},rcvbuf=8388608")
    peer = Peer(local, keys, port)
    before = rss(p)
    for i in range(10000):
        header = peer.make(b"", 0, sender=os.urandom(12))[:24]
        peer.send(header + os.urandom(40))
        if i % 500 == 499:
            peer.send(peer.make(b"+", i))
            p.expect_output(i // 500 + 1)
    assert refusals(p)["forged"] == 10000
    assert rss(p) - before < 500


def rss(p):
    """Resident memory in KiB."""
    with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def test_flood_of_a_member(local, keys):
    """10,000 sender ids with the key: as many as allowed are kept, and who was there is not forgotten."""
    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file},seal-senders=100,rcvbuf=8388608")
    peer = Peer(local, keys, port)
    hello = peer.make(b"+", 0)
    peer.send(hello)
    p.expect_output(1)
    for i in range(10000):
        peer.send(peer.make(b"!", 0, sender=os.urandom(12)))
        if i % 500 == 499:
            peer.send(peer.make(b"+", i // 500 + 1))
            lab.wait_until(lambda: p.out.count(b"+") == i // 500 + 2, 5, f"the members' answers, {i}")
    assert p.out.count(b"!") == 99
    peer.send(hello)
    peer.send(peer.make(b"end", 20000))
    p.expect_output(b"end")
    assert refusals(p) == {"crowd": 10000 - 99, "replayed": 1}


def test_age(local, keys):
    """seal-age: another bound, or none."""
    port = lab.port()
    old = int(time.time()) - 1000
    for rule, want in (("seal-age=2000,", b"+"), ("seal-age=0,", b"old+"), ("seal-age=500,", b"+"), ("", b"+")):
        p = receiver(local, f"UDP4-RECV:{port},{rule}seal={keys.file}")
        peer = Peer(local, keys, port)
        peer.send(peer.make(b"old", 1, seconds=old))
        peer.send(peer.make(b"+", 2))
        p.expect_output(b"+")
        assert p.out == want
        p.stop()


def test_a_recording_after_a_restart(local, keys):
    """What was sealed before a receiver began is refused: the one before it has heard it already. What comes now is taken."""
    port = lab.port()
    peer = Peer(local, keys, port)
    recording = peer.make(b"recorded\n", 1)
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file}")
    peer.send(recording)
    p.expect_output(b"recorded")
    p.stop()
    sealed_at = int(time.time())        # seconds are what is sealed
    while int(time.time()) == sealed_at:
        time.sleep(0.02)
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file}")
    peer.send(recording)
    peer.send(peer.make(b"new\n", 2))
    p.expect_output(b"new")
    assert p.out == b"new\n" and refusals(p) == {"old": 1}


# ---------------------------------------------------------------- keys

def test_rotation_under_load(lan, keys, fast):
    """From one key to the next in three steps while datagrams flow: none is lost, the old key dies."""
    port = lab.port()
    # one file for each host: they are never changed at the same moment
    files = [keys.write(f"host{n}", keys.group) for n in (1, 2)]
    rx = receiver(lan[1], f"UDP4-RECV:{port},ip-add-membership={GROUP}:eth0,seal={files[1]}")
    tx = lan[0].start("-d", "-d", "-u", "-", f"UDP4-DATAGRAM:{GROUP}:{port},seal={files[0]}")
    tx.wait_log("starting data transfer loop")
    sent = 0

    def some():
        nonlocal sent
        for _ in range(50):
            tx.send(b"%06d\n" % sent)
            sent += 1
            rx.expect_output(7 * sent)

    def step(p, n, *group):
        keys.write(f"host{n}", *group)
        times = p.log.count("sealing with key")
        p.kill(signal.SIGHUP)
        p.wait_log("sealing with key", count=times + 1)

    some()
    for group in ((keys.group, keys.other), (keys.other, keys.group), (keys.other,)):
        for p, n in ((rx, 2), (tx, 1)) if len(group) == 2 else ((tx, 1), (rx, 2)):
            step(p, n, *group)
            some()
    assert rx.out == b"".join(b"%06d\n" % i for i in range(sent))
    old = sealed.seal(keys.group, b"old key", sealed.dest("192.168.10.2", port))
    lan[0].udp(("192.168.10.1", 0)).sendto(old, ("192.168.10.2", port))
    rx.wait_log("sealed with a key that is not in the key file")


def test_rotation_in_full_flow(local, keys, fast):
    """The same without waiting for anything: a stream of datagrams, and SIGHUP in the middle of it."""
    port = lab.port()
    both = keys.write("both", keys.group, keys.other)
    rx = receiver(local, f"UDP4-RECV:{port},seal={both},rcvbuf=8388608")
    tx = local.start("-d", "-d", "-u", "-b7", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file}")
    tx.wait_log("starting data transfer loop")
    want = b""
    for part in range(20):
        block = b"".join(b"%06d\n" % (part * 100 + i) for i in range(100))
        want += block
        if part % 4 == 2:
            keys.write("group", *((keys.other, keys.group) if part % 8 == 2 else (keys.group, keys.other)))
            tx.kill(signal.SIGHUP)
        tx.send(block)
        rx.expect_output(len(want) - 700)
    rx.expect_output(len(want))
    assert sorted(rx.out.split()) == want.split() and not refusals(rx)
    assert len(re.findall("sealing with key", tx.log)) == 6


def test_reread_fails(local, keys):
    """A file that is gone, broken or too open: a warning, and the keys stay."""
    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file}")
    peer = Peer(local, keys, port)
    for n, (name, spoil) in enumerate((("unlink", lambda: os.unlink(keys.file)), ("empty", lambda: keys.write("group")),
                                       ("open", lambda: keys.write("group", keys.other, mode=0o644)))):
        spoil()
        p.kill(signal.SIGHUP)
        p.wait_log("the keys read before stay in use", count=n + 1)
        peer.send(peer.make(name.encode(), n))
        p.expect_output(name)
    keys.write("group", keys.other)
    p.kill(signal.SIGHUP)
    p.wait_log("sealing with key", count=2)
    peer.send(peer.make(b"new", 9, key=keys.other))
    p.expect_output(b"new")


def test_sighup_ends_others(local, keys):
    """Without a seal SIGHUP ends the program, as ever; with one it does not, but SIGTERM does."""
    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port}")
    p.kill(signal.SIGHUP)
    assert p.wait().status == 129
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file}")
    p.kill(signal.SIGHUP)
    p.wait_log("reading the key files again")
    p.kill(signal.SIGTERM)
    assert p.wait().status == 143


@pytest.mark.parametrize("mode,why", [(0o640, "chmod 600"), (0o604, "chmod 600"), (0o620, "chmod 600"), (0o602, "chmod 600"), (0o600, None), (0o400, None)])
def test_modes(local, keys, mode, why):
    """Secrets that others may read or write are refused; of the trusted only writing matters."""
    port = lab.port()
    seed = os.urandom(32)
    secret = keys.write("mode", seed, mode=mode)
    for options in (f"seal={secret}", f"seal={keys.file},sign-key={secret}"):
        r = local.run("-u", "-", f"UDP4-SENDTO:127.0.0.1:{port},{options}", input=b"x")
        if why:
            assert r.status == 1 and re.search(rf'E key file ".*/mode" can be read or written by others \(mode {mode:o}\); try: chmod 600 \S+/mode', r.log), r
        else:
            assert r.status == 0 and not r.log, r
    r = local.run("-u", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file},trust={secret}", input=b"x")
    assert (r.status == 1 and "chmod go-w" in r.log) if mode & 0o022 else r.status == 0, r


def test_bad_files(local, keys, tmp_path):
    """Each with a sentence, none with the key in it."""
    port = lab.port()
    half = keys.group.hex()[:40]
    (tmp_path / "bad").write_text(half + "\n")
    (tmp_path / "bad").chmod(0o600)
    for name, why in (("nowhere", r"open\(.*nowhere.*No such file"), ("bad", r'bad" line 1 is no key'), ("", "is no regular file"),
                      (os.path.basename(keys.write("twice", keys.group, keys.group)), "keys 1 and 2 are the same")):
        r = local.run("-d", "-d", "-u", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={tmp_path}/{name}", input=b"x")
        assert r.status == 1 and re.search("E .*" + why, r.log) and half not in r.log, r


def test_refused_addresses(local, keys):
    """A seal is never passed over in silence: neither by the table nor with -g."""
    for address in ("TCP4:127.0.0.1:1", "UNIX-CONNECT:/nowhere", "EXEC:cat", "-", "UDP4:127.0.0.1:1!!TCP4-LISTEN:1", "OPENSSL-DTLS-CLIENT:127.0.0.1:1"):
        r = local.run("-", f"{address},seal={keys.file}")
        assert r.status == 1 and "belongs to addresses of group DGRAM" in r.log, r
        r = local.run("-g", "-", f"{address},seal={keys.file}")
        assert r.status == 1 and "option seal is for addresses of group DGRAM only" in r.log, r
    r = local.run("-", f"UDP4:127.0.0.1:1,trust={keys.file}")
    assert r.status == 1 and "option trust needs option seal" in r.log, r


def test_keygen(local, tmp_path):
    """Keys fit for use; a file of the shell's making is closed to others first."""
    os.umask(0o022)
    for kind in ([], ["sign"]):
        path = tmp_path / "-".join(["key", *kind])
        with open(path, "wb") as f:
            assert local.run("--keygen", *kind, stdout=f).status == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = path.read_text().splitlines()
        assert len(bytes.fromhex(lines[-1])) == 32 and all(n[0] == "#" for n in lines[:-1])
    assert lines[-2] == "# public " + sealed.public_key(bytes.fromhex(lines[-1])).hex()
    first, second = local.run("--keygen").out, local.run("--keygen").out
    assert first != second and len(first.splitlines()) == 2
    for words in (["x"], ["sign", "x"]):
        r = local.run("--keygen", *words)
        assert r.status == 1 and "E --keygen: " in r.log and not r.out, r


def test_signed(local, keys):
    """trust: the group key is not enough, nobody can speak for another."""
    alice, bob, port = os.urandom(32), os.urandom(32), lab.port()
    sign, trust = keys.write("alice", alice), keys.write("trusted", os.urandom(32), sealed.public_key(alice), mode=0o644)
    p = receiver(local, f"UDP4-RECV:{port},seal={keys.file},trust={trust}")
    peer = Peer(local, keys, port)
    hers = sealed.public_key(alice)[:4] + os.urandom(8)
    peer.send(peer.make(b"nobody", 1))
    peer.send(peer.make(b"bob", 1, seed=bob, sender=None))
    peer.send(peer.make(b"bob as alice", 1, seed=bob, sender=hers))
    peer.send(peer.make(b"garbage", 1, signature=bytes(64), sender=hers))
    peer.send(peer.make(b"her sequence", 4000000, sender=hers))      # must not move her window
    peer.send(peer.make(b"alice", 1, seed=alice, sender=hers))
    p.expect_output(b"alice")
    assert p.out == b"alice"
    assert refusals(p) == {"unsigned": 2, "untrusted": 3}
    r = local.run("-u", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file},sign-key={sign}", input=b" socast")
    assert r.status == 0, r
    p.expect_output(b"alice socast")
    keys.write("trusted", sealed.public_key(bob), mode=0o644)
    p.kill(signal.SIGHUP)
    p.wait_log("reading the key files again.*\n.*sealing with key")
    peer.send(peer.make(b"alice again", 2, seed=alice, sender=hers))
    peer.send(peer.make(b" bob", 1, seed=bob, sender=None))
    p.expect_output(b" bob")
    assert p.out == b"alice socast bob"
    # who does not ask takes signed ones as well; they are 64 bytes longer
    q = receiver(local, f"UDP4-RECV:{port + 500},seal={keys.file}")
    data = sealed.seal(keys.group, b"x", sealed.dest("127.0.0.1", port + 500), seed=alice)
    assert len(data) == 1 + 104
    peer.s.sendto(data, ("127.0.0.1", port + 500))
    q.expect_output(b"x")


# ---------------------------------------------------------------- every way to talk

@pytest.mark.parametrize("version", [4, 6])
def test_group(lan, keys, version):
    """Three peers in a group; the cable sees nothing that can be read."""
    port = lab.port()
    join = f"ip-add-membership={GROUP}:eth0" if version == 4 else f"ipv6-join-group=[{GROUP6}]:eth0"
    to = GROUP if version == 4 else f"[{GROUP6}]"
    peers = [h.start("-d", "-d", "-", f"UDP{version}-DATAGRAM:{to}:{port},bind=:{port},{join},seal={keys.file}") for h in lan]
    for p in peers:
        p.wait_log("starting data transfer loop")
    cable = lan[1].capture()
    for i, p in enumerate(peers):
        p.send(b"hello of %d\n" % i)
        for q in peers:
            q.expect_output(b"hello of %d\n" % i)
    for packet in cable.wait(3, dport=port):
        assert b"hello" not in packet.data and len(packet.data) == len("hello of 1\n") + 40
    for p in peers:
        assert not refusals(p)


def test_broadcast(lan, keys):
    port = lab.port()
    rx = receiver(lan[1], f"UDP4-RECV:{port},broadcast,seal={keys.file}")
    for i, to in enumerate(("192.168.10.255", "192.168.10.2")):
        r = lan[0].run("-u", "-", f"UDP4-DATAGRAM:{to}:{port},broadcast,seal={keys.file}", input=b"to %d\n" % i)
        assert r.status == 0, r
        rx.expect_output(b"to %d\n" % i)


@pytest.mark.parametrize("server", ["UDP4-RECVFROM:{port},fork", "UDP4-LISTEN:{port},fork", "UDP4-LISTEN:{port},fork,isolate",
                                    "UDP4-RECVFROM:{port},fork,isolate", "UDP6-LISTEN:{port},fork,ipv6-v6only=0", "UDP4-RECVFROM:{port}", "UDP4-LISTEN:{port}"])
@pytest.mark.parametrize("client", ["UDP4-SENDTO", "UDP4", "UDP4-DATAGRAM"])
def test_questions_and_answers(lan, keys, server, client):
    """Sessions of every kind answer sealed, from the address they were asked at."""
    port = lab.port()
    p = lan[1].start("-d", "-d", server.format(port=port) + f",seal={keys.file}", "EXEC:cat")
    p.wait_log("receiving on|listening on")
    cable = lan[0].capture()
    for n in range(2 if "fork" in server else 1):
        c = lan[0].start("-d", "-d", "-", f"{client}:192.168.10.2:{port},seal={keys.file}")
        c.wait_log("starting data transfer loop")
        c.send(b"question %d\n" % n)
        c.expect_output(b"question %d\n" % n)
        if "RECVFROM" not in server:
            c.send(b"and more\n")
            c.expect_output(b"question %d\nand more\n" % n)
        c.stop()
    # what can be seen: different sender ids of both sides, and of the processes of sessions
    seen = [sealed.Opened(keys.group, x.data, sealed.dest(x.dst, x.dport)) for x in cable.packets() if port in (x.sport, x.dport)]
    assert {o.reply for o in seen} == {True, False}
    counters = [(o.sender, o.sequence) for o in seen]
    assert len(counters) == len(set(counters))
    if "isolate" in server:
        assert len({o.sender for o in seen if o.reply}) == 2


def test_end_of_file(local, keys):
    """The empty datagram that ends a session is sealed; a forged one ends nothing."""
    port = lab.port()
    p = local.start("-d", "-d", f"UDP4-LISTEN:{port},seal={keys.file}", "-")
    p.wait_log("listening on")
    c = local.start("-d", "-d", "-", f"UDP4:127.0.0.1:{port},bind=127.0.0.1:{port + 500},seal={keys.file}")
    c.wait_log("starting data transfer loop")
    c.send(b"hello")
    p.expect_output(b"hello")
    # as the peer: its address, but not its key (the port is shared by force)
    p2 = local.start("-u", "-d", "-d", "-", f"UDP4-SENDTO:127.0.0.1:{port},bind=127.0.0.1:{port + 500},reuseaddr,shut-null")
    p2.wait()
    c.send(b" more")
    p.expect_output(b"hello more")
    c.close_stdin()
    assert p.wait().status == 0 and c.wait().status == 0


@pytest.mark.parametrize("size", [1, 100, 1400, 2008, 2009, 2048, 9000, 65467])
def test_sizes(local, keys, size, fast):
    """Up to the largest: 40 bytes less than without."""
    port = lab.port()
    rx = receiver(local, f"UDP4-RECV:{port},seal={keys.file},rcvbuf=8388608")
    tx = local.start("-u", "-b", str(size), "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file}")
    data = os.urandom(size * (50 if size < 9000 else 3))
    for at in range(0, len(data), 20 * size):
        tx.send(data[at:at + 20 * size])
        rx.expect_output(min(at + 20 * size, len(data)))
    assert rx.out == data
    r = local.run("-u", "-b70000", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file}", input=bytes(65468)) if size == 65467 else None
    assert not r or "Message too long" in r.log, r


def test_many_at_once(local, keys, fast):
    """A relay opens and seals runs that the kernel merges and cuts: each datagram by itself, in order."""
    a, b = lab.port(), lab.port()
    other = keys.write("other", keys.other)
    rx = receiver(local, f"UDP4-RECV:{b},seal={other},rcvbuf=8388608")
    relay = local.start("-d", "-d", "-u", f"UDP4-RECV:{a},seal={keys.file},rcvbuf=8388608", f"UDP4-SENDTO:127.0.0.1:{b},seal={other}")
    relay.wait_log("starting data transfer loop")
    tx = local.start("-u", "-b10", "-", f"UDP4-SENDTO:127.0.0.1:{a},seal={keys.file}")
    want = b""
    for part in range(20):
        block = b"".join(b"%09d\n" % (part * 500 + i) for i in range(500))
        want += block
        tx.send(block)
        rx.expect_output(len(want))
    assert rx.out == want
    assert not refusals(rx) and not refusals(relay)


def test_not_only_udp(local, keys, tmp_path):
    """UDP-Lite, raw IP, UNIX sockets, generic sockets."""
    port = lab.port()
    path = tmp_path / "socket"
    pairs = [(f"UDPLITE4-RECV:{port}", f"UDPLITE4-SENDTO:127.0.0.1:{port}"), ("IP4-RECV:254", "IP4-SENDTO:127.0.0.1:254"),
             ("IP6-RECV:254", "IP6-SENDTO:[::1]:254"), (f"UNIX-RECV:{path}", f"UNIX-SENDTO:{path}"), ("ABSTRACT-RECV:seal", "ABSTRACT-SENDTO:seal"),
             (f"SOCKET-RECV:2:2:17:x{port + 500:04x}x7f000001x0000000000000000", f"SOCKET-SENDTO:2:2:17:x{port + 500:04x}x7f000001x0000000000000000")]
    for to, by in pairs:
        rx = receiver(local, f"{to},seal={keys.file}")
        r = local.run("-u", "-", by, input=b"plain")
        assert r.status == 0, r
        rx.wait_log("the datagram is not sealed")
        r = local.run("-u", "-", f"{by},seal={keys.file}", input=b"sealed")
        assert r.status == 0, r
        rx.expect_output(b"sealed")
        assert rx.out == b"sealed"
        rx.stop()


def test_no_echo(lan, keys):
    """Own datagrams that come back are recognised under the seal."""
    port = lab.port()
    p = lan[0].start("-d", "-d", "-", f"UDP4-DATAGRAM:{GROUP}:{port},bind=:{port},ip-add-membership={GROUP}:eth0,no-echo,seal={keys.file}")
    p.wait_log("starting data transfer loop")
    p.send(b"hello\n")
    lab.wait_until(lambda: refusals(p) == {"no-echo": 1}, 5, "no echo")
    assert not p.out


def test_each_session_its_own_socket(local, keys):
    """A sealed second address, opened for each session: one sender id, separate windows, chdir."""
    port, back = lab.port(), lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork", f"UDP4:127.0.0.1:{back},chdir={keys.d},seal=group")
    p.wait_log("listening on")
    s = local.udp(("127.0.0.1", back))
    seen = []
    for i in range(3):
        c = local.socket(kind=socket.SOCK_STREAM)
        c.connect(("127.0.0.1", port))
        c.sendall(b"hello")
        data = b""
        while len(data) <= 40:          # the end of the session before
            data, peer = s.recvfrom(65536)
            seen.append(sealed.Opened(keys.group, data, sealed.dest("127.0.0.1", back)))
        s.sendto(sealed.seal(keys.group, b"answer", sealed.dest(*peer), flags=sealed.REPLY), peer)
        assert c.recv(99) == b"answer"
        if i == 0:
            p.kill(signal.SIGHUP)       # by the name it had under chdir
            p.wait_log("reading the key files again.*\n.*sealing with key")
        c.close()
    assert len({o.sender for o in seen}) == 1 and [o.sequence for o in seen] == list(range(len(seen)))


def test_keys_before_privileges(local, keys, tmp_path):
    """The files are read before user and root change."""
    port = lab.port()
    rx = receiver(local, f"UDP4-RECV:{port},seal={keys.file},su=nobody")
    empty = tmp_path / "empty"
    empty.mkdir()
    r = local.run("-u", "-", f"UDP4-SENDTO:127.0.0.1:{port},seal={keys.file},chroot={empty}", input=b"hello",
                  env={"ASAN_OPTIONS": "detect_leaks=0"})      # it needs /proc
    assert r.status == 0, r
    rx.expect_output(b"hello")


def test_loaded_on_demand(local, keys):
    """Who does not seal does not load the library."""
    def loaded(p):
        with open(f"/proc/{p.pid}/maps", encoding="utf-8") as f:
            return "sodium" in f.read()

    port = lab.port()
    p = receiver(local, f"UDP4-RECV:{port}")
    assert not loaded(p)
    p.stop()
    assert loaded(receiver(local, f"UDP4-RECV:{port},seal={keys.file}"))
