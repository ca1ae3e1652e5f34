"""The program as a service: what it tells the manager, and the unit that starts it.

The manager is a datagram socket of the test. Readiness is told when what opens at the start is
open: then a client must succeed at once."""
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

import lab

UNIT = os.path.join(os.path.dirname(lab.SOCAST), "socast@.service")


class Manager:
    """Receives what a service tells."""

    def __init__(self, name):
        self.name, self.told = name, []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)

    def look(self):
        while select.select([self.sock], [], [], 0)[0]:
            self.told += self.sock.recv(4096).decode().split("\n")
        return self.told

    def hears(self, *states):
        lab.wait_until(lambda: self.look() == list(states), 10, lambda: f"heard {self.told}, not {states}")


@pytest.fixture
def manager(local, tmp_path):
    m = Manager(str(tmp_path / "notify"))
    yield m
    m.sock.close()


@pytest.fixture
def abstract(local):
    """Abstract names belong to a network namespace: the manager listens inside."""
    with local.inside():
        m = Manager("@socast-notify")
    yield m
    m.sock.close()


def start(host, manager, *args, **kw):
    return host.start("--notify", *args, env={"NOTIFY_SOCKET": manager.name}, **kw)


def test_a_helper_is_silent(local, manager, tmp_path):
    """A relay that a service starts inherits the variables of the service; it must not speak in its name, nor must its programs."""
    for pid in ("", "1", str(os.getpid()), "x"):
        env = {"NOTIFY_SOCKET": manager.name} | ({"SYSTEMD_EXEC_PID": pid} if pid else {})
        r = local.run("-u", "SYSTEM:env", f"CREATE:{tmp_path}/env", env=env)
        # programs of a helper are the service's own affair; where we speak they must not
        assert r.status == 0 and b"NOTIFY_SOCKET" in (tmp_path / "env").read_bytes()
    assert manager.look() == []


def test_the_service_itself(local, manager):
    """SYSTEMD_EXEC_PID names this process: it is the service, also behind a shell that has started it by exec."""
    p = local.command(["sh", "-c", 'SYSTEMD_EXEC_PID=$$; export SYSTEMD_EXEC_PID; exec "$@"', "sh", lab.SOCAST, "-u", "TEXT:x", "-"],
                      env={"NOTIFY_SOCKET": manager.name})
    p.wait()
    manager.hears("READY=1", "STOPPING=1")


@pytest.mark.parametrize("which", ["manager", "abstract"])
def test_a_listener(request, local, which):
    manager = request.getfixturevalue(which)
    p = start(local, manager, "TCP4-LISTEN:7000,fork,bind=127.0.0.1", "TEXT:hi")
    manager.hears("READY=1")
    assert local.run("-u", "TCP4:127.0.0.1:7000", "-").out == b"hi"
    p.kill()
    manager.hears("READY=1", "STOPPING=1")
    p.wait()
    manager.hears("READY=1", "STOPPING=1")


# both addresses; what waits for a peer is ready when it waits
WAITING = [
    ["TCP4-LISTEN:7001,bind=127.0.0.1", "-"],
    ["-", "TCP4-LISTEN:7001,bind=127.0.0.1"],
    ["-", "TCP4-LISTEN:7001,bind=127.0.0.1,fork"],
    ["UDP4-LISTEN:7001", "-"],
    ["UDP4-LISTEN:7001,fork", "-"],
    ["UDP4-RECVFROM:7001", "-"],
    ["UDP4-RECV:7001", "STDOUT"],
    ["UDP4-DATAGRAM:127.0.0.1:7001,bind=:7002", "-"],
    ["UNIX-LISTEN:DIR/sock", "-"],
    ["OPEN:DIR/fifo,rdonly", "STDOUT"],
    ["PTY,wait-slave,link=DIR/pty", "-"],
]


@pytest.mark.parametrize("addresses", WAITING, ids=" ".join)
def test_ready_when_it_waits(local, manager, tmp_path, addresses):
    os.mkfifo(tmp_path / "fifo")
    args = [a.replace("DIR", str(tmp_path)) for a in addresses]
    p = start(local, manager, *(["-u"] if args[1] == "STDOUT" else []), *args)
    manager.hears("READY=1")
    p.kill()
    manager.hears("READY=1", "STOPPING=1")


def test_not_ready_before_a_connection_is_there(local, manager):
    """A client of a server that comes late."""
    p = start(local, manager, "-d3", "-", "TCP4:127.0.0.1:7003,retry=1000,interval=0.1")
    p.wait_log("retrying|Connection refused", count=2)
    assert manager.look() == []
    server = local.start("-d2", "TCP4-LISTEN:7003,reuseaddr,bind=127.0.0.1", "STALL")
    server.wait_log("listening")
    manager.hears("READY=1")
    p.close_stdin()


def test_what_cannot_open_is_never_ready(local, manager):
    p = start(local, manager, "TCP4-LISTEN:7004,bind=192.0.2.1", "-")
    assert p.wait().status == 1
    assert "READY=1" not in manager.look()


def test_the_end_of_the_data(local, manager):
    p = start(local, manager, "-u", "TEXT:x", "-")
    assert p.wait().out == b"x"
    manager.hears("READY=1", "STOPPING=1")


def test_drain(local, manager):
    """Stopping begins when no session is accepted any more, though some go on."""
    p = start(local, manager, "--drain=60", "-d2", "TCP4-LISTEN:7005,fork,bind=127.0.0.1", "PIPE")
    manager.hears("READY=1")
    client = local.start("-", "TCP4:127.0.0.1:7005")
    client.send("one\n")
    client.expect_output("one\n")
    p.kill()
    manager.hears("READY=1", "STOPPING=1")
    client.send("two\n")
    client.expect_output("one\ntwo\n")
    client.close_stdin()
    assert p.wait().status == 143
    manager.hears("READY=1", "STOPPING=1")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_ends_a_drain(local, sig):
    """Who does not want to wait says it again: at once, whatever is still open."""
    p = local.start("--drain=60", "-d2", "TCP4-LISTEN:7007,fork,bind=127.0.0.1", "PIPE")
    p.wait_log("listening on")
    client = local.start("-", "TCP4:127.0.0.1:7007")
    client.send("one\n")
    client.expect_output("one\n")
    p.kill(sig)
    p.wait_log(rf"exiting on signal {int(sig)}")
    lab.rest(0.2)
    assert not p.ended()
    begin = time.monotonic()
    p.kill(sig)
    assert p.wait().status == 128 + sig and time.monotonic() - begin < 1 * lab.SLOW
    assert client.wait().out == b"one\n"


@pytest.mark.parametrize("isolate", ["", ",isolate"])
def test_sessions_and_programs_are_not_the_service(local, manager, isolate):
    """Neither a session's process nor a program says anything, or could."""
    p = start(local, manager, "-d2", f"TCP4-LISTEN:7006,fork,bind=127.0.0.1{isolate}",
              'SYSTEM:"echo ${NOTIFY_SOCKET-none}; ls -l /proc/self/fd"')
    manager.hears("READY=1")
    for _ in range(2):
        r = local.run("-u", "TCP4:127.0.0.1:7006", "-")
        assert r.out.startswith(b"none\n")
        assert not [n for n in re.findall(rb"(\d+) -> socket", r.out) if int(n) > 2]
    assert manager.look() == ["READY=1"]
    p.kill()
    manager.hears("READY=1", "STOPPING=1")


def test_chroot(local, manager, tmp_path):
    """The manager is heard even where its path cannot be reached."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root")
    (tmp_path / "root").mkdir()
    p = start(local, manager, "-u", "UDP4-RECV:7007", f"CREATE:{tmp_path}/out,chroot={tmp_path}/root")
    manager.hears("READY=1")
    assert os.readlink(f"/proc/{p.pid}/root") == f"{tmp_path}/root"
    p.kill()
    manager.hears("READY=1", "STOPPING=1")


@pytest.mark.parametrize("name", ["/nowhere/notify", "relative", "@", "/" + "x" * 200])
def test_a_manager_that_is_not_there(local, name):
    """It is said, and the relay works."""
    r = local.run("--notify", "-u", "TEXT:x", "-", env={"NOTIFY_SOCKET": name})
    assert r.status == 0 and r.out == b"x"
    assert "W NOTIFY_SOCKET" in r.log and name in r.log


def test_a_manager_that_went_away(local, manager):
    p = start(local, manager, "-u", "UDP4-RECV:7008", "-")
    manager.hears("READY=1")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(manager.name)
    manager.sock.close()
    p.kill()
    assert p.wait().status == 143


# ---- the unit ----

@pytest.fixture
def unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs the program systemd-analyze (package systemd)")
    with open(UNIT, encoding="utf-8") as f:
        text = re.sub(r"^ExecStart=\S+", "ExecStart=" + lab.SOCAST, f.read(), flags=re.M)
    path = tmp_path / "socast@test.service"
    path.write_text(text)
    return str(path)


def analyze(*args):
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=60)


def test_unit_is_valid(unit):
    r = analyze("verify", "--man=no", unit)
    assert r.returncode == 0 and not re.search(r"socast@", r.stderr), r.stderr


def test_unit_is_tight(unit):
    """The exposure systemd computes, of 100: 20 and less is called OK."""
    r = analyze("security", "--offline=true", "--threshold=20", unit)
    assert r.returncode == 0, r.stdout
    assert "Overall exposure level" in r.stdout
