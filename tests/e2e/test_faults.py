"""System calls that fail, as strace(1) makes them: nothing acknowledged is lost, nothing spins."""
import contextlib
import os
import re
import shutil
import signal
import socket
import threading
import time

import pytest

import lab
from test_tcp import LOOP, accept, connect, read_all, server

BIG = os.urandom(2 << 20)

pytestmark = pytest.mark.skipif(not shutil.which("strace") or "asan" in lab.SOCAST, reason="needs strace(1), and a program without sanitizers")


def traced(host, inject, *args):
    """The program with faults: a list of strace's inject expressions."""
    argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + ",".join(sorted({i.split(":")[0] for i in inject}))]
    for i in inject:
        argv += ["-e", "inject=" + i]
    p = host.command([*argv, lab.SOCAST, "-d", "-d", *args])
    lab.wait_until(lambda: p.log or p.ended(), 5, "not started")
    if re.search(r"ptrace|PTRACE", p.log):
        pytest.skip("tracing is not allowed here")
    return p


def inner(p):
    """The program's own pid, from its log prefix."""
    return int(re.search(r"socast\[(\d+)\]", p.log).group(1))


@pytest.mark.parametrize("call,error", [("accept4", "ECONNABORTED"), ("accept4", "EMFILE"), ("accept4", "ENFILE"), ("accept4", "ENOBUFS"),
                                        ("accept4", "ENOMEM"), ("accept4", "EINTR"), ("accept4", "EPROTO")])
def test_accept_goes_on(local, call, error):
    """Whatever befalls one accept, the clients are served in the end."""
    port = lab.port()
    p = traced(local, [f"{call}:error={error}:when=1..6+2"], f"TCP4-LISTEN:{port},fork", "PIPE")
    for k in range(6):
        c = connect(local, port)
        c.sendall(b"%d" % k)
        assert c.recv(9) == b"%d" % k
        c.close()
    p.wait_log("accepting connection", count=6)
    assert not re.search(r" E ", p.log), p
    if error in ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"):
        p.wait_log(r"W accept\(\d+\): .*; connections wait until there is room")


def test_lasting_shortage_does_not_spin(local):
    """accept() that fails for a second is tried ten times, not a hundred thousand times."""
    port = lab.port()
    p = traced(local, ["accept4:error=EMFILE:when=1+"], f"TCP4-LISTEN:{port},fork", "PIPE")
    p.wait_log("listening on")
    c = connect(local, port)
    time.sleep(0.3)
    pid = inner(p)

    def cpu():
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    time.sleep(1)
    assert cpu() - before < 0.2
    p.wait_log("connections wait until there is room")
    assert p.log.count("connections wait until there is room") == 1
    c.close()
    os.kill(pid, signal.SIGTERM)
    p.wait()


@pytest.mark.parametrize("faults", [
    ["splice:error=EINTR:when=1+3", "read:error=EINTR:when=20+3", "write:error=EINTR:when=20+3", "epoll_wait:error=EINTR:when=2+2"],
    ["splice:error=EAGAIN:when=2+3"],
    ["splice:error=EINVAL:when=3"],
    ["sendfile:error=EINTR:when=1+2"],
    ["sendfile:error=EINVAL:when=2"],
], ids=lambda f: "-".join(i.split(":")[0] + i.split("=")[1].split(":")[0] for i in f))
def test_storms(local, tmp_path, faults):
    """Interrupted, delayed and refused calls: every byte arrives."""
    (tmp_path / "f").write_bytes(BIG)
    for address in ("-", f"OPEN:{tmp_path}/f"):
        s, port = server(local)
        p = traced(local, faults, "-u", address, f"TCP4:{LOOP}:{port}")
        c, _ = accept(s)
        got = []
        t = threading.Thread(target=lambda c=c, got=got: got.append(read_all(c)))
        t.start()
        if address == "-":
            p.send(BIG)
        p.close_stdin()
        assert p.wait(20).status == 0, p
        t.join()
        assert got[0] == BIG


@pytest.mark.parametrize("error,text", [("ENOSPC", "No space left on device"), ("EIO", "Input/output error"), ("EDQUOT", "Disk quota exceeded")])
def test_a_full_disk(local, tmp_path, error, text):
    """The write that fails is named, and so is what could not be delivered; status 1."""
    port = lab.port()
    p = traced(local, [f"splice:error={error}:when=4+"], "-u", f"TCP4-LISTEN:{port}", f"CREATE:{tmp_path}/f")
    p.wait_log("listening on")
    pour(local, port)
    r = p.wait(10)
    assert r.status == 1 and re.search(rf" E (write|read)\(\d+, .*\): {text}", r.log), r


def pour(local, port):
    c = connect(local, port)
    try:
        c.sendall(BIG)
        c.shutdown(socket.SHUT_WR)
    except OSError:
        pass                            # the relay has gone


def test_a_really_full_disk(local, fast):
    port = lab.port()
    p = local.start("-d", "-d", "-u", f"TCP4-LISTEN:{port}", "OPEN:/dev/full")
    p.wait_log("listening on")
    pour(local, port)
    r = p.wait(10)
    assert r.status == 1 and re.search(r" E write\(\d+, .*\): No space left on device", r.log), r
    assert "could not be delivered" in r.log


@pytest.mark.parametrize("call,error", [("socket", "EMFILE"), ("socket", "ENFILE"), ("socket", "ENOBUFS"), ("socket", "ENOMEM"),
                                        ("connect", "EADDRNOTAVAIL"), ("connect", "ECONNREFUSED"), ("connect", "ETIMEDOUT")])
def test_a_session_that_cannot_connect(local, call, error):
    """One session fails with its sentence; the next is served."""
    s, target = server(local)
    port = lab.port()
    when = {"socket": "2", "connect": "1"}[call]        # the first socket listens
    p = traced(local, [f"{call}:error={error}:when={when}"], "-4", f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{target}")
    p.wait_log("listening on")
    assert connect(local, port).recv(9) == b""
    p.wait_log(rf"W {call}\(")
    p.wait_log(rf"E TCP4:127\.0\.0\.1:{target}: ")
    c = connect(local, port)
    d, _ = accept(s)
    d.sendall(b"x")
    assert c.recv(9) == b"x"


@pytest.mark.parametrize("fault", ["pipe2:error=EMFILE:when=1+", "pipe2:error=ENFILE:when=1+"])
def test_no_pipe_for_splicing(local, fault):
    """Without a pipe in between the bytes are copied."""
    s, target = server(local)
    port = lab.port()
    traced(local, [fault], f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{target}").wait_log("listening on")
    c = connect(local, port)
    t = threading.Thread(target=lambda: (c.sendall(BIG), c.shutdown(socket.SHUT_WR)))
    t.start()
    d, _ = accept(s)
    assert read_all(d) == BIG
    t.join()


def test_no_memory(local):
    """Memory that cannot be had ends the program with a sentence and status 1."""
    p = local.command(["sh", "-c", 'ulimit -v 30000; exec "$0" "$@"', lab.SOCAST, "-b", "100000000", "-x", "-", "-"])
    with contextlib.suppress(BrokenPipeError):
        p.send(b"x")
    r = p.wait()
    assert r.status == 1 and "out of memory" in r.log


def test_no_epoll_room(local):
    """epoll_ctl that fails for a session's socket ends that session, not the program."""
    port = lab.port()
    p = traced(local, ["epoll_ctl:error=ENOSPC:when=4..5"], f"TCP4-LISTEN:{port},fork", "PIPE")
    p.wait_log("listening on")
    clients = [connect(local, port) for _ in range(4)]
    ok = 0
    for c in clients:
        c.settimeout(1)
        try:
            c.sendall(b"x")
            ok += c.recv(9) == b"x"
        except OSError:
            pass
    assert ok >= 2 and not p.ended(), p


def test_no_process_for_a_program(local):
    """fork() that fails: that session ends with its sentence, the listener lives."""
    port = lab.port()
    p = traced(local, ["vfork,clone,clone3,fork:error=EAGAIN:when=1"], f"TCP4-LISTEN:{port},fork", "EXEC:cat")
    p.wait_log("listening on")
    assert connect(local, port).recv(9) == b""
    p.wait_log(r" E .*Resource temporarily unavailable")
    c = connect(local, port)
    c.sendall(b"x")
    assert c.recv(9) == b"x"


@pytest.mark.parametrize("address", ["TCP4-LISTEN:{p},fork,isolate,max-children=2", "UDP4-LISTEN:{p},fork,isolate,max-children=2"])
def test_no_descriptor_for_a_session_process(local, address):
    """pidfd_open() refused: the process that nobody could wait for is ended, it is said, and the next is tried. No
    zombies, no spinning, and no place is lost."""
    port = lab.port()
    udp = "UDP" in address
    p = traced(local, ["pidfd_open:error=EPERM:when=1..5"], address.format(p=port), "PIPE")
    p.wait_log("listening on")
    for n in range(6):
        with local.socket(kind=2 if udp else 1) as c:
            c.connect(("127.0.0.1", port))
            if n < 5 and not udp:
                assert c.recv(9) == b""
            if udp or n == 5:
                c.sendall(b"x")
            if n < 5:
                p.wait_log(r"E pidfd_open\(\d+\): Operation not permitted", count=n + 1)
            else:
                assert c.recv(9) == b"x"
    pid = inner(p)
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        assert len(f.read().split()) <= 1
    os.kill(pid, signal.SIGTERM)
    p.wait()


def test_no_descriptor_for_a_program(local):
    """The same where a program is started: its session ends, the relay goes on."""
    port = lab.port()
    p = traced(local, ["pidfd_open:error=EPERM:when=1..2"], f"TCP4-LISTEN:{port},fork", "EXEC:cat")
    p.wait_log("listening on")
    for n in range(3):
        with connect(local, port) as c:
            if n < 2:
                assert c.recv(9) == b""
            else:
                c.sendall(b"x")
                assert c.recv(9) == b"x"
    p.wait_log(r"E pidfd_open\(\d+\): Operation not permitted", count=2)
    os.kill(inner(p), signal.SIGTERM)
    p.wait()


def test_a_peer_that_ends_while_we_look(local, tmp_path):
    """What was not yet acknowledged when the relay asked is so a moment later, and the connection is over in good order:
    no error. It was one in a hundred short transfers once."""
    port = lab.port()
    (tmp_path / "in").write_bytes(b"x")
    p = traced(local, ["recvfrom:delay_enter=100000"], "-u", f"OPEN:{tmp_path}/in", f"TCP4-LISTEN:{port}")
    p.wait_log("listening on")
    with connect(local, port) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)        # the end is acknowledged together with ours
        assert read_all(c) == b"x"
    assert p.wait(5 * lab.SLOW).status == 0, p
