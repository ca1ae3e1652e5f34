"""--explain, --check, --progress, and log records as JSON.

The strongest test of an explanation is the program itself: what it foretells about the way of the
data is compared with what the same line says when it runs.
"""
import calendar
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

import lab
from screen import Terminal

HOW = {"moved as datagrams": "datagrams", "handed from the file": "sendfile", "moved inside the kernel": "splicing",
       "copied through a buffer": "copying"}
ROOT = lab.REAL_ROOT


def explain(host, *args, **kw):
    r = host.run("--explain", *args, **kw)
    assert r.status == 0, r
    return r.out.decode()


def foretold(text, way):
    """Name of the path in direction @way ("left to right"), None if it cannot be told."""
    line, = re.findall(rf"  From {way} the data is (.*)", text)
    if line.startswith("moved in a way that shows when"):
        return None
    return next(name for start, name in HOW.items() if line.startswith(start))


@pytest.fixture
def place(tmp_path):
    """A directory with things in it."""
    (tmp_path / "file").write_bytes(b"0123456789" * 100)
    (tmp_path / "old").write_bytes(b"old")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.bind(str(tmp_path / "sock"))
        s.listen(9)
        yield tmp_path


@pytest.fixture
def server(local):
    """The port of a TCP server."""
    with local.inside(), socket.create_server(("127.0.0.1", 0)) as s:
        yield s.getsockname()[1]


# ---------------------------------------------------------------- the way of the data, foretold and real

LINES = [
    ("-u", "OPEN:{p}/file", "CREATE:{p}/new", {"left to right": "copying"}),
    ("-u", "OPEN:{p}/file", "OPEN:{p}/new,creat", {"left to right": "copying"}),
    ("-u", "OPEN:{p}/file", "OPEN:{p}/new", {"left to right": None}),
    ("-u", "OPEN:file,chdir={p}", "TCP4:127.0.0.1:{port}", {"left to right": "sendfile"}),
    ("-u", "OPEN:{p}/file,readbytes=7", "UNIX-CONNECT:{p}/sock", {"left to right": "sendfile"}),
    ("-u", "OPEN:{p}/file", "UNIX-CLIENT:{p}/sock", {"left to right": None}),
    ("-u", "OPEN:{p}/file", "GOPEN:{p}/sock", {"left to right": None}),
    ("-u", "OPEN:{p}/file,escape=1", "TCP4:127.0.0.1:{port}", {"left to right": "copying"}),
    ("-u", "OPEN:{p}/file,crnl", "TCP4:127.0.0.1:{port}", {"left to right": "copying"}),
    ("-u", "-v", "OPEN:{p}/file", "TCP4:127.0.0.1:{port}", {"left to right": "copying"}),
    ("-U", "TCP4:127.0.0.1:{port}", "OPEN:{p}/file", {"right to left": "sendfile"}),
    ("-u", "TEXT:abc", "SYSTEM:cat >/dev/null,pipes", {"left to right": "splicing"}),
    ("TEXT:abc", "EXEC:cat", {"left to right": "sendfile", "right to left": "splicing"}),
    ("-u", "TEXT:abc", "EXEC:cat,pty", {"left to right": "copying"}),
    ("-u", "TEXT:abc", "EXEC:cat,socktype=2", {"left to right": "datagrams"}),
    ("-u", "TEXT:abc", "GOPEN:{p}/old", {"left to right": "copying"}),
    ("-u", "EXEC:echo a,pipes", "GOPEN:{p}/old", {"left to right": "copying"}),
    ("-u", "EXEC:echo a,pipes", "GOPEN:{p}/new", {"left to right": "splicing"}),
    ("-u", "EXEC:echo a,pipes", "OPEN:{p}/old,append", {"left to right": "copying"}),
    ("-u", "EXEC:echo a,pipes", "/dev/null", {"left to right": "copying"}),
    ("TEXT:abc", "PIPE", {"left to right": "splicing", "right to left": "splicing"}),
    ("TEXT:abc", "SOCKETPAIR", {"left to right": "datagrams", "right to left": "datagrams"}),
    ("TEXT:abc", "SOCKETPAIR,socktype=1", {"left to right": "sendfile", "right to left": "splicing"}),
    ("-", "PIPE", {"left to right": "splicing", "right to left": "splicing"}),
    ("-u", "STDIN", "STDOUT", {"left to right": "splicing"}),
    ("-u", "-", "FD:2", {"left to right": "splicing"}),
    ("-u", "-", "PTY", {"left to right": "copying"}),
    ("TEXT:abc!!STDOUT", "PIPE", {"left to right": "copying", "right to left": "copying"}),
    ("-u", "TEXT:abc!!STDOUT", "PIPE", {"left to right": "splicing"}),
    ("TEXT:abc", "PIPE!!UDP4-SENDTO:127.0.0.1:9", {"left to right": "datagrams", "right to left": "copying"}),
    ("-u", "-T.1", "STALL", "-", {"left to right": "copying"}),
    ("-u", "-", "UDP4-SENDTO:127.0.0.1:9", {"left to right": "datagrams"}),
    ("-u", "-", "UDP4-DATAGRAM:127.255.255.255:9,broadcast", {"left to right": "datagrams"}),
    ("-u", "-", "UDP6-CONNECT:[::1]:9", {"left to right": "datagrams"}),
    ("-u", "-T.1", "UDP4-RECV:{udp}", "-", {"left to right": "datagrams"}),
    ("-u", "-", "UNIX-SENDTO:{p}/nobody", {"left to right": "datagrams"}),
    ("-u", "-", "SOCKET-CONNECT:2:6:x{xport}x7f000001x0000000000000000", {"left to right": "splicing"}),
    ("-u", "-", "SOCKET-SENDTO:2:2:17:x0009x7f000001x0000000000000000", {"left to right": "datagrams"}),
    ("-u", "-", "MCAST4:239.1.2.3:{udp},if=lo", {"left to right": "datagrams"}),
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line[:-1]))
def test_path_is_foretold(local, place, server, line):
    """Every way that --explain tells of is the one the program takes."""
    *words, ways = line
    with local.udp() as s:
        free = s.getsockname()[1]
    args = [w.format(p=place, port=server, xport=f"{server:04x}", udp=free) for w in words]
    told = explain(local, *args)
    for way, name in ways.items():
        assert foretold(told, way) == name, told
    assert {way for way in ("left to right", "right to left") if f"From {way}" in told} == set(ways)
    p = local.start("-ddd", *args)
    if not any(ways.values()):
        return          # it cannot be told: nothing to compare
    with contextlib.suppress(BrokenPipeError):      # a line that ends by itself may be over
        p.send("x")
        p.close_stdin()
    m = p.wait_log(r"starting data transfer loop with FDs \[(-?\d+),(-?\d+)\] and \[(-?\d+),(-?\d+)\]")
    fds = {"left to right": (m[1], m[4]), "right to left": (m[3], m[2])}
    for way, name in ways.items():
        assert p.wait_log(r"moving from %s to %s by (\w+)" % fds[way])[1] == name, (way, told)
    p.stop()


def test_path_without_fast_paths(local, place):
    told = explain(local, "-u", f"OPEN:{place}/file", "UNIX-CONNECT:/x", env={"SOCAST_FASTPATH": "0"})
    assert foretold(told, "left to right") == "copying"
    assert "Not by sendfile: SOCAST_FASTPATH=0 forbids it." in told


def test_tls_is_foretold(local, tmp_path):
    told = explain(local, "-", "OPENSSL:127.0.0.1:1,verify=0")
    assert foretold(told, "left to right") == "copying"
    assert "an end changes the bytes" in told
    assert foretold(explain(local, "-", "OPENSSL-DTLS-CLIENT:127.0.0.1:1"), "right to left") == "datagrams"


def test_every_type_has_a_forecast(local):
    """Each type of the help can be explained, with parameters of the right number."""
    text = local.run("-h").out.decode()
    types = re.findall(r"^      ([A-Z][\w-]*)(\S*)\t+groups=", text, re.M)
    assert len(types) > 60
    for name, syntax in types:
        n = len([part for part in re.sub(r"\[.*?\]", "", syntax).split(":") if part])
        address = ":".join([name] + ["0"] * n)
        r = local.run("--explain", "-u", address, "-")
        if r.status and b"built without" in r.err:
            continue
        assert r.status == 0, (address, r)
        out = r.out.decode()
        assert f"Left address: {name}" in out and "From left to right the data is" in out, out


# ---------------------------------------------------------------- the sentences

@pytest.mark.parametrize("args,sentences", [
    (("-", "TCP4:example.org:80"), [
        "Left address: STDIO (written -)", "Right address: TCP4-CONNECT (written TCP4)\n  TCP over IPv4 connection to a server.",
        "Its host is example.org, its port is 80.", "It is read from and written to.",
        "There is one session, and one process for it: this one.", "A helper process looks up the name example.org, and ends.",
        "the other may stay silent for 0.5 seconds (-t)", "None, besides permission"]),
    (("-u", "-T5", "-", "TCP4:127.0.0.1:8000"), [
        "It is only read from.", "It is only written to.", "When that direction has ended, it is over.",
        "After 5 seconds without any data it is over, too (-T).", "!looks up", "!From right to left"]),
    (("TCP4-L:8000,fork,max-children=3,reuseaddr", "EXEC:cat -n"), [
        "Its options, in the order in which they act:\n    before the socket is bound (PREBIND)\n      reuseaddr=1 (so-reuseaddr): ",
        "for everybody who has been accepted (PASTACCEPT)\n      fork=1: ", "      max-children=3: ", 'Its command-line is "cat -n".',
        "The left address is opened once and serves many: whoever comes there begins a session, at most 3 at a time.", "For each session the right address is opened anew.",
        "All sessions share one process: this one.", "A program is started for the right address for each session."]),
    (("TCP4-L:8000,fork,isolate", "-"), ["Each session gets a process of its own, beside the one that waits: option isolate."]),
    (("TCP4-L:8000,fork", "TCP4:127.0.0.1:1,chroot-early=/"), [
        "Each session gets a process of its own, beside the one that waits: an option that changes user, root directory or session."]),
    (("-", "EXEC:cat,nofork"), ["The process becomes the program of the right address (option nofork).",
                                "The program gets the descriptors of the left address", "!From left to right"]),
    (("-", "SYSTEM:cat,nofork"), ["The process waits for the command of the right address (option nofork).", "!becomes"]),
    (("-", "TCP4:127.0.0.1:1,fork"), ["The right address yields one session after another, and does not wait for the last one to end.", "!at a time"]),
    (("-", "TCP4:127.0.0.1:1,fork,max-children=1"), ["The right address yields one session after another, never two at a time.", "!beside each other"]),
    (("-", "TCP4-L:8000,fork,max-children=4"), ["The right address yields one session after another, at most 4 at a time."]),
    (("TCP4-L:8000,fork,max-children=1", "PIPE"), ["serves many: one session after another, never two at a time.", "!beside each other"]),
    (("TCP4-L:8000,fork,isolate,max-children=1", "PIPE"), ["serves many: one session after another, never two at a time."]),
    (("TCP4-L:8000,fork", "PIPE"), ["serves many: whoever comes there begins a session.\n", "!at a time"]),
    (("-", "UDP4-RECV:8000"), ["It is read from and written to, although it supports only reading: a warning will say so."]),
    (("STDIN!!STDOUT", "PIPE"), ["Left address, for reading: STDIN", "Left address, for writing: STDOUT"]),
    (("-u", "STDIN!!EXEC:cat", "PIPE"), ["It is not opened, because data goes the other way only.", "!program is started"]),
    (("-", "MCAST4:239.1.1.1:8000"), ["Its group is 239.1.1.1, its port is 8000."]),
    (("-", "MCAST4:10.0.0.1@239.1.1.1:8000"), ["Its source@group is 10.0.0.1@239.1.1.1, its port is 8000."]),
    (("-", "PROXY:localhost:target:80,proxyauth=me:secret"), ["proxyauth=*** (proxy-authorization)", "!secret"]),
    (("-", "/tmp/some where"), ["Right address: GOPEN", 'Its filename is "/tmp/some where".']),
    (("-b100", "-", "UDP4-SENDTO:127.0.0.1:9"), ["Each stretch of at most 100 bytes (-b) makes one datagram."]),
    (("-u", "TLS:h:1!!STDOUT", "-"), ["It is only read from, but for what its layers have to say and hear.", "Not by splicing: an end changes the bytes"]),
    (("-", "UDP4-SENDTO:127.0.0.1:9"), ["Each stretch of at most 8192 bytes", "Borders are not kept: the datagrams are written one behind the other, with nothing in between"]),
    (("UDP4-LISTEN:5000", "UDP4:127.0.0.1:9"), ["Borders are kept", "!stretch"]),
    (("UDP4-RECV:5000", "TCP4:127.0.0.1:9,newline"), ["Borders are not kept: the datagrams are written one behind the other, each with a newline at its end", "!stretch"]),
    (("-", "TCP4:127.0.0.1:9,reopen=2"), ["reopen=2", "copied through a buffer"]),
    (("--drain=3", "-L", "/tmp/nolock", "-", "PIPE"), ["First the lock file /tmp/nolock is made; if somebody else has it, the program ends.",
                                                       "sessions get 3 seconds to finish (--drain)"]),
    (("-", "FILE:/etc/passwd,ignoreeof,seek=3,rdonly"), ["OPEN (written FILE)", "(OPEN)\n      rdonly=1 (o-rdonly)", "seek=3 (lseek64-set)"]),
], ids=lambda a: " ".join(a) if isinstance(a, tuple) else "")
def test_sentences(local, args, sentences):
    judge(explain(local, *args), sentences)


def judge(told, sentences):
    """Each of @sentences is in @told, and none that begin with "!"."""
    assert told.startswith("What this line would do. Nothing has been opened.\n")
    for s in sentences:
        if s.startswith("!"):
            assert s[1:] not in told, told
        else:
            assert s in told, told


# Stacks and presets of them: what each layer does and for whom, who is verified as whom, what others can read.
STACKS = {
    "TLS(cafile=ca.crt)+PROXY(to=h:443)+TLS(cafile=b.crt)+TCP:proxy:3128": [
        "Right address: TLS on PROXY on TLS on TCP-CONNECT (written TCP)\n",
        "  On it stands TLS, as client: it encrypts all that is said above it on the way to proxy:3128.\n"
        "    The server has to prove that it is proxy. Trusted are the certificates in b.crt.\n"
        "    It tells the server the name proxy (SNI), unencrypted.\n    Its option acts\n",
        "  On that stands PROXY, as client: it has the HTTP proxy proxy:3128 connect to h:443 (method CONNECT).\n"
        "    Then it is gone: what it stands on is the way to h:443.\n    Its option acts\n",
        "  On that stands TLS, as client: it encrypts all that is said above it on the way to h:443.\n"
        "    The server has to prove that it is h. Trusted are the certificates in ca.crt.\n"
        "    It tells the server the name h (SNI), unencrypted from proxy:3128 on.\n",
        "  What the session sends is encrypted as far as h:443.\n", "!is taken for it"],
    "TLS(verify=0)+SOCKS5(to=db.example:5432)+TLS+TCP:proxy.example:1080": [
        "The server has to prove that it is proxy.example. Trusted are the certificates of the system.\n",
        "it has the SOCKS version 5 server proxy.example:1080 look db.example:5432 up and connect to it.\n",
        "    to=db.example:5432", "The server is not verified: whoever answers is taken for it.\n    It tells the server the name db.example",
        "copied through a buffer", "!prove that it is db.example"],
    "SOCKS5(to=h:22,socksuser=joe,sockspass=secret)+TLS(no-sni,commonname=p,capath=/ca)+TCP:proxy:1081": [
        "The server has to prove that it is p. Trusted are those in the directory /ca.\n",
        "What the session sends is encrypted as far as proxy:1081, and goes on to h:22 as it is.\n", "!secret", "!SNI", "!unencrypted"],
    "SOCKS5:proxy:h:443,socksuser=joe,sockspass=secret": [
        "Its socks-server is proxy, its target-host is h, its target-port is 443.\n",
        "  On it always stands SOCKS5, as client: it has the SOCKS version 5 server proxy:socks look h:443 up and connect to it.\n"
        "    The server is not verified: whoever answers is taken for it.\n"
        "    It tells the server the target h:443, user name and password, unencrypted.\n    Then it is gone",
        "No layer encrypts what the session sends.\n", "From right to left the data is moved inside the kernel", "!secret"],
    "SOCKS4:proxy:h:443,socksport=9": ["it looks h:443 up here and has the SOCKS version 4 server proxy:9 connect to it.", "h:443 and a user name, unencrypted."],
    "SOCKS5-LISTEN(to=0.0.0.0:443)+TCP:p:1080": ["it has the SOCKS version 5 server p:1080 wait at 0.0.0.0:443 for one connection and hand it on."],
    "TLS(verify=0,cert=a.pem)+SOCKS5-LISTEN(to=0.0.0.0:443)+TCP:p:1080": [
        "On it stands SOCKS5-LISTEN, as client: ", "On that stands TLS, as server: ", "Clients are not verified. It shows the certificate in a.pem.\n", "!SNI",
        "What the session sends is encrypted as far as the client.\n"],
    "PROXY:proxy:h:443,proxyauth=me:secret": ["It tells the server the target h:443, user and password, unencrypted.\n", "proxy:8080 connect to h:443", "!secret"],
    "TLS:h:443": ["On it always stands TLS, as client: ", "The server has to prove that it is h. Trusted are the certificates of the system.\n"],
    "TLS:[::1]:443,cert=c.pem": ["prove that it is [::1].", "It shows the certificate in c.pem if it is asked for one.\n", "!SNI"],
    "TLS-LISTEN:443,fork,cert=a.pem,cafile=c.crt,commonname=joe": [
        "as server: it encrypts all that is said above it on the way to each client.\n    Each client has to show a certificate of joe. "
        "Trusted are the certificates in c.crt. It shows the certificate in a.pem.\n", "encrypted as far as the client.\n"],
    "TLS(verify=0)+UNIX-LISTEN:/s": ["Clients are not verified. It has no certificate to show: usual clients refuse that.\n"],
    "TLS+UNIX:/s": ["It does not know whom to expect: a start is refused without option commonname=NAME.\n"],
    "TLS(commonname=db)+UNIX:/s": ["TLS on UNIX-CLIENT (written UNIX)", "prove that it is db.", "(SNI)", "as far as the other side.\n"],
    "TLS(commonname=)+UNIX:/s": ["The server may have any name, but its certificate has to be trusted."],
    "DTLS+UDP4-SENDTO:h:443": ["The server has to prove that it is h.", "on the way to h:443"],
    "DTLS:h:443,verify=0": ["it encrypts each datagram on the way to h:443: borders are kept", "The server is not verified"],
    "DTLS-LISTEN:443,fork,cert=a.pem,verify=0": ["it encrypts each datagram on the way to a client: borders are kept"],
}


@pytest.mark.parametrize("stack", STACKS)
def test_stacks(local, stack):
    judge(explain(local, "-", stack), STACKS[stack])


WHOLE = [["-u", "TEXT:hi", "PIPE"], ["-d", "-d", "-T", "5", "-", "TCP4:127.0.0.1:80"], ["-", "PIPE"], ["-b100", "-,ignoreeof", "UDP4-SENDTO:127.0.0.1:9"]]


@pytest.mark.parametrize("name", ["socast", "socat", "/usr/bin/socast", "./socat"])
@pytest.mark.parametrize("line", WHOLE, ids=" ".join)
def test_a_whole_line(local, name, line):
    """A line that was copied from elsewhere begins with the program's name; its flags count."""
    if "/" in name and line == WHOLE[2]:
        pytest.skip("three words, which is tried below")
    assert explain(local, name, *line) == explain(local, *line)
    assert explain(local, "-v", name, *line) == explain(local, "-v", *line)
    r = local.run("--check", name, *line)
    assert r.status == 0 and not r.out and "PIPE" not in r.log, r
    r = local.run("--check", name, "-u", "-", "TCP4:127.0.0.1:80,frok")
    assert r.status == 1 and 'unknown option "frok"' in r.log, r


def test_a_whole_line_by_its_path(local):
    told = explain(local, "/usr/bin/socast", "-", "PIPE")
    assert "Left address: STDIO" in told and told == explain(local, "-", "PIPE")


@pytest.mark.parametrize("line", [["MCAST4:239.1.2.3:5000"], ["-u", "MCAST4:239.1.2.3:5000", "-"], []], ids=" ".join)
def test_doctor_takes_a_whole_line(local, line):
    a, b = local.run("--doctor", *line), local.run("--doctor", "socast", *line)
    assert (a.status, a.out.splitlines()[:1]) == (b.status, b.out.splitlines()[:1]) and b.out, (a, b)
    assert "unknown device" not in b.log + b.out.decode(), b


def test_only_one_name_is_skipped(local):
    """What stands in the place of an address is one; a path is a name only if two addresses follow."""
    r = local.run("--explain", "socast", "socast", "-")
    assert r.status == 1 and 'unknown device/address "socast"' in r.log, r
    r = local.run("--explain", "-", "socast")
    assert r.status == 1 and 'unknown device/address "socast"' in r.log, r
    assert "Left address: GOPEN" in explain(local, "/tmp/socast", "-")
    r = local.run("socast", "-", "PIPE")
    assert r.status == 1 and "exactly 2 addresses required (there are 3)" in r.log, r


def test_no_control_characters(local):
    told = local.run("--explain", "-", "OPEN:a\x1b[31mb\nc").out
    assert b"\x1b" not in told and b"a?[31mb" in told


# ---------------------------------------------------------------- privileges

@pytest.mark.skipif(not ROOT, reason="needs root to give rights away")
@pytest.mark.parametrize("address,sentence", [
    ("TCP4-L:79", "Port 79 of the right address is below 1024 and needs CAP_NET_BIND_SERVICE"),
    ("UDP4-SENDTO:127.0.0.1:9,sp=79", "Port 79 of the right address is below 1024 and needs CAP_NET_BIND_SERVICE"),
    ("TCP4:127.0.0.1:9,bind=127.0.0.1:79", "Port 79 of the right address is below 1024 and needs CAP_NET_BIND_SERVICE"),
    ("MCAST4:239.1.1.1:79", "Port 79 of the right address is below 1024 and needs CAP_NET_BIND_SERVICE"),
    ("VSOCK-LISTEN:79", "Port 79 of the right address is below 1024 and needs CAP_NET_BIND_SERVICE"),
    ("UDP4-RECV:snmp", "If service snmp has a port below 1024, the right address needs CAP_NET_BIND_SERVICE"),
    ("IP4-SENDTO:127.0.0.1:200", "IP4-SENDTO as the right address needs CAP_NET_RAW"),
    ("INTERFACE:lo", "INTERFACE as the right address needs CAP_NET_RAW"),
    ("TUN,iff-up", "Option iff-up of the right address needs CAP_NET_ADMIN"),
    ("TCP4:127.0.0.1:9,netns=x", "Option netns of the right address needs CAP_SYS_ADMIN"),
    ("EXEC:cat,su=nobody", "Option su of the right address needs CAP_SETUID, and CAP_SETGID"),
    ("EXEC:cat,chroot=/", "Option chroot of the right address needs CAP_SYS_CHROOT"),
    ("OPEN:/x,user=0", "Option user of the right address needs CAP_CHOWN"),
])
def test_privileges(local, address, sentence):
    """What is needed, and whether we have it."""
    told = explain(local, "-", address)
    assert f"{sentence}; this process has it." in told, told
    p = local.command(["setpriv", "--reuid", "65534", "--clear-groups", lab.SOCAST, "--explain", "-", address])
    assert f"{sentence}; this process lacks it." in p.wait(10).out.decode()


def test_ports_for_everybody(local):
    """The kernel's setting counts, not the number 1024."""
    old = "1024"
    local.sysctl("net/ipv4/ip_unprivileged_port_start", 70)
    try:
        assert "None, besides" in explain(local, "-", "TCP4-L:79")
        assert "Port 69 of the right address is below 70" in explain(local, "-", "TCP4-L:69")
    finally:
        local.sysctl("net/ipv4/ip_unprivileged_port_start", old)


# ---------------------------------------------------------------- nothing is opened

@pytest.mark.parametrize("flag", ["--explain", "--check"])
def test_nothing_is_opened(local, tmp_path, flag):
    """No socket, no process, no lock, no file of the line: as strace(1) sees it."""
    if not shutil.which("strace") or "asan" in lab.SOCAST:
        pytest.skip("needs strace(1), and a program without sanitizers")
    trace, auth = tmp_path / "trace", tmp_path / "auth"
    auth.write_text("me:secret")
    p = local.command(["strace", "-f", "-o", trace, lab.SOCAST, flag, "-L", tmp_path / "lock", "-r", tmp_path / "dump",
                       f"OPEN:{tmp_path}/made,creat!!CREATE:{tmp_path}/made",
                       f"PROXY:some.host.test:b:1,proxy-authorization-file={auth},nameserver=ns.test,"
                       f"ip-add-membership=224.1.1.1:lo,multicast-if=name.test"])
    assert p.wait(20).status == 0, p
    calls = trace.read_text()
    # the C library asks the kernel for the number of an interface by a socket of its own
    looked = re.sub(r"socket\(AF_UNIX, SOCK_DGRAM\|SOCK_CLOEXEC, 0\).*\n.*SIOCGIFINDEX.*", "", calls) if flag == "--check" else calls
    assert not re.search(r"\b(socket|connect|bind|fork|vfork|clone3?|pipe2?|mkdir|creat|unlink)\(", looked), looked
    opened = re.findall(rf'open\w*\(.*"({tmp_path}\S*)", (\S+)', calls)
    assert opened == ([(str(auth), "O_RDONLY|O_CLOEXEC)")] if flag == "--check" else []), opened
    assert sorted(os.listdir(tmp_path)) == ["auth", "trace"]


def test_nothing_is_left(local, tmp_path):
    """The same without strace: no entry, no lock, no port, and the file is as long as before."""
    (tmp_path / "full").write_bytes(b"full")
    with local.inside():
        busy = socket.create_server(("127.0.0.1", 0))
    port = busy.getsockname()[1]
    for right in (f"CREATE:{tmp_path}/full", f"UNIX-LISTEN:{tmp_path}/s,fork", f"PTY,link={tmp_path}/l", f"PIPE:{tmp_path}/f",
                  f"TCP4-LISTEN:{port}", "POSIXMQ-SEND:/explained", f"OPEN:{tmp_path}/n,creat,unlink-early"):
        explain(local, "-L", str(tmp_path / "lock"), "-", right)
        assert local.run("--check", "-", right).status == 0
    busy.close()
    assert os.listdir(tmp_path) == ["full"] and (tmp_path / "full").read_bytes() == b"full"
    assert not os.path.exists("/dev/mqueue/explained")


# ---------------------------------------------------------------- --check

@pytest.mark.parametrize("args", [("-", "TCP4:host.that.is.not.test:80"), ("-u", "-", "UDP4-DATAGRAM:224.1.0.1:6666,broadcast"),
                                  ("TCP4-L:80,fork,su=root", "EXEC:ls"), ("-", "/a!!/b"),
                                  ("--log=json", "-", "PIPE")])
def test_check_good(local, args):
    r = local.run("--check", *args)
    assert (r.status, r.out, r.err) == (0, b"", b"")


@pytest.mark.parametrize("args,text", [
    (("-", "TCP4:x"), "wrong number of parameters (1 instead of 2): usage: TCP4:<host>:<port>"),
    (("-", "TCPP4:x:1"), 'unknown device/address "TCPP4"; did you mean "TCP4"?'),
    (("-", "TCP4:x:1,forkk"), 'unknown option "forkk"'),
    (("-", "TCP4:x:1,crnl=5"), "crnl"),
    (("-", "EXEC:ls,su=nosuchuser"), 'getpwnam("nosuchuser"): no such user'),
    (("-", "OPEN:/x,rcvbuf=1"), "rcvbuf"),
    (("-", 'OPEN:"x'), "E "),
    (("-",), "exactly 2 addresses required (there are 1)"),
    (("-",) * 3, "exactly 2 addresses required (there are 3)"),
    (("-u", "-U", "-", "-"), "-U and -u must not be combined"),
])
@pytest.mark.parametrize("flag", ["--check", "--explain"])
def test_check_bad(local, flag, args, text):
    """The sentence of a start that fails, and status 1."""
    r = local.run(flag, *args)
    assert r.status == 1 and r.out == b"" and text in r.log, r


# ---------------------------------------------------------------- JSON records

def records(data):
    """All lines are JSON objects with the members that are promised."""
    found = [json.loads(line.encode().decode("utf-8")) for line in data.decode("utf-8").splitlines()]
    for r in found:
        assert set(r) - {"host"} == {"time", "program", "pid", "level", "text"}, r
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", r["time"])
        assert isinstance(r["pid"], int)
    return found


def test_json_levels(local, tmp_path):
    """Every level by its word, errors with what the kernel said; classic's records, text for text."""
    line = ("-dddd", "-u", "TEXT:abc", f"OPEN:{tmp_path}/missing")
    found = records(local.run("--log=json", *line).err)
    assert {r["level"] for r in found} == {"debug", "info", "notice", "error"}
    error, = [r["text"] for r in found if r["level"] == "error"]
    assert error.endswith("No such file or directory")
    warning, _ = [r for r in records(local.run("--log=json", "-T.1", "-", "UDP4-RECV:7777").err) if r["level"] == "warning"]
    assert "read-write mode" in warning["text"]
    classic = re.findall(r"socast\S* [DINWE] (.*)", local.run(*line).log)
    assert len(classic) == len(found)
    number = re.compile(r"\d+|0x\w+")
    assert [number.sub("#", t) for t in classic] == [number.sub("#", r["text"]) for r in found]


def test_json_time(local):
    """UTC, now."""
    before = time.time()
    r, = records(local.run("--log=json", "-", "NOPE", env={"TZ": "Asia/Kolkata"}).err)
    at = time.strptime(r["time"][:19], "%Y-%m-%dT%H:%M:%S")
    assert before - 2 <= calendar.timegm(at) <= time.time() + 2


def test_json_program_and_host(local):
    r, = records(local.run("--log=json", "-lpna\"me", "-lh", "-", "NOPE", env={"HOSTNAME": "h\\ost\x01"}).err)
    assert r["program"] == 'na"me' and r["host"] == "h\\ost\x01"
    assert "host" not in records(local.run("--log=json", "-", "NOPE").err)[0]


@pytest.mark.parametrize("name,shown", [
    (b"a\"b\\c\x01\x1b[0m\x7f", 'a"b\\c\x01\x1b[0m\x7f'),
    ("grüße €😀".encode(), "grüße €😀"),
    (b"\xff\xfe\xc3(\xed\xa0\x80", "��" + "�(" + "���"),
    (b"line\nfeed\ttab", "line\nfeed\ttab"),
    (b"\xe2\x82", "��"),
])
def test_json_odd_bytes(local, name, shown):
    """Whatever a name holds, the record is JSON in UTF-8."""
    with local.inside():
        r = subprocess.run([lab.SOCAST.encode(), b"--log=json", b"-lp" + name, b"-u", b"-", b"NOPE"], capture_output=True,
                           check=False, timeout=20)
    record, = records(r.stderr)
    assert record["program"] == shown


def test_json_every_byte(local):
    for c in range(1, 256):
        r = subprocess.run([lab.SOCAST.encode(), b"--log=json", b"-", b"X" + bytes([c]) + b"Y=Z/"], capture_output=True,
                           check=False, timeout=20, stdin=subprocess.DEVNULL)
        records(r.stderr)


def test_json_long_text(local):
    """Cut, but complete: and not longer than a pipe takes in one piece."""
    r = local.run("--log=json", "-", "NOPE" + "\x01" * 3000)
    record, = records(r.err)
    assert len(r.err) <= 4096 and record["text"].startswith('unknown device/address "NOPE\x01')


def test_json_file_and_sessions(local, tmp_path):
    """-lf, and the processes of sessions: one line per record, each with its process."""
    log = tmp_path / "log"
    p = local.start("--log=json", "-dd", "-lf", str(log), "TCP4-L:7788,fork,isolate,reuseaddr,bind=127.0.0.1", "PIPE")
    lab.wait_until(lambda: log.exists() and b"listening on" in log.read_bytes(), 5, "no record")
    for _ in range(3):
        with local.inside(), socket.create_connection(("127.0.0.1", 7788)) as s:
            s.sendall(b"hi")
            assert s.recv(9) == b"hi"
    lab.wait_until(lambda: log.read_bytes().count(b"starting data transfer loop") == 3, 5, "no three sessions")
    p.stop()
    found = records(log.read_bytes())
    assert len({r["pid"] for r in found}) == 4
    assert p.err == b""


def test_json_syslog(local, tmp_path):
    """-ly: the message is the object."""
    path = tmp_path / "devlog"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(10)
        if not ROOT or not shutil.which("unshare"):
            pytest.skip("needs a mount namespace")
        r = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && ln -s "$1" /dev/log && exec "$2" --log=json -ly - NOPE',
                            "sh", path, lab.SOCAST], capture_output=True, check=False, timeout=20, stdin=subprocess.DEVNULL)
        assert r.returncode == 1, r
        got = s.recv(8192).decode()
    assert got.startswith("<27>")
    message = json.loads(got[got.index("{"):].rstrip("\0\n"))
    assert message["level"] == "error" and message["text"].startswith("unknown device/address")


def test_json_flag_order(local):
    """Flags act in the order given: the classic format again behind --log=text."""
    assert " E unknown" in local.run("--log=json", "--log=text", "-", "NOPE").log
    assert " E option --log: unknown format" in local.run("--log=xml", "-", "-").log


def test_json_doctor(local):
    """The findings on stdout as before, the log records on stderr are JSON too."""
    r = local.run("--log=json", "--doctor", "-ddd", "--wait=0", timeout=60)
    assert "findings" in json.loads(r.out)
    r = local.run("--doctor", "--log=json", "NOPE:1")
    assert records(r.err)[0]["level"] == "error" and r.status == 1


# ---------------------------------------------------------------- --progress

@pytest.fixture
def terminal():
    t = Terminal(rows=40, cols=160)
    yield t
    t.close()


def drip(size, times, pause):
    """A shell line that takes @size bytes @times times with pauses."""
    return f"SYSTEM:i=0; while [ $i -lt {times} ]; do head -c {size} >/dev/null; sleep {pause}; i=$((i+1)); done; cat >/dev/null"


def test_progress_of_a_file(local, terminal, tmp_path):
    """Bytes, rate, part and time left of a file; the sum at the end, on a line of its own."""
    big = tmp_path / "big"
    big.write_bytes(b"x" * (8 << 20))
    p = local.start("--progress", "-u", f"OPEN:{big}", drip(1 << 20, 5, 0.5), stderr=terminal.slave)
    rx = re.compile(r"^\S+ [KM]iB  \S+ \w+/s  \d+%  \d+:\d\d left$")
    lab.wait_until(lambda: [x for x in terminal.look() if rx.match(x)], 10, lambda: f"{terminal.look()}")
    assert len(terminal.look()) == 1
    assert p.wait(60).status == 0
    end = re.compile(r"^8\.00 MiB in \d+:\d\d, \S+ [KM]iB/s$")
    lab.wait_until(lambda: [x for x in terminal.look() if end.match(x)], 5, lambda: f"{terminal.look()}")
    assert terminal.raw.endswith(b"\n") and len(terminal.look()) == 1


def test_progress_and_records(local, terminal):
    """Records stand on lines of their own, above the progress."""
    p = local.start("--progress", "-dd", "PIPE", "PIPE", env={"NO_COLOR": "1"}, stderr=terminal.slave)
    lab.wait_until(lambda: "0 B  0 B/s" in terminal.look(), 10, lambda: f"{terminal.look()}")
    p.kill(10)          # SIGUSR1: the counters as records
    lab.wait_until(lambda: any("STATISTICS: right to left" in x for x in terminal.look()), 10, lambda: f"{terminal.look()}")
    lab.wait_until(lambda: terminal.look()[-1] == "0 B  0 B/s", 10, lambda: f"{terminal.look()}")
    p.stop()
    lines = terminal.raw.replace(b"\r\x1b[K", b"\n").replace(b"\r", b"").decode().split("\n")
    for line in lines:
        assert re.match(r"^$|^socast: (info|notice|warning): |^0 B  0 B/s$|^0 B in \d", line), line


def test_progress_both_ways(local, terminal):
    """What comes back is shown, too."""
    p = local.start("--progress", "-", "PIPE", stderr=terminal.slave)
    p.send("x" * 3000)
    lab.wait_until(lambda: [x for x in terminal.look() if re.match(r"> 2\.93 KiB  \S+ \w+/s  < 2\.93 KiB  \S+ \w+/s$", x)], 10,
                   lambda: f"{terminal.look()}")
    p.close_stdin()
    p.wait(10)


def test_progress_narrow(local, terminal):
    """A line is never longer than the terminal is wide."""
    terminal.resize(40, 12)
    p = local.start("--progress", "-", "PIPE", stderr=terminal.slave)
    p.send("x" * 3000)
    lab.wait_until(lambda: b"> 2.93 KiB \r" in terminal.raw + b"\r" if terminal.look() else False, 10, lambda: f"{terminal.raw}")
    p.stop()
    assert all(len(x) < 12 for x in terminal.raw.replace(b"\x1b[K", b"").replace(b"\n", b"\r").decode().split("\r"))


def test_progress_counts_session_processes(local, terminal):
    """Sessions in processes of their own count, and one line is shown, not one by each."""
    p = local.start("--progress", "TCP4-L:7799,fork,isolate,reuseaddr,bind=127.0.0.1", "PIPE", stderr=terminal.slave)
    lab.wait_until(lambda: terminal.look() == ["0 B  0 B/s"], 10, lambda: f"{terminal.look()}")
    for _ in range(2):
        with local.inside(), socket.create_connection(("127.0.0.1", 7799)) as s:
            s.sendall(b"x" * 1000)
            got = b""
            while len(got) < 1000:
                got += s.recv(4096)
    lab.wait_until(lambda: any(re.match(r"> 1\.95 KiB .* < 1\.95 KiB ", x) for x in terminal.look()), 10, lambda: f"{terminal.look()}")
    assert len(terminal.look()) == 1
    p.stop()


def test_progress_is_silent_without_terminal(local):
    r = local.run("--progress", "-T1.5", "-", "PIPE", input=None)
    assert r.err == b"" and r.status == 0
