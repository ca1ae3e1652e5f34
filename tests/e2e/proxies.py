"""Servers in between, for the tests of SOCKS and HTTP proxies: scripted and real ones."""
import contextlib
import os
import shutil
import socket
import subprocess
import threading

import pytest

import lab
from test_tcp import BIG, LOOP, accept, connect, read_all, server


def take(s, n):
    """Exactly @n bytes."""
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        assert part, f"end of file after {data!r}"
        data += part
    return data


def play(listener, dialogue):
    """Accept a connection and follow the script: [(bytes that must come, answer), …]. Nothing else may
    come before the answer is given. Returns the connection."""
    c, _ = accept(listener)
    if c.family != socket.AF_UNIX:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for want, answer in dialogue:
        assert take(c, len(want)) == want
        c.setblocking(False)
        with pytest.raises(BlockingIOError):
            c.recv(1)
        c.settimeout(5 * lab.SLOW)
        c.sendall(answer)
    return c


def both_ways(p, c):
    """A large transfer through the open connection @c of program @p, in both directions."""
    back = threading.Thread(target=lambda: (c.sendall(BIG), c.shutdown(socket.SHUT_WR)))
    got = []
    there = threading.Thread(target=lambda: got.append(read_all(c)))
    back.start()
    there.start()
    p.send(BIG)
    p.close_stdin()
    assert p.wait(20).status == 0, p
    back.join()
    there.join()
    assert got[0] == BIG


def echo(local, addr=LOOP):
    """A server of the test's own that returns what it gets; its port."""
    s, port = server(local, addr)

    def one(c):
        with c, contextlib.suppress(OSError):
            while data := c.recv(1 << 16):
                c.sendall(data)

    def serve():
        with s:
            for _ in range(1000):
                try:
                    c, _ = s.accept()
                except OSError:
                    return
                c.settimeout(30 * lab.SLOW)
                threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return port


def start(local, port, argv, addr=LOOP):
    """Start a real server and wait until it listens on @port."""
    path = shutil.which(argv[0], path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not path:
        pytest.skip(f"no program {argv[0]}")
    p = local.command([path, *argv[1:]])
    with connect(local, port, addr):
        pass
    assert not p.ended(), p
    return p


def microsocks(local, *args):
    port = lab.port()
    start(local, port, ["microsocks", "-i", LOOP, "-p", str(port), *args])
    return port


def danted(local, tmp_path):
    """A server of Dante: SOCKS 4, 4A and 5 with all commands."""
    if not lab.REAL_ROOT:
        pytest.skip("danted needs to be root")
    port, conf = lab.port(), tmp_path / "danted.conf"
    conf.write_text(f"""logoutput: stderr
internal: {LOOP} port = {port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks pass {{ from: 0/0 to: 0/0 command: bind connect bindreply }}
""", encoding="ascii")
    start(local, port, ["danted", "-f", str(conf), "-p", str(tmp_path / "danted.pid")])
    return port


def ssh_server(local, tmp_path):
    """The command line that runs something by ssh: an sshd with keys made here."""
    if not lab.REAL_ROOT:
        pytest.skip("sshd needs to be root")
    if not shutil.which("ssh-keygen"):
        pytest.skip("no program ssh-keygen")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True, timeout=20)
    conf, port = tmp_path / "sshd_config", lab.port()
    conf.write_text(f"""ListenAddress {LOOP}:{port}
HostKey {tmp_path}/host
AuthorizedKeysFile {tmp_path}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
""", encoding="ascii")
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if not sshd:
        pytest.skip("no program sshd")
    # sshd wants a directory below /run, which is made for it alone
    start(local, port, ["unshare", "-m", "sh", "-c", f"mount -t tmpfs run /run && mkdir /run/sshd && exec {sshd} -D -e -f {conf}"])
    return ["ssh", "-F", "none", "-i", str(tmp_path / "user"), "-p", str(port), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"root@{LOOP}"]


def ssh(local, tmp_path):
    """The port of ssh -D."""
    program, socks = ssh_server(local, tmp_path), lab.port()
    start(local, socks, [*program[:-1], "-N", "-D", f"{LOOP}:{socks}", program[-1]])
    return socks


def tinyproxy(local, tmp_path, extra=""):
    port, conf = lab.port(), tmp_path / "tinyproxy.conf"
    conf.write_text(f"Port {port}\nListen {LOOP}\nTimeout 60\nMaxClients 300\n{extra}\n", encoding="ascii")
    start(local, port, ["tinyproxy", "-d", "-c", str(conf)])
    return port


def relays(local, address, data=BIG):
    """@data go there and come back by way of a real server. Some servers close the connection when
    one direction ends, so the end comes last."""
    p = local.start("-d", "-d", "-d", "-", address)
    p.send(data)
    p.expect_output(len(data), 30)
    p.close_stdin()
    r = p.wait()
    assert r.status == 0 and r.out == data, r
    return r


def fan(local, address, n=200):
    """@n clients at the same time, each with a connection of its own by way of the server."""
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork", address)
    p.wait_log("listening on")
    clients = [connect(local, port, timeout=20) for _ in range(n)]
    for i, c in enumerate(clients):
        c.sendall(b"client %d" % i)
    for i, c in enumerate(clients):
        want = b"client %d" % i
        assert take(c, len(want)) == want
    for c in clients:
        c.shutdown(socket.SHUT_WR)
        assert c.recv(1) == b""
        c.close()
    assert not [line for line in p.log.splitlines() if " E " in line or " W " in line], p
    lab.wait_until(lambda: len(lab.descriptors(p.pid)) < 20, 5, "descriptors are left")
    assert p.stop().status == 143
