"""POSIX message queues of the kernel, with this test at the other end (by the C library)."""
import contextlib
import ctypes
import itertools
import os
import re
import select
import signal
import stat

import pytest

import lab

_rt = ctypes.CDLL("librt.so.1", use_errno=True)
_names = itertools.count()
CLONE_NEWIPC = 0x08000000


class Attr(ctypes.Structure):
    _fields_ = [(n, ctypes.c_long) for n in ("flags", "maxmsg", "msgsize", "curmsgs", "a", "b", "c", "d")]


def check(rc):
    if rc == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return rc


class Queue:
    """A queue opened by the test; made by it unless @make is false."""

    def __init__(self, name, make=True, maxmsg=10, msgsize=8192, mode=0o600):
        self.name = name
        if make:
            attr = Attr(0, maxmsg, msgsize)
            self.fd = check(_rt.mq_open(name.encode(), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NONBLOCK, mode, ctypes.byref(attr)))
        else:
            self.fd = check(_rt.mq_open(name.encode(), os.O_RDWR | os.O_NONBLOCK))

    def attr(self):
        a = Attr()
        check(_rt.mq_getattr(self.fd, ctypes.byref(a)))
        return a

    def put(self, data, prio=0, timeout=5):
        end = lab.Deadline(timeout)
        while True:
            try:
                return check(_rt.mq_send(self.fd, data, len(data), prio))
            except BlockingIOError:
                assert end.left(), "the queue stays full"
                lab.pump(0.01)

    def get(self, timeout=5):
        """The next message and its priority."""
        size = self.attr().msgsize
        buf, prio = ctypes.create_string_buffer(size), ctypes.c_uint()
        end = lab.Deadline(timeout)
        while True:
            try:
                n = check(_rt.mq_receive(self.fd, buf, size, ctypes.byref(prio)))
                return buf.raw[:n], prio.value
            except BlockingIOError:
                assert end.left(), "no message comes"
                lab.pump(0.01)

    def waiting(self):
        return self.attr().curmsgs

    def close(self):
        os.close(self.fd)


def exists(name):
    fd = _rt.mq_open(name.encode(), os.O_RDONLY)
    if fd != -1:
        os.close(fd)
    return fd != -1


@pytest.fixture(scope="module", autouse=True)
def own_queues():
    """Queues of these tests are in a namespace of their own: none of the machine is touched."""
    if lab.become_root():
        pytest.skip("needs root or user namespaces")
    before = os.open("/proc/self/ns/ipc", os.O_RDONLY | os.O_CLOEXEC)
    lab._call("unshare", CLONE_NEWIPC)
    yield
    lab.stop_all()
    with contextlib.suppress(PermissionError):  # an ordinary user has no way back, and needs none
        lab._call("setns", before, CLONE_NEWIPC)
    os.close(before)


@pytest.fixture
def name():
    """A name for a queue, which is gone afterwards."""
    n = f"/socast-test-{os.getpid()}-{next(_names)}"
    yield n
    lab.stop_all()
    _rt.mq_unlink(n.encode())


@pytest.fixture
def queue(name):
    q = Queue(name)
    yield q
    q.close()


# ---------------------------------------------------------------- moving messages

@pytest.mark.parametrize("kind", ["SEND", "WRITE"])
def test_send(local, fast, name, kind):
    """A block is a message; the queue is made, and stays."""
    r = local.run("-d", "-d", "-d", "-u", "-", f"POSIXMQ-{kind}:{name},posixmq-priority=5", input=b"hello")
    assert r.status == 0 and f'I POSIXMQ queue "{name}" attrs: {{ flags=0, maxmsg=10, msgsize=8192, curmsgs=0 }}' in r.log, r
    q = Queue(name, make=False)
    assert q.get() == (b"hello", 5)
    q.close()


def test_read(local, fast, queue):
    """Messages in the order of their priorities, then whatever comes, for ever."""
    for data, prio in ((b"low", 1), (b"high", 9), (b"mid", 5), (b"", 9)):
        queue.put(data, prio)
    s = local.udp()
    p = local.start("-d", "-d", "-d", "-u", f"POSIXMQ-READ:{queue.name}", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    assert [s.recv(99) for _ in range(4)] == [b"high", b"", b"mid", b"low"]
    p.wait_log(r"I mq_receive\(\) ->  {prio=5}")
    queue.put(b"later")
    assert s.recv(99) == b"later" and not p.ended()
    r = p.stop()
    assert r.status == -signal.SIGTERM or r.status == 143, r
    s.close()


def test_borders(local, fast, name):
    """Datagrams become messages and messages datagrams, none merged, none cut."""
    port, s = lab.port(), local.udp()
    a = local.start("-d", "-d", "-u", f"UDP4-RECV:{port}", f"POSIXMQ-SEND:{name}")
    a.wait_log("starting data transfer loop")
    b = local.start("-d", "-d", "-u", f"POSIXMQ-READ:{name}", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    b.wait_log("starting data transfer loop")
    tx = local.udp()
    for n in (1, 8192, 2, 4096, 3):
        data = os.urandom(n)
        tx.sendto(data, ("127.0.0.1", port))
        assert s.recv(70000) == data
    for first in range(0, 300, 30):     # no more under way than a socket's queue holds
        data = [b"%d" % i for i in range(first, first + 30)]
        for d in data:
            tx.sendto(d, ("127.0.0.1", port))
        assert [s.recv(99) for _ in data] == data
    s.close()
    tx.close()


def test_full_queue_loses_nothing(local, fast, name, tmp_path):
    """A file of many times the queue's capacity arrives complete although the reader comes late."""
    data = os.urandom(1 << 20)
    (tmp_path / "in").write_bytes(data)
    p = local.start("-d", "-d", "-u", f"OPEN:{tmp_path}/in", f"POSIXMQ-SEND:{name}")
    p.wait_log("starting data transfer loop")
    q = Queue(name, make=False)
    lab.wait_until(lambda: q.waiting() == 10, 5, "the queue is not filled")
    got = b""
    while len(got) < len(data):
        got += q.get()[0]
    assert got == data
    assert p.wait().status == 0
    q.close()


def test_long_messages(local, fast, name, tmp_path):
    """Longer than any datagram and than -b; read whole all the same."""
    try:
        with open("/proc/sys/fs/mqueue/msgsize_max", "w", encoding="ascii") as f:
            f.write("300000")
    except OSError as e:
        pytest.skip(f"long messages need rights ({e})")
    q = Queue(name, maxmsg=1, msgsize=300000)
    data = [os.urandom(n) for n in (300000, 1, 200000)]
    p = local.start("-d", "-d", "-b", "100", "-u", f"POSIXMQ-READ:{name}", f"CREATE:{tmp_path}/out")
    for d in data:
        q.put(d)
    lab.wait_until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_bytes() == b"".join(data), 5, lambda: repr(p))
    p.stop()
    for d in data:
        q.put(d)
        r = local.run("-u", f"POSIXMQ-RECEIVE:{name}", "-")
        assert r.status == 0 and r.out == d
    q.close()


def test_reader_with_small_blocks(local, queue):
    """-b below the message size is no problem."""
    queue.put(b"x" * 5000)
    r = local.run("-b", "16", "-u", f"POSIXMQ-RECEIVE:{queue.name}", "-")
    assert r.status == 0 and r.out == b"x" * 5000, r


def test_bidirectional(local, fast, queue):
    """Writes to the queue and reads from it: its own messages come back."""
    p = local.start("-d", "-d", "-", f"POSIXMQ-BIDIRECTIONAL:{queue.name},mq-prio=3")
    p.wait_log("starting data transfer loop")
    p.send(b"there and back")
    p.expect_output(b"there and back")
    queue.put(b"from another")
    p.expect_output(b"from another")
    p.close_stdin()
    assert p.wait().status == 0


def test_bare_keyword(local, queue):
    """POSIXMQ follows the direction; in both it must be confirmed."""
    r = local.run("-u", "-", f"POSIXMQ:{queue.name}", input=b"one way")
    assert r.status == 0 and queue.get() == (b"one way", 0)
    queue.put(b"other way")
    p = local.start("-u", f"POSIXMQ:{queue.name}", "-")
    p.expect_output(b"other way")
    r = local.run("-", f"posixmq:{queue.name}")
    assert r.status == 1 and re.search('E Keyword "posixmq" in bidirectional mode might unwanted flush the queue; use "POSIXMQ-BIDIRECTIONAL"', r.log), r


def test_dual(local, queue, name):
    """Two queues make one address."""
    other = name + "-b"
    try:
        q = Queue(other)
        p = local.start("-d", "-d", f"POSIXMQ-READ:{name}!!POSIXMQ-SEND:{other},mq-prio=6", "PIPE")
        p.wait_log("starting data transfer loop")
        queue.put(b"there", 4)
        assert q.get() == (b"there", 6)
        q.close()
    finally:
        _rt.mq_unlink(other.encode())


def test_sender_that_is_read_from(local, name):
    """Without -u a warning; the message is sent, and nothing is taken from the queue."""
    r = local.run("-", f"POSIXMQ-SEND:{name}", input=b"kept")
    assert r.status == 0 and "W address is opened in read-write mode but only supports write-only" in r.log, r
    q = Queue(name, make=False)
    assert q.get() == (b"kept", 0)
    q.close()


def test_receiver_that_is_written_to(local, queue):
    """What comes back has nowhere to go, and is told. (Classic: an error, and all is over.)"""
    queue.put(b"x")
    r = local.run(f"POSIXMQ-READ:{queue.name}", "SYSTEM:echo answer")
    assert r.status == 0 and " W 7 bytes from socket 2 had nowhere to go: socket 1 can only be read from" in r.log, r


# ---------------------------------------------------------------- RECEIVE

def test_receive_waits_for_one(local, fast, queue):
    """The second address is opened when the message is there; then end of file."""
    p = local.start("-d", "-d", "-d", "-u", f"POSIXMQ-RECV:{queue.name}", "SYSTEM:echo prio $SOCAST_POSIXMQ_PRIO $SOCAT_POSIXMQ_PRIO; cat >&2")
    p.wait_log("I POSIXMQ-RECV: waiting for data or interval")
    assert "executing" not in p.log
    queue.put(b"the message\n", 7)
    queue.put(b"not this\n", 6)
    r = p.wait()
    assert r.status == 0 and r.out == b"prio 7 7\n" and "the message" in r.log and "not this" not in r.log, r
    assert "is at EOF" in r.log and queue.waiting() == 1


def test_receive_empty_message(local, fast, queue):
    queue.put(b"")
    r = local.run("-u", f"POSIXMQ-RECEIVE:{queue.name}", "SYSTEM:wc -c")
    assert r.status == 0 and r.out == b"0\n", r


@pytest.mark.parametrize("extra", ["", ",isolate"])
def test_session_per_message(local, fast, queue, extra):
    """With fork every message starts a program of its own, with its priority."""
    p = local.start("-d", "-d", "-u", f"POSIXMQ-RECEIVE:{queue.name},fork{extra}", "SYSTEM:echo $SOCAST_POSIXMQ_PRIO `cat`")
    want = set()
    for i in range(30):
        queue.put(b"message %d" % i, i % 7)
        want.add(f"{i % 7} message {i}")
    p.until(lambda: set(p.lines()) == want, 20, "answer for every message")
    assert len(p.lines()) == 30 and not p.ended()


def test_sessions_without_programs(local, fast, queue):
    """Messages to datagrams, each in a session of its own."""
    s = local.udp()
    local.start("-u", f"POSIXMQ-RECEIVE:{queue.name},fork", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    got = []
    for i in range(200):
        queue.put(b"%d" % i)
        got.append(int(s.recv(99)))
    assert sorted(got) == list(range(200))
    s.close()


def test_max_children_leaves_messages_in_the_queue(local, queue, tmp_path):
    """Two sessions at a time; the others wait where they are safe."""
    go = tmp_path / "go"
    os.mkfifo(go)
    p = local.start("-d", "-d", "-u", f"POSIXMQ-RECEIVE:{queue.name},fork,max-children=2", f"SYSTEM:cat; read x <{go}")
    for i in range(5):
        queue.put(b"%d\n" % i)
    p.expect_output(b"0\n")
    p.expect_output(b"1\n")
    p.wait_log("maxchildren are active, waiting")
    assert queue.waiting() == 3
    end = lab.Deadline(15)
    while len(p.lines()) < 5:
        with contextlib.suppress(OSError):      # nobody reads at this moment
            fd = os.open(go, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, b"\n")
            os.close(fd)
        lab.pump(0.02)
        assert end.left(), p
    assert sorted(p.lines()) == list("01234") and queue.waiting() == 0


@pytest.mark.parametrize("extra", ["", ",fork"])
def test_send_from_many_sessions(local, fast, queue, extra):
    """A forking first address, a queue as second, which may say fork as well: a message per datagram."""
    port = lab.port()
    p = local.start("-d", "-d", "-u", f"UDP4-RECVFROM:{port},fork", f"POSIXMQ-SEND:{queue.name},mq-prio=2{extra}")
    p.wait_log("receiving on")
    s = local.udp()
    for i in range(50):
        s.sendto(b"%d" % i, ("127.0.0.1", port))
    assert sorted(int(queue.get()[0]) for _ in range(50)) == list(range(50))
    s.close()


def test_source_that_cannot_be_read(local, queue):
    """An error ends it; it does not turn round and round."""
    queue.put(b"unread")
    r = local.run("-u", f"POSIXMQ-RECEIVE:{queue.name},fork,o-wronly", "-", input=None)
    assert r.status == 1 and re.search(r"E mq_receive\(mqd=\d+\): Bad file descriptor", r.log) and r.log.count(" E ") == 1, r


def test_end_by_signal_while_waiting(local, name):
    for opts in ("", ",fork"):
        p = local.start("-d", "-d", "-d", "-u", f"POSIXMQ-RECEIVE:{name},unlink-close{opts}", "-")
        p.wait_log("waiting for data")
        assert exists(name)
        p.stop()
        assert not exists(name), p


# ---------------------------------------------------------------- options

@pytest.mark.parametrize("opt,want", [("posixmq-maxmsg=3", (3, 8192)), ("mq-msgsize=100", (10, 100)), ("mq-maxmsg=5,posixmq-msgsize=77", (5, 77))])
def test_attributes(local, name, opt, want):
    """What is not given is the system's default."""
    r = local.run("-u", "-", f"POSIXMQ-SEND:{name},{opt}", input=b"x")
    q = Queue(name, make=False)
    assert r.status == 0 and (q.attr().maxmsg, q.attr().msgsize) == want, r
    q.close()


def test_attributes_of_an_old_queue(local, queue):
    r = local.run("-u", "-", f"POSIXMQ-SEND:{queue.name},posixmq-maxmsg=3", input=b"x")
    assert r.status == 0 and "exists and keeps its 10 messages of 8192 bytes" in r.log, r
    r = local.run("-u", "-", f"POSIXMQ-SEND:{queue.name},posixmq-maxmsg=3,unlink-early", input=b"x")
    q = Queue(queue.name, make=False)
    assert r.status == 0 and "exists" not in r.log and q.attr().maxmsg == 3, r
    q.close()


def test_flush(local, queue):
    for data in (b"one", b"two"):
        queue.put(data)
    r = local.run("-d", "-d", "-d", "-u", "-", f"POSIXMQ-SEND:{queue.name},posixmq-flush", input=b"new")
    assert r.status == 0 and f'I flushed 6 bytes in 2 packets from queue "{queue.name}"' in r.log, r
    assert queue.get() == (b"new", 0) and queue.waiting() == 0


def test_flush_of_no_queue(local, name):
    r = local.run("-u", "-", f"POSIXMQ-SEND:{name},mq-flush,unlink-close", input=b"new")
    assert r.status == 0 and not r.log, r


@pytest.mark.parametrize("opt,left", [("unlink-close", False), ("unlink-close=0", True), ("unlink-late", False), ("", True)])
def test_unlink(local, queue, opt, left):
    r = local.run("-u", "-", f"POSIXMQ-SEND:{queue.name},{opt}", input=b"x")
    assert r.status == 0 and exists(queue.name) == left and queue.waiting() == 1, r


@pytest.mark.parametrize("opt", ["unlink-early", "unlink"])
def test_old_queue_goes_first(local, queue, opt):
    queue.put(b"old")
    r = local.run("-u", "-", f"POSIXMQ-SEND:{queue.name},{opt}", input=b"new")
    q = Queue(queue.name, make=False)
    assert r.status == 0 and q.get() == (b"new", 0), r
    q.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_unlink_on_signal(local, name, sig):
    p = local.start("-d", "-d", "-u", f"POSIXMQ-READ:{name},unlink-close", "-")
    p.wait_log("starting data transfer loop")
    assert exists(name)
    p.stop(sig)
    assert not exists(name)


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs several users")
def test_owner_and_mode(local, name):
    r = local.run("-u", "-", f"POSIXMQ-SEND:{name},mode=640,user=65534,umask=037", input=b"x")
    q = Queue(name, make=False)
    st = os.fstat(q.fd)
    assert r.status == 0 and stat.S_IMODE(st.st_mode) == 0o640 and st.st_uid == 65534, (r, oct(st.st_mode))
    q.close()


def test_mode_by_umask(local, name):
    r = local.run("-u", "-", f"POSIXMQ-SEND:{name},umask=027", input=b"x")
    q = Queue(name, make=False)
    assert r.status == 0 and stat.S_IMODE(os.fstat(q.fd).st_mode) == 0o640, r
    q.close()


def test_nonblock_is_harmless(local, queue):
    """The loop never waits, whatever is asked for."""
    for value in (0, 1):
        p = local.start("-d", "-d", "-T", "0.2", "-u", f"POSIXMQ-READ:{queue.name},nonblock={value}", "-")
        assert p.wait().status == 0, p


def test_retry(local, name):
    """A queue that is not there yet is waited for."""
    p = local.start("-d", "-d", "-d", "-u", f"POSIXMQ-RECEIVE:{name},o-creat=0,retry=200,interval=0.02", "-")
    p.wait_log("No such file or directory")
    q = Queue(name)
    q.put(b"here it is")
    r = p.wait()
    assert r.status == 0 and r.out == b"here it is", r
    q.close()


@pytest.mark.parametrize("kind", ["SEND", "WRITE"])
def test_send_again_and_again(local, queue, tmp_path, kind):
    """POSIXMQ-SEND,fork as first address: a session every interval, at most max-children at once; no message is lost. (Before: one
    session, and all but the first message lost.)"""
    for i in range(5):
        (tmp_path / str(i)).write_text(f"message {i}")
    take = 'f=$(ls | head -n 1); [ -n "$f" ] || { sleep 5; exit; }; cat $f; rm $f; sleep 0.3'
    p = local.start("-d", "-d", "-U", f"POSIXMQ-{kind}:{queue.name},fork,max-children=2,interval=0.05", f"SHELL:{take}", cwd=tmp_path)
    assert [queue.get()[0] for _ in range(5)] == [b"message %d" % i for i in range(5)], p
    assert p.stop().status in (143, -15)


def test_sharing(local, fast, queue):
    """A queue on the left serves the sessions of a forking right address."""
    port = lab.port()
    p = local.start("-d", "-d", "-U", f"POSIXMQ-SEND:{queue.name}", f"UDP4-RECVFROM:{port},fork")
    p.wait_log("receiving on")
    s = local.udp()
    for i in range(5):
        s.sendto(b"%d" % i, ("127.0.0.1", port))
    assert sorted(int(queue.get()[0]) for _ in range(5)) == [0, 1, 2, 3, 4]
    s.close()


BAD = [
    (["-u", "POSIXMQ-READ:noslash", "-"], r'E POSIXMQ-READ: mq_open\("noslash", 02000100, 0666, NULL\): Invalid argument', "begin with a slash"),
    (["-u", "-", "POSIXMQ-SEND:noslash"], r'E POSIXMQ-SEND: mq_open\("noslash", 02000101, 0666, NULL\): Invalid argument', "begin with a slash"),
    (["-u", "POSIXMQ-READ:/a/b", "-"], r"E POSIXMQ-READ: mq_open\(.*Permission denied", "no second slash"),
    (["-u", "-", "POSIXMQ-SEND:/socast-none,o-creat=0"], r'E POSIXMQ-SEND: mq_open\("/socast-none", 02000001, 0666, NULL\): No such file', ""),
    (["-u", "-", "POSIXMQ-SEND:/socast-none,mq-maxmsg=0"], r"E POSIXMQ-SEND: mq_open\(.*{flags=0, maxmsg=0, msgsize=\d+, curmsgs=0}\): Invalid argument", "fs.mqueue.msg_max"),
    (["-u", "-", "POSIXMQ-SEND:/socast-none,mq-msgsize=100000000"], r"E POSIXMQ-SEND: mq_open\(.*: Invalid argument", "fs.mqueue.msgsize_max"),
    (["-u", "-", "POSIXMQ-SEND:/socast-none,mq-prio=32768"], r"E posixmq-priority 32768 is too high: priorities are 0 to 32767", ""),
    (["-u", "-", "POSIXMQ-SEND:/socast-none,mq-prio=-1"], r"E posixmq-priority 4294967295 is too high", ""),
    (["-u", "-", "POSIXMQ-SEND:/socast-none,mq-maxmsg=many"], r"E parseopts\(\): missing numerical value", ""),
    (["-u", "POSIXMQ-RECV:/socast-none,max-children=2", "-"], r"E option max-children not allowed without option fork", ""),
    (["-u", "POSIXMQ-READ", "-"], r"E POSIXMQ-READ: wrong number of parameters \(0 instead of 1\): usage: POSIXMQ-READ:<mqname>", ""),
    (["-u", "POSIXMQ-READ:/a:b", "-"], r"E POSIXMQ-READ: wrong number of parameters \(2 instead of 1\)", ""),
    (["-u", "POSIXMQ-READ:/socast-none,fork", "-"], r'E parseopts_table\(\): option "fork" not supported with this address type', ""),
    (["-u", "POSIXMQ-READ:/" + "x" * 300, "-"], r"E POSIXMQ-READ: mq_open\(.*File name too long", ""),
]


@pytest.mark.parametrize("args,text,hint", BAD, ids=lambda v: v[-1] if isinstance(v, list) and v[-1] != "-" else "")
def test_wrong(local, args, text, hint):
    r = local.run(*args)
    assert r.status == 1 and re.search(text, r.log) and hint in r.log and len(re.findall(" E ", r.log)) == 1, r
    assert not exists("/socast-none")


def test_exclusive(local, queue):
    r = local.run("-u", "-", f"POSIXMQ-SEND:{queue.name},o-excl", input=b"x")
    assert r.status == 1 and re.search(r"mq_open\(.*, 02000301, 0666, NULL\): File exists", r.log), r


def test_message_too_long(local, fast, name):
    """One sentence, and what would be right."""
    q = Queue(name, msgsize=100)
    r = local.run("-u", "-", f"POSIXMQ-SEND:{name}", input=b"x" * 101)
    assert r.status == 1 and re.search(r"E mq_send\(mqd=\d+\): Message too long", r.log), r
    assert f'the message has 101 bytes, queue "{name}" takes 100 at most' in r.log and "-b 100" in r.log
    assert q.waiting() == 0
    r = local.run("-b", "100", "-u", "-", f"POSIXMQ-SEND:{name}", input=b"x" * 101)
    assert r.status == 0 and q.get() == (b"x" * 100, 0) and q.get() == (b"x", 0), r
    q.close()


def test_descriptor_is_not_inherited(local, queue):
    p = local.start("-u", f"POSIXMQ-READ:{queue.name}", "SYSTEM:ls -l /proc/self/fd; cat")
    p.expect_output(b"total")
    lab.rest(0.1)
    assert queue.name.encode() not in p.out


def test_idle_reader_sleeps(local, queue):
    """No turn of the loop while nothing comes."""
    p = local.start("-d", "-d", "-u", f"POSIXMQ-READ:{queue.name}", "-")
    p.wait_log("starting data transfer loop")
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        before = f.read().split()[13:15]
    select.select([], [], [], 0.3)
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        assert [int(b) - int(a) for a, b in zip(before, f.read().split()[13:15])] <= [2, 2]
