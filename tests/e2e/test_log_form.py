"""What records look like: for people at a terminal, who asked for nothing else; in all other cases as in classic, which has
one form only. The terminal is a real one."""
import os
import re

import pytest

import lab
from screen import Terminal
from test_tcp import connect

BRACKETS = "IPv6 addresses stand in brackets: TCP:[::1]:80"
WRONG = "TCP: wrong number of parameters (4 instead of 2): usage: TCP:<host>:<port>"
CLASSIC = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(\.\d{6})? (\S+ )?%s\[\d+\] [DINWE] "


@pytest.fixture
def terminal():
    t = Terminal(rows=40, cols=200)
    yield t
    t.close()


def said(local, terminal, *args, env=None, prog=None):
    """The lines that a program which ends at once has sent to the terminal."""
    p = local.start(*args, env={"NO_COLOR": None, "TERM": "vt100", **(env or {})}, prog=prog, stderr=terminal.slave)
    assert p.wait(5).status == 1, p
    terminal.look()
    return terminal.raw.decode().replace("\r\n", "\n").splitlines()


def named(tmp_path, name):
    os.symlink(lab.SOCAST, tmp_path / name)
    return str(tmp_path / name)


def test_an_error_and_its_cure(local, terminal):
    said(local, terminal, "TCP:::1:80", "-")
    assert terminal.look() == [f"socast: error: {WRONG}", f"hint: {BRACKETS}"]


def test_colours(local, terminal):
    assert said(local, terminal, "TCP:::1:80", "-") == [f"socast: \033[1;31merror:\033[0m {WRONG}", f"\033[1;36mhint:\033[0m {BRACKETS}"]


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"NO_COLOR": "0"}, {"TERM": "dumb"}])
def test_no_colours(local, terminal, env):
    assert said(local, terminal, "TCP:::1:80", "-", env=env) == [f"socast: error: {WRONG}", f"hint: {BRACKETS}"]


def test_an_empty_no_color_is_none(local, terminal):
    """As no-color.org has it."""
    assert "\033[" in said(local, terminal, "TCP:::1:80", "-", env={"NO_COLOR": ""})[0]


def test_other_levels(local, terminal, tmp_path):
    """Their words; warnings have a colour, what is none of these has not."""
    lines = said(local, terminal, "-dddd", "-u", f"OPEN:{tmp_path}/missing", "-")
    for start in ("socast: info: ", "socast: notice: ", "socast: \033[1;31merror:\033[0m open("):
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert not any(re.match(CLASSIC % "socast", line) for line in lines), lines
    lines = said(local, terminal, "-d0", "TCP:::1:80", "-")
    assert BRACKETS not in lines[-1], lines        # the hint is a warning


def test_a_warning(local, terminal):
    p = local.start("-", f"TCP4:127.0.0.1:{lab.port()}", env={"TERM": "vt100", "NO_COLOR": None}, stderr=terminal.slave)
    p.wait(5)
    terminal.look()
    assert b"socast: \033[1;33mwarning:\033[0m connect(" in terminal.raw, terminal.raw


@pytest.mark.parametrize("flags", [["-ls"], ["-lu"], ["-lh"], ["-lpother"], ["-lp", "other"], ["-lm"], ["--log=text"], ["--log", "text"]])
def test_a_flag_about_the_log(local, terminal, flags):
    """Whoever says something about the log gets the log of the manual."""
    line = said(local, terminal, *flags, "TCP:::1:80", "-")[0]
    name = "other" if "other" in "".join(flags) else "socast"
    assert re.match(CLASSIC % name, line) and line.endswith(f"E {WRONG}"), line


def test_a_file(local, terminal, tmp_path):
    """Its records have the time, and nothing comes to the terminal from a program that runs."""
    said(local, terminal, "-lf", tmp_path / "log", "-u", f"OPEN:{tmp_path}/missing", "-")
    assert terminal.look() == []
    assert re.match(CLASSIC % "socast", (tmp_path / "log").read_text())


def test_json(local, terminal):
    for flags in (["--log=json"], ["--log=json", "-lh"], ["-lh", "--log=json"]):
        assert said(local, terminal, *flags, "TCP:::1:80", "-")[-1].startswith('{"time":'), flags


def test_called_socat(local, terminal, tmp_path):
    """Scripts that look at a terminal's output by script(1) or expect(1) find classic's."""
    line = said(local, terminal, "TCP:::1:80", "-", prog=named(tmp_path, "socat"))[0]
    assert re.match(CLASSIC % "socat", line), line


def test_another_name(local, terminal, tmp_path):
    assert said(local, terminal, "TCP:::1:80", "-", prog=named(tmp_path, "relay"), env={"NO_COLOR": "1"})[0] == f"relay: error: {WRONG}"


def test_no_terminal(local):
    r = local.run("TCP:::1:80", "-")
    assert re.fullmatch((CLASSIC % "socast") + re.escape(WRONG) + "\n" + (CLASSIC % "socast") + re.escape(BRACKETS) + "\n", r.log), r


def test_what_strangers_write(local, terminal):
    """Control characters out of foreign hands reach no terminal."""
    said(local, terminal, "TCP\033[2J:a", "-", env={"NO_COLOR": "1"})
    assert b"\033" not in terminal.raw and b"\\x1B[2J" in terminal.raw, terminal.raw


def test_no_colour_without_a_flag_before(local, terminal):
    """The word of the command line that is wrong is told like everything else."""
    assert said(local, terminal, "--explian", "-", "-", env={"NO_COLOR": "1"})[0].startswith('socast: error: unknown option "--explian"')


def test_processes_tell_who_they_are(local, terminal):
    """Sessions in processes of their own have their process id in front, the program itself has none."""
    port = lab.port()
    p = local.start("-dd", f"TCP4-LISTEN:{port},reuseaddr,fork,isolate", "OPEN:/missing/file",
                    env={"NO_COLOR": "1", "TERM": "vt100"}, stderr=terminal.slave)
    lab.wait_until(lambda: any("listening on" in line for line in terminal.look()), 5, terminal.look)
    for _ in range(2):
        c = connect(local, port)
        assert c.recv(9) == b""
        c.close()
    rx = re.compile(r"socast\[(\d+)\]: error: open\(")
    lab.wait_until(lambda: len({m[1] for line in terminal.look() if (m := rx.match(line))}) == 2, 5, terminal.look)
    pids = {m[1] for line in terminal.look() if (m := rx.match(line))}
    assert str(p.pid) not in pids
    assert any(line.startswith("socast: notice: listening on") for line in terminal.look())
    p.stop()


def test_above_the_line_of_progress(local, terminal):
    """A record takes the place of the line that --progress shows, which comes again below it."""
    port = lab.port()
    p = local.start("--progress", "-dd", "-u", "TEXT:abc", f"TCP4-LISTEN:{port},reuseaddr", env={"NO_COLOR": "1", "TERM": "vt100"}, stderr=terminal.slave)
    lab.wait_until(lambda: any("listening on" in line for line in terminal.look()), 5, terminal.look)
    connect(local, port).close()
    p.wait(5)
    assert all(line.startswith("socast: ") or "B" in line for line in terminal.look() if line), terminal.look()
