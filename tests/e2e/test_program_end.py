"""Who is signalled when a session ends, when and why: the table of the manual, line by line."""
import os
import signal
import subprocess

import pytest

import lab
import program_end
from program_end import LINGER, Row, play

TERM, HUP = int(signal.SIGTERM), int(signal.SIGHUP)
WRITTEN_ONLY = 1.0                      # seconds for a program that is only written to


def expected(row):
    """(signals, seconds until the relay goes, its status), as the manual's table has it."""
    signals = {TERM} if row.kind != "SYSTEM" else set()
    if "ctty" in row.channel:
        signals.add(HUP)                # the kernel's, when the terminal is closed
    told = row.way.startswith("to")
    seconds = {"eof": WRITTEN_ONLY if told else LINGER, "silence": 0.4 + (WRITTEN_ONLY if told else 0)}.get(row.event, 0)
    status = 0 if row.event in ("eof", "silence") else 128 + getattr(signal, "SIG" + row.event)
    return signals, seconds, status


@pytest.mark.parametrize("kind", program_end.KINDS)
@pytest.mark.parametrize("way", program_end.WAYS)
def test_the_table(local, tmp_path, kind, way):
    """One-way and both ways; socket pair, pipes, terminal; end of input, signals, -T: only the kind decides who gets
    SIGTERM. As in classic, but that gives a second only to programs on a socket pair, and none after -T."""
    table = [r for r in program_end.rows([kind]) if r.way == way]
    seen = play(local, tmp_path, table)
    wrong = []
    for row in table:
        signals, seconds, status = expected(row)
        s = seen[str(row)]
        early = 0.5 if row.event == "silence" else 0.05     # -T runs from the start
        if s.signals != signals or s.status != status or not seconds - early < s.seconds < seconds + 0.8 * lab.SLOW:
            wrong.append(f"{row}: {s}, expected {sorted(signals)} after {seconds} s, status {status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("way", ["fork", "isolate"])
def test_fork_makes_no_difference(local, tmp_path, way):
    """The relay stays; the session's program is ended or left alone as without fork."""
    table = [Row(kind, way, channel, event) for kind in program_end.KINDS for channel in program_end.CHANNELS for event in ("eof", "TERM")]
    seen = play(local, tmp_path, table)
    wrong = [f"{r}: {seen[str(r)]}" for r in table if seen[str(r)].signals != expected(r)[0]]
    assert not wrong, "\n".join(wrong)


def test_end_close(local, tmp_path):
    """Whoever says end-close has its program left alone, and is not waited for."""
    table = [Row(kind, way, "", event, ",end-close") for kind in program_end.KINDS for way in ("to", "both", "left") for event in ("eof", "TERM")]
    seen = play(local, tmp_path, table)
    wrong = [f"{r}: {seen[str(r)]}" for r in table if seen[str(r)].signals or seen[str(r)].seconds > LINGER + 0.5 * lab.SLOW]
    assert not wrong, "\n".join(wrong)


def test_nofork(local, tmp_path):
    """EXEC and SHELL are the relay; the parent of SYSTEM's shell passes signals on. Nobody is signalled at the end."""
    table = [Row(kind, way, "", event, ",nofork") for kind in program_end.KINDS for way in ("to", "both") for event in ("eof", "TERM", "INT", "HUP")]
    seen = play(local, tmp_path, table)
    wrong = []
    for r in table:
        want = set() if r.event == "eof" else {int(getattr(signal, "SIG" + r.event))}
        if seen[str(r)].signals != want or seen[str(r)].status != 0:
            wrong.append(f"{r}: {seen[str(r)]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("flags,channel", [("-u", ""), ("-u", ",pipes"), ("", ""), ("", ",pty,raw,echo=0"), ("", ",socktype=1")])
def test_system_finishes_its_work(local, tmp_path, flags, channel):
    """All lines are worked on, though that takes longer than -t and the second of -u. So does classic."""
    out, port = tmp_path / "out", lab.port()
    stop = "head -n 30 | " if "pty" in channel else ""      # a terminal passes no end of file
    p = local.start("-d", "-d", *flags.split(), f"TCP4-LISTEN:{port},fork",
                    f"SYSTEM:{stop}while read -r l; do echo $l >>{out}; sleep 0.05; done; echo end >>{out}{channel}")
    p.wait_log("listening on")
    with local.socket(kind=1) as s:
        s.connect(("127.0.0.1", port))
        s.sendall(b"".join(b"%d\n" % n for n in range(30)))
        s.shutdown(1)
        lab.wait_until(lambda: out.exists() and "end" in out.read_text(), 10, lambda: f"only {out.read_text()}")
    assert out.read_text().split() == [str(n) for n in range(30)] + ["end"]


def test_system_when_its_peer_is_silent(local, tmp_path):
    """session-timeout ends the session, not the work."""
    port, out = lab.port(), tmp_path / "out"
    p = local.start("-d", "-d", f"UDP4-LISTEN:{port},fork,session-timeout=0.2", f"SYSTEM:read x; sleep 0.6; echo $x >{out}")
    p.wait_log("listening on")
    with local.udp() as s:
        s.sendto(b"job\n", ("127.0.0.1", port))
        p.wait_log("silent for session-timeout")
        lab.wait_until(lambda: out.exists() and out.read_text() == "job\n", 5, "the work was not finished")


def count_lines(tmp_path):
    """A program that counts its lines, thinks, and writes the number to a file."""
    f = tmp_path / "count"
    f.write_text(f"#!/bin/sh\nn=$(wc -l)\nsleep 0.2\necho $n >>{tmp_path}/out\n")
    f.chmod(0o755)
    return f


@pytest.mark.parametrize("status", [0, 3])
@pytest.mark.parametrize("first", ["EXEC", "SYSTEM", "SHELL"])
@pytest.mark.parametrize("second", ["EXEC", "SYSTEM", "SHELL", "EXEC,pipes"])
def test_the_second_program_has_its_time(local, tmp_path, first, second, status):
    """Between two programs the one that is written to finishes, whatever becomes of the other, on a busy machine too.
    (Classic gives up when the first one fails.)"""
    gen = tmp_path / "gen"
    gen.write_text(f"#!/bin/sh\nseq 20000\nexit {status}\n")
    gen.chmod(0o755)
    kind, _, channel = second.partition(",")
    a, b = f"{first}:{gen}", f"{kind}:{count_lines(tmp_path)}{',' * bool(channel)}{channel}"
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2)]  # pylint: disable=consider-using-with
    try:
        runs = [local.start(*args, stdin=subprocess.DEVNULL, env={"SHELL": "/bin/sh"})
                for args in (("-u", a, b), ("-U", b, a), (a, b), (b, a)) for _ in range(2)]
        for p in runs:
            assert p.wait(15).status == (1 if status else 0), p
    finally:
        for b in busy:
            b.kill()
            b.wait()
    out = tmp_path / "out"
    lab.wait_until(lambda: out.exists() and len(out.read_text().split()) == len(runs), 2, lambda: f"only {os.path.exists(out) and out.read_text()}")
    assert out.read_text().split() == ["20000"] * len(runs)
