"""Connections beside the reference: the same command line as server and as client.

As server, a client of the test talks to it; as client, it talks to a server of the test.
Compared are the bytes both ways and the exit status; where messages are agreed, they too."""
import contextlib
import os
import re
import socket

import pytest

import lab

pytestmark = pytest.mark.skipif(not os.access(lab.SOCAT_REF, os.X_OK), reason=f"no reference program {lab.SOCAT_REF} (set SOCAT_REF)")

BIG = bytes(range(256)) * 2000
LOOP = "127.0.0.1"
BOTH = [lab.SOCAST, lab.SOCAT_REF]


def talk(s, data):
    """Send everything, say that it is all, return what comes back."""
    if data is not None:
        s.sendall(data)
        with contextlib.suppress(OSError):      # the server may have had enough
            s.shutdown(socket.SHUT_WR)
    got = b""
    while True:
        part = s.recv(1 << 16)
        if not part:
            return got
        got += part


def as_server(local, prog, args, data, times=1):
    """Run @prog with a listening address; returns the answers and the status (None: still listening)."""
    port, six = lab.port(), any("TCP6" in a or a == "-6" for a in args)
    p = local.start("-d", "-d", *[a.replace("{p}", str(port)) for a in args], prog=prog)
    p.wait_log("listening on")
    got = []
    for _ in range(times):
        with local.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM) as s:
            s.connect(("::1" if six else LOOP, port))
            got.append(talk(s, data))
    if any("fork" in a for a in args):
        assert not p.ended()
        p.stop()
        return got, None
    p.close_stdin()
    return got + [p.out], p.wait().status


SERVERS = [
    (["TCP4-LISTEN:{p}", "PIPE"], BIG), (["TCP4-L:{p}", "EXEC:cat"], BIG), (["tcp-listen:{p}", "SYSTEM:tr a-z A-Z"], b"shout\n"),
    (["INET-L:{p}", "PIPE"], b"x"), (["TCP6-LISTEN:{p}", "PIPE"], b"six"), (["-6", "TCP-LISTEN:{p}", "PIPE"], b"six"),
    (["TCP4-LISTEN:{p},bind=127.0.0.1", "PIPE"], b"x"), (["TCP4-LISTEN:{p},bind=localhost", "PIPE"], b"x"),
    (["TCP-LISTEN:{p},pf=ip4", "PIPE"], b"x"), (["TCP4-LISTEN:{p},crnl", "PIPE"], b"a\r\nb\r\n"),
    (["TCP4-LISTEN:{p},cr", "PIPE"], b"a\rb\r"), (["TCP4-LISTEN:{p}", "PIPE,crnl"], b"a\nb\n"),
    (["TCP4-LISTEN:{p},readbytes=5", "PIPE"], b"0123456789"), (["TCP4-LISTEN:{p},escape=0x41", "PIPE"], b"before A after"),
    (["-u", "TCP4-LISTEN:{p}", "-"], BIG), (["-U", "-", "TCP4-LISTEN:{p}"], BIG), (["-u", "TCP4-LISTEN:{p}", "SYSTEM:cat >&2"], b"x"),
    (["TCP4-LISTEN:{p},range=127.0.0.0/8", "PIPE"], b"x"), (["TCP4-LISTEN:{p},backlog=3", "PIPE"], b"x"),
    (["TCP4-LISTEN:{p},nodelay,keepalive,linger=5", "PIPE"], b"x"), (["TCP4-LISTEN:{p},reuseaddr,sndbuf=50000,rcvbuf=50000", "PIPE"], b"x" * 1000),
    (["-b", "7", "TCP4-LISTEN:{p}", "PIPE"], b"0123456789"), (["-t", "0.1", "TCP4-LISTEN:{p}", "EXEC:sleep 5"], b""),
    (["TCP4-LISTEN:{p}", "SYSTEM:cat >/dev/null; echo late"], b"all of it"), (["TCP4-LISTEN:{p}", "EXEC:cat,pipes"], b"x"),
    (["TCP4-LISTEN:{p}", "EXEC:cat,pty,raw,echo=0"], b""), (["TCP4-LISTEN:{p}", "EXEC:echo hello"], b""),
    (["TCP4-LISTEN:{p}", "SYSTEM:echo $SOCAT_PEERADDR $SOCAT_SOCKADDR $SOCAT_SOCKPORT | sed s/[0-9]*$//"], b""),
]
FORKING = [(["TCP4-LISTEN:{p},fork", "PIPE"], BIG), (["TCP4-LISTEN:{p},fork,reuseaddr", "EXEC:cat"], b"x"), (["TCP6-LISTEN:{p},fork", "SYSTEM:wc -c"], b"12345"),
           (["TCP4-LISTEN:{p},fork,max-children=2", "PIPE"], b"x"), (["TCP-LISTEN:{p},fork,su=nobody", "SYSTEM:id -un"], b""),
           (["TCP4-LISTEN:{p},fork", "SYSTEM:cat; true"], b"x")]


@pytest.mark.parametrize("args,data", SERVERS, ids=lambda v: re.sub(r"\W+", "_", "_".join(v)) if isinstance(v, list) else "")
def test_servers(local, args, data):
    ours, ref = (as_server(local, prog, args, data) for prog in BOTH)
    assert ours == ref


@pytest.mark.parametrize("args,data", FORKING, ids=lambda v: re.sub(r"\W+", "_", "_".join(v)) if isinstance(v, list) else "")
def test_forking_servers(local, args, data):
    if "su=nobody" in args[0] and not lab.REAL_ROOT:
        pytest.skip("needs real root")
    ours, ref = (as_server(local, prog, args, data, times=3) for prog in BOTH)
    assert ours == ref


def as_client(local, prog, args, data, answer):
    """Run @prog against a server that reads everything, then says @answer; returns what both saw."""
    six = any("::1" in a for a in args)
    with local.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("::1" if six else LOOP, 0))
        s.listen()
        p = local.start(*[a.replace("{p}", str(s.getsockname()[1])) for a in args], prog=prog)
        c, peer = s.accept()
        c.settimeout(5 * lab.SLOW)
        if data:
            p.send(data)
        p.close_stdin()
        got = b""
        while data is not None:
            part = c.recv(1 << 16)
            if not part:
                break
            got += part
        c.sendall(answer)
        c.close()
        r = p.wait(8)
    return got, r.out, r.status, peer[0]


CLIENTS = [
    (["-", "TCP4:127.0.0.1:{p}"], BIG, BIG), (["-", "TCP:127.0.0.1:{p}"], b"x", b""), (["-", "TCP6:[::1]:{p}"], b"x", b"y"),
    (["-", "TCP:[::1]:{p}"], b"x", b"y"), (["-", "INET:localhost:{p}"], b"x", b"y"), (["-u", "-", "TCP4:127.0.0.1:{p}"], BIG, b""),
    (["-U", "-", "TCP4:127.0.0.1:{p}"], None, BIG), (["-", "TCP4:127.0.0.1:{p},bind=127.0.0.9"], b"x", b"y"),
    (["-", "TCP4:127.0.0.1:{p},nodelay,mss=700"], b"x", b"y"), (["-", "TCP4:127.0.0.1:{p},crnl"], b"a\nb", b"c\r\nd"),
    (["-", "TCP4:127.0.0.1:{p},connect-timeout=5"], b"x", b"y"), (["-", "TCP4:127.0.0.1:{p},shut-none"], None, b"y"),
    (["-", "tcp4:localhost:{p},retry=3"], b"x", b"y"), (["EXEC:cat", "TCP4:127.0.0.1:{p}"], None, b""),
    (["-,ignoreeof", "TCP4:127.0.0.1:{p}"], None, b"y"), (["-", "TCP4:127.0.0.1:{p},readbytes=3"], b"x", b"012345"),
]


@pytest.mark.parametrize("args,data,answer", CLIENTS, ids=lambda v: re.sub(r"\W+", "_", "_".join(v)) if isinstance(v, list) else "")
def test_clients(local, args, data, answer):
    ours, ref = (as_client(local, prog, args, data, answer) for prog in BOTH)
    assert ours == ref


@pytest.mark.parametrize("args", [
    ["-", "TCP4:127.0.0.1:1"], ["-", "tcp:127.0.0.1:1,retry=1,interval=0.1"], ["-", "TCP4:127.0.0.1:nosuchservice"],
    ["-", "TCP4-LISTEN:1,bind=10.99.99.99"], ["-", "TCP4:10.99.99.99:9"], ["-", "TCP4:127.0.0.1:1,nosuchoption"], ["-", "TCP4:127.0.0.1:1,broadcastx=1"],
    ["-", "TCP4-LISTEN:0,mss=1"], ["-", "TCP4:127.0.0.1:1,ttl=300"], ["-", "TCP4-LISTEN:0,fork=x"],
    ["-", "TCP4:127.0.0.1:1,perm=700"],
], ids=lambda v: re.sub(r"\W+", "_", "_".join(v)))
def test_refusals(local, args):
    """Wrong lines end alike: same status, and the error gives the same reason."""
    said = []
    for prog in BOTH:
        r = local.run(*args, prog=prog)
        errors = re.findall(r"\] E (.*)", r.log)
        assert errors, r
        said.append((r.status, re.sub(r"; .*", "", errors[0]).split(": ")[-1]))
    assert said[0] == said[1]
