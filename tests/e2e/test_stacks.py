"""Stacks: layers on every transport that carries a stream, and what they say when something fails.

A table of layers and a table of ways to carry them. Both ends send and receive files at once, and the hashes are
compared at the far ends. Behind that: who ends first, who resets, who is gone; peers of other programs; sentences."""
import contextlib
import hashlib
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import sys
import time

import pytest

import lab
from certs import zoo_if_any
from test_tcp import LOOP, connect
from test_vsock import loopback

DATA = os.urandom(5_000_000)
OK = 0


@pytest.fixture(scope="module", name="zoo")
def _zoo(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl(1)")
    return zoo_if_any(tmp_path_factory) or pytest.skip("built without OpenSSL")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Names of sockets and files are short: every program runs in the test's directory."""
    monkeypatch.chdir(tmp_path)


# ---------------------------------------------------------------- layers

def tls_server(zoo, more=""):
    return f"TLS(cert={zoo / 'server.pem'},verify=0{more})"


def tls_client(zoo, more="", ca="ca", name="localhost"):
    return f"TLS(cafile={zoo / ca}.crt,commonname={name}{more})"


# what stands on the transport: (layers of the server, layers of the client). Here is the place of SOCKS, PROXY and others.
LAYERS = {
    "tls": lambda zoo: (tls_server(zoo), tls_client(zoo)),
    "tls+tls": lambda zoo: ("+".join([tls_server(zoo)] * 2), "+".join([tls_client(zoo)] * 2)),
}


# ---------------------------------------------------------------- ways

class Way:
    """A way from a client to a server: their transports, and what has to run or to be inherited besides."""

    def __init__(self, listen, dial, between=None, server_fds=(), client_fds=(), between_fds=(), client_stdio=None, own=()):
        self.listen, self.dial, self.between = listen, dial, between
        self.server_fds, self.client_fds, self.between_fds, self.client_stdio = server_fds, client_fds, between_fds, client_stdio
        self.own = list(own)            # descriptors and sockets of ours, closed once the programs have them

    def close(self):
        for thing in self.own:
            if isinstance(thing, int):
                os.close(thing)
            else:
                thing.close()
        self.own = []


SERVED = "UNIX-LISTEN:./s"              # of the ways whose client needs a program to get there
THERE = f"{lab.SOCAST} -t 1 - UNIX\\:./s"


def by_name(listen, dial):
    def way(_):
        port = lab.port()
        return Way(listen.format(p=port, x=f"x{port:04x}x7f000001x0000000000000000"), dial.format(p=port, x=f"x{port:04x}x7f000001x0000000000000000"))
    return way


def by_vsock(_):
    if loopback():
        pytest.skip(loopback())
    port = lab.port()
    return Way(f"VSOCK-LISTEN:{port}", f"VSOCK:1:{port}")


def by_terminal(_):
    return Way(SERVED, "PTY,link=./p,rawer,wait-slave", between=("-t", "1", "OPEN:./p,rawer", "UNIX:./s"))


def by_inherited(_):
    """Descriptor of a socket pair, whose other end another program has."""
    a, b = socket.socketpair()
    return Way(SERVED, f"FD:{a.fileno()}", between=("-t", "1", f"FD:{b.fileno()}", "UNIX:./s"), client_fds=(a,), between_fds=(b,), own=(a, b))


def by_stdio(_):
    a, b = socket.socketpair()
    return Way(SERVED, "STDIO", between=("-t", "1", f"FD:{b.fileno()}", "UNIX:./s"), between_fds=(b,), client_stdio=(a, a), own=(a, b))


def by_stdio_pipes(_):
    """Standard input and output are two pipes."""
    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
    return Way(SERVED, "STDIO", between=("-t", "1", f"FD:{r2}!!FD:{w1}", "UNIX:./s"), between_fds=(r2, w1), client_stdio=(r1, w2), own=(r1, w1, r2, w2))


def by_accept_fd(local):
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=(LOOP, 0))
    s.listen()
    return Way(f"ACCEPT-FD:{s.fileno()}", f"TCP4:{LOOP}:{s.getsockname()[1]}", server_fds=(s,), own=(s,))


WAYS = {
    "tcp4": by_name("TCP4-LISTEN:{p},reuseaddr", "TCP4:127.0.0.1:{p}"),
    "tcp6": by_name("TCP6-LISTEN:{p},reuseaddr", "TCP6:[::1]:{p}"),
    "unix": by_name(SERVED, "UNIX:./s"),
    "unix-connect": by_name(SERVED, "UNIX-CONNECT:./s"),
    "abstract": by_name("ABSTRACT-LISTEN:s{p}", "ABSTRACT:s{p}"),
    "socket": by_name("SOCKET-LISTEN:2:6:{x}", "SOCKET-CONNECT:2:6:{x}"),
    "vsock": by_vsock,
    "exec": by_name(SERVED, f"EXEC:{THERE}"),
    "exec-pipes": by_name(SERVED, f"EXEC:{THERE},pipes"),
    "exec-pty": by_name(SERVED, f"EXEC:{THERE},pty,rawer"),
    "exec-fdin": by_name(SERVED, "EXEC:" + THERE.replace(" - ", " FD\\:3\\!\\!FD\\:4 ") + ",fdin=3,fdout=4"),
    "system": by_name(SERVED, f"SYSTEM:{THERE}"),
    "pty": by_terminal,
    "fd": by_inherited,
    "stdio": by_stdio,
    "stdio-pipes": by_stdio_pipes,
    "accept-fd": by_accept_fd,
}
# what the other side of a terminal has not read goes with it: nobody is waited for, so it has no place among these
# A program that looks for its own faults is slow: three ways are enough there, and for what takes time.
MAIN = ("tcp4", "unix", "exec")
SLOW = "asan" in lab.SOCAST or "chaos" in lab.SOCAST


def some(ways):
    """Of these ways the main ones, where the program is slow."""
    return [w for w in ways if not SLOW or w in MAIN]


def pairs(ways):
    """Each way with one layer, the main ones with all of them."""
    return [(w, layers) for w in some(ways) for layers in LAYERS if w in MAIN or layers == next(iter(LAYERS))]


KEEPING = some(w for w in WAYS if w != "pty")
SIZES = [(*p, n) for p in pairs(KEEPING) for n in ([1, 100_000, 5_000_000] if p[0] in MAIN else [100_000])]
PLAIN = some(("tcp4", "unix", "exec", "exec-pipes", "exec-pty", "system", "stdio-pipes"))


def fds_of(things):
    return [t if isinstance(t, int) else t.fileno() for t in things]


def listening(local, way, layers, *args, options="", right=None, **kw):
    """The server: @args are flags and the address in front of the stack, @right one behind it."""
    p = local.start("-d", "-d", *args, "+".join(filter(None, [layers, way.listen])) + options, *([right] if right else []), pass_fds=fds_of(way.server_fds), **kw)
    p.wait_log("listening on")
    return p


def dialing(local, way, layers, *args, options="", right=None, **kw):
    """The client, and what stands between the two."""
    if way.client_stdio:
        kw.update(stdin=way.client_stdio[0], stdout=way.client_stdio[1])
    p = local.start(*args, f"{layers}+{way.dial}{options}", *([right] if right else []), pass_fds=fds_of(way.client_fds), **kw)
    if way.between:
        if "link=" in way.dial:
            lab.wait_until(lambda: os.path.exists("p"), 5, lambda: f"no terminal by {p!r}")
        local.start(*way.between, pass_fds=fds_of(way.between_fds))
    way.close()
    return p


def sha(name):
    with open(name, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def make(name, size, tail=b""):
    """A file with bytes of its own; returns its hash."""
    with open(name, "wb") as f:
        f.write(DATA[:size - len(tail)] + tail if size > 1 else tail[:1])
    return sha(name)


def both_ways(name):
    return f"OPEN:{name}-in,rdonly!!CREATE:{name}-out"


def ends(p, status=OK, text=None, timeout=10):
    r = p.wait(timeout)
    r.log = re.sub(r".* W exiting on signal 15\n", "", r.log)       # of a program of ours between the layers and the server
    assert r.status == status and (text is None or re.search(text, r.log)), r
    return r


# ---------------------------------------------------------------- bytes

def exchange(local, zoo, layers, way, size, options=""):
    """Files in both directions at once; returns both programs."""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    want = {"c-out": make("s-in", size, b"server"), "s-out": make("c-in", size, b"client")}
    s = listening(local, w, theirs, "-t", "20", options=options, right=both_ways("s"))
    c = dialing(local, w, ours, "-t", "20", both_ways("c"))
    ends(c, timeout=20)
    return s, want


@pytest.mark.parametrize("way,layers,size", SIZES)
def test_everything_arrives(local, zoo, way, layers, size):
    s, want = exchange(local, zoo, layers, way, size)
    ends(s, timeout=20)
    assert {name: sha(name) for name in want} == want


@pytest.mark.parametrize("options", [",fork", ",fork,isolate", ",fork,max-children=1"])
@pytest.mark.parametrize("way,layers", pairs(["tcp4", "tcp6", "unix", "abstract", "socket", "accept-fd"]))
def test_everything_arrives_with_fork(local, zoo, way, layers, options):
    s, want = exchange(local, zoo, layers, way, 100_000, options=options)
    lab.wait_until(lambda: sha("s-out") == want["s-out"], 5, lambda: repr(s))
    assert sha("c-out") == want["c-out"] and not s.ended()
    s.kill()
    r = s.wait()
    assert r.status == 143 and " E " not in r.log, r


@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("way,layers", pairs(PLAIN))
def test_one_direction(local, zoo, way, layers, sender):
    """-u and -U: the other direction never begins, tickets and all that come unasked included."""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    want = make("in", 1_000_000)
    s = listening(local, w, theirs, "-U" if sender == "client" else "-u", "OPEN:in,rdonly" if sender == "server" else "CREATE:out")
    c = dialing(local, w, ours, "-U" if sender == "server" else "-u", "OPEN:in,rdonly" if sender == "client" else "CREATE:out")
    ends(c, timeout=20)
    ends(s, timeout=20)
    assert sha("out") == want


@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("way,layers", pairs(PLAIN))
def test_who_ends_first_still_hears(local, zoo, way, layers, first):
    """Half-close: the answer begins when the question has ended."""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    want = make("in", 300_000)
    asks, answers = both_ways("a"), "SYSTEM:sha256sum > asked; cat in"
    make("a-in", 200_000, b"question")
    s = listening(local, w, theirs, "-t", "20", asks if first == "server" else answers)
    c = dialing(local, w, ours, "-t", "20", asks if first == "client" else answers)
    ends(c, timeout=20)
    ends(s, timeout=20)
    with open("asked", encoding="ascii") as f:
        assert f.read().split()[0] == sha("a-in") and sha("a-out") == want


@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("way,layers", pairs(PLAIN))
def test_who_leaves_says_so(local, zoo, way, layers, first):
    """A session that ends in the middle (-T) is no attack: each layer says close-notify, those above first. (The lower one's was
    first, and the upper peer took the rest for cut off; a program below was killed ahead of both.)"""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    s = listening(local, w, theirs, *(["-T", "0.2"] if first == "server" else ["-t", "0.2"]), "PIPE:one" if first == "server" else "PIPE:two")
    c = dialing(local, w, ours, *(["-T", "0.2"] if first == "client" else ["-t", "0.2"]), "PIPE:one" if first == "client" else "PIPE:two")
    for p in (c, s):
        r = p.wait(10)
        assert r.status == 0 or p is (s if first == "client" else c), r     # who is left may find nobody to answer the farewell
        assert not re.search("without close-notify|connection has ended", r.log), r


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", ["EXEC", "SYSTEM"])
@pytest.mark.parametrize("flag", ["both", "-u"])
def test_a_slow_program_carries_everything(local, zoo, layers, kind, flag):
    """The layers have ended, the program has not: it is ended when it takes nothing more, not before. (It had 0.25 seconds.)"""
    theirs, ours = LAYERS[layers](zoo)
    want = make("in", 200_000)
    with open("slow.py", "w", encoding="ascii") as f:
        f.write("import os, socket, threading, time\n"
                "s = socket.socket(socket.AF_UNIX)\ns.connect('s')\n"
                "def back():\n    while data := s.recv(65536):\n        os.write(1, data)\n"
                "threading.Thread(target=back, daemon=True).start()\n"
                "while data := os.read(0, 65536):\n    time.sleep(0.3)\n    s.sendall(data)\n")
    s = listening(local, Way(SERVED, None), theirs, "-U" if flag == "-u" else "-t20", "CREATE:out" if flag == "-u" else "/dev/null!!CREATE:out")
    c = local.start(*(["-u"] if flag == "-u" else ["-t20"]), "OPEN:in,rdonly!!/dev/null" if flag == "both" else "OPEN:in", f"{ours}+{kind}:python3 slow.py")
    ends(c, timeout=20)
    ends(s, timeout=20)
    assert sha("out") == want


@pytest.mark.parametrize("way,layers", pairs(PLAIN))
def test_a_slow_reader(local, zoo, way, layers):
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    want = make("in", 3_000_000)
    s = listening(local, w, theirs, "-U", "SYSTEM:sleep 0.4; sha256sum > sum")
    c = dialing(local, w, ours, "-u", "OPEN:in,rdonly")
    ends(c, timeout=20)
    ends(s, timeout=20)
    with open("sum", encoding="ascii") as f:
        assert f.read().split()[0] == want


@pytest.mark.whole
@pytest.mark.parametrize("way,layers", pairs(["tcp4", "unix", "exec"]))
def test_a_peer_that_never_reads(local, zoo, way, layers):
    """The end of the session waits for close-timeout, no longer, and the peer's program is not needed for that."""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    make("in", 5_000_000)
    s = listening(local, w, theirs, "-U", "STALL")
    options = "" if way == "exec" else ",close-timeout=0.2"
    c = dialing(local, w, ours, "-u", "-T", "0.8", "SYSTEM:until test -e go; do sleep 0.02; done; exec cat in", options=options)
    s.wait_log("starting data transfer loop")           # it reads nothing more: no room comes behind our last look
    make("go", 0)
    begun = time.monotonic()
    r = c.wait(10)
    assert time.monotonic() - begun < 6 * lab.SLOW and re.search("could not be delivered|did not take", r.log), r
    assert r.status == 1 or way == "exec", r            # there it may be the program that has the rest, and tells
    s.stop()


@pytest.mark.parametrize("layers", LAYERS)
def test_records_are_gathered(local, zoo, layers):
    """What a session has read is written by one call, not by one for each record of 16 KB."""
    if not shutil.which("strace") or "asan" in lab.SOCAST:
        pytest.skip("needs strace(1), and a program without sanitizers")
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS["tcp4"](local)
    want = make("in", 3_000_000)
    s = listening(local, w, theirs, "-U", "CREATE:out")
    c = local.command(["strace", "-qq", "-s0", "-o", "trace", "-e", "trace=write,writev,sendmsg", lab.SOCAST, "-u", "OPEN:in", f"{ours}+{w.dial}"])
    ends(c, timeout=20)
    ends(s, timeout=20)
    assert sha("out") == want
    with open("trace", encoding="utf-8") as f:
        assert max(int(n) for n in re.findall(r"= (\d+)$", f.read(), re.MULTILINE)) > 100_000


# ---------------------------------------------------------------- peers that go

@pytest.mark.parametrize("option,status,text", [("", 1, "without close-notify|reset by peer|Broken pipe|has ended"), (",eof-without-notify", 0, None)])
@pytest.mark.parametrize("way,layers", pairs(["tcp4", "unix", "exec", "exec-pipes", "pty", "stdio-pipes"]))
def test_a_server_that_vanishes(local, zoo, way, layers, option, status, text):
    """No close-notify: data may be missing, unless that is said to be usual. Both layers are told, as the stack is one."""
    theirs, ours = LAYERS[layers](zoo)
    ours = ours.replace("TLS(", "TLS(" + option[1:] + "," if option else "TLS(")
    w = WAYS[way](local)
    s = listening(local, w, theirs, "SYSTEM:printf half; exec sleep 20")
    c = dialing(local, w, ours, "-U", "CREATE:out")
    lab.wait_until(lambda: os.path.exists("out") and os.path.getsize("out") == 4, 5, lambda: repr(c))
    s.stop(signal.SIGKILL)
    ends(c, status, text)
    with open("out", "rb") as f:
        assert f.read() == b"half"


@pytest.mark.parametrize("way,layers", pairs(["tcp4", "unix"]))
def test_a_reset_in_the_middle(local, zoo, way, layers):
    """The client is gone with much unread; the server serves on."""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    make("in", 5_000_000)
    s = listening(local, w, theirs, options=",fork", right="SYSTEM:cat in")
    for n in range(3):
        c = dialing(local, w, ours, "SYSTEM:printf hello; exec sleep 20")
        s.wait_log("starting data transfer loop", count=n + 1)
        lab.rest(0.1)
        c.stop(signal.SIGKILL)
        s.wait_log(r" E .*(reset by peer|Broken pipe|without close-notify|has ended)", count=n + 1)
    ends(dialing(local, w, ours, "-t", "20", "/dev/null!!CREATE:out"), timeout=20)
    assert sha("out") == sha("in") and not s.ended()


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", ["EXEC", "SYSTEM"])
@pytest.mark.parametrize("pipes", ["", ",pipes"])
def test_a_program_that_goes_is_told(local, zoo, layers, kind, pipes):
    """A program that does not read its input is normal; one that carries a layer, and goes, has cut it off."""
    theirs, ours = LAYERS[layers](zoo)
    s = listening(local, Way(SERVED, None), theirs, "-U", "CREATE:out")
    c = local.start("-u", "-", f"{ours}+{kind}:{THERE}{pipes}")
    c.send(b"first")
    lab.wait_until(lambda: os.path.exists("out") and os.path.getsize("out") == 5, 5, lambda: repr(c))
    for pid in lab.descendants(c.pid):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(BrokenPipeError):
        c.send(b"second")
    c.close_stdin()
    ends(c, 1)
    if kind == "EXEC":                  # a shell's death leaves its child time for the farewell
        ends(s, 1, "without close-notify|has ended|reset by peer")


# ---------------------------------------------------------------- others' programs

def test_s_client(local, zoo):
    """openssl s_client at a UNIX socket, and as the program that carries the inner layer of two."""
    s = listening(local, Way(SERVED, None), tls_server(zoo), options=",fork", right="PIPE")
    for extra in ([], ["-nbio"], ["-tls1_2"]):
        p = local.command(["openssl", "s_client", "-quiet", "-unix", "./s", "-CAfile", zoo / "ca.crt", "-verify_return_error", *extra])
        p.send(DATA[:100_000])
        assert p.expect_output(100_000) == DATA[:100_000]
        p.clear()
    assert not s.ended()
    way = WAYS["tcp4"](local)
    inner = listening(local, way, "+".join([tls_server(zoo)] * 2), options=",fork", right="PIPE")
    port = way.listen.split(":")[1].split(",")[0]
    for extra in ("", " -nbio"):
        r = local.run("-t", "5", "-", f"{tls_client(zoo)}+EXEC:openssl s_client -quiet{extra} -connect {LOOP}\\:{port}", input=DATA[:300_000], timeout=20)
        assert r.out == DATA[:300_000], (r, inner)


@pytest.mark.parametrize("extra", [[], ["-nbio"], ["-tls1_2"]], ids=["", "nbio", "1.2"])
def test_s_server(local, zoo, extra):
    """openssl s_server at a UNIX socket sends back every line reversed."""
    s = local.command(["openssl", "s_server", "-rev", "-unix", "./s", "-cert", zoo / "server.pem", *extra])
    lab.wait_until(lambda: os.path.exists("s"), 5, lambda: repr(s))
    c = local.start("-", tls_client(zoo) + "+UNIX:./s")
    for line in (b"abc\n", b"x" * 3000 + b"y\n"):
        c.send(line)
        c.expect_output(line[-2::-1] + b"\n")


def test_python_in_two_layers(local, zoo):
    """TLS within TLS by Python, as client; it ends with two farewells."""
    way = WAYS["tcp4"](local)
    s = listening(local, way, "+".join([tls_server(zoo)] * 2), options=",fork", right="PIPE")
    context = ssl.create_default_context(cafile=zoo / "ca.crt")
    outer = context.wrap_socket(connect(local, int(way.listen.split(":")[1].split(",")[0])), server_hostname="localhost")
    read, write = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = context.wrap_bio(read, write, server_hostname="localhost")

    def drive(call, *args):
        while True:
            try:
                result = call(*args)
                outer.sendall(write.read())
                return result
            except ssl.SSLWantReadError:
                outer.sendall(write.read())
                read.write(outer.recv(65536))
    drive(inner.do_handshake)
    sent = DATA[:50_000]
    got = b""
    for at in range(0, len(sent), 10_000):
        drive(inner.write, sent[at:at + 10_000])
        while len(got) < at + 10_000:
            got += drive(inner.read, 65536)
    assert got == sent
    drive(inner.unwrap)
    outer.settimeout(5)
    outer.unwrap()
    s.kill()
    assert " E " not in s.wait().log, s


def test_stunnel_is_the_outer_layer(local, zoo, tmp_path):
    """stunnel as client puts the outer layer on our inner one."""
    stunnel = shutil.which("stunnel4") or shutil.which("stunnel")
    if not stunnel:
        pytest.skip("needs stunnel")
    way = WAYS["tcp4"](local)
    s = listening(local, way, "+".join([tls_server(zoo)] * 2), options=",fork", right="PIPE")
    front = lab.port()
    (tmp_path / "conf").write_text(f"foreground = yes\npid =\n[x]\nclient = yes\naccept = {LOOP}:{front}\n"
                                   f"connect = {LOOP}:{way.listen.split(':')[1].split(',')[0]}\nCAfile = {zoo / 'ca.crt'}\nverifyChain = yes\n")
    local.command([stunnel, str(tmp_path / "conf")])
    connect(local, front).close()
    r = local.run("-t", "5", "-", f"{tls_client(zoo)}+TCP4:{LOOP}:{front}", input=DATA[:500_000], timeout=20)
    assert r.out == DATA[:500_000] and r.status == 0, (r, s)


# ---------------------------------------------------------------- refusals

FAILING = some(("tcp4", "unix", "abstract", "exec", "exec-pty", "system", "pty", "stdio-pipes"))
# The program below may say something in between.
UNTRUSTED = r"SSL_connect\(\): error:0A000086(?:.*\n)+.*not trusted: unable to get local issuer"


@pytest.mark.parametrize("case", ["issuer", "name", "plain", "silent", "gone", "inner issuer", "inner name", "outer issuer", "inner plain", "inner silent"])
@pytest.mark.parametrize("way", FAILING)
def test_sentences_of_handshakes(local, zoo, way, case):
    """The status is 1, and the last sentence says what is wrong; TLS within TLS may fail in either."""
    good, bad, misnamed = tls_client(zoo), tls_client(zoo, ca="other-ca"), tls_client(zoo, name="elsewhere")
    quick, one = tls_client(zoo, ",handshake-timeout=0.3"), tls_server(zoo)
    theirs, right, ours, text = {
        "issuer": (one, "PIPE", bad, UNTRUSTED),
        "name": (one, "PIPE", misnamed, 'E certificate is valid but its commonName does not match hostname "elsewhere"'),
        "plain": ("", "SYSTEM:echo 220 hello; exec sleep 9", good, r"E SSL_connect\(\): error:0A00010B.*wrong version number(?:.*\n)+.*speak no TLS"),
        "silent": ("", "SYSTEM:exec sleep 9", quick, "E TLS: handshake: Connection timed out"),
        "gone": ("", "SYSTEM:true", good, r"E SSL_connect\(\): (the (peer ended the connection during the handshake|connection has ended)|Connection reset by peer|Broken pipe)"),
        "inner issuer": (one + "+" + one, "PIPE", bad + "+" + good, UNTRUSTED),
        "inner name": (one + "+" + one, "PIPE", misnamed + "+" + good, 'not match hostname "elsewhere"'),
        "outer issuer": (one + "+" + one, "PIPE", good + "+" + bad, UNTRUSTED),
        "inner plain": (one, "SYSTEM:echo 220 hello; exec sleep 9", good + "+" + good, "wrong version number"),
        "inner silent": (one, "SYSTEM:exec sleep 9", quick + "+" + good, "E TLS: handshake: Connection timed out"),
    }[case]
    w = WAYS[way](local)
    s = listening(local, w, theirs, options=",fork", right=right)
    ends(dialing(local, w, ours, "PIPE:mine"), 1, text)
    assert not s.ended()


@pytest.mark.parametrize("transport", ["UNIX:s", "UNIX-CONNECT:s", "ABSTRACT:s", "EXEC:cat", "SYSTEM:cat", "PTY", "STDIO", "FD:3", "SOCKET-CONNECT:2:0:x00", "VSOCK:1:1", "PIPE:p"])
@pytest.mark.parametrize("flags", [(), ("--check",)], ids=["run", "check"])
def test_nobody_to_verify(local, transport, flags):
    """A client that verifies is told what to add, before anything is opened."""
    word = transport.split(":")[0]
    if not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    r = local.run(*flags, "/dev/null", f"TLS+{transport}")
    assert r.status == 1 and f"E TLS: {word} has no host name to verify" in r.log and "W name whom to expect: commonname=NAME" in r.log, r


def test_nobody_is_there(local, zoo):
    """The transport's sentence, not one about kinds of sockets."""
    for transport, text in (("UNIX:./nope", "No such file"), ("ABSTRACT:nope", "Connection refused"), (f"TCP4:{LOOP}:1", "Connection refused")):
        r = local.run("/dev/null", f"{tls_client(zoo)}+{transport}")
        assert r.status == 1 and text in r.log and "needs a stream" not in r.log, r


@pytest.mark.parametrize("way,layers", pairs(["tcp4", "unix", "abstract"]))
def test_a_server_meets_strangers(local, zoo, way, layers):
    """Plain text, silence and early ends: one sentence each, with the address where there is one; it serves on."""
    theirs, ours = LAYERS[layers](zoo)
    theirs = theirs.replace("verify=0", "verify=0,handshake-timeout=0.3")
    w = WAYS[way](local)
    s = listening(local, w, theirs, options=",fork", right="PIPE")
    who = r"127\.0\.0\.1:\d+: " if way == "tcp4" else ""
    for data, text in ((b"GET / HTTP/1.0\r\n\r\n", r"SSL_accept\(\): error:0A00009C"), (b"", r"SSL_accept\(\): the peer ended the connection during the handshake")):
        local.run("-t", "1", "-", w.dial, input=data)
        s.wait_log(f" E {who}{text}")
    silent = local.start("-t", "0.1", "-", w.dial)
    s.wait_log(rf" E {who}TLS: handshake: Connection timed out")
    assert silent.wait().status == 0, silent
    assert local.run("-t", "5", "-", f"{ours}+{w.dial}", input=b"hello").out == b"hello" and not s.ended()


@pytest.mark.parametrize("stack,text", [
    ("TLS(verify=0)+UDP:127.0.0.1:9", "TLS needs a stream, and UDP gives datagrams"),
    ("DTLS(verify=0)+TCP:127.0.0.1:9", "DTLS needs datagrams, and TCP gives a stream"),
    ("TLS(verify=0)+DTLS(verify=0)+UNIX-CLIENT:./nope", "TLS needs a stream, and DTLS gives datagrams"),
    ("DTLS(verify=0)+TLS(verify=0)+UNIX-CLIENT:./nope", "DTLS needs datagrams, and TLS gives a stream"),
    ("DTLS(verify=0)+UDP-RECVFROM:{p},fork", "DTLS cannot stand on UDP-RECVFROM, whose sessions are one datagram"),
    ("DTLS(verify=0)+UNIX-RECVFROM:./r", "DTLS cannot stand on UNIX-RECVFROM, whose sessions are one datagram"),
    ("TLS(verify=0)+STDIN", "cannot stand on STDIN"),
    ("TLS(verify=0)+OPEN:a!!OPEN:b", "half of a dual|dual"),
    ("TLS+TLS+TCP:127.0.0.1:9,verify=0", "could be that of TLS or that of another TLS"),
])
def test_what_does_not_fit(local, stack, text):
    if not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    for flags in ([], ["--check"]):
        r = local.run(*flags, "/dev/null", stack.format(p=lab.port()))
        assert r.status == 1 and re.search(text, r.log), r


# ---------------------------------------------------------------- datagrams

def test_dtls_within_reach(local, zoo):
    """DTLS written as a layer on UDP, UNIX datagrams and a program's datagram socket pair."""
    port = lab.port()
    s = local.start("-d", "-d", f"DTLS(cert={zoo / 'server.pem'},verify=0)+UDP4-LISTEN:{port},fork", "PIPE")
    s.wait_log("listening on")
    client = f"DTLS(cafile={zoo / 'ca.crt'},commonname=localhost)"
    there = f"UDP4\\:{LOOP}\\:{port}"
    for transport in (f"UDP4:{LOOP}:{port}", f"UDP4-DATAGRAM:{LOOP}:{port}", f"UDP4-SENDTO:{LOOP}:{port}",
                      f"EXEC:{lab.SOCAST} - {there},socktype=2", f"EXEC:{lab.SOCAST} - {there},socktype=5"):
        c = local.start("-", f"{client}+{transport}")
        for data in (b"first", b"x" * 1000):
            c.send(data)
            c.expect_output(data)
        c.clear()
    assert not s.ended()


@pytest.mark.parametrize("transport", ["UNIX-SENDTO:./nope", "POSIXMQ-BIDIRECTIONAL:/stacks", "UDP4:127.0.0.1:1", "EXEC:cat,socktype=2", "EXEC:cat,socktype=5"])
def test_dtls_without_anybody(local, transport):
    """Whatever the end is: a sentence. (It was taken for one that has an address.)"""
    if not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    r = local.run("/dev/null", f"DTLS(verify=0,handshake-timeout=0.3)+{transport}")
    assert r.status == 1 and re.search(r"E (SSL_connect\(\)|DTLS: handshake|.*POSIXMQ)", r.log), r


# ---------------------------------------------------------------- the whole program

@pytest.mark.parametrize("way,layers", pairs(w for w in WAYS if w != "vsock"))
def test_told_without_being_opened(local, zoo, way, layers):
    """--check and --explain of either end."""
    theirs, ours = LAYERS[layers](zoo)
    w = WAYS[way](local)
    for stack in (f"{theirs}+{w.listen},fork", f"{ours}+{w.dial}"):
        for flag in ("--check", "--explain"):
            r = local.run(flag, "/dev/null", stack, input=None, pass_fds=fds_of(w.server_fds + w.client_fds))
            assert r.status == 0 and " E " not in r.log, r
    assert not os.path.exists("s") and not os.path.exists("p")
    w.close()


def test_records_say_what_was_agreed(local, zoo):
    """-d -d: each layer on both sides says on what it stands, with whom it talks, by which version and cipher; one record."""
    for way, keyword, whom in (("unix", "UNIX", "a server"), ("tcp4", "TCP4", r"127\.0\.0\.1:\d+")):
        w = WAYS[way](local)
        s = listening(local, w, LAYERS["tls+tls"](zoo)[0], "PIPE:x")
        c = dialing(local, w, LAYERS["tls+tls"](zoo)[1], "-d", "-d", "/dev/null")
        for r, where, peer in ((ends(c), keyword, whom), (ends(s), keyword + "-LISTEN", "a client")):
            said = re.findall(r" N (TLS on .*)\n", r.log)
            want = [f"{on}{where}: connected to {peer}, TLSv1\\.3, TLS_\\w+" for on in ("TLS on ", "TLS on TLS on ")]
            assert len(said) == 2 and all(re.fullmatch(a, b) for a, b in zip(want, said)), r
            assert "SSL connection" not in r.log and "OpenSSL" not in r.log, r


def test_records_of_a_layer_behind_a_proxy(local, zoo):
    """It says whom it talks to, which is not whom the transport has connected to."""
    s = local.start("-d", "-d", f"{tls_server(zoo)}+UNIX-LISTEN:./s", "PIPE")
    s.wait_log("listening on")
    with open("proxy", "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nhead -c 3 >greeting; printf '\\5\\0'; head -c 22 >request; printf '\\5\\0\\0\\1\\0\\0\\0\\0\\0\\0'\n"
                f"exec {lab.SOCAST} -t 5 - UNIX:./s\n")
    os.chmod("proxy", 0o700)
    r = local.run("-d", "-d", "-t", "5", "-", tls_client(zoo) + "+SOCKS5(to=db.example.test:443)+EXEC:./proxy", input=b"hello")
    assert r.out == b"hello" and "N TLS on SOCKS5 on EXEC: connected to db.example.test:443, TLSv1.3, TLS_" in r.log, r


@pytest.mark.parametrize("way,bare", [("tcp4", True), ("unix", True), ("tcp4", False), ("unix", False)])
def test_bare_ends_are_spliced(local, zoo, way, bare):
    """Without a layer the kernel moves the bytes; with one it cannot."""
    w = WAYS[way](local)
    theirs, ours = LAYERS["tls"](zoo)
    make("in", 1_000_000)
    s = local.start("-d", "-d", w.listen if bare else f"{theirs}+{w.listen}", "SYSTEM:cat > /dev/null,pipes")
    s.wait_log("listening on")
    c = local.start("-d", "-d", "-d", "-d", "OPEN:in,rdonly", w.dial if bare else f"{ours}+{w.dial}")
    r = c.wait(10)
    assert ("splice" in r.log or "sendfile" in r.log) == bare, r
    s.stop()


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("options", ["isolate", "su=nobody", "isolate,su=nobody"])
def test_own_processes(local, zoo, layers, options):
    """A process for each session, and another user: the parent says no farewell, and keys are read before."""
    if "su" in options and not lab.REAL_ROOT:
        pytest.skip("needs root")
    theirs, ours = LAYERS[layers](zoo)
    os.chmod(".", 0o755)
    s = listening(local, Way(SERVED + ",mode=777", None), theirs, options=",fork," + options, right="PIPE")
    cs = [local.start("-t", "5", "-", f"{ours}+UNIX:./s") for _ in range(3)]
    for n, c in enumerate(cs):
        c.send(b"hello %d" % n)
    for n, c in enumerate(cs):
        c.expect_output(b"hello %d" % n)
        c.close_stdin()
    for c in cs:
        assert " E " not in ends(c).log
    assert not s.ended()


@pytest.mark.parametrize("layers", LAYERS)
def test_max_children(local, zoo, layers):
    """Others wait for their turn; each gets everything."""
    theirs, ours = LAYERS[layers](zoo)
    s = listening(local, Way(SERVED, None), theirs, options=",fork,max-children=2", right="SYSTEM:sleep 0.1; cat")
    cs = [local.start("-t", "10", "-", f"{ours}+UNIX:./s") for _ in range(6)]
    for c in cs:
        c.send(DATA[:20_000])
        c.close_stdin()
    for c in cs:
        assert ends(c, timeout=20).out == DATA[:20_000]
    assert not s.ended()


@pytest.mark.parametrize("way,layers", pairs(["tcp4", "unix"]))
def test_half_open_handshakes(local, zoo, way, layers):
    """Many that never finish: they go with handshake-timeout, nothing is left of them, and who comes behind them is served."""
    theirs, ours = LAYERS[layers](zoo)
    theirs = theirs.replace("verify=0", "verify=0,handshake-timeout=0.5")
    w = WAYS[way](local)
    s = listening(local, w, theirs, options=",fork", right="PIPE")
    before = len(lab.descriptors(s.pid))
    idle = []
    for _ in range(100):
        if way == "unix":
            c = socket.socket(socket.AF_UNIX)
            c.connect("./s")
        else:
            c = connect(local, int(w.listen.split(":")[1].split(",")[0]))
        c.send(b"\x16\x03\x01\x02\x00\x01")
        idle.append(c)
    assert local.run("-t", "5", "-", f"{ours}+{w.dial}", input=b"hello").out == b"hello"
    lab.wait_until(lambda: len(lab.descriptors(s.pid)) <= before + 1, 5, lambda: f"{lab.descriptors(s.pid)} {s!r}")
    for c in idle:
        with contextlib.suppress(OSError):
            c.close()
    assert not s.ended()


# Opens many connections, says something in each, and keeps them until its standard input ends.
CROWD = """
import os, resource, socket, sys
many, port, says = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
crowd = []
for _ in range(many):
    c = socket.socket()
    c.setblocking(False)
    crowd.append(c)
    try:
        c.connect(("127.0.0.1", port))
    except BlockingIOError:
        pass
    try:
        c.send(says)
    except OSError:
        pass
print("here", flush=True)
os.read(0, 1)
"""


@pytest.mark.parametrize("options,limit,says", [("", None, ""), (",max-children=100", None, ""), ("", 1024, ""), (",max-children=100", None, "160301020001")],
                         ids=["unbounded", "max-children", "descriptors", "they begin"])
def test_silent_handshakes(local, zoo, options, limit, says):
    """Thousands who say nothing, or begin and stop, through three layers: one who does is served, and so are the sessions there
    are. Without a bound all of them are kept; with one, the unfinished have half of it, and those quiet longest give way."""
    theirs, ours = "+".join([tls_server(zoo)] * 3), "+".join([tls_client(zoo)] * 3)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    many = min(10_000, hard // 2 - 100) if not says else 150
    port = lab.port()
    s = local.command(["sh", "-c", f'ulimit -n {limit or hard}; exec "$@"', "sh", lab.SOCAST, "--stats=100",
                       f"{theirs}+TCP4-LISTEN:{port},reuseaddr,fork{options}", "PIPE"])
    connect(local, port).close()
    with_session = local.start("-t", "5", "-", f"{ours}+TCP4:{LOOP}:{port}")
    with_session.send(b"before")
    with_session.expect_output(b"before")
    crowd = local.command([sys.executable, "-c", CROWD, str(many), str(port), says])
    crowd.expect_output(b"here\n", 20)
    for _ in range(2):
        assert local.run("-t", "5", "-", f"{ours}+TCP4:{LOOP}:{port}", input=b"hello", timeout=20).out == b"hello", s
    with_session.send(b"after")
    with_session.expect_output(b"beforeafter")
    assert len(lab.descriptors(s.pid)) <= (100 if options else limit or many) + 30
    s.kill()
    r = s.wait()
    gave_way = int((re.search(r"address 1 .*handshake (\d+)", r.log) or [0, 0])[1])
    assert (gave_way > many // 4) == bool(options or limit), (gave_way, r)
    assert not gave_way or re.search(rf"W {LOOP}:\d+: TLS: handshake: not over after \S+ seconds, and others want the place", r.log), r
    crowd.close_stdin()


def test_variables_of_two_layers(local, zoo):
    """Each client has certificates of its own in both layers: the upper one's variables have the plain names, the lower one's are numbered."""
    ask = "/".join(f"${{SOCAST_{n}}}" for n in ("TLS_X509_COMMONNAME", "OPENSSL_X509_COMMONNAME", "TLS2_X509_COMMONNAME", "OPENSSL2_X509_COMMONNAME",
                                                "TLS2_PROTO_VERSION", "TLS3_PROTO_VERSION"))
    theirs = f"TLS(cert={zoo / 'server.pem'},cafile={zoo / 'ca.crt'},commonname=)+TLS(cert={zoo / 'server.pem'},cafile={zoo / 'other-ca.crt'},commonname=)"
    s = local.start("-d", "-d", f"{theirs}+UNIX-LISTEN:./s,fork", f"SYSTEM:echo {ask}")
    s.wait_log("listening on")
    r = local.run("-t", "5", "-", "+".join([tls_client(zoo, f",cert={zoo / 'client.pem'}"), tls_client(zoo, f",cert={zoo / 'stranger.pem'}"), "UNIX:./s"]))
    assert r.out == b"alice/alice/mallory/mallory/TLSv1.3/\n", (r, s)


def test_key_updates_among_the_records(local, zoo):
    """The answers to key updates stand between records that have been gathered: nothing overtakes anything."""
    make("in", 5_000_000)
    s = listening(local, Way(SERVED, None), tls_server(zoo), "-t", "20", right="OPEN:in,rdonly!!CREATE:out")
    c = local.command(["openssl", "s_client", "-brief", "-unix", "./s", "-CAfile", zoo / "ca.crt", "-verify_return_error"])
    for n in range(20):
        c.send("K\n")                   # a command: ask for new keys, and change ours
        c.expect_output(n * 200_000)
    got = c.expect_output(5_000_000, timeout=20)
    assert hashlib.sha256(got).hexdigest() == sha("in"), (s, c)
    c.close_stdin()
    assert "KEYUPDATE" in c.log and " E " not in s.log, (s, c)


def test_key_updates_without_end(local, zoo):
    """Somebody who says nothing but that costs more processor than he pays for: his session ends, and the others go on."""
    s = listening(local, Way(SERVED, None), tls_server(zoo), options=",fork", right="PIPE")
    honest = local.start("-t", "5", "-", f"{tls_client(zoo)}+UNIX:./s")
    c = local.command(["openssl", "s_client", "-unix", "./s", "-CAfile", zoo / "ca.crt", "-verify_return_error"])
    c.expect_output(b"Verify return code: 0")
    for _ in range(300):
        if " E " in s.log:
            break
        with contextlib.suppress(OSError):
            c.send("k\n")               # a command: change our keys
        lab.rest(0.01)
        lab.pump(0)
    s.wait_log("E SSL_read.*: the peer sends one handshake message after the other, and no data")
    honest.send(b"hello")
    honest.expect_output(b"hello")
    assert not s.ended()
