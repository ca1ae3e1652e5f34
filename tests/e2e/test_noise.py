"""Noise: random lives of listeners, peers and sessions, under whatever build is being tested.

A round starts a few addresses that serve many, with random options, and lets random peers connect, talk, fall silent,
vanish, forge and flood, sessions expire and be evicted, programs be stopped and go on, and ends the listener in a random
way. What counts is that memory stays whole (a build with sanitizers tells), that the program ends when it is told to,
and that nothing of it is left, or spins.

    SOCAST_NOISE_SECONDS    how long (5); make noise takes longer
    SOCAST_NOISE_SEED       play the rounds of that seed, which a failure prints
"""
import os
import random
import signal
import socket
import time

import pytest

import lab
from certs import zoo_if_any

LOOP = "127.0.0.1"
SECONDS = float(os.environ.get("SOCAST_NOISE_SECONDS", "5"))
SEED = int(os.environ.get("SOCAST_NOISE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
BAD = ("Sanitizer", "runtime error:", "exiting on signal 11", "exiting on signal 6")

ADDRESSES = [
    ("udp", "UDP4-LISTEN:{port},bind=127.0.0.1,fork"),
    ("udp", "UDP4-RECVFROM:{port},bind=127.0.0.1,fork"),
    ("udp6", "UDP6-LISTEN:{port},bind=[::1],fork"),
    ("dtls", "DTLS-LISTEN:{port},bind=127.0.0.1,pf=ip4,fork,verify=0,cert={cert}"),
    ("tcp", "TCP4-LISTEN:{port},bind=127.0.0.1,fork"),
    ("unix", "UNIX-LISTEN:{path},fork,unlink-early"),
    ("seqpacket", "UNIX-LISTEN:{path},fork,unlink-early,so-type=5"),
    ("dgram", "UNIX-RECVFROM:{path},fork,unlink-early"),
]
TABLE = ["", "", ",max-sessions=1", ",max-sessions=3", ",session-timeout=0.05", ",session-timeout=0.3,max-sessions=5"]
SHARED = ["", "", ",max-children=1", ",max-children=3", ",accept-timeout=0.2"]
OWN = ["", "", ",isolate", ",setsid"]
RIGHTS = ["PIPE", "PIPE", "EXEC:cat", "SYSTEM:'sleep 0.05; echo x'", "SYSTEM:'exit 1'", "TCP4:127.0.0.1:1", "OPEN:/dev/null", "EXEC:'sleep 5'"]
FLAGS = [[], ["--drain=0.2"], ["-u"], ["-T", "0.2"], ["-t", "0.05"], ["-b", "64"], ["--statistics"]]
ENDS = [signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture(name="zoo", scope="module")
def _zoo(tmp_path_factory):
    return zoo_if_any(tmp_path_factory)


class Round:
    """One listener, and what happens to it."""

    def __init__(self, local, rnd, zoo, folder):
        self.local, self.rnd = local, rnd
        self.port, self.path = lab.port(), str(folder / f"s{lab.port()}")
        self.kind, address = rnd.choice([a for a in ADDRESSES if zoo or a[0] != "dtls"])
        options = rnd.choice(SHARED) + rnd.choice(OWN)
        if "LISTEN" in address and self.kind in ("udp", "udp6", "dtls"):
            options += rnd.choice(TABLE)
        if "RECVFROM" in address:
            options = options.replace(",accept-timeout=0.2", "")
        self.args = [*rnd.choice(FLAGS), address.format(port=self.port, path=self.path, cert=f"{zoo / 'server'}.pem" if zoo else "") + options, rnd.choice(RIGHTS)]
        self.socks, self.programs = [], []

    def play(self):
        rnd = self.rnd
        self.p = self.local.start(*self.args)
        lab.rest(0.05)
        for _ in range(rnd.randrange(3, 40)):
            rnd.choices([self.appear, self.talk, self.empty, self.vanish, self.burst, self.wait, self.stop_program, self.statistics, self.garbage],
                        [8, 12, 3, 5, 3, 4, 2, 1, 3])[0]()
        pids = [self.p.pid, *lab.descendants(self.p.pid)]
        if rnd.random() < 0.2:
            lab.rest(0.3)
        for sig in rnd.choice([[rnd.choice(ENDS)], [signal.SIGTERM, signal.SIGTERM]]):
            if not self.p.ended():
                self.p.kill(sig)
        lab.wait_until(self.p.ended, 6, lambda: f"it does not end {self.p!r}")
        self.leave()
        # what programs do after SIGTERM is theirs; our own processes end
        lab.wait_until(lambda: not [pid for pid in pids if ours(pid)], 6, lambda: f"left: {[pid for pid in pids if ours(pid)]}")
        lab.pump(0)
        assert not any(word in self.p.log for word in BAD), self.p.log[-6000:]
        assert self.p.p.returncode not in (99, -11, -6), self.p.log[-6000:]

    def client(self):
        if self.kind == "dtls":
            self.programs.append(self.local.start("-", f"DTLS:{LOOP}:{self.port},pf=ip4,verify=0,handshake-timeout=1"))
            return None
        family, socktype, where = {
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, (LOOP, self.port)), "udp6": (socket.AF_INET6, socket.SOCK_DGRAM, ("::1", self.port)),
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, (LOOP, self.port)), "unix": (socket.AF_UNIX, socket.SOCK_STREAM, self.path),
            "seqpacket": (socket.AF_UNIX, socket.SOCK_SEQPACKET, self.path), "dgram": (socket.AF_UNIX, socket.SOCK_DGRAM, self.path)}[self.kind]
        s = self.local.socket(family, socktype)
        s.setblocking(False)
        if s.connect_ex(where) not in (0, 115, 11):
            s.close()
            return None
        self.socks.append(s)
        return s

    def send(self, s, data):
        try:
            s.send(data)
        except OSError:
            pass

    def appear(self):
        s = self.client()
        if s:
            self.send(s, b"hello")

    def talk(self):
        if self.socks:
            self.send(self.rnd.choice(self.socks), os.urandom(self.rnd.choice([1, 20, 1400, 20000])))
        for p in self.programs[:1]:
            if not p.ended():
                try:
                    p.send(b"hello")
                except OSError:
                    pass

    def empty(self):
        if self.socks:
            self.send(self.rnd.choice(self.socks), b"")

    def vanish(self):
        if self.socks:
            self.socks.pop(self.rnd.randrange(len(self.socks))).close()
        elif self.programs:
            self.programs.pop().p.kill()

    def burst(self):
        for _ in range(self.rnd.randrange(5, 60)):
            self.appear() if self.kind != "dtls" else self.garbage()

    def garbage(self):
        if self.kind in ("dtls", "udp"):
            with self.local.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(self.rnd.choice([b"", b"\x16\xfe\xfd", os.urandom(99)]), (LOOP, self.port))

    def wait(self):
        lab.rest(self.rnd.choice([0, 0.01, 0.06]))

    def stop_program(self):
        """One of its processes sleeps for a moment, or is killed."""
        pids = lab.descendants(self.p.pid)
        if pids:
            pid = self.rnd.choice(pids)
            try:
                if self.rnd.random() < 0.5:
                    os.kill(pid, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGSTOP)
                    lab.rest(0.02)
                    os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def statistics(self):
        if not self.p.ended():
            self.p.kill(signal.SIGUSR1)
            lab.rest(0.01)

    def leave(self):
        for s in self.socks:
            s.close()
        for p in self.programs:
            p.clear()


def ours(pid):
    """A process of the program itself still runs."""
    try:
        return lab.running(pid) and os.path.samefile(f"/proc/{pid}/exe", lab.SOCAST)
    except OSError:
        return False


def test_noise(local, zoo, tmp_path):
    # a process that is looking for leaks at its end must not be killed by stop_program(): it spins then
    lab.extra_env["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"
    end, n = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        n += 1
        rnd = random.Random(SEED * 100003 + n)
        r = Round(local, rnd, zoo, tmp_path)
        try:
            r.play()
        except (AssertionError, OSError) as e:
            raise AssertionError(f"SOCAST_NOISE_SEED={SEED}, round {n}: {' '.join(r.args)}\n{e}") from e
        finally:
            r.leave()
            lab.stop_all()
    print(f"{n} rounds")
