"""Descriptors, files, pipes, text: STDIO STDIN STDOUT STDERR FD OPEN CREATE GOPEN
PIPE SOCKETPAIR TEXT STALL."""
import fcntl
import os
import re
import signal
import socket

import pytest

import lab

BIG = bytes(range(256)) * 4096      # 1 MiB


# ---------------------------------------------------------------- standard descriptors

@pytest.mark.parametrize("args,out", [(["-u", "-", "-"], "out"), (["-u", "STDIO", "STDOUT"], "out"), (["-u", "STDIN", "FD:1"], "out"),
                                      (["-u", "0", "1"], "out"), (["-U", "STDOUT", "STDIN"], "out"), (["-u", "-", "STDERR"], "err"),
                                      (["-u", "-", "2"], "err"), (["-u", "FD:0", "FD:0x1"], "out")])
def test_standard_descriptors(local, fast, args, out):
    """All spellings copy stdin to stdout or stderr."""
    r = local.run(*args, input=b"hello\n")
    assert r.status == 0 and getattr(r, out) == b"hello\n", r


@pytest.mark.parametrize("args,record", [
    (["-", "TEXT:x"], "N reading from and writing to stdio"),
    (["-u", "-", "STDOUT"], "N using stdin for reading"),
    (["-u", "-", "STDOUT"], "N using stdout for writing"),
    (["-u", "TEXT:x", "STDERR"], "N using stderr for writing"),
    (["-u", "TEXT:x", "FD:1"], "N using file descriptor 1 for writing"),
    (["-u", "FD:0", "-"], "N using file descriptor 0 for reading"),
    (["-", "FD:0"], "N using file descriptor 0 for reading and writing"),
])
def test_records(local, args, record):
    """What each address says it does."""
    assert record in local.run("-d", "-d", "-t", "0", *args).log


def test_big_transfer(local, fast):
    """A megabyte passes unchanged."""
    r = local.run("-u", "-", "-", input=BIG)
    assert r.out == BIG and r.status == 0


@pytest.mark.parametrize("address,size", [("-", 256 << 10), ("STDIN,f-setpipe-sz=65536", 64 << 10)])
def test_busy_pipes_are_widened(local, tmp_path, address, size):
    """A pipe that carries much gets room for more, unless the user has said how much."""
    rd, wr = os.pipe()
    p = local.start("-u", address, f"CREATE:{tmp_path}/f", stdin=rd)
    os.close(rd)
    for _ in range(64):
        os.write(wr, bytes(64 << 10))
    assert fcntl.fcntl(wr, 1032) == size                # F_GETPIPE_SZ
    os.close(wr)
    assert p.wait().status == 0 and os.path.getsize(tmp_path / "f") == 4 << 20


def test_create_on_a_fifo_waits_in_the_loop(local, tmp_path):
    """Without a reader CREATE waits, and a signal ends it at once."""
    os.mkfifo(tmp_path / "f")
    p = local.start("-d", "-d", "-u", "TEXT:abc", f"CREATE:{tmp_path}/f")
    p.wait_log("creating regular file")
    rd = os.open(tmp_path / "f", os.O_RDONLY)
    assert p.wait().status == 0 and os.read(rd, 9) == b"abc"
    os.close(rd)
    p = local.start("-d", "-d", "-u", "TEXT:abc", f"CREATE:{tmp_path}/f")
    p.wait_log("creating regular file")
    p.kill(signal.SIGTERM)
    assert p.wait().status == 143


@pytest.mark.parametrize("args,text", [
    (["-", "FD"], "E FD: wrong number of parameters (0 instead of 1)"),
    (["-", "FD:x"], 'E error in FD number "x"'),
    (["-:1", "-"], "E -: wrong number of parameters (1 instead of 0)"),
    (["STDIN:1", "-"], "E STDIN: wrong number of parameters (1 instead of 0)"),
])
def test_descriptor_errors(local, args, text):
    r = local.run(*args)
    assert r.status == 1 and text in r.log, r


def test_descriptor_that_is_not_open(local):
    """A warning, then an error, status 1."""
    r = local.run("-", "FD:77")
    assert r.status == 1 and "Bad file descriptor" in r.log, r


def test_inherited_descriptor(local):
    """FD:n uses what the caller passed."""
    a, b = socket.socketpair()
    p = local.start("-d", "-d", "-", f"FD:{b.fileno()}", pass_fds=[b.fileno()])
    b.close()
    p.send("to\n")
    a.settimeout(3)
    assert a.recv(9) == b"to\n"
    a.sendall(b"fro\n")
    p.expect_output(b"fro\n")
    a.close()


# ---------------------------------------------------------------- files

def test_open_reads(local, fast, tmp_path):
    f = tmp_path / "f"
    f.write_bytes(BIG)
    for spec in (f"OPEN:{f}", f"FILE:{f}", f"GOPEN:{f}", str(f), f"OPEN:{f},rdonly"):
        r = local.run("-u", spec, "-")
        assert (r.status, r.out) == (0, BIG), spec


def test_file_to_file(local, fast, tmp_path):
    """File to file, the fast path of bulk data."""
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(BIG)
    r = local.run("-u", f"OPEN:{a}", f"CREATE:{b}")
    assert r.status == 0 and b.read_bytes() == BIG


@pytest.mark.parametrize("before,spec,after", [
    (None, "CREATE:%s", b"new"), (b"old content", "CREATE:%s", b"new"), (b"old content", "CREAT:%s", b"new"),
    (b"old content", "OPEN:%s", b"new content"), (b"old", "OPEN:%s,append", b"oldnew"), (b"old content", "OPEN:%s,trunc", b"new"),
    (None, "OPEN:%s,creat", b"new"), (b"old content", "OPEN:%s,seek=4", b"old newtent"),
    (b"old", "GOPEN:%s", b"oldnew"), (None, "GOPEN:%s", b"new"), (b"old", "%s", b"oldnew"), (b"oldold", "GOPEN:%s,append=0", b"newold"),
    (b"old", "GOPEN:%s,trunc", b"new"), (b"0123456789", "OPEN:%s,ftruncate=5", b"new34"),
])
def test_writing_forms(local, fast, tmp_path, before, spec, after):
    """What happens to existing and missing files."""
    f = tmp_path / "f"
    if before is not None:
        f.write_bytes(before)
    r = local.run("-u", "-", spec % f, input=b"new")
    assert r.status == 0 and f.read_bytes() == after, r


@pytest.mark.parametrize("opts,mode", [("", 0o644), (",perm=600", 0o600), (",mode=0640", 0o640), (",umask=077", 0o600)])
def test_permissions(local, tmp_path, opts, mode):
    """Permissions are octal with or without leading zero."""
    f = tmp_path / "f"
    p = local.command(["sh", "-c", f'umask 022; exec "$0" -u - "CREATE:{f}{opts}"', lab.SOCAST])
    p.close_stdin()
    assert p.wait().status == 0, p
    assert f.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("args,text", [
    (["-u", "OPEN:/nodir/f", "-"], r' E open\("/nodir/f", 00, 0666\): No such file or directory'),
    (["-u", "-", "OPEN:/nodir/f"], r' E open\("/nodir/f", 01, 0666\): No such file or directory'),
    (["-u", "-", "CREATE:/nodir/f"], r' E creat\("/nodir/f", 0666\): No such file or directory'),
    (["-u", "-", "GOPEN:/etc"], r' E open\("/etc", 02001, 0666\): Is a directory'),
    (["-u", "-", "PIPE:/nodir/f"], r" E mkfifo\(/nodir/f, 438\): No such file or directory"),
    (["-", "OPEN"], r" E OPEN: wrong number of parameters \(0 instead of 1\): usage: OPEN:<filename>"),
    (["-", "OPEN:a:b"], r" E OPEN: wrong number of parameters \(2 instead of 1\)"),
    (["-u", "-", "OPEN:/dev/null,foo"], r' E parseopts_table\(\): unknown option "foo"'),
    (["-u", "-", "OPEN:/dev/null,fork"], r' E parseopts_table\(\): option "fork" not supported with this address type'),
    (["-u", "-", "OPEN:/dev/null,perm=9"], r" E parseopts"),
])
def test_file_errors(local, args, text):
    r = local.run(*args, input=b"x")
    assert r.status == 1 and re.search(text, r.log), r


def test_create_is_write_only(local, tmp_path):
    """CREATE does not truncate what it should read."""
    f = tmp_path / "f"
    f.write_bytes(b"keep")
    r = local.run("-u", f"CREATE:{f}", "-")
    assert r.status == 1 and f.read_bytes() == b"keep", r
    assert "read-only mode, refusing to truncate or create file" in r.log


def test_unreadable_file(local, tmp_path):
    """Permission denied is said with the name."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root to become someone else")
    r = local.command(["setpriv", "--reuid=65534", "--clear-groups", lab.SOCAST, "-u", "OPEN:/etc/shadow", "-"]).wait()
    assert r.status == 1 and 'open("/etc/shadow", 00, 0666): Permission denied' in r.log, r


def test_full_disk(local):
    """ENOSPC ends with an error, status 1."""
    r = local.run("-u", "-", "OPEN:/dev/full", input=b"x")
    assert r.status == 1 and re.search(r" E write\(\d+, 0x[0-9a-f]+, 1\): No space left on device", r.log), r


def test_closed_stdout(local):
    """A reader that went away is a broken pipe, status 1."""
    rd, wr = os.pipe()
    p = local.start("-u", "-", "-", stdout=wr)
    os.close(wr)
    os.close(rd)
    p.send("x\n")
    r = p.wait()
    assert r.status == 1 and re.search(r" E write\(1, 0x[0-9a-f]+, 2\): Broken pipe", r.log), r


def test_gopen_finds_something_else(local, tmp_path):
    """A dead socket that has made room for a file: the file is appended to."""
    f = tmp_path / "x"
    with local.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.bind(str(f))
    p = local.start("-d", "-d", "-d", "-g", "-u", "-", f"GOPEN:{f},retry=99,interval=0.05")
    p.wait_log("Connection refused", count=2)
    (tmp_path / "y").write_bytes(b"old ")
    (tmp_path / "y").rename(f)
    p.wait_log("starting data transfer loop")
    p.send(b"new")
    p.close_stdin()
    assert p.wait().status == 0 and f.read_bytes() == b"old new"


@pytest.mark.parametrize("args", [["-u", "GOPEN:{}", "-"], ["-U", "-", "{}"], ["{},ignoreeof!!{}", "-"], ["-u", "{},rdonly", "-"]])
def test_gopen_makes_what_it_reads(local, tmp_path, args):
    """Classic's GOPEN creates a file that is not there, also for reading."""
    f = tmp_path / "new"
    p = local.start(*[a.format(f, f) for a in args])
    lab.wait_until(f.exists, 3, lambda: repr(p))
    p.close_stdin()
    if "ignoreeof" not in args[0]:
        assert p.wait().status == 0
    assert f.read_bytes() == b""


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
@pytest.mark.parametrize("direction", [[], ["-u"], ["-U"]])
@pytest.mark.parametrize("options,want", [("user=65534", (65534, 0, 0o644)), ("group=65534,perm=0640", (0, 65534, 0o640)), ("user=1,group=2,mode=0600", (1, 2, 0o600))])
def test_owner_of_a_named_pipe(local, tmp_path, direction, options, want):
    """From the moment it is made, also while nobody is at its other end."""
    f = tmp_path / "pipe"
    p = local.start(*direction, f"PIPE:{f},{options}", "EXEC:sleep 9")
    lab.wait_until(f.exists, 3, lambda: repr(p))
    lab.wait_until(lambda: (f.stat().st_uid, f.stat().st_gid, f.stat().st_mode & 0o777) == want, 1, lambda: f"{f.stat()}")


@pytest.mark.parametrize("flags,address", [(["-t", "9999999999"], "PIPE"), (["-T", "9999999999"], "PIPE"), (["-t", "1e12", "-T", "1e15"], "PIPE"),
                                           ([], "TCP4-LISTEN:0,accept-timeout=9999999999"), ([], "EXEC:cat,pty,pty-interval=9999999999"),
                                           ([], "TCP4-LISTEN:0,fork,interval=9999999999,so-sndtimeo=9999999999"), (["--drain=9999999999"], "PIPE"),
                                           (["--stats=9999999999"], "UDP4-LISTEN:0,fork,session-timeout=9999999999")])
def test_long_times(local, flags, address):
    """Whatever is longer than a life is just long; classic takes them."""
    p = local.start("-d", "-d", *flags, "-" if "fork" not in address else address, address if "fork" not in address else "PIPE")
    p.wait_log("starting data transfer loop|listening on|receiving on|waiting")
    lab.pump(0.1)
    assert not p.ended()


def test_gopen_of_a_fifo(local, tmp_path):
    """GOPEN opens what is there."""
    f = tmp_path / "fifo"
    os.mkfifo(f)
    p = local.start("-u", f"GOPEN:{f}", "-")
    assert local.run("-u", "-", str(f), input=b"x\n").status == 0
    assert p.wait().out == b"x\n"


def test_opening_record_names_the_type(local, tmp_path):
    """regular file, character device, named pipe."""
    f = tmp_path / "f"
    f.touch()
    for path, kind in ((f, "regular file"), ("/dev/null", "character device")):
        r = local.run("-d", "-d", "-u", f"OPEN:{path}", "-")
        assert f' N opening {kind} "{path}" for reading' in r.log, r


# ---------------------------------------------------------------- pipes and others

def test_pipe_echoes(local, fast):
    """An unnamed pipe returns what is written, then ends."""
    for word in ("PIPE", "ECHO", "FIFO"):
        r = local.run("-", word, input=b"echo\n")
        assert (r.status, r.out) == (0, b"echo\n")


def test_pipe_echoes_much(local, fast):
    """More than a pipe holds."""
    r = local.run("-", "PIPE", input=BIG, timeout=10)
    assert r.out == BIG and r.status == 0


def test_named_pipe_made_and_removed(local, tmp_path):
    """PIPE:name creates a FIFO, and removes it at the end."""
    f = tmp_path / "fifo"
    p = local.start("-d", "-d", "-u", f"PIPE:{f}", "-")
    p.wait_log(rf'N created named pipe "{f}" for reading')
    assert local.run("-u", "-", f"PIPE:{f}", input=b"x\n").status == 0
    assert p.wait().out == b"x\n"
    assert not f.exists()


def test_pipe_under_chdir_is_removed(local, tmp_path):
    """The name is taken in the directory of option chdir, at the end too."""
    p = local.start("-d", "-d", "-u", f"PIPE:x,chdir={tmp_path}", "-")
    lab.wait_until(lambda: (tmp_path / "x").exists(), 5, "FIFO")
    assert local.run("-u", "-", f"PIPE:{tmp_path}/x", input=b"x\n").status == 0
    assert p.wait().out == b"x\n"
    assert not (tmp_path / "x").exists()


def test_named_pipe_unlink_close_0(local, tmp_path):
    """unlink-close=0 leaves it."""
    f = tmp_path / "fifo"
    p = local.start("-d", "-d", "-u", f"PIPE:{f},unlink-close=0", "-")
    p.wait_log("created named pipe")
    local.run("-u", "-", f"PIPE:{f}", input=b"x\n")
    p.wait()
    assert f.exists()


def test_writer_without_reader(local, tmp_path):
    """With nonblock a FIFO without reader is an error."""
    f = tmp_path / "fifo"
    os.mkfifo(f)
    r = local.run("-u", "-", f"PIPE:{f},nonblock", input=b"x")
    assert r.status == 1 and re.search(r"open\(.*, 04001, 0666\): No such device or address", r.log), r


def test_socketpair_echoes(local):
    """SOCKETPAIR returns messages; it never ends, so -t does."""
    r = local.run("-d", "-d", "-t", "0.1", "-", "SOCKETPAIR", input=b"msg")
    assert (r.status, r.out) == (0, b"msg"), r
    assert "N received packet with 3 bytes" in r.log


def test_socketpair_stream_ends(local):
    """As a stream it reports the end."""
    r = local.run("-t", "5", "-", "SOCKETPAIR,socktype=1", input=b"msg", timeout=3)
    assert (r.status, r.out) == (0, b"msg"), r


@pytest.mark.parametrize("text,out", [
    ("a b", b"a b"), (r"a\nb", b"a\nb"), (r"a\\b", b"a\\b"), (r"a\,b\:c", b"a,b:c"), ('"a,b:c"', b"a,b:c"), ("'a,b:c'", b"a,b:c"),
    ('x"y,z"w', b"xy,zw"), ("x'y,z'w", b"xy,zw"), ("x\"y'z'w\"", b"xy'z'w"), (r'"a\"b"', b'a"b'), (r"'a\'b'", b"a'b"),
    (r"'a\nb'", b"a\nb"), ("(a,b:c)", b"(a,b:c)"), ("[a,b:c]", b"[a,b:c]"), ("{a,b:c}", b"{a,b:c}"),
    ('(a,[b:{c,"d,(e"}])', b'(a,[b:{c,"d,(e"}])'), (r"(a\,b\n)", b"(a,b\n)"), ("a!b", b"a!b"), (r"a\!!b", b"a!!b"),
    ('"a!!b"', b"a!!b"), ("(a!!b)", b"(a!!b)"), ("a=b", b"a=b"), ("(unclosed", b"(unclosed"), ("unclosed)", b"unclosed)"),
    (r"\q\101\x41", b"q101x41"),
])
def test_text_and_quoting(local, text, out):
    """The lexer's table, seen through TEXT."""
    r = local.run("-u", "TEXT:" + text, "-")
    assert (r.status, r.out) == (0, out), r


@pytest.mark.parametrize("text", ['"unclosed', '"(a,b"', "'unclosed"])
def test_unclosed_quotes(local, text):
    """A clean error, never a read beyond the string."""
    r = local.run("-u", "TEXT:" + text, "-")
    assert r.status == 1 and "unexpected end of address" in r.log, r


def test_text_both_ways(local):
    """In both directions TEXT writes to stdout."""
    r = local.run("TEXT:hi\\n", "-", input=b"in\n")
    assert r.status == 0 and r.out in (b"hi\nin\n", b"in\nhi\n", b"hi\n"), r


def test_stall(local):
    """STALL never ends; -T does."""
    r = local.run("-d", "-d", "-T", "0.2", "STALL", "STALL")
    assert r.status == 0 and "N inactivity timeout triggered" in r.log, r


def test_stall_takes_nothing(local):
    """The other side is not read: its end is not seen either."""
    r = local.run("-d", "-d", "-T", "0.2", "-u", "-", "STALL", input=b"x")
    assert "is at EOF" not in r.log and "inactivity timeout" in r.log, r


def test_dual_address(local, tmp_path):
    """X!!Y reads from X and writes to Y."""
    f = tmp_path / "f"
    r = local.run("-t", "1", f"TEXT:in!!CREATE:{f}", "TEXT:back!!STDOUT")
    assert r.status == 0 and r.out == b"in" and f.read_bytes() == b"back", r


@pytest.mark.parametrize("spec", ["PIPE:a:b", "SOCKETPAIR:a", "STALL:a", "TEXT", "TEXT:a:b", "CREATE", "GOPEN"])
def test_parameter_counts(local, spec):
    word = spec.split(":")[0]
    r = local.run("-", spec)
    assert r.status == 1 and f"E {word}: wrong number of parameters (" in r.log, r


def test_chaos_keeps_streams(local, chaos, tmp_path):
    """Short and interrupted calls change nothing."""
    f = tmp_path / "f"
    r = local.run("-u", "-", f"CREATE:{f}", input=BIG, timeout=30)
    assert r.status == 0 and f.read_bytes() == BIG
    r = local.run("-", "PIPE", input=BIG[:200000], timeout=30)
    assert r.out == BIG[:200000]
