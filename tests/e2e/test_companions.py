"""filan and procan: what descriptors are, and what the process and the system are."""
import contextlib
import fcntl
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import time

import pytest

import lab

HERE = os.path.dirname(lab.SOCAST)
FILAN, PROCAN = os.path.join(HERE, "filan"), os.path.join(HERE, "procan")
NO6 = "[" + ":".join(["0000"] * 8) + "]"
LO6 = NO6[:-2] + "1]"
COLUMNS = ["device", "inode", "mode", "links", "uid", "gid", "rdev", "size", "blksize", "blocks", "atime", "mtime",
           "ctime", "cloexec", "flags", "sigown", "sigio"]


@pytest.fixture(name="d")
def _d():
    path = tempfile.mkdtemp(prefix="f")
    yield path
    lab.stop_all()
    shutil.rmtree(path)


def filan(local, *args, fd=None, **kw):
    """Output of filan; with @fd about this descriptor only."""
    if fd is not None:
        args, kw = ("-i", str(fd), *args), {**kw, "pass_fds": [fd]}
    r = local.run(*args, prog=FILAN, **kw)
    assert r.status == 0, r
    return r.out.decode()


def fields(text):
    """The last line of the long form as a dictionary, with its tail."""
    line = text.splitlines()[-1]
    number, kind = line.split("\t")[0].split(": ")
    parts = line.split("\t", len(COLUMNS))[1:]
    out = dict(zip(COLUMNS, parts))
    m = re.match(r"-?\d*", parts[len(COLUMNS) - 1])    # the socket's tail follows without a tab
    out["sigio"], rest = m[0], parts[len(COLUMNS) - 1][m.end():]
    out.update(fd=int(number), type=kind, tail="\t".join([rest, *parts[len(COLUMNS):]]))
    return out


def fails(local, *args, prog=FILAN, **kw):
    """The sentence of the last error, and everything said."""
    r = local.run(*args, prog=prog, **kw)
    assert r.status == 1, r
    name = os.path.basename(prog)
    m = re.search(rf"^\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d {name}\[\d+\] E (.*)$", r.log, re.M)
    assert m, r
    return m[1], r


# ---------------------------------------------------------------- filan: command line

@pytest.mark.parametrize("flag", ["-h", "-?"])
def test_filan_help(local, flag):
    text = filan(local, flag)
    assert "\nUsage:\nfilan [options]\n" in text
    for word in "-h|-? -d -i -n -s -S -f -L -r -T -W -o".split():
        assert re.search(rf"^ +{re.escape(word)}[ <]", text, re.M), word


@pytest.mark.parametrize("args,sentence", [
    (["-q"], "unknown option -q"),
    (["--"], "unknown option --"),
    (["-i"], "option -i requires an argument"),
    (["-n"], "option -n requires an argument"),
    (["-f"], "option -f requires an argument"),
    (["-o"], "option -o requires an argument"),
    (["-T"], "option -T requires an argument"),
    (["-i", "abc"], 'not a numerical arg in "-i abc"'),
    (["-iabc"], 'not a numerical arg in "-i abc"'),
    (["-i", ""], 'not a numerical arg in "-i "'),
    (["-i", "1x"], 'trailing garbage in "-i 1x"'),
    (["-n1x"], 'trailing garbage in "-n 1x"'),
    (["-T", "x"], 'not a numerical arg in "-T x"'),
    (["-T", "1x"], 'trailing garbage in "-T 1x"'),
    (["a"], "1 superfluous arguments"),
    (["-s", "a", "b"], "2 superfluous arguments"),
    (["-o", "no/such/x"], "can't fopen 'no/such/x': No such file or directory"),
    (["-o+77"], "can't fdopen file descriptor 77: Bad file descriptor"),
    (["-o", "+x"], 'not a numerical arg in "-o x"'),
    (["-s", "-f", "no/such"], 'stat("no/such"): No such file or directory'),
    (["-S", "-L", "-f", "no/such"], 'stat("no/such"): No such file or directory'),
])
def test_filan_errors(local, args, sentence):
    said, r = fails(local, *args)
    assert said == sentence
    assert r.out == b""
    assert ("Usage:\nfilan [options]" in r.log) == sentence.startswith("unknown")


def test_filan_lists_what_is_open(local):
    """Standard descriptors, and one more; each with its number."""
    r, w = os.pipe()
    text = filan(local, "-s", pass_fds=[w])
    assert text == "".join(f"{n:5d} pipe \n" for n in (0, 1, 2, w))
    assert filan(local, "-s", "-n", str(w), pass_fds=[w]) == "".join(f"{n:5d} pipe \n" for n in (0, 1, 2))
    assert filan(local, "-s", "-n", str(w + 1), pass_fds=[w]).endswith(f"\n{w:5d} pipe \n")
    lines = filan(local, pass_fds=[w]).splitlines()
    assert lines[0].split("\t")[0] == "  FD  type" and len(lines) == 5
    assert [line.split(": ")[0] for line in lines[1:]] == [f"{n:4d}" for n in (0, 1, 2, w)]
    os.close(r)
    os.close(w)


def test_filan_numbers(local):
    """-i and -n, glued and separate, in any base; one descriptor has no number in front."""
    for args in (["-i0"], ["-i", "0x0"], ["-n", "0"], ["-i", "00", "-n5"], ["-", "-i0"]):
        assert filan(local, "-s", *args) == "pipe \n", args
    assert filan(local, "-s", "-n1") == "    0 pipe \n"
    assert [line[:4] for line in filan(local, "-n1").splitlines()] == ["  FD", "   0"]
    assert [line[:4] for line in filan(local, "-n0").splitlines()] == ["  FD", "   0"]
    huge = filan(local, "-s", "-n", "0xffffffffffff")
    assert huge == filan(local, "-s") == filan(local, "-s", "-n-1")


@pytest.mark.parametrize("args", [["-i", "99"], ["-s", "-i", "99"], ["-i", "-1"], ["-i", "99999999999999999999"]])
def test_filan_of_nothing(local, args):
    assert filan(local, *args) == ""


def test_filan_letters_are_not_bundled(local):
    assert filan(local, "-si", "-n1") == "    0 pipe \n"


def test_filan_verbosity(local):
    """-d is accepted, and changes nothing on standard output."""
    assert filan(local, "-d", "-d", "-d", "-d", "-d", "-s", "-n1") == "    0 pipe \n"


def test_filan_waits(local):
    began = time.monotonic()
    assert filan(local, "-T", "0.3", "-s", "-n1") == "    0 pipe \n"
    assert time.monotonic() - began >= 0.3


def test_filan_stays(local):
    """-W: again at SIGWINCH, until somebody ends it; the header comes once."""
    p = local.start("-W", "-n1", prog=FILAN)
    for n in range(1, 4):
        p.until(lambda n=n: p.out.count(b"   0: pipe") == n, 8, "line")
        assert not p.ended()
        p.kill(signal.SIGWINCH)
    p.until(lambda: p.out.count(b"   0: pipe") == 4, 8, "line")
    assert p.out.count(b"  FD  type") == 1
    assert p.stop().status == -signal.SIGTERM


def test_filan_stays_short(local):
    p = local.start("-W", "-s", "-i0", prog=FILAN)
    p.expect_output(b"pipe \n")
    p.kill(signal.SIGWINCH)
    p.expect_output(b"pipe \npipe \n")


# ---------------------------------------------------------------- filan: where it writes

def test_filan_output_to_file(local, d):
    """Truncated, and not among what is listed."""
    with open(f"{d}/out", "w", encoding="ascii") as f:
        f.write("x" * 1000)
    assert filan(local, "-s", "-o", f"{d}/out") == ""
    with open(f"{d}/out", encoding="ascii") as f:
        assert f.read() == "".join(f"{n:5d} pipe \n" for n in (0, 1, 2))


@pytest.mark.parametrize("name,where", [("stdout", "out"), ("stderr", "err"), ("+1", "out"), ("+2", "err"), ("+0x2", "err")])
def test_filan_output_to_descriptor(local, name, where):
    r = local.run("-s", "-n1", f"-o{name}", prog=FILAN)
    assert r.status == 0 and getattr(r, where) == b"    0 pipe \n"
    assert (r.err if where == "out" else r.out) == b""


def test_filan_output_to_stdin(local):
    """Where it can be written, as under inetd."""
    a, b = socket.socketpair()
    p = local.start("-s", "-n1", "-o", "stdin", prog=FILAN, stdin=a.fileno())
    assert p.wait().status == 0
    assert b.recv(99) == b"    0 unix <anon>\n"
    a.close()
    b.close()
    said, _ = fails(local, "-o", "stdin")
    assert said == "can't fdopen file descriptor 0: Invalid argument"


@pytest.mark.parametrize("args", [["-s"], []])
def test_filan_output_that_is_full(local, args):
    with open("/dev/full", "wb") as full:
        p = local.start(*args, prog=FILAN, stdout=full)
        r = p.wait()
    assert r.status == 1 and " E can't write the output: No space left on device" in r.log


# ---------------------------------------------------------------- filan: all kinds of objects

@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    fd = os.open(path, flags | os.O_CLOEXEC)
    yield fd
    os.close(fd)


def make_entries(d):
    """One entry of each kind in @d."""
    os.mkdir(f"{d}/dir")
    os.mkfifo(f"{d}/fifo", 0o640)
    with open(f"{d}/file", "w", encoding="ascii") as f:
        f.write("hello")
    os.symlink("file", f"{d}/link")
    os.symlink("nowhere", f"{d}/dangling")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{d}/sock")


ENTRIES = [("dir", "dir", "dir", os.O_RDONLY), ("fifo", "pipe", "pipe", os.O_RDWR), ("file", "file", "file", os.O_RDONLY),
           ("link", "link", "symlink", os.O_PATH | os.O_NOFOLLOW), ("sock", "socket", "socket", os.O_PATH)]


@pytest.mark.parametrize("name,word,kind,flags", ENTRIES)
def test_filan_of_files(local, d, name, word, kind, flags):
    """Descriptors of files, all forms."""
    make_entries(d)
    with opened(f"{d}/{name}", flags) as fd:
        for form in ("-s", "-S"):
            assert filan(local, form, fd=fd) == f"{word} {d}/{name}\n"
        assert fields(filan(local, fd=fd))["type"] == kind


def test_filan_of_devices(local):
    with opened("/dev/null") as fd:
        assert filan(local, "-s", fd=fd) == filan(local, "-S", fd=fd) == "chrdev /dev/null\n"
        f = fields(filan(local, fd=fd))
    assert (f["type"], f["rdev"], f["mode"]) == ("chrdev", "1,3", "020666")
    assert f["tail"] == "\tpoll: IN,OUT"


def block_device():
    for entry in os.scandir("/dev"):
        if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode):
            return entry.path
    return None


@pytest.mark.skipif(block_device() is None, reason="no block device here")
def test_filan_of_block_device(local):
    path = block_device()
    assert filan(local, "-s", "-f", path) == filan(local, "-S", "-f", path) == f"blkdev {path}\n"
    f = fields(filan(local, "-f", path))
    rdev = os.stat(path).st_rdev
    assert f["type"] == "blkdev" and f["mode"][:2] == "06" and f["rdev"] == f"{rdev >> 8},{rdev & 255}"


def test_filan_of_deleted_file(local, d):
    with open(f"{d}/gone", "wb") as f:
        os.unlink(f"{d}/gone")
        assert filan(local, "-s", fd=f.fileno()) == f"file {d}/gone (deleted)\n"


def test_filan_of_nameless_object(local):
    """Something without a file type."""
    fd = lab.libc.eventfd(0, 0)
    assert filan(local, "-s", fd=fd) == "undef anon_inode:[eventfd]\n"
    assert fields(filan(local, fd=fd))["type"] == "undef"
    os.close(fd)


def test_filan_columns(local, d):
    """Everything that stat and fcntl tell, here and with -r."""
    path = f"{d}/file"
    with open(path, "wb") as f:
        f.write(b"x" * 70000)
        f.flush()
        os.fchmod(f.fileno(), 0o2751)
        os.utime(path, (86400, 1234567890))
        st, fd = os.fstat(f.fileno()), f.fileno()
        text, raw = filan(local, fd=fd, env={"TZ": "UTC"}), filan(local, "-r", fd=fd)
    times = (st.st_atime, st.st_mtime, st.st_ctime)
    dates = [time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(t)) for t in times]
    middle = [str(st.st_ino), f"0{st.st_mode:o}", "1", str(st.st_uid), str(st.st_gid), "0,0", "70000", str(st.st_blksize), str(st.st_blocks)]
    flags = ["0", "x008001", "0", "0", "poll: IN(FIONREAD=0),OUT"]
    assert text.splitlines()[1].split("\t") == [f"{fd:4d}: file", f"{st.st_dev >> 8},{st.st_dev & 255}", *middle, *dates, *flags]
    assert raw.splitlines()[1].split("\t") == [f"{fd:4d}: file", str(st.st_dev), *middle, *(str(int(t)) for t in times), *flags]
    assert dates[0] == "Fri Jan  2 00:00:00 1970"
    head = "  FD  type\tdevice\tinode\tmode\tlinks\tuid\tgid\trdev\tsize\tblksize\tblocks\t"
    assert text.splitlines()[0] == head + "atime\t\t\t\tmtime\t\t\t\tctime\t\t\t\tcloexec\tflags\tsigown\tsigio"
    assert raw.splitlines()[0] == head + "atime\t\tmtime\t\tctime\t\tcloexec\tflags\tsigown\tsigio"


def test_filan_of_pipe(local):
    """Capacity, readiness, bytes to read; they stay there."""
    r, w = os.pipe()
    size = fcntl.fcntl(r, fcntl.F_SETPIPE_SZ, 1 << 17)
    os.write(w, b"abcdef")
    f = fields(filan(local, fd=r))
    assert (f["type"], f["mode"], f["tail"]) == ("pipe", "010600", f"\tF_GETPIPE_SZ={size}\tpoll: IN(FIONREAD=6)")
    assert fields(filan(local, fd=w))["tail"] == f"\tF_GETPIPE_SZ={size}\tpoll: OUT"
    assert filan(local, "-s", fd=r) == filan(local, "-S", fd=r) == "pipe \n"
    assert os.read(r, 99) == b"abcdef"
    os.close(r)
    assert "ERR" in fields(filan(local, fd=w))["tail"]
    os.close(w)


@pytest.fixture(name="terminal")
def _terminal():
    """A terminal with known settings: master, slave, name."""
    master, slave = pty.openpty()
    t = termios.tcgetattr(slave)
    t[6][termios.VINTR], t[6][termios.VQUIT], t[6][termios.VERASE] = b"\x03", b"A", b"\xff"
    termios.tcsetattr(slave, termios.TCSANOW, t)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 25, 80, 640, 400))
    yield master, slave, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_filan_of_terminal(local, terminal):
    _, slave, name = terminal
    assert filan(local, "-s", fd=slave) == filan(local, "-S", fd=slave) == f"tty {name}\n"
    iflag, oflag, cflag, lflag = termios.tcgetattr(slave)[:4]
    where = f"\t{name} \tIFLAGS=0x{iflag:06x} OFLAGS=0x{oflag:06x} CFLAGS=0x{cflag:06x} LFLAGS=0x{lflag:06x}"
    window = " terminal window size:   80x25 terminal window pixels: 640x400"
    f = fields(filan(local, fd=slave))
    assert f["type"] == "chrdev"
    assert f["tail"].startswith(where + " cc[0]=^C cc[1]=A cc[2]=xFF cc[3]=^U ")
    assert f["tail"].endswith(" cc[31]=^@" + window + "\tpoll: OUT")
    raw = fields(filan(local, "-r", fd=slave))["tail"]
    assert raw.startswith(where + " cc[0]=3 cc[1]=65 cc[2]=255 cc[3]=21 ") and " cc[31]=0" + window in raw


def test_filan_of_terminal_by_path(local, terminal):
    name = terminal[2]
    f = fields(filan(local, "-f", name))
    assert f["fd"] == 3 and f["cloexec"] == f["flags"] == f["sigown"] == f["sigio"] == ""
    assert f["tail"].startswith(f"\t{name} \tIFLAGS=0x") and "poll" not in f["tail"]
    assert filan(local, "-s", "-f", name) == f"chrdev {name}\n"


# ---------------------------------------------------------------- filan: file system entries

@pytest.mark.parametrize("name,word,kind,_", ENTRIES)
def test_filan_of_path(local, d, name, word, kind, _):
    """Types, the number of our descriptor, and no flags."""
    make_entries(d)
    for form in ("-s", "-S"):
        assert filan(local, form, "-f", f"{d}/{name}") == f"{word} {d}/{name}\n"
    text = filan(local, f"-f{d}/{name}")
    f = fields(text)
    assert f["type"] == kind and text.splitlines()[-1].split()[1] == kind
    assert f["fd"] == (-1 if kind in ("symlink", "socket") else 3)
    assert f["cloexec"] == f["flags"] == f["sigown"] == f["sigio"] == ""
    assert f["inode"] == str(os.lstat(f"{d}/{name}").st_ino)
    assert f["tail"] == {"symlink": "LINKTARGET=file", "pipe": "\tF_GETPIPE_SZ=65536"}.get(kind, "")


def test_filan_follows_links(local, d):
    make_entries(d)
    f = fields(filan(local, "-L", "-f", f"{d}/link"))
    assert (f["type"], f["fd"], f["size"], f["tail"]) == ("file", 3, "5", "")
    assert filan(local, "-s", "-L", "-f", f"{d}/link") == f"file {d}/link\n"
    f = fields(filan(local, "-f", f"{d}/dangling"))
    assert (f["type"], f["fd"], f["tail"]) == ("symlink", -1, "LINKTARGET=nowhere")
    assert filan(local, "-s", "-f", f"{d}/dangling") == f"link {d}/dangling\n"
    said, _ = fails(local, "-s", "-L", "-f", f"{d}/dangling")
    assert said == f'stat("{d}/dangling"): No such file or directory'


def test_filan_of_missing_path(local, d):
    """The long form warns and shows an empty row."""
    r = local.run("-r", "-f", f"{d}/x", prog=FILAN)
    assert r.status == 0 and f'W stat("{d}/x"): No such file or directory' in r.log
    assert r.out.decode().splitlines()[1] == "  -1: undef\t0\t0\t0000\t0\t0\t0\t0,0\t0\t0\t0\t0\t0\t0\t\t\t\t"


def test_filan_of_path_that_cannot_be_opened(local):
    """/dev/tty of a process without terminal."""
    r = local.run("-f", "/dev/tty", prog=FILAN)
    assert r.status == 0 and 'W open("/dev/tty"): No such device or address' in r.log
    f = fields(r.out.decode())
    assert (f["fd"], f["type"], f["rdev"], f["tail"]) == (-1, "chrdev", "5,0", "")


# ---------------------------------------------------------------- filan: sockets

def forms(local, s):
    return [filan(local, form, fd=s.fileno()) for form in ("-s", "-S")]


@pytest.mark.parametrize("family,six,ip,shown,nobody", [
    (socket.AF_INET, "", "127.0.0.1", "127.0.0.1", "0.0.0.0"), (socket.AF_INET6, "6", "::1", LO6, NO6)])
def test_filan_of_tcp(local, family, six, ip, shown, nobody):
    s = local.socket(family, socket.SOCK_STREAM)
    assert forms(local, s) == [f"tcp{six} {nobody}:0 {nobody}:0\n", f"tcp{six} {nobody}:0-{nobody}:0 (stream) \n"]
    s.bind((ip, 0))
    port = s.getsockname()[1]
    s.listen()
    assert forms(local, s) == [f"tcp{six}(listening) {shown}:{port} {nobody}:0\n",
                               f"tcp{six} {shown}:{port}-{nobody}:0 (stream) (listening)\n"]
    c = local.socket(family, socket.SOCK_STREAM)
    c.connect((ip, port))
    a, peer = s.accept()
    assert forms(local, c) == [f"tcp{six} {shown}:{peer[1]} {shown}:{port}\n", f"tcp{six} {shown}:{peer[1]}-{shown}:{port} (stream) \n"]
    assert forms(local, a) == [f"tcp{six} {shown}:{port} {shown}:{peer[1]}\n", f"tcp{six} {shown}:{port}-{shown}:{peer[1]} (stream) \n"]
    for x in (s, c, a):
        x.close()


@pytest.mark.parametrize("family,six,ip,shown,nobody", [
    (socket.AF_INET, "", "127.0.0.1", "127.0.0.1", "0.0.0.0"), (socket.AF_INET6, "6", "::1", LO6, NO6)])
@pytest.mark.parametrize("protocol,name", [(17, "udp"), (136, "udplite")])
def test_filan_of_udp(local, family, six, ip, shown, nobody, protocol, name):
    try:
        s = local.socket(family, socket.SOCK_DGRAM, protocol, bind=(ip, 0))
    except OSError as e:
        pytest.skip(f"no {name} here ({e})")
    c = local.socket(family, socket.SOCK_DGRAM, protocol, bind=(ip, 0))
    c.connect(s.getsockname())
    one, two = s.getsockname()[1], c.getsockname()[1]
    assert forms(local, s) == [f"{name}{six} {shown}:{one} {nobody}:0\n", f"{name}{six} {shown}:{one}-{nobody}:0 (dgram) \n"]
    assert forms(local, c) == [f"{name}{six} {shown}:{two} {shown}:{one}\n", f"{name}{six} {shown}:{two}-{shown}:{one} (dgram) \n"]
    s.close()
    c.close()


def test_filan_of_raw_ip(local):
    s = local.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    assert forms(local, s) == ["ip 0.0.0.0:1\n", "icmp 0.0.0.0:1-0.0.0.0:0 (raw) \n"]
    s.close()
    s = local.socket(socket.AF_INET6, socket.SOCK_RAW, 253)     # a number nobody has named, RFC 3692
    assert forms(local, s) == [f"ip6 {NO6}:253\n", f"proto253 {NO6}:253-{NO6}:0 (raw) \n"]
    s.close()


def test_filan_of_unix(local, d):
    """Streams, datagrams, packets; named, abstract, without name."""
    path = f"{d}/s"
    s = socket.socket(socket.AF_UNIX)
    assert forms(local, s) == ["unix <anon>\n", "unix <anon>-<anon> stream \n"]
    s.bind(path)
    s.listen()
    assert forms(local, s) == [f"unix(listening) {path}\n", f"unix {path}-<anon> stream (listening)\n"]
    c = socket.socket(socket.AF_UNIX)
    c.connect(path)
    a, _ = s.accept()
    assert forms(local, c) == ["unix <anon>\n", f"unix <anon>-{path} stream \n"]
    assert forms(local, a) == [f"unix {path}\n", f"unix {path}-<anon> stream \n"]
    dgram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dgram.bind(b"\0ab\1" + d.encode())
    assert forms(local, dgram) == [f"unixdatagram \\0ab\\x01{d}\n", f"unix \\0ab\\x01{d}-<anon> dgram \n"]
    seq, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    assert forms(local, seq) == ["unix <anon>\n", "unix <anon>-<anon> seqpacket \n"]
    for x in (s, c, a, dgram, seq, other):
        x.close()


@pytest.mark.parametrize("family,kind", [(socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_DGRAM)])
def test_filan_of_other_sockets(local, family, kind):
    s = local.socket(family, kind)
    assert forms(local, s) == [f"socket(family/domain={int(family)})\n"] * 2
    tail = fields(filan(local, fd=s.fileno()))["tail"] if family == socket.AF_NETLINK else filan(local, fd=s.fileno())
    assert f"AF={int(family)} AF={int(family)} 0x" in tail
    assert "**** NO FURTHER ANALYSIS FOR THIS SOCKET TYPE IMPLEMENTED\tpoll: " in tail
    s.close()


def values(tail):
    """NAME=value pairs of a socket's long line."""
    return dict(part.split("=", 1) for part in re.split(r"[\t\n]", tail) if re.match(r"[A-Z0-9_]+=", part))


def test_filan_of_socket_long(local):
    """Options as getsockopt tells them, both addresses, and what can be read; it stays there."""
    s = local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", 0))
    s.listen()
    c = local.socket(socket.AF_INET, socket.SOCK_STREAM)
    c.connect(s.getsockname())
    a, _ = s.accept()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("2i", 1, 7))
    a.setsockopt(socket.SOL_IP, socket.IP_TTL, 42)
    a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.sendall(b"abc")
    select.select([a], [], [], 5)
    f = fields(filan(local, fd=a.fileno()))
    assert (f["type"], f["mode"], f["sigio"]) == ("socket", "0140777", "0")
    assert f["tail"].startswith("DEBUG=0\tREUSEADDR=0\tPROTOCOL=6\tTYPE=1\tERROR=0\t")
    here, there = lab.sa4("127.0.0.1", a.getsockname()[1]), lab.sa4("127.0.0.1", c.getsockname()[1])
    assert f"\t{here} <-> {there}\tIP_TOS=0\tIP_TTL=42\tIP_HDRINCL=0\tIP_OPTIONS=\"\"\t" in f["tail"]
    v = values(f["tail"])
    want = {"KEEPALIVE": "1", "LINGER": "{1,7}", "TCP_NODELAY": "1", "TCPI_STATE": "{1}", "RCVLOWAT": "1",
            "RCVBUF": str(a.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)), "BINDTODEVICE": "{0,0}",
            "TCP_MAXSEG": str(a.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)), "SNDTIMEO": "{0,0}"}
    assert {k: v.get(k) for k in want} == want
    assert re.fullmatch(r"\{[0-9a-f]{8}( [0-9a-f]{8}){20,}\}", v["TCP_INFO"])
    assert f["tail"].endswith("\tpoll: IN(FIONREAD=3),OUT; recvmsg=1, ")
    assert a.recv(9) == b"abc"
    for x in (s, c, a):
        x.close()


def test_filan_of_unconnected_socket_long(local):
    """The line breaks where the peer would stand, and a warning says why."""
    s = local.socket(socket.AF_INET6, socket.SOCK_DGRAM, bind=("::1", 0))
    if lab.REAL_ROOT:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    r = local.run("-i", str(s.fileno()), prog=FILAN, pass_fds=[s.fileno()])
    _, line, more = r.out.decode().splitlines()
    assert r.status == 0 and f"W getpeername({s.fileno()}): Transport endpoint is not connected" in r.log
    assert line.endswith("\t" + lab.sa6("::1", s.getsockname()[1]))
    assert values(line)["TYPE"] == "2" and "\tIPV6_V6ONLY=" in more and "TCP_" not in more
    assert values(line)["BINDTODEVICE"] == ('"lo"' if lab.REAL_ROOT else "{0,0}")
    s.close()


# ---------------------------------------------------------------- filan: started by others

@pytest.mark.parametrize("options", ["", ",pipes", ",pty", ",fork"])
def test_filan_started_by_socast(local, options):
    """A program gets 0, 1 and 2, and nothing of ours."""
    left = f"EXEC:{FILAN} -s" + options.replace(",fork", "")
    if options == ",fork":      # a client's program, while the listener is open
        port = lab.port()
        p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork", left)
        p.wait_log("listening on")
        text = local.run("-u", f"TCP4:127.0.0.1:{port}", "-").out.decode()
    else:
        r = local.run("-u", left, "-")
        assert r.status == 0
        text = r.out.decode().replace("\r", "")
    assert re.findall(r"^ +(\d+) ", text, re.M) == ["0", "1", "2"]
    assert f"    1 {({',pipes': 'pipe', ',pty': 'tty'}).get(options, 'unix')} " in text


def test_filan_sees_options_of_socast(local):
    """Options of an address are those of the program's socket."""
    port = lab.port()
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", port)) as s:
        s.listen()
        p = local.start(f"TCP4:127.0.0.1:{port},keepalive,tos=16", f"EXEC:{FILAN} -i 0 -o stderr,nofork")
        r = p.wait()
    v = values(r.log)
    assert r.status == 0 and v.get("KEEPALIVE") == "1" and v.get("IP_TOS") == "16", r


# ---------------------------------------------------------------- procan

@pytest.fixture(scope="module")
def about(_local):
    """The lines of procan, and its process id."""
    p = _local.start(prog=PROCAN)
    r = p.wait()
    assert r.status == 0 and r.err == b"", r
    lab.stop_all()
    return r.out.decode().splitlines(), p.pid


def test_procan_process(about):
    """Ids; the tests start programs as leaders of a session, without terminal."""
    lines, pid = about
    assert lines[:10] == [
        f"process id = {pid}", f"process parent id = {os.getpid()}",
        'controlling terminal by ctermid():           "/dev/tty"',
        "controlling terminal by /dev/tty, ttyname(): (none)",
        "controlling terminal by /proc/<pid>/:        (none)",
        f"process group id = {pid}", f"process session id = {pid}",
        *(f"process group id if fg process / {name} = -1" for name in ("stdin", "stdout", "stderr"))]
    (ruid, euid, suid), (rgid, egid, sgid) = os.getresuid(), os.getresgid()
    assert lines[10:17] == [
        f"user id  = {ruid}", f"effective user id  = {euid}", f"saved set-user id  = {suid}",
        f"group id = {rgid}", f"effective group id = {egid}", f"saved set-group id = {sgid}", ""]


LIMITS = [("cpu time (seconds)", resource.RLIMIT_CPU), ("file size (blocks)", resource.RLIMIT_FSIZE),
          ("data seg size (kbytes)", resource.RLIMIT_DATA), ("stack size (blocks)", resource.RLIMIT_STACK),
          ("core file size (blocks)", resource.RLIMIT_CORE), ("max resident set size", resource.RLIMIT_RSS),
          ("max user processes", resource.RLIMIT_NPROC), ("open files", resource.RLIMIT_NOFILE),
          ("  address space", resource.RLIMIT_MEMLOCK), ("virtual memory (kbytes)", resource.RLIMIT_AS)]


def test_procan_limits(about):
    lines = about[0]
    at = lines.index("/* Resource limits */")
    assert lines[at + 1] == "resource                                 current                 maximum"
    rows = [f"{label:24}" + "".join(f"{n & (2 ** 64 - 1):24d}" for n in resource.getrlimit(what)) for label, what in LIMITS]
    rows.insert(8, "max locked-in-memory")
    assert lines[at + 2:at + 14] == [*rows, ""]


def test_procan_inherits(local):
    """Limits and umask of whoever starts it."""
    p = local.command(["sh", "-c", f"ulimit -n 64; ulimit -c 0; umask 27; exec {PROCAN}"])
    lines = p.wait().out.decode().splitlines()
    assert "umask = 0027" in lines
    assert f"open files{64:38d}{64:24d}" in lines
    assert f"core file size (blocks){0:25d}{0:24d}" in lines


def test_procan_system(about, local):
    lines = about[0]
    text = "\n".join(lines)
    at = lines.index(next(line for line in lines if line.startswith("// CC:")))
    assert re.fullmatch(r"// CC:                      (gcc|clang)", lines[at])
    assert re.fullmatch(r"#define __STDC_VERSION__    \d{6}", lines[at + 1])
    assert f"SIZE_MAX                  = {2 ** (struct.calcsize('N') * 8) - 1} /* maximum value of size_t */" == lines[at + 2]
    assert 'P_tmpdir                  = "/tmp"\n' in text and "\nL_tmpnam                  = 20\n" in text
    assert "\nTMP_MAX                   = 238328\n" in text and f"\nPIPE_BUF                  = {select.PIPE_BUF}\n" in text
    assert "\nFD_SETSIZE                = 1024 /* maximum number of FDs for select() */\n" in text
    assert f"\nNetwork namespace: {os.readlink(f'/proc/{local.pid}/ns/net')}\nC TYPE SIZES\n" in text


def test_procan_types(about):
    lines = about[0]
    for letter, name in zip("chilqN", ["char", "short", "int", "long", "long long", "size_t"]):
        assert f"{'sizeof(' + name + ')':17} = {struct.calcsize(letter)}" in lines
    # what scripts do to learn the size of size_t
    found = subprocess.run("grep '^[^[:space:]]*size_t' | awk '{print $3}'", shell=True, input="\n".join(lines) + "\n",
                           capture_output=True, text=True, check=True, timeout=20).stdout
    assert found == f"{struct.calcsize('N')}\n"
    assert re.search(r"^typedef (un)?signed char +char;$", "\n".join(lines), re.M)
    rows = {m[2]: (m[1], int(m[3])) for line in lines
            for m in [re.fullmatch(r"typedef (\w[\w ]*?) +(\w+);  /\* sizeof\(\2\) = (\d+) \*/", line)] if m}
    assert list(rows) == "size_t mode_t pid_t uid_t gid_t time_t socklen_t off_t off64_t dev_t ino_t tcflag_t".split()
    assert rows["pid_t"] == ("int", 4) and rows["off64_t"][1] == 8 and rows["mode_t"] == ("unsigned int", 4)
    assert any(line.startswith("#define __BYTE_ORDER __") for line in lines)
    assert "sizeof(struct timespec)      = 16" in lines


def test_procan_interfaces(lan):
    """Those of the namespace it runs in."""
    lines = lan[0].run(prog=PROCAN).out.decode().splitlines()
    at = lines.index("IP INTERFACES")
    assert lines[at - 1] == ""
    with lan[0].inside():
        want = [f"{index:2d}: {name}" for index, name in socket.if_nameindex()]
    assert lines[at + 1:at + 1 + len(want)] == want and any(line.endswith(": eth0") for line in want)
    assert all(line.startswith("VSOCK_CID        = ") for line in lines[at + 1 + len(want):])


def test_procan_terminal(local):
    """On a terminal given by socast: its name in all ways, and who is in the foreground."""
    r = local.run(f'SYSTEM:"tty; {PROCAN}",pty,setsid,ctty,stderr', "-", input=None)
    text = r.out.decode().replace("\r", "")
    name = text.split("\n")[0]
    assert r.status == 0 and re.match(r"/dev/pts/\d+$", name), r
    assert f'controlling terminal by /proc/<pid>/:        "{name}"' in text
    assert 'controlling terminal by /dev/tty, ttyname(): "/dev/tty"' in text
    group = re.search(r"^process group id = (\d+)$", text, re.M)[1]
    assert re.search(r"^process session id = (\d+)$", text, re.M)[1] == group
    assert re.findall(r"^process group id if fg process / std\w+ = (-?\d+)$", text, re.M) == [group] * 3


@pytest.mark.parametrize("options,leader", [("", False), (",setsid", True)])
def test_procan_session(local, options, leader):
    p = local.start("-u", f"EXEC:{PROCAN}{options}", "-")
    text = p.wait().out.decode()
    pid, session = (re.search(rf"^process {what}id = (\d+)$", text, re.M)[1] for what in ("", "session "))
    assert (session == pid) == leader and (session == str(p.pid)) == (not leader)


def test_procan_defines(local):
    text = local.run("-c", prog=PROCAN).out.decode()
    assert text.startswith("__GLIBC__                 = 2\n")
    lines = text.splitlines()[1:]
    assert lines[0] == "#define FD_SETSIZE  1024" and "#define FOPEN_MAX 16" in lines
    shown = {}
    for line in lines:
        m = re.fullmatch(r"#define +(\w+) +(-?\w+)(?:  /\* (0[0-7]+) \*/)?", line)
        shown[m[1]] = int(m[2], 0)
        assert m[3] is None or int(m[3], 8) == shown[m[1]], line
    known = {name: value for module in (os, socket, termios) for name, value in vars(module).items() if isinstance(value, int)}
    known["O_LARGEFILE"] = shown["O_LARGEFILE"]     # 0 where all files are large
    same = [name for name in shown if name in known]
    assert {name: shown[name] for name in same} == {name: int(known[name]) for name in same} and len(same) > 60
    assert f"#define O_CREAT     0x{os.O_CREAT:06x}  /* {os.O_CREAT:09o} */" in lines
    assert f"#define CR1         0x{termios.CR1:08x}  /* 0{termios.CR1:011o} */" in lines
    assert "#define TIOCEXCL    0x540c" in lines or shown["TIOCEXCL"] == termios.TIOCEXCL != 0x540c
    assert "#define              RTM_NEWLINK 16" in lines and "#define AI_PASSIVE 0x01" in lines
    behind = lines[lines.index("#define PF_UNSPEC 0"):]
    assert not [line for line in behind if "RTM_" not in line and not re.fullmatch(r"#define \w+ \S+", line)]
    assert {"PF_VSOCK", "SOCK_PACKET", "IPPROTO_UDPLITE", "SOL_DCCP", "SO_PROTOCOL", "TCP_MAXSEG", "EAI_SYSTEM"} <= set(shown)


def test_procan_version(local):
    """The same as socast's, but for the name and what it is."""
    ours, theirs = (local.run("-V", prog=prog).out.decode().splitlines() for prog in (PROCAN, lab.SOCAST))
    assert len(ours) == 3 and "procan" in ours[0]
    assert ours[1] == theirs[1].replace("socat", "procan") and ours[2] == theirs[2]
    assert re.search(r"\d+(\.\d+)+", ours[1])[0] == "1.8.1.3"


@pytest.mark.parametrize("flag", ["-h", "-?"])
def test_procan_help(local, flag):
    r = local.run(flag, prog=PROCAN)
    assert r.status == 0 and b"\nUsage:\nprocan [options]\n" in r.out and r.err == b""


@pytest.mark.parametrize("args,sentence", [(["-q"], 'unknown option "-q"'), (["--"], 'unknown option "--"'),
                                           (["x"], "1 superfluous arguments"), (["-c", "x", "y"], "2 superfluous arguments")])
def test_procan_errors(local, args, sentence):
    said, r = fails(local, *args, prog=PROCAN)
    assert said == sentence and r.out == b""
    assert ("Usage:\nprocan [options]" in r.log) == sentence.startswith("unknown")


def test_procan_output_that_is_full(local):
    with open("/dev/full", "wb") as full:
        r = local.start(prog=PROCAN, stdout=full).wait()
    assert r.status == 1 and " E can't write the output: No space left on device" in r.log


# ---------------------------------------------------------------- manuals

@pytest.mark.skipif(shutil.which("mandoc") is None, reason="needs mandoc")
@pytest.mark.parametrize("prog,name", [(FILAN, "filan"), (PROCAN, "procan")])
def test_manual(local, prog, name):
    """mandoc has no warnings, and every flag of the help is in the manual."""
    path = os.path.join(lab.ROOT, "man", name + ".1")
    r = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True, timeout=20, check=False)
    assert r.returncode == 0 and not r.stdout, r.stdout
    with open(path, encoding="utf-8") as f:
        items = re.findall(r"^\.It Fl (.*)$", f.read(), re.M)
    letters = {w.replace("\\&", "") for item in items for w in [item[0], *re.findall(r", (\S+)", item)]}
    shown = set(re.findall(r"(?<=[ |]-)([?\w])", local.run("-h", prog=prog).out.decode().split("options:\n")[1]))
    assert letters == shown
