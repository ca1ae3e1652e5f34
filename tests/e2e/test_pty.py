"""PTY: a pseudo terminal as an address, and terminal settings of PTY and EXEC,pty."""
import contextlib
import fcntl
import grp
import os
import pwd
import re
import select
import shlex
import signal
import stat
import struct
import subprocess
import termios
import time
import tty

import pytest

import lab
from screen import Terminal

BIG = bytes(range(256)) * 2048      # 512 KiB


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slave_of(p):
    return p.wait_log(r"N PTY is (/dev/pts/\d+)")[1]


def up(local, *args, **kw):
    """Start with notices; wait until data flow. Returns the program and its terminal."""
    p = local.start("-d", "-d", "-d", *args, **kw)
    name = slave_of(p)
    p.wait_log("starting data transfer loop")
    return p, name


@contextlib.contextmanager
def client(name):
    """Somebody who has the slave open."""
    fd = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


def read(fd, n, timeout=5):
    """Exactly @n bytes of a non-blocking descriptor."""
    out, end = b"", lab.Deadline(timeout)
    while len(out) < n:
        assert end.left(), f"only {out[:200]!r} ({len(out)} of {n} bytes)"
        lab.pump(0)
        if select.select([fd], [], [], 0.02)[0]:
            out += os.read(fd, n - len(out))
    return out


RAW = "PTY,raw,echo=0"


@pytest.mark.parametrize("how", ["", ",openpty", ",ptmx"])
def test_both_directions(local, fast, how):
    """What a client writes comes out, and the other way round."""
    p, name = up(local, RAW + how, "-")
    with client(name) as fd:
        os.write(fd, b"to us")
        p.expect_output(b"to us")
        p.send(b"to you")
        assert read(fd, 6) == b"to you"


@pytest.mark.parametrize("how", ["", ",ptmx"])
def test_much(local, fast, how):
    """Nothing is lost when the client is slow, in either direction."""
    p, name = up(local, RAW + how, "PIPE")
    with client(name) as fd:
        sent, got, end = 0, b"", lab.Deadline(20)
        while len(got) < len(BIG):
            assert end.left(), f"{sent} sent, {len(got)} back"
            r, w, _ = select.select([fd], [fd] if sent < len(BIG) else [], [], 1)
            if w:
                with contextlib.suppress(BlockingIOError):
                    sent += os.write(fd, BIG[sent:sent + 4096])
            if r:
                got += os.read(fd, 65536)
        assert got == BIG
    assert "W " not in p.log


def test_chaos(local, chaos):
    """With reads and writes that are short or come to nothing."""
    p, name = up(local, RAW + ",ptmx", "PIPE")
    with client(name) as fd:
        for i in range(20):
            os.write(fd, BIG[i * 1000:][:1000])
            assert read(fd, 1000) == BIG[i * 1000:][:1000]
    assert p.wait().status == 0


def test_one_way(local, fast):
    """-u in both places."""
    p, name = up(local, "-u", RAW, "-")
    with client(name) as fd:
        os.write(fd, b"abc")
        p.expect_output(b"abc")
    p.stop()
    p, name = up(local, "-u", "-", RAW)
    with client(name) as fd:
        p.send("abc")
        assert read(fd, 3) == b"abc"


def test_clients_come_and_go(local):
    """The slave stays open in the program, so a client's close is no end of file."""
    p, name = up(local, RAW, "-")
    for i in range(3):
        with client(name) as fd:
            os.write(fd, b"%d" % i)
        p.expect_output(b"%d" % i)
    assert not p.ended()


def test_records(local):
    p, name = up(local, RAW, "-")
    assert re.search(r" I openpty\(\{(\d+)\}, \{\d+\}, \{\"" + name + r"\"\},,\) -> 0\n.* N PTY is " + name + r"\n.* N reading from and writing to stdio\n"
                     r"(.*\n)*.* N starting data transfer loop with FDs \[\1,\1\] and \[0,1\]", p.log), p


def test_nothing_leaks(local, tmp_path):
    """Programs of the other address inherit neither master nor slave."""
    p = local.start("-d", "-d", RAW + ",ptmx", f"SYSTEM:ls -l /proc/self/fd > {tmp_path}/fds; cat")
    lab.wait_until(lambda: (tmp_path / "fds").exists() and "total" in (tmp_path / "fds").read_text(), 5, "no list")
    assert "ptmx" not in (tmp_path / "fds").read_text() and "/dev/pts" not in (tmp_path / "fds").read_text(), p


def test_parameters(local):
    r = local.run("PTY:x", "-")
    assert r.status == 1 and "E PTY: wrong number of parameters (1 instead of 0): usage: PTY" in r.log, r


# ---------------------------------------------------------------- the end comes with the client

@pytest.mark.parametrize("how", [",ptmx", ",wait-slave", ",openpty,pty-wait-slave", ",ptmx,wait-slave"])
def test_last_close_is_the_end(local, fast, how):
    """With ptmx or wait-slave the last client's close is end of file."""
    p = local.start("-d", "-d", RAW + how, "-")
    name = slave_of(p)
    with client(name) as fd:
        p.wait_log("starting data transfer loop")
        with client(name):
            pass        # not the last one
        os.write(fd, b"last words")
        p.expect_output(b"last words")
        assert not p.ended()
    r = p.wait(3)
    assert r.status == 0 and re.search(r" N read\(\d+, 0x\w+, \d+\): Input/output error \(probably PTY closed\)", r.log), r
    assert "socket 1 (fd" in r.log


def test_ptmx_waits_without_spinning(local):
    """Before the first client, and with data for it, nothing burns."""
    p, name = up(local, RAW + ",ptmx", "-")
    before = cpu_seconds(p.pid)
    p.send("early")
    time.sleep(1)
    assert cpu_seconds(p.pid) - before < 0.1 and not p.ended()
    with client(name) as fd:
        assert read(fd, 5) == b"early"


@pytest.mark.parametrize("how", ["", ",ptmx"])
def test_data_before_the_client(local, fast, how, tmp_path):
    """What is written while nobody is there waits, however much, and holds up nothing."""
    (tmp_path / "big").write_bytes(BIG[:200000])
    with open(tmp_path / "big", "rb") as f:
        p, name = up(local, "-t", "30", RAW + how, "-", stdin=f)
    with client(name) as fd:
        os.write(fd, b"x")
        p.expect_output(b"x")
        assert read(fd, 200000) == BIG[:200000]


@pytest.mark.parametrize("how", [",ptmx", ",wait-slave,pty-interval=60", ",ptmx,wait-slave,pty-interval=60"])
def test_short_client(local, how):
    """A client that is gone at once is noticed, and what it wrote arrives."""
    p = local.start("-d", "-d", RAW + how, "-")
    name = slave_of(p)
    if "wait" not in how:
        p.wait_log("starting data transfer loop")
    else:
        lab.wait_until(lambda: any("inotify" in os.readlink(f"/proc/{p.pid}/fd/{n}") for n in lab.descriptors(p.pid)), 5, "not waiting")
    # classic with wait-slave looks once per interval and misses it
    with client(name) as fd:
        os.write(fd, b"hi")
    r = p.wait(5)
    assert (r.status, r.out) == (0, b"hi"), r


def test_wait_slave_waits(local):
    """The second address is not opened before there is a client."""
    p = local.start("-d", "-d", RAW + ",wait-slave", "-")
    name = slave_of(p)
    time.sleep(0.3)
    assert "stdio" not in p.log
    with client(name):
        p.wait_log("reading from and writing to stdio")


def test_late_in_the_write_direction(local):
    """A client that has gone makes writing fail, as a full stop for one-way writers."""
    p, name = up(local, "-u", "-", RAW + ",ptmx")
    with client(name) as fd:
        p.send("one")
        assert read(fd, 3) == b"one"
    p.wait_log("a client has opened")
    p.send("two")
    r = p.wait()
    assert r.status == 1 and re.search(r" E write\(\d+, .*\): Input/output error", r.log), r


def without_inotify(args):
    """The command in a user namespace whose users may have no inotify instance."""
    script = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    return ["unshare", "-Ur", "sh", "-c", script, "sh", lab.SOCAST, *args]


def can_forbid_inotify():
    r = subprocess.run(["unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"], capture_output=True, check=False)
    return r.returncode == 0


@pytest.mark.parametrize("how", [",ptmx,pty-interval=0.1", ",wait-slave,pty-interval=0.1"])
def test_without_inotify(local, how):
    """Where inotify is refused the program looks at intervals."""
    if not can_forbid_inotify():
        pytest.skip("needs user namespaces")
    p = local.command(without_inotify(["-d", "-d", "-d", RAW + how, "-"]))
    name = slave_of(p)
    p.wait_log("cannot be noticed by inotify")
    if "ptmx" in how:
        p.wait_log("starting data transfer loop")
        p.send("early")
    before = cpu_seconds(p.pid)
    time.sleep(0.5)
    assert cpu_seconds(p.pid) - before < 0.1 and not p.ended()
    with client(name) as fd:
        p.wait_log("starting data transfer loop")
        if "ptmx" not in how:
            p.send("early")
        assert read(fd, 5) == b"early"
        os.write(fd, b"hi")
        p.expect_output(b"hi")
    assert p.wait().status == 0, p


def test_a_short_visit_without_inotify(local):
    """A client that comes, writes and goes between two looks has left something."""
    if not can_forbid_inotify():
        pytest.skip("needs user namespaces")
    p = local.command(without_inotify(["-d", "-d", "-d", "-u", RAW + ",ptmx,pty-interval=0.4", "-"]))
    name = slave_of(p)
    p.wait_log("starting data transfer loop")
    lab.rest(0.05)
    with client(name) as fd:
        os.write(fd, b"in passing")
    r = p.wait()
    assert (r.status, r.out) == (0, b"in passing"), r


# ---------------------------------------------------------------- sitout-eio

def test_sitout_eio_comes_back(local, fast):
    """A client may leave and come again; what is written meanwhile waits for it."""
    p, name = up(local, RAW + ",ptmx,sitout-eio=20", "-")
    for i in range(3):
        with client(name) as fd:
            if i:
                assert read(fd, 5) == b"wait%d" % i
            os.write(fd, b"<%d>" % i)
            p.expect_output(b"<%d>" % i)
        p.wait_log(r"N xioread\(fd=\d+\): EIO, sitting out 20\.00s for recovery", count=i + 1)
        p.send("wait%d" % (i + 1))
    before = cpu_seconds(p.pid)
    time.sleep(0.5)
    assert cpu_seconds(p.pid) - before < 0.1 and not p.ended()


def test_sitout_eio_ends(local):
    """After that time it is an error."""
    p, name = up(local, RAW + ",ptmx,sitout-eio=0.4", "-")
    with client(name):
        pass
    start = time.monotonic()
    r = p.wait()
    assert r.status == 1 and re.search(r" E read\(.*\): Input/output error", r.log), r
    assert time.monotonic() - start > 0.2


@pytest.mark.parametrize("args", [[], ["-u"]])
@pytest.mark.parametrize("amount", [10, 60000])
def test_program_on_a_terminal_has_gone(local, args, amount):
    """Writing to a program that has ended is no error with a terminal either, and comes to an end."""
    for _ in range(3):
        r = local.run(*args, "-", "EXEC:true,pty,raw", input=b"x" * amount)
        assert r.status == 0, r


# ---------------------------------------------------------------- the link

def test_link(local, tmp_path):
    """A symbolic link to the slave that goes with the program."""
    link = tmp_path / "tty"
    p, name = up(local, f"{RAW},link={link}", "-")
    assert os.readlink(link) == name
    assert f'I unlink("{link}"): No such file or directory' in p.log
    with client(str(link)) as fd:
        os.write(fd, b"by link")
        p.expect_output(b"by link")
    p.close_stdin()
    assert p.wait().status == 0
    assert not os.path.lexists(link)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("addr", [RAW, "PTY,wait-slave", "EXEC:cat,pty,raw,echo=0"])
def test_link_goes_with_signals(local, tmp_path, sig, addr):
    link = tmp_path / "tty"
    p = local.start("-d", "-d", f"{addr},link={link}", "-")
    lab.wait_until(lambda: os.path.lexists(link), 5, "no link")
    assert os.readlink(link) == slave_of(p)
    p.kill(sig)
    assert p.wait().status == 128 + sig
    assert not os.path.lexists(link)


def test_link_replaces(local, tmp_path):
    """A link that has the name is removed first; unlink-close=0 leaves ours."""
    link = tmp_path / "tty"
    link.symlink_to("/nowhere")
    p, name = up(local, f"{RAW},symbolic-link={link},unlink-close=0", "-")
    assert os.readlink(link) == name
    p.stop()
    assert os.path.islink(link)


def test_link_cannot_be_made(local, tmp_path):
    (tmp_path / "dir").mkdir()
    r = local.run(f"PTY,link={tmp_path}/dir", "-")
    assert r.status == 1 and f'E unlink("{tmp_path}/dir"): Is a directory' in r.log, r
    r = local.run(f"PTY,link={tmp_path}/none/x", "-")
    assert r.status == 1 and re.search(r'E symlink\("/dev/pts/\d+", ".*/none/x"\): No such file', r.log), r
    r = local.run("PTY,link", "-")
    assert r.status == 1 and 'option "link": value required' in r.log, r


# ---------------------------------------------------------------- the slave's settings

@pytest.mark.parametrize("how", ["", ",ptmx"])
def test_mode_and_owner(local, how):
    """mode, user and group are the slave's."""
    uid, gid = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("mail").gr_gid
    ids = f",user={uid},group={gid}" if lab.REAL_ROOT else ""
    p, name = up(local, f"PTY,mode=0751{ids}{how}", "-")
    st = os.stat(name)
    assert stat.S_IMODE(st.st_mode) == 0o751
    if ids:
        assert (st.st_uid, st.st_gid) == (uid, gid)
    p.stop()
    p, name = up(local, f"PTY,perm=0600,perm-late=0640{how}", "-")
    assert stat.S_IMODE(os.stat(name).st_mode) == 0o640


@pytest.mark.parametrize("how", ["", ",ptmx", ",wait-slave"])
@pytest.mark.parametrize("opts", ["raw,echo=0", "cfmakeraw", "rawer", "b9600,opost=0", "intr=7,icanon=0,min=5", "sane,iuclc"])
def test_settings_like_stty(local, how, opts):
    """The slave's settings are what the options say, seen by the client; compared with another terminal."""
    want = {"raw,echo=0": ("icanon echo opost", ""), "cfmakeraw": ("icanon echo opost isig", ""), "rawer": ("icanon echo icrnl", ""),
            "b9600,opost=0": ("opost", "speed 9600"), "intr=7,icanon=0,min=5": ("icanon", "intr = ^G;"), "sane,iuclc": ("", "iuclc")}[opts]
    p = local.start("-d", "-d", f"PTY,{opts}{how}", "-")
    name = slave_of(p)
    lab.wait_until(lambda: " -" in subprocess.run(["stty", "-aF", name], capture_output=True, text=True, check=True).stdout, 3, "")
    if "wait" in how:       # stty was the client
        p.wait_log("starting data transfer loop")
    with client(name) as fd:
        words = termios.tcgetattr(fd)
        text = subprocess.run(["stty", "-a"], stdin=fd, capture_output=True, text=True, check=True).stdout
    for off in want[0].split():
        assert f"-{off}" in text.split() or f"-{off};" in text, text
    assert want[1] in text, text
    if "min=5" in opts:
        assert words[6][termios.VMIN] in (5, b"\5")


def test_window_size(local):
    """tiocswinsz gives the slave its size, also behind a program."""
    p, name = up(local, "PTY,tiocswinsz=101:42", "-")
    with client(name) as fd:
        assert struct.unpack("4H", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))[:2] == (42, 101)
    p.stop()
    r = local.run("EXEC:stty size,pty,winsz=33:11", "-", input=None)
    assert r.out.split() == [b"11", b"33"], r


def test_refused_setting(local):
    r = local.run("PTY,parenb", "-")
    assert r.status == 1 and re.search(r" E tcsetattr\(\d+, TCSADRAIN, .*: Invalid argument", r.log), r


def test_line_discipline(local):
    """Without raw the terminal echoes and edits lines."""
    p, name = up(local, "PTY", "-")
    with client(name) as fd:
        p.send(b"ab\x7fc\n")
        assert read(fd, 3) == b"ac\n"
    p.expect_output(b"ab\x08 \x08c\r\n")


# ---------------------------------------------------------------- company

def test_with_sessions(local, fast, tmp_path):
    """A left terminal serves the sessions of a forking right address; a right one is made for each."""
    port = lab.port()
    p = local.start("-d", "-d", f"UDP4-LISTEN:{port},fork,bind=127.0.0.1", RAW + ",ptmx")
    p.wait_log("listening on")
    names = []
    socks = [local.udp() for _ in range(2)]
    for i, s in enumerate(socks):
        s.sendto(b"hello %d" % i, ("127.0.0.1", port))
        names.append(p.wait_log(r"N PTY is (\S+)", count=i + 1)[1])
    assert len(set(names)) == 2
    for i, s in enumerate(socks):
        with client(names[i]) as fd:
            assert read(fd, 7) == b"hello %d" % i
            os.write(fd, b"answer %d" % i)
            assert s.recv(99) == b"answer %d" % i
        s.close()


def test_dual(local, tmp_path):
    """As half of a dual address."""
    f = tmp_path / "f"
    f.write_text("")
    p, name = up(local, f"{RAW}!!CREATE:{f}", "-")
    with client(name) as fd:
        os.write(fd, b"in")
        p.expect_output(b"in")
        p.send("out")
        lab.wait_until(lambda: f.read_text() == "out", 5, "nothing in the file")


def test_two_terminals(local, fast):
    """Two terminals back to back: a virtual null modem."""
    p = local.start("-d", "-d", RAW, RAW)
    a, b = p.wait_log(r"N PTY is (\S+)")[1], p.wait_log(r"N PTY is (\S+)", count=2)[1]
    p.wait_log("starting data transfer loop")
    with client(a) as x, client(b) as y:
        tty.setraw(x)
        os.write(x, b"ping")
        assert read(y, 4) == b"ping"
        os.write(y, b"pong")
        assert read(x, 4) == b"pong"


# ---------------------------------------------------------------- the size of the user's window

@pytest.mark.parametrize("lines", [("STDIO,raw,echo=0", "{}"), ("{}", "STDIO,raw,echo=0"), ("STDIN!!STDOUT", "{}")], ids=["first", "second", "dual"])
def test_window_follows(local, tmp_path, lines):
    """A program on a pseudo terminal sees the size of the terminal its user sits at, and its changes.
    Classic leaves it at 0 rows and 0 columns."""
    t = Terminal(33, 101)
    # opened by the leader of a session it is its controlling terminal, which tells of changes
    (tmp_path / "look").write_text("trap 'stty size' WINCH; stty size; while read x; do stty size; done", encoding="ascii")
    what = f"EXEC:sh {tmp_path}/look,pty,setsid,ctty,echo=0"
    line = shlex.join([lab.SOCAST, *[a.format(what) for a in lines]])
    p = local.start("-c", f"exec {line} <>{os.ttyname(t.slave)} >&0", prog="sh")
    try:
        t.shows("33 101")
        t.resize(20, 60)
        t.shows("33 101", "20 60")
    finally:
        p.stop()
        t.close()


@pytest.mark.parametrize("args", [("STDIO", "EXEC:stty size,pty,winsz=70:17"), ("STDIO,raw,echo=0", "EXEC:stty size,pty,winsz=70:17")])
def test_window_that_was_given(local, args):
    """Option winsz is stronger."""
    t = Terminal(33, 101)
    p = local.start(*args, stdin=t.slave, stdout=t.slave)
    t.shows("17 70")
    assert p.wait().status == 0
    t.close()
