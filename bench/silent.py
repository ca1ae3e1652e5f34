#!/usr/bin/env python3
"""How long an honest client waits for its first answer while many others keep silent in their handshakes.

The server has three layers of TLS. The honest client is a relay that connects through them: from its connection to the
echo of one byte, in ms, median and worst of 20; first alone, then beside the crowd that has come and says nothing.

    bench/silent.py --many 10000
"""
import argparse
import resource
import socket
import statistics
import subprocess
import tempfile
import time

from chain import ROOT, certificate, ports, wait_for

BOUNDS = [("no bound", "", None), ("max-children=1000", ",max-children=1000", None), ("max-children=100", ",max-children=100", None), ("ulimit -n 1024", "", 1024)]


def first_answer(port):
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        return (time.monotonic() - begun) * 1e3


def crowd(many, port):
    silent = []
    for _ in range(many):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        silent.append(s)
    return silent


def settled(pid):
    """The processor time of @pid does not move: what has come is served."""
    before = -1
    while (now := sum(map(int, open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(") ")[1].split()[11:13]))) != before:
        before = now
        time.sleep(0.3)


def memory(pid):
    return int(next(line for line in open(f"/proc/{pid}/status", encoding="ascii") if line.startswith("VmRSS")).split()[1])


def row(a, d, name, options, limit):
    far, near = ports(2)
    server, client = "+".join([f"TLS(cert={d}/pem,verify=0)"] * 3), "+".join([f"TLS(cafile={d}/crt,commonname=localhost)"] * 3)
    programs = [[a.program, f"{server}+TCP4-LISTEN:{far},bind=127.0.0.1,reuseaddr,fork{options}", "PIPE"],
                [a.program, f"TCP4-LISTEN:{near},bind=127.0.0.1,reuseaddr,fork", f"{client}+TCP4:127.0.0.1:{far}"]]
    running = [subprocess.Popen(programs[0], stderr=subprocess.DEVNULL, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)) if limit else None),
               subprocess.Popen(programs[1], stderr=subprocess.DEVNULL)]
    try:
        wait_for(far)
        wait_for(near)
        alone, before = [first_answer(near) for _ in range(20)], memory(running[0].pid)
        silent = crowd(a.many, far)
        settled(running[0].pid)
        beside, after = [first_answer(near) for _ in range(20)], memory(running[0].pid)
        print(f"{name:18} alone {statistics.median(alone):6.1f} {max(alone):6.1f}   beside {a.many} {statistics.median(beside):6.1f} {max(beside):6.1f} ms"
              f"   {(after - before) / a.many:5.2f} KB each", flush=True)
        for s in silent:
            s.close()
    finally:
        for p in running:
            p.kill()
            p.wait()


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--many", type=int, default=10000)
    a.add_argument("--program", default=f"{ROOT}/build/socast")
    a = a.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as d:
        certificate(d)
        for bound in BOUNDS:
            row(a, d, *bound)


if __name__ == "__main__":
    main()
