#!/usr/bin/env python3
"""What a seal costs: datagrams from standard input to a receiver, plain, sealed, sealed and signed.

    bench/seal.py [--rounds N]

No reference program has seals; so the columns are the program beside itself. Per datagram of 1316
bytes: how fast they leave, and the processor time of the sender and of the receiver.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from harness import Bench, Run, lab

SIZE, COUNT = 1316, 60000
WAYS = {"plain": ("", ""), "sealed": (",seal={k}", ",seal={k}"), "signed": (",seal={k},sign-key={s}", ",seal={k},trust={t}")}


def keys(folder):
    """A group key, a signing key, and the file that trusts it."""
    names = {n: os.path.join(folder, n) for n in "kst"}
    for name, args in (("k", []), ("s", ["sign"])):
        text = subprocess.run([lab.SOCAST, "--keygen", *args], capture_output=True, text=True, check=True).stdout
        with open(os.open(names[name], os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
            f.write(text)
    with open(names["t"], "w", encoding="ascii") as f:
        f.write(text.split("# public ")[1].split("\n")[0] + "\n")
    return names


def once(b, send, receive):
    port = lab.port()
    out = b.fresh("out")
    rx = Run(b, lab.SOCAST, "-u", f"UDP4-RECV:{port}{receive}", f"CREATE:{out}", ready=lambda r: r.has_port(port))
    head = subprocess.Popen(["head", "-c", str(SIZE * COUNT), "/dev/zero"], stdout=subprocess.PIPE)
    wall, tx_cpu, _ = Run(b, lab.SOCAST, "-u", "-b", SIZE, "-", f"UDP4-SENDTO:127.0.0.1:{port}{send}", stdin=head.stdout).finish()
    head.stdout.close()
    head.wait()
    time.sleep(0.2)
    _, rx_cpu, _ = rx.stop()
    got = os.path.getsize(out) / SIZE
    return {"MB/s sent": SIZE * COUNT / wall / 1e6, "us to send": tx_cpu / COUNT * 1e6, "us to receive": rx_cpu / got * 1e6, "% lost": 100 * (1 - got / COUNT)}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("--rounds", type=int, default=5)
    rounds = ap.parse_args().rounds
    reason = lab.become_root()
    if reason:
        sys.exit(f"bench: {reason}")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as scratch:
        b = Bench(False, scratch)
        try:
            files = keys(scratch)
            for way, (send, receive) in WAYS.items():
                got = [once(b, send.format(**files), receive.format(**files)) for _ in range(rounds)]
                print(f"{way:8}" + "".join(f"{m:>16} {statistics.median(g[m] for g in got):8.2f}" for m in got[0]), flush=True)
        finally:
            b.host.close()


if __name__ == "__main__":
    main()
