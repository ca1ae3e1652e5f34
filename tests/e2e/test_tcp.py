"""TCP, SCTP and DCCP: CONNECT and LISTEN."""
import os
import re
import select
import shutil
import signal
import socket
import struct
import threading
import time

import pytest

import lab

BIG = os.urandom(3 << 20)
LOOP = "127.0.0.1"


def connect(host, port, addr=LOOP, bind=None, timeout=5):
    """A TCP client; waits until somebody listens."""
    end = lab.Deadline(5)
    while True:
        s = host.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM, timeout=timeout)
        try:
            if bind:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(bind)
            s.connect((addr, port))
            return s
        except ConnectionRefusedError:
            s.close()
            assert end.left(), f"nobody listens on {addr}:{port}"
            lab.pump(0.01)


def server(host, addr=LOOP, port=0, timeout=5):
    s = host.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM, timeout=timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, port))
    s.listen(128)
    return s, s.getsockname()[1]


def accept(listener, timeout=5):
    """accept() that goes on reading the programs' output."""
    lab.wait_until(lambda: select.select([listener], [], [], 0)[0], timeout, "nobody connects")
    s, peer = listener.accept()
    s.settimeout(timeout * lab.SLOW)
    return s, peer


def read_all(s):
    data = b""
    while True:
        part = s.recv(1 << 20)
        if not part:
            return data
        data += part


def listening(host, *args, **kw):
    p = host.start("-d", "-d", *args, **kw)
    p.wait_log(r"listening on")
    return p


def reset(s):
    """Close so that the other side gets RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# ---------------------------------------------------------------- bytes

@pytest.mark.parametrize("family,addr", [("TCP4", LOOP), ("TCP6", "[::1]"), ("TCP", LOOP), ("TCP", "[::1]"), ("INET", LOOP), ("tcp", "localhost")])
def test_a_megabyte_there_and_back(local, fast, family, addr):
    """Everything arrives, in both directions, and end of file is passed on."""
    listener = "::1" if "::" in addr else LOOP
    s, port = server(local, listener)
    p = local.start("-", f"{family}:{addr}:{port}")
    c, _ = accept(s)
    back = threading.Thread(target=lambda: (c.sendall(BIG), c.shutdown(socket.SHUT_WR)))
    got = []
    there = threading.Thread(target=lambda: got.append(read_all(c)))
    back.start()
    there.start()
    p.send(BIG)
    p.close_stdin()
    assert p.wait(20).status == 0
    there.join()
    back.join()
    assert got[0] == BIG and p.out == BIG


@pytest.mark.parametrize("kind,addr", [("TCP4-LISTEN", LOOP), ("TCP6-LISTEN", "::1"), ("TCP-L", LOOP), ("INET-L", LOOP), ("TCP4-L", LOOP)])
def test_listen_serves_one(local, fast, kind, addr):
    """Without fork: one connection, then the port is free, and the session ends with it."""
    port = lab.port()
    p = listening(local, f"{kind}:{port}", "PIPE")
    c = connect(local, port, addr)
    c.sendall(BIG[:100000])
    c.shutdown(socket.SHUT_WR)
    assert read_all(c) == BIG[:100000] and p.wait().status == 0
    c.close()


@pytest.mark.parametrize("first,second", [("TCP4-LISTEN:{a},reuseaddr", "TCP4:127.0.0.1:{b}"), ("TCP4-LISTEN:{a},fork", "TCP4:127.0.0.1:{b}")])
def test_half_close(local, fast, first, second):
    """The client says that it is done; the server's late answer still comes."""
    s, b = server(local)
    a = lab.port()
    listening(local, "-t", "5", first.format(a=a), second.format(b=b))
    c = connect(local, a)
    c.sendall(b"question")
    c.shutdown(socket.SHUT_WR)
    d, _ = accept(s)
    assert read_all(d) == b"question"
    lab.rest(0.2)
    d.sendall(b"answer")
    d.close()
    assert read_all(c) == b"answer"


def test_against_the_reference(local, fast):
    """Both ways round with the program people come from."""
    if not os.access(lab.SOCAT_REF, os.X_OK):
        pytest.skip("no reference program")
    port = lab.port()
    p = local.command([lab.SOCAT_REF, "-d", "-d", f"TCP4-LISTEN:{port}", "PIPE"])
    p.wait_log("listening on")
    assert local.run("-", f"TCP4:{LOOP}:{port}", input=BIG).out == BIG
    port = lab.port()
    listening(local, f"TCP4-LISTEN:{port}", "PIPE")
    r = local.run("-", f"TCP4:{LOOP}:{port}", input=BIG, prog=lab.SOCAT_REF)
    assert r.out == BIG


@pytest.mark.parametrize("client", [["nc", "-N"], ["ncat"]])
def test_against_netcat(local, client):
    """A client that users have at hand."""
    if not shutil.which(client[0]):
        pytest.skip(f"needs {client[0]}")
    port = lab.port()
    listening(local, f"TCP4-LISTEN:{port},fork", "SYSTEM:tr a-z A-Z")
    p = local.command([*client, LOOP, str(port)])
    p.send(b"hello\n")
    p.close_stdin()
    assert p.wait().out == b"HELLO\n"


def test_file_to_tcp_by_sendfile(local, tmp_path, fast):
    """A file goes out whole, from its offset, and readbytes limits it."""
    (tmp_path / "f").write_bytes(BIG)
    for option, want in (("", BIG), (",readbytes=1234567", BIG[:1234567]), (",seek=1000", BIG[1000:])):
        s, port = server(local)
        p = local.start("-ddd", "-u", f"OPEN:{tmp_path}/f{option}", f"TCP4:{LOOP}:{port}")
        c, _ = accept(s)
        time.sleep(0.05)                # let it fill the socket
        got = []
        t = threading.Thread(target=lambda c=c: got.append(read_all(c)))
        t.start()
        assert p.wait().status == 0
        t.join()
        assert got[0] == want
        assert ("by sendfile" in p.log) == fast


def test_tcp_to_file(local, tmp_path, fast):
    port = lab.port()
    p = listening(local, "-u", f"TCP4-LISTEN:{port}", f"CREATE:{tmp_path}/f")
    c = connect(local, port)
    c.sendall(BIG)
    c.close()
    assert p.wait().status == 0 and (tmp_path / "f").read_bytes() == BIG


@pytest.mark.whole
def test_datagrams_into_a_stream_and_back(local, fast):
    """Borders end at a byte stream; a stream is cut into blocks of -b."""
    s, port = server(local)
    up = lab.port()
    p = local.start("-d", "-d", "-b", "100", f"UDP4-LISTEN:{up}", f"TCP4:{LOOP}:{port}")
    p.wait_log("listening on")
    u = local.udp()
    u.sendto(b"a" * 1000, (LOOP, up))
    c, _ = accept(s)
    u.sendto(b"b" * 1000, (LOOP, up))
    got = b""
    while len(got) < 2000:
        got += c.recv(4096)
    assert got == b"a" * 1000 + b"b" * 1000
    c.sendall(b"z" * 250)
    sizes = [len(u.recv(4096)) for _ in range(3)]
    assert sizes == [100, 100, 50]
    p.stop()


# ---------------------------------------------------------------- connecting

def test_refused(local):
    """The target is named as it was typed."""
    port = lab.port()
    r = local.run("-", f"tcp4:{LOOP}:{port}")
    assert r.status == 1
    assert re.search(rf"W connect\(\d+, AF=2 127\.0\.0\.1:{port}, 16\): Connection refused\n.* E tcp4:127\.0\.0\.1:{port}: Connection refused", r.log)


def test_all_addresses_of_a_name_are_tried(local):
    """localhost is ::1 and 127.0.0.1: the one that nobody serves is passed over."""
    hosts = open("/etc/hosts", encoding="ascii").read()
    if not re.search(r"^::1\s.*localhost", hosts, re.M):
        pytest.skip("localhost has no IPv6 address here")
    s, port = server(local, LOOP)
    p = local.start("-d", "-d", "-6", "-", f"TCP:localhost:{port}")
    accept(s)[0].close()
    p.wait_log(r"N connect\(\d+, AF=10 .*Connection refused")
    p.wait_log(r"N successfully connected to localhost")
    s.close()
    s, port = server(local, "::1")
    p = local.start("-d", "-d", "-4", "-", f"TCP:localhost:{port}")
    accept(s)[0].close()
    p.wait_log(r"N connect\(\d+, AF=2 .*Connection refused")


@pytest.mark.parametrize("option,first", [("-4", "AF=2"), ("-6", "AF=10")])
def test_preferred_version(local, option, first):
    hosts = open("/etc/hosts", encoding="ascii").read()
    if not re.search(r"^::1\s.*localhost", hosts, re.M):
        pytest.skip("localhost has no IPv6 address here")
    r = local.run("-d", "-d", option, "-", f"TCP:localhost:{lab.port()}")
    assert re.search(r"opening connection to (AF=\d+) ", r.log).group(1) == first
    assert r.log.count("N opening connection to AF=") == 2 and r.status == 1


@pytest.mark.parametrize("pf,ok", [("ip4", True), ("ip6", False), ("2", True)])
def test_pf(local, pf, ok):
    s, port = server(local, LOOP)
    r = local.start("-d", "-d", "-u", "TEXT:x", f"TCP:{LOOP}:{port},pf={pf}")
    if ok:
        assert read_all(accept(s)[0]) == b"x"
        assert r.wait().status == 0
    else:
        assert r.wait().status == 1 and "Address family for hostname not supported" in r.log


def test_bind_and_sourceport(local):
    """A client's own address and port, in all spellings."""
    s, port = server(local)
    for spelling, want in (("bind=127.0.0.5", ("127.0.0.5", None)), ("bind=:{n}", (LOOP, "n")), ("bind=127.0.0.6:{n}", ("127.0.0.6", "n")),
                           ("sourceport={n}", (LOOP, "n")), ("bind=127.0.0.7,sourceport={n}", ("127.0.0.7", "n"))):
        n = lab.port()
        p = local.start("-u", "TEXT:x", f"TCP4:{LOOP}:{port},reuseaddr,{spelling.format(n=n)}")
        c, peer = accept(s)
        assert peer[0] == want[0] and (want[1] is None or peer[1] == n)
        assert p.wait().status == 0
        c.close()
    p = local.start("-u", "TEXT:x", f"TCP4:{LOOP}:{port},bind=localhost")     # a name: looked up in the loop
    c, peer = accept(s)     # kept: a peer that closes unread data is told
    assert peer[0] == LOOP and p.wait().status == 0
    p = local.start("-u", "TEXT:x", f"TCP4:{LOOP}:{port},lowport")
    c, peer = accept(s)
    assert 640 <= peer[1] < 1024 and p.wait().status == 0


def test_bind_of_the_wrong_version(local):
    """A target that the bind address cannot reach is passed over, with a reason."""
    r = local.run("-", f"TCP:localhost:{lab.port()},bind=[::1],pf=ip4")
    assert "No bind address with matching address family (2) of localhost available" in r.log
    assert r.status == 1 and "Protocol not available" in r.log


def test_connect_timeout(lan):
    """An address that does not answer: the wait ends when it is told to."""
    host = lan[0]
    host.ip("neigh replace 192.168.10.77 lladdr 02:00:00:00:77:77 dev eth0")
    start = time.monotonic()
    r = host.run("-", "TCP4:192.168.10.77:80,connect-timeout=0.3", input=None)
    assert r.status == 1 and time.monotonic() - start < 3
    assert re.search(r"W connecting to AF=2 192\.168\.10\.77:80: Connection timed out", r.log)
    assert "E TCP4:192.168.10.77:80: Connection timed out" in r.log


def test_unreachable(local):
    r = local.run("-", "TCP4:10.99.99.99:80")
    assert r.status == 1 and "Network is unreachable" in r.log and "E TCP4:10.99.99.99:80" in r.log


def test_retry_counts(local):
    """retry=2: three attempts, the first two at notice level."""
    start = time.monotonic()
    r = local.run("-d", "-d", "-", f"TCP4:{LOOP}:{lab.port()},retry=2,interval=0.2")
    assert len(re.findall(r"N connect\(", r.log)) == 2 and len(re.findall(r"W connect\(", r.log)) == 1
    assert r.status == 1 and 0.35 < time.monotonic() - start < 3


def test_retry_finds_a_late_server(local):
    """forever: the server that comes later is found."""
    port = lab.port()
    p = local.start("-d", "-d", "-u", "TEXT:late", f"TCP4:{LOOP}:{port},forever,interval=0.1")
    p.wait_log(r"N connect\(", count=2)
    s, _ = server(local, LOOP, port)
    assert read_all(accept(s)[0]) == b"late" and p.wait().status == 0


def test_retry_looks_names_up_again(local, tmp_path):
    """A name that moves is found at its new place: every attempt asks again."""
    name = tmp_path / "hosts"
    name.write_text("127.0.0.2 moving\n")
    s, port = server(local, "127.0.0.3")
    with local.inside():
        pid = os.fork()
        if pid == 0:                    # a mount namespace with a hosts file of its own
            try:
                lab._call("unshare", lab.CLONE_NEWNS)
                libc = lab.libc
                libc.mount(b"none", b"/", None, 0x44000, None)      # MS_REC | MS_PRIVATE
                if libc.mount(str(name).encode(), b"/etc/hosts", None, 0x1000, None) != 0:
                    os._exit(77)
                os.execve(lab.SOCAST, ["socast", "-u", "TEXT:x", f"TCP4:moving:{port},forever,interval=0.1"], lab.environment())
            finally:
                os._exit(78)
    time.sleep(0.3)
    name.write_text("127.0.0.3 moving\n")
    c, _ = accept(s)
    assert read_all(c) == b"x"
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("args,text", [
    (["TCP4:127.0.0.1", "-"], "E TCP4: wrong number of parameters (1 instead of 2): usage: TCP4:<host>:<port>"),
    (["TCP-LISTEN", "-"], "E TCP-LISTEN: wrong number of parameters (0 instead of 1): usage: TCP-LISTEN:<port>"),
    (["TCP4:127.0.0.1:99999", "-"], "99999"),
    (["TCP4:127.0.0.1:nosuchservice", "-"], "Servname not supported"),
    (["TCP4:127.0.0.1:", "-"], "empty port and service"),
    (["TCP4::80", "-"], "Name or service not known"),
    (["TCP4:[::1]:80", "-"], "Address family for hostname not supported"),
    (["TCP-LISTEN:80x", "-"], "Servname not supported"),
    (["TCP4-LISTEN:0,bind=10.99.99.99", "-"], "Cannot assign requested address"),
    (["TCP4-LISTEN:0,max-children=3", "-"], "E option max-children not allowed without option fork"),
    (["TCP4-LISTEN:0,bind=127.0.0.1:80", "-"], "port specification not allowed in this bind option"),
    (["TCP4:127.0.0.1:1,bind=", "-"], "is required"),
    (["TCP4-LISTEN:0,fork!!STDOUT", "-"], "option fork is not possible in a dual address"),
])
def test_wrong_addresses(local, args, text):
    r = local.run(*args)
    assert r.status == 1 and text in r.log and r.out == b""


@pytest.mark.parametrize("args,module", [(["SCTP4:127.0.0.1:9"], "SCTP"), (["SCTP-LISTEN:0"], "SCTP"), (["DCCP4:127.0.0.1:9"], "DCCP"),
                                         (["DCCP6-LISTEN:0"], "DCCP")])
def test_transports_this_kernel_may_lack(local, args, module):
    """Where the kernel has them they try; where not, one sentence says so."""
    p = local.start(*args, "-")
    lab.wait_until(p.ended, 1, None)    # one that listens goes on
    r = p.stop()
    if "supported" in r.log:
        assert f"this kernel has no {module}" in r.log and r.status == 1


@pytest.mark.parametrize("family,kind,proto,name", [("SCTP4", socket.SOCK_STREAM, 132, "SCTP"), ("DCCP4", 6, 33, "DCCP")])
def test_sctp_and_dccp(local, fast, family, kind, proto, name):
    try:
        socket.socket(socket.AF_INET, kind, proto).close()
    except OSError as e:
        pytest.skip(f"this kernel has no {name}: {e.strerror}")
    port = lab.port()
    p = listening(local, f"{family}-LISTEN:{port}", "PIPE")
    assert local.run("-", f"{family}:{LOOP}:{port}", input=b"hello").out == b"hello"
    p.stop()


def test_fork_of_a_client(local):
    """A connecting address with fork dials again after the interval; max-children limits it, and counts programs until
    they have ended (a SYSTEM shell would keep its place until its work is done)."""
    s, port = server(local)
    p = local.start("-d", "-d", f"TCP4:{LOOP}:{port},fork,max-children=2,interval=0.1", r"EXEC:sh -c \"echo hi; exec sleep 20\"")
    clients = [accept(s)[0] for _ in range(2)]
    p.wait_log("maxchildren are active, waiting")
    assert all(c.recv(9) == b"hi\n" for c in clients)
    lab.rest(0.4)
    assert not select.select([s], [], [], 0)[0]         # a third one would have come by now
    clients[0].close()                                  # ends one session
    assert accept(s)[0].recv(9) == b"hi\n"
    p.stop()


def test_fork_of_a_client_beside_a_dual_address(local, tmp_path):
    """Each connection has both halves of the other address for itself, as in classic, where a process has them."""
    s, port = server(local)
    inbox = lab.port()
    p = local.start("-d", "-d", "-t", "0", f"UDP4-RECV:{inbox}!!OPEN:out,creat,append", f"TCP4:{LOOP}:{port},fork,max-children=1,interval=0.1",
                    cwd=tmp_path)
    with local.udp() as u:
        for n in range(3):
            c, _ = accept(s)
            u.sendto(b"%d" % n, (LOOP, inbox))
            assert c.recv(9) == b"%d" % n
            c.sendall(b"answer %d\n" % n)
            c.close()
    accept(s)
    assert (tmp_path / "out").read_text() == "answer 0\nanswer 1\nanswer 2\n" and "E " not in p.log, p
    p.stop()


def test_fork_of_a_client_ends_when_it_cannot_connect(local):
    s, port = server(local)
    p = local.start(f"TCP4:{LOOP}:{port},fork,interval=0.1", "PIPE")
    c, _ = accept(s)
    s.close()
    c.close()
    r = p.wait()
    assert r.status == 1 and f"E TCP4:{LOOP}:{port}: Connection refused" in r.log


# ---------------------------------------------------------------- listening

def test_port_zero_is_told(local):
    p = listening(local, "TCP4-LISTEN:0,fork", "PIPE")
    port = int(p.wait_log(r"listening on AF=2 0\.0\.0\.0:(\d+)").group(1))
    c = connect(local, port)
    c.sendall(b"x")
    assert c.recv(9) == b"x"


def test_a_port_in_use(local):
    s, port = server(local)
    r = local.run(f"TCP4-LISTEN:{port}", "-")
    assert r.status == 1 and re.search(rf"E bind\(\d+, \{{AF=2 0\.0\.0\.0:{port}\}}, 16\): Address already in use", r.log)
    r = local.run("-d", "-d", "-d", f"TCP4-LISTEN:{port},retry=1,interval=0.1", "-")
    assert r.status == 1 and "Address already in use" in r.log
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},forever,interval=0.1", "PIPE")
    lab.rest(0.3)
    s.close()
    p.wait_log("listening on")
    c = connect(local, port)
    c.sendall(b"x")
    assert c.recv(9) == b"x"


def test_reuseaddr_is_implicit(local):
    """A port with lingering connections can be taken again; reuseaddr=0 forbids it."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port}", "TEXT:x")
    c = connect(local, port)
    assert c.recv(9) == b"x"
    p.wait()                            # our end closed first: TIME_WAIT here
    c.close()
    r = local.start(f"TCP4-LISTEN:{port},reuseaddr=0", "PIPE")
    assert r.wait().status == 1 and "Address already in use" in r.log
    listening(local, f"TCP4-LISTEN:{port}", "PIPE").stop()


@pytest.mark.parametrize("option", ["range=127.0.0.8/32", "sourceport=1", "lowport"])
def test_refused_peers(local, option):
    """A refused peer is told at once, and the next one is served, also without fork."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},{option}", "PIPE")
    fds = len(os.listdir(f"/proc/{p.pid}/fd"))
    for _ in range(5):
        c = connect(local, port)
        assert c.recv(9) == b""
        c.close()
    p.wait_log(r"W refusing connection from AF=2 127\.0\.0\.1")
    lab.wait_until(lambda: len(os.listdir(f"/proc/{p.pid}/fd")) == fds, 3, "refused connections stay open")
    good = {"range=127.0.0.8/32": ("127.0.0.8", 0), "sourceport=1": (LOOP, 1), "lowport": (LOOP, 1000)}[option]
    c = connect(local, port, bind=good)
    c.sendall(b"x")
    assert c.recv(9) == b"x"


def test_tcpwrap(local, tmp_path):
    if "#define WITH_LIBWRAP" not in local.run("-V").out.decode():
        pytest.skip("built without libwrap")
    (tmp_path / "hosts.allow").write_text("relay: 127.0.0.9\n")
    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    port = lab.port()
    listening(local, f"TCP4-LISTEN:{port},fork,tcpwrap=relay,tcpwrap-dir={tmp_path}", "PIPE")
    assert connect(local, port).recv(9) == b""
    c = connect(local, port, bind=("127.0.0.9", 0))
    c.sendall(b"x")
    assert c.recv(9) == b"x"


def test_accept_timeout(local):
    r = local.run("-d", "-d", "TCP4-LISTEN:0,accept-timeout=0.2", "PIPE", input=None)
    assert r.status == 0 and "W accept: Connection timed out" in r.log
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork,accept-timeout=0.6", "PIPE")
    c = connect(local, port)
    lab.rest(0.8)
    c.sendall(b"x")                     # the session outlives the listener
    assert c.recv(9) == b"x" and not p.ended()
    c.close()
    assert p.wait().status == 0 and "Waiting for child processes" in p.log


def test_backlog(local):
    """Option backlog is passed on; without it the queue takes what comes at once."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", "PIPE")
    os.kill(p.pid, signal.SIGSTOP)
    clients = [local.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(100)]
    start = time.monotonic()
    for c in clients:
        c.connect((LOOP, port))         # one that finds no room would wait a second
    assert time.monotonic() - start < 0.9 * lab.SLOW
    os.kill(p.pid, signal.SIGCONT)
    for c in clients:
        c.sendall(b"x")
    assert all(c.recv(9) == b"x" for c in clients)
    p.stop()
    port = lab.port()
    p = local.start("-d", "-d", f"TCP4-LISTEN:{port},fork,backlog=1", "PIPE")
    p.wait_log("listening on")
    os.kill(p.pid, signal.SIGSTOP)
    room = 0
    for c in (local.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(5)):
        c.settimeout(0.2)
        try:
            c.connect((LOOP, port))
            room += 1
        except OSError:
            break
    assert room <= 3


def test_variables(local):
    """Programs learn who is connected to whom."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", "SYSTEM:echo $SOCAT_SOCKADDR $SOCAT_SOCKPORT $SOCAT_PEERADDR $SOCAT_PEERPORT $SOCAT_PID")
    c = connect(local, port, bind=("127.0.0.4", 0))
    mine = c.getsockname()
    assert read_all(c).decode().split() == [LOOP, str(port), mine[0], str(mine[1]), str(p.pid)]
    port = lab.port()
    listening(local, f"TCP6-LISTEN:{port}", "SYSTEM:echo $SOCAT_SOCKADDR $SOCAT_PEERADDR")
    c = connect(local, port, "::1")
    six = "[" + ":".join(["0000"] * 7 + ["0001"]) + "]"
    assert read_all(c).decode().split() == [six, six]


def test_ip_versions_of_listeners(local):
    """IPv4 unless asked otherwise; -0 takes both."""
    for flags, v4, v6 in (([], True, False), (["-6"], False, True), (["-0"], True, True), (["-4"], True, False)):
        port = lab.port()
        p = listening(local, *flags, f"TCP-LISTEN:{port},fork" + (",ipv6only" if flags == ["-6"] else ""), "PIPE")
        for addr, want in ((LOOP, v4), ("::1", v6)):
            s = local.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM)
            assert (s.connect_ex((addr, port)) == 0) == want, (flags, addr)
            s.close()
        p.stop()


def test_options_of_the_accepted_socket(local):
    """keepalive and TCP options are found on the connection, however it was accepted."""
    for fork in ("", ",fork"):
        port = lab.port()
        p = listening(local, f"TCP4-LISTEN:{port}{fork},keepalive,keepidle=77,nodelay,mss-late=600", "STALL")
        c = connect(local, port)
        p.wait_log("starting data transfer loop")
        fd = int(re.findall(r"with FDs \[(\d+),", p.log)[-1])
        pidfd = os.pidfd_open(p.pid)
        copy = lab.libc.syscall(438, pidfd, fd, 0)              # pidfd_getfd
        assert copy >= 0
        s = socket.socket(fileno=copy)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        s.close()
        os.close(pidfd)
        c.close()
        p.stop()


# ---------------------------------------------------------------- trouble

def test_a_peer_that_resets(local, fast):
    """RST while relaying is an error of that session, said once; the others go on."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", "PIPE")
    other = connect(local, port)
    c = connect(local, port)
    c.sendall(b"x")
    assert c.recv(9) == b"x"
    reset(c)
    p.wait_log(r"E read\(\d+, .*\): Connection reset by peer")
    other.sendall(b"y")
    assert other.recv(9) == b"y"
    p.kill()
    assert p.wait().status == 143


def test_a_peer_that_resets_before_it_is_accepted(local):
    """It must not disturb the listener."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", "PIPE")
    os.kill(p.pid, signal.SIGSTOP)
    for _ in range(5):
        reset(connect(local, port))
    os.kill(p.pid, signal.SIGCONT)
    c = connect(local, port)
    c.sendall(b"y")
    assert c.recv(9) == b"y"


def test_a_single_connection_that_resets(local, fast):
    """Without fork the exit status tells."""
    s, port = server(local)
    p = local.start("-", f"TCP4:{LOOP}:{port}")
    c, _ = accept(s)
    p.send(b"x")
    assert c.recv(9) == b"x"
    reset(c)
    r = p.wait()
    assert r.status == 1 and "Connection reset by peer" in r.log


def test_a_stopped_peer_loses_nothing(local, fast):
    """SIGSTOP for a while is a slow reader, no more."""
    port = lab.port()
    p = listening(local, "-u", f"TCP4-LISTEN:{port}", "SYSTEM:sleep 0.3; cat >/dev/null; sleep 0.1")
    c = connect(local, port)
    done = []
    t = threading.Thread(target=lambda: (c.sendall(BIG), c.shutdown(socket.SHUT_WR), done.append(1)))
    t.start()
    time.sleep(0.1)
    os.kill(p.pid, signal.SIGSTOP)
    time.sleep(0.2)
    os.kill(p.pid, signal.SIGCONT)
    t.join()
    assert done and p.wait(10).status == 0


def test_a_target_that_refuses_ends_only_its_session(local):
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork", f"TCP4:{LOOP}:{lab.port()}")
    for _ in range(3):
        assert connect(local, port).recv(9) == b""
    p.wait_log(r"E TCP4:127\.0\.0\.1:\d+: Connection refused", count=3)
    assert not p.ended()


def test_connecting_to_oneself_says_so_or_fails(local):
    """A relay whose target is its own port must not take the machine down: max-children bounds it."""
    port = lab.port()
    p = listening(local, f"TCP4-LISTEN:{port},fork,max-children=5", f"TCP4:{LOOP}:{port}")
    c = connect(local, port)
    p.wait_log("maxchildren are active, waiting")
    c.close()
    p.kill()
    assert p.wait().status == 143


