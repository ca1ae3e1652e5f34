"""A folder on a virtual host where people type lines; see conftest.py."""
import contextlib
import hashlib
import os
import shlex
import shutil
import signal
import socket
import time

import lab

MEGABYTES = os.urandom(3_000_000)


def sha(data):
    """Of bytes or of a file."""
    if not isinstance(data, (bytes, bytearray)):
        with open(data, "rb") as f:
            data = f.read()
    return hashlib.sha256(data).hexdigest()


def cpu(pid):
    """Seconds of processor time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def needs(*programs):
    """Skip the test where one of the peers is not installed."""
    import pytest
    for p in programs:
        if not shutil.which(p):
            pytest.skip(f"needs {p}")


class Desk:
    """`line()` starts what somebody types; `close()` looks at what is left."""

    def __init__(self, host, folder):
        self.host, self.dir = host, folder
        self.mark = f"{os.getpid()}-{id(self)}-{time.monotonic_ns()}"
        self.bin = folder / ".bin"
        self.bin.mkdir()
        (self.bin / "socat").symlink_to(lab.SOCAST)
        self.stays = {".bin"}       # entries that the test, or the line on purpose, leaves

    def __truediv__(self, name):
        return self.dir / name

    def env(self, env=None):
        e = {"PATH": f"{self.bin}:{os.environ['PATH']}", "DESK": self.mark, "HOME": str(self.dir), "SHELL": "/bin/sh"}
        e.update(env or {})
        return e

    # ---- lines

    def line(self, text, env=None, **kw):
        """Type @text into a shell; returns the running shell. What stands alone replaces the shell, so that its signals
        and status are those of the program."""
        kw.setdefault("cwd", self.dir)
        return self.host.command(["sh", "-c", ("exec " if stands_alone(text) else "") + text], env=self.env(env), **kw)

    def server(self, text, ready="", timeout=5, **kw):
        """Type a line that serves. @ready: an entry that appears, or a port, by which it is known to be there."""
        p = self.line(text, **kw)
        if isinstance(ready, int):
            lab.wait_until(lambda: self.listens(ready) or p.ended(), timeout, lambda: f"port {ready} is not served by\n{p!r}")
        elif ready:
            lab.wait_until(lambda: os.path.lexists(self.dir / ready) or p.ended(), timeout, lambda: f"no {ready} from\n{p!r}")
        assert not p.ended(), p
        return p

    def run(self, text, input=b"", timeout=15, **kw):
        """Type a line and wait for its end; returns lab.Result. @input None: standard input stays open."""
        p = self.line(text, **kw)
        if p.p.stdin and input is not None:
            with contextlib.suppress(BrokenPipeError):
                p.send(input)
            p.close_stdin()
        r = p.wait(timeout)
        p.clear()
        return r

    def listens(self, port):
        """Somebody has bound this port, of TCP or UDP, of either version of IP."""
        with self.host.inside():
            for table in ("tcp", "tcp6", "udp", "udp6"):
                with open(f"/proc/self/net/{table}", encoding="ascii") as f:
                    for row in f.readlines()[1:]:
                        words = row.split()
                        if words[1].endswith(f":{port:04X}") and words[3] in ("0A", "07"):
                            return True
        return False

    def tcp(self, port, timeout=5, host="127.0.0.1"):
        """A connected client."""
        s = self.host.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, timeout=timeout)
        s.connect((host, port))
        return s

    def unix(self, name, timeout=5, kind=socket.SOCK_STREAM):
        s = self.host.socket(socket.AF_UNIX, kind, timeout=timeout)
        s.connect(str(self.dir / name))
        return s

    def listener(self, timeout=5):
        """A TCP server of the test: (socket, port)."""
        s = self.host.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", 0), timeout=timeout)
        s.listen(64)
        return s, s.getsockname()[1]

    def unix_listener(self, name, timeout=5, kind=socket.SOCK_STREAM):
        s = self.host.socket(socket.AF_UNIX, kind, timeout=timeout)
        s.bind(str(self.dir / name))
        if kind != socket.SOCK_DGRAM:
            s.listen(64)
        self.stays.add(name)
        return s

    def write(self, name, data, mode=0o644):
        data = data.encode() if isinstance(data, str) else data
        (self.dir / name).write_bytes(data)
        os.chmod(self.dir / name, mode)
        self.stays.add(name)
        return self.dir / name

    def keep(self, *names):
        """These entries are meant to be there at the end."""
        self.stays.update(names)

    # ---- what is left

    def processes(self):
        """Of this desk, zombies too: what carries its mark in the environment."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if f"DESK={self.mark}".encode() in f.read().split(b"\0"):
                        found.append(int(pid))
        return found

    def sockets(self, p):
        """How many a process has open. (Pipes are kept for the next session, a bounded number of them.)"""
        n = 0
        for fd in os.listdir(f"/proc/{p.pid}/fd"):
            with contextlib.suppress(OSError):
                n += os.readlink(f"/proc/{p.pid}/fd/{fd}").startswith("socket:")
        return n

    def idle(self, p, seconds=0.5):
        """What waits for something uses no processor time."""
        before = cpu(p.pid)
        lab.wait_until(lambda: p.ended(), seconds, None)
        assert not p.ended(), p
        used = cpu(p.pid) - before
        assert used <= 0.03, f"{used} s of processor time while nothing happens: {p!r}"

    def end(self, p, sig=signal.SIGTERM, status=None):
        """End a server, by SIGTERM as a rule, and look at its status."""
        p.kill(sig)
        r = p.wait()
        assert r.status == (128 + sig if status is None else status), p
        return r

    def close(self, look=True):
        if look:
            for p in list(lab.Proc.alive):      # what was typed is ended; what that has started has to end by itself
                for pid in [p.pid] + [pid for pid in self.processes() if parent(pid) == p.pid]:
                    if not p.ended():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGTERM)
                p.close_stdin()
            lab.wait_until(lambda: not self.processes(), 4, lambda: "left behind: " + "; ".join(map(command, self.processes())))
        lab.stop_all()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if look:
            left = {e for e in os.listdir(self.dir)} - self.stays
            assert not left, f"entries left behind: {left}"


def stands_alone(text):
    """One command, without pipe, list or redirection."""
    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.commenters = ""
    return not any(set(w) <= set("();<>|&") for w in words)


def parent(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return int(f.read().rpartition(")")[2].split()[1])
    return 0


def command(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f"{pid}: " + f.read().replace(b"\0", b" ").decode(errors="replace")
    return str(pid)


def take_all(s, pause=0.0, step=65536):
    """Read a socket to its end, at leisure."""
    got = bytearray()
    while True:
        part = s.recv(step)
        if not part:
            return bytes(got)
        got += part
        if pause:
            time.sleep(pause)
