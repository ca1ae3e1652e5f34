"""Terminals that belong to others: options act while the program runs, and end with it."""
import os
import re
import shutil
import signal
import subprocess
import termios

import pytest

import lab
from screen import Terminal

RAW = "raw,echo=0"
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]


@pytest.fixture
def tty():
    t = Terminal()
    yield t
    lab.stop_all()
    t.close()


def lflags(t):
    return termios.tcgetattr(t.slave)[3]


def has_raw(t):
    return not lflags(t) & (termios.ICANON | termios.ECHO)


# address, what of the terminal is the program's
ADDRESSES = [("STDIO", "both"), ("-", "both"), ("STDIN", "in"), ("STDOUT", "out"), ("FD:0", "in"), ("FD:1", "out"), ("STDERR", "err"), ("FD:2", "err"),
             ("OPEN:%s", "path"), ("GOPEN:%s", "path"), ("%s", "path")]


def start(local, tty, addr, how, opts=RAW, other="PIPE", flags=()):
    """The program with the terminal in the right places."""
    fds = {"both": ("stdin", "stdout"), "in": ("stdin",), "out": ("stdout",), "err": ("stderr",), "path": ()}[how]
    if "%s" in addr:
        addr %= os.ttyname(tty.slave)
    if addr == "STDIN":
        other, flags = "STDOUT", ("-u", *flags)
    elif addr in ("STDOUT", "STDERR"):
        other, flags = "STDIN", ("-U", *flags)
    p = local.start("-d", "-d", "-lf/dev/stdout" if how == "err" else "-d", *flags, f"{addr},{opts}", other, **{fd: tty.slave for fd in fds})
    lab.wait_until(lambda: (lab.pump(0), b"starting data transfer" in p.err + p.out)[1], 5, lambda: f"did not begin: {p!r}")
    return p


@pytest.mark.parametrize("addr,how", ADDRESSES)
def test_restored_at_the_end(local, tty, addr, how):
    """The settings come back when the address is closed."""
    p = start(local, tty, addr, how, RAW + ",readbytes=1" if how in ("both", "in", "path") else RAW, flags=("-t0",))
    assert has_raw(tty), p
    if how in ("both", "in", "path"):
        tty.type("x")
    else:
        p.close_stdin()
    if addr in ("FD:1", "FD:2"):        # nobody ends the terminal itself
        p.kill()
    p.wait()
    assert tty.restored(), p


@pytest.mark.parametrize("sig", SIGNALS)
@pytest.mark.parametrize("addr,how", ADDRESSES)
def test_restored_on_signals(local, tty, addr, how, sig):
    p = start(local, tty, addr, how)
    assert has_raw(tty), p
    p.kill(sig)
    assert p.wait().status == 128 + sig
    assert tty.restored(), p


@pytest.mark.parametrize("addr,how", [("STDIO", "both"), ("OPEN:%s", "path")])
def test_restored_when_the_other_address_fails(local, tty, addr, how):
    """Already set, and then there is nobody to talk to."""
    name = os.ttyname(tty.slave)
    kw = {"stdin": tty.slave, "stdout": tty.slave} if how == "both" else {}
    r = local.run("-d", "-d", (addr % name if "%" in addr else addr) + "," + RAW, "OPEN:/nonexistent/file", input=None, **kw)
    assert r.status == 1, r
    assert tty.restored()


def test_restored_when_an_option_is_refused(local, tty):
    """One that acts after the terminal has been set."""
    r = local.run("-,raw,echo=0,seek=5", "PIPE", input=None, stdin=tty.slave, stdout=tty.slave)
    assert r.status == 1 and "Illegal seek" in r.log, r
    assert tty.restored()


def test_two_terminals(local, tty):
    """stdin and stdout may be two of them: both are set, both are restored."""
    other = Terminal()
    p = local.start("-d", "-d", f"-,{RAW}", "PIPE", stdin=tty.slave, stdout=other.slave)
    p.wait_log("starting data transfer")
    assert has_raw(tty) and has_raw(other)
    tty.type("to the other")
    other.shows("to the other")
    p.kill()
    p.wait()
    assert tty.restored() and other.restored()
    other.close()


def test_as_second_address(local, tty):
    """The order of the addresses does not matter."""
    p = local.start("-d", "-d", "PIPE", f"-,{RAW}", stdin=tty.slave, stdout=tty.slave)
    p.wait_log("starting data transfer")
    assert has_raw(tty)
    p.stop()
    assert tty.restored()


@pytest.mark.parametrize("sig", [signal.SIGTERM, None])
def test_dual(local, tty, sig, tmp_path):
    """A terminal as one half of a dual address."""
    (tmp_path / "f").write_text("x")
    p = local.start("-d", "-d", f"STDIN,{RAW}!!CREATE:{tmp_path}/g", "PIPE", stdin=tty.slave)
    p.wait_log("starting data transfer")
    assert has_raw(tty)
    tty.type("abc")
    lab.wait_until(lambda: (tmp_path / "g").read_text() == "abc", 5, "nothing echoed")
    p.kill(sig or signal.SIGINT)
    p.wait()
    assert tty.restored()


def test_data(local, fast, tty):
    """Raw means raw: every byte, in both directions."""
    every = bytes(range(256))
    p = start(local, tty, "STDIO", "both", "rawer")
    tty.type(every)
    lab.wait_until(lambda: (tty.look(), len(tty.raw))[1] >= 256, 5, lambda: f"{tty.raw!r}: {p!r}")
    assert tty.raw == every


def test_ctrl_c_without_isig(local, tty):
    """With raw keys are data; escape ends."""
    p = start(local, tty, "STDIO", "both", "raw,echo=0,escape=0x1d")
    tty.type("\x03\x1a\x1c")
    lab.wait_until(lambda: (tty.look(), tty.raw)[1] == b"\x03\x1a\x1c", 5, lambda: f"{tty.raw!r}")
    tty.type("\x1d")
    assert p.wait().status == 0
    assert tty.restored()


@pytest.mark.parametrize("opts,want", [("raw,echo=0", "-icanon -echo"), ("rawer", "-icanon -echo -opost"), ("cfmakeraw", "-icanon -isig"), ("echo=0", "icanon -echo"),
                                       ("icanon=0,echo=1", "-icanon echo"), ("opost=0,onlcr=0", "-opost -onlcr"), ("intr=3,quit=4", "icanon")])
@pytest.mark.parametrize("kind", ["EXEC:%s,pty", "SYSTEM:%s,openpty", "SHELL:%s,ptmx"])
def test_program_on_a_terminal(local, kind, opts, want):
    """With pty the settings are those of the program's terminal, there before it starts."""
    r = local.run("-t0.2", "-", (kind % "stty -a") + "," + opts, input=None, env={"SHELL": "/bin/sh"})
    for word in want.split():
        assert word in r.out.decode().split() or word + ";" in r.out.decode().split(), r


def test_program_without_a_terminal(local):
    """Without pty there is nothing to set."""
    r = local.run("-", "EXEC:cat,echo=0")
    assert r.status == 1 and re.search(r" E tcgetattr\(\d+, 0x\w+\): Inappropriate ioctl for device", r.log), r
    r = local.run("-,raw", "PIPE")
    assert r.status == 1 and re.search(r" E tcgetattr\(0, 0x\w+\): Inappropriate ioctl for device", r.log), r


def test_controlling_terminal(local):
    """An interactive shell with job control behind pty,setsid,ctty; keys raise signals there."""
    p = local.start("-d", "-d", "-", "EXEC:sh,pty,setsid,ctty,stderr,echo=0")
    p.send("PS1=; PS2=; stty -a | grep -c isig; trap 'echo caught' INT; echo ready\n")
    p.expect_output(b"ready")
    p.send("\x03")
    p.send("echo go on\n")
    p.expect_output(b"caught")
    p.send("exit\n")
    assert p.wait().status == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_shell_sees_a_usable_terminal(local, tty, sig):
    """As a user sees it: stty behind the program tells what it told before."""
    before = subprocess.run(["stty", "-a"], stdin=tty.slave, capture_output=True, check=True).stdout
    p = start(local, tty, "STDIO", "both", "rawer,b9600,intr=9,min=3")
    assert subprocess.run(["stty", "-a"], stdin=tty.slave, capture_output=True, check=True).stdout != before
    p.kill(sig)
    p.wait()
    assert subprocess.run(["stty", "-a"], stdin=tty.slave, capture_output=True, check=True).stdout == before


def test_in_tmux(local, tmp_path):
    """In a real terminal program: raw mode, a shell behind it, and a sane terminal afterwards."""
    if not shutil.which("tmux"):
        pytest.skip("needs the program tmux")
    sock = str(tmp_path / "tmux")

    def tmux(*args):
        return subprocess.run(["tmux", "-f", "/dev/null", "-S", sock, *args], capture_output=True, text=True, check=True, env=lab.environment({"TERM": "xterm"})).stdout

    def shows(pattern):
        lab.wait_until(lambda: re.search(pattern, tmux("capture-pane", "-p"), re.M), 8, lambda: f"no {pattern}: " + tmux("capture-pane", "-p"))
    tmux("new-session", "-d", "-x", "100", "-y", "30", "env", "PS1=outer$ ", "HOME=/nonexistent", "sh")
    try:
        shows(r"outer\$")
        tmux("send-keys", f"{lab.SOCAST} -,rawer,escape=0x1d EXEC:'env PS1=inner# sh',pty,setsid,ctty,stderr,sane", "Enter")
        shows("^inner#")
        tmux("send-keys", "echo $((6*7))", "Enter")
        shows("^42$")
        tmux("send-keys", "-l", """sh -c "echo as''leep; exec sleep 100\"""")
        tmux("send-keys", "Enter")
        shows("^asleep$")       # said by the program, not echoed: it is there to be interrupted
        tmux("send-keys", "C-c")
        shows(r"\^C\s*inner#\s*\Z")
        tmux("send-keys", "echo after", "Enter")
        shows("^(inner#)?after$")
        tmux("send-keys", "C-]")
        shows(r"outer\$ *$")
        tmux("send-keys", "stty -a | tr ' ' '\\n' | grep -cx -e icanon -e echo -e opost", "Enter")
        shows("^3$")
    finally:
        subprocess.run(["tmux", "-S", sock, "kill-server"], capture_output=True, check=False)


def test_with_expect(local, tmp_path):
    """A dialogue through two terminals, driven by expect."""
    if not shutil.which("expect"):
        pytest.skip("needs the program expect")
    (tmp_path / "server").write_text('#!/bin/sh\nstty -echo; printf "name: "; read n; stty echo; echo "hello $n"\n')
    (tmp_path / "server").chmod(0o755)
    (tmp_path / "x").write_text(f"""
set timeout 5
spawn {lab.SOCAST} -,raw,echo=0 SYSTEM:{tmp_path}/server,pty,setsid,ctty
expect "name: " {{ send "bob\\r" }} timeout {{ exit 3 }}
expect "hello bob" {{}} timeout {{ exit 4 }}
expect eof
""")
    r = local.command(["expect", str(tmp_path / "x")]).wait(15)
    assert r.status == 0 and b"hello bob" in r.out and r.out.count(b"bob") == 1, r
