"""Options of name look-ups, beside a name server that writes down what it is asked."""
import os
import re
import select
import signal
import socket
import struct
import threading
import time

import pytest

import lab
from test_tcp import connect

LOOP = "127.0.0.1"
DNS = re.search(r"^hosts:.*\bdns\b", open("/etc/nsswitch.conf", encoding="ascii").read() if os.path.exists("/etc/nsswitch.conf") else "hosts: dns", re.M)
pytestmark = pytest.mark.skipif(not DNS, reason="names are not looked up by DNS here")


class NameServer(threading.Thread):
    """Answers every A question with 127.0.0.1; says nothing to AAAA, truncates what begins with "long",
    ignores what begins with "lost" the first times, and "silent" always."""

    def __init__(self, host):
        super().__init__(daemon=True)
        for _ in range(20):             # a port that both have free
            self.udp = host.socket(socket.AF_INET, socket.SOCK_DGRAM, bind=(LOOP, 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = host.socket(socket.AF_INET, socket.SOCK_STREAM, bind=(LOOP, self.port))
                break
            except OSError:
                self.udp.close()
        self.tcp.listen()
        self.seen = []                  # (transport, name, type, recursion desired)
        self.over = False
        self.start()

    def answer(self, how, q):
        (ident, flags), name, at = struct.unpack("!HH", q[:4]), [], 12
        while q[at]:
            name.append(q[at + 1:at + 1 + q[at]].decode())
            at += q[at] + 1
        (kind,) = struct.unpack("!H", q[at + 1:at + 3])
        name = ".".join(name)
        self.seen.append((how, name, kind, bool(flags & 0x100), time.monotonic()))
        if name.startswith("silent"):
            return None
        if name.startswith("lost") and sum(s[1] == name for s in self.seen) < 3:
            return None
        known = "known" in name or name.startswith(("long", "lost"))
        cut = name.startswith("long") and how == "udp"
        rows = known and kind == 1 and not cut
        head = struct.pack("!HHHHHH", ident, 0x8180 | (0x200 if cut else 0) | (0 if known else 3), 1, 1 if rows else 0, 0, 0)
        row = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(LOOP) if rows else b""
        return head + q[12:at + 5] + row

    def run(self):
        while not self.over:
            for s in select.select([self.udp, self.tcp], [], [], 0.1)[0]:
                if s is self.udp:
                    q, peer = s.recvfrom(4096)
                    a = self.answer("udp", q)
                    if a:
                        s.sendto(a, peer)
                    continue
                c, _ = s.accept()
                c.settimeout(2)
                try:
                    while True:
                        head = c.recv(2)
                        if len(head) < 2:
                            break
                        a = self.answer("tcp", c.recv(struct.unpack("!H", head)[0]))
                        c.sendall(struct.pack("!H", len(a)) + a)
                except OSError:
                    pass
                c.close()

    def stop(self):
        self.over = True
        self.join()
        self.udp.close()
        self.tcp.close()

    def names(self):
        return [s[1] for s in self.seen]


@pytest.fixture(name="dns")
def _dns(local):
    server = NameServer(local)
    yield server
    server.stop()


def ask(local, dns, options="", name="known.test", timeout=15):
    """Connect to @name by that server; there is nobody: it is the look-up that counts."""
    return local.run("-", f"TCP4:{name}:{lab.port()},res-nsaddr={LOOP}:{dns.port}{',' + options if options else ''}", timeout=timeout)


def test_the_server_is_asked(local, dns):
    r = ask(local, dns)
    assert "known.test" in dns.names() and re.search(r"W connect\(\d+, AF=2 127\.0\.0\.1:\d+, 16\): Connection refused", r.log), r
    assert all(s[0] == "udp" and s[3] for s in dns.seen)


def test_a_name_that_does_not_exist(local, dns):
    r = ask(local, dns, name="nobody.test")
    assert r.status == 1 and "Name or service not known" in r.log and "nobody.test" in dns.names()


def test_the_loop_goes_on_meanwhile(local, dns):
    """A look-up that takes seconds holds nobody else up."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork", f"TCP4:lost.test:{lab.port()},res-nsaddr={LOOP}:{dns.port},res-retrans=1")
    p.wait_log("listening on")
    first = local.socket(socket.AF_INET, socket.SOCK_STREAM)
    first.connect((LOOP, port))
    p.wait_log("accepting connection")
    start = time.monotonic()
    second = local.socket(socket.AF_INET, socket.SOCK_STREAM)
    second.connect((LOOP, port))
    p.wait_log("accepting connection", count=2)
    assert time.monotonic() - start < 0.9 * lab.SLOW
    p.wait_log(r"E TCP4:lost\.test:\d+: Connection refused", timeout=15)


VALUES = ["range={}/32", "range=127.0.0.1:{}", "ip-add-membership={}:127.0.0.1", "ip-add-membership=239.1.1.1:{}", "ip-add-membership=239.1.1.1:{}:lo",
          "ip-add-source-membership=239.1.1.1:{}:127.0.0.1", "ip-add-source-membership=239.1.1.1:127.0.0.1:{}", "ip-multicast-if={}"]
VALUES6 = ["ipv6-join-group=[{}]:lo", "ipv6-join-source-group=[{}]:lo:[::1]", "ipv6-join-source-group=[ff02::7]:lo:[{}]"]


@pytest.mark.parametrize("value", VALUES + VALUES6)
def test_names_in_values_hold_nobody_up(local, dns, value):
    """A name in an option of an address that is opened for each session, and a server that says nothing: who comes meanwhile is accepted.
    In classic only the process that asks waits."""
    port = lab.port()
    target = f"UDP{6 if value in VALUES6 else 4}-RECV:{lab.port()}" if "range" in value or "membership" in value or "join" in value \
        else f"UDP4-SENDTO:{LOOP}:{lab.port()}"
    p = local.start("-d", "-d", "-d", f"TCP4-LISTEN:{port},fork", f"{target},{value.format('silent.test')},res-nsaddr={LOOP}:{dns.port},res-retrans=2,res-retry=2")
    p.wait_log("listening on")
    first = connect(local, port)
    p.wait_log("accepting connection")
    lab.wait_until(lambda: "silent.test" in dns.names(), 3, lambda: repr(p))
    start = time.monotonic()
    second = connect(local, port)
    p.wait_log("accepting connection", count=2)
    p.kill()
    assert p.wait(2).status == 143
    assert time.monotonic() - start < 1 * lab.SLOW
    first.close()
    second.close()


@pytest.mark.parametrize("value", VALUES[:1] + VALUES[3:4])
@pytest.mark.parametrize("address", ["UDP4-RECV:{}", "TCP4-LISTEN:{},fork"])
def test_a_name_in_a_value_is_asked_for_once(local, dns, address, value):
    """Once for an address, however many sessions open it."""
    if "LISTEN" in address and "range" not in value:
        pytest.skip("no group there")
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork", f"{address.format(0)},{value.format('known.test')},reuseaddr,res-nsaddr={LOOP}:{dns.port}")
    p.wait_log("listening on")
    socks = []
    for k in range(5):
        socks.append(connect(local, port))
        p.wait_log("starting data transfer loop", count=k + 1) if "RECV" in address else p.wait_log("listening on", count=k + 2)
    assert dns.names().count("known.test") == 1, dns.seen
    for s in socks:
        s.close()


def test_a_name_in_a_value_is_tried_again(local, dns):
    """retry holds for it as for the name of the target."""
    p = local.start("-d", "-d", "-u", f"TCP4-LISTEN:{lab.port()},range=lost.test/32,retry=4,interval=0.1,res-nsaddr={LOOP}:{dns.port},res-retrans=1,res-retry=1", "-")
    p.wait_log("listening on", timeout=15)


def test_a_range_by_name(local, dns):
    """Who is inside gets in, who is not does not."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork,range=known.test/32,res-nsaddr={LOOP}:{dns.port}", "PIPE")
    p.wait_log("listening on")
    c = connect(local, port)
    c.sendall(b"x")
    assert c.recv(9) == b"x"
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.9", 0)) as s:
        s.connect((LOOP, port))
        assert s.recv(9) == b""
    p.wait_log("refusing connection from AF=2 127.0.0.9")
    c.close()


def helpers(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(n) for n in f.read().split()]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("left", ["-", "TCP4-LISTEN:{p},fork", "TCP4-LISTEN:{p},fork,isolate"])
def test_an_end_during_a_look_up(local, dns, left, sig):
    """Nobody waits for a name server that is silent, and the helper that asks it does not stay behind."""
    port = lab.port()
    p = local.start("-d", "-d", left.format(p=port), f"TCP4:lost-for-ever.test:{lab.port()},res-nsaddr={LOOP}:{dns.port},res-retrans=5")
    if left != "-":
        p.wait_log("listening on")
        c = local.socket(socket.AF_INET, socket.SOCK_STREAM)
        c.connect((LOOP, port))
    lab.wait_until(lambda: dns.seen, 5, "no question")
    family = helpers(p.pid)
    family += [h for f in family for h in helpers(f)]
    assert family
    begin = time.monotonic()
    p.kill(sig)
    assert p.wait().status == 128 + sig and time.monotonic() - begin < 1 * lab.SLOW
    lab.wait_until(lambda: not any(is_running(h) for h in family), 2, "the helper still runs")


def is_running(pid):
    """There is such a process, and it is no zombie that only waits for process 1."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_by_tcp(local, dns):
    assert "Connection refused" in ask(local, dns, "res-usevc").log
    assert dns.seen and all(s[0] == "tcp" for s in dns.seen)


def test_without_recursion(local, dns):
    ask(local, dns, "res-recurse=0")
    assert dns.seen and not any(s[3] for s in dns.seen)


def test_repetition(local, dns):
    """res-retrans: seconds until the question is repeated; res-retry: how often."""
    r = ask(local, dns, "res-retrans=1,res-retry=4", name="lost.test")
    assert "Connection refused" in r.log
    times = [s[4] for s in dns.seen if s[1] == "lost.test"]
    assert len(times) >= 3 and times[1] - times[0] < 3 * lab.SLOW
    dns.seen.clear()
    r = ask(local, dns, "res-retrans=1,res-retry=1", name="lost1.test")
    assert r.status == 255 and "Temporary failure in name resolution" in r.log
    assert dns.names().count("lost1.test") < 3


def test_truncated_answers(local, dns):
    """A cut answer is asked for again by TCP, unless res-igntc."""
    assert "Connection refused" in ask(local, dns, name="long.test").log
    assert "tcp" in [s[0] for s in dns.seen]
    dns.seen.clear()
    r = ask(local, dns, "res-igntc", name="long.test")
    assert r.status and "tcp" not in [s[0] for s in dns.seen]


def test_search_list(local, dns):
    """A plain name is completed by the search list (LOCALDOMAIN) unless res-dnsrch=0 and res-defnames=0."""
    env = {"LOCALDOMAIN": "known.example"}
    port = f"{LOOP}:{dns.port}"
    local.run("-", f"TCP4:plain:{lab.port()},res-nsaddr={port}", env=env, timeout=15)
    assert "plain.known.example" in dns.names()
    dns.seen.clear()
    local.run("-", f"TCP4:plain:{lab.port()},res-nsaddr={port},res-dnsrch=0,res-defnames=0", env=env, timeout=15)
    assert "plain.known.example" not in dns.names()


def test_stayopen_and_debug_do_no_harm(local, dns):
    assert "Connection refused" in ask(local, dns, "res-stayopen,res-usevc,res-debug=0").log


@pytest.mark.parametrize("options,bits", [("", "0x00"), ("ai-v4mapped", "0x08"), ("ai-all", "0x10"), ("ai-addrconfig", "0x20"),
                                          ("ai-passive", "0x01"), ("ai-v4mapped,ai-all", "0x18")])
def test_hints(local, options, bits):
    """ai-*: the flags of the question, which the record of a failed one shows."""
    r = local.run("-", f"TCP4:{LOOP}:nosuchservice" + (f",{options}" if options else ""))
    assert f"{{{bits},2,1,6}}" in r.log, r


def test_passive_hint(local):
    """A listener without ai-passive is at home on the loopback only."""
    p = local.start("-d", "-d", "TCP4-LISTEN:0,ai-passive=0", "PIPE")
    p.wait_log(r"listening on AF=2 127\.0\.0\.1:")


def test_mapped_addresses(local):
    """An IPv4 host for an IPv6 socket."""
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=(LOOP, 0)) as s:
        s.listen()
        p = local.start("-u", "TEXT:x", f"TCP6:{LOOP}:{s.getsockname()[1]},ai-v4mapped")
        c, _ = s.accept()
        c.settimeout(3)
        assert c.recv(9) == b"x" and p.wait().status == 0
