"""The transfer engine: directions, ends, timeouts, conversions, dumps, statistics,
signals, locks, logging, environment."""
import os
import re
import signal
import socket
import time

import pytest

import lab

STAMP = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"


def took(f):
    t = time.monotonic()
    r = f()
    return r, time.monotonic() - t


# ---------------------------------------------------------------- directions and ends

def test_unidirectional(local, fast):
    """-u copies left to right, -U right to left."""
    assert local.run("-u", "TEXT:a", "-", input=b"x").out == b"a"
    assert local.run("-U", "-", "TEXT:b", input=b"x").out == b"b"


def test_unidirectional_does_not_wait(local):
    """One direction ends without the -t pause."""
    r, t = took(lambda: local.run("-t", "5", "-u", "TEXT:a", "-"))
    assert (r.status, r.out) == (0, b"a") and t < 2 * lab.SLOW


@pytest.mark.parametrize("t,least,most", [(None, 0.45, 1.2), ("0.1", 0.05, 0.6), ("1", 0.95, 1.8), ("0", 0, 0.4)])
def test_t_waits_after_the_first_end(local, t, least, most):
    """After one end the other side has -t seconds of silence."""
    r, took_ = took(lambda: local.run(*(["-t", t] if t else []), "-", "EXEC:sleep 9"))
    assert r.status == 0 and least <= took_ <= most * lab.SLOW, r


def test_t_restarts_with_each_block(local):
    """-t is idle time, not a deadline."""
    r = local.run("-t", "0.4", "-", "SYSTEM:sleep .2;echo x;sleep .2;echo y;sleep .2;echo z;sleep 2;echo w")
    assert r.out == b"x\ny\nz\n" and r.status == 0, r


def test_T_is_inactivity(local):
    """-T ends a silent transfer with status 0, and says so."""
    r, t = took(lambda: local.run("-d", "-d", "-T", "0.3", "-", "EXEC:sleep 9", input=None))
    assert r.status == 0 and "N inactivity timeout triggered" in r.log and 0.25 < t < 1.2 * lab.SLOW, r


def test_T_restarts_with_each_block(local):
    r = local.run("-T", "0.4", "-u", "SYSTEM:sleep .2;echo x;sleep .2;echo y;sleep 2;echo z", "-")
    assert r.out == b"x\ny\n", r


def test_half_close_of_a_stream(local):
    """The end of one side is passed on; the answer still comes."""
    a, b = socket.socketpair()
    p = local.start("-t", "3", "-", f"FD:{b.fileno()},shut-down", pass_fds=[b.fileno()])
    b.close()
    p.send("question")
    p.close_stdin()
    a.settimeout(3)
    assert a.recv(99) + a.recv(99) == b"question"
    assert a.recv(9) == b""
    a.sendall(b"answer")
    a.close()
    assert p.wait().out == b"answer"


@pytest.mark.parametrize("opt,out,first", [("shut-none", b"", "relay"), ("shut-down", b"end\n", "program"), ("shut-close", b"", "program")])
def test_shut_kinds(local, tmp_path, opt, out, first):
    """shut-none leaves the program's input open, the others end it; behind shut-close nobody reads its answer. Who ends
    first is told by what the program finds when its input has ended."""
    prog = tmp_path / "prog"
    prog.write_text(f"#!/bin/sh\ncat >/dev/null\ntest -e {tmp_path}/over && echo relay >{tmp_path}/first || echo program >{tmp_path}/first\necho end\n")
    prog.chmod(0o755)
    p = local.start("-t", "1", "-", f"SYSTEM:exec {prog} 2>/dev/null,{opt},socktype=1")
    p.send("x")
    p.close_stdin()
    if first == "relay":
        lab.rest(0.3)
        assert not (tmp_path / "first").exists()
        (tmp_path / "over").write_text("")
    r = p.wait()
    lab.wait_until(lambda: (tmp_path / "first").exists() and (tmp_path / "first").read_text() == first + "\n", 3, "no end of input, or too early")
    assert r.status in (0, 1) and r.out == out, r


def test_end_is_logged_once(local):
    r = local.run("-d", "-d", "-", "PIPE", input=b"x")
    assert len(re.findall(r"N socket 1 \(fd 0\) is at EOF", r.log)) == 1
    assert len(re.findall(r"N socket 2 \(fd \d+\) is at EOF", r.log)) == 1
    assert "N exiting with status 0" in r.log


def test_ignoreeof_follows_a_file(local, tmp_path):
    """Like tail -f."""
    f = tmp_path / "log"
    f.write_text("one\n")
    p = local.start("-u", f"OPEN:{f},ignoreeof", "-")
    p.expect_output(b"one\n")
    with open(f, "a", encoding="ascii") as out:
        out.write("two\n")
    p.expect_output(b"one\ntwo\n")
    assert not p.ended()


@pytest.mark.parametrize("n,out", [(0, b"0123456789"), (4, b"0123"), (10, b"0123456789")])
def test_readbytes(local, fast, n, out):
    r = local.run("-u", f"-,readbytes={n}", "-", input=b"0123456789")
    assert r.out == out and r.status == 0


def test_readbytes_ends_while_the_peer_is_idle(local):
    p = local.start("-u", "-,readbytes=4", "-")
    p.send("0123")
    assert p.wait().out == b"0123"


def test_escape(local):
    """The escape byte ends the input; what follows is dropped."""
    p = local.start("-d", "-d", "-d", "-u", "-,escape=0x1d", "-")
    p.send(b"keep\x1ddrop")
    r = p.wait()
    assert r.out == b"keep" and "I escape char found in input" in r.log, r


@pytest.mark.parametrize("blocks,out", [([b"keep\x1d"], b"keep"), ([b"\x1d"], b""), ([b"\x1dkeep"], b""), ([b"keep", b"\x1d"], b"keep"), ([b"keep", b"\x1ddrop"], b"keep"),
                                        ([b"ke", b"ep\x1d", b"drop"], b"keep")])
def test_escape_at_a_border(local, blocks, out):
    """The escape byte as first, last and only byte of what is read at once."""
    p = local.start("-u", "-,escape=0x1d", "-")
    sent = b""
    for block in blocks:
        p.send(block)
        sent += block
        if b"\x1d" in sent:
            break
        p.expect_output(len(sent))
    r = p.wait()
    assert r.out == out and r.status == 0, r


def test_readbytes_over_several_reads(local, fast):
    """The limit holds for all reads together, also where the kernel moves the bytes."""
    for left, right in (("-,readbytes=6", "-"), ("STDIN,readbytes=6", "EXEC:cat"), (f"TCP4-LISTEN:{lab.port()},readbytes=6", "EXEC:cat,pipes")):
        port = left.split(":")[1].split(",")[0] if "TCP" in left else None
        p = local.start("-d", "-d", "-u", left, right if port is None else "STDOUT")
        if port:
            p.wait_log("listening on")
            s = local.socket(socket.AF_INET, socket.SOCK_STREAM)
            s.connect(("127.0.0.1", int(port)))
        send = s.sendall if port else p.send
        send(b"0123")
        p.expect_output(b"0123")
        send(b"4567")
        r = p.wait()
        assert r.out == b"012345" and r.status == 0, r
        if port:
            s.close()


@pytest.mark.parametrize("left,right,out", [
    ("", "crnl", b"a\r\nb\r\r\nc\rd\r\n"), ("crnl", "", b"a\nb\ncd\n"), ("", "cr", b"a\rb\r\rc\rd\r"), ("cr", "", b"a\nb\n\nc\nd\n"),
    ("cr", "crnl", b"a\r\nb\r\n\nc\r\nd\r\n"), ("", "crlf", b"a\r\nb\r\r\nc\rd\r\n"), ("crnl", "crnl", b"a\nb\r\nc\rd\n")])
def test_line_ends(local, fast, left, right, out):
    """The table of conversions."""
    r = local.run("-u", "-" + ("," + left if left else ""), "STDOUT" + ("," + right if right else ""), input=b"a\nb\r\nc\rd\n")
    if (left, right) == ("cr", "crnl"):
        out = b"a\nb\r\n\nc\r\nd\n"
    assert r.out == out, r


def test_cool_write(local):
    """A broken pipe is no error with cool-write."""
    rd, wr = os.pipe()
    p = local.start("-d", "-d", "-u", "-", "-,cool-write", stdout=wr)
    os.close(wr)
    os.close(rd)
    p.send("x\n")
    r = p.wait()
    assert r.status == 0 and re.search(r" N write\(1, .*Broken pipe", r.log), r


@pytest.mark.whole
def test_block_size(local):
    """-b limits a block where blocks can be seen."""
    r = local.run("-v", "-b", "4", "-u", "-", "-", input=b"0123456789")
    assert r.out == b"0123456789"
    assert re.findall(r"length=(\d+) from=(\d+) to=(\d+)", r.log) == [("4", "0", "3"), ("4", "4", "7"), ("2", "8", "9")]


# ---------------------------------------------------------------- dumps

DATA = b"Hello\tw\a\b\v\f\r\\\x01\x7f\x80\xff\"\n\nabc"


@pytest.mark.whole
def test_text_dump(local):
    r = local.run("-v", "-u", "-", "-", input=DATA)
    head, _, body = r.err.partition(b"\n")
    assert re.fullmatch(rf"> {STAMP}\.\d{{6}}  length={len(DATA)} from=0 to={len(DATA) - 1}", head.decode()), r
    assert body == b"Hello\tw\\a\\b\\v\\f\\r\\\\....\"\n\nabc"


def test_hex_dump(local):
    r = local.run("-x", "-u", "-", "-", input=b"abcd")
    assert re.fullmatch(rf"> {STAMP}\.\d{{6}}  length=4 from=0 to=3\n 61 62 63 64\n", r.log), r


@pytest.mark.whole
def test_hex_and_text_dump(local):
    r = local.run("-x", "-v", "-u", "-", "-", input=DATA)
    _, _, body = r.err.partition(b"\n")
    assert body == (b" 48 65 6c 6c 6f 09 77 07 08 0b 0c 0d 5c 01 7f 80  Hello.w.....\\...\n"
                    b" ff 22 0a                                         .\".\n"
                    b" 0a                                               .\n"
                    b" 61 62 63                                         abc\n--\n"), r


def test_dump_directions(local):
    """The arrow shows the direction; offsets count per direction."""
    r = local.run("-v", "-", "EXEC:cat", input=b"ab\n")
    assert re.search(rf"^> {STAMP}\.\d+  length=3 from=0 to=2$", r.log, re.M)
    assert re.search(rf"^< {STAMP}\.\d+  length=3 from=0 to=2$", r.log, re.M)


def test_raw_dumps(local, tmp_path):
    """-r and -R hold the bytes of one direction each."""
    a, b = tmp_path / "a", tmp_path / "b"
    local.run("-r", str(a), "-R", str(b), "-t", "1", "-", "SYSTEM:cat >/dev/null; printf right", input=b"left")
    assert (a.read_bytes(), b.read_bytes()) == (b"left", b"right")


def test_raw_dump_names(local, tmp_path):
    """Variables in the file name."""
    p = local.start("-lp", "prg", "-r", "d-$PROGNAME-$$-$XX-\\$XX-$nosuch-$1-$", "-u", "TEXT:x", "-", env={"XX": "val"}, cwd=tmp_path)
    p.wait()
    assert [f.name for f in tmp_path.iterdir()] == [f"d-prg-{p.pid}-val-$XX--$1-$"]


def test_raw_dump_error(local):
    r = local.run("-r", "/nodir/f", "-u", "TEXT:x", "-")
    assert r.status == 1 and 'E option -r "/nodir/f": No such file or directory' in r.log, r


# ---------------------------------------------------------------- statistics and signals

def test_statistics(local):
    r = local.run("--statistics", "-", "EXEC:cat", input=b"x" * 1000)
    if "unknown option" in r.log:
        pytest.fail(r.log)
    assert re.search(r" I STATISTICS: left to right: +\d+ packets\(s\), +1000 byte\(s\)", r.log), r
    assert re.search(r" I STATISTICS: right to left: +\d+ packets\(s\), +1000 byte\(s\)", r.log), r


def test_statistics_one_way(local):
    r = local.run("-d0", "--statistics", "-u", "TEXT:abc", "-")
    assert "left to right: 1 packets(s), 3 byte(s)" in r.log and "right to left" not in r.log, r


def test_statistics_by_signal(local):
    p = local.start("-d", "-d", "-u", "-", "-")
    p.send("abc")
    p.expect_output(b"abc")
    p.kill(signal.SIGUSR1)
    p.wait_log(r"STATISTICS: left to right: 1 packets\(s\), 3 byte\(s\)")
    p.send("d")
    p.expect_output(b"abcd")


@pytest.mark.parametrize("sig,level", [("TERM", "W"), ("INT", "N"), ("HUP", "N"), ("QUIT", "E")])
def test_signals(local, sig, level):
    """128+n, and a record of the known level."""
    p = local.start("-d", "-d", "-", "PIPE")
    p.wait_log("starting data transfer loop")
    n = getattr(signal, "SIG" + sig)
    p.kill(n)
    r = p.wait()
    assert r.status == 128 + n and p.p.returncode == 128 + n, r
    assert f" {level} exiting on signal {int(n)}\n" in r.log, r


def test_signal_mask(local):
    """Signals left out of -S have the default action."""
    p = local.start("-d", "-d", "-S", "0x0004", "-", "PIPE")
    p.wait_log("starting data transfer loop")
    p.kill()
    r = p.wait()
    assert p.p.returncode == -15 and "exiting on signal" not in r.log, r


def test_signal_while_listening(local):
    """Also while waiting for a packet."""
    p = local.start("-d", "-d", f"UDP4-RECVFROM:{lab.port()}", "PIPE")
    p.wait_log("receiving on")
    p.kill()
    assert p.wait().status == 143


# ---------------------------------------------------------------- locks

def test_lock(local, tmp_path):
    """-L: the second run fails; the file holds the pid and vanishes at the end."""
    f = tmp_path / "lock"
    p = local.start("-d", "-d", "-L", str(f), "-", "PIPE")
    p.wait_log("starting data transfer loop")
    assert f.read_text() == f"{p.pid}\n" and f.stat().st_mode & 0o777 == 0o644
    r = local.run("-L", str(f), "-u", "TEXT:x", "-")
    assert r.status == 1 and f'E could not obtain lock "{f}"' in r.log, r
    p.stop()
    assert not f.exists()


def test_wait_for_lock(local, tmp_path):
    """-W waits until it vanishes."""
    f = tmp_path / "lock"
    f.write_text("1\n")
    p = local.start("-d", "-d", "-W", str(f), "-u", "TEXT:x", "-")
    p.wait_log(rf' N waiting for lock "{f}"')
    f.unlink()
    assert p.wait().out == b"x"


def test_address_lock(local, tmp_path):
    f = tmp_path / "lock"
    p = local.start("-d", "-d", "-", f"PIPE,lockfile={f}")
    p.wait_log("starting data transfer loop")
    r = local.run("-u", f"TEXT:x,lockfile={f}", "-")
    assert r.status == 1 and f'E could not obtain lock "{f}"' in r.log, r
    w = local.start("-d", "-d", "-u", f"TEXT:x,waitlock={f}", "-")
    w.wait_log("waiting for lock")
    p.stop()
    assert w.wait().out == b"x"


def test_lock_that_cannot_be_made(local):
    r = local.run("-L", "/nodir/lock", "-u", "TEXT:x", "-")
    assert r.status == 1 and re.search(r' E mkstemp\("?/nodir/lock\.\w+"?\): No such file or directory', r.log), r


# ---------------------------------------------------------------- logging

def test_log_file(local, tmp_path):
    """-lf appends records to a file; dumps stay on stderr."""
    f = tmp_path / "log"
    f.write_text("before\n")
    r = local.run("-d", "-d", "-v", "-lf", str(f), "-u", "TEXT:x", "-")
    assert f.read_text().startswith("before\n") and "N exiting with status 0" in f.read_text()
    assert "exiting" not in r.log and "length=1" in r.log


def test_log_form(local):
    """DATE TIME NAME[PID] LEVEL text"""
    p = local.start("-d", "-d", "-u", "TEXT:x", "-")
    r = p.wait()
    assert len(r.log.splitlines()) >= 3, r
    for line in r.log.splitlines():
        assert re.fullmatch(rf"{STAMP} {re.escape(lab.NAME)}\[{p.pid}\] [NWE] .+", line), line


def test_log_decoration(local):
    """-lp name, -lu microseconds, -lh host."""
    r = local.run("-d", "-d", "-lu", "-lh", "-lp", "relay", "-u", "TEXT:x", "-", env={"HOSTNAME": "myhost"})
    assert re.match(rf"{STAMP}\.\d{{6}} myhost relay\[\d+\] N ", r.log), r
    r = local.run("-d", "-d", "-lh", "-u", "TEXT:x", "-", env={"HOSTNAME": None})
    assert re.match(rf"{STAMP} host1 ", r.log), r


@pytest.mark.parametrize("opts,levels", [([], "W"), (["-d"], "W"), (["-d0"], ""), (["-d1"], "W"), (["-d", "-d"], "NW"), (["-dd"], "NW"), (["-d2"], "NW"),
                                         (["-ddd"], "INW"), (["-d3"], "INW"), (["-d4"], "DINW"), (["-d3", "-d"], "DINW")])
def test_levels(local, opts, levels):
    """Which records each -d shows."""
    r = local.run(*opts, "-t", "0", "-", "STDIN")
    got = set(re.findall(r"^\S+ \S+ \S+\[\d+\] ([A-Z]) ", r.log, re.M))
    assert got == set(levels), r        # STDIN in write context warns


def test_two_lines_of_statistics(local):
    """Scripts count the records that contain STATISTICS: classic has two, for every kind of address, at the end and at SIGUSR1."""
    for right in ("PIPE", "UDP4-SENDTO:127.0.0.1:9", "UDP4-DATAGRAM:127.0.0.1:9"):
        r = local.run("-d", "-d", "-d", "--statistics", "-t", "0", "-", right, input=b"x")
        assert len(re.findall("STATISTICS", r.log)) == 2 and "COUNTERS" in r.log, r
        p = local.start("-d", "-d", "-d", "-", right)
        p.wait_log("starting data transfer loop")
        p.kill(signal.SIGUSR1)
        p.wait_log("finishing signal")
        assert len(re.findall("STATISTICS", p.log)) == 2, p
    p = local.start("-d", "-d", f"TCP4-LISTEN:{lab.port()},fork", "PIPE")
    p.wait_log("listening on")
    p.kill(signal.SIGUSR1)
    p.wait_log("finishing signal")
    assert len(re.findall("STATISTICS", p.log)) <= 2, p


def test_log_letters(local):
    """-luh and -lhu: as in classic the first letter counts."""
    r = local.run("-d", "-d", "-luh", "-u", "TEXT:x", "-", env={"HOSTNAME": "myhost"})
    assert re.search(r"^\S+ \d\d:\d\d:\d\d\.\d{6} socast\[", r.log) and r.out == b"x"
    r = local.run("-d", "-d", "-lhu", "-u", "TEXT:x", "-", env={"HOSTNAME": "myhost"})
    assert re.search(r"^\S+ \d\d:\d\d:\d\d myhost socast\[", r.log)
    assert local.run("-lux", "-", "-").status == 1


def test_syslog(local):
    """-ly leaves stderr alone."""
    r = local.run("-d", "-d", "-ly", "-u", "TEXT:x", "-")
    assert r.out == b"x" and " N " not in r.log, r


def test_mixed_log(local):
    """-lm uses stderr until the loop starts."""
    r = local.run("-d", "-d", "-d", "-lmuser", "-u", "TEXT:x", "-")
    assert "switching to syslog" in r.log and "exiting with status" not in r.log, r


def test_D_prints_descriptors(local):
    r = local.run("-D", "-u", "TEXT:x", "-")
    lines = r.log.splitlines()
    assert r.out == b"x" and lines[0].startswith("  FD  type\tdevice\t") and lines[0].endswith("\tsigio"), r
    assert [line.split(":")[0].strip() for line in lines[1:]][-1] == "1", r


def test_D_describes_each_kind(local):
    """One header, one line per descriptor, a tail by kind, no log prefix."""
    r = local.run("-D", "-t", "0.1", "-!!OPEN:/dev/null", f"UDP4-DATAGRAM:127.0.0.1:{lab.port()},keepalive,ttl=9")
    assert r.log.count("  FD  type\t") == 1, r
    assert re.search(r"^   0: pipe\t\d+,\d+\t.*\tF_GETPIPE_SZ=\d+\tpoll: ", r.log, re.M), r
    assert re.search(r"^ +\d+: chrdev\t.*\tpoll: IN,OUT$", r.log, re.M), r
    assert re.search(r"^ +\d+: socket\t.*0DEBUG=0\t.*KEEPALIVE=1\t.*\tAF=2 0.0.0.0:\d+$", r.log, re.M), r
    assert "IP_TTL=9\t" in r.log and "W getpeername(" in r.log, r


# ---------------------------------------------------------------- environment

def test_main_wait(local):
    r, t = took(lambda: local.run("-V", env={"SOCAT_MAIN_WAIT": "1"}))
    assert r.status == 0 and t >= 1


@pytest.mark.parametrize("env,opts,record", [
    ({}, [], r"AF=2 0\.0\.0\.0:"), ({"SOCAT_DEFAULT_LISTEN_IP": "6"}, [], r"AF=10 \["), ({"SOCAT_DEFAULT_LISTEN_IP": "6"}, ["-4"], r"AF=2 "),
    ({}, ["-6"], r"AF=10 \["), ({}, ["-4", "-6"], r"AF=10 \[")])
def test_listen_version(local, env, opts, record):
    """Option, environment, default."""
    p = local.start(*opts, "-d", "-d", f"UDP-RECVFROM:{lab.port()}", "-", env=env)
    p.wait_log(r" N receiving on " + record)


def test_chaos_streams(local, chaos):
    data = os.urandom(100000)
    r = local.run("-t", "5", "-", "EXEC:cat", input=data, timeout=30)
    assert r.out == data


# ---------------------------------------------------------------- descriptors that are missing or dead

@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_stay_closed(local, closed):
    """Nothing of the program's own takes the place of a standard descriptor."""
    p = local.command(["sh", "-c", f'exec "$0" "$@" {closed}', lab.SOCAST, "UDP-RECV:" + str(lab.port()), "EXEC:sleep 9"])
    lab.wait_until(lambda: open(f"/proc/{p.pid}/task/{p.pid}/children", "rb").read(), 5, "no program started")
    for fd in (0, 1, 2):
        target = os.readlink(f"/proc/{p.pid}/fd/{fd}")
        assert target == "/" or target.startswith("pipe:"), (fd, target)


def test_output_to_a_closed_stdout(local):
    """The error names the write; nothing hangs."""
    p = local.command(["sh", "-c", 'exec "$0" "$@" >&-', lab.SOCAST, "SYSTEM:yes", "-"])
    r = p.wait(5)
    assert r.status == 1 and re.search(r" E (write|read)\(1, .*: Bad file descriptor", r.log), r


def test_broken_pipe_is_told_by_the_write(local, fast):
    r, w = os.pipe()
    os.close(r)
    p = local.start("-u", "EXEC:echo x", "-", stdout=w)
    os.close(w)
    r = p.wait(5)
    assert r.status == 1 and re.search(r" E write\(1, .*: Broken pipe", r.log), r
    assert "read(" not in r.log, r
