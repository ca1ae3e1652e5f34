"""The log holds nobody up: pipes, terminals, sockets and a syslog that nobody reads. In classic only the process that logs waits."""
import fcntl
import os
import re
import shutil
import socket
import struct
import threading
import time

import pytest

import lab
from test_tcp import connect

SAID = re.compile(rb" W (\d+) records were left out: nobody has read the log")


def echoes(local, port, n):
    """@n sessions one after another, each answered at once; behind one that is open all the time."""
    first = connect(local, port, timeout=3)
    end = time.monotonic() + 20 * lab.SLOW
    for k in range(n):
        c = connect(local, port, timeout=3)
        c.sendall(b"%d" % k)
        assert c.recv(9) == b"%d" % k
        c.close()
        assert time.monotonic() < end, k
    first.sendall(b"still here")
    assert first.recv(99) == b"still here"
    first.close()


def ends_at_once(p):
    start = time.monotonic()
    p.kill()
    lab.wait_until(p.ended, 5, "no end")
    assert time.monotonic() - start < 2 * lab.SLOW
    assert p.p.returncode == 143


def pipe_of_stderr():
    r, w = os.pipe()
    return r, w


def socket_of_stderr():
    a, b = socket.socketpair()
    return a.detach(), b.detach()


def pty_of_stderr():
    return os.openpty()


KINDS = {"pipe": pipe_of_stderr, "socket": socket_of_stderr, "pty": pty_of_stderr}


@pytest.mark.parametrize("proc", [True, False], ids=["", "no-proc"])
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_reads_stderr(local, kind, proc):
    """Sessions go on, so does SIGTERM; the flags of the shared description stay as they are."""
    port = lab.port()
    r, w = KINDS[kind]()
    argv = [lab.SOCAST, "-d", "-d", "-d", "-d", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"]
    if not proc:
        if not lab.REAL_ROOT or not shutil.which("unshare") or "asan" in lab.SOCAST:
            pytest.skip("needs root, and a program without sanitizers")
        argv = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc; exec "$@"', "sh", *argv]
    p = local.command(argv, stderr=w)
    echoes(local, port, 300)
    assert not fcntl.fcntl(w, fcntl.F_GETFL) & os.O_NONBLOCK
    ends_at_once(p)
    os.close(w)
    os.close(r)


def test_what_was_left_out_is_counted(local):
    """Whole lines only, and in the end how many are missing."""
    port = lab.port()
    r, w = os.pipe()
    p = local.command([lab.SOCAST, "-d", "-d", "-d", "-d", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"], stderr=w)
    os.close(w)
    echoes(local, port, 500)
    os.set_blocking(r, False)
    log, end = b"", time.monotonic() + 10 * lab.SLOW
    while not SAID.search(log) and time.monotonic() < end:
        try:
            log += os.read(r, 1 << 16)
        except BlockingIOError:
            time.sleep(0.02)
    assert int(SAID.search(log)[1]) > 100
    for line in log.splitlines():
        assert re.match(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d socast\[\d+\] [DINWEF] ", line), line
    c = connect(local, port)            # and it goes on
    c.sendall(b"x")
    assert c.recv(9) == b"x"
    time.sleep(0.1)
    assert b"accepting connection" in os.read(r, 1 << 16)
    c.close()
    p.stop()
    os.close(r)


def test_a_slow_reader_gets_all(local):
    """Who reads late but before the buffer is full misses nothing, though nothing new is logged meanwhile."""
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    port = lab.port()
    p = local.command([lab.SOCAST, "-d", "-d", "-d", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"], stderr=w)
    os.close(w)
    echoes(local, port, 50)
    time.sleep(0.3)
    log = b""
    os.set_blocking(r, False)
    end = time.monotonic() + 10 * lab.SLOW
    while log.count(b"exiting") + log.count(b"accepting connection from") < 51 and time.monotonic() < end:
        try:
            log += os.read(r, 4096)
        except BlockingIOError:
            time.sleep(0.02)
    assert log.count(b"accepting connection from") == 51 and not SAID.search(log)
    p.stop()
    os.close(r)


def test_the_end_is_not_lost(local):
    """What waits at the end of the program is written, if somebody reads within half a second."""
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    p = local.command([lab.SOCAST, "-d", "-d", "-d", "-d", "-u", "OPEN:/etc/passwd", "OPEN:/dev/null"], stderr=w)
    os.close(w)
    time.sleep(0.1)
    log = b""
    while True:
        data = os.read(r, 512)
        if not data:
            break
        log += data
        time.sleep(0.005)
    assert b"exiting with status 0" in log
    p.stop()
    os.close(r)


def test_nobody_reads_at_the_end(local):
    r, w = os.pipe()
    os.set_blocking(w, False)
    while True:                         # full
        try:
            os.write(w, bytes(4096))
        except BlockingIOError:
            break
    os.set_blocking(w, True)
    start = time.monotonic()
    p = local.command([lab.SOCAST, "-d", "-d", "-d", "-d", "-u", "OPEN:/etc/passwd", "OPEN:/dev/null"], stderr=w)
    lab.wait_until(p.ended, 5, "no end")
    assert p.p.returncode == 0 and time.monotonic() - start < 2 * lab.SLOW
    os.close(r)
    os.close(w)


def test_a_file_gets_everything(local, tmp_path):
    """Nothing is lost on a regular file, by -lf or behind stderr."""
    for flags in (["-lf", tmp_path / "log"], []):
        port = lab.port()
        with open(tmp_path / "err", "wb") as err:
            p = local.command([lab.SOCAST, "-d", "-d", *flags, f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"], stderr=err)
            echoes(local, port, 500)
            p.stop()
        log = (tmp_path / ("log" if flags else "err")).read_bytes()
        assert log.count(b"accepting connection") == 501 and not SAID.search(log)


def test_a_fifo_as_log_file(local, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    r = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    port = lab.port()
    p = local.start("-d", "-d", "-d", "-lf", tmp_path / "fifo", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE")
    echoes(local, port, 500)
    ends_at_once(p)
    os.close(r)


@pytest.mark.parametrize("flags", [["-v"], ["-x"], ["-v", "-x"]])
def test_nobody_reads_dumps(local, flags):
    """Dumps are data: their reader is waited for, a second, once; then the sessions go on without."""
    port = lab.port()
    r, w = os.pipe()
    p = local.command([lab.SOCAST, *flags, f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"], stderr=w)
    c = connect(local, port, timeout=5)
    for _ in range(200):
        c.sendall(bytes(4096))
        got = 0
        while got < 4096:
            got += len(c.recv(4096))
    echoes(local, port, 3)
    ends_at_once(p)
    c.close()
    os.close(r)
    os.close(w)


def test_dumps_are_complete_for_a_slow_reader(local):
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    p = local.command([lab.SOCAST, "-v", "-u", "STDIN", "OPEN:/dev/null"], stderr=w)
    os.close(w)
    log = []

    def read():
        while True:
            log.append(os.read(r, 65536))
            if not log[-1]:
                break
            time.sleep(0.001)

    t = threading.Thread(target=read)
    t.start()
    p.send(b"a" * 1000000)
    p.close_stdin()
    t.join()
    assert b"".join(log).count(b"a") >= 1000000
    p.stop()
    os.close(r)


@pytest.mark.skipif(not lab.REAL_ROOT or not shutil.which("unshare"), reason="needs root")
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_nobody_reads_syslog(local, tmp_path, kind):
    path = tmp_path / "devlog"
    with socket.socket(socket.AF_UNIX, kind) as s:
        s.bind(str(path))
        if kind == socket.SOCK_STREAM:
            s.listen()
        port = lab.port()
        p = local.command(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && ln -s "$1" /dev/log && shift && exec "$@"', "sh", path,
                           lab.SOCAST, "-d", "-d", "-d", "-d", "-ly", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"])
        echoes(local, port, 300)
        ends_at_once(p)
        if kind == socket.SOCK_STREAM:
            s, _ = s.accept()
        got = s.recv(8192)
        assert re.match(rb"<3[0-9]>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d socast\[\d+\]: [DINWEF] ", got), got


@pytest.mark.skipif(not lab.REAL_ROOT or not shutil.which("unshare"), reason="needs root")
def test_syslog_that_starts_again(local, tmp_path):
    """Records go to the new one."""
    path = tmp_path / "devlog"
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(str(path))
    port = lab.port()
    p = local.command(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && ln -s "$1" /dev/log && shift && exec "$@"', "sh", path,
                       lab.SOCAST, "-d", "-d", "-ly", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"])
    connect(local, port).close()
    assert b"listening" in s.recv(8192)
    s.close()
    connect(local, port).close()        # nobody there
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(5)
        connect(local, port).close()
        assert b"socast[%d]: " % p.pid in s.recv(8192)
    p.stop()


def test_session_processes_do_not_repeat(local):
    """What waits in the parent is not written once more by its session processes."""
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    port = lab.port()
    p = local.command([lab.SOCAST, "-d", "-d", "-d", f"TCP4-LISTEN:{port},fork,reuseaddr,isolate", "PIPE"], stderr=w)
    os.close(w)
    echoes(local, port, 30)
    os.set_blocking(r, False)
    log, end = b"", time.monotonic() + 3 * lab.SLOW
    while time.monotonic() < end:
        try:
            log += os.read(r, 4096)
        except BlockingIOError:
            if log.count(b"accepting connection from") >= 31:
                break
            time.sleep(0.02)
    ports = re.findall(rb"accepting connection from AF=2 127.0.0.1:(\d+)", log)
    assert len(ports) == len(set(ports)) == 31
    p.stop()
    os.close(r)


def test_reset_by_the_reader(local):
    """A reader that is gone ends nothing (SIGPIPE)."""
    r, w = os.pipe()
    port = lab.port()
    p = local.command([lab.SOCAST, "-d", "-d", "-d", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE"], stderr=w)
    os.close(w)
    connect(local, port).close()
    os.close(r)
    echoes(local, port, 5)
    s = connect(local, port)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    ends_at_once(p)


def test_nobody_reads_the_analysis(local):
    """-D, and nobody reads stderr: clients are served all the same, and SIGTERM ends it. (Before: it stood still for ever.)"""
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    port = lab.port()
    p = local.start("-D", f"TCP4-LISTEN:{port},fork,reuseaddr", "PIPE", stderr=w)
    os.close(w)
    clients = []
    for i in range(20):
        c = local.socket(socket.AF_INET, socket.SOCK_STREAM, timeout=4)
        lab.wait_until(lambda c=c: c.connect_ex(("127.0.0.1", port)) in (0, 106), 4, "not served")
        c.sendall(b"x")
        assert c.recv(9) == b"x"
        clients.append(c)
    p.kill()
    assert p.wait(4).status == 143
    os.close(r)
    for c in clients:
        c.close()


@pytest.mark.parametrize("own", ["isolate", "su=nobody"])
def test_nobody_reads_the_dumps_of_own_processes(local, own):
    """A session with a process of its own waits a second for the reader, as those of one process do, and ends with its parent."""
    r, w = os.pipe()
    port = lab.port()
    p = local.start("-v", f"TCP4-LISTEN:{port},fork,reuseaddr,{own}", "PIPE", stderr=w)
    os.close(w)
    c = local.socket(socket.AF_INET, socket.SOCK_STREAM, timeout=6)
    lab.wait_until(lambda: c.connect_ex(("127.0.0.1", port)) in (0, 106), 4, "not served")
    data, got = bytes(200_000), 0
    t = threading.Thread(target=c.sendall, args=(data,))
    t.start()
    while got < len(data):
        got += len(c.recv(65536))
    t.join()
    pids = lab.descendants(p.pid)
    p.kill()
    assert p.wait(4).status == 143
    lab.wait_until(lambda: not any(lab.running(pid) for pid in pids), 3, "its process stays")
    os.close(r)
    c.close()
