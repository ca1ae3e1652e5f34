#!/usr/bin/env python3
"""Measures the program against a reference on this machine, now.

    bench/run.py [--quick] [--rounds N] [--case NAME] [--json FILE]

Runs in a network namespace of its own with TCP reno (BBR paces even loopback and
hides what a relay does well), takes the two programs in turn, and prints medians
and ratios; above 1 means better than the reference. CPU time and resident size come
from wait4(), children included. Needs root, a C compiler and the reference program
(environment SOCAT_REF); the program under test is SOCAST. In cases that end in "-loop" the reference
is a loop of bench/tls.c, the least that any program must do.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile

import datagrams
import streams
import tls
from harness import ROOT, Bench, lab


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
            for name, run, metrics, *peer in datagrams.cases(b) + streams.cases(b) + tls.cases(b):
                if args.case and not any(name.startswith(c) for c in args.case):
                    continue
                pair = {**progs, "reference": peer[0]} if peer else progs
                got = {w: [] for w in pair}
                for _ in range(rounds):
                    for w, prog in pair.items():       # in turn, so that both see the same machine
                        got[w].append(run(prog))
                row = results["cases"][name] = {}
                for m in sorted({k for r in got["ours"] for k in r}):
                    med = {w: statistics.median(r[m] for r in got[w]) for w in pair}
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
