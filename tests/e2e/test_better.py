"""Where this program is deliberately better than classic socat: a test per promise.

Each says in its docstring what the classic program does instead."""
import os
import re
import signal
import socket

import pytest

import lab


def peer(local, addr="127.0.0.1", port=0):
    return local.udp((addr, port))


def up(local, *args, ready=r"starting data transfer loop|receiving on|listening on", **kw):
    p = local.start("-d", "-d", *args, **kw)
    p.wait_log(ready)
    return p


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(n) for n in f.read().split()]


def test_A1_every_reply_of_a_program_that_ignores_its_input(local):
    """Classic loses 1 to 16 % of these answers."""
    port = lab.port()
    up(local, f"UDP4-RECVFROM:{port},fork", "EXEC:hostname")
    s = peer(local)
    for _ in range(200):
        s.sendto(b"x" * 50, ("127.0.0.1", port))
        assert s.recv(99) == b"host1\n"
        lab.pump(0)
    s.close()


def test_A2_burst_clients_get_their_own_answers(local):
    """Classic answers 18 of 20 wrongly."""
    port = lab.port()
    up(local, f"UDP4-LISTEN:{port},fork", "PIPE")
    socks = [peer(local) for _ in range(200)]
    for k, s in enumerate(socks):
        s.sendto(b"%d" % k, ("127.0.0.1", port))
    for k, s in enumerate(socks):
        assert s.recv(99) == b"%d" % k
        s.close()


def test_A3_checks_run_on_every_datagram(local):
    """Classic delivers all packets of a forbidden host that wait behind an allowed one."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,range=127.0.0.2/32", "SYSTEM:cat >&2")
    good, bad = peer(local, "127.0.0.2"), peer(local, "127.0.0.1")
    p.kill(signal.SIGSTOP)              # so that all packets wait in the queue together
    good.sendto(b"GOOD\n", ("127.0.0.1", port))
    for _ in range(5):
        bad.sendto(b"EVIL\n", ("127.0.0.1", port))
    good.sendto(b"LAST\n", ("127.0.0.1", port))
    p.kill(signal.SIGCONT)
    p.wait_log("LAST")
    p.wait_log(r" W refusing connection from AF=2 127\.0\.0\.1:")
    assert "EVIL" not in p.log
    good.close()
    bad.close()


def test_A4_recvfrom_fork_keeps_up_without_processes(local):
    """Classic forks for each datagram and loses 16 % at 2000 a second."""
    port, sink = lab.port(), peer(local)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    p = up(local, f"UDP4-RECVFROM:{port},fork", f"UDP4-SENDTO:127.0.0.1:{sink.getsockname()[1]}")
    s, got = peer(local), 0
    for block in range(20):
        for n in range(50):
            s.sendto(b"%d" % (block * 50 + n), ("127.0.0.1", port))
        for _ in range(50):
            sink.recv(99)
            got += 1
        lab.pump(0)
    assert got == 1000
    assert children(p.pid) == []
    s.close()
    sink.close()


@pytest.mark.parametrize("opts", [[], ["-b", "100"]])
def test_A5_datagrams_are_never_cut(local, fast, opts):
    """Classic cuts a datagram at -b (8192) without a word."""
    port, sink = lab.port(), peer(local)
    up(local, *opts, "-u", f"UDP4-RECV:{port}", f"UDP4-SENDTO:127.0.0.1:{sink.getsockname()[1]}")
    s, data = peer(local), os.urandom(65507)
    s.sendto(data, ("127.0.0.1", port))
    assert sink.recv(70000) == data
    s.close()
    sink.close()


def test_A6_datagram_accepts_the_target_port_only(local):
    """Classic hears any port, against its own documents."""
    server, stranger = peer(local), peer(local)
    port = server.getsockname()[1]
    p = up(local, "-", f"UDP4-DATAGRAM:127.0.0.1:{port}")
    p.send("x")
    addr = server.recvfrom(9)[1]
    stranger.sendto(b"strange", addr)
    stranger.sendto(b"strange", addr)
    server.sendto(b"friend", addr)
    p.expect_output(b"friend")
    assert p.out == b"friend"
    lines = [s for s in p.log.splitlines() if " W " in s and str(stranger.getsockname()[1]) in s]
    assert len(lines) == 1 and "udp-ignore-peerport" in p.log
    server.close()
    stranger.close()


def test_A7_sessions_expire(local):
    """Classic keeps a process per one-packet client for ever."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,session-timeout=0.3", "SYSTEM:echo up >&2; cat")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(9) == b"x"
    assert len(children(p.pid)) == 1
    lab.wait_until(lambda: not children(p.pid), 4, "the idle session is still there")
    s.sendto(b"y", ("127.0.0.1", port))
    assert s.recv(9) == b"y"
    s.close()


def test_A7_sessions_are_capped(local):
    """max-sessions: the longest idle goes first, at notice level."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,max-sessions=3", "PIPE")
    socks = [peer(local) for _ in range(5)]
    for k, s in enumerate(socks):
        s.sendto(b"%d" % k, ("127.0.0.1", port))
        assert s.recv(9) == b"%d" % k
    p.wait_log(r" N .*max-sessions", count=2)
    lab.rest(0.05)
    assert re.findall(r"session with AF=2 127.0.0.1:(\d+) ends", p.log) == [str(s.getsockname()[1]) for s in socks[:2]]
    for s in socks:
        s.close()


def test_A8_losses_in_the_kernel_are_counted(local):
    """Classic does not know of datagrams the kernel dropped."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},rcvbuf=4096", "-")
    s = peer(local)
    p.kill(signal.SIGSTOP)
    for _ in range(200):
        s.sendto(b"x" * 1000, ("127.0.0.1", port))
    p.kill(signal.SIGCONT)
    p.expect_output(b"x")
    s.sendto(b"END", ("127.0.0.1", port))
    p.expect_output(b"END")
    p.wait_log(r" W .*(drop|lost)")
    p.kill(signal.SIGUSR1)
    p.wait_log(r"STATISTICS")
    assert len(re.findall(r" W .*(?:drop|lost)", p.log)) <= 2
    s.close()


def test_A9_missing_route_comes_with_the_cure(unrouted):
    """Classic: Network is unreachable, no more."""
    r = unrouted[0].run("-u", "-", "UDP4-DATAGRAM:224.1.0.1:6666", input=b"x")
    error = re.search(r" E sendto\(.*Network is unreachable", r.log)
    hint = re.search(r" W .*224\.1\.0\.1.*ip route add 224\.0\.0\.0/4 dev eth0", r.log)
    assert r.status == 1 and error and hint and error.start() < hint.start(), r


def test_A10_unicast_bind_with_membership_is_said(lan):
    """Classic silently receives nothing."""
    p = lan[1].start("-u", "UDP4-RECV:6666,bind=192.168.10.2,ip-add-membership=224.1.0.1:192.168.10.2", "-")
    p.wait_log(r" W .*192\.168\.10\.2")


def test_A11_ipv6_multicast(lan):
    """The options of IPv6 groups: join by name and index, interface, hops, loop."""
    with lan[1].inside():
        index = socket.if_nametoindex("eth0")
    by_name = up(lan[1], "-u", "UDP6-RECV:6666,reuseaddr,ipv6-join-group=[ff15::1234]:eth0", "-")
    by_index = up(lan[1], "-u", f"UDP6-RECV:6666,reuseaddr,ipv6-join-group=[ff15::1234]:{index}", "-")
    wire = lan[1].capture()
    r = lan[0].run("-u", "-", "UDP6-DATAGRAM:[ff15::1234]:6666,ipv6-multicast-if=eth0,ipv6-multicast-hops=3,ipv6-multicast-loop=0", input=b"six")
    assert r.status == 0, r
    by_name.expect_output(b"six")
    by_index.expect_output(b"six")
    assert wire.wait(1, dst="ff15::1234")[0].ttl == 3
    wire.close()


def test_B1_sessions_need_no_process(local):
    """Classic forks for each session."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork", "PIPE")
    socks = [peer(local) for _ in range(10)]
    for s in socks:
        s.sendto(b"x", ("127.0.0.1", port))
        assert s.recv(9) == b"x"
        s.close()
    assert children(p.pid) == []


def test_B1_isolate_gives_a_process(local):
    """Where asked for, a session gets its own process, and the reason is logged."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,isolate", "PIPE")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(9) == b"x"
    assert len(children(p.pid)) == 1
    p.wait_log(r" N .*isolate")
    s.close()


def test_B1_isolate_amid_a_burst(local, fast):
    """The table's last read of a turn brings the newcomer whose session becomes a process."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,isolate,rcvbuf=1000000", "PIPE")
    s, late = peer(local), peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(9) == b"x"
    p.kill(signal.SIGSTOP)
    for _ in range(3 * 64 if fast else 3):          # four reads a turn, of 64 datagrams or of one
        s.sendto(b"y", ("127.0.0.1", port))
    late.sendto(b"z", ("127.0.0.1", port))
    p.kill(signal.SIGCONT)
    assert late.recv(9) == b"z"
    late.sendto(b"again", ("127.0.0.1", port))
    assert late.recv(9) == b"again"
    assert s.recv(999).startswith(b"y")
    assert "on signal" not in p.log
    s.close()
    late.close()


def test_B2_pid_variable_is_never_0(local):
    """Classic shows 0 to programs of RECVFROM,fork."""
    port = lab.port()
    p = up(local, "-lp", "socat", f"UDP4-RECVFROM:{port},fork", "SYSTEM:echo $SOCAT_PID $PPID $SOCAT_PEERPORT")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    pid, ppid, sport = s.recv(99).decode().split()
    assert pid == ppid == str(p.pid) and sport == str(s.getsockname()[1])
    s.close()


def test_B2_variables_do_not_mix(local):
    """Each session's program sees its own peer."""
    port = lab.port()
    up(local, "-lp", "socat", f"UDP4-RECVFROM:{port},fork", "SYSTEM:echo $SOCAT_PEERPORT")
    socks = [peer(local) for _ in range(20)]
    for s in socks:
        s.sendto(b"x", ("127.0.0.1", port))
    for s in socks:
        assert s.recv(99).decode().strip() == str(s.getsockname()[1])
        s.close()


def test_B3_a_failing_program_gives_1_every_time(local):
    """Classic: 0 or 1, by chance."""
    assert {local.run("-u", "EXEC:false", "-").status for _ in range(20)} == {1}


def test_B4_programs_get_exactly_their_descriptors(local, tmp_path):
    """Classic lets some of its own through."""
    port = lab.port()
    p = local.start("-d", "-d", "-r", str(tmp_path / "r"), f"UDP4-RECVFROM:{port},fork", "EXEC:ls /proc/self/fd")
    p.wait_log("receiving on")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    assert s.recv(99).split() == [b"0", b"1", b"2", b"3"]    # 3 is the directory ls reads
    s.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_B5_a_signal_ends_all_sessions(local, tmp_path, sig):
    """Classic leaves forked children running."""
    port = lab.port()
    f = tmp_path / "prog"
    f.write_text("#!/bin/sh\necho $$\nexec sleep 30\n")
    f.chmod(0o755)
    p = up(local, f"UDP4-LISTEN:{port},fork", f"EXEC:{f}")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    pid = int(s.recv(99))
    p.kill(sig)
    assert p.wait().status == 128 + sig
    lab.wait_until(lambda: not lab.running(pid), 2, "the program of the session still runs")
    s.close()


def test_B5_drain_lets_sessions_finish(local):
    """--drain=SECS: accepting ends, the running session completes."""
    port = lab.port()
    p = up(local, "--drain=5", "-t", "3", f"UDP4-RECVFROM:{port},fork", "SYSTEM:sleep 0.4; echo done")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    p.wait_log("receiving packet from")
    p.kill()
    assert s.recv(99) == b"done\n"
    assert p.wait().status == 143
    s.close()


@pytest.mark.parametrize("args,text,near", [
    (["-u", "UDP4-RECV:9,ip-add-membershp=224.1.0.1:lo", "-"], 'unknown option "ip-add-membershp"', "ip-add-membership"),
    (["-u", "UDP4-RECVFORM:9", "-"], 'unknown device/address "UDP4-RECVFORM"', "UDP4-RECVFROM"),
    (["-u", "OPEN:/dev/null,rdonyl", "-"], 'unknown option "rdonyl"', "rdonly"),
])
def test_C1_near_names_are_proposed(local, args, text, near):
    """Classic refuses barely."""
    r = local.run(*args)
    assert r.status == 1
    assert re.search(re.escape(text) + r'; did you mean "' + near + r'"\?', r.log, re.I), r


def test_C1_far_names_are_not(local):
    r = local.run("-u", "OPEN:/dev/null,zzqqxx", "-")
    assert "did you mean" not in r.log and 'unknown option "zzqqxx"' in r.log, r


def test_C1_wrong_group_tells_who_takes_it(local):
    """The addresses that take the option are named."""
    r = local.run("-u", "OPEN:/dev/null,range=127.0.0.0/8", "-")
    assert 'option "range" not supported with this address type' in r.log
    assert "UDP" in r.log.split("not supported with this address type")[1], r


def test_C2_a_flood_of_refusals_is_one_line(local):
    """Classic writes a line per packet."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},range=127.0.0.2/32", "-")
    bad, good = peer(local), peer(local, "127.0.0.2")
    for _ in range(100):
        bad.sendto(b"x", ("127.0.0.1", port))
    good.sendto(b"END", ("127.0.0.1", port))
    p.expect_output(b"END")
    assert len(re.findall(r" W refusing connection", p.log)) == 1
    bad.close()
    good.close()


def test_C3_two_digits_are_a_descriptor(local):
    """Classic knows one digit only."""
    rd, wr = os.pipe()
    os.dup2(wr, 42, inheritable=True)
    try:
        r = local.run("-u", "-", "42", input=b"x", pass_fds=[42])
        assert r.status == 0 and os.read(rd, 9) == b"x", r
    finally:
        for fd in (rd, wr, 42):
            os.close(fd)


@pytest.mark.parametrize("args,status,text", [
    (["-lf", "/nodir/log", "-u", "TEXT:x", "-"], 1, 'cannot open log file "/nodir/log"'),
    (["-u", "TEXT:'x", "-"], 1, "unexpected end of address"),
    (["-", "SOCKETPAIR:x"], 1, "(1 instead of 0)"),
    (["-", "STALL:x"], 1, "(1 instead of 0)"),
    (["-u", "-", "UDP4-SENDTO:127.0.0.1:99999"], 1, "99999"),
])
def test_C4_quirks_are_mended(local, tmp_path, args, status, text):
    """Where classic is wrong, the sane reading holds."""
    r = local.run(*(a.replace("{d}", str(tmp_path)) for a in args), input=b"x")
    assert r.status == status and text in r.log, r


def test_C4_dump_name_in_braces(local, tmp_path):
    """${NAME} works as documented."""
    local.run("-r", "d-${XX}", "-u", "TEXT:x", "-", env={"XX": "val"}, cwd=tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["d-val"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_accept_timeout_of_one_session(local, side):
    """Nobody comes: a listener that waits for its first datagram ends with status 0."""
    addresses = [f"UDP-LISTEN:{lab.port()},accept-timeout=0.2", "-"]
    r = local.run("-d", *(addresses if side == "left" else addresses[::-1]), input=None)
    assert r.status == 0 and " W accept: Connection timed out" in r.log and " E " not in r.log, r


def test_accept_timeout_does_not_hit_a_session(local):
    """The time is that of waiting, not of the session."""
    port = lab.port()
    p = local.start("-d", "-d", f"UDP-LISTEN:{port},accept-timeout=0.6", "-")
    p.wait_log("listening on UDP")
    s = local.udp()
    s.sendto(b"x", ("127.0.0.1", port))
    p.expect_output(b"x")
    assert not lab.wait_until(p.ended, 0.9, None)
    assert "timed out" not in p.log
