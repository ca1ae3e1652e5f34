#!/usr/bin/env python3
"""Plays the five multicast and broadcast scenarios on three virtual hosts.

Each over IPv4 and its IPv6 twin, ten in all, with the command lines one would type.
The hosts are network namespaces (see tests/e2e/lab.py); nothing on this machine's
own network is touched, and nothing is left behind. Status 0 only if every scenario
showed what it should.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import lab  # noqa: E402  (needs the path above)

BOLD, DIM, GREEN, RED, OFF = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
PROG = "socast"
READY = r"receiving on|starting data transfer loop"


def shell(args):
    """A command line as one would type it."""
    return " ".join(f"'{a}'" if re.search(r"[][ ();&|<>$*?]", a) else a for a in args)


def typed(host, args, before=""):
    print(f"  {BOLD}{host.name} ${OFF} {before}{PROG} {shell(args)}")


def begin(host, *args):
    """Type a command on a host and wait until it is ready."""
    typed(host, args)
    p = host.start("-d", "-d", *args)
    p.host = host
    p.wait_log(READY)
    return p


def say(p, text):
    print(f"  {p.host.name} < {text}")
    p.send(text + "\n")


def hear(p, lines):
    """Wait for the lines (in any order) and show them."""
    p.until(lambda: len(p.lines()) >= len(lines), 5, f"{len(lines)} lines")
    for line in sorted(p.lines()):
        print(f"  {p.host.name} > {GREEN}{line}{OFF}")
    assert sorted(p.lines()) == sorted(lines), f"{p.host.name} printed {p.lines()}, expected {lines}"


def client_and_servers(servers, client):
    def play(hosts):
        for n, address in servers.items():
            begin(hosts[n - 1], address, "EXEC:hostname")
        p = begin(hosts[0], "STDIO", client)
        say(p, "who is there?")
        hear(p, ["host2", "host3"])
    return play


def peers(addresses, setup=None):
    def play(hosts):
        if setup:
            for h in hosts:
                print(f"  {BOLD}{h.name} #{OFF} ip {setup}")
                h.ip(setup)
        ps = [begin(h, "STDIO", a) for h, a in zip(hosts, addresses)]
        for n, p in enumerate(ps, 1):
            say(p, f"from host{n}")
            for q in ps:
                q.expect_output(f"from host{n}\n")
        for p in ps:
            hear(p, ["from host1", "from host2", "from host3"])
    return play


def information(receiver, sender, want):
    def play(hosts):
        p = begin(hosts[1], "-u", receiver, "SYSTEM:export")
        typed(hosts[0], ["-u", "STDIO", sender], before="echo | ")
        r = hosts[0].run("-u", "STDIO", sender, input=b"\n")
        assert r.status == 0, r
        p.expect_output(b"_VERSION=")
        shown = [s for s in p.lines() if re.match(rf"export {lab.PREFIX}(IP|PEER)", s)]
        for line in shown:
            print(f"  host2 > {GREEN}{line}{OFF}")
        for name, value in want.items():
            assert any(re.fullmatch(rf"export {lab.PREFIX}{name}='?{re.escape(value)}'?", s) for s in shown), f"{name} is not {value}"
    return play


N = (1, 2, 3)
SCENARIOS = [
    ("Multicast client and servers", "One question to a group; every server that joined it answers.",
     client_and_servers({n: f"UDP4-RECVFROM:6666,ip-add-membership=224.1.0.1:192.168.10.{n},fork" for n in (2, 3)},
                        "UDP4-DATAGRAM:224.1.0.1:6666,range=192.168.10.0/24")),
    ("Multicast client and servers, IPv6", "The same with a link-local group.",
     client_and_servers({n: "UDP6-RECVFROM:6666,ipv6-join-group=[ff02::114]:eth0,fork" for n in (2, 3)},
                        "UDP6-DATAGRAM:[ff02::114%eth0]:6666,range=[fe80::]/10")),
    ("Broadcast client and servers", "The question goes to everybody on the local net.",
     client_and_servers({n: "UDP4-RECVFROM:6666,broadcast,fork" for n in (2, 3)},
                        "UDP4-DATAGRAM:192.168.10.255:6666,broadcast,range=192.168.10.0/24")),
    ("Broadcast's twin, IPv6", "IPv6 has no broadcast: the group of all nodes, ff02::1, needs no joining.",
     client_and_servers({n: "UDP6-RECVFROM:6666,fork" for n in (2, 3)},
                        "UDP6-DATAGRAM:[ff02::1%eth0]:6666,range=[fe80::]/10")),
    ("Multicast peers", "Everybody in the group hears everybody, oneself included.",
     peers([f"UDP4-DATAGRAM:224.1.0.1:6666,bind=:6666,range=192.168.10.0/24,ip-add-membership=224.1.0.1:192.168.10.{n}" for n in N])),
    ("Multicast peers, IPv6", "The same with a site-wide group.",
     peers(["UDP6-DATAGRAM:[ff15::1234]:6666,bind=[::]:6666,ipv6-join-group=[ff15::1234]:eth0"] * 3)),
    ("Broadcast peers", "The same by broadcast; 255.255.255.255 needs a route.",
     peers(["UDP4-DATAGRAM:255.255.255.255:6666,bind=:6666,range=192.168.10.0/24,broadcast"] * 3,
           "route add 255.255.255.255/32 dev eth0")),
    ("Broadcast peers' twin, IPv6", "All nodes of the link talk to each other.",
     peers(["UDP6-DATAGRAM:[ff02::1%eth0]:6666,bind=[::]:6666,range=[fe80::]/10"] * 3)),
    ("Packet information", "A program learns where a packet came from and was sent to.",
     information("UDP-RECVFROM:8888,reuseaddr,ip-add-membership=224.1.0.1:192.168.10.2,ip-pktinfo,fork", "UDP-DATAGRAM:224.1.0.1:8888",
                 {"IP_DSTADDR": "224.1.0.1", "IP_IF": "eth0", "IP_LOCADDR": "192.168.10.2", "PEERADDR": "192.168.10.1"})),
    ("Packet information, IPv6", "The same for IPv6.",
     information("UDP6-RECVFROM:8888,reuseaddr,ipv6-join-group=[ff15::1234]:eth0,ipv6-recvpktinfo,fork", "UDP6-DATAGRAM:[ff15::1234]:8888",
                 {"IPV6_DSTADDR": "[ff15:0000:0000:0000:0000:0000:0000:1234]", "IPV6_IF": "eth0"})),
]

DRAWING = """
     host1                 host2                 host3
     192.168.10.1          192.168.10.2          192.168.10.3
     fd00::1               fd00::2               fd00::3
       |                     |                     |
  =====+=====================+=====================+=====  a virtual switch
"""


def main():
    if not os.access(lab.SOCAST, os.X_OK):
        print(f"demo: no program at {os.path.relpath(lab.SOCAST)}; run `make` first")
        return 1
    reason = lab.become_root()
    if reason:
        print(f"demo: {reason}; run:  sudo {sys.executable} {os.path.relpath(os.path.abspath(__file__))}")
        return 1
    print("Three virtual hosts on this machine; nothing else is touched.")
    print(DRAWING)
    net = lab.Lan()
    good = 0
    try:
        for number, (title, text, play) in enumerate(SCENARIOS, 1):
            print(f"{BOLD}{number}. {title}{OFF}\n   {DIM}{text}{OFF}\n", flush=True)
            try:
                play(net.hosts)
                good += 1
            except (AssertionError, OSError, RuntimeError) as e:
                print(f"  {RED}not as it should be:{OFF} {e}")
            finally:
                lab.stop_all()
            print(flush=True)
    finally:
        net.close()
    print(f"demo: {good} of {len(SCENARIOS)} scenarios played")
    return 0 if good == len(SCENARIOS) else 1


if __name__ == "__main__":
    sys.exit(main())
