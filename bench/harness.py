"""What all cases of the benchmark share: starting a program, what it consumed, and where to run it."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import lab  # noqa: E402  (needs the path above)

GROUP = "239.1.1.1"


class Run:
    """One started program; stop() returns what it consumed."""

    def __init__(self, bench, prog, *args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, ready=None):
        self.t = time.monotonic()
        with bench.host.inside():
            # The log goes to a file: a pipe nobody reads could stop the program.
            self.log = tempfile.TemporaryFile()
            self.p = subprocess.Popen([prog, *map(str, args)], stdin=stdin, stdout=stdout, stderr=self.log, env=lab.environment(),
                                      start_new_session=True)
        if ready:
            end = time.monotonic() + 5
            while not ready(self):
                if time.monotonic() > end or self.p.poll() is not None:
                    raise RuntimeError(f"{prog} {args} did not start: {self.text()}")
                time.sleep(0.005)
            time.sleep(0.05)

    def has_port(self, port, table="udp"):
        """Is a socket bound to @port? (The log stays at its default level: writing it would be measured.)"""
        with open(f"/proc/{self.p.pid}/net/{table}") as f:
            return any(int(line.split()[1].split(":")[1], 16) == port for line in f.readlines()[1:])

    def text(self):
        return os.pread(self.log.fileno(), 1 << 16, 0).decode("utf-8", "replace")

    def finish(self, timeout=60):
        """Wait for the end; returns (wall seconds, CPU seconds, resident KiB)."""
        signal.alarm(timeout)
        try:
            _, status, ru = os.wait4(self.p.pid, 0)
        finally:
            signal.alarm(0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.p.pid, signal.SIGKILL)
        wall = time.monotonic() - self.t
        self.p.returncode = os.waitstatus_to_exitcode(status)
        self.log.close()
        return wall, ru.ru_utime + ru.ru_stime, ru.ru_maxrss

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        return self.finish(10)


class Bench:
    def __init__(self, quick, scratch):
        self.host = lab.Host("bench")
        self.host.sysctl("net/ipv4/tcp_congestion_control", "reno", optional=True)
        self.host.ip("link set lo multicast on", "route add 224.0.0.0/4 dev lo")
        self.quick = quick
        self.scratch = scratch
        self.load = self.build("load")
        self.stream = self.build("stream")
        self.secs = 0.5 if quick else 0.8

    def build(self, name, *libraries):
        out = os.path.join(self.scratch, name)
        subprocess.run(["cc", "-O2", "-o", out, os.path.join(ROOT, "bench", name + ".c"), *libraries], check=True)
        return out

    def data(self):
        """A file of incompressible bytes, and its size."""
        size = (128 if self.quick else 256) << 20
        path = os.path.join(self.scratch, "data")
        if not os.path.exists(path) or os.path.getsize(path) != size:
            with open(path, "wb") as f:
                for _ in range(size >> 20):
                    f.write(os.urandom(1 << 20))
        return path, size

    def fresh(self, name):
        """The path of a file that does not exist."""
        path = os.path.join(self.scratch, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return path

    def run_load(self, *args, program=None):
        with self.host.inside():
            r = subprocess.run([program or self.load, *map(str, args)], capture_output=True, text=True, timeout=60)
        if r.returncode:
            raise RuntimeError(f"{args}: {r.stderr}")
        return json.loads(r.stdout)

    @staticmethod
    def json(text):
        return json.loads(text)

    def start_load(self, *args, program=None):
        """In the background; returns when it says that it is ready."""
        with self.host.inside():
            p = subprocess.Popen([program or self.load, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
        p.stderr.readline()
        return p
