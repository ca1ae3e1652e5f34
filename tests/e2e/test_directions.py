"""Which directions there are: what a descriptor can do decides, not what the address could.

One-way use works without -u: classic's select(2) never finds a descriptor ready that is not open in
that direction. What comes back to an end that takes nothing is read, dropped and counted."""
import os
import re
import socket
import threading
import time

import pytest

import lab
from test_tcp import LOOP, accept, server

DATA = os.urandom(300_000)


def feed(local, port, data=DATA):
    """A client that sends and waits for the end."""
    c = local.socket(kind=socket.SOCK_STREAM)
    c.connect((LOOP, port))
    c.sendall(data)
    c.shutdown(socket.SHUT_WR)
    return c


SINKS = {"STDOUT": "STDOUT", "STDERR": "STDERR 2>&1 >/dev/null", "FD": "FD:5 5>&1", "CREATE": "CREATE:/dev/stdout", "wronly": "OPEN:/dev/stdout,wronly",
         "GOPEN": "GOPEN:/dev/stdout,wronly", "dual": "OPEN:/dev/null,rdonly,ignoreeof!!STDOUT"}


@pytest.mark.parametrize("fork", ["", ",fork"])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "file"])
@pytest.mark.parametrize("sink", SINKS)
def test_one_way_out_without_a_flag(local, tmp_path, sink, kind, swap, fork):
    """Whatever comes in goes out, although the other direction does not exist. (Before: EBADF, and all data lost.)"""
    if swap and fork:
        return      # the listener is the right address: it yields sessions that share the sink; see below
    port = lab.port()
    address, _, redirect = SINKS[sink].partition(" ")
    pair = [f"TCP4-LISTEN:{port},reuseaddr{fork}", address]
    pair = pair[::-1] if swap else pair
    out = tmp_path / "out"
    end = f"| cat > {out}" if kind == "pipe" else f">> {out}"
    p = local.command(["sh", "-c", f"( exec \"$0\" -d -d -lf {tmp_path}/log \"$@\" {redirect} ) {end}", lab.SOCAST, *pair], stdin=None)
    lab.wait_until(lambda: (tmp_path / "log").exists() and "listening on" in (tmp_path / "log").read_text(), 5, "no listener")
    c = feed(local, port)
    lab.wait_until(lambda: out.exists() and out.stat().st_size >= len(DATA), 5, lambda: (tmp_path / "log").read_text())
    assert out.read_bytes() == DATA
    log = (tmp_path / "log").read_text()
    assert " E " not in log, log
    if not fork:
        c.recv(1)
        assert p.wait().status == 0, log


@pytest.mark.parametrize("left", ["STDIN", "FD:0", "OPEN:/dev/stdin,rdonly", "-!!OPEN:/dev/null,rdonly"])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("answer", [b"answer\n", DATA], ids=["short", "long"])
def test_an_answer_that_cannot_go_anywhere(local, left, swap, answer):
    """It is read and dropped with a warning that says how much it was; status 0. (Classic: dropped silently.)"""
    s, port = server(local)
    pair = [left, f"TCP4:{LOOP}:{port}"]
    p = local.start(*(pair[::-1] if swap else pair))
    c, _ = accept(s)
    p.send(b"cmd\n")
    assert lab.take(c, 4) == b"cmd\n"
    c.sendall(answer)       # more than the buffers hold: it is not held up
    c.shutdown(socket.SHUT_WR)
    p.close_stdin()
    r = p.wait()
    a, b = (1, 2) if swap else (2, 1)
    assert r.status == 0 and f" W {len(answer)} bytes from socket {a} had nowhere to go: socket {b} can only be read from" in r.log, r
    assert " E " not in r.log


def test_datagrams_that_cannot_go_anywhere(local):
    """The same for datagrams, whose end never comes."""
    s = local.udp()
    p = local.start("STDIN", f"UDP4:{LOOP}:{s.getsockname()[1]}")
    p.send(b"question")
    data, peer = s.recvfrom(99)
    s.sendto(b"one", peer)
    s.sendto(b"three", peer)
    time.sleep(0.1)
    p.close_stdin()
    r = p.wait()
    assert data == b"question" and r.status == 0 and " W 8 bytes from socket 2 had nowhere to go" in r.log, r


@pytest.mark.parametrize("address", ["UDP4-RECV:{p}", "UDP6-RECV:{p},ipv6only=0", "UNIX-RECV:{d}/s", "UDPLITE4-RECV:{p}"])
def test_types_that_only_hear(local, tmp_path, address):
    """`- UDP4-RECV:…` hears; what is typed has nowhere to go. (Classic ends at the first byte with an error.)"""
    port = lab.port()
    p = local.start("-d", "-d", "-", address.format(p=port, d=tmp_path))
    p.wait_log("starting data transfer loop")
    p.send("typed\n")
    if "UNIX" in address:
        with local.socket(socket.AF_UNIX) as s:
            s.sendto(b"heard", str(tmp_path / "s"))
    else:
        with local.socket(proto=136 if "LITE" in address else 0) as s:
            s.sendto(b"heard", (LOOP, port))
    p.expect_output(b"heard")
    p.close_stdin()
    r = p.wait()
    assert r.status == 0 and " W 6 bytes from socket 1 had nowhere to go: socket 2 can only be read from" in r.log and " E " not in r.log, r


def test_datagrams_to_standard_output(local, tmp_path):
    """UDP4-RECV STDOUT | cat: every datagram comes through, each run. (Before: 0 of 3.)"""
    port = lab.port()
    p = local.command(["sh", "-c", f"exec \"$0\" -lf {tmp_path}/log -d -d UDP4-RECV:{port} STDOUT | cat", lab.SOCAST])
    lab.wait_until(lambda: (tmp_path / "log").exists() and "starting data" in (tmp_path / "log").read_text(), 5, "no start")
    s = local.udp()
    for i in range(100):
        s.sendto(b"%3d\n" % i, (LOOP, port))
    p.expect_output(400)
    assert p.out == b"".join(b"%3d\n" % i for i in range(100))


@pytest.mark.parametrize("line,word", [(["STDOUT", "STDERR"], "both addresses are"), (["-u", "OPEN:{f},wronly", "-"], "the left address is"),
                                       (["-U", "-", "OPEN:{f},wronly"], "the right address is")])
def test_nothing_to_transfer(local, tmp_path, line, word):
    """Nothing can be read anywhere: one sentence, status 1."""
    (tmp_path / "f").write_bytes(b"x")
    r = local.run(*[w.format(f=tmp_path / "f") for w in line])
    assert r.status == 1 and f" E {word} open for writing only: there is nothing to transfer" in r.log, r


@pytest.mark.parametrize("address", ["OPEN:{f},nonblock", "OPEN:{f},rdonly,nonblock", "OPEN:{f},rdonly", "GOPEN:{f},nonblock", "PIPE:{f},nonblock",
                                     "OPEN:{f},rdonly,nonblock!!OPEN:/dev/null,wronly"])
@pytest.mark.parametrize("flags", [[], ["-u"]])
def test_a_fifo_without_a_writer_yet(local, tmp_path, address, flags):
    """It is waited for; everything that comes later is relayed. (Before: the first read was taken for the end.)"""
    fifo, out = tmp_path / "f", tmp_path / "out"
    os.mkfifo(fifo)
    local.start(*flags, address.format(f=fifo), f"CREATE:{out}")
    time.sleep(0.3)
    for part in (DATA, b"more"):
        with open(fifo, "wb") as f:
            f.write(part)
        if "rdonly" in address or flags:
            break       # the end of the only writer is the end
    lab.wait_until(lambda: out.exists() and out.read_bytes() in (DATA, DATA + b"more"), 5, "it does not arrive")


def test_a_fifo_as_standard_input(local, tmp_path):
    """The same when the descriptor is inherited."""
    os.mkfifo(tmp_path / "f")
    fd = os.open(tmp_path / "f", os.O_RDONLY | os.O_NONBLOCK)
    p = local.start("STDIN", "STDOUT", stdin=fd)
    os.close(fd)
    time.sleep(0.2)
    (tmp_path / "f").write_bytes(b"late")
    r = p.wait()
    assert r.out == b"late" and r.status == 0, r


# ---------------------------------------------------------------- -t

CUT = r" W socket {} had not ended, but said nothing for 0.2 seconds after the end of socket {}: it is cut off; -t SECONDS waits longer"


@pytest.mark.parametrize("swap", [False, True])
def test_a_late_answer_is_missed_aloud(local, swap):
    """-t is over and the server has not ended: it is said which side, how long, and what would help."""
    s, port = server(local)
    pair = ["-", f"TCP4:{LOOP}:{port}"]
    p = local.start("-t", "0.2", *(pair[::-1] if swap else pair))
    c, _ = accept(s)
    p.send(b"question\n")
    p.close_stdin()
    r = p.wait()
    assert r.status == 0 and re.search(CUT.format(*((1, 2) if swap else (2, 1))), r.log), r


def test_a_late_program_is_missed_aloud(local):
    r = local.run("-t", "0.2", "-", "EXEC:sleep 2", input=b"")
    assert re.search(CUT.format(2, 1), r.log), r


def test_what_has_no_end_is_not_cut(local):
    """Groups, datagrams and terminals never end: that is no news."""
    s = local.udp()
    r = local.run("-t", "0.1", "-", f"UDP4-DATAGRAM:{LOOP}:{s.getsockname()[1]}", input=b"x")
    assert r.status == 0 and "cut off" not in r.log, r
    r = local.run("-t", "0.1", "-", "PTY", input=b"x")
    assert r.status == 0 and "cut off" not in r.log, r


def test_a_side_that_has_ended_is_not_cut(local):
    s, port = server(local)

    def body():
        c, _ = s.accept()
        c.recv(99)
        c.sendall(b"answer")
        c.close()
    t = threading.Thread(target=body)
    t.start()
    r = local.run("-t", "2", "-", f"TCP4:{LOOP}:{port}", input=b"x")
    t.join()
    assert r.out == b"answer" and r.log == "", r


def test_many_cut_sides_are_said_once_a_minute(local):
    port = lab.port()
    p = local.start("-t", "0.1", f"TCP4-LISTEN:{port},fork,reuseaddr", "EXEC:sleep 5")
    lab.wait_until(lambda: connects(local, port), 5, "no listener")
    cs = [feed(local, port, b"x") for _ in range(8)]
    for c in cs:
        c.settimeout(3)
        assert c.recv(9) == b""
    p.wait_log("cut off")
    lab.pump(0)
    assert p.log.count("cut off") == 1, p


def connects(local, port):
    c = local.socket(kind=socket.SOCK_STREAM)
    try:
        c.connect((LOOP, port))
        return True
    except ConnectionRefusedError:
        return False
    finally:
        c.close()


@pytest.mark.parametrize("flags", [["-t", "0.3"], ["-T", "0.5"]])
def test_what_nobody_gets_keeps_nobody(local, flags):
    """STDIN and a server that talks for ever: its words are no activity. (Before: for ever.)"""
    port = lab.port()
    q = local.start("-d", "-d", f"TCP4-LISTEN:{port},reuseaddr", "SYSTEM:while echo word; do sleep 0.02; done")
    q.wait_log("listening on")
    p = local.start(*flags, "STDIN", f"TCP4:{LOOP}:{port}")
    p.send("x")
    if flags[0] == "-t":
        p.close_stdin()
    r = p.wait(5)
    assert r.status == 0 and "had nowhere to go" in r.log, r
