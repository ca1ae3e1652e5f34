#!/usr/bin/env python3
"""Measures the program beside other relays that are installed: haproxy (splicing) and nginx (stream).
"bare" is bench/stream.c's relay, which does the least any relay must: what this kernel allows.

    bench/peers.py [--rounds N]

Each relays TCP in one process from one port to another; haproxy also UNIX sockets. Same network
namespace, same load, in turn; medians. Needs root and a C compiler.
"""
import argparse
import os
import shutil
import statistics
import sys
import tempfile

from harness import Bench, Run, lab

FROM, TO = 17400, 17401

HAPROXY = """
global
  maxconn 5000
  nbthread 1
defaults
  mode tcp
  option splice-auto
  option splice-request
  option splice-response
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen tcp
  bind 127.0.0.1:{a}
  server s 127.0.0.1:{b}
listen unix
  bind unix@{d}/a.s
  server s unix@{d}/b.s
"""

NGINX = """
load_module {module};
worker_processes 1; daemon off; pid {d}/nginx.pid; error_log {d}/nginx.err;
events {{ worker_connections 8000; }}
stream {{ server {{ listen 127.0.0.1:{a} backlog=4096; proxy_pass 127.0.0.1:{b}; }} }}
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def programs(b, d):
    """Name, command line, UNIX command line or None."""
    found = {"socast": ([lab.SOCAST, f"TCP4-LISTEN:{FROM},fork", f"TCP4:127.0.0.1:{TO}"],
                        [lab.SOCAST, f"UNIX-LISTEN:{d}/a.s,fork", f"UNIX-CONNECT:{d}/b.s"])}
    if shutil.which("haproxy"):
        argv = [shutil.which("haproxy"), "-f", write(f"{d}/haproxy.cfg", HAPROXY.format(a=FROM, b=TO, d=d)), "-db"]
        found["haproxy"] = (argv, argv)
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    if shutil.which("nginx") and os.path.exists(module):
        found["nginx"] = ([shutil.which("nginx"), "-c", write(f"{d}/nginx.conf", NGINX.format(module=module, a=FROM, b=TO, d=d))], None)
    found["bare"] = ([b.stream, "relay", f"tcp:{FROM}", f"tcp:{TO}"], None)
    return found


def cpu_of_group(pgid):
    """CPU seconds of all processes of the group so far."""
    ticks = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == pgid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(b, run, what, *args):
    before = cpu_of_group(run.p.pid)
    r = b.run_load(what, *args, program=b.stream)
    return r, cpu_of_group(run.p.pid) - before


def one(b, argv, unix):
    got = {}
    run = Run(b, *argv, ready=lambda r: r.has_port(FROM, "tcp"))
    a, to = f"tcp:{FROM}", f"tcp:{TO}"
    r, cpu = measure(b, run, "bulk", a, to, 3 << 30)
    got["tcp-bulk mb_per_s"], got["tcp-bulk cpu_s_per_gb"] = r["bytes"] / r["seconds"] / 1e6, cpu / r["bytes"] * 1e9
    for clients in (1, 32):
        r, cpu = measure(b, run, "conns", a, to, clients, 2)
        got[f"tcp-conns-{clients} per_s"], got[f"tcp-conns-{clients} cpu_ms"] = r["per_s"], cpu * 1e3 / r["done"]
    r, _ = measure(b, run, "rtt", a, to, 1)
    got["rtt-tcp p50_us"], got["rtt-tcp p99_us"] = r["p50_us"], r["p99_us"]
    run.stop()
    if unix:
        a, to = f"unix:{b.fresh('a.s')}", f"unix:{b.fresh('b.s')}"
        run = Run(b, *unix)
        r, cpu = measure(b, run, "bulk", a, to, 3 << 30)
        got["unix-bulk mb_per_s"], got["unix-bulk cpu_s_per_gb"] = r["bytes"] / r["seconds"] / 1e6, cpu / r["bytes"] * 1e9
        run.stop()
    return got


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    reason = lab.become_root()
    if reason:
        sys.exit(f"bench: {reason}")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as scratch:
        os.chmod(scratch, 0o755)
        b = Bench(False, scratch)
        try:
            results = {}
            for _ in range(args.rounds):
                for name, (argv, unix) in programs(b, scratch).items():
                    for metric, value in one(b, argv, unix).items():
                        results.setdefault(metric, {}).setdefault(name, []).append(value)
        finally:
            b.host.close()
    names = list(next(iter(results.values())))
    print(f"{'':26}" + "".join(f"{n:>12}" for n in names))
    for metric, values in results.items():
        print(f"{metric:26}" + "".join(f"{statistics.median(values[n]):12.3f}" if n in values else f"{'-':>12}" for n in names))


if __name__ == "__main__":
    main()
