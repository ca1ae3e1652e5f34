#!/usr/bin/env python3
"""Measures the program beside other relays that are installed: haproxy, nginx (stream), stunnel.
"bare" is bench/stream.c's relay, which does the least any relay must: what this kernel allows.

    bench/peers.py [--rounds N] [--mode MODE] [--program NAME]

Each relays in one process: TCP (haproxy by splicing), UNIX sockets, TLS to TCP and TCP to TLS, as
far as it can. Same network namespace, same load, in turn; medians. Needs root and a C compiler.
"""
import argparse
import os
import shutil
import statistics
import sys
import tempfile

import tls
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
listen x
  bind {front}
  server s {back}
"""

NGINX = """
load_module {module};
worker_processes 1; daemon off; pid {d}/nginx.pid; error_log {d}/nginx.err;
events {{ worker_connections 8000; }}
stream {{
  ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_session_tickets on;
  ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_protocols TLSv1.2 TLSv1.3;
  server {{ listen 127.0.0.1:{a} backlog=4096 {front}; proxy_pass 127.0.0.1:{b}; proxy_ssl {back}; }}
}}
"""

STUNNEL = """
foreground = yes
syslog = no
debug = 3
pid =
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[x]
accept = 127.0.0.1:{a}
connect = 127.0.0.1:{b}
{side}
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def socast(d, pem):
    plain, to = f"TCP4-LISTEN:{FROM},fork", f"TCP4:127.0.0.1:{TO}"
    return {"tcp": [lab.SOCAST, plain, to], "unix": [lab.SOCAST, f"UNIX-LISTEN:{d}/a.s,fork", f"UNIX-CONNECT:{d}/b.s"],
            "server": [lab.SOCAST, f"OPENSSL-LISTEN:{FROM},fork,cert={pem},verify=0", to],
            "client": [lab.SOCAST, plain, f"OPENSSL:127.0.0.1:{TO},verify=0"]}


def haproxy(d, pem):
    program = shutil.which("haproxy")
    ends = {"tcp": (f"127.0.0.1:{FROM}", f"127.0.0.1:{TO}"), "unix": (f"unix@{d}/a.s", f"unix@{d}/b.s"),
            "server": (f"127.0.0.1:{FROM} ssl crt {pem}", f"127.0.0.1:{TO}"), "client": (f"127.0.0.1:{FROM}", f"127.0.0.1:{TO} ssl verify none")}
    return program and {mode: [program, "-f", write(f"{d}/haproxy-{mode}.cfg", HAPROXY.format(front=a, back=b)), "-db"] for mode, (a, b) in ends.items()}


def nginx(d, pem):
    program, module = shutil.which("nginx"), "/usr/lib/nginx/modules/ngx_stream_module.so"
    ends = {"tcp": ("", "off"), "server": ("ssl", "off"), "client": ("", "on")}
    return program and os.path.exists(module) and {
        mode: [program, "-c", write(f"{d}/nginx-{mode}.conf", NGINX.format(module=module, d=d, pem=pem, a=FROM, b=TO, front=front, back=back))]
        for mode, (front, back) in ends.items()}


def stunnel(d, pem):
    program = shutil.which("stunnel4") or shutil.which("stunnel")
    sides = {"server": f"cert = {pem}", "client": "client = yes"}
    return program and {mode: [program, write(f"{d}/stunnel-{mode}.conf", STUNNEL.format(a=FROM, b=TO, side=side))] for mode, side in sides.items()}


def bare(b):
    return {"tcp": [b.stream, "relay", f"tcp:{FROM}", f"tcp:{TO}"]}


def programs(b, d):
    """By name: the command line for each kind of relaying that the program knows."""
    pem = tls.certificate(b)
    found = {"socast": socast(d, pem), "haproxy": haproxy(d, pem), "nginx": nginx(d, pem), "stunnel": stunnel(d, pem), "bare": bare(b)}
    return {name: modes for name, modes in found.items() if modes}


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


def measure(b, run, program, what, *args):
    before = cpu_of_group(run.p.pid)
    r = b.run_load(what, *args, program=program)
    return r, cpu_of_group(run.p.pid) - before


def bulk(b, run, name, program, what, a, to, size, *args):
    r, cpu = measure(b, run, program, what, a, to, size, *args)
    return {f"{name} mb_per_s": size / r["seconds"] / 1e6, f"{name} cpu_s_per_gb": cpu / size * 1e9}


def conns(b, run, name, program, what, a, to):
    got = {}
    for clients in (1, 32 if name == "tcp-conns" else 8):
        r, cpu = measure(b, run, program, what, a, to, clients, 2)
        got[f"{name}-{clients} per_s"], got[f"{name}-{clients} cpu_ms"] = r["per_s"], cpu * 1e3 / r["done"]
    return got


def rtt(b, run, name, program, a, to):
    r, _ = measure(b, run, program, "rtt", a, to, 1)
    return {f"{name} p50_us": r["p50_us"], f"{name} p99_us": r["p99_us"]}


def one(b, mode, argv):
    """All figures of one program for one kind of relaying."""
    a, to = f"tcp:{FROM}", f"tcp:{TO}"
    if mode == "unix":
        a, to = f"unix:{b.fresh('a.s')}", f"unix:{b.fresh('b.s')}"
        run, got = Run(b, *argv), {}
        got |= bulk(b, run, "unix-bulk", b.stream, "bulk", a, to, 3 << 30)
        run.stop()
        return got
    run, got = Run(b, *argv, ready=lambda r: r.has_port(FROM, "tcp")), {}
    if mode == "tcp":
        got |= bulk(b, run, "tcp-bulk", b.stream, "bulk", a, to, 3 << 30)
        got |= conns(b, run, "tcp-conns", b.stream, "conns", a, to)
        got |= rtt(b, run, "tcp-rtt", b.stream, a, to)
    elif mode == "server":
        got |= bulk(b, run, "tls-decrypt", b.tls, "decrypt", a, to, 1 << 30)
        got |= conns(b, run, "tls-conns", b.tls, "conns", a, to)
        got |= conns(b, run, "tls-resumed", b.tls, "resumed", a, to)
        got |= rtt(b, run, "tls-rtt", b.tls, a, to)
    else:
        got |= bulk(b, run, "tls-encrypt", b.tls, "encrypt", a, to, 1 << 30, tls.certificate(b))
    run.stop()
    return got


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--mode", action="append", choices=["tcp", "unix", "server", "client"], help="only these kinds (may be repeated)")
    ap.add_argument("--program", action="append", help="only these programs (may be repeated)")
    args = ap.parse_args()
    reason = lab.become_root()
    if reason:
        sys.exit(f"bench: {reason}")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as scratch:
        os.chmod(scratch, 0o755)
        b = Bench(False, scratch)
        b.tls = b.build("tls", "-lssl", "-lcrypto")
        try:
            results = {}
            for _ in range(args.rounds):
                for name, modes in programs(b, scratch).items():
                    if args.program and name not in args.program:
                        continue
                    for mode, argv in modes.items():
                        if args.mode and mode not in args.mode:
                            continue
                        for metric, value in one(b, mode, argv).items():
                            results.setdefault(metric, {}).setdefault(name, []).append(value)
        finally:
            b.host.close()
    names = list(dict.fromkeys(name for values in results.values() for name in values))
    print(f"{'':26}" + "".join(f"{n:>12}" for n in names))
    for metric, values in results.items():
        print(f"{metric:26}" + "".join(f"{statistics.median(values[n]):12.3f}" if n in values else f"{'-':>12}" for n in names))


if __name__ == "__main__":
    main()
