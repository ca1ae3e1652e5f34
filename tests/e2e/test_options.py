"""The option matrix: every option, and how its effect is seen from outside.

A row is (option, value, …) of a shape: socket options are read from a duplicate of the
program's socket, terminal flags from the terminal, the others by what they do. REASON
holds the options that this matrix cannot show, and why. The last test demands that
every option of the program has a row or a reason."""
import array
import ctypes
import fcntl
import os
import pty
import re
import shutil
import socket
import stat
import struct
import subprocess
import termios

import pytest

import lab
from screen import Terminal

PIDFD_OPEN, PIDFD_GETFD = 434, 438


def take_fd(pid, fd):
    """A duplicate of another process's descriptor."""
    pidfd = lab.libc.syscall(PIDFD_OPEN, pid, 0)
    got = lab.libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
    code = ctypes.get_errno()
    os.close(pidfd)
    if got == -1:
        raise OSError(code, os.strerror(code))
    return got


def take_socket(p):
    """The (first) socket of a program that transfers."""
    fds = re.search(r"FDs \[(\d+),", p.wait_log("starting data transfer loop with FDs").string[p.log.index("starting data"):])
    return socket.socket(fileno=take_fd(p.pid, int(fds[1])))


# ---------------------------------------------------------------- sockets

S, I4, I6 = socket.SOL_SOCKET, socket.SOL_IP, socket.IPPROTO_IPV6
U4, U6, RAW4 = "UDP4-DATAGRAM:127.0.0.1:9", "UDP6-DATAGRAM:[::1]:9", "IP4-DATAGRAM:127.0.0.1:200"
T4 = "TCP4-LISTEN:0"
LITE, LOCAL = "UDPLITE4-SENDTO:127.0.0.1:9", "ABSTRACT-SENDTO:nobody"
TIME = struct.pack("@ll", 2, 500000)

# address, option, value, level, name, what getsockopt gives (number, bytes, or function of the number)
SOCKETS = [
    (U4, "so-broadcast", "1", S, 6, 1), (U4, "so-dontroute", "1", S, 5, 1), (U4, "so-keepalive", "1", S, 9, 1),
    (U4, "so-no-check", "1", S, 11, 1), (U4, "so-oobinline", "1", S, 10, 1), (U4, "so-priority", "3", S, 12, 3),
    (U4, "so-rcvlowat", "7", S, 18, 7), (U4, "so-reuseport", "1", S, 15, 1), (U4, "so-reuseaddr", "1", S, 2, 1),
    (U4, "so-timestamp", "1", S, 29, 1), (U4, "so-rcvbuf", "8192", S, 8, 16384), (U4, "so-sndbuf", "8192", S, 7, 16384),
    (U4, "so-rcvbuf-late", "8192", S, 8, 16384), (U4, "so-sndbuf-late", "8192", S, 7, 16384),
    (U4, "so-linger", "4", S, 13, struct.pack("ii", 1, 4)), (U4, "so-debug", "1", S, 1, 1),
    (U4, "so-rcvtimeo", "2.5", S, 20, TIME), (U4, "so-sndtimeo", "2.5", S, 21, TIME),
    (U4, "so-bindtodevice", "lo", S, 25, b"lo\0"), (U4, "so-bsdcompat", "1", S, 14, 0),
    (U4, "setsockopt", "1:6:i1", S, 6, 1), (U4, "setsockopt-bin", "1:6:i1", S, 6, 1),
    (U4, "setsockopt-connected", "1:6:i1", S, 6, 1), (U4, "setsockopt-int", "1:6:1", S, 6, 1),
    (U4, "setsockopt-socket", "1:6:i1", S, 6, 1), (U4, "setsockopt-listen", "1:6:i1", S, 6, 1),
    (U4, "setsockopt-string", "1:25:lo", S, 25, b"lo\0"),
    (U4, "ip-freebind", "1", I4, 15, 1), (RAW4, "ip-hdrincl", "1", I4, 3, 1), (U4, "ip-mtu-discover", "2", I4, 10, 2),
    (U4, "ip-multicast-all", "0", I4, 49, 0), (U4, "ip-multicast-loop", "0", I4, 34, 0), (U4, "ip-multicast-ttl", "9", I4, 33, 9),
    (U4, "ip-multicast-if", "127.0.0.1", I4, 32, socket.inet_aton("127.0.0.1")), (U4, "ip-options", "x01010101", I4, 4, b"\1\1\1\1"),
    (U4, "ip-pktinfo", "1", I4, 8, 1), (U4, "ip-recverr", "1", I4, 11, 1), (U4, "ip-recvopts", "1", I4, 6, 1),
    (U4, "ip-recvtos", "1", I4, 13, 1), (U4, "ip-recvttl", "1", I4, 12, 1), (U4, "ip-retopts", "1", I4, 7, 1),
    (U4, "ip-tos", "16", I4, 1, 16), (U4, "ip-ttl", "9", I4, 2, 9), (U4, "ip-transparent", "1", I4, 19, 1),
    (U6, "ipv6-mtu-discover", "2", I6, 23, 2), (U6, "ipv6-multicast-all", "0", I6, 29, 0), (U6, "ipv6-multicast-hops", "9", I6, 18, 9),
    (U6, "ipv6-multicast-if", "lo", I6, 17, 1), (U6, "ipv6-multicast-loop", "0", I6, 19, 0), (U6, "ipv6-recvdstopts", "1", I6, 58, 1),
    (U6, "ipv6-recverr", "1", I6, 25, 1), (U6, "ipv6-recvhoplimit", "1", I6, 51, 1), (U6, "ipv6-recvhopopts", "1", I6, 53, 1),
    (U6, "ipv6-recvpathmtu", "1", I6, 60, 1), (U6, "ipv6-recvpktinfo", "1", I6, 49, 1), (U6, "ipv6-recvrthdr", "1", I6, 56, 1),
    (U6, "ipv6-recvtclass", "1", I6, 66, 1), (U6, "ipv6-tclass", "16", I6, 67, 16), (U6, "ipv6-unicast-hops", "9", I6, 16, 9),
    (U6, "ipv6-v6only", "1", I6, 26, 1), (LITE, "udplite-recv-cscov", "8", 136, 11, 8), (LITE, "udplite-send-cscov", "8", 136, 10, 8),
    (LOCAL, "so-passcred", "1", S, 16, 1),
]


@pytest.mark.parametrize("addr,opt,value,level,name,want", SOCKETS, ids=lambda v: v if isinstance(v, str) else "")
def test_socket(local, addr, opt, value, level, name, want):
    p = local.start("-d", "-d", f"{addr},{opt}={value}", "PIPE")
    with take_socket(p) as s:
        got = s.getsockopt(level, name, 40)[:len(want)] if isinstance(want, bytes) else s.getsockopt(level, name)
        assert got == want, p


# The same for connections: option, value, name (level TCP), what getsockopt gives.
TCP_SOCKETS = [
    ("tcp-cork", "1", 3, 1), ("tcp-defer-accept", "7", 9, 7), ("tcp-keepcnt", "5", 6, 5), ("tcp-keepidle", "77", 4, 77),
    ("tcp-keepintvl", "33", 5, 33), ("tcp-linger2", "20", 8, 20), ("tcp-maxseg", "600", 2, lambda n: n <= 600),
    ("tcp-nodelay", "1", 1, 1), ("tcp-syncnt", "3", 7, 3),
    ("tcp-window-clamp", "20000", 10, 20000),
]


@pytest.mark.parametrize("opt,value,name,want", TCP_SOCKETS, ids=lambda v: v if isinstance(v, str) else "")
def test_tcp_socket(local, opt, value, name, want):
    with local.socket(kind=socket.SOCK_STREAM, bind=("127.0.0.1", 0)) as server:
        server.listen()
        p = local.start("-d", "-d", f"TCP4:127.0.0.1:{server.getsockname()[1]},{opt}={value}", "STALL")
        with take_socket(p) as s:
            got = s.getsockopt(6, name)
            assert (want(got) if callable(want) else got == want), p


@pytest.mark.skipif(not shutil.which("strace") or "asan" in lab.SOCAST, reason="needs strace(1), and a program without sanitizers")
@pytest.mark.parametrize("opt,want", [("tcp-maxseg-late=600", r"connect\(.*(?s:.*)TCP_MAXSEG, \[600\], 4\) = 0"), ("tcp-quickack=0", r"TCP_QUICKACK, \[0\], 4\) = 0")])
def test_call(local, tmp_path, opt, want):
    """What the kernel does not tell of a connection that has been made: so the call is watched."""
    with local.socket(kind=socket.SOCK_STREAM, bind=("127.0.0.1", 0)) as server:
        server.listen()
        log = tmp_path / "calls"
        local.command(["strace", "-f", "-o", str(log), "-e", "trace=connect,setsockopt", lab.SOCAST, "-u", f"TCP4:127.0.0.1:{server.getsockname()[1]},{opt},readbytes=1", "-"])
        c, _ = server.accept()
        with c:
            c.sendall(b"x")
            lab.wait_until(lambda: re.search(want, log.read_text()), 10, log.read_text)


@pytest.mark.parametrize("opt", ["fiosetown", "siocspgrp"])
def test_owner(local, opt):
    """The process that gets the signals of a socket."""
    p = local.start("-d", "-d", f"{U4},{opt}={os.getpid()}", "PIPE")
    with take_socket(p) as s:
        assert fcntl.fcntl(s, fcntl.F_GETOWN) == os.getpid()


# Flags of lsattr(1): option, bit, whether it is for directories.
FS_GETFLAGS, FS_SETFLAGS = 0x80086601, 0x40086602
FS_FLAGS = [("fs-secrm", 0x1, False), ("fs-unrm", 0x2, False), ("fs-compr", 0x4, False), ("fs-sync", 0x8, False),
            ("fs-immutable", 0x10, False), ("fs-append", 0x20, False), ("fs-nodump", 0x40, False), ("fs-noatime", 0x80, False),
            ("fs-journal-data", 0x4000, False), ("fs-notail", 0x8000, False), ("fs-dirsync", 0x10000, True), ("fs-topdir", 0x20000, True)]


def fs_flags(path, new=None):
    """The flags of a file, read or set."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if new is not None:
            fcntl.ioctl(fd, FS_SETFLAGS, struct.pack("@l", new))
        return struct.unpack("@l", fcntl.ioctl(fd, FS_GETFLAGS, bytes(8)))[0] & 0xffffffff
    finally:
        os.close(fd)


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
@pytest.mark.parametrize("opt,bit,of_directory", FS_FLAGS, ids=lambda v: v if isinstance(v, str) else "")
def test_file_system_flag(local, tmp_path, opt, bit, of_directory):
    """Where the file system has the flag it is set; where not, the program says what the kernel says."""
    path = tmp_path / "entry"
    path.mkdir() if of_directory else path.touch()
    try:
        before = fs_flags(path)
    except OSError:
        pytest.skip("this file system has no flags")
    try:
        why, wanted = None, fs_flags(path, before | bit)
        fs_flags(path, before)
    except OSError as e:
        why = os.strerror(e.errno)
    r = local.run("-u", f"OPEN:{path},rdonly,{opt}", "PIPE", input=None, timeout=5) if not of_directory else local.run("-u", f"OPEN:{path},o-directory,{opt}", "PIPE", timeout=5)
    try:
        if why:
            assert r.status == 1 and why in r.log, r
        else:
            assert fs_flags(path) == wanted and (wanted & bit or of_directory), r
    finally:
        if why is None:
            fs_flags(path, before)


@pytest.mark.parametrize("opt,value,want", [
    ("unix-bind-tempname", "tXXXXXXt", rb"\0t\w{6}t"), ("bind", "me", rb"\0me"), ("unix-tightsocklen", "0,bind=me", rb"\0me\0{105}"),
    ("unix-tightsocklen", "1,bind=me", rb"\0me")])
def test_name(local, opt, value, want):
    """The name that the socket has got, byte by byte."""
    p = local.start("-d", "-d", f"{LOCAL},{opt}={value}", "PIPE")
    with take_socket(p) as s:
        assert re.fullmatch(want, s.getsockname()), p


# Options that Linux refuses or that cannot be set: the sentence is the effect.
REFUSED = [
    (U4, "so-acceptconn", "1", "Protocol not available"), (U4, "so-error", "1", "Protocol not available"),
    (U4, "so-sndlowat", "1", "Protocol not available"), (U4, "so-attach-filter", "1", "Invalid argument"),
    (U4, "so-detach-filter", "1", "No such file or directory"), (U4, "so-passcred", "1", "not supported|Invalid"),
    (U4, "so-security-authentication", "1", "Protocol not available"), (U4, "so-security-encryption-network", "1", "Protocol not available"),
    (U4, "so-security-encryption-transport", "1", "Protocol not available"), (U4, "ip-mtu", "1", "Protocol not available"),
    (U4, "ip-pktoptions", "1", "Protocol not available"), (U4, "ip-router-alert", "1", "Invalid argument"),
    (U6, "ipv6-authhdr", "1", "Protocol not available"), (U6, "ipv6-dstopts", "1", "Invalid argument"),
    (U6, "ipv6-hopopts", "1", "Invalid argument"), (U6, "ipv6-rthdr", "1", "Invalid argument"),
    (U6, "ipv6-pktinfo", "1", "Invalid argument"),
    (T4, "tcp-info", "1", "Protocol not available|Invalid"), (T4, "tcp-md5sig", "1", "Invalid argument|Protocol not available"),
    (LOCAL, "so-peercred", "1:2:3", "cannot be set"), (U6, "ipv6-hoplimit", "9", "Protocol not available|Invalid argument"),
    (U4, "so-protocol", "99", "Protocol not supported"), (U4, "ip-add-membership", "1.2.3.4:lo", "Invalid argument"),
]


@pytest.mark.parametrize("addr,opt,value,why", REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_refused(local, addr, opt, value, why):
    r = local.run(f"{addr},{opt}={value}", "PIPE")
    assert r.status == 1 and re.search(rf" E .*({why})", r.log), r


# ---------------------------------------------------------------- terminals

WORD = {w: i for i, words in enumerate((
    "brkint icrnl ignbrk igncr ignpar imaxbel inlcr inpck istrip iuclc ixany ixoff ixon parmrk",
    "ocrnl ofdel ofill olcuc onlcr onlret onocr opost bsdly ffdly nldly vtdly",
    "clocal cread crtscts cstopb hupcl parenb parodd",
    "echo echoctl echoe echok echoke echonl echoprt flusho icanon iexten isig noflsh pendin tostop xcase"))
    for w in words.split()}
BIT = {"iuclc": 0o1000, "imaxbel": 0o20000, "olcuc": 2, "echoctl": 0o1000, "echoprt": 0o2000, "echoke": 0o4000,
       "flusho": 0o10000, "pendin": 0o40000, "xcase": 4, "bsdly": 0o20000, "ffdly": 0o100000, "nldly": 0o400,
       "vtdly": 0o40000, "crtscts": 0o20000000000}
FIELDS = [("cs5", 2, 0o60, 0), ("cs6", 2, 0o60, 0o20), ("cs7", 2, 0o60, 0o40), ("cs8", 2, 0o60, 0o60),
          *[(f"nl{i}", 1, 0o400, i << 8) for i in (0, 1)], *[(f"cr{i}", 1, 0o3000, i << 9) for i in range(4)],
          *[(f"tab{i}", 1, 0o14000, i << 11) for i in range(4)], *[(f"bs{i}", 1, 0o20000, i << 13) for i in (0, 1)],
          *[(f"vt{i}", 1, 0o40000, i << 14) for i in (0, 1)], *[(f"ff{i}", 1, 0o100000, i << 15) for i in (0, 1)],
          ("xtabs", 1, 0o14000, 0o14000), ("csize=2", 2, 0o60, 0o40), ("crdly=2", 1, 0o3000, 0o2000), ("tabdly=2", 1, 0o14000, 0o10000),
          ("raw", 3, 0o3, 0), ("termios-rawer", 3, 0o13, 0), ("termios-cfmakeraw", 3, 0o13, 0), ("sane", 3, 0o13, 0o13),
          ("termios-setflags=1:5", 1, 0xffff, 5)]
SPEEDS = "0 50 75 110 134 150 200 300 600 1200 1800 2400 4800 9600 19200 38400 57600 115200 230400 460800 500000 " \
    "576000 921600 1000000 1152000 1500000 2000000 2500000 3000000 3500000 4000000".split()
CHARS = {"vintr": 0, "vquit": 1, "verase": 2, "vkill": 3, "veof": 4, "vtime": 5, "vmin": 6, "vswtc": 7, "vstart": 8, "vstop": 9,
         "vsusp": 10, "veol": 11, "vreprint": 12, "vdiscard": 13, "vwerase": 14, "vlnext": 15, "veol2": 16}


def on_terminal(local, opts, look):
    """Start with a terminal as stdin and stdout; what @look sees of it while data flow."""
    master, slave = pty.openpty()
    try:
        p = local.start("-d", "-d", "STDIO," + opts, "PIPE", stdin=slave, stdout=slave)
        p.wait_log("starting data transfer loop")
        return look(slave)
    finally:
        lab.stop_all()
        os.close(master)
        os.close(slave)


def refused_by_terminal(local, opts):
    """A pseudo terminal has 8 bits, no parity, and always reads (pty_set_termios); the C library tells."""
    master, slave = pty.openpty()
    r = local.run("STDIO," + opts, "PIPE", input=None, stdin=slave, stdout=slave)
    os.close(master)
    os.close(slave)
    assert r.status == 1 and re.search(r" E tcsetattr\(0, .*: Invalid argument", r.log), r


@pytest.mark.parametrize("flag", WORD)
def test_terminal_flag(local, flag):
    bit = BIT.get(flag) or getattr(termios, flag.upper())
    for on in (1, 0):
        if (flag, on) in (("parenb", 1), ("cread", 0)):
            refused_by_terminal(local, f"{flag}={on}")
            continue
        words = on_terminal(local, f"{flag}={on}", termios.tcgetattr)
        assert bool(words[WORD[flag]] & bit) == bool(on), words


@pytest.mark.parametrize("opt,word,mask,want", FIELDS, ids=lambda v: v if isinstance(v, str) else "")
def test_terminal_field(local, opt, word, mask, want):
    if opt in ("cs5", "cs6", "cs7", "csize=2"):
        try:
            got = on_terminal(local, opt, termios.tcgetattr)[word] & mask
        except AssertionError:
            refused_by_terminal(local, opt)
            return
        want = 0o60     # cs5 is no bit at all: the C library does not notice
    else:
        got = on_terminal(local, opt, termios.tcgetattr)[word] & mask
    assert got == want


@pytest.mark.parametrize("speed", SPEEDS)
def test_terminal_speed(local, speed):
    words = on_terminal(local, "b" + speed, termios.tcgetattr)
    assert words[5] == getattr(termios, "B" + speed)


def test_terminal_speed_by_code(local):
    assert on_terminal(local, "ospeed=13", termios.tcgetattr)[5] == termios.B9600
    assert on_terminal(local, "ispeed=13,ospeed=13", termios.tcgetattr)[4] == termios.B9600


@pytest.mark.parametrize("char", CHARS)
def test_terminal_character(local, char):
    c = on_terminal(local, f"icanon=0,{char}=7", termios.tcgetattr)[6][CHARS[char]]
    assert (c if isinstance(c, int) else c[0]) == 7


def test_terminal_window(local):
    size = on_terminal(local, "tiocswinsz=111:33", lambda fd: fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    assert struct.unpack("4H", size)[:2] == (33, 111)


# ---------------------------------------------------------------- pseudo terminals

def pty_of(local, opts, other="-"):
    p = local.start("-d", "-d", "PTY,raw,echo=0," + opts, other)
    return p, p.wait_log(r"N PTY is (\S+)")[1]


def visit(name, data=b""):
    """A client that is gone at once."""
    fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
    os.write(fd, data)
    os.close(fd)


# option, value, whether it goes on after a client has left (None: not begun before one came)
PTYS = [("openpty", "1", True), ("ptmx", "1", False), ("pty-wait-slave", "1", None), ("sitout-eio", "9,ptmx", True)]


@pytest.mark.parametrize("opt,value,goes_on", PTYS)
def test_pseudo_terminal(local, opt, value, goes_on):
    p, name = pty_of(local, f"{opt}={value}")
    if goes_on is not None:
        p.wait_log("starting data transfer loop")
    else:
        assert not lab.wait_until(lambda: "starting" in p.log, 0.3, None)
    visit(name, b"x")
    p.expect_output(b"x")
    if opt == "sitout-eio":
        p.wait_log("sitting out 9.00s")
    if goes_on:
        visit(name, b"y")
        p.expect_output(b"xy")
    else:
        assert p.wait().status == 0


def test_pseudo_terminal_interval(local):
    """Without inotify a client is found by looking for it, this often."""
    no_inotify = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
    if subprocess.run([*no_inotify, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs user namespaces")
    for option, found in (("pty-interval", ("0.05", True)), ("pty-interval", ("60", False))):
        p = local.command([*no_inotify, lab.SOCAST, "-d", "-d", f"PTY,raw,wait-slave,{option}={found[0]}", "-"])
        fd = os.open(p.wait_log(r"N PTY is (\S+)")[1], os.O_RDWR | os.O_NOCTTY)
        assert lab.wait_until(lambda q=p: "starting" in q.log, 1, None) == found[1], p
        os.close(fd)


def test_pseudo_terminal_link(local, tmp_path):
    for option in ("symbolic-link", "link"):
        p, name = pty_of(local, f"{option}={tmp_path}/l")
        p.wait_log("starting data transfer loop")
        assert os.readlink(tmp_path / "l") == name
        p.stop()


# option, value, what is typed, what the screen shows then
LINES = [("history-file", "=%s", "\x1b[A", "askold"), ("noecho", "=ask", "secret", "ask"), ("noprompt", "", "x", "askx"),
         ("prompt", "=me> ", "x", "askme> x")]


@pytest.mark.skipif(not lab.has("READLINE"), reason="program built without libedit")
@pytest.mark.parametrize("opt,value,keys,want", LINES)
def test_line_editing(local, tmp_path, opt, value, keys, want):
    t = Terminal()
    history = tmp_path / "history"
    history.write_text("old\n")
    p = local.start("-d", "-d", f"READLINE,{opt}{value.replace('%s', str(history))}", "SYSTEM:printf ask; read x; read x",
                    stdin=t.slave, stdout=t.slave, env={"TERM": "vt100", "HOME": "/nonexistent"})
    p.wait_log("starting data transfer loop")
    lab.wait_until(lambda: "ask" in "".join(t.look()), 5, lambda: t.raw)
    if opt == "noecho":
        lab.wait_until(lambda: not termios.tcgetattr(t.slave)[3] & termios.ECHO and termios.tcgetattr(t.slave)[3] & termios.ICANON, 5, "not hidden")
    t.type(keys)
    t.shows(want)
    lab.stop_all()
    t.close()


# ---------------------------------------------------------------- files

def flags(p):
    fd = re.search(r"FDs \[(\d+),", p.log)[1]
    with open(f"/proc/{p.pid}/fdinfo/{fd}", encoding="ascii") as f:
        return int(re.search(r"flags:\s+(\d+)", f.read())[1], 8)


@pytest.mark.parametrize("opt,bit", [
    ("append", os.O_APPEND), ("async", os.O_ASYNC), ("o-noatime", os.O_NOATIME), ("o-nonblock", os.O_NONBLOCK),
    ("o-dsync", os.O_DSYNC), ("o-sync", os.O_SYNC), ("o-rsync", os.O_SYNC), ("o-nofollow", os.O_NOFOLLOW),
    ("o-largefile", 0), ("o-noctty", 0), ("o-rdwr", os.O_RDWR), ("cloexec", os.O_CLOEXEC)])
def test_open_flag(local, tmp_path, opt, bit):
    (tmp_path / "f").write_bytes(b"")
    p = local.start("-d", "-d", f"OPEN:{tmp_path}/f,ignoreeof,{opt}", "PIPE")
    p.wait_log("starting data transfer loop")
    assert flags(p) & bit == bit, p


@pytest.mark.parametrize("opt,before,after", [
    ("lseek64-set=3", b"abcdef", b"abcXYf"), ("lseek64-cur=3", b"abcdef", b"abcXYf"), ("lseek64-end=-1", b"abcdef", b"abcdeXY"),
    ("lseek32-set=3", b"abcdef", b"abcXYf"), ("lseek32-cur=3", b"abcdef", b"abcXYf"), ("lseek32-end=-1", b"abcdef", b"abcdeXY"),
    ("ftruncate64=3", b"abcdef", b"XYc"), ("ftruncate32=3", b"abcdef", b"XYc"), ("o-trunc", b"abcdef", b"XY"),
    ("o-creat", None, b"XY"), ("o-creat,o-excl", None, b"XY")])
def test_file_content(local, tmp_path, opt, before, after):
    path = tmp_path / "f"
    if before is not None:
        path.write_bytes(before)
    r = local.run("-u", "TEXT:XY", f"OPEN:{path},{opt}")
    assert r.status == 0 and path.read_bytes() == after, r


@pytest.mark.parametrize("opt,want", [
    ("o-creat,perm=0604", {"mode": 0o604}), ("perm-early=0604", {"mode": 0o604}), ("perm-late=0604", {"mode": 0o604}),
    ("user=65534", {"uid": 65534}), ("user-early=65534", {"uid": 65534}), ("user-late=65534", {"uid": 65534}),
    ("group=65534", {"gid": 65534}), ("group-early=65534", {"gid": 65534}), ("group-late=65534", {"gid": 65534})])
def test_owner_and_mode(local, tmp_path, opt, want):
    if "mode" not in want and not lab.REAL_ROOT:
        pytest.skip("needs several users")
    path = tmp_path / "f"
    if "creat" not in opt:
        path.write_bytes(b"")
    r = local.run("-u", "TEXT:x", f"OPEN:{path},{opt}")
    st = path.stat()
    have = {"mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid}
    assert r.status == 0 and {k: have[k] for k in want} == want, r


@pytest.mark.parametrize("opt,kind,shared", [
    ("f-setlk-rd", "posix", 1), ("f-setlk-wr", "posix", 0), ("f-setlkw-rd", "posix", 1), ("f-setlkw-wr", "posix", 0),
    ("flock-ex", "flock", 0), ("flock-ex-nb", "flock", 0), ("flock-sh", "flock", 1), ("flock-sh-nb", "flock", 1)])
def test_lock(local, tmp_path, opt, kind, shared):
    """Another process cannot lock the file, or can share the lock."""
    (tmp_path / "f").write_bytes(b"x")
    p = local.start("-d", "-d", f"OPEN:{tmp_path}/f,ignoreeof,{opt}", "PIPE")
    p.wait_log("starting data transfer loop")
    lock = fcntl.lockf if kind == "posix" else fcntl.flock
    with open(tmp_path / "f", "rb+") as f:
        with pytest.raises(BlockingIOError):
            lock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for start in (0, 1, 1 << 40) if kind == "posix" else ():        # the whole file, however long it becomes
            with pytest.raises(BlockingIOError):
                lock(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        if shared:
            lock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_pipe_size(local):
    p = local.start("-d", "-d", "PIPE,f-setpipe-sz=8192", "EXEC:sleep 9")
    p.wait_log("starting data transfer loop")
    fd = take_fd(p.pid, int(re.search(r"FDs \[(\d+),", p.log)[1]))
    assert fcntl.fcntl(fd, 1032) == 8192
    os.close(fd)


# ---------------------------------------------------------------- processes

def status_of(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return re.search(rf"^{field}:\s+(.*)$", f.read(), re.M)[1].split()


NOBODY = "65534"


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs several users")
@pytest.mark.parametrize("opt,field", [
    ("setuid=65534", "Uid"), ("setuid-early=65534", "Uid"), ("setgid=65534", "Gid"), ("setgid-early=65534", "Gid"),
    ("substuser=nobody", "Uid"), ("substuser-early=nobody", "Uid"), ("substuser-delayed=nobody", "Uid")])
def test_identity(local, opt, field):
    p = local.start("-d", "-d", f"UDP4-RECV:{lab.port()},{opt}", "PIPE")
    p.wait_log("starting data transfer loop")
    assert status_of(p.pid, field)[:3] == [NOBODY] * 3, p


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
@pytest.mark.parametrize("opt", [("chroot"), ("chroot-early")])
def test_root(local, tmp_path, opt):
    p = local.start("-d", "-d", f"UDP4-RECV:{lab.port()},{opt}={tmp_path}", "PIPE")
    p.wait_log("starting data transfer loop")
    assert os.readlink(f"/proc/{p.pid}/root") == str(tmp_path)


def test_process_group(local):
    """setpgid: a group of its own for the program."""
    p = local.start("-d", "-d", "-", "EXEC:sleep 9,setpgid=0")
    child = int(p.wait_log(r"forked off child process (\d+)")[1])
    lab.wait_until(lambda: os.getpgid(child) == child, 2, "no group of its own")
    assert os.getpgid(p.pid) != child


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
def test_network_namespace(local):
    """netns: the socket is made in the other name space, the program goes on in its own."""
    name = f"socasttest{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        p = local.start("--experimental", "-d", "-d", f"TCP4-LISTEN:0,netns={name}", "PIPE")
        port = p.wait_log(r"listening on AF=2 0\.0\.0\.0:(\d+)")[1]
        seen = subprocess.run(["ip", "netns", "exec", name, "cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
        listens = f":{int(port):04X} 00000000:0000 0A"      # old connections may have had the number
        assert listens in seen
        with open(f"/proc/{p.pid}/net/tcp", encoding="ascii") as f:
            assert listens not in f.read()
    finally:
        lab.stop_all()
        subprocess.run(["ip", "netns", "del", name], check=True)


# ---------------------------------------------------------------- others

def test_write_only(local, tmp_path):
    """o-wronly: what cannot be read says so."""
    (tmp_path / "f").write_bytes(b"x")
    r = local.run("-u", f"OPEN:{tmp_path}/f,o-wronly", "-")
    assert r.status == 1 and "E the left address is open for writing only" in r.log, r


def test_direct(local):
    """o-direct: the flag is set, where the file system takes it."""
    path = os.path.join(os.path.dirname(lab.SOCAST), "direct.tmp")
    with open(path, "wb") as f:
        f.write(bytes(8192))
    try:
        p = local.start("-d", "-d", f"OPEN:{path},ignoreeof,o-direct", "PIPE")
        lab.wait_until(lambda: "starting data" in p.log or p.ended(), 3, "nothing happens")
        if "Invalid argument" in p.log:
            pytest.skip("this file system has no direct access")
        assert flags(p) & os.O_DIRECT
    finally:
        lab.stop_all()
        os.unlink(path)


def test_unlink_late(local, tmp_path):
    """unlink-late: the entry goes when the file is open, the data stay."""
    (tmp_path / "f").write_bytes(b"data")
    r = local.run("-u", f"OPEN:{tmp_path}/f,unlink-late", "-")
    assert r.out == b"data" and not (tmp_path / "f").exists()


@pytest.mark.parametrize("opt,bit", [("ioctl-intp=0x5452:1", os.O_ASYNC), ("ioctl-intp=0x5421:1", os.O_NONBLOCK), ("ioctl-bin=0x5421:i1", os.O_NONBLOCK)])
def test_ioctl_with_a_pointer(local, tmp_path, opt, bit):
    """ioctl-intp, ioctl-bin: the kernel reads the number behind the pointer."""
    p = local.start("-d", "-d", f"{U4},{opt}", "PIPE")
    p.wait_log("starting data transfer loop")
    assert flags(p) & bit, p


@pytest.mark.parametrize("opt", ["ioctl-void=0x540c", "ioctl-int=0x540c:0", "ioctl-string=0x540c:x"])
def test_ioctl_on_a_terminal(local, opt):
    """TIOCEXCL takes no argument; whatever is passed, the terminal is exclusive then."""
    master, slave = pty.openpty()
    p = local.start("-d", "-d", f"STDIO,{opt}", "PIPE", stdin=slave, stdout=slave)
    p.wait_log("starting data transfer loop")
    out = array.array("i", [0])
    fcntl.ioctl(slave, 0x80045440, out)         # TIOCGEXCL
    os.close(master)
    assert out[0] == 1


def test_children_shutup(local):
    """children-shutup: the records of sessions are so many levels lower."""
    for value, level in (("", "W"), ("=2", "N")):
        port = lab.port()
        p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork,children-shutup{value}", "TCP4:127.0.0.1:1")
        p.wait_log("listening on")
        with local.socket(kind=socket.SOCK_STREAM) as s:
            s.connect(("127.0.0.1", port))
            assert s.recv(9) == b""
        p.wait_log(rf"{level} TCP4:127\.0\.0\.1:1: Connection refused")
        p.stop()


# ---------------------------------------------------------------- interfaces

# option, bit of the flags, whether Linux lets it be changed (net/core/dev.c, dev_change_flags)
IFF = [
    ("iff-up", 0x1, True), ("iff-broadcast", 0x2, False), ("iff-debug", 0x4, True), ("iff-loopback", 0x8, False),
    ("iff-pointopoint", 0x10, False), ("iff-notrailers", 0x20, True), ("iff-running", 0x40, False), ("iff-noarp", 0x80, True),
    ("iff-promisc", 0x100, True), ("iff-allmulti", 0x200, True), ("iff-master", 0x400, False), ("iff-slave", 0x800, False),
    ("iff-multicast", 0x1000, True), ("iff-portsel", 0x2000, True), ("iff-automedia", 0x4000, True),
]


def ifreq(local, request, name):
    """The 16 bytes behind the name that an ioctl on an interface gives."""
    with local.socket() as s:
        return fcntl.ioctl(s, request, struct.pack("16s24x", name.encode()))[16:]


def started_tun(local, opts):
    if lab.tun_missing():
        pytest.skip(lab.tun_missing())
    p = local.start("-d", "-d", f"TUN,tun-name=matrix0,{opts}", "PIPE")
    p.wait_log("starting data transfer loop")
    return p


@pytest.mark.parametrize("opt,bit,free", IFF)
def test_interface_flag(local, opt, bit, free):
    seen = []
    for value in (0, 1):
        p = started_tun(local, f"{opt}={value}")
        seen.append(struct.unpack("H", ifreq(local, 0x8913, "matrix0")[:2])[0] & bit)
        p.stop()
    assert seen == [0, bit] if free else seen[0] == seen[1]


@pytest.mark.parametrize("opt,request_,want", [
    ("interface-mtu=1234", 0x8921, struct.pack("i", 1234)), ("tun-name=other0", 0x8933, None),
    ("tun-type=tap", 0x8927, struct.pack("H", 1)), ("tun-type=tun", 0x8927, struct.pack("H", 0xfffe))])
def test_interface(local, opt, request_, want):
    p = started_tun(local, opt)
    got = ifreq(local, request_, "other0" if want is None else "matrix0")
    assert want is None or got.startswith(want), p


@pytest.mark.skipif(not lab.REAL_ROOT, reason="makes a device")
@pytest.mark.parametrize("opt,name", [("tun-device", "dev")])
def test_tun_device(local, tmp_path, opt, name):
    os.mknod(tmp_path / name, 0o600 | stat.S_IFCHR, os.makedev(10, 200))
    p = started_tun(local, f"{opt}={tmp_path}/{name}")
    fds = [os.readlink(f"/proc/{p.pid}/fd/{n}") for n in lab.descriptors(p.pid)]
    assert str(tmp_path / name) in fds


# option, value, address, what the server is sent: as much of it is answered with what follows
OK_SOCKS, OK_HTTP = b"\0\x5a\0\0\0\0\0\0", b"HTTP/1.0 200 OK\r\n\r\n"
SOCKS4, SOCKS5, PROXY = (f"{kind}:127.0.0.1:10.1.2.3:80,{port}={{port}}" for kind, port in (("SOCKS4", "socksport"), ("SOCKS5", "socksport"), ("PROXY", "proxyport")))
PROXIES = [
    ("socksport", "{port}", "SOCKS4:127.0.0.1:10.1.2.3:80,socksuser=x", b"\4\1\0\x50\n\1\2\3x\0", OK_SOCKS),
    ("socksuser", "joe", SOCKS4, b"\4\1\0\x50\n\1\2\3joe\0", OK_SOCKS),
    ("sockspass", "secret", SOCKS5 + ",socksuser=joe", b"\5\2\0\2", b"\5\2", b"\1\3joe\6secret", b"\1\0", b"\5\1\0\1\n\1\2\3\0\x50", b"\5\0\0\1" + bytes(6)),
    ("proxyport", "{port}", "PROXY:127.0.0.1:10.1.2.3:80", b"CONNECT 10.1.2.3:80 HTTP/1.0\r\n\r\n", OK_HTTP),
    ("proxy-authorization", "a:b", PROXY, b"CONNECT 10.1.2.3:80 HTTP/1.0\r\nProxy-authorization: Basic YTpi\r\n\r\n", OK_HTTP),
    ("proxy-authorization-file", "{file}", PROXY, b"CONNECT 10.1.2.3:80 HTTP/1.0\r\nProxy-authorization: Basic YTpi\r\n\r\n", OK_HTTP),
    ("proxy-resolve", "1", PROXY.replace("10.1.2.3", "localhost"), b"CONNECT 127.0.0.1:80 HTTP/1.0\r\n\r\n", OK_HTTP),
    ("http-version", "1.7", PROXY, b"CONNECT 10.1.2.3:80 HTTP/1.7\r\nHost: 10.1.2.3:80\r\n\r\n", OK_HTTP),
    ("ignorecr", "1", PROXY, b"CONNECT 10.1.2.3:80 HTTP/1.0\r\n\r\n", OK_HTTP.replace(b"\r", b"")),
]


@pytest.mark.parametrize("row", PROXIES, ids=lambda row: row[0])
def test_proxies(local, tmp_path, row):
    """What is said to a proxy."""
    path = tmp_path / "auth"
    path.write_text("a:b\n", encoding="ascii")
    path.chmod(0o600)
    opt, value, address, *said = row
    with local.socket(kind=socket.SOCK_STREAM, bind=("127.0.0.1", 0)) as server:
        server.listen()
        p = local.start("-", f"{address},{opt}={value}".format(port=server.getsockname()[1], file=path))
        c, _ = server.accept()
    with c:
        for want, answer in zip(said[::2], said[1::2]):
            assert c.recv(len(want) + 1) == want
            c.sendall(answer)
        c.sendall(b"through")
        p.expect_output(b"through")


@pytest.mark.parametrize("address", [SOCKS5, PROXY])
def test_proxy_timeout(local, address):
    """proxy-timeout: a silent proxy is given up."""
    with local.socket(kind=socket.SOCK_STREAM, bind=("127.0.0.1", 0)) as server:
        server.listen()
        r = local.run("-", f"{address},proxy-timeout=0.2".format(port=server.getsockname()[1]), input=None, timeout=3)
    assert r.status == 1 and "within 0.2 seconds (option proxy-timeout)" in r.log, r


# ---------------------------------------------------------------- completeness

# Options whose effect other files of this folder show, or that cannot be shown here.
ELSEWHERE = {"by test_mcast.py": "join-if mcast-if if-wait hops loop",
             "by test_udp.py, test_better.py": """accept-timeout bind fork isolate max-children max-sessions
    session-timeout range sourceport lowport udp-ignore-peerport answers newline null-eof ip-add-source-membership ipv6-join-group
    ipv6-join-source-group tcpwrappers tcpwrap-etc tcpwrap-hosts-allow-table tcpwrap-hosts-deny-table
    protocol-family""",
             "above": "setpgid netns o-wronly o-direct unlink-late ioctl-void ioctl-bin ioctl-int ioctl-intp ioctl-string children-shutup",
             "by test_apart.py": "dst no-echo", "by test_roles.py": "role",
             "by test_frames.py": "frames frames-max u16 u32 varint line nul slip cobs netstring fixed",
             "by test_seal.py": "seal seal-age seal-senders sign-key trust",
             "by test_tls.py": """eof-without-notify openssl-alpn openssl-cafile openssl-capath openssl-certificate openssl-cipherlist openssl-commonname
    openssl-compress openssl-dhparam openssl-egd openssl-handshake-timeout openssl-key openssl-max-proto-version openssl-maxfraglen
    openssl-maxsendfrag openssl-min-proto-version openssl-no-sni openssl-pseudo openssl-snihost openssl-verify""",
             "by test_resolver.py": """ai-addrconfig ai-all ai-passive ai-v4mapped res-debug res-defnames res-dnsrch res-igntc
    res-nsaddr res-recurse res-retrans res-retry res-stayopen res-usevc""",
             "by test_tcp.py": "backlog connect-timeout retry forever interval",
             "by test_engine.py": """cr crnl escape ignoreeof readbytes lockfile waitlock cool-write end-close shut-close shut-down
    shut-none shut-null""",
             "by test_unix.py": "backlog connect-timeout retry interval unlink-late",
             "by test_exec.py": """so-type pty pipes nofork fdin fdout stderr path dash shell sighup sigint sigquit setsid
    tiocsctty chdir umask""",
             "by test_standing.py": "reopen",
             "by test_proxy_stacks.py": "to",
             "by test_ending.py": "close-timeout so-linger",
             "by test_tun.py": "iff-no-pi retrieve-vlan",
             "by test_posixmq.py": "posixmq-flush posixmq-maxmsg posixmq-msgsize posixmq-priority",
             "by test_file.py": """unlink unlink-close unlink-early  o-directory
    o-rdonly"""}
REASON = {"needs a kernel with DCCP": "dccp-set-ccid"}


def test_every_option_has_a_row_or_a_reason():
    text = subprocess.run([lab.SOCAST, "-hhh"], capture_output=True, text=True, check=True, timeout=20).stdout
    names = set(re.findall(r"^      (\S+)\s+groups=\S+\s+phase=", text, re.M))
    with open(__file__, encoding="utf-8") as f:
        source = f.read()
    rows = {row[1] for row in SOCKETS + REFUSED} | {row[0] for row in TCP_SOCKETS} | set(WORD) | set(CHARS) | {row[0].split("=")[0] for row in FIELDS}
    rows |= {"b" + s for s in SPEEDS} | {"ispeed", "ospeed", "tiocswinsz"}
    rows |= {row[0] for row in FS_FLAGS} | {"tcp-maxseg-late", "tcp-quickack", "fiosetown", "siocspgrp", "f-setpipe-sz", "chroot", "chroot-early", "proxy-timeout"} | {row[0] for row in PTYS + LINES} | {row[0] for row in PROXIES}
    rows |= {n for quoted in re.findall(r'\("([a-z0-9-]+[a-z0-9=,-]*)", ', source) for n in re.findall(r"[a-z][a-z0-9-]+", quoted)}
    rows |= {n for table in (ELSEWHERE, REASON) for words in table.values() for n in words.split()}
    assert len(names) > 300 and not names - rows, sorted(names - rows)
