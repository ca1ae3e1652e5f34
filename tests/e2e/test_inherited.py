"""What the starter leaves behind: signals, descriptors, limits, a world without /proc. Everyday lines work all the same.

A row is what a starter does before it becomes the program. Each is tried with a client, a server with programs, and a
copy of a file: same bytes, same status as without.
"""
import contextlib
import os
import re
import signal
import socket
import sys

import pytest

import lab
from test_tcp import LOOP, accept, connect, server

# What a starter can use; then it becomes the program.
PRELUDE = """
import ctypes, os, resource, signal, sys
def unshared_mount(where):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) or libc.mount(None, b"/", None, 0x44000, None) or libc.mount(b"none", where, b"tmpfs", 0, None):
        os._exit(77)
def ignore(n): signal.signal(n, signal.SIG_IGN)
def block(n): signal.pthread_sigmask(signal.SIG_BLOCK, [n])
def limit(what, n): resource.setrlimit(what, (n, n))
def gone():
    d = "/tmp/socast-gone-%d" % os.getpid()
    os.mkdir(d); os.chdir(d); os.rmdir(d)
env = dict(os.environ)
"""
POSTLUDE = "\nos.execve(sys.argv[1], sys.argv[1:], env)\n"

SIGNALS = [s for s in signal.Signals if s not in (signal.SIGKILL, signal.SIGSTOP)]

ROWS = {
    **{f"ignored {s.name}": f"ignore({int(s)})" for s in SIGNALS},
    **{f"blocked {s.name}": f"block({int(s)})" for s in SIGNALS},
    "all ignored and blocked": f"[(ignore(n), block(n)) for n in {[int(s) for s in SIGNALS]}]",
    **{f"closed {fds or 'none'}": "".join(f"os.close({n});" for n in fds) for fds in ("", "0", "1", "2", "01", "02", "12", "012")},
    **{f"nofile {n}": f"limit(resource.RLIMIT_NOFILE, {n})" for n in (8, 9, 10, 12, 16, 20, 24, 32, 40, 48, 64)},
    "soft nofile 8": "resource.setrlimit(resource.RLIMIT_NOFILE, (8, 1024))",
    "address space": "limit(resource.RLIMIT_AS, 64 << 20)",
    "no /proc": "unshared_mount(b'/proc')",
    "no /dev": "unshared_mount(b'/dev')",
    "umask 0": "os.umask(0)",
    "umask 777": "os.umask(0o777)",
    "a notify socket": "env['NOTIFY_SOCKET'] = '/tmp/no-such-socket'",
    "no environment": "env = {}",
    "no directory": "gone()",
    "process 1": "",
}


def start(host, row, *args, **kw):
    """Start the program as the row's starter does."""
    code = PRELUDE + ROWS[row] + POSTLUDE
    argv = [sys.executable, "-S", "-E", "-c", code, lab.SOCAST, *args]
    if row == "process 1":
        argv = ["unshare", "-p", "-f", "--kill-child", "--mount-proc", *argv]
    return host.command(argv, **kw)


def end(row, p, sig=signal.SIGTERM):
    """Signal the program itself, and wait for its end."""
    pid = p.pid
    if row == "process 1":
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            pid = int(f.read())
    os.kill(pid, sig)
    return p.wait()


def usable(row):
    if "asan" in lab.SOCAST and row in ("address space", "no /proc"):
        pytest.skip("a sanitizer needs it")
    return row


def without(row):
    """Descriptors that the row has closed."""
    return row[7:] if row.startswith("closed") and row != "closed none" else ""


@pytest.mark.parametrize("row", [r for r in ROWS if not {"0", "1"} & set(without(r))])
def test_a_client(local, row):
    """`- TCP4:…` to a server that says everything again."""
    s, port = server(local)
    p = start(local, usable(row), "-t", "2", "-", f"TCP4:{LOOP}:{port}")
    c, _ = accept(s)
    p.send("question\n")
    p.close_stdin()
    assert c.recv(99) == b"question\n"
    c.sendall(b"answer\n")
    assert c.recv(99) == b""            # the end of the input is passed on
    c.close()
    s.close()
    r = p.wait()
    assert (r.status, r.out) == (0, b"answer\n"), r


@pytest.mark.parametrize("row", [r for r in ROWS if {"0", "1"} & set(without(r))])
def test_a_client_without_its_descriptors(local, row):
    """Without an input there is one direction less, and what the server says is printed. Without an output status 1 at once,
    and a sentence if it can be said. Nothing that is opened takes their place. (Classic hangs without an input.)"""
    s, port = server(local)
    p = start(local, usable(row), "-", f"TCP4:{LOOP}:{port}")
    c, _ = accept(s)
    if "0" not in without(row):
        p.close_stdin()
    with contextlib.suppress(OSError):
        c.sendall(b"answer\n")
        c.shutdown(socket.SHUT_WR)
    r = p.wait()
    if "1" in without(row):
        assert (r.status, r.out) == (1, b"") and ("2" in without(row) or "Bad file descriptor" in r.log), r
    else:
        assert (r.status, r.out) == (0, b"answer\n"), r
    c.close()
    s.close()


@pytest.mark.parametrize("row", [r for r in ROWS if r not in ("nofile 8", "nofile 9")])
def test_a_server(local, row):
    """`TCP4-LISTEN,fork EXEC:cat`, three clients one after the other, and two at once if there are descriptors; SIGTERM gives 143."""
    few = int(row[7:]) if row.startswith("nofile") else 99      # with few of them sessions wait for each other
    port = lab.port()
    p = start(local, usable(row), f"TCP4-LISTEN:{port},fork,reuseaddr", "EXEC:cat")
    for n in range(3):
        with contextlib.ExitStack() as clients:
            for _ in range(2 if few >= 24 else 1):
                c = clients.enter_context(connect(local, port))
                c.sendall(b"hello %d" % n)
                assert c.recv(99) == b"hello %d" % n
    assert end(row, p).status == 143, p


@pytest.mark.parametrize("row", ["nofile 8", "nofile 9"])
def test_too_few_descriptors_for_a_program(local, row):
    """A listener, a connection and a program need ten: with less each client is told by the end, and the log says why."""
    port = lab.port()
    p = start(local, row, f"TCP4-LISTEN:{port},fork,reuseaddr", "EXEC:cat")
    for _ in range(2):
        with connect(local, port) as c:
            with contextlib.suppress(ConnectionResetError):
                assert c.recv(9) == b""
    p.wait_log("Too many open files")
    assert end(row, p).status == 143, p


@pytest.mark.parametrize("row", ROWS)
def test_a_copy(local, tmp_path, row):
    """`-u OPEN:file CREATE:file`."""
    data = os.urandom(100_000)
    (tmp_path / "in").write_bytes(data)
    r = start(local, usable(row), "-u", f"OPEN:{tmp_path}/in", f"CREATE:{tmp_path}/out").wait()
    assert r.status == 0, r
    assert (tmp_path / "out").stat().st_mode & 0o777 == {"umask 0": 0o666, "umask 777": 0}.get(row, 0o644)
    (tmp_path / "out").chmod(0o600)
    assert (tmp_path / "out").read_bytes() == data


# ---- signals in programs ----

HANDLED = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV,
           signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGTRAP}


def masks(text):
    """{name: signal numbers} of /proc/PID/status."""
    return {k: {n for n in range(1, 65) if int(v, 16) >> (n - 1) & 1} for k, v in re.findall(r"(Sig\w+):\s*(\w+)", text)}


@pytest.mark.parametrize("address", ["EXEC:grep Sig /proc/self/status", "SYSTEM:exec grep Sig /proc/self/status", "EXEC:grep Sig /proc/self/status,pty",
                                     "EXEC:grep Sig /proc/self/status,nofork"])
@pytest.mark.parametrize("row", ["closed none", "all ignored and blocked"])
def test_programs_start_with_defaults(local, row, address):
    """Every signal that the relay handles is at its default in programs, and none is blocked: Control-C works in the
    shells of a listener that a script has started with "&". What is not handled stays ignored, as in classic (which
    also leaves blocked what was)."""
    args = ("-", address) if "nofork" in address else ("-u", address, "-")
    r = start(local, row, *args, stdin=None).wait()
    seen = masks(r.out.decode())
    assert r.status == 0 and not seen["SigBlk"], r
    assert not seen["SigIgn"] & HANDLED - {signal.SIGTRAP}, r
    assert signal.SIGPIPE in seen["SigIgn"], r
    if row != "closed none":
        assert {signal.SIGUSR2, signal.SIGALRM, signal.SIGTSTP} <= seen["SigIgn"], r


@pytest.mark.parametrize("sig", ["HUP", "INT", "QUIT"])
@pytest.mark.parametrize("row", ["closed none", "ignored", "blocked"])
@pytest.mark.parametrize("kind", ["EXEC:", "SYSTEM:exec "])
def test_a_signal_passed_on_ends_the_program(local, row, sig, kind):
    """Options sighup, sigint, sigquit, also where the starter ignores the signal, as scripts do behind "&": the program
    dies of it, and the relay says so, with status 1."""
    number = int(getattr(signal, "SIG" + sig))
    row = row if row == "closed none" else f"{row} SIG{sig}"
    p = start(local, row, "-d", "-d", "-", f"{kind}cat,sig{sig.lower()}")
    p.send("x\n")
    p.expect_output("x\n")
    p.kill(number)
    r = p.wait()
    assert r.status == 1 and re.search(rf" W waitpid\(\): child \d+ exited on signal {number}$", r.log, re.M), r


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_the_relay_ends_by_a_signal(local, sig, how):
    """It is as deaf as its starter wanted to none of them; nohup does not help, as in classic."""
    port = lab.port()
    p = start(local, f"{how} {sig.name}", "-d", "-d", f"TCP4-LISTEN:{port},fork", "PIPE")
    p.wait_log("listening on")
    p.kill(sig)
    r = p.wait()
    assert r.status == 128 + sig and f"exiting on signal {int(sig)}" in r.log, r


@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_a_crash_is_told(local, how):
    """A signal that means a fault ends the relay with its sentence, whatever the starter thought of it."""
    p = start(local, f"{how} SIGABRT", "-d", "-d", "-", "PIPE")
    p.wait_log("starting data transfer loop")
    p.kill(signal.SIGABRT)
    r = p.wait()
    assert r.status == 134 and "exiting on signal 6" in r.log, r


@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_sigchld_of_the_starter(local, how):
    """The status of a program is seen, although the starter wanted to hear of no child."""
    r = start(local, f"{how} SIGCHLD", "-u", "SYSTEM:exit 3", "-").wait()
    assert r.status == 1 and "exited with status 3" in r.log, r


def test_statistics_although_ignored(local):
    """SIGUSR1."""
    p = start(local, "ignored SIGUSR1", "-d", "-d", "-d", "-", "PIPE")
    p.wait_log("starting data transfer loop")
    p.kill(signal.SIGUSR1)
    p.wait_log("STATISTICS")


def test_a_starter_that_wants_no_stop(local):
    """Where Control-Z is ignored (no job control), READLINE does not stop either."""
    if not lab.has("READLINE"):
        pytest.skip("no READLINE")
    master, slave = os.openpty()
    p = start(local, "ignored SIGTSTP", "-d", "-d", "READLINE", "PIPE", stdin=slave, stdout=slave, env={"TERM": "vt100"})
    p.wait_log("starting data transfer loop")
    p.kill(signal.SIGTSTP)
    lab.rest(0.3)
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        assert f.read().rsplit(")", 1)[1].split()[0] != "T"
    p.kill()
    assert p.wait().status == 143, p
    os.close(master)
    os.close(slave)


# ---- process 1 ----

def zombies(pid):
    """Children of @pid that have ended and were not collected."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [n for n in f.read().split() if open(f"/proc/{n}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()[0] == "Z"]  # noqa: SIM115


@pytest.mark.parametrize("opts", ["", ",isolate"])
def test_process_1_collects_orphans(local, opts):
    """What programs leave behind is collected when it ends, among programs of our own. Classic: they stay zombies."""
    port = lab.port()
    row = "process 1"
    p = start(local, row, "-d", "-d", "-d", "-d", f"TCP4-LISTEN:{port},fork{opts}", "SYSTEM:(sleep 0.1 &) ; (sleep 0.2 &) ; echo hi")
    p.wait_log("listening on")
    for _ in range(3):
        with connect(local, port) as c:
            assert c.recv(9) == b"hi\n"
    with open(f"/proc/{p.pid}/task/{p.pid}/children", encoding="ascii") as f:
        relay = int(f.read())
    p.wait_log("collected orphan", count=6)
    lab.wait_until(lambda: not zombies(relay), 2, "zombies stay")
    assert end(row, p).status == 143, p


def test_process_1_still_hears_of_its_programs(local):
    """Their status is not lost to the collector."""
    r = start(local, "process 1", "-u", "SYSTEM:(sleep 0.05 &) ; exit 3", "-").wait()
    assert r.status == 1 and "exited with status 3" in r.log, r


def test_names_are_found_by_process_1(local):
    """The helper that looks a name up is a child as well."""
    s, port = server(local)
    p = start(local, "process 1", "-t", "2", "-", f"TCP4:localhost:{port}")
    c, _ = accept(s)
    c.sendall(b"x")
    c.shutdown(socket.SHUT_RDWR)
    c.close()
    s.close()
    p.close_stdin()
    r = p.wait()
    assert (r.status, r.out) == (0, b"x"), r


@pytest.mark.parametrize("n", range(3, 9))
@pytest.mark.parametrize("line", [("FD:{}", "-"), ("-", "FD:{}"), ("-u", "FD:{}!!-", "-"), ("ACCEPT-FD:{}", "PIPE"), ("TLS(verify=0,commonname=x)+FD:{}", "-")])
def test_what_was_not_open(local, n, line):
    """A descriptor that nobody has handed over is not one of the program's own, which have low numbers, too. (Its own signals were
    read, and went to the other side; SIGTERM was among them.)"""
    if "TLS" in line[0] and not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    r = local.run(*(word.format(n) for word in line), input=b"x")
    assert r.status == 1 and re.search(rf"E (file descriptor {n} is not open: |ACCEPT-FD:{n}: )Bad file descriptor", r.log) and not r.out, r
