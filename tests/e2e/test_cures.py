"""Mistakes that people make, and the line behind the error that mends them. Classic has the error only."""
import os
import re
import shutil
import socket

import pytest

import lab
from test_tcp import connect


def cure(local, *args, status=1, **kw):
    """The error as it was, then what to do."""
    r = local.run(*args, **kw)
    assert r.status == status, r
    return r.log


NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]
needs_setpriv = pytest.mark.skipif(not lab.REAL_ROOT or not shutil.which("setpriv"), reason="needs root, and setpriv to give it up")


def as_nobody(local, *args):
    return local.command([*NOBODY, lab.SOCAST, *args]).wait(8)


# ---------------------------------------------------------------- ports

@pytest.mark.parametrize("kind,family,host", [(socket.SOCK_STREAM, socket.AF_INET, "127.0.0.1"), (socket.SOCK_DGRAM, socket.AF_INET, "127.0.0.1"),
                                              (socket.SOCK_STREAM, socket.AF_INET6, "::1"), (socket.SOCK_DGRAM, socket.AF_INET6, "::1")])
def test_who_has_the_port(local, kind, family, host):
    port, name = lab.port(), "TCP" if kind == socket.SOCK_STREAM else "UDP"
    version = 4 if family == socket.AF_INET else 6
    p = local.start("-u", f"{name}{version}-LISTEN:{port},bind={'[::1]' if version == 6 else host}", "-")
    lab.wait_until(lambda: re.search(rf":{port:04X} ", "".join(open(f"/proc/{p.pid}/net/{name.lower()}{'6' if version == 6 else ''}", encoding="ascii"))), 5, "no socket")
    log = cure(local, f"{name}{version}-LISTEN:{port}", "-")
    assert re.search(rf"E bind\(.*: Address already in use\n.* W port {port} is held by process {p.pid} \(socast\)\n", log), log
    p.stop()


@pytest.mark.parametrize("line", [["TCP4-LISTEN:{},fork", "PIPE"], ["STALL", "TCP4-LISTEN:{},fork"], ["UDP4-LISTEN:{},fork", "PIPE"],
                                  ["-u", "UDP4-RECV:{}", "-"], ["TCP4:127.0.0.1:1,sourceport={}", "-"], ["TLS-LISTEN:{},fork,verify=0", "PIPE"]])
def test_who_has_the_port_of_a_service(local, line):
    """Of listeners that serve many, too; not looked for in each of their sessions."""
    if "TLS" in line[0] and not lab.has("OPENSSL"):
        pytest.skip("program built without OpenSSL")
    port = lab.port()
    udp = "UDP" in "".join(line)
    p = local.start("-u", f"{'UDP' if udp else 'TCP'}4-LISTEN:{port}", "-")
    lab.wait_until(lambda: re.search(rf":{port:04X} ", "".join(open(f"/proc/{p.pid}/net/{'udp' if udp else 'tcp'}", encoding="ascii"))), 5, "no socket")
    log = cure(local, *[word.format(port) for word in line])
    assert log.count(f" W port {port} is held by process {p.pid} (socast)\n") == 1, log
    p.stop()


def test_another_address_is_not_in_the_way(local):
    """Of two sockets with the port the one with the address in question is named; an IPv6 wildcard holds IPv4, too."""
    port = lab.port()
    a = local.start(f"TCP4-LISTEN:{port},bind=127.0.0.2", "-")
    b = local.start(f"TCP6-LISTEN:{port},bind=[::]", "-")
    c = local.start(f"TCP4-LISTEN:{port},bind=127.0.0.3", "-")
    lab.wait_until(lambda: len(re.findall(rf":{port:04X} ", "".join(open(f"/proc/{a.pid}/net/{t}", encoding="ascii").read() for t in ("tcp", "tcp6")))) >= 2, 5, "no sockets")
    log = cure(local, f"TCP4-LISTEN:{port},bind=127.0.0.2", "-")
    assert f"held by process {a.pid} (socast)" in log or f"held by process {b.pid}" in log, log
    for p in (a, b, c):
        p.stop()


def test_the_port_of_metrics(local):
    port = lab.port()
    p = local.start(f"--metrics={port}", "TCP4-LISTEN:0", "-")
    lab.wait_until(lambda: re.search(rf":{port:04X} ", "".join(open(f"/proc/{p.pid}/net/tcp", encoding="ascii"))), 5, "no socket")
    assert f"port {port} is held by process {p.pid} (socast)" in cure(local, f"--metrics={port}", "-", "-")
    p.stop()


@needs_setpriv
def test_somebody_elses_port(local):
    """Without the right to look the user is told."""
    port = lab.port()
    p = local.start(f"TCP4-LISTEN:{port}", "-")
    lab.wait_until(lambda: re.search(rf":{port:04X} ", "".join(open(f"/proc/{p.pid}/net/tcp", encoding="ascii"))), 5, "no socket")
    r = as_nobody(local, f"TCP4-LISTEN:{port}", "-")
    assert re.search(rf" W port {port} is held by a process of user 0 that cannot be seen\n", r.log), r
    p.stop()


def test_a_connection_that_is_over(local):
    """TIME_WAIT: nobody has the port any more, and nobody gets it without reuseaddr."""
    port = lab.port()
    p = local.start(f"TCP4-LISTEN:{port}", "TEXT:x")
    lab.wait_until(lambda: re.search(rf":{port:04X} ", "".join(open(f"/proc/{p.pid}/net/tcp", encoding="ascii"))), 5, "no socket")
    c = connect(local, port)
    assert c.recv(9) == b"x" and c.recv(9) == b""
    c.close()
    p.wait(5)
    log = cure(local, f"TCP4-LISTEN:{port},reuseaddr=0,accept-timeout=1", "-")
    assert f"port {port} is held by a connection that is over; option reuseaddr takes it all the same" in log, log


def test_a_port_again_and_again(local):
    """With retry the processes are looked through once, for the last attempt."""
    port = lab.port()
    p = local.start(f"TCP4-LISTEN:{port}", "-")
    lab.wait_until(lambda: re.search(rf":{port:04X} ", "".join(open(f"/proc/{p.pid}/net/tcp", encoding="ascii"))), 5, "no socket")
    log = cure(local, "-ddd", f"TCP4-LISTEN:{port},retry=3,interval=0.01", "-")
    assert log.count("Address already in use") >= 4 and log.count("is held by") == 1, log
    p.stop()


@needs_setpriv
@pytest.mark.parametrize("address", ["TCP4-LISTEN:80", "UDP4-RECV:80", "TCP6-LISTEN:80", "UDP4-DATAGRAM:127.0.0.1:9999,bind=:80"])
def test_a_low_port(local, address):
    """What --explain knows stands behind the error, too."""
    r = as_nobody(local, "-u", address, "-")
    assert r.status == 1 and re.search(r"E bind\(.*: Permission denied\n.* W ports below 1024 need the capability CAP_NET_BIND_SERVICE; "
                                       r"for everybody: sysctl net\.ipv4\.ip_unprivileged_port_start=80\n", r.log), r


# ---------------------------------------------------------------- datagrams

@pytest.mark.parametrize("address", ["UDP4:192.168.10.255:9", "UDP4-SENDTO:192.168.10.255:9", "UDP4-DATAGRAM:192.168.10.255:9", "UDP:192.168.10.255:9"])
def test_broadcast(lan, address):
    r = lan[0].run("-", address, input=b"x")
    assert r.status == 1 and "Permission denied\n" in r.log and " W 192.168.10.255 is a broadcast address; add option broadcast\n" in r.log, r
    r = lan[0].run("-", address + ",broadcast", input=b"x")
    assert r.status == 0, r


@pytest.mark.parametrize("address", ["UDP4-RECV:{}", "UDP6-RECV:{}", "UDPLITE4-RECV:{}", "UNIX-RECV:{}", "ABSTRACT-RECV:{}"])
def test_who_hears_only(local, tmp_path, address):
    name = address.split("-")[0]
    where = tmp_path / "s" if name in ("UNIX", "ABSTRACT") else lab.port()
    r = local.run("-T.3", "-", address.format(where), input=b"x")
    assert re.search(rf"W address is opened in read-write mode but only supports read-only\n.* W {name}-RECV hears only: use -u and put it first, or use {name}-RECVFROM\n", r.log), r
    assert " E " not in r.log, r


def test_who_is_written_to_only(local, tmp_path):
    r = local.run(f"CREATE:{tmp_path}/f", "TEXT:x")
    assert "W CREATE can only be written to: use -u and put it second\n" in r.log, r
    r = local.run("TEXT:x", f"CREATE:{tmp_path}/f")
    assert "W CREATE can only be written to: use -u\n" in r.log, r
    r = local.run("-T.1", "UDP4-RECV:6001", "-")
    assert "W UDP4-RECV hears only: use -u, or use UDP4-RECVFROM\n" in r.log, r


def test_bound_to_a_group_without_joining(local):
    r = local.run("-T.1", "-u", "UDP4-RECV:5000,bind=239.1.2.3", "-")
    assert "bound to the group 239.1.2.3, which this address does not join" in r.log and "ip-add-membership=239.1.2.3:INTERFACE" in r.log, r
    r = local.run("-T.1", "-u", "IP4-RECV:200,bind=239.1.2.3", "-")
    assert "bound to the group 239.1.2.3" in r.log, r
    r = local.run("-T.1", "-u", "UDP6-RECV:5000,bind=[ff15::1]", "-")
    assert "add option ipv6-join-group=[ff15:" in r.log, r
    r = local.run("-T.1", "-u", "UDP4-RECV:5000,bind=239.1.2.3,ip-add-membership=239.1.2.3:lo", "-")
    assert r.log == "", r


# ---------------------------------------------------------------- types, options, words

@pytest.mark.parametrize("address,types", [
    ("UNIX-CONNECT:/x", "UNIX-LISTEN, UNIX-RECVFROM, ABSTRACT-LISTEN, ABSTRACT-RECVFROM"), ("UDP4:a:1", "UDP4-LISTEN, UDP4-RECVFROM"),
    ("UDPLITE6-SENDTO:a:1", "UDPLITE6-LISTEN, UDPLITE6-RECVFROM"), ("OPEN:/x", "UDP-LISTEN, ")])
def test_fork_on_the_wrong_type(local, address, types):
    """The kin come first."""
    assert f'option "fork" fits {types}' in cure(local, "--check", f"{address},fork", "-")


@pytest.mark.parametrize("word", ["MCAST:5000:239.1.2.3", "UDP4-DATAGRAM:5000:239.1.2.3", "TCP4:80:example.org"])
def test_port_before_host(local, word):
    assert re.search(r"the (host|group) (stands )?first, then the port", cure(local, word, "-"))


@pytest.mark.parametrize("words,hint", [
    ("8081 10.77.0.2:80", "an address begins with a type: TCP:10.77.0.2:80"), ("- localhost:80", "an address begins with a type: TCP:localhost:80"),
    ("- 10.0.0.1", "an address begins with a type: TCP:10.0.0.1:<port>"), ("- [::1]:80", "an address begins with a type: TCP:[::1]:80"),
    ("- example.org", "an address begins with a type: TCP:example.org:<port>"), ("- 239.1.2.3:5000", "an address begins with a type: MCAST:239.1.2.3:5000"),
    ("- [ff15::1]:5000", "MCAST:[ff15::1]:5000"), ("- HTTP:a:80", "a proxy PROXY"), ("- https://a", "a web server is"), ("- SERIAL:/dev/x", "OPEN:/dev/ttyUSB0"),
    ("- ssh:host", 'EXEC:"ssh'), ("- bash", "a program is EXEC"), ("- multicast:239.1.2.3:5", "a group is MCAST"), ("- broadcast:5", "BCAST:<port>")])
def test_no_type(local, words, hint):
    assert " W " in (log := cure(local, "--check", *words.split())) and hint in log


def test_a_url(local):
    for args in (("-", "udp://10.0.0.1:5"), ("-", "TCP4://10.0.0.1:5")):
        for flags in ((), ("--check",)):
            assert f"an address is no URL: {args[1].split(':')[0]}:10.0.0.1" in cure(local, *flags, *args)


@pytest.mark.parametrize("address,hint", [
    ("TCP6:[fe80::1]:5", "[fe80::1%"), ("UDP6:[fe80::1]:5", "[fe80::1%"), ("TCP4-LISTEN:5,bind=9.9.9.9", "bind to an address of this host, or to the port only; there are: lo 127.0.0.1"),
    ("TCP4:127.0.0.1:1,bind=9.9.9.9", "bind to an address of this host")])
def test_addresses_of_this_host(local, address, hint):
    assert hint in cure(local, "-", address)


def test_shell_without_shell(local):
    log = cure(local, "-", "SHELL:true", env={"SHELL": None})
    assert re.search(r"E SHELL variable undefined\n.* W name one with option shell=/bin/sh, or use SYSTEM\n", log), log
    assert local.run("-", "SHELL:true,shell=/bin/sh", env={"SHELL": None}).status == 0


def test_status_of_a_command(local, tmp_path):
    """Classic tells what waitpid(2) said, 768 for 3; so does this program when it is called socat."""
    assert 'system("exit 3") returned with status 3\n' in cure(local, "-u", "SYSTEM:exit 3", "-")
    os.symlink(lab.SOCAST, tmp_path / "socat")
    assert 'system("exit 3") returned with status 768\n' in cure(local, "-u", "SYSTEM:exit 3", "-", prog=str(tmp_path / "socat"))


# ---------------------------------------------------------------- UNIX sockets, proxies

def test_unix_socket_that_is_not_there(local, tmp_path):
    path = tmp_path / "s"
    assert re.search(rf'E connect\(\d+, AF=1 "{path}", \d+\): No such file or directory\n.* W there is no such socket', cure(local, "-", f"UNIX-CONNECT:{path}"))
    os.symlink(lab.SOCAST, tmp_path / "socat")
    assert f'E connect(, AF=1 "{path}"' in cure(local, "-", f"UNIX-CONNECT:{path}", prog=str(tmp_path / "socat"))
    path.write_text("")
    assert "W it is no socket" in cure(local, "-", f"UNIX-CONNECT:{path}")
    path.unlink()
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.close()
    assert "W nobody listens at it any more" in cure(local, "-", f"UNIX-CONNECT:{path}")


@needs_setpriv
def test_unix_socket_of_another_user(local):
    path = f"/tmp/socast-test-{os.getpid()}"
    p = local.start(f"UNIX-LISTEN:{path},mode=0600", "-")
    lab.wait_until(lambda: os.path.exists(path), 5, "no socket")
    r = as_nobody(local, "-", f"UNIX-CONNECT:{path}")
    assert re.search(r"E connect\(\d+, AF=1 .*: Permission denied\n.* W it belongs to user 0 and group 0 and has mode 0600", r.log), r
    p.stop()


@pytest.mark.parametrize("options,hello,answer,said", [
    ("", b"\5\1\0", b"\5\xff", "if it wants a password, give options socksuser and sockspass"),
    (",socksuser=a,sockspass=b", b"\5\2\0\2", b"\5\xff", "it takes neither clients without a name nor passwords"),
    ("", b"\5\1\0", b"\5\2", "the server wants a password: give options socksuser and sockspass")])
def test_socks_server_that_wants_a_password(local, options, hello, answer, said):
    port = lab.port()
    server = local.socket(socket.AF_INET, socket.SOCK_STREAM, bind=("127.0.0.1", port))
    server.listen()
    p = local.start("-", f"SOCKS5:127.0.0.1:host.test:80,socksport={port}{options}")
    c, _ = server.accept()
    assert c.recv(9) == hello
    c.sendall(answer)
    assert said in p.wait(5).log
    c.close()
    server.close()
