"""The life of sessions that share a process: beginnings that take long, ends that take long, own processes."""
import os
import re
import select
import signal
import time

import pytest

import lab


def up(local, *args, **kw):
    p = local.start("-d", "-d", *args, **kw)
    p.wait_log(r"starting data transfer loop|listening on")
    return p


def peer(local):
    return local.udp(("127.0.0.1", 0))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(n) for n in f.read().split()]


@pytest.fixture(name="fifo")
def _fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_a_session_may_expire_before_it_has_begun(local, fifo):
    """The opening of its right address ends with it."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-LISTEN:{port},fork,session-timeout=0.2", f"OPEN:{fifo}")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    p.wait_log(r"silent for session-timeout")
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    time.sleep(0.3)                     # several attempts of the opening, if there were one
    assert "starting data transfer loop" not in p.log
    s.sendto(b"y", ("127.0.0.1", port))
    assert select.select([fd], [], [], 4)[0] and os.read(fd, 9) == b"y"
    os.close(fd)
    s.close()


def test_a_session_that_expires_slowly_expires_once(local):
    """A program that is only written to has a second to end; its peer is out of the table at once."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-LISTEN:{port},fork,session-timeout=0.2", "EXEC:cat")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    p.wait_log(r"silent for session-timeout")
    s.sendto(b"y", ("127.0.0.1", port))
    p.wait_log(r"silent for session-timeout", count=2)
    assert len(re.findall("silent for session-timeout", p.log)) == 2
    lab.wait_until(lambda: not children(p.pid), 4, "a program is left")
    s.close()


def test_datagrams_that_wait_in_memory_are_all_delivered(local, fifo, fast):
    """What has come while the right address was being opened is delivered without a further datagram."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-LISTEN:{port},fork", f"OPEN:{fifo}")
    s = peer(local)
    for k in range(100):
        s.sendto(b"%02d\n" % k, ("127.0.0.1", port))
    p.wait_log(r"received packet", count=100)
    fd, want, got = os.open(fifo, os.O_RDONLY), b"".join(b"%02d\n" % k for k in range(100)), b""
    while len(got) < len(want):
        assert select.select([fd], [], [], 4)[0], f"only {len(got)} of {len(want)} bytes came"
        got += os.read(fd, 9999)
    assert got == want
    os.close(fd)
    s.close()


def test_blocks_of_no_bytes(local):
    """-b 0 into datagrams ends at once, as between streams."""
    s = peer(local)
    r = local.run("-b0", "-u", "-", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}", input=b"x")
    assert r.status == 0
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(9)
    s.close()


def test_a_terminal_that_sits_out_its_hangup_does_not_spin(local):
    """sitout-eio looks now and then, not all the time."""
    p = local.start("-d", "-d", "-u", "EXEC:true,pty,sitout-eio=5", "-")
    p.wait_log(r"sitting out")
    before = cpu_seconds(p.pid)
    time.sleep(1)
    assert cpu_seconds(p.pid) - before < 0.2


def test_own_processes_when_the_right_address_forks(local):
    """The process of a session has the left address as well."""
    port = lab.port()
    p = up(local, "PIPE", f"UDP4-LISTEN:{port},fork,isolate")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(9) == b"x"
    assert len(children(p.pid)) == 1
    s.close()


def test_own_processes_take_signals(local):
    """SIGTERM ends the process of a session."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,isolate", "PIPE")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(9) == b"x"
    (child,) = children(p.pid)
    os.kill(child, signal.SIGTERM)
    lab.wait_until(lambda: not children(p.pid), 4, "the session's process still runs")
    s.close()


def test_a_missing_reader_is_mentioned_once(local, fifo):
    """Trying a FIFO again and again is not news."""
    p = local.start("-d", "-d", "-u", "-", f"OPEN:{fifo}")
    p.wait_log(r"opening named pipe")
    lab.rest(0.7)
    assert len(re.findall("opening named pipe", p.log)) == 1


def test_queued_errors_do_not_spin(local):
    """With ip-recverr errors are read from their queue, and told at info level."""
    p = local.start("-ddd", "-", f"UDP4-DATAGRAM:127.0.0.1:{lab.port()},ip-recverr")
    p.wait_log(r"starting data transfer loop")
    p.send("x\n")
    p.wait_log(r"IP_RECVERR: errno=111")
    before = cpu_seconds(p.pid)
    time.sleep(0.5)
    assert cpu_seconds(p.pid) - before < 0.1


COUNTS = r"SYSTEM:'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.15; done'"


@pytest.mark.parametrize("own", ["", ",isolate"])
def test_who_is_only_sent_to_is_not_silent(local, own):
    """session-timeout counts from the last datagram in either direction."""
    port = lab.port()
    up(local, f"UDP4-LISTEN:{port},fork,session-timeout=0.6{own}", COUNTS)
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert [s.recv(9) for _ in range(8)] == [b"%d\n" % i for i in range(1, 9)]
    s.close()


@pytest.mark.parametrize("own", ["", ",isolate"])
def test_who_is_served_is_not_evicted(local, own):
    """At max-sessions the one goes who has been silent longest in both directions, not the one who is sent something."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,max-sessions=2{own}",
           "SYSTEM:read how; echo $how; [ $how = talk ] && for i in 1 2 3 4 5 6; do sleep 0.15; echo $i; done; sleep 5")
    served, silent, new = peer(local), peer(local), peer(local)
    for s, how in (served, b"talk\n"), (silent, b"listen\n"):
        s.sendto(how, ("127.0.0.1", port))
        assert s.recv(9) == how
    assert [served.recv(9) for _ in range(3)] == [b"1\n", b"2\n", b"3\n"]
    lab.rest(0.05)                      # a process of its own tells the table
    new.sendto(b"listen\n", ("127.0.0.1", port))
    assert new.recv(9) == b"listen\n"
    p.wait_log("silent longest")
    assert f"session with AF=2 127.0.0.1:{silent.getsockname()[1]} ends" in p.log
    assert served.recv(9) == b"4\n"
    for s in (served, silent, new):
        s.close()


def test_the_bound_is_exact(local):
    """As many sessions as max-sessions end none; one more ends one, and that is the silent one."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,max-sessions=3", "PIPE")
    socks = [peer(local) for _ in range(4)]

    def ask(s):
        s.sendto(b"x", ("127.0.0.1", port))
        assert s.recv(9) == b"x"
    for s in socks[:3]:
        ask(s)
    ask(socks[0])                       # now the second one is silent longest
    assert "max-sessions" not in p.log
    ask(socks[3])
    p.wait_log("max-sessions")
    lab.rest(0.1)
    assert re.findall(r"session with AF=2 127.0.0.1:(\d+) ends", p.log) == [str(socks[1].getsockname()[1])]
    for s in socks:
        s.close()
