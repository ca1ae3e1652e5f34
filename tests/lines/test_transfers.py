"""Files, folders and disks from one place to another."""
import os
import signal
import socket
import threading
import time

import pytest

import lab
from desk import MEGABYTES, needs, sha, take_all


def test_send_a_file(desk, load):
    """The line of every cheat sheet, both ends."""
    port = lab.port()
    desk.write("in", MEGABYTES)
    r = desk.server(f"socat -u TCP-LISTEN:{port},reuseaddr OPEN:out,creat,trunc", port)
    assert desk.run(f"socat -u FILE:in TCP:127.0.0.1:{port}").status == 0
    assert r.wait().status == 0 and sha(desk / "out") == sha(MEGABYTES)
    desk.keep("out")


def test_send_a_file_without_flags(desk, load):
    port = lab.port()
    desk.write("in", MEGABYTES)
    r = desk.server(f"socat TCP-LISTEN:{port},reuseaddr CREATE:out", port)
    assert desk.run(f"socat - TCP:127.0.0.1:{port} < in").status == 0
    assert r.wait().status == 0 and sha(desk / "out") == sha(MEGABYTES)
    desk.keep("out")


def test_serve_a_file_to_whoever_comes(desk, load):
    """fork, and clients that ask first, read slowly, or leave in the middle."""
    port = lab.port()
    desk.write("page", MEGABYTES)
    p = desk.server(f"socat -U TCP-LISTEN:{port},reuseaddr,fork FILE:page,rdonly", port)
    quitter = desk.tcp(port)
    quitter.recv(1000)
    quitter.close()
    slow, asking = desk.tcp(port), desk.tcp(port)
    asking.sendall(b"GET / HTTP/1.0\r\n\r\n" * 100)
    time.sleep(0.1)
    assert sha(take_all(asking)) == sha(MEGABYTES)
    assert sha(take_all(slow, pause=0.002)) == sha(MEGABYTES)
    desk.idle(p)
    desk.end(p)


def test_a_tar_stream(desk, load):
    """tar | socat, socat | tar: the way folders move between machines."""
    port = lab.port()
    (desk / "src").mkdir()
    for i in range(40):
        (desk / "src" / str(i)).write_bytes(MEGABYTES[i * 1000:i * 50_000])
    (desk / "dst").mkdir()
    desk.keep("src", "dst")
    p = desk.server(f"socat -u TCP-LISTEN:{port},reuseaddr - | tar x -C dst", port)
    assert desk.run(f"tar c -C src . | socat -u - TCP:127.0.0.1:{port}").status == 0
    assert p.wait().status == 0
    for i in range(40):
        assert (desk / "dst" / str(i)).read_bytes() == MEGABYTES[i * 1000:i * 50_000]


def test_a_tar_stream_into_a_shell(desk, load):
    """The receiving end unpacks in a SYSTEM program, which goes on after the end of its input."""
    port = lab.port()
    desk.write("in", MEGABYTES)
    p = desk.server(f"socat -u TCP-LISTEN:{port},reuseaddr SYSTEM:'cat >part; sleep 0.7; mv part whole'", port)
    assert desk.run(f"gzip -c in | socat -u - TCP:127.0.0.1:{port}").status == 0
    p.wait()
    lab.wait_until(lambda: (desk / "whole").exists(), 5, "the shell's work was not done")
    assert desk.run("gzip -dc < whole").out == MEGABYTES
    desk.keep("whole")


def test_snapshots_through_a_buffer(desk):
    """As zfs send and receive do it: a pipe in, a pipe out, nothing else."""
    needs("dd")
    port = lab.port()
    desk.write("in", MEGABYTES)
    p = desk.server(f"socat -b 1048576 -u TCP4-LISTEN:{port},reuseaddr STDOUT | dd of=out bs=128k iflag=fullblock 2>/dev/null", port)
    assert desk.run(f"dd if=in bs=128k 2>/dev/null | socat -b 1048576 -u STDIN TCP4:127.0.0.1:{port}").status == 0
    assert p.wait().status == 0 and sha(desk / "out") == sha(MEGABYTES)
    desk.keep("out")


def test_progress_by_pv_in_between(desk):
    port = lab.port()
    desk.write("in", MEGABYTES)
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr STDOUT > out", port)
    assert desk.run(f"cat in | tee copy | socat - TCP:localhost:{port}").status == 0
    assert p.wait().status == 0 and sha(desk / "out") == sha(desk / "copy") == sha(MEGABYTES)
    desk.keep("out", "copy")


def test_append_to_a_log(desk):
    """Many writers, one file that is appended to; nothing is mixed up within a line."""
    port = lab.port()
    p = desk.server(f"socat -u TCP-LISTEN:{port},reuseaddr,fork OPEN:log,creat,append", port)
    lines = [f"host{i} says {'x' * 50} {j}\n" for i in range(10) for j in range(50)]
    for i in range(10):
        c = desk.tcp(port)
        c.sendall("".join(lines[i * 50:i * 50 + 50]).encode())
        c.close()
    lab.wait_until(lambda: (desk / "log").exists() and (desk / "log").read_text().count("\n") == 500, 5, "lines are missing")
    assert sorted((desk / "log").read_text().splitlines(True)) == sorted(lines)
    desk.keep("log")
    desk.end(p)


def test_a_file_that_grows(desk):
    """tail -f over the network."""
    port = lab.port()
    s, port = desk.listener()
    desk.write("log", "first\n")
    p = desk.line(f"socat -u FILE:log,ignoreeof,seek-end=0 TCP:127.0.0.1:{port}")
    c, _ = s.accept()
    time.sleep(0.2)
    with open(desk / "log", "a", encoding="ascii") as f:
        f.write("second\n")
    assert c.recv(99) == b"second\n"
    desk.idle(p)
    desk.end(p)


def test_over_tls_with_certificates(desk, load):
    """Both sides verified, 3 MB each way, one after the other."""
    needs("openssl")
    port = lab.port()
    for who in ("server", "client"):
        desk.run(f"openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=localhost -keyout {who}.key -out {who}.crt 2>/dev/null"
                 f" && cat {who}.key {who}.crt > {who}.pem && chmod 600 {who}.pem")
        desk.keep(f"{who}.key", f"{who}.crt", f"{who}.pem")
    desk.write("in", MEGABYTES)
    p = desk.server(f"socat -u OPENSSL-LISTEN:{port},reuseaddr,cert=server.pem,cafile=client.crt,verify=1 CREATE:out", port)
    assert desk.run(f"socat -u OPEN:in OPENSSL:localhost:{port},cert=client.pem,cafile=server.crt,verify=1").status == 0
    assert p.wait().status == 0 and sha(desk / "out") == sha(MEGABYTES)
    p = desk.server(f"socat -U OPENSSL-LISTEN:{port},reuseaddr,cert=server.pem,cafile=client.crt,verify=1 OPEN:in", port)
    assert desk.run(f"socat -u OPENSSL:localhost:{port},cert=client.pem,cafile=server.crt,verify=1 CREATE:back").status == 0
    assert p.wait().status == 0 and sha(desk / "back") == sha(MEGABYTES)
    desk.keep("out", "back")


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_receiver_gives_up(desk, how):
    """The sender says so: status 1, at once."""
    s, port = desk.listener()
    desk.write("in", MEGABYTES * 4)
    p = desk.line(f"socat -u FILE:in TCP:127.0.0.1:{port}")
    c, _ = s.accept()
    c.recv(1000)
    if how == "reset":
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()
    r = p.wait()
    assert r.status == 1 and " E " in r.log, r


def test_a_pipe_nobody_reads_any_more(desk):
    """| head: the reader has enough; no hang, and what it read is right."""
    s, port = desk.listener()
    t = threading.Thread(target=feed, args=(s, MEGABYTES * 3))
    t.start()
    r = desk.run(f"socat -u TCP:127.0.0.1:{port} - | head -c 1000000 > out")
    t.join(5)
    assert r.status == 0 and sha(desk / "out") == sha((MEGABYTES * 3)[:1_000_000])
    desk.keep("out")


def feed(s, data):
    c, _ = s.accept()
    try:
        c.sendall(data)
    except OSError:
        pass
    c.close()


def test_download_by_hand(desk):
    """printf 'GET …' | socat: the answer comes whole, although the question ends first."""
    s, port = desk.listener()

    def serve():
        c, _ = s.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += c.recv(999)
        c.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        for i in range(0, len(MEGABYTES), 300_000):
            c.sendall(MEGABYTES[i:i + 300_000])
            time.sleep(0.02)
        c.close()
    t = threading.Thread(target=serve)
    t.start()
    r = desk.run(f"printf 'GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' | socat - TCP:127.0.0.1:{port} > out")
    t.join()
    assert r.status == 0 and (desk / "out").read_bytes() == b"HTTP/1.0 200 OK\r\n\r\n" + MEGABYTES
    desk.keep("out")


def test_fifo_to_network(desk):
    """A program logs into a FIFO; opened both ways it has no end."""
    s, port = desk.listener()
    os.mkfifo(desk / "fifo")
    desk.keep("fifo")
    p = desk.line(f"socat -u OPEN:fifo,rdwr TCP:127.0.0.1:{port}")
    c, _ = s.accept()
    got = bytearray()
    for i in range(3):
        desk.run(f"printf 'record {i}\\n' > fifo")
        while b"record %d\n" % i not in got:
            got += c.recv(999)
    assert got == b"record 0\nrecord 1\nrecord 2\n"
    desk.idle(p)
    desk.end(p)


def test_killed_in_the_middle_leaves_nothing(desk):
    s, port = desk.listener()
    desk.write("in", MEGABYTES * 4)
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p = desk.line(f"socat -u FILE:in TCP:127.0.0.1:{port}")
        c, _ = s.accept()
        c.recv(1000)
        desk.end(p, sig)
        c.close()
