#!/usr/bin/env python3
"""Sends a long stream through a chain of four relays, each with a stack of layers, and compares every byte at the far end.

The stream is AES-CTR of zeros, made once to be sent and once to be compared. Exit status 0: all bytes have arrived.

    bench/chain.py --gb 10
"""
import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEY = "-K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000"


def ports(n):
    socks = [socket.socket() for _ in range(n)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    found = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return found


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key", "-out", f"{folder}/crt"],
                   check=True, capture_output=True)
    subprocess.run(f"umask 077; cat {folder}/crt {folder}/key > {folder}/pem", shell=True, check=True)


def chain(program, d, socks, tcp):
    """The relays from the far end to the near one, each with the socket it waits at."""
    server, client = f"TLS(cert={d}/pem,verify=0)", f"TLS(cafile={d}/crt,commonname=localhost)"
    listen = "bind=127.0.0.1,reuseaddr"
    return [
        (tcp[0], ["-u", f"{server}+{server}+TCP4-LISTEN:{tcp[0]},{listen}", "STDOUT"]),
        (f"{d}/a", ["-u", f"{server}+UNIX-LISTEN:{d}/a", f"{client}+{client}+SOCKS5(to=127.0.0.1:{tcp[0]})+TCP4:127.0.0.1:{socks}"]),
        (tcp[1], ["-u", f"{server}+TCP4-LISTEN:{tcp[1]},{listen}", f"{client}+UNIX:{d}/a"]),
        (None, ["-u", "STDIN", f"{client}+EXEC:{program} - TCP4\\:127.0.0.1\\:{tcp[1]}"]),
    ]


def wait_for(where):
    for _ in range(500):
        if isinstance(where, str) and os.path.exists(where):
            return
        if isinstance(where, int) and any(f":{where:04X} " in line and " 0A " in line for line in open("/proc/net/tcp", encoding="ascii")):
            return
        time.sleep(0.01)
    sys.exit(f"nobody waits at {where}")


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--gb", type=float, default=10)
    a.add_argument("--program", default=f"{ROOT}/build/socast")
    a = a.parse_args()
    size = int(a.gb * 1e9)
    made = f"openssl enc -aes-128-ctr {KEY} -in /dev/zero 2>/dev/null | head -c {size}"
    with tempfile.TemporaryDirectory() as d:
        certificate(d)
        socks, *tcp = ports(3)
        proxy = subprocess.Popen(["microsocks", "-i", "127.0.0.1", "-p", str(socks)])
        wait_for(socks)
        begun = time.monotonic()
        relays = []
        try:
            compare = None
            for where, args in chain(a.program, d, socks, tcp):
                first, last = compare is None, where is None
                p = subprocess.Popen([a.program, *args], stdin=subprocess.PIPE if last else subprocess.DEVNULL, stdout=subprocess.PIPE if first else None)
                relays.append(p)
                if first:
                    compare = subprocess.Popen(["bash", "-c", f"cmp - <({made})"], stdin=p.stdout)
                    p.stdout.close()
                if where:
                    wait_for(where)
            sender = subprocess.Popen(["bash", "-c", made], stdout=relays[-1].stdin)
            relays[-1].stdin.close()
            status = [sender.wait(), compare.wait()] + [p.wait() for p in relays]
        finally:
            for p in [*relays, proxy]:
                p.kill()
        seconds = time.monotonic() - begun
        print(f"{size / 1e9:g} GB through {len(relays)} relays in {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s: "
              + ("every byte is there" if not any(status) else f"status {status}"))
        sys.exit(any(status))


if __name__ == "__main__":
    main()
