"""READLINE: lines edited on a terminal, with somebody typing and a peer that prints."""
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

import lab
from screen import Screen, Terminal

pytestmark = pytest.mark.skipif(not lab.has("READLINE"), reason="program built without libedit")

ENV = {"TERM": "vt100", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
UP, LEFT, RIGHT, DEL, HOME, END = "\x1b[A", "\x1b[D", "\x1b[C", "\x1b[3~", "\x1b[H", "\x1b[F"


class Talk:
    """The program between a terminal and a peer that the test plays."""

    def __init__(self, local, opts="", *flags, rows=24, cols=80, env=None, **kw):
        self.tty = Terminal(rows, cols)
        self.peer, theirs = socket.socketpair()
        self.peer.settimeout(5 * lab.SLOW)
        kw = {"stdin": self.tty.slave, "stdout": self.tty.slave, **kw}
        self.p = local.start("-d", "-d", *flags, "READLINE" + opts, f"FD:{theirs.fileno()}", env={**ENV, **(env or {})},
                             pass_fds=(theirs.fileno(),), **kw)
        theirs.close()
        self.p.wait_log("starting data transfer loop")
        self.mode("-icanon")    # what is typed earlier is echoed by the terminal itself

    def mode(self, *words):
        """Wait until the terminal has these modes, in the words of stty."""
        def there():
            flags = termios.tcgetattr(self.tty.slave)[3]
            return all(bool(flags & getattr(termios, w.lstrip("-").upper())) != w.startswith("-") for w in words)
        lab.wait_until(there, 5, f"terminal is not {words}: {self.p}")

    def close(self):
        self.p.clear()
        self.peer.close()
        self.tty.close()

    def says(self, text):
        self.peer.sendall(text.encode() if isinstance(text, str) else text)

    def gets(self, want):
        want = want.encode() if isinstance(want, str) else want
        got = b""
        while len(got) < len(want):
            lab.pump(0)
            data = self.peer.recv(len(want) - len(got))
            assert data, f"end after {got!r}: {self.p}"
            got += data
        assert got == want, self.p

    def gets_nothing(self):
        self.peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            assert not self.peer.recv(99)
        self.peer.settimeout(5 * lab.SLOW)

    def type(self, text):
        self.tty.type(text)

    def shows(self, *lines):
        self.tty.shows(*lines)


@pytest.fixture
def talk(local):
    talks = []

    def start(*args, **kw):
        talks.append(Talk(local, *args, **kw))
        return talks[-1]
    yield start
    for t in talks:
        t.close()


def test_line(talk, fast):
    """A line is delivered when it is finished, with its newline."""
    t = talk()
    t.type("hello")
    t.shows("hello")
    t.gets_nothing()
    t.type(" there\r")
    t.gets("hello there\n")
    t.shows("hello there")
    t.tty.cursor(1, 0)


def test_records(talk):
    t = talk()
    assert "N using readline on stdin for reading and stdio for writing" in t.p.log
    assert re.search(r"N starting data transfer loop with FDs \[0,0\] and", t.p.log), t.p


@pytest.mark.parametrize("keys,line", [
    ("abx\x7fc", "abc"), ("bc" + LEFT + LEFT + "a", "abc"), ("bc\x01a", "abc"), ("xabc" + HOME + DEL, "abc"), ("bc" + HOME + "a" + END + "d", "abcd"),
    ("abc def\x17xyz", "abc xyz"), ("junk\x15abc", "abc"), ("abcjunk" + LEFT * 4 + "\x0b", "abc"), ("ab\x16\x07", "ab\x07"),
    ("grün", "grün"), ("日本" + LEFT + "x", "日x本"), ("x bc\x1bba", "x abc"),
])
def test_editing(talk, keys, line):
    """Keys of an ordinary line editor, a key at a time and all at once."""
    t = talk()
    for one in (False, True):
        for k in keys if one else [keys]:
            t.type(k)
        t.type("\r")
        t.gets(line + "\n")


def test_history(talk):
    """Arrow keys and a search find former lines; a repeated line is there twice."""
    t = talk()
    for line in ("first", "second", "second"):
        t.type(line + "\r")
        t.gets(line + "\n")
    t.type(UP + UP + UP)
    t.shows("first", "second", "second", "first")
    t.type("!\r")
    t.gets("first!\n")
    t.type("\x12sec\r")
    t.gets("second\n")


def test_history_file(talk, tmp_path):
    """Read at the start and written at the end, as lines."""
    f = tmp_path / "history"
    f.write_text("one\ntwo\n")
    t = talk(f",history-file={f}")
    t.type(UP + UP + "\r")
    t.gets("one\n")
    t.type("three\r")
    t.gets("three\n")
    t.type("\x04")
    assert t.p.wait().status == 0
    assert f.read_text() == "one\ntwo\none\nthree\n"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals(talk, tmp_path, sig):
    """A signal restores the terminal and saves the history, even in the middle of a line."""
    f = tmp_path / "history"
    t = talk(f",history={f}")
    t.type("done\r")
    t.gets("done\n")
    t.type("half")
    t.shows("done", "half")
    assert not t.tty.restored()
    t.p.kill(sig)
    assert t.p.wait().status == 128 + sig
    assert t.tty.restored() and f.read_text() == "done\n"
    assert os.stat(f).st_mode & 0o777 == 0o600
    t.tty.cursor(2, 0)      # what the shell prints begins on a line of its own


def test_history_cannot_be_written(talk):
    """That is no error."""
    t = talk(",history-file=/nonexistent/history")
    t.type("x\r\x04")
    log = re.sub(r".* W socket 2 had not ended.*\n", "", t.p.wait().log)
    assert t.p.wait().status == 0 and not re.search(" [WE] ", log), t.p


def test_end_of_file(talk, fast):
    """Ctrl-D on an empty line ends; behind text it does not. The terminal is as before."""
    t = talk()
    t.type("abc\x04")
    t.type("\r")
    t.gets("abc\n")
    t.type("\x04")
    r = t.p.wait()
    assert r.status == 0 and "socket 1 (fd 0) is at EOF" in r.log, r
    assert t.tty.restored()


def test_lines_and_the_end_at_once(talk, fast):
    """Typed ahead: several lines and the end in one go, in small blocks."""
    t = talk("", "-b3")
    t.type("one\rtwo\rthree\r\x04")
    t.gets("one\ntwo\nthree\n")
    assert t.peer.recv(9) == b""
    assert t.p.wait().status == 0


def test_peer_ends(talk):
    """When the other side is gone the terminal is restored, with a line half typed."""
    t = talk()
    t.says("bye\n")
    t.type("half")
    t.shows("bye", "half")
    t.peer.close()
    assert t.p.wait().status == 0
    assert t.tty.restored()


def test_terminal_goes(talk):
    """The terminal hangs up: end of file."""
    t = talk()
    os.close(t.tty.slave)
    t.tty.slave = os.open("/dev/null", os.O_RDONLY)
    os.close(t.tty.master)
    t.tty.master = os.open("/dev/null", os.O_RDONLY)
    assert t.p.wait().status in (0, 129)


# ---------------------------------------------------------------- the other side prints

def test_output_between(talk, fast):
    """What comes while a line is edited is printed above it, and the line stays whole."""
    t = talk()
    t.type("my line")
    t.shows("my line")
    t.says("news\n")
    t.shows("news", "my line")
    t.type(LEFT * 4 + "!")
    t.says("more\r\nnews\r\n")
    t.shows("news", "more", "news", "my !line")
    t.tty.cursor(3, 4)
    t.type("\r")
    t.gets("my !line\n")


def test_output_over_several_rows(talk):
    """A line longer than the terminal is wide is taken away and put back whole."""
    t = talk(cols=20)
    t.says("Prompt> ")
    text = "".join(chr(97 + i % 26) for i in range(47))
    t.type(text)
    rows = [("Prompt> " + text)[i:i + 20] for i in range(0, 55, 20)]
    t.shows(*rows)
    t.type(LEFT * 30)
    t.says("\nnews\nPrompt> ")
    t.shows("Prompt>", "news", *rows)
    t.type("\r")
    t.gets(text + "\n")


def test_output_exactly_at_the_margin(talk):
    t = talk(cols=20)
    t.type("x" * 20)
    t.says("news\n")
    t.shows("news", "x" * 20)
    t.type("y")
    t.says("again\n")
    t.shows("news", "again", "x" * 20, "y")
    t.type("\r")
    t.gets("x" * 20 + "y\n")


def test_output_during_a_search(talk):
    """Inside the editor's own dialogues as well."""
    t = talk()
    t.type("needle\r")
    t.gets("needle\n")
    t.type("\x12nee")
    t.tty.look()
    t.says("news\n")
    lab.wait_until(lambda: "news" in t.tty.look(), 5, "no news")
    t.type("\r")
    t.gets("needle\n")


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal", None])
def test_simple_terminal(talk, term):
    """Without a terminal that can clear its display nothing is lost."""
    t = talk(env={"TERM": term})
    t.type("my line")
    lab.wait_until(lambda: "my line" in t.tty.look(), 5, lambda: t.tty.raw)
    t.says("news\n")
    lab.wait_until(lambda: t.tty.look()[-2:] == ["news", "my line"], 5, lambda: t.tty.look())
    t.type("\r")
    t.gets("my line\n")


def test_much_typed(talk, fast):
    """Pasted lines, one of them longer than any buffer."""
    t = talk(",history-file=/dev/null", rows=50)
    lines = ["x" * 20000, *(f"line {i}" for i in range(500))]
    data = "".join(line + "\r" for line in lines).encode()
    want, got, end = "".join(line + "\n" for line in lines).encode(), b"", lab.Deadline(20)
    os.set_blocking(t.tty.master, False)
    t.peer.setblocking(False)
    while len(got) < len(want):
        assert end.left(), f"{len(got)} of {len(want)} bytes, {len(data)} not typed: {t.p}"
        t.tty.look()
        with contextlib.suppress(BlockingIOError):
            data = data[os.write(t.tty.master, data[:1024]):] if data else data
        with contextlib.suppress(BlockingIOError):
            got += t.peer.recv(65536)
    assert got == want


def test_chaos(talk, chaos):
    """With reads and writes that are short or come to nothing."""
    t = talk(",prompt=> ")
    for i in range(20):
        t.type(f"line {i}")
        t.says(f"news {i}\n")
        t.type("\r")
        t.gets(f"line {i}\n")
    t.says("end\n")
    lab.wait_until(lambda: "end" in t.tty.look(), 5, lambda: t.tty.look())
    t.shows(*t.tty.look()[:-1], ">")


def test_much_output(talk, fast):
    """A flood arrives whole while a line stands below it."""
    t = talk(rows=50)
    t.type("wait")
    t.shows("wait")
    for i in range(2000):
        t.says(f"line {i}\n")
        if i % 50 == 0:
            t.tty.look()
    t.says("end\n")
    lab.wait_until(lambda: t.tty.look()[-2:] == ["end", "wait"], 10, lambda: t.tty.look())
    assert t.tty.look()[:-2] == [f"line {i}" for i in range(1952, 2000)]


def test_stopped_terminal(talk):
    """A terminal that takes nothing (Ctrl-S) holds up nothing but itself."""
    t = talk()
    termios.tcflow(t.tty.slave, termios.TCOOFF)
    t.says("x" * 100 + "\n")
    t.type("typed\r")
    t.gets("typed\n")
    assert t.tty.look() == []
    termios.tcflow(t.tty.slave, termios.TCOON)
    lab.wait_until(lambda: "typed" in t.tty.look(), 5, lambda: t.tty.raw)


# ---------------------------------------------------------------- prompts

def test_dynamic_prompt(talk):
    """The other side's unfinished line is the prompt, whatever is typed and comes."""
    t = talk()
    t.says("Welcome\r\nLogin: ")
    t.shows("Welcome", "Login:")
    t.type("bxb" + LEFT + "\x08o")
    t.shows("Welcome", "Login: bob")
    t.tty.cursor(1, 9)
    t.type("\r")
    t.gets("bob\n")
    t.says("Hi bob\n$ ")
    t.type("\x15ls")
    t.shows("Welcome", "Login: bob", "Hi bob", "$ ls")


def test_prompt_in_pieces(talk):
    t = talk()
    t.type("x")
    for c in "Lo":
        t.says(c)
        time.sleep(0.05)
    t.says("gin: ")
    t.shows("Login: x")


def test_prompt_with_colours(talk):
    """Control sequences of a prompt are no columns; a finished line keeps them."""
    t = talk()
    t.says("\x1b[1;32mgo\x1b[0m> ")
    t.type("abc")
    t.shows("go> abc")
    t.tty.cursor(0, 7)
    t.says("\n\x1b[1mbold\x1b[0m\n")
    t.shows("go>", "bold", "abc")
    assert b"\x1b[1mbold\x1b[0m" in t.tty.raw


def test_long_prompt(talk):
    """At most 512 bytes of an endless line are the prompt; all of it is printed."""
    t = talk()
    t.says("p" * 3000 + "END:")
    lab.wait_until(lambda: "".join(t.tty.look()).endswith("END:"), 5, lambda: t.tty.look())
    t.type("abc\r")
    t.gets("abc\n")


def test_fixed_prompt(talk):
    t = talk(",prompt=me> ")
    t.shows("me>")
    t.type("a\r")
    t.gets("a\n")
    t.shows("me> a", "me>")
    t.says("news\n")
    t.shows("me> a", "news", "me>")
    t.type("b")
    t.shows("me> a", "news", "me> b")


def test_noprompt(talk):
    t = talk(",noprompt,noecho=word")
    t.says("Password: ")
    t.shows("Password:")
    t.type("visible\r")
    t.gets("visible\n")
    t.shows("Password: visible")


def test_no_bytes_can_break_it(talk):
    """Prompts come from a stranger: any byte at any place."""
    t = talk()
    t.type("safe")
    for i in range(64):
        t.says(bytes((i * 7 + k * 31) % 256 for k in range(97)))
    t.says(b"\x1b[")
    t.says(b"\x1b")
    t.says(b"\xff\xfe\n")
    t.says("\x1b[2J\nend\n")
    t.type("\r")
    t.gets("safe\n")


# ---------------------------------------------------------------- secrets

def test_noecho(talk, tmp_path):
    """The answer to a prompt that matches is not shown and not remembered."""
    f = tmp_path / "history"
    t = talk(f",noecho=[Pp]assword:,history={f}")
    t.says("Login: ")
    t.shows("Login:")
    t.type("bob\r")
    t.gets("bob\n")
    t.says("Password: ")
    t.shows("Login: bob", "Password:")
    t.mode("icanon", "-echo")
    t.type("sec\x7fcret\r")
    t.gets("secret\n")
    t.mode("-icanon")
    t.says("\r\n$ ")
    t.type("ls")
    t.shows("Login: bob", "Password:", "$ ls")
    t.type("\r")
    t.gets("ls\n")
    t.type(UP + UP + "\r")
    t.gets("bob\n")
    t.type("\x04")
    assert t.p.wait().status == 0
    assert f.read_text() == "bob\nls\nbob\n" and t.tty.restored()
    assert b"cret" not in t.tty.raw and b"secret" not in t.p.err


def test_noecho_comes_while_typing(talk):
    """What was typed before the prompt came is the beginning of the answer."""
    t = talk(",noecho=word")
    t.type("sec")
    t.shows("sec")
    t.says("Password: ")
    t.shows("Password:")
    t.mode("icanon", "-echo")
    t.type("ret\r")
    t.gets("secret\n")
    t.shows("Password:")


def test_noecho_matches_once(talk):
    """The line behind the answer is an ordinary one, even if the other side says nothing."""
    t = talk(",noecho=word")
    t.says("Password: ")
    t.mode("icanon", "-echo")
    t.type("secret\r")
    t.gets("secret\n")
    t.mode("-icanon")
    t.type("seen\r")
    t.gets("seen\n")
    t.shows("Password: seen")


@pytest.mark.parametrize("end", ["peer", signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("typed", ["", "half"])
def test_the_prompt_does_not_stay_in_front_of_the_next(talk, end, typed):
    """However it ends, what comes next on the terminal, a shell's prompt usually, begins a line of its own."""
    t = talk(",prompt=me> ")
    t.type(typed)
    t.shows("me> " + typed if typed else "me>")
    if end == "peer":
        t.peer.close()
    else:
        t.p.kill(end)
    t.p.wait()
    t.shows("me> " + typed if typed else "me>")
    t.tty.cursor(1, 0)


@pytest.mark.parametrize("end", ["\x04", signal.SIGTERM])
def test_noecho_ends(talk, end):
    """End of file and signals find the terminal restored from there, too."""
    t = talk(",noecho=word")
    t.says("Password: ")
    t.mode("icanon", "-echo")
    if end == "\x04":
        t.type(end)
    else:
        t.p.kill(end)
    assert t.p.wait().status == (0 if end == "\x04" else 143)
    assert t.tty.restored()


def test_noecho_must_be_an_expression(local):
    t = Terminal()
    r = local.run("READLINE,noecho=[", "PIPE", input=None, stdin=t.slave, stdout=t.slave)
    assert r.status == 1 and re.search(r' E regcomp\(0x\w+, "\[", REG_EXTENDED\|REG_NOSUB\): Invalid regular expression', r.log), r
    assert t.restored()
    t.close()


# ---------------------------------------------------------------- the process and its terminal

def test_needs_a_terminal(local):
    r = local.run("READLINE", "PIPE")
    assert r.status == 1 and re.search(r" E tcgetattr\(0, 0x\w+\): Inappropriate ioctl for device", r.log), r


def test_parameter(local):
    r = local.run("READLINE:x", "PIPE")
    assert r.status == 1 and "E READLINE: wrong number of parameters (1 instead of 0): usage: READLINE" in r.log, r


def test_nofork_is_refused(local):
    t = Terminal()
    r = local.run("READLINE", "EXEC:cat,nofork", input=None, stdin=t.slave, stdout=t.slave)
    assert r.status == 1 and "option nofork is not allowed here" in r.log, r
    assert t.restored()
    t.close()


def test_terminal_options(talk):
    """Terminal options hold where the editor leaves the terminal alone, and end with the program."""
    t = talk(",intr=7")
    t.type("a\r")
    t.gets("a\n")
    assert termios.tcgetattr(t.tty.slave)[6][termios.VINTR] == b"\7"
    t.type("\x04")
    assert t.p.wait().status == 0 and t.tty.restored()


def test_only_one_direction(local):
    """-u READLINE reads, -u ... READLINE prints."""
    t = Terminal()
    p = local.start("-d", "-d", "-u", "READLINE", "FD:2", env=ENV, stdin=t.slave, stdout=t.slave)
    lab.wait_until(lambda: not termios.tcgetattr(t.slave)[3] & termios.ICANON, 5, "not editing")
    t.type("x\r\x04")
    assert p.wait().status == 0 and b"x\n" in p.err.splitlines(True), p
    assert t.restored()
    t.close()
    t = Terminal()
    r = local.run("-u", "SYSTEM:echo hello", "READLINE", env=ENV, input=None, stdin=t.slave, stdout=t.slave)
    assert r.status == 0, r
    t.shows("hello")
    assert t.restored()
    t.close()


def test_output_elsewhere(talk):
    """With stdout redirected the other side's text goes there, and only the line is on the terminal."""
    t = talk(stdout=subprocess.PIPE)
    t.says("data\nName: ")
    t.p.expect_output(b"data\nName: ")
    t.type("bob")
    t.shows("Name: bob")
    t.type("\r")
    t.gets("bob\n")
    assert b"data" not in t.tty.raw


def test_window_size(talk):
    """Another size of the window is noticed."""
    t = talk(cols=40)
    t.type("a" * 30)
    t.shows("a" * 30)
    t.tty.resize(24, 20)
    t.p.kill(signal.SIGWINCH)
    time.sleep(0.2)
    t.tty.look()
    t.tty.screen = Screen(24, 20)
    t.says("news\n")
    lab.wait_until(lambda: t.tty.look()[-3:] == ["news", "a" * 20, "a" * 10], 5, lambda: t.tty.look())


def test_stop_and_continue(local):
    """Ctrl-Z leaves the terminal in order; back in the foreground editing goes on."""
    t = Terminal()
    shell = ["sh", "-c", 'set -m; "$@"; echo stopped; stty -a >&2; fg; echo ended', "sh", lab.SOCAST, "-d", "-d", "READLINE,prompt=> ", "PIPE"]
    p = local.command(["setsid", "-c", "-w", *shell], env=ENV, stdin=t.slave, stdout=t.slave)
    p.wait_log("starting data transfer loop")
    lab.wait_until(lambda: ">" in t.look(), 5, "no prompt")
    t.type("ab")
    lab.wait_until(lambda: "> ab" in t.look(), 5, "no echo")
    t.type("\x1a")
    p.wait_log(r"\bicanon\b")
    assert re.search(r" echo ", p.log) and "stopped" in "".join(t.look()), p
    t.type("c")
    lab.wait_until(lambda: t.look()[-1] == "> abc", 5, lambda: t.look())
    t.type("\r")
    lab.wait_until(lambda: t.look().count("abc") == 1, 5, lambda: t.look())
    t.type("\x04")
    lab.wait_until(lambda: "ended" in t.look(), 5, lambda: t.look())
    t.close()


def test_stop_while_hidden(local, tmp_path):
    """Stopped at a secret the terminal echoes for others, and hides again afterwards."""
    t = Terminal()
    (tmp_path / "ask").write_text('#!/bin/sh\ntrap "" TSTP; printf "Password: "; read x; echo "[$x]"; read y\n')
    (tmp_path / "ask").chmod(0o755)
    shell = ["sh", "-c", 'set -m; "$@"; stty -a >&2; fg', "sh", lab.SOCAST, "-d", "-d", "READLINE,noecho=word", f"EXEC:{tmp_path}/ask"]
    p = local.command(["setsid", "-c", "-w", *shell], env=ENV, stdin=t.slave, stdout=t.slave)

    def hidden():
        flags = termios.tcgetattr(t.slave)[3]
        return flags & termios.ICANON and not flags & termios.ECHO
    lab.wait_until(hidden, 5, lambda: f"{t.look()} {p!r}")
    t.type("\x1a")
    p.wait_log(r"speed .*[\s\S]* -?echoke")
    assert re.search(r"[; ]echo ", p.log), p
    lab.wait_until(hidden, 5, lambda: f"{t.look()} {p!r}")
    t.type("secret\r")
    lab.wait_until(lambda: "[secret]" in "".join(t.look()), 5, lambda: f"{t.look()} {p!r}")
    assert t.raw.count(b"secret") == 1
    t.close()


def test_own_process_per_session(local):
    """With fork on the other side READLINE gets a process for each session, and that is said."""
    t, port = Terminal(), lab.port()
    p = local.start("-d", "-d", f"UDP4-LISTEN:{port},fork,bind=127.0.0.1", "READLINE", env=ENV, stdin=t.slave, stdout=t.slave)
    p.wait_log("N own process per connection: READLINE")
    p.wait_log("listening on")
    s = local.udp()
    s.sendto(b"question? ", ("127.0.0.1", port))
    t.shows("question?")
    t.type("answer\r")
    assert s.recv(99) == b"answer\n"
    p.wait_log(r"forked off child process (\d+)")
    s.close()
    p.stop()
    t.close()


def test_does_not_spin(talk):
    t = talk(",noecho=word")
    t.says("> ")
    t.type("x")
    t.shows("> x")

    def cpu():
        with open(f"/proc/{t.p.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    time.sleep(0.5)
    assert cpu() - before < 0.1
    t.says("\nPassword: ")
    time.sleep(0.5)
    assert cpu() - before < 0.1


def test_startup_loads_no_library(local):
    """Only an address that edits lines loads the editor."""
    p = local.start("-d", "-d", "-", "PIPE")
    p.wait_log("starting data transfer loop")
    with open(f"/proc/{p.pid}/maps", encoding="ascii") as f:
        assert "libedit" not in f.read()


def test_with_expect(local, tmp_path):
    """A session driven by expect, as users script it."""
    if not shutil.which("expect"):
        pytest.skip("needs the program expect")
    script = tmp_path / "x"
    script.write_text(f"""
set timeout 5
spawn {lab.SOCAST} READLINE,noecho=word: SYSTEM:{tmp_path}/server
expect "login: " {{ send "bob\\r" }}
expect "Password: " {{ send "secret\\r" }}
expect "hello bob/secret" {{ send "quit\\r" }}
expect eof
catch wait result
exit [lindex $result 3]
""")
    (tmp_path / "server").write_text("#!/bin/sh\nprintf 'login: '; read u; printf 'Password: '; read p; echo; echo hello $u/$p; read q; echo bye\n")
    (tmp_path / "server").chmod(0o755)
    p = local.command(["expect", str(script)], env=ENV)
    r = p.wait(15)
    assert r.status == 0 and b"hello bob/secret" in r.out and b"bye" in r.out, r


def test_a_terminal_that_says_it_is_huge(local):
    """Its size is the word of whoever is at the other end: a picture of it would take gigabytes."""
    tty = Terminal(65535, 65535)
    p = local.start("READLINE", "EXEC:cat", stdin=tty.slave, stdout=tty.slave, env=ENV)
    r = p.wait()
    assert r.status == 1 and "E the terminal on stdin says that it is too large" in r.log and "stty rows 24 cols 80" in r.log, r
    tty.close()


def test_a_window_that_becomes_huge(talk):
    t = talk()
    fcntl.ioctl(t.tty.slave, termios.TIOCSWINSZ, struct.pack("4H", 65535, 65535, 0, 0))
    t.p.kill(signal.SIGWINCH)
    lab.rest(0.2)
    assert lab.rss_kib(t.p.pid) < 100 * 1024 or "asan" in lab.SOCAST
    t.type("what becomes of it?\r")
    assert t.p.wait().status == 1 and "E the terminal on stdin says that it is too large" in t.p.log
