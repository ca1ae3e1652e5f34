#!/usr/bin/env python3
"""Measures the program against a reference on this machine, now.

    bench/run.py [--quick] [--rounds N] [--case NAME] [--json FILE]

Runs in a network namespace of its own with TCP reno (BBR paces even loopback and
hides what a relay does well), takes the two programs in turn, and prints medians
and ratios; above 1 means better than the reference. CPU time and resident size come
from wait4(), children included. Needs root, a C compiler and the reference program
(environment SOCAT_REF); the program under test is SOCAST.
"""
import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
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
            while not self.has_port(ready):
                if time.monotonic() > end or self.p.poll() is not None:
                    raise RuntimeError(f"{prog} {args} did not start: {self.text()}")
                time.sleep(0.005)
            time.sleep(0.05)

    def has_port(self, port):
        """Is a UDP socket bound to @port? (The log stays at its default level: writing it would be measured.)"""
        with open(f"/proc/{self.p.pid}/net/udp") as f:
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
        self.load = os.path.join(scratch, "load")
        subprocess.run(["cc", "-O2", "-o", self.load, os.path.join(ROOT, "bench", "load.c")], check=True)
        self.secs = 0.5 if quick else 0.8

    def run_load(self, *args):
        with self.host.inside():
            r = subprocess.run([self.load, *map(str, args)], capture_output=True, text=True, timeout=60, check=True)
        return json.loads(r.stdout)

    def start_sink(self, port):
        with self.host.inside():
            p = subprocess.Popen([self.load, "sink", str(port), "200"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        p.stderr.readline()
        return p

    # Each case returns {metric: value}.

    def relay(self, prog, size, rate):
        a, b = lab.port(), lab.port()
        sink = self.start_sink(b)
        run = Run(self, prog, "-u", f"UDP4-RECV:{a}", f"UDP4-SENDTO:127.0.0.1:{b}", ready=a)
        sent = self.run_load("blast", "127.0.0.1", a, size, rate, self.secs)["sent"]
        got = json.loads(sink.communicate(timeout=30)[0])["received"]
        _, cpu, _ = run.stop()
        return {"cpu_us_per_packet": cpu * 1e6 / max(got, 1), "lost_percent": 100 * (1 - got / sent), "delivered_per_s": got / self.secs}

    def mcast_recv(self, prog, to):
        a, size = lab.port(), 1316
        out = open(os.path.join(self.scratch, "out"), "wb") if to == "file" else None
        cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) if to == "pipe" else None
        run = Run(self, prog, "-u", f"UDP4-RECV:{a},ip-add-membership={GROUP}:127.0.0.1", "-", stdout=out or cat.stdin,
                  ready=a)
        sent = self.run_load("blast", GROUP, a, size, 40000, self.secs)["sent"]
        time.sleep(0.1)
        _, cpu, _ = run.stop()
        lost = 0
        if out:
            out.close()
            lost = 100 * (1 - os.path.getsize(os.path.join(self.scratch, "out")) / size / sent)
        else:
            cat.stdin.close()
            cat.wait()
        return {"cpu_us_per_packet": cpu * 1e6 / sent, "lost_percent": lost}

    def mcast_send(self, prog):
        total = 1316 * (100000 if self.quick else 200000)
        head = subprocess.Popen(["head", "-c", str(total), "/dev/zero"], stdout=subprocess.PIPE)
        wall, cpu, _ = Run(self, prog, "-u", "-b", "1316", "-", f"UDP4-DATAGRAM:{GROUP}:{lab.port()}", stdin=head.stdout).finish()
        head.stdout.close()
        head.wait()
        return {"packets_per_s": total / 1316 / wall, "cpu_us_per_packet": cpu * 1e6 / (total / 1316)}

    def ask(self, prog, first, second, clients, wait_ms=500):
        a = lab.port()
        run = Run(self, prog, f"{first}:{a},fork", second, ready=a)
        r = self.run_load("echo", "127.0.0.1", a, clients, self.secs, wait_ms)
        _, cpu, _ = run.stop()
        return {"answers_per_s": r["answers"] / self.secs, "unanswered_percent": 100 * r["lost"] / max(1, r["answers"] + r["lost"]),
                "wrong": r["wrong"], "p50_us": r["p50_us"], "cpu_ms_per_answer": cpu * 1e3 / max(1, r["answers"])}

    def bytes_(self, prog, how):
        size = (128 if self.quick else 256) << 20
        data = os.path.join(self.scratch, "data")
        if not os.path.exists(data) or os.path.getsize(data) != size:
            with open(data, "wb") as f:
                for _ in range(size >> 20):
                    f.write(os.urandom(1 << 20))
        out = os.path.join(self.scratch, "out")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(out)
        src = cat = None
        if how == "pipe-file":
            src = subprocess.Popen(["cat", data], stdout=subprocess.PIPE)
            wall, cpu, _ = Run(self, prog, "-u", "-", f"CREATE:{out}", stdin=src.stdout).finish()
            src.stdout.close()
        elif how == "file-pipe":
            cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            wall, cpu, _ = Run(self, prog, "-u", f"OPEN:{data}", "-", stdout=cat.stdin).finish()
            cat.stdin.close()
        else:
            wall, cpu, _ = Run(self, prog, "-u", f"OPEN:{data}", f"CREATE:{out}").finish()
        for p in (src, cat):
            if p:
                p.wait()
        if not cat and os.path.getsize(out) != size:
            raise RuntimeError(f"{how}: {os.path.getsize(out)} of {size} bytes arrived")
        return {"mb_per_s": size / wall / 1e6, "cpu_s_per_gb": cpu / size * 1e9}

    def startup(self, prog):
        return self.run_load("start", 50 if self.quick else 200, prog, "-u", "/dev/null", "/dev/null")


# name, function of a Bench and a program, metrics shown (+ more is better, - less is better)
def cases(b):
    rows = []
    for size in (64, 512, 1400):
        rows.append((f"udp-{size}", lambda p, s=size: b.relay(p, s, 40000), ["-cpu_us_per_packet", "-lost_percent"]))
    for size in (64, 512, 1400):
        rows.append((f"udp-blast-{size}", lambda p, s=size: b.relay(p, s, 0), ["-lost_percent", "+delivered_per_s"]))
    for to in ("file", "pipe"):
        rows.append((f"mcast-{to}", lambda p, t=to: b.mcast_recv(p, t), ["-cpu_us_per_packet", "-lost_percent"]))
    rows.append(("mcast-send", b.mcast_send, ["+packets_per_s"]))
    rows.append(("recvfrom-cat-8", lambda p: b.ask(p, "UDP4-RECVFROM", "EXEC:cat", 8), ["+answers_per_s", "-unanswered_percent"]))
    for n in (1, 8, 64):
        rows.append((f"recvfrom-hostname-{n}", lambda p, n=n: b.ask(p, "UDP4-RECVFROM", "EXEC:hostname", n, 1000), ["-unanswered_percent", "+answers_per_s"]))
    rows.append(("listen-pipe-64", lambda p: b.ask(p, "UDP4-LISTEN", "PIPE", 64), ["+answers_per_s", "-wrong"]))
    for how in ("pipe-file", "file-pipe", "file-file"):
        rows.append((how, lambda p, h=how: b.bytes_(p, h), ["+mb_per_s", "-cpu_s_per_gb"]))
    rows.append(("startup", b.startup, ["-ms", "-max_rss_mb"]))
    return rows


def ratio(sign, ours, ref):
    """How many times better than the reference; None where that makes no sense."""
    good, bad = (ours, ref) if sign == "+" else (ref, ours)
    return good / bad if bad else None


def machine():
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"kernel": platform.release(), "cpu": model, "cpus": os.cpu_count()}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--quick", action="store_true", help="short: 3 rounds, less data")
    ap.add_argument("--rounds", type=int, help="rounds per case (default 5)")
    ap.add_argument("--case", action="append", help="only cases whose name begins so (may be repeated)")
    ap.add_argument("--json", default=os.path.join(ROOT, "build", "bench.json"), help="file for the results (default build/bench.json)")
    args = ap.parse_args()
    reason = lab.become_root()
    if reason:
        sys.exit(f"bench: {reason}; run: sudo {sys.executable} bench/run.py")
    progs = {"ours": lab.SOCAST, "reference": shutil.which(lab.SOCAT_REF)}
    for what, path in progs.items():
        if not path or not os.access(path, os.X_OK):
            sys.exit(f"bench: no {what} program; set SOCAST and SOCAT_REF")
    rounds = args.rounds or (3 if args.quick else 5)
    results = {"machine": machine(), "rounds": rounds, "programs": progs, "cases": {}}
    print(f"{results['machine']['cpus']} x {results['machine']['cpu']}, Linux {results['machine']['kernel']}; medians of {rounds} rounds\n")
    print(f"{'case':22}{'metric':22}{'ours':>12}{'reference':>12}{'ratio':>8}")
    # Files live in memory where possible: the relay is measured, not the disk behind it.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory) as scratch:
        b = Bench(args.quick, scratch)
        try:
            for name, run, metrics in cases(b):
                if args.case and not any(name.startswith(c) for c in args.case):
                    continue
                got = {w: [] for w in progs}
                for _ in range(rounds):
                    for w, prog in progs.items():       # in turn, so that both see the same machine
                        got[w].append(run(prog))
                row = results["cases"][name] = {}
                for m in sorted({k for r in got["ours"] for k in r}):
                    med = {w: statistics.median(r[m] for r in got[w]) for w in progs}
                    sign = next((x[0] for x in metrics if x[1:] == m), None)
                    row[m] = {**med, "ratio": ratio(sign, med["ours"], med["reference"]) if sign else None}
                for m in metrics:
                    v = row[m[1:]]
                    r = f"{v['ratio']:8.2f}" if v["ratio"] is not None else "       -"
                    print(f"{name:22}{m[1:]:22}{v['ours']:12.2f}{v['reference']:12.2f}{r}", flush=True)
        finally:
            b.host.close()
    os.makedirs(os.path.dirname(os.path.abspath(args.json)), exist_ok=True)
    with open(args.json, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    print(f"\nresults in {args.json}")


if __name__ == "__main__":
    main()
