"""Programs: EXEC, SYSTEM, SHELL."""
import os
import re
import socket
import signal
import sys
import time

import pytest

import lab

ARGS = r"""sh -c 'for a; do printf "[%s]" "$a"; done' -"""


@pytest.fixture
def pa(tmp_path):
    """A program that prints its arguments in brackets."""
    f = tmp_path / "pa"
    f.write_text('#!/bin/sh\nfor a; do printf "[%s]" "$a"; done\n')
    f.chmod(0o755)
    return f


@pytest.mark.parametrize("typed,seen", [
    (r"PA a b", "[a][b]"), (r"  PA   x   y", "[x][y]"), (r"PA 'a b' c", "[a][b][c]"), (r'PA \"a b\" c', "[a b][c]"), (r"'PA " + '"a b" c' + "'", "[a b][c]"),
    (r"PA a\:b", "[a:b]"), ('"PA a:b"', "[a:b]"), (r"PA a\\ b", "[a b]"), (r"PA a\,b", "[a,b]"), ("PA $HOME *", "[$HOME][*]"),
    ("PA a;b|c>d", "[a;b|c>d]"), ("PA {a b} [c d] (e f)", "[{a b}][[c d]][(e f)]"), (r'PA \"\" x', "[][x]"),
    ("PA " + " ".join("w%d" % n for n in range(30)), "".join("[w%d]" % n for n in range(30))),
])
def test_argument_splitting(local, pa, typed, seen):
    """The table of the address language, as the program sees it."""
    r = local.run("-u", "EXEC:" + typed.replace("PA", str(pa)), "-")
    assert r.out.decode() == seen, r


@pytest.mark.parametrize("channel", ["", ",pipes", ",pty,raw,echo=0", ",socktype=1"])
def test_channels(local, fast, channel):
    """The program talks over a socketpair, pipes or a terminal."""
    p = local.start("-", f"EXEC:cat{channel}")
    p.send("hello\n")
    p.expect_output(b"hello\n")
    p.close_stdin()
    assert p.wait().status == 0


@pytest.mark.parametrize("channel", ["", ",pipes"])
def test_half_close(local, channel):
    """The program sees the end of its input and may still answer."""
    r = local.run("-t", "3", "-", f"SYSTEM:wc -c; echo done{channel}", input=b"12345", timeout=2.5)
    assert r.status == 0 and r.out.split() == [b"5", b"done"], r


@pytest.mark.parametrize("kind", ["EXEC:echo hi", "SYSTEM:echo hi", "SHELL:echo hi"])
def test_output_only(local, fast, kind):
    r = local.run("-u", kind, "-", env={"SHELL": "/bin/sh"})
    assert (r.status, r.out) == (0, b"hi\n"), r


def test_shell_option(local):
    """shell= takes another shell and tells the command."""
    r = local.run("-u", "SHELL:echo $SHELL,shell=/bin/sh", "-", env={"SHELL": "/bin/false"})
    assert r.out == b"/bin/sh\n", r


def test_shell_undefined(local):
    r = local.run("-u", "SHELL:echo", "-", env={"SHELL": None})
    assert r.status == 1 and "E SHELL variable undefined" in r.log, r


def test_big_both_ways(local, fast):
    """A megabyte through cat and back."""
    data = os.urandom(1 << 20)
    r = local.run("-t", "3", "-", "EXEC:cat", input=data, timeout=15)
    assert r.out == data and r.status == 0


def test_stderr_is_inherited_and_can_be_merged(local):
    r = local.run("-u", "SYSTEM:echo oops >&2", "-")
    assert r.out == b"" and b"oops\n" in r.err
    r = local.run("-d", "-d", "-u", "SYSTEM:echo oops >&2,stderr", "-")
    assert r.out == b"oops\n" and "oops" not in r.log


@pytest.mark.parametrize("fdin,fdout", [(3, 4), (5, 6), (7, 1), (0, 9), (4, 3)])
def test_fdin_fdout(local, fdin, fdout):
    """The program's descriptors can be others than 0 and 1."""
    out = f">&{fdout}" if fdout < 10 else ""
    r = local.run("-t", "2", "-", f"SYSTEM:read x <&{fdin}; echo got $x {out},fdin={fdin},fdout={fdout}", input=b"me\n")
    assert r.out == b"got me\n", r


@pytest.mark.parametrize("args,text", [
    (["-u", "EXEC:cat,fdin=3", "-"], "fdin is useless in read-only mode"),
    (["-u", "-", "EXEC:cat,fdout=3"], "fdout is useless in write-only mode"),
    (["-", "EXEC"], "E EXEC: wrong number of parameters (0 instead of 1): usage: EXEC:<command-line>"),
    (["-", "EXEC:cat a:b"], "E EXEC: wrong number of parameters (2 instead of 1)"),
    (["EXEC:cat,nofork", "-"], "E option nofork is not allowed here"),
    (["-", "EXEC:cat,fork"], 'option "fork" not supported with this address type'),
])
def test_errors(local, args, text):
    r = local.run(*args)
    assert r.status == 1 and text in r.log, r


@pytest.mark.parametrize("cmd,text", [("nosuchprog", r'E execvp\("nosuchprog", "nosuchprog"\): No such file or directory'),
                                      ("/etc/passwd", r'E execvp\("/etc/passwd", "\S*passwd"\): Permission denied')])
def test_program_not_found(local, cmd, text):
    r = local.run("-u", f"EXEC:{cmd}", "-")
    assert r.status == 1 and re.search(text, r.log), r


@pytest.mark.parametrize("opts,same", [("", True), (",setsid", False)])
def test_setsid(local, opts, same):
    """setsid makes a session of its own."""
    p = local.start("-u", f"SYSTEM:read a b c d e f g </proc/self/stat; echo $f{opts}", "-")
    r = p.wait()
    assert (int(r.out) == p.pid) == same, r


def test_ctty(local):
    """With pty, setsid and ctty the terminal is the controlling one."""
    r = local.run("-u", "SYSTEM:if (: </dev/tty) 2>/dev/null; then echo yes; else echo no; fi,pty,setsid,ctty,raw,echo=0", "-")
    assert r.out.strip() == b"yes", r
    r = local.run("-u", "SYSTEM:if (: </dev/tty) 2>/dev/null; then echo yes; else echo no; fi,setsid", "-")
    assert r.out.strip() == b"no", r


def test_pty_is_a_terminal(local):
    r = local.run("-", "SYSTEM:tty; test -t 0 && echo in; test -t 1 && echo out,pty,raw,echo=0", input=None)
    assert re.fullmatch(rb"/dev/pts/\d+\nin\nout\n", r.out), r


def test_nofork_replaces_the_program(local):
    """nofork: the program gets the descriptors, its status is ours."""
    r = local.run("-", "EXEC:cat,nofork", input=b"hi\n")
    assert (r.status, r.out) == (0, b"hi\n"), r
    r = local.run("-", "SYSTEM:exit 7,nofork")
    assert r.status == 7, r


def test_nofork_of_system_has_the_relay_as_parent(local, tmp_path):
    """The shell is a child of the relay, which waits for it and gives its status, as in classic. There a signal ends
    the relay and leaves the shell alone, and a shell that dies of one counts as 0."""
    f = tmp_path / "pids"
    p = local.start("-d", "-d", "-", f"SYSTEM:echo $PPID $$ >{f}; cat; exit 7,nofork")
    p.send("hi\n")
    p.expect_output("hi\n")
    parent, shell = map(int, f.read_text().split())
    assert parent == p.pid != shell
    p.close_stdin()
    r = p.wait()
    assert r.status == 7 and 'W system("' in r.log, r
    r = local.run("-", "SYSTEM:kill -9 $$,nofork")
    assert r.status == 137 and "exited on signal 9" in r.log, r


@pytest.mark.parametrize("opts", ["", ",pty,setsid", ",setsid"])
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_nofork_of_system_passes_signals_on(local, opts, sig):
    """The command decides what becomes of it: one traps and ends in its own way, the next dies, and so do we."""
    p = local.start("-", f"SYSTEM:trap '\"exit 5\"' {int(sig)}; echo up; while true; do sleep 0.05; done,nofork{opts}")
    p.expect_output("up\n")
    p.kill(sig)
    assert p.wait().status == 5, p
    p = local.start("-", f"SYSTEM:echo up; exec cat,nofork{opts}")
    p.expect_output("up\n")
    p.kill(sig)
    assert p.wait().status == 128 + sig, p


def test_nofork_of_system_at_a_terminal(local, tmp_path):
    """Control-C reaches the command by the terminal: once."""
    log = tmp_path / "log"
    prog = tmp_path / "prog"
    prog.write_text(f"#!{sys.executable} -SE\nimport os, signal, time\nsignal.signal(2, lambda *_: open({str(log)!r}, 'a').write('x'))\n"
                    "print('up', flush=True)\nend = time.monotonic() + 0.5\nwhile time.monotonic() < end: time.sleep(0.02)\n")
    prog.chmod(0o755)
    p = local.start("-", f"EXEC:'{lab.SOCAST} - \"SYSTEM:exec {prog},nofork\"',pty,setsid,ctty,echo=0")
    p.expect_output("up")
    p.send(b"\x03")
    r = p.wait()
    assert log.read_text() == "x" and r.status == 0, r


@pytest.mark.parametrize("fork", [",fork", ",fork,isolate", ""])
def test_nofork_of_system_for_connections(local, fork):
    """Each connection's command has a relay of its own above it, and the connection itself as input and output."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port}{fork}", "SYSTEM:echo $PPID; cat,nofork")
    p.wait_log("listening on")
    for _ in range(2 if fork else 1):
        with local.socket(kind=1) as s:
            s.connect(("127.0.0.1", port))
            parent = int(s.recv(99))
            assert (parent == p.pid) == (not fork)
            s.sendall(b"again\n")
            assert s.recv(99) == b"again\n"
    if not fork:
        assert p.wait().status == 0, p
    else:
        assert not p.ended()


@pytest.mark.parametrize("left", ["STDIN,f-setpipe-sz=131072!!STDOUT", "STDIN!!STDOUT", "OPEN:/dev/null,rdonly!!STDOUT"])
@pytest.mark.parametrize("kind", ["EXEC:", "SYSTEM:exec "])
def test_nofork_behind_a_dual_address(local, left, kind):
    """Two plain descriptors do as well as one."""
    r = local.run(left, f"{kind}sh -c 'cat; echo end; exit 3',nofork".replace("'", '\\"'), input=b"x\n")
    assert (r.status, r.out) == (3, b"end\n" if "null" in left else b"x\nend\n"), r


@pytest.mark.parametrize("left", ["READLINE!!STDOUT", "STDIN!!READLINE"])
def test_nofork_is_still_refused(local, left):
    """Where one half needs us while the program runs."""
    if not lab.has("READLINE"):
        pytest.skip("no READLINE")
    master, slave = os.openpty()
    r = local.run(left, "EXEC:cat,nofork", input=None, stdin=slave)
    assert r.status == 1 and "option nofork is not allowed here" in r.log, r
    os.close(master)
    os.close(slave)


def test_login_shell_name(local, tmp_path):
    """dash (alias login) prefixes argv[0] with a minus."""
    for opt in ("dash", "login"):
        r = local.run("-u", f"EXEC:cat /proc/self/cmdline,{opt}", "-")
        assert r.out.startswith(b"-cat\0"), r


@pytest.mark.parametrize("kind", ["EXEC:sh -c \\\"exit 3\\\"", "SYSTEM:exit 3", "EXEC:false"])
def test_failing_program_gives_1(local, kind):
    """The tool's status is 1, every time, and a warning tells the program's."""
    for _ in range(5):
        r = local.run("-u", kind, "-")
        assert r.status == 1, r
        assert re.search(r" W waitpid\(\): child \d+ exited with status \d", r.log), r


@pytest.mark.parametrize("left", ["EXEC:false", "SYSTEM:exit 3", "SYSTEM:echo hello; exit 3"])
def test_a_program_that_ends_while_the_other_end_is_opened(local, left):
    """Its status is not forgotten, and what it has written is not either."""
    port = lab.port()
    p = local.start(left, f"TCP4:127.0.0.1:{port},retry=50,interval=0.05")
    lab.rest(0.4)
    with local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", port)) as s:
        s.listen()
        peer, _ = s.accept()
        peer.settimeout(5)
        data = b""
        while part := peer.recv(99):
            data += part
        peer.close()
    r = p.wait()
    assert r.status == 1 and data == (b"hello\n" if "hello" in left else b""), r


def test_program_killed_by_a_signal(local):
    r = local.run("-u", "EXEC:sh -c \\\"kill -9 \\\\$\\\\$\\\"", "-")
    assert r.status == 1 and re.search(r" W waitpid\(\): child \d+ exited on signal 9", r.log), r


def test_program_that_ignores_its_input(local, fast):
    """What it wrote is delivered, although our input found no reader."""
    for _ in range(20):
        r = local.run("-", "EXEC:hostname", input=b"x" * 100)
        assert r.out == b"host1\n" and r.status == 0, r


@pytest.mark.parametrize("opt,sig", [("sighup", signal.SIGHUP), ("sigint", signal.SIGINT), ("sigquit", signal.SIGQUIT)])
def test_signals_are_passed_on(local, opt, sig):
    """With the option the program gets the signal, and the tool goes on."""
    p = local.start("-d", "-d", "-", f"EXEC:sh -c \\\"trap \\'echo caught\\' {sig.name[3:]};echo up;read x;exec cat\\\",{opt}")
    p.expect_output(b"up")
    p.kill(sig)
    p.send("\n")
    p.expect_output(b"caught")
    p.send("more\n")
    p.expect_output(b"more")


def test_term_ends_the_program(local, tmp_path):
    """The program does not survive the tool."""
    f = tmp_path / "prog"
    f.write_text("#!/bin/sh\necho $$\nexec sleep 30\n")
    f.chmod(0o755)
    p = local.start("-", f"EXEC:{f}")
    p.expect_output(b"\n")
    pid = int(p.out)
    p.kill()
    assert p.wait().status in (143, 128 + 15)
    assert lab.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 2, f"program {pid} is still there")


def test_write_only_program_may_finish(local, tmp_path):
    """A program that is only written to gets a second to end on its own."""
    f = tmp_path / "f"
    r = local.run("-u", "-", f"SYSTEM:cat >/dev/null; sleep 0.3; echo done >{f}", input=b"x")
    assert r.status == 0 and f.read_text() == "done\n", r


@pytest.mark.parametrize("opt,cmd,want", [("umask=0077", "umask", b"0077\n"), ("chdir=/usr", "pwd", b"/usr\n"), ("path=/usr/bin:/x", "echo $PATH", b"/usr/bin:/x\n")])
def test_surroundings(local, opt, cmd, want):
    r = local.run("-u", f"SYSTEM:{cmd},{opt}", "-")
    assert r.out == want, r


def test_surroundings_of_the_first_do_not_reach_the_second(local, tmp_path):
    """umask and chdir hold for one address only."""
    r = local.run("-u", "SYSTEM:pwd,chdir=/usr", f"CREATE:{tmp_path}/f")
    assert r.status == 0 and (tmp_path / "f").read_text() == "/usr\n"


def test_su(local):
    """su takes the user's identity in the program only."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root")
    r = local.run("-u", "EXEC:id -u,su=nobody", "-")
    assert r.out == b"65534\n", r
    r = local.run("-u", "SYSTEM:id -u,setuid=65534", "-")
    assert r.out == b"65534\n", r


@pytest.mark.parametrize("address", ["EXEC:id -G,su={u}", "SYSTEM:id -G,su={u}", "SHELL:id -G,su={u}", "EXEC:id -G,su-d={u}", "EXEC:id -G,nofork,su={u}",
                                     "EXEC:id -G,pty,setsid,su={u}"])
@pytest.mark.parametrize("how", ["", "fork", "isolate"])
def test_su_gives_up_groups(local, address, how):
    """Who becomes another user has that user's groups, and none of the starter's."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root")
    code = "import os, sys; os.setgroups([0, 4, 1234]); os.execv(sys.argv[1], sys.argv[1:])"
    address = address.format(u="nobody")
    port = lab.port()
    argv = ["-U", "-", address] if not how else [f"TCP4-LISTEN:{port},fork{',isolate' * (how == 'isolate')}", address]
    p = local.command([sys.executable, "-c", code, lab.SOCAST, "-d", "-d", *argv], env={"SHELL": "/bin/sh"})
    if how:
        p.wait_log("listening on")
        with local.socket(kind=1) as s:
            s.connect(("127.0.0.1", port))
            out = b"".join(iter(lambda: s.recv(99), b""))
    else:
        out = p.wait().out
    assert out.split() == [b"65534"], (out, p)


def test_su_of_the_relay_gives_up_groups(local):
    """The same for the relay itself, and for its sessions' processes."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root")
    code = "import os, sys; os.setgroups([0, 4, 1234]); os.execv(sys.argv[1], sys.argv[1:])"
    port = lab.port()

    def groups(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return re.search(r"^Groups:\s*(.*?)\s*$", f.read(), re.M).group(1)
    p = local.command([sys.executable, "-c", code, lab.SOCAST, "-d", "-d", "-,su=nobody", "PIPE"])
    p.wait_log("starting data transfer loop")
    assert groups(p.pid) == "65534"
    p = local.command([sys.executable, "-c", code, lab.SOCAST, "-d", "-d", f"TCP4-LISTEN:{port},fork,su=nobody", "PIPE"])
    p.wait_log("listening on")
    with local.socket(kind=1) as s:
        s.connect(("127.0.0.1", port))
        s.sendall(b"x")
        assert s.recv(9) == b"x"
        with open(f"/proc/{p.pid}/task/{p.pid}/children", encoding="ascii") as f:
            (child,) = f.read().split()
        assert groups(child) == "65534"


def test_options_of_both_pipes(local, tmp_path):
    """Descriptor options with pipes act on both."""
    prog = tmp_path / "prog"
    prog.write_text(f"#!{sys.executable} -SE\nimport fcntl\nprint(fcntl.fcntl(0, 1032), fcntl.fcntl(1, 1032))\n")    # F_GETPIPE_SZ
    prog.chmod(0o755)
    for size in (16384, 131072):
        r = local.run("-", f"EXEC:{prog},pipes,f-setpipe-sz={size}", input=None)
        assert r.out.split() == [b"%d" % size] * 2, r


def test_su_unknown(local):
    r = local.run("-u", "EXEC:id,su=nosuchuser", "-")
    assert r.status == 1 and "nosuchuser" in r.log, r


def test_chroot(local, tmp_path):
    """chroot applies to the program."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root")
    r = local.run("-u", f"EXEC:/bin/true,chroot={tmp_path}", "-")
    assert r.status == 1 and re.search(r"execvp\(.*No such file or directory", r.log), r


def test_descriptors_of_the_program(local):
    """Nothing but 0, 1, 2 is inherited."""
    for opts in ("", ",pipes"):
        r = local.run("-", f"EXEC:ls /proc/self/fd{opts}")
        assert r.out.split() == [b"0", b"1", b"2", b"3"], r      # 3 is ls's own


def test_sigpipe_is_ignored_in_programs(local):
    """Programs inherit SIGPIPE ignored and SIGCHLD as default."""
    r = local.run("-u", "EXEC:cat /proc/self/status", "-")
    ign = int(re.search(rb"SigIgn:\s*(\w+)", r.out).group(1), 16)
    assert ign & (1 << (signal.SIGPIPE - 1)) and not ign & (1 << (signal.SIGCHLD - 1)), r


@pytest.mark.parametrize("kind", ["EXEC:cat", "SYSTEM:cat", "SHELL:cat"])
def test_time_for_a_debugger(local, kind):
    """SOCAT_FORK_WAIT: the program's process waits before it becomes the program, and so do we."""
    begin = time.monotonic()
    r = local.run("-u", "-", kind, input=b"x", env={"SOCAT_FORK_WAIT": "1", "SHELL": "/bin/sh"})
    assert r.status == 0 and r.out == b"x" and 1 <= time.monotonic() - begin < 2 * lab.SLOW, r


def test_variables(local):
    """Version and pids reach the program."""
    p = local.start("-lp", "socat", "-u", "SYSTEM:echo $SOCAT_PID $SOCAT_PPID $SOCAT_VERSION", "-")
    r = p.wait()
    pid, ppid, version = r.out.decode().split()
    assert pid == ppid == str(p.pid) and re.match(r"\d+\.\d+", version)


def test_variables_follow_the_name(local):
    r = local.run("-lp", "my-relay", "-u", "EXEC:env", "-")
    assert b"\nMY-RELAY_PID=" in b"\n" + r.out, r


def test_nested(local):
    """A relay inside a relay."""
    r = local.run("-t", "2", "-", f"EXEC:'{lab.SOCAST} - exec:cat,pipes'", input=b"x\n")
    assert r.out == b"x\n", r


def test_end_close_keeps_the_program(local, tmp_path):
    """end-close: no SIGTERM at the end, just the end of its input."""
    prog = tmp_path / "prog"
    prog.write_text(f"#!/bin/sh\ncat >/dev/null\nsleep 1\necho late >{tmp_path}/out\n")
    prog.chmod(0o755)
    p = local.start("-t", "0.05", "-", f"EXEC:{prog},end-close")
    p.close_stdin()
    assert p.wait().status == 0 and not (tmp_path / "out").exists()
    lab.wait_until(lambda: (tmp_path / "out").exists(), 3, "the program was ended")
