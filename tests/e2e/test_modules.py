"""Modules and tcpwrap: where code is loaded from, which tables are asked, and who gets in."""
import os
import shutil
import signal
import socket
import subprocess

import pytest

import lab
from certs import Zoo
from test_tcp import LOOP, connect

SPY = '__attribute__((constructor)) static void spy(void) { fclose(fopen("%s", "w")); }'


@pytest.fixture(autouse=True, name="wrapped")
def _wrapped():
    if not lab.has("LIBWRAP"):
        pytest.skip("program built without libwrap")


def tables(d, allow="", deny=""):
    d.mkdir(exist_ok=True)
    (d / "hosts.allow").write_text(allow)
    (d / "hosts.deny").write_text(deny)
    return d


def plant(d, mark, *names):
    """Modules that leave @mark when they are loaded."""
    if not shutil.which("cc"):
        pytest.skip("needs a compiler")
    (d / "spy.c").write_text("#include <stdio.h>\n" + SPY % mark)
    for name in names:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", d / name, d / "spy.c"], check=True)


def in_mounts(local, script, *args, **kw):
    """The program in a mount name space of its own, where @script has been run."""
    if not lab.REAL_ROOT or not shutil.which("unshare") or "asan" in lab.SOCAST:
        pytest.skip("needs root, and a program without sanitizers")
    return local.command(["unshare", "-m", "sh", "-c", f'{script}; exec "$@"', "sh", lab.SOCAST, *args], **kw)


def own_etc(d, allow="", deny=""):
    """Script that puts @d with tables in the place of /etc."""
    tables(d, allow, deny)
    (d / "hosts").write_text("127.0.0.1 localhost\n")
    return f"mount --bind {d} /etc"


def test_two_addresses_of_datagrams(local, tmp_path):
    """One address has tables of its own, the other the system's: each asks its own, whoever asked last."""
    own = tables(tmp_path / "own")
    a, b = lab.port(), lab.port()
    p = in_mounts(local, own_etc(tmp_path / "etc", deny="ALL: ALL\n"), "-d", "-d", f"UDP4-RECV:{a},tcpwrap-etc={own}!!UDP4-SENDTO:{LOOP}:9",
                  f"UDP4-RECV:{b},tcpwrap=x!!STDOUT")
    p.wait_log("starting data transfer loop")
    s = local.udp()
    for _ in range(5):
        s.sendto(b"good", (LOOP, a))
        s.sendto(b"bad", (LOOP, b))
    p.wait_log("refusing connection")
    s.sendto(b"end", (LOOP, a))
    p.expect_output(23)
    assert p.out == 5 * b"good" + b"end"
    s.close()


def test_two_addresses_of_connections(local, tmp_path):
    own = tables(tmp_path / "own")
    a, b = lab.port(), lab.port()
    p = in_mounts(local, own_etc(tmp_path / "etc", deny="ALL: ALL\n"), "-d", "-d", f"TCP4-LISTEN:{a},fork,tcpwrap-etc={own}", f"TCP4-LISTEN:{b},reuseaddr,tcpwrap=x")
    p.wait_log("listening on")
    c = connect(local, a)
    for _ in range(5):
        connect(local, a).close()
        assert connect(local, b).recv(9) == b""
    assert "starting data transfer loop" not in p.log
    c.close()


def test_system_tables_after_others(local, tmp_path):
    """A table named by one address does not stay for the next."""
    a, b = lab.port(), lab.port()
    deny = tables(tmp_path / "deny", deny="ALL: ALL\n")
    p = in_mounts(local, own_etc(tmp_path / "etc"), "-d", "-d", f"UDP4-RECV:{a},tcpwrap-etc={deny}!!UDP4-SENDTO:{LOOP}:9", f"UDP4-RECV:{b},tcpwrap=x!!STDOUT")
    p.wait_log("starting data transfer loop")
    s = local.udp()
    s.sendto(b"bad", (LOOP, a))
    p.wait_log("refusing connection")
    s.sendto(b"x", (LOOP, b))
    p.wait_log("5 bytes|1 bytes|transferred|from|refusing")
    assert p.log.count("refusing") == 1
    s.close()


def test_nothing_is_loaded_from_here(local, tmp_path):
    """Where /proc does not tell where the program is, the current directory is not tried."""
    mark = tmp_path / "mark"
    plant(tmp_path, mark, "socast_wrap.so", "socast_tls.so", "socast_seal.so")
    for address in ("UDP4-RECV:0,tcpwrap", "OPENSSL-LISTEN:0,verify=0"):
        p = in_mounts(local, "mount -t tmpfs none /proc", "-u", address, "-", cwd=tmp_path)
        lab.wait_until(lambda p=p: p.ended() or p.log, 5, lambda p=p: repr(p))
        p.kill()
        assert not mark.exists()


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
@pytest.mark.parametrize("chroot", ["chroot", "chroot-early"])
def test_nothing_is_loaded_from_a_new_root(local, tmp_path, chroot):
    """A library that lies in the new root is not run; and the tables are those in there."""
    root, mark = tmp_path / "root", tmp_path / "root" / "mark"
    root.mkdir()
    tables(root / "etc", deny="ALL: 127.0.0.9\n")
    plant(root, "/mark", "socast_wrap.so", "socast_tls.so")
    port = lab.port()
    p = local.start("-d", "-d", "-u", f"UDP4-RECV:{port},tcpwrap,{chroot}={root}", "-")
    p.wait_log("starting data transfer loop")
    bad, good = local.udp(("127.0.0.9", 0)), local.udp()
    bad.sendto(b"bad", (LOOP, port))
    p.wait_log("refusing connection from AF=2 127.0.0.9")
    good.sendto(b"good", (LOOP, port))
    p.expect_output(b"good")
    assert not mark.exists() and not os.path.exists("/mark")
    bad.close()
    good.close()


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
def test_a_new_root_without_tables(local, tmp_path):
    """As in classic nothing is refused then; but it is said."""
    p = local.start("-d", "-d", "-u", f"UDP4-RECV:{lab.port()},tcpwrap,chroot={tmp_path}", "-")
    p.wait_log(f'W tcpwrap permits everybody: neither "{tmp_path}/etc/hosts.allow" nor')


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
@pytest.mark.parametrize("kind", ["UDP4-RECVFROM:{},fork", "UDP4-RECVFROM:{}", "UDP4-LISTEN:{},fork"])
def test_sessions_are_judged_in_the_old_root(local, tmp_path, kind):
    """Datagrams that begin a session are judged before a late chroot; and it is told of the tables that are asked."""
    root = tmp_path / "root"
    root.mkdir()
    tables(root / "etc-inside", deny="ALL: ALL\n")
    inside = tables(tmp_path / "outside", deny="ALL: 127.0.0.9\n")
    port = lab.port()
    p = local.start("-d", "-d", kind.format(port) + f",tcpwrap-etc={inside},chroot={root}", "PIPE")
    p.wait_log("listening on|receiving on|waiting")
    assert "permits everybody" not in p.log
    bad, good = local.udp(("127.0.0.9", 0)), local.udp()
    bad.sendto(b"bad", (LOOP, port))
    p.wait_log("refusing connection from AF=2 127.0.0.9")
    good.sendto(b"good", (LOOP, port))
    assert good.recv(9) == b"good"
    q = local.start("-d", "-d", kind.format(lab.port()) + f",tcpwrap-etc=/etc-inside,chroot={root}", "PIPE")
    q.wait_log('W tcpwrap permits everybody: neither "/etc-inside/hosts.allow" nor "/etc-inside/hosts.deny"')
    bad.close()
    good.close()


@pytest.mark.parametrize("option", ["hosts-allow", "hosts-deny"])
def test_a_table_that_is_named_and_not_there(local, tmp_path, option):
    """The library takes it for an empty one."""
    other = tmp_path / "other"
    other.write_text("")
    more = f",hosts-allow={other}" if option == "hosts-deny" else f",hosts-deny={other}"
    p = local.start(f"TCP4-LISTEN:{lab.port()},fork,tcpwrap,{option}={tmp_path}/typo{more}", "PIPE")
    p.wait_log(f'W the access table "{tmp_path}/typo" cannot be read: it counts as empty')


@pytest.mark.skipif(not lab.REAL_ROOT, reason="needs root")
@pytest.mark.parametrize("left", ["TCP4-LISTEN:{},fork,chroot={}", "TCP4-LISTEN:{},fork,chroot-early={}", "TCP4-LISTEN:{},chroot={}"])
def test_tls_in_a_new_root(local, tmp_path, left):
    """The right address needs a module that is not in the root of the left one. So it works in classic."""
    if not lab.has("OPENSSL"):
        pytest.skip("built without OpenSSL")
    zoo = Zoo(str(tmp_path / "zoo")) if (tmp_path / "zoo").mkdir() is None else None
    root, a, b = tmp_path / "root", lab.port(), lab.port()
    root.mkdir()
    plant(root, "/mark", "socast_tls.so")
    far = local.start("-d", "-d", f"OPENSSL-LISTEN:{b},cert={zoo / 'server.pem'},verify=0", "PIPE")
    far.wait_log("listening on")
    p = local.start("-d", "-d", left.format(a, root), f"OPENSSL:{LOOP}:{b},verify=0")
    p.wait_log("listening on")
    c = connect(local, a)
    c.sendall(b"x")
    assert c.recv(9) == b"x", p
    assert not (root / "mark").exists()
    c.close()


def test_modules_are_looked_for_once(local, tmp_path):
    """200 datagrams, one look."""
    if not shutil.which("strace") or "asan" in lab.SOCAST:
        pytest.skip("needs strace(1), and a program without sanitizers")
    port, trace = lab.port(), tmp_path / "trace"
    p = local.command(["strace", "-f", "-e", "trace=openat,readlink", "-o", trace, lab.SOCAST, "-d", "-d", "-u", f"UDP4-RECV:{port},tcpwrap-etc={tables(tmp_path / 't')}", "-"])
    p.wait_log("starting data transfer loop")
    s = local.udp()
    for _ in range(200):
        s.sendto(b"x", (LOOP, port))
    p.expect_output(200)
    for pid in lab.descendants(p.pid):      # strace(1) itself is deaf
        os.kill(pid, signal.SIGTERM)
    p.wait()
    text = trace.read_text()
    assert text.count("socast_wrap.so") == 1 and text.count("/proc/self/exe") == 1, text
    s.close()


@pytest.mark.parametrize("allow,deny,peer,ok", [
    ("", "", LOOP, True), ("ALL: ALL", "ALL: ALL", LOOP, True), ("x: localhost", "ALL: ALL", LOOP, True), ("x: 127.0.0.0/255.0.0.0", "ALL: ALL", "127.0.0.9", True),
    ("x: localhost", "ALL: ALL", "127.0.0.9", False), ("x: .example.test", "ALL: ALL", "127.0.0.9", False), ("", "ALL: .example.test", "127.0.0.9", False),
    ("x: 127.0.0.9", "ALL: .example.test", "127.0.0.9", True), ("x: joe@127.0.0.9", "ALL: ALL", "127.0.0.9", False), ("", "ALL: 127.0.0.", LOOP, False)])
def test_names_in_tables(local, tmp_path, allow, deny, peer, ok):
    """Names are those of /etc/hosts. A rule that needs another one refuses, at once: classic would ask a name server meanwhile."""
    d = tables(tmp_path / "t", allow + "\n", deny + "\n")
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork,tcpwrap=x,tcpwrap-etc={d}", "PIPE")
    p.wait_log("listening on")
    c = connect(local, port, bind=(peer, 0), timeout=2)
    if ok:
        c.sendall(b"y")
    assert c.recv(9) == (b"y" if ok else b""), p
    if "example" in allow + deny and not ok:
        p.wait_log("W refusing connection from .* due to tcpwrapper option: a rule needs its name, and /etc/hosts has none")
    c.close()


def test_ipv6_and_mapped_peers(local, tmp_path):
    """An IPv4 client of an IPv6 socket is found by its IPv4 address."""
    d = tables(tmp_path / "t", "x: [::1]\n", "ALL: ALL\n")
    port = lab.port()
    p = local.start("-d", "-d", f"TCP6-LISTEN:{port},fork,ipv6only=0,tcpwrap=x,tcpwrap-etc={d}", "PIPE")
    p.wait_log("listening on")
    c = connect(local, port, addr="::1")
    c.sendall(b"x")
    assert c.recv(9) == b"x"
    with local.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.connect((LOOP, port))
        assert s.recv(9) == b""
    c.close()
