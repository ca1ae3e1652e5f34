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
    """-b 0 into datagrams ends at once, as between streams, and has sent nothing."""
    with local.udp() as s:
        r = local.run("-d", "-d", "-b0", "-u", "-", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}", input=b"x")
        assert r.status == 0 and "starting data transfer loop" in r.log and "socket 1 (fd 0) is at EOF" in r.log, r
        assert not select.select([s], [], [], 0)[0]


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
    assert not children(p.pid)
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(9) == b"x"
    (child,) = children(p.pid)
    assert os.readlink(f"/proc/{child}/exe") == os.path.realpath(lab.SOCAST)
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


# ---- how many programs at once ----

def busy_program(tmp_path):
    """A program that takes its time to end, and writes down when it begins and ends."""
    f = tmp_path / "busy"
    f.write_text(f"#!/bin/sh\ntrap 'sleep 0.15; echo - >>{tmp_path}/count; exit 0' TERM\necho + >>{tmp_path}/count\n"
                 f"echo hi\nsleep $1 &\nwait\nsleep $1\necho - >>{tmp_path}/count\n")
    f.chmod(0o755)
    return f


def most_at_once(tmp_path):
    n = most = 0
    for line in (tmp_path / "count").read_text().split():
        n += 1 if line == "+" else -1
        most = max(most, n)
    return most


def begun(tmp_path):
    f = tmp_path / "count"
    return f.read_text().count("+") if f.exists() else 0


@pytest.mark.parametrize("kind", ["EXEC:", "SYSTEM:exec "])
@pytest.mark.parametrize("address,flags", [("UDP4-RECVFROM:{p},fork,max-children=3", []), ("UDP4-RECVFROM:{p},fork,max-children=3", ["-u"]),
                                           ("UDP4-RECVFROM:{p},fork,isolate,max-children=3", []),
                                           ("UDP4-LISTEN:{p},fork,max-children=3,session-timeout=0.3", []),
                                           ("UDP4-LISTEN:{p},fork,max-sessions=3", []), ("UDP4-LISTEN:{p},fork,max-sessions=3", ["-u"]),
                                           ("UDP4-LISTEN:{p},fork,isolate,max-sessions=3", [])])
def test_programs_count_until_they_have_ended(local, tmp_path, kind, address, flags):
    """A session that is over keeps its place while its program still runs: never more programs than max-children or
    max-sessions, and all peers get their turn where none is put away. (In classic the programs of sessions that are
    over are not counted.)"""
    port, n = lab.port(), 12
    p = local.start("-d", "-d", "-t", "0.3", *flags, address.format(p=port), f"{kind}{busy_program(tmp_path)} {0.2 if kind != 'EXEC:' else 5}")
    p.wait_log("(listening|receiving) on")
    clients = [peer(local) for _ in range(n)]
    for i, c in enumerate(clients):
        if i == 3:                      # who is put away has begun
            lab.wait_until(lambda: begun(tmp_path) == 3, 5, "not begun")
            if "timeout" in address:
                p.wait_log("silent for session-timeout", count=3)
        c.sendto(b"x", ("127.0.0.1", port))
    want = n if "RECVFROM" in address else 6
    lab.wait_until(lambda: begun(tmp_path) >= want, 15, lambda: f"only {begun(tmp_path)} of {want} programs; {p!r}")
    assert most_at_once(tmp_path) <= 3
    for c in clients:
        c.close()


@pytest.mark.parametrize("opts", ["", ",isolate"])
@pytest.mark.parametrize("kind", ["EXEC:", "SYSTEM:exec "])
def test_connections_wait_for_programs_that_end(local, tmp_path, kind, opts):
    """The same for connections."""
    port = lab.port()
    p = up(local, "-t", "0.3", f"TCP4-LISTEN:{port},fork,max-children=2{opts}", f"{kind}{busy_program(tmp_path)} {0.2 if kind != 'EXEC:' else 5}")
    for _ in range(6):
        with local.socket(kind=1) as c:
            c.connect(("127.0.0.1", port))
    lab.wait_until(lambda: begun(tmp_path) >= 6, 10, lambda: f"only {begun(tmp_path)} programs; {p!r}")
    assert most_at_once(tmp_path) <= 2


def test_an_end_of_listening_does_not_wait_for_programs(local, tmp_path):
    """When no more are accepted, a shell that goes on by itself holds nobody up, and nothing is leaked."""
    port = lab.port()
    p = up(local, f"TCP4-LISTEN:{port},fork,accept-timeout=0.3,max-children=5", f"SYSTEM:exec {busy_program(tmp_path)} 2")
    with local.socket(kind=1) as c:
        c.connect(("127.0.0.1", port))
        assert c.recv(9)
    assert p.wait(3).status == 0, p


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
           "SYSTEM:read how; echo $how; [ $how = talk ] && for i in 1 2 3 4 5 6; do sleep 0.15; echo $i; done; cat >/dev/null")
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


def test_who_was_stopped_looks_before_it_cuts(local):
    """A process that has had no processor for a while finds its timers due: what has come meanwhile is read first. (Of 300
    questions at once, on a machine with sixteen busy loops beside, 225 programs lost their answer; classic loses some, too.)"""
    port = lab.port()
    p = local.start("-d", "-d", "-t", "3", f"UDP4-RECVFROM:{port},fork", "EXEC:sh -c \\\"read q; sleep 0.3; echo answer\\\"")
    p.wait_log("receiving on")
    socks = [local.udp() for _ in range(80)]
    for s in socks:
        s.sendto(b"question\n", ("127.0.0.1", port))
    lab.wait_until(lambda: len(lab.descendants(p.pid)) >= 10, 5, "no programs have begun")
    lab.rest(0.1)
    os.kill(p.pid, signal.SIGSTOP)
    lab.rest(3.5)
    os.kill(p.pid, signal.SIGCONT)
    for s in socks:
        s.settimeout(5)
        assert s.recv(99) == b"answer\n"
        s.close()


@pytest.mark.parametrize("kind", ["EXEC:sh -c \\\"sleep 0.8; read q; echo got \\\\$q\\\"", "SYSTEM:sleep 0.8; read q; echo got $q"])
def test_a_program_that_begins_late(local, kind):
    """-t begins when the program has read what it was sent."""
    r = local.run("-t", "0.3", "-", kind, input=b"it\n")
    assert r.out == b"got it\n" and r.status == 0, r
