"""The rest of what people do: tunnels, proxies, TLS in front of things, daemons, cluster scripts, containers."""
import array
import os
import re
import socket
import struct
import threading
import time

import pytest

import lab
from desk import MEGABYTES, needs, sha, take_all


def echo_server(desk):
    """(port) of a TCP server that sends everything back."""
    s, port = desk.listener(timeout=60)

    def one(c):
        try:
            while True:
                d = c.recv(65536)
                if not d:
                    break
                c.sendall(d)
        except OSError:
            pass
        c.close()

    def body():
        try:
            while True:
                c, _ = s.accept()
                threading.Thread(target=one, args=(c,), daemon=True).start()
        except OSError:
            pass
    threading.Thread(target=body, daemon=True).start()
    return port


def certificate(desk):
    needs("openssl")
    desk.run("openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
             " -keyout k -out c 2>/dev/null; cat k c > p; chmod 600 p")
    desk.keep("k", "c", "p")


def round_trip(desk, port, data=MEGABYTES, host="127.0.0.1", half=True):
    """Send @data to an echo and compare; not @half: through something that does not know half-closed connections."""
    c = desk.tcp(port, host=host)
    t = threading.Thread(target=lambda: (c.sendall(data), half and c.shutdown(socket.SHUT_WR)))
    t.start()
    got = b""
    while half or len(got) < len(data):
        part = c.recv(65536)
        if not part:
            break
        got += part
    t.join()
    c.close()
    return sha(got) == sha(data)


# ---------------------------------------------------------------- TLS

@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_in_front_of_a_plain_server(desk, version, load):
    """What stunnel does: OPENSSL-LISTEN here, OPENSSL there, megabytes both ways."""
    certificate(desk)
    inner, a, b = echo_server(desk), lab.port(), lab.port()
    limit = f"min-proto-version=TLS{version},max-proto-version=TLS{version}"
    p = desk.server(f"socat OPENSSL-LISTEN:{a},cert=p,verify=0,fork,reuseaddr,{limit} TCP:127.0.0.1:{inner}", a)
    q = desk.server(f"socat TCP-LISTEN:{b},fork,reuseaddr OPENSSL:localhost:{a},cafile=c,{limit}", b)
    assert all(round_trip(desk, b) for _ in range(3))
    desk.idle(p)
    desk.idle(q)
    desk.end(p)
    desk.end(q)


def test_a_look_at_a_tls_server(desk):
    """echo | socat - ssl:host:443,verify=0 as a probe."""
    certificate(desk)
    port = lab.port()
    p = desk.server(f"socat OPENSSL-LISTEN:{port},cert=p,verify=0,fork,reuseaddr EXEC:'echo hello'", port)
    r = desk.run(f"echo | socat - ssl:127.0.0.1:{port},verify=0")
    assert r.status == 0 and r.out == b"hello\n", r
    r = desk.run(f"echo | socat - ssl:127.0.0.1:{port}")
    assert r.status == 1 and "self" in r.log, r
    desk.end(p)


def test_https_by_hand(desk):
    needs("openssl")
    certificate(desk)
    port = lab.port()
    desk.write("page", "x" * 50_000)
    d = desk.line(f"openssl s_server -quiet -accept 127.0.0.1:{port} -cert c -key k -WWW")
    lab.wait_until(lambda: desk.listens(port), 5, "no server")
    r = desk.run(f"printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | socat -t 3 - OPENSSL:localhost:{port},cafile=c")
    assert r.out.endswith(b"x" * 50_000), r
    d.kill()


@pytest.mark.parametrize("flags", ["-u", ""])
def test_snapshot_transfer_of_a_cluster(desk, flags):
    """Percona and Galera: openssl-listen with a CA on both sides, a stream piped out of and into xbstream."""
    needs("openssl")
    desk.run("openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null;"
             "for w in donor joiner; do openssl req -newkey rsa:2048 -nodes -subj /CN=$w -keyout $w.key -out $w.csr 2>/dev/null;"
             "openssl x509 -req -in $w.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -out $w.crt 2>/dev/null; chmod 600 $w.key; done")
    desk.keep("ca.key", "ca.pem", "ca.srl", *(f"{w}.{e}" for w in ("donor", "joiner") for e in ("key", "csr", "crt")))
    port = lab.port()
    desk.write("backup", MEGABYTES)
    p = desk.server(f"socat {flags} openssl-listen:{port},reuseaddr,cert=joiner.crt,key=joiner.key,cafile=ca.pem,verify=1 stdio | cat > restored", port)
    r = desk.run(f"cat backup | socat {flags} stdio openssl-connect:127.0.0.1:{port},cert=donor.crt,key=donor.key,cafile=ca.pem,verify=1,commonname=joiner")
    assert r.status == 0, r
    assert p.wait().status == 0 and sha(desk / "restored") == sha(MEGABYTES)
    desk.keep("restored")


def test_the_version_as_scripts_read_it(desk):
    """Installers take the first number of -V."""
    r = desk.run("socat -V 2>&1 | grep -oe '[0-9]\\.[0-9][\\.0-9]*' | head -n1")
    assert r.out == b"1.8.1.3\n", r
    r = desk.run("socat -V | grep -q 'WITH_OPENSSL 1' && echo tls")
    assert r.out == b"tls\n" or not lab.has("OPENSSL")


# ---------------------------------------------------------------- proxies and tunnels

def test_socks_client(desk):
    needs("microsocks")
    inner, proxy, a = echo_server(desk), lab.port(), lab.port()
    d = desk.line(f"microsocks -i 127.0.0.1 -p {proxy}")
    lab.wait_until(lambda: desk.listens(proxy), 5, "no proxy")
    p = desk.server(f"socat TCP-LISTEN:{a},fork,reuseaddr SOCKS5:127.0.0.1:{proxy}:127.0.0.1:{inner}", a)
    assert round_trip(desk, a, half=False)
    desk.end(p)
    d.kill()


def test_ssh_over_an_http_proxy(desk):
    """ProxyCommand socat - PROXY:proxy:host:port,proxyport=…"""
    needs("tinyproxy")
    inner, proxy = echo_server(desk), lab.port()
    desk.write("tiny", f"Port {proxy}\nListen 127.0.0.1\nAllow 127.0.0.1\nLogFile \"{desk / 'log'}\"\n")
    desk.keep("log")
    d = desk.line("tinyproxy -d -c tiny")
    lab.wait_until(lambda: desk.listens(proxy), 5, "no proxy")
    desk.write("in", MEGABYTES[:1_000_000])
    r = desk.run(f"(cat in; sleep 1) | socat -t 5 - PROXY:127.0.0.1:127.0.0.1:{inner},proxyport={proxy} | sha256sum")
    assert r.out.split()[0].decode() == sha(MEGABYTES[:1_000_000]), r
    d.kill()


def test_udp_through_tcp(desk):
    """Two relays carry datagrams through a connection: their order and bytes stay (their borders cannot)."""
    s = desk.host.udp()
    a, b = lab.port(), lab.port()
    p = desk.server(f"socat TCP4-LISTEN:{b},reuseaddr,fork UDP4:127.0.0.1:{s.getsockname()[1]}", b)
    q = desk.server(f"socat UDP4-LISTEN:{a},reuseaddr,fork TCP4:127.0.0.1:{b}", a)
    c = desk.host.udp()
    for i in range(20):
        c.sendto(b"question %d" % i, ("127.0.0.1", a))
        data, peer = s.recvfrom(999)
        assert data == b"question %d" % i
        s.sendto(b"answer %d" % i, peer)
        assert c.recv(999) == b"answer %d" % i
    desk.idle(p)
    desk.idle(q)
    desk.end(q)
    desk.end(p)


@pytest.mark.skipif(lab.tun_missing() is not None, reason=str(lab.tun_missing()))
def test_a_tunnel_of_packets(desks):
    """TUN here, TUN there, a connection between: ping and a megabyte by TCP through it."""
    port = lab.port()
    p = desks[0].server(f"socat TCP-LISTEN:{port},reuseaddr TUN:10.99.0.1/24,up,iff-no-pi", port)
    q = desks[1].line(f"socat TCP:192.168.10.1:{port} TUN:10.99.0.2/24,up,iff-no-pi")

    def there():
        with desks[1].host.inside():
            with open("/proc/self/net/route", encoding="ascii") as f:
                return "0000630A" in f.read()
    lab.wait_until(lambda: there() or p.ended() or q.ended(), 5, "no tunnel")
    time.sleep(0.2)
    s = desks[0].host.socket(kind=socket.SOCK_STREAM, bind=("10.99.0.1", 0))
    s.listen()
    c = desks[1].host.socket(kind=socket.SOCK_STREAM, timeout=8)
    c.connect(s.getsockname())
    d, _ = s.accept()
    d.settimeout(8 * lab.SLOW)
    t = threading.Thread(target=lambda: (c.sendall(MEGABYTES[:1_000_000]), c.shutdown(socket.SHUT_WR)))
    t.start()
    assert sha(take_all(d)) == sha(MEGABYTES[:1_000_000])
    t.join()
    p.kill()
    q.kill()


@pytest.mark.parametrize("listen,host", [("TCP6-LISTEN:{p},ipv6only=1,fork,reuseaddr", "::1"), ("TCP-LISTEN:{p},pf=ip6,fork,reuseaddr", "::1"),
                                         ("TCP6-LISTEN:{p},ipv6only=0,fork,reuseaddr", "127.0.0.1")])
def test_between_versions_of_ip(desk, listen, host):
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"socat {listen.format(p=a)} TCP4:127.0.0.1:{inner}", a)
    assert round_trip(desk, a, MEGABYTES[:500_000], host=host)
    desk.end(p)


def test_a_port_for_one_host_only(desk):
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"socat TCP-LISTEN:{a},fork,reuseaddr,range=127.0.0.2/32 TCP:127.0.0.1:{inner}", a)
    c = desk.tcp(a)
    assert c.recv(9) == b""
    s = desk.host.socket(kind=socket.SOCK_STREAM, bind=("127.0.0.2", 0))
    s.connect(("127.0.0.1", a))
    s.sendall(b"x")
    assert s.recv(9) == b"x"
    desk.end(p)


# ---------------------------------------------------------------- services, containers, desktops

def test_a_helper_of_a_service_does_not_speak_for_it(desk):
    """NOTIFY_SOCKET belongs to the service: what arrives is what was sent."""
    s = desk.unix_listener("notify", kind=socket.SOCK_DGRAM)
    r = desk.run("printf STATUS=hello | socat -u STDIN UNIX-SENDTO:notify", env={"NOTIFY_SOCKET": str(desk / "notify")})
    assert r.status == 0 and s.recv(99) == b"STATUS=hello"
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(99)


def test_notify_of_a_container(desk):
    """podman's tests: a datagram socket recorded to a file by a relay that is ended when enough is there."""
    p = desk.server("socat unix-recvfrom:sock,fork system:'(cat;echo) >> log'", "sock")
    for i in range(5):
        c = desk.unix("sock", kind=socket.SOCK_DGRAM)
        c.send(b"READY=%d" % i)
        lab.wait_until(lambda i=i: (desk / "log").exists() and (desk / "log").read_text().count("\n") > i, 5, "no record")
    lab.wait_until(lambda: (desk / "log").exists() and (desk / "log").read_text().count("\n") == 5, 5, "records are missing")
    assert sorted((desk / "log").read_text().split()) == [f"READY={i}" for i in range(5)]
    desk.keep("log")
    desk.end(p)


def test_socket_activation(desk):
    """A manager's listening socket as descriptor 3."""
    s, port = desk.listener()
    with desk.host.inside():
        os.dup2(s.fileno(), 200)
    p = desk.line("socat ACCEPT-FD:200,fork PIPE", pass_fds=[200])
    os.close(200)
    for _ in range(3):
        assert round_trip(desk, port, b"x" * 1000)
    desk.end(p)


def test_wayland_style_relay_drops_descriptors_aloud(desk):
    """Descriptors do not pass through a relay of bytes; the bytes do, and nothing piles up."""
    got = []
    s = desk.unix_listener("wayland-0")

    def body():
        c, _ = s.accept()
        got.append(take_all(c))
        c.close()
    t = threading.Thread(target=body)
    t.start()
    p = desk.server("socat UNIX-LISTEN:wayland-1,fork UNIX-CONNECT:wayland-0", "wayland-1")
    c = desk.unix("wayland-1")
    with open("/dev/null", "rb") as f:
        for _ in range(50):
            c.sendmsg([b"req "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno()] * 3))])
    c.shutdown(socket.SHUT_WR)
    t.join(5)
    assert got == [b"req " * 50]
    assert len(os.listdir(f"/proc/{p.pid}/fd")) < 20
    desk.end(p)


def test_sessions_of_a_bus(desk):
    """DBus-like: an abstract name, whose clients begin with a NUL byte."""
    name = f"bus-{lab.port()}"
    p = desk.line(f"socat ABSTRACT-LISTEN:{name},fork PIPE")
    time.sleep(0.2)
    c = desk.host.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    c.connect("\0" + name)
    c.sendall(b"\0AUTH EXTERNAL 30\r\n")
    assert c.recv(99) == b"\0AUTH EXTERNAL 30\r\n"
    desk.end(p)


def test_two_instances_of_one_lock(desk):
    """-L: the second one is refused; -W waits; the lock goes with its owner."""
    p = desk.server("socat -L lock - PIPE", "lock")
    assert desk.run("socat -L lock - PIPE").status == 1
    q = desk.line("socat -W lock TEXT:second -")
    time.sleep(0.3)
    assert not q.ended() and q.out == b""
    desk.end(p)
    q.expect_output("second")
    q.kill()
    q.wait()
    assert not (desk / "lock").exists()


def test_log_to_a_file(desk):
    port = lab.port()
    p = desk.server(f"socat -d -d -lf log -lu TCP-LISTEN:{port},fork,reuseaddr PIPE", port)
    for _ in range(3):
        assert round_trip(desk, port, b"x")
    desk.end(p)
    log = (desk / "log").read_text()
    assert log.count("accepting connection from") == 3 and p.log == ""
    assert all(re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} socat\[\d+\] [DINWEF] ", line) for line in log.splitlines())
    desk.keep("log")


def test_dump_of_a_conversation(desk):
    """socat -v in the middle, its dump redirected to a file."""
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"socat -v TCP-LISTEN:{a},reuseaddr TCP:127.0.0.1:{inner} 2> dump", a)
    c = desk.tcp(a)
    c.sendall(b"GET / HTTP/1.0\r\n")
    assert c.recv(99)
    c.close()
    p.wait()
    dump = (desk / "dump").read_text()
    assert re.search(r"^> .*length=16 from=0 to=15$", dump, re.M) and "GET / HTTP/1.0\\r" in dump, dump
    assert re.search(r"^< .*length=16 from=0 to=15$", dump, re.M)
    desk.keep("dump")


def test_a_recording_of_both_sides(desk):
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"socat -r asked -R said TCP-LISTEN:{a},reuseaddr TCP:127.0.0.1:{inner}", a)
    assert round_trip(desk, a)
    p.wait()
    assert sha(desk / "asked") == sha(desk / "said") == sha(MEGABYTES)
    desk.keep("asked", "said")


def test_a_chat_for_two(desk):
    """nc's oldest use, by terminals that are pipes here."""
    port = lab.port()
    p = desk.server(f"socat - TCP-LISTEN:{port},reuseaddr", port)
    q = desk.line(f"socat - TCP:127.0.0.1:{port}")
    for i in range(10):
        p.send(f"a{i}\n")
        q.expect_output(f"a{i}\n")
        q.send(f"b{i}\n")
        p.expect_output(f"b{i}\n")
    desk.idle(p)
    q.close_stdin()
    assert q.wait().status == 0 and p.wait().status == 0


def test_time_out_of_an_idle_forwarder(desk):
    """-T ends what is silent in both directions, and only that."""
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"socat -T 0.6 TCP-LISTEN:{a},fork,reuseaddr TCP:127.0.0.1:{inner}", a)
    idle, busy = desk.tcp(a), desk.tcp(a)
    for _ in range(12):
        busy.sendall(b"x")
        assert busy.recv(9) == b"x"
        time.sleep(0.1)
    assert idle.recv(9) == b""
    desk.end(p)


def test_permissions_of_an_entry(desk):
    p = desk.server("socat UNIX-LISTEN:s,fork,mode=660,user=65534,group=65534,unlink-early PIPE", "s")
    lab.wait_until(lambda: os.stat(desk / "s").st_uid, 3, "the entry has no owner")     # it is there before it has all
    st = os.stat(desk / "s")
    assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o660, 65534, 65534)
    desk.end(p)


def test_a_stale_socket_is_in_the_way(desk):
    """A crash has left the entry: the message names it, unlink-early mends it."""
    s = desk.unix_listener("s")
    s.close()
    desk.stays.discard("s")
    r = desk.run("socat UNIX-LISTEN:s PIPE")
    assert r.status == 1 and "s" in r.log and "unlink-early" in r.log, r
    p = desk.line("socat UNIX-LISTEN:s,unlink-early,fork PIPE")
    lab.wait_until(lambda: connects(desk, "s"), 3, "not served")
    desk.end(p)


def connects(desk, name):
    try:
        desk.unix(name).close()
        return True
    except OSError:
        return False


def test_reconnecting_feed(desk):
    """while true; do socat …; sleep; done — and the same by forever,fork."""
    s, port = desk.listener()
    desk.write("beat", "beat\n")
    p = desk.line(f"socat -u OPEN:beat TCP:127.0.0.1:{port},retry=3,interval=0.1")
    c, _ = s.accept()
    assert take_all(c) == b"beat\n"
    c.close()
    assert p.wait().status == 0
    p = desk.line(f"socat -U TCP:127.0.0.1:{port},forever,fork,interval=0.1,max-children=1 OPEN:beat")
    for _ in range(4):
        c, _ = s.accept()
        assert take_all(c) == b"beat\n"
        c.close()
    desk.end(p)


def test_a_server_that_restarts_keeps_its_port(desk):
    """reuseaddr: the next one starts at once, though connections of the last one linger."""
    inner, a = echo_server(desk), lab.port()
    for _ in range(4):
        p = desk.server(f"socat TCP-LISTEN:{a},fork,reuseaddr TCP:127.0.0.1:{inner}", a)
        c = desk.tcp(a)
        c.sendall(b"x")
        assert c.recv(9) == b"x"
        desk.end(p)
        assert c.recv(9) == b""


def test_many_at_once(desk, load):
    """A hundred clients of an echo behind a forwarder, each with its own bytes."""
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"socat TCP-LISTEN:{a},fork,reuseaddr TCP:127.0.0.1:{inner}", a)
    cs = [desk.tcp(a) for _ in range(100)]
    for i, c in enumerate(cs):
        c.sendall(b"%05d" % i * 2000)
    for i, c in enumerate(cs):
        c.shutdown(socket.SHUT_WR)
        assert take_all(c) == b"%05d" % i * 2000
    desk.idle(p)
    desk.end(p)


def test_hex_over_the_wire(desk):
    """xxd -r -p | socat | xxd: binary protocols by hand."""
    s = desk.host.udp()
    p = desk.line(f"printf '\\001\\002\\000\\377' | socat -t 1 - UDP4:127.0.0.1:{s.getsockname()[1]} | od -An -tx1")
    data, peer = s.recvfrom(99)
    assert data == b"\x01\x02\x00\xff"
    s.sendto(struct.pack("!HH", 0xCAFE, 0), peer)
    r = p.wait()
    assert r.out.split() == [b"ca", b"fe", b"00", b"00"], r


def test_as_an_ordinary_user(desk):
    """No rights, no home, an environment of nothing."""
    needs("setpriv")
    port = lab.port()
    os.chmod(desk.dir, 0o755)
    p = desk.server(f"setpriv --reuid=65534 --regid=65534 --clear-groups env -i DESK={desk.mark} {lab.SOCAST} TCP-LISTEN:{port},fork,reuseaddr PIPE", port) \
        if os.access(os.path.dirname(lab.SOCAST), os.X_OK) else None
    if p:
        assert round_trip(desk, port, MEGABYTES[:500_000])
        p.kill()


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "0<&- 1>&-"])
def test_from_a_starter_that_has_closed_things(desk, closed):
    """Started by something that closes standard input or output: a forwarder does not care."""
    inner, a = echo_server(desk), lab.port()
    p = desk.server(f"exec socat TCP-LISTEN:{a},fork,reuseaddr TCP:127.0.0.1:{inner} {closed}", a)
    assert round_trip(desk, a, MEGABYTES[:500_000])
    desk.end(p)


# ---------------------------------------------------------------- what a user of many lines has found

def test_a_dump_that_is_read_late(desk):
    """socat -v … 2>&1 | less: one session waits for whoever reads; nothing of the dump is lost."""
    desk.write("in", MEGABYTES)
    r = desk.run("socat -v -u OPEN:in CREATE:out 2>&1 | (sleep 1.5; cat > dump)")
    assert r.status == 0 and sha(desk / "out") == sha(MEGABYTES)
    assert (desk / "dump").stat().st_size > 3_000_000
    sizes = [int(m) for m in re.findall(rb"> \d{4}/\S+ \S+ +length=(\d+) from=", (desk / "dump").read_bytes())]
    assert sum(sizes) == len(MEGABYTES)
    desk.keep("out", "dump")


def test_a_dump_that_nobody_reads_can_be_ended(desk):
    desk.write("in", MEGABYTES)
    r, w = os.pipe()
    p = desk.line("socat -v -u OPEN:in CREATE:out", stderr=w)
    os.close(w)
    time.sleep(0.5)
    start = time.monotonic()
    desk.end(p)
    assert time.monotonic() - start < 1.5 * lab.SLOW
    os.close(r)
    desk.keep("out")


@pytest.mark.parametrize("kind", ["TCP", "UNIX"])
def test_one_way_to_a_daemon_that_keeps_the_connection(desk, kind):
    """A loop of messages to a server that says nothing and closes nothing costs no time."""
    s, port = (desk.unix_listener("s"), "s") if kind == "UNIX" else desk.listener()
    where = "UNIX:s" if kind == "UNIX" else f"TCP:127.0.0.1:{port}"
    start = time.monotonic()
    kept = []
    for i in range(8):
        assert desk.run(f"echo {i} | socat -u - {where}").status == 0
        c, _ = s.accept()
        assert c.recv(9) == b"%d\n" % i
        kept.append(c)
    assert time.monotonic() - start < 2 * lab.SLOW


def test_a_reader_that_takes_its_time(desk):
    """The server has everything ready, our reader sleeps: -t does not count against the server. (Classic: 65,536 of 3,000,000.)"""
    port = lab.port()
    desk.write("big", MEGABYTES)
    p = desk.server(f"socat -U TCP-LISTEN:{port},reuseaddr,fork FILE:big", port)
    for right, left in (("-", f"TCP:127.0.0.1:{port}"), (f"TCP:127.0.0.1:{port}", "-")):
        r = desk.run(f"socat {left} {right} </dev/null | (sleep 1.2; sha256sum)")
        assert r.out.split()[0].decode() == sha(MEGABYTES) and "cut off" not in r.log, r
    desk.end(p)


def test_input_that_is_ignored_at_its_end(desk):
    """stdio,ignoreeof to a server that answers and closes: that is the end, at once and without a word."""
    s, port = desk.listener()

    def serve():
        c, _ = s.accept()
        c.sendall(b"answer to " + c.recv(99))
        c.close()
    t = threading.Thread(target=serve)
    t.start()
    start = time.monotonic()
    r = desk.run(f"echo q | socat stdio,ignoreeof TCP:127.0.0.1:{port}")
    t.join()
    assert r.out == b"answer to q\n" and r.status == 0 and r.log == "", r
    assert time.monotonic() - start < 0.45 * lab.SLOW + 0.3


@pytest.mark.parametrize("program,status", [("EXEC:false", 1), ("EXEC:true", 0), ("SYSTEM:'exit 3'", 1), ("EXEC:true,pty", 0)])
def test_a_program_that_is_over(desk, program, status):
    """Its end is the end: nobody takes what might still be typed."""
    start = time.monotonic()
    p = desk.line(f"socat -t 5 - {program}")
    assert p.wait().status == status and time.monotonic() - start < 2 * lab.SLOW, p


def test_virtual_ports_take_seven_bits(desk):
    """cs7 and parenb on a pseudo terminal beside other settings: it keeps eight bits, and works."""
    p = desk.server("socat PTY,link=x,raw,echo=0,b9600,cs7,parenb EXEC:cat", "x")
    r = desk.run("socat -t 1 - OPEN:x,b9600,cs7,parenb,raw,echo=0", input=b"hello\n")
    assert r.status == 0 and r.out == b"hello\n", r
    desk.end(p)


@pytest.mark.parametrize("line", ["socat EXEC:'echo hi' - <&-", "socat - EXEC:'echo hi' <&-"])
def test_closed_standard_input(desk, line):
    """A starter that has closed it: what the other side says still comes."""
    r = desk.run(line)
    assert r.out == b"hi\n" and r.status == 0, r


def test_a_colon_in_a_command(desk):
    r = desk.run("socat SYSTEM:'echo a:b' -")
    assert r.status == 1 and 'a colon ends the command: write "\\:"' in r.log, r


@pytest.mark.parametrize("kind,size", [("TCP", 3_000_000), ("TCP", 1_500_000), ("UNIX", 600_000), ("TLS", 3_000_000)])
def test_an_upload_that_is_answered_late(desk, kind, size):
    """The program begins to read after 1.5 s: who has not taken the question cannot answer it, so -t begins when it has."""
    port = lab.port()
    listen, connect = {"TCP": (f"TCP-LISTEN:{port},reuseaddr", f"TCP:127.0.0.1:{port}"), "UNIX": ("UNIX-LISTEN:u", "UNIX:u"),
                       "TLS": (f"OPENSSL-LISTEN:{port},reuseaddr,cert=p,verify=0", f"OPENSSL:127.0.0.1:{port},verify=0")}[kind]
    if kind == "TLS":
        certificate(desk)
    desk.write("in", MEGABYTES[:size])
    p = desk.server(f"socat -t 5 {listen},rcvbuf=30000 SYSTEM:'sleep 1.5; wc -c'", "u" if kind == "UNIX" else port)
    r = desk.run(f"socat - {connect},sndbuf=4000000 < in")
    assert r.out.strip() == b"%d" % size and r.status == 0 and r.log == "", r
    p.wait()
