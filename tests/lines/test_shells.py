"""Programs, shells with a terminal, and what ssh, git and sudo call from inside."""
import os
import signal
import socket
import time

import pytest

import lab
from desk import MEGABYTES, needs, sha, take_all


@pytest.mark.parametrize("line", ["ProxyCommand", "EXEC"])
def test_proxy_command(desk, line):
    """stdin and stdout are pipes of the caller, the connection is the server's; each may end first."""
    s, port = desk.listener()
    flags = {"ProxyCommand": "socat - TCP:127.0.0.1:{p}", "EXEC": "socat STDIO TCP4:localhost:{p},nodelay"}[line].format(p=port)
    p = desk.line(flags)
    c, _ = s.accept()
    c.sendall(b"SSH-2.0-server\r\n")
    p.expect_output("SSH-2.0-server")
    p.send(b"SSH-2.0-client\r\n" + MEGABYTES[:100_000])
    got = b""
    while len(got) < 100_016:
        got += c.recv(65536)
    assert got == b"SSH-2.0-client\r\n" + MEGABYTES[:100_000]
    c.sendall(MEGABYTES)
    p.expect_output(16 + len(MEGABYTES))
    assert sha(p.out[16:]) == sha(MEGABYTES)
    desk.idle(p)
    c.close()
    assert p.wait().status == 0


def test_ssh_through_a_proxy_command(desk):
    """The real thing: ssh, sshd, a relay in between."""
    needs("ssh", "sshd" if os.path.exists("/usr/bin/sshd") else "/usr/sbin/sshd")
    port = lab.port()
    desk.run("ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user; cp user.pub keys; chmod 600 keys")
    desk.keep("host", "host.pub", "user", "user.pub", "keys", "sshd.conf", "known", "pid")
    desk.write("sshd.conf", f"Port {port}\nListenAddress 127.0.0.1\nHostKey {desk / 'host'}\nAuthorizedKeysFile {desk / 'keys'}\nStrictModes no\n"
                            f"PidFile {desk / 'pid'}\nUsePAM no\nPermitRootLogin yes\n")
    os.makedirs("/run/sshd", exist_ok=True)
    d = desk.line(f"/usr/sbin/sshd -D -e -f {desk / 'sshd.conf'}")
    lab.wait_until(lambda: desk.listens(port) or d.ended(), 5, "no sshd")
    if d.ended():
        pytest.skip(f"sshd does not run here: {d.log[-200:]}")
    ssh = (f"ssh -i user -o IdentitiesOnly=yes -o UserKnownHostsFile=known -o StrictHostKeyChecking=no -o BatchMode=yes -F /dev/null"
           f" -o ProxyCommand='socat - TCP:127.0.0.1:{port}' root@nowhere")
    desk.write("in", MEGABYTES)
    r = desk.run(f"{ssh} sha256sum < in")
    if r.status == 255 and "denied" in r.log.lower():
        pytest.skip(f"sshd refuses root here: {r.log}")
    assert r.status == 0 and r.out.split()[0].decode() == sha(MEGABYTES), r
    r = desk.run(f"{ssh} 'exit 7'")
    assert r.status == 7, r
    d.kill()


@pytest.mark.parametrize("program", ["EXEC:'bash -li',pty,stderr,setsid,sigint,sane", "EXEC:/bin/sh,pty,stderr,setsid,sigint,sane,ctty", "SYSTEM:sh,pty,stderr,setsid,sane,ctty"])
def test_shell_with_a_terminal(desk, program):
    """A shell by TCP: a terminal, job control, Control-C that reaches the program and not the shell."""
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr,fork {program}", port, env={"PS1": "", "ENV": "", "TERM": "dumb", "HISTFILE": ""})
    c = desk.tcp(port)

    def until(word):
        got = b""
        while word not in got:
            part = c.recv(9999)
            assert part, got
            got += part
        return got
    c.sendall(b"tty; echo rea''dy\n")
    assert b"/dev/pts/" in until(b"ready")
    c.sendall(b"sleep 30; echo inter''rupted\n")
    time.sleep(0.4)
    c.sendall(b"\x03")
    c.sendall(b"echo al''ive\n")
    until(b"alive")
    c.sendall(b"exit\n")
    while True:
        try:
            if not c.recv(999):
                break
        except ConnectionResetError:
            break
    desk.idle(p)
    desk.end(p)


def test_control_c_in_a_listener_started_by_a_script(desk):
    """A script's & ignores SIGINT; the shells of its clients must not."""
    port = lab.port()
    desk.write("start.sh", f"socat TCP-LISTEN:{port},reuseaddr,fork EXEC:'sh',pty,stderr,setsid,ctty,sane &\nwait\n")
    p = desk.server("sh start.sh", port, env={"PS1": "", "ENV": ""})
    c = desk.tcp(port)
    c.sendall(b"sleep 30; echo no\n")
    time.sleep(0.4)
    c.sendall(b"\x03\necho al''ive\n")
    got = b""
    while b"alive" not in got:
        part = c.recv(999)
        assert part, got
        got += part
    c.close()
    for pid in desk.processes():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read().startswith(b"socat"):
                os.kill(pid, signal.SIGTERM)
    p.wait()


def test_a_challenge_server(desk, load):
    """Capture the flag: EXEC per client, players who leave in the middle, answers to all."""
    desk.write("task", "#!/bin/sh\necho 'what is 6*7?'\nread a\n[ \"$a\" = 42 ] && echo FLAG || echo no\n", 0o755)
    port = lab.port()
    p = desk.server(f"socat -T 20 TCP-LISTEN:{port},reuseaddr,fork EXEC:./task,stderr", port)
    for i in range(10):
        c = desk.tcp(port)
        if i % 3 == 0:
            c.close()
            continue
        assert c.recv(99) == b"what is 6*7?\n"
        c.sendall(b"42\n")
        assert take_all(c) == b"FLAG\n"
    lab.wait_until(lambda: len(desk.processes()) == 1, 3, "programs stay")
    desk.idle(p)
    desk.end(p)


def test_a_python_service_behind_exec(desk):
    needs("python3")
    desk.write("svc.py", "import sys\nfor l in sys.stdin:\n    print(l[::-1].strip(), flush=True)\n")
    port = lab.port()
    p = desk.server(f"socat TCP4-LISTEN:{port},reuseaddr,fork EXEC:'python3 svc.py'", port)
    c = desk.tcp(port)
    for w in (b"abc", b"hello"):
        c.sendall(w + b"\n")
        got = b""
        while not got.endswith(b"\n"):      # python writes word and newline by themselves
            got += c.recv(99)
        assert got == w[::-1] + b"\n"
    c.shutdown(socket.SHUT_WR)
    assert c.recv(9) == b""
    desk.end(p)


def test_work_after_the_end_of_input(desk):
    """SYSTEM takes its time after the last byte: every line is worked on."""
    port = lab.port()
    p = desk.server(f"socat -u TCP-LISTEN:{port},reuseaddr,fork SYSTEM:'while read -r l; do echo $l >> out; sleep 0.03; done'", port)
    c = desk.tcp(port)
    c.sendall(b"".join(b"%d\n" % i for i in range(60)))
    c.close()
    lab.wait_until(lambda: (desk / "out").exists() and (desk / "out").read_text().count("\n") == 60, 10, "lines are missing")
    desk.keep("out")
    desk.end(p)


@pytest.mark.parametrize("line", ["socat -u SYSTEM:'seq 100000' EXEC:'wc -l'", "socat -U EXEC:'wc -l' SYSTEM:'seq 100000'", "socat -u EXEC:'seq 100000' SYSTEM:'wc -l'",
                                  "socat -u SHELL:'seq 100000' SHELL:'wc -l'", "seq 100000 | socat -u - EXEC:'wc -l'", "seq 100000 | socat - EXEC:'wc -l'",
                                  "socat EXEC:'seq 100000' STDOUT | wc -l", "socat SYSTEM:'seq 100000',pipes - </dev/null | wc -l"])
def test_counted_whole(desk, line, load):
    """Between two programs nothing is lost, whichever ends first."""
    for _ in range(6):
        r = desk.run(line)
        assert r.out.strip() == b"100000" and r.status == 0, r


def test_a_program_that_talks_and_listens(desk):
    """bc as a service for one line of input at a time."""
    needs("bc")
    p = desk.line("socat - EXEC:'bc -q'")
    for i in range(10):
        p.send(f"{i}*{i}\n")
        p.expect_output(f"{i * i}\n")
    p.close_stdin()
    assert p.wait().status == 0


def test_status_of_a_failing_program(desk):
    assert desk.run("socat - EXEC:'false'").status == 1
    assert desk.run("socat - EXEC:'true'").status == 0
    assert desk.run("socat -u SYSTEM:'exit 3' -").status == 1


def test_log_of_a_build_to_two_places(desk):
    """make | tee | socat: a program's output on a socket, without losing its tail."""
    s, port = desk.listener()
    p = desk.line(f"seq 200000 | tee copy | socat -u - TCP:127.0.0.1:{port}")
    c, _ = s.accept()
    assert take_all(c) == b"".join(b"%d\n" % i for i in range(1, 200001))
    assert p.wait().status == 0
    desk.keep("copy")


def test_as_another_user(desk):
    """su=nobody: the program has no group of root's left."""
    r = desk.run("socat -u EXEC:'id -G',su=nobody -")
    assert r.out.split() == [b"65534"], r


def test_environment_of_a_session(desk):
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr,fork SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT $SOCAT_SOCKPORT'", port)
    c = desk.tcp(port)
    assert take_all(c) == f"127.0.0.1 {c.getsockname()[1]} {port}\n".encode()
    desk.end(p)


def test_inetd_style(desk):
    """A program that is given the connection itself: nofork."""
    port = lab.port()
    p = desk.server(f"socat TCP-LISTEN:{port},reuseaddr,fork EXEC:'cat',nofork", port)
    c = desk.tcp(port)
    c.sendall(b"hello")
    assert c.recv(9) == b"hello"
    c.shutdown(socket.SHUT_WR)
    assert c.recv(9) == b""
    lab.wait_until(lambda: len(desk.processes()) == 1, 3, "processes stay")
    desk.end(p)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_program_and_relay(desk, sig):
    p = desk.line("socat - EXEC:'sleep 100'")
    lab.wait_until(lambda: len(desk.processes()) == 2, 3, "no program")
    desk.end(p, sig)
    lab.wait_until(lambda: not desk.processes(), 3, "the program stays")


def test_stderr_of_a_program(desk):
    desk.write("prog", "#!/bin/sh\necho out\necho err >&2\n", 0o755)
    r = desk.run("socat -u EXEC:./prog,stderr -")
    assert sorted(r.out.split()) == [b"err", b"out"], r


def test_expect_like_pass_phrase(desk):
    """A program that insists on a terminal: (sleep; echo) | socat - EXEC,pty,setsid,ctty."""
    desk.write("ask", "#!/bin/sh\nexec </dev/tty >/dev/tty 2>&1\nprintf 'Password: '\nstty -echo\nread p\nstty echo\necho \"got $p\"\n", 0o755)
    r = desk.run("(sleep 0.4; echo secret; sleep 0.4) | socat - EXEC:./ask,pty,setsid,ctty")
    assert b"got secret" in r.out, r


def test_vnc_behind_a_vhost(desk):
    """Two hops of relays, each half-closed in turn; megabytes through both."""
    s, port = desk.listener()
    a, b = lab.port(), lab.port()
    p = desk.server(f"socat TCP-LISTEN:{a},fork,reuseaddr TCP:127.0.0.1:{port}", a)
    q = desk.server(f"socat TCP-LISTEN:{b},fork,reuseaddr EXEC:'socat - TCP\\:127.0.0.1\\:{a}'", b)
    c = desk.tcp(b)
    d, _ = s.accept()
    d.sendall(MEGABYTES[:500_000])
    d.shutdown(socket.SHUT_WR)
    assert sha(take_all(c)) == sha(MEGABYTES[:500_000])
    desk.end(q)
    desk.end(p)
