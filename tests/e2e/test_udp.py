"""The datagram addresses UDP and UDPLITE, on the loopback interface."""
import os
import re
import socket
import threading
import time

import pytest

import lab

HOST = {4: "127.0.0.1", 6: "::1"}
LIT = {4: "127.0.0.1", 6: "[::1]"}
UDPLITE = 136


def sa(v, p):
    return lab.sa4("127.0.0.1", p) if v == 4 else lab.sa6("::1", p)


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def v(request):
    return request.param


def up(local, *args, ready=r"starting data transfer loop|receiving on|listening on", **kw):
    """Start the program and wait until it can be talked to."""
    p = local.start("-d", "-d", *args, **kw)
    p.wait_log(ready)
    return p


def peer(local, v=4, port=0, proto=0):
    return local.socket(socket.AF_INET if v == 4 else socket.AF_INET6, proto=proto, bind=(HOST[v], port))


def has_udplite(local):
    try:
        local.socket(proto=UDPLITE).close()
        return True
    except OSError:
        return False


# ---------------------------------------------------------------- each type

@pytest.mark.parametrize("kind", ["SENDTO", "CONNECT", "DATAGRAM"])
def test_client_types_send_and_hear_answers(local, fast, v, kind):
    """A line goes out as one datagram; the answer of the peer is printed."""
    s = peer(local, v)
    p = up(local, "-", f"UDP{v}-{kind}:{LIT[v]}:{s.getsockname()[1]}")
    p.send("hi\n")
    data, addr = s.recvfrom(99)
    assert data == b"hi\n"
    s.sendto(b"answer\n", addr)
    p.expect_output(b"answer\n")
    s.close()


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name,option,heard", [
    ("socast", "", False), ("socast", "answers=any", True), ("socast", "answers=port", False), ("socast", "udp-ignore-peerport", True),
    ("socat", "", True), ("socat", "answers=any", True), ("socat", "answers=port", False), ("socat", "udp-ignore-peerport=0", False), ("socat", "sourceport=1", False)])
def test_answers_from_another_port(local, tmp_path, version, name, option, heard):
    """SSDP and other discovery: who answers does so from a port of its own. Classic hears it, and so does what is called socat; else an option decides."""
    os.symlink(lab.SOCAST, tmp_path / name)
    host = {4: "127.0.0.1", 6: "::1"}[version]
    group, other = local.udp((host, 0)), local.udp((host, 0))
    address = f"UDP{version}-DATAGRAM:{host if version == 4 else '[::1]'}:{group.getsockname()[1]}" + ("," + option if option else "")
    p = local.start("-d", "-d", "-", address, prog=tmp_path / name)
    p.send("M-SEARCH")
    data, asker = group.recvfrom(99)
    other.sendto(b"other", asker)
    if option == "sourceport=1":
        p.wait_log("W refusing connection from .* due to wrong sourceport")
        assert p.out == b""
        return
    group.sendto(b"same", asker)
    p.expect_output(b"same")
    assert p.out == (b"othersame" if heard else b"same")
    if not heard:
        p.wait_log("W refusing connection from .* due to wrong sourceport; packets must come from port .*answers=any")
    group.close()
    other.close()


def test_answers_word(local):
    r = local.run("-", "UDP4-DATAGRAM:127.0.0.1:9,answers=none")
    assert r.status == 1 and 'option answers: unknown word "none"; use any or port' in r.log


@pytest.mark.parametrize("kind,heard", [("SENDTO", False), ("CONNECT", False), ("DATAGRAM", False), ("DATAGRAM,udp-ignore-peerport", True)])
def test_client_types_and_strangers(local, kind, heard):
    """A packet from another port than the target's is not heard, except where asked for."""
    s, stranger = peer(local), peer(local)
    kind, _, opt = kind.partition(",")
    p = up(local, "-", f"UDP4-{kind}:127.0.0.1:{s.getsockname()[1]},{opt}")
    p.send("hi\n")
    addr = s.recvfrom(99)[1]
    stranger.sendto(b"strange\n", addr)
    s.sendto(b"friend\n", addr)
    p.expect_output(b"friend\n")
    assert (b"strange" in p.out) == heard
    s.close()
    stranger.close()


def test_sendto_ignores_strangers_at_info_level(local):
    """SENDTO says at info level what it ignores."""
    s, stranger = peer(local), peer(local)
    p = local.start("-ddd", "-", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    p.send("hi\n")
    stranger.sendto(b"x", s.recvfrom(99)[1])
    p.wait_log(r" I recvfrom\(\): wrong peer address, ignoring packet")
    s.close()
    stranger.close()


def test_recv_merges_all_senders(local, fast, v):
    """UDP-RECV writes what anybody sends and never ends by itself."""
    port = lab.port()
    p = up(local, "-u", f"UDP{v}-RECV:{port}", "-")
    for n in range(3):
        s = peer(local, v)
        s.sendto(b"n%d\n" % n, (HOST[v], port))
        p.expect_output(b"n%d\n" % n)
        s.close()
    assert not p.ended()
    p.kill()
    assert p.wait().status == 143


def test_recvfrom_answers_one_and_ends(local, v):
    """Without fork: one packet, its answer from the server's port, the end."""
    port = lab.port()
    p = up(local, "-t", "0.2", f"UDP{v}-RECVFROM:{port}", "EXEC:cat")
    s = peer(local, v)
    s.sendto(b"hi\n", (HOST[v], port))
    data, addr = s.recvfrom(99)
    assert (data, addr[1]) == (b"hi\n", port)
    assert p.wait().status == 0
    s.close()


def test_recvfrom_fork_answers_everyone(local, fast, v):
    """With fork every request is answered to its sender."""
    port = lab.port()
    up(local, f"UDP{v}-RECVFROM:{port},fork", "EXEC:cat")
    for n in range(5):
        s = peer(local, v)
        s.sendto(b"n%d" % n, (HOST[v], port))
        assert s.recv(99) == b"n%d" % n
        s.close()


def test_recvfrom_fork_several_answers(local):
    """Every block the program writes becomes a datagram."""
    port = lab.port()
    up(local, f"UDP4-RECVFROM:{port},fork", "SYSTEM:read x; echo 1; sleep 0.2; echo 2")
    s = peer(local)
    s.sendto(b"x\n", (HOST[4], port))
    assert [s.recv(99), s.recv(99)] == [b"1\n", b"2\n"]
    s.close()


def test_listen_holds_a_conversation(local, fast, v):
    """UDP-LISTEN talks with its first peer; an empty datagram ends it."""
    port = lab.port()
    p = up(local, f"UDP{v}-LISTEN:{port}", "PIPE")
    s = peer(local, v)
    for n in range(3):
        s.sendto(b"n%d" % n, (HOST[v], port))
        assert s.recv(99) == b"n%d" % n
    s.sendto(b"", (HOST[v], port))
    assert p.wait().status == 0
    s.close()


def test_listen_records(local):
    """The log lines scripts look for."""
    port = lab.port()
    p = up(local, "-d", f"UDP4-LISTEN:{port}", "PIPE", ready=rf" N listening on UDP {re.escape(lab.sa4('0.0.0.0', port))}")
    s = peer(local)
    s.sendto(b"x", (HOST[4], port))
    own = re.escape(lab.sa4("127.0.0.1", s.getsockname()[1]))
    p.wait_log(rf" N accepting UDP connection from {own}")
    p.wait_log(rf" I permitting UDP connection from {own}")
    s.close()


def test_listen_fork_serves_clients_at_once(local, fast, v):
    """Two interleaved conversations do not mix."""
    port = lab.port()
    up(local, f"UDP{v}-LISTEN:{port},fork", "EXEC:cat")
    a, b = peer(local, v), peer(local, v)
    for n in range(3):
        for s, tag in ((a, b"a"), (b, b"b")):
            s.sendto(tag + b"%d" % n, (HOST[v], port))
            assert s.recv(99) == tag + b"%d" % n
    a.close()
    b.close()


@pytest.mark.parametrize("kind", ["SENDTO", "RECV", "RECVFROM", "LISTEN", "CONNECT", "DATAGRAM"])
def test_udplite(local, kind):
    """The same types over UDP-Lite."""
    if not has_udplite(local):
        pytest.skip("kernel without UDP-Lite")
    port = lab.port()
    s = local.socket(proto=UDPLITE, bind=("127.0.0.1", 0))
    if kind in ("SENDTO", "CONNECT", "DATAGRAM"):
        p = up(local, "-", f"UDPLITE4-{kind}:127.0.0.1:{s.getsockname()[1]}")
        p.send("hi\n")
        data, addr = s.recvfrom(99)
        s.sendto(data, addr)
        p.expect_output(b"hi\n")
    elif kind == "RECV":
        p = up(local, "-u", f"UDPLITE4-RECV:{port}", "-")
        s.sendto(b"hi\n", ("127.0.0.1", port))
        p.expect_output(b"hi\n")
    else:
        up(local, f"UDPLITE4-{kind}:{port}", "EXEC:cat")
        s.sendto(b"hi\n", ("127.0.0.1", port))
        assert s.recv(99) == b"hi\n"
    s.close()


def test_plain_udp_takes_the_family_of_the_target(local):
    """UDP-SENDTO needs no version; UDP-DATAGRAM wants UDP6- for an IPv6 target."""
    s = peer(local, 6)
    r = local.run("-u", "-", f"UDP-SENDTO:[::1]:{s.getsockname()[1]}", input=b"x")
    assert r.status == 0 and s.recv(9) == b"x", r
    r = local.run("-u", "-", "UDP-DATAGRAM:[::1]:9", input=b"x")
    assert r.status == 1 and "Address family for hostname not supported" in r.log, r
    s.close()


# ---------------------------------------------------------------- sizes and borders

@pytest.mark.parametrize("size", [1, 2, 511, 1400, 8192, 8193, 20000, 65507])
def test_datagrams_pass_whole(local, fast, size):
    """From 1 to 65507 bytes a datagram leaves as it came."""
    a, b = lab.port(), peer(local)
    up(local, "-u", f"UDP4-RECV:{a}", f"UDP4-SENDTO:127.0.0.1:{b.getsockname()[1]}")
    s = peer(local)
    data = os.urandom(size)
    s.sendto(data, ("127.0.0.1", a))
    assert b.recv(70000) == data
    s.close()
    b.close()


def test_datagrams_of_every_kind_of_size_in_a_row(local, fast):
    """Borders and order are kept in a burst of mixed sizes."""
    a, b = lab.port(), peer(local)
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    up(local, "-u", f"UDP4-RECV:{a}", f"UDP4-SENDTO:127.0.0.1:{b.getsockname()[1]}")
    s = peer(local)
    sent = [os.urandom(n) for n in (5, 5, 5, 1400, 1400, 1400, 7, 1, 3000, 64, 64, 64, 63, 64)]
    for d in sent:
        s.sendto(d, ("127.0.0.1", a))
    assert [b.recv(70000) for _ in sent] == sent
    s.close()
    b.close()


def test_too_long_for_udp(local):
    """A block over 65507 bytes is an error that says so."""
    r = local.run("-u", "-b", "70000", "OPEN:/dev/zero,readbytes=70000", "UDP4-SENDTO:127.0.0.1:9")
    assert r.status == 1 and re.search(r" E sendto\(.*Message too long", r.log), r


def test_block_size_cuts_streams_into_datagrams(local, fast, tmp_path):
    """-b sets the size of datagrams made from a stream."""
    s = peer(local)
    f = tmp_path / "data"
    f.write_bytes(bytes(range(250)))
    r = local.run("-u", "-b", "100", f"OPEN:{f}", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]}")
    assert r.status == 0, r
    assert [len(s.recv(999)) for _ in range(3)] == [100, 100, 50]
    s.close()


def test_empty_datagrams_are_skipped(local, fast):
    """An empty datagram is no end and no data."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port}", "-")
    s = peer(local)
    for d in (b"a", b"", b"b"):
        s.sendto(d, ("127.0.0.1", port))
    p.expect_output(b"ab")
    assert not p.ended()
    s.close()


def test_null_eof(local, fast):
    """With null-eof an empty datagram ends the input, after what came before it."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},null-eof", "-")
    s = peer(local)
    for d in (b"a", b"", b"b"):
        s.sendto(d, ("127.0.0.1", port))
    r = p.wait()
    assert (r.status, r.out) == (0, b"a"), r
    s.close()


def test_connect_sends_an_empty_datagram_at_the_end(local):
    """UDP-CONNECT announces its end; shut-none suppresses it; SENDTO needs shut-null."""
    s = peer(local)
    target = f"127.0.0.1:{s.getsockname()[1]}"
    local.run("-t", "0.01", "-", f"UDP4:{target}", input=b"x")
    assert [s.recv(9), s.recv(9)] == [b"x", b""]
    local.run("-t", "0.01", "-", f"UDP4:{target},shut-none", input=b"y")
    local.run("-t", "0.01", "-", f"UDP4-SENDTO:{target}", input=b"z")
    assert [s.recv(9), s.recv(9)] == [b"y", b"z"]
    local.run("-t", "0.01", "-", f"UDP4-SENDTO:{target},shut-null", input=b"0")
    assert [s.recv(9), s.recv(9)] == [b"0", b""]
    s.close()


def test_dense_datagrams_are_recorded_whole_and_in_order(local, tmp_path):
    """A recording that is woken once a millisecond loses nothing; a single datagram does not wait."""
    port, out = lab.port(), tmp_path / "out"
    up(local, "-u", f"UDP4-RECV:{port}", f"CREATE:{out}")
    s = peer(local)
    for block in range(100):
        for k in range(100):
            s.sendto(b"%06d\n" % (100 * block + k), ("127.0.0.1", port))
        lab.pump(0.001)
    s.sendto(b"end\n", ("127.0.0.1", port))
    want = b"".join(b"%06d\n" % k for k in range(10000)) + b"end\n"
    end = time.monotonic() + 5
    while out.stat().st_size < len(want) and time.monotonic() < end:
        lab.pump(0.01)
    assert out.read_bytes() == want
    s.close()


def test_readbytes_ends_recv(local):
    """readbytes ends an address that never ends by itself."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},readbytes=4", "-")
    s = peer(local)
    s.sendto(b"abcd", ("127.0.0.1", port))
    r = p.wait()
    assert (r.status, r.out) == (0, b"abcd")
    s.close()


# ---------------------------------------------------------------- admission checks

@pytest.mark.parametrize("kind", ["RECV", "RECVFROM", "LISTEN"])
def test_range_refuses_and_goes_on(local, fast, kind):
    """A refused packet is a warning; the next, permitted one is served."""
    port = lab.port()
    args = ["-u", f"UDP4-{kind}:{port},range=127.0.0.2/32", "-"] if kind == "RECV" else [f"UDP4-{kind}:{port},range=127.0.0.2/32", "PIPE"]
    p = up(local, *args)
    bad = local.udp(("127.0.0.1", 0))
    good = local.udp(("127.0.0.2", 0))
    bad.sendto(b"bad", ("127.0.0.1", port))
    p.wait_log(rf" W refusing connection from {re.escape(lab.sa4('127.0.0.1', bad.getsockname()[1]))} due to range option")
    good.sendto(b"good", ("127.0.0.1", port))
    if kind == "RECV":
        p.expect_output(b"good")
        assert p.out == b"good"
    else:
        assert good.recv(99) == b"good"
    bad.close()
    good.close()


@pytest.mark.parametrize("rng,ok", [("127.0.0.0/8", True), ("127.0.0.1", True), ("127.0.0.2", False), ("127.0.0.7/8", True), ("127.0.0.0:255.0.0.0", True), ("0.0.0.0/0", True),
                                    ("10.0.0.0/8", False), ("127.0.0.0/32", False)])
def test_range_forms(local, rng, ok):
    """Bits, masks, unmasked addresses."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},range={rng}", "-")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    if ok:
        p.expect_output(b"x")
    else:
        p.wait_log("refusing connection")
    s.close()


@pytest.mark.parametrize("rng,ok", [("[::1]/128", True), ("[::1]", True), ("[::2]", False), ("[::]/0", True), ("[fd00::]/8", False)])
def test_range_forms6(local, rng, ok):
    """IPv6 ranges have the brackets before the slash."""
    port = lab.port()
    p = up(local, "-u", f"UDP6-RECV:{port},range={rng}", "-")
    s = peer(local, 6)
    s.sendto(b"x", ("::1", port))
    if ok:
        p.expect_output(b"x")
    else:
        p.wait_log("refusing connection")
    s.close()


@pytest.mark.parametrize("v_,rng,text", [
    (4, "127.0.0.1/x", 'E not a valid IPv4 netmask in "127.0.0.1/x"'),
    (4, "127.0.0.1/33", 'E IPv4 netmask "127.0.0.1/33" is too large'),
    (6, "[::1/128]", 'missing brackets for IPv6 range definition "[::1/128]"'),
    (6, "[::1]/129", 'E netmask "[::1]/129" is too large'),
])
def test_range_errors(local, v_, rng, text):
    """Bad ranges are named."""
    r = local.run("-u", f"UDP{v_}-RECV:{lab.port()},range={rng}", "-")
    assert r.status == 1 and text in r.log, r


def test_range_not_for_clients(local):
    """Types without this group refuse the option."""
    r = local.run("-", "UDP4-SENDTO:127.0.0.1:9,range=127.0.0.0/8")
    assert r.status == 1
    assert 'E parseopts_table(): option "range" not supported with this address type' in r.log, r


def test_sourceport_checks_the_peer(local):
    """On receivers sourceport=N is what the peer must use."""
    port, sport = lab.port(), lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},sourceport={sport}", "-")
    bad, good = peer(local), peer(local, port=sport)
    bad.sendto(b"bad", ("127.0.0.1", port))
    p.wait_log(r" W refusing connection from AF=2 127\.0\.0\.1:\d+ due to wrong sourceport")
    good.sendto(b"good", ("127.0.0.1", port))
    p.expect_output(b"good")
    assert p.out == b"good"
    bad.close()
    good.close()


@pytest.mark.parametrize("kind", ["CONNECT", "SENDTO"])
def test_sourceport_binds_clients(local, kind):
    """On clients sourceport=N is the own port."""
    s, sport = peer(local), lab.port()
    r = local.run("-u", "-", f"UDP4-{kind}:127.0.0.1:{s.getsockname()[1]},sourceport={sport}", input=b"x")
    assert r.status == 0, r
    assert s.recvfrom(9)[1] == ("127.0.0.1", sport)
    s.close()


def test_bind_forms_of_clients(local):
    """host:port, :port and host."""
    s = peer(local)
    for bind, addr in (("127.0.0.3:%d", "127.0.0.3"), (":%d", "127.0.0.1"), ("127.0.0.4", "127.0.0.4")):
        port = lab.port()
        bind = bind % port if "%d" in bind else bind
        r = local.run("-u", "-", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]},bind={bind}", input=b"x")
        assert r.status == 0, r
        got = s.recvfrom(9)[1]
        assert got[0] == addr and (":" not in bind or got[1] == port)
    s.close()


def test_bind_of_receivers_takes_no_port(local):
    """The port is the parameter already."""
    r = local.run("-u", f"UDP4-RECV:{lab.port()},bind=127.0.0.1:99", "-")
    assert r.status == 1 and "E port specification not allowed in this bind option" in r.log, r


def test_lowport_checks_the_peer(local):
    """lowport wants a peer port below 1024."""
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},lowport", "-")
    bad, good = peer(local), peer(local, port=700)
    bad.sendto(b"bad", ("127.0.0.1", port))
    p.wait_log(r" W refusing connection from AF=2 127\.0\.0\.1:\d+ due to lowport option")
    good.sendto(b"good", ("127.0.0.1", port))
    p.expect_output(b"good")
    assert p.out == b"good"
    bad.close()
    good.close()


def test_lowport_binds_clients(local):
    """On clients lowport takes an own port of 640..1023."""
    s = peer(local)
    r = local.run("-u", "-", f"UDP4-SENDTO:127.0.0.1:{s.getsockname()[1]},lowport", input=b"x")
    assert r.status == 0, r
    assert 640 <= s.recvfrom(9)[1][1] <= 1023
    s.close()


@pytest.mark.parametrize("address,record", [
    ("UDP4-SENDTO:127.0.0.1:{p},lowport", r"D bind\(\d+, \{AF=2 0\.0\.0\.0:(6[4-9]\d|[789]\d\d|10[012]\d)\}, 16\)"),
    ("UDP6-SENDTO:[::1]:{p},lowport", r"D bind\(\d+, \{AF=10 \[0000:.*\]:\d+\}, 28\)"), ("UDP4-SENDTO:127.0.0.1:{p},bind=127.0.0.1", r"D bind\(\d+, \{AF=2 127\.0\.0\.1:0\}, 16\)"),
    ("UDP4-RECV:{p}", r"D bind\(\d+, \{AF=2 0\.0\.0\.0:\d+\}, 16\)"), ("UNIX-RECV:{d}/u", r'D bind\(\d+, \{AF=1 ".*/u"\}, \d+\)'),
    ("TCP4-LISTEN:{p}", r"D bind\(\d+, \{AF=2 0\.0\.0\.0:\d+\}, 16\)")])
def test_bind_is_told(local, tmp_path, address, record):
    """-d -d -d -d: address and port stand in a record before every bind, as in classic, whose users read the low port there."""
    p = local.start("-d", "-d", "-d", "-d", address.format(p=lab.port(), d=tmp_path), "PIPE")
    p.wait_log(record)


@pytest.mark.parametrize("kind", ["RECV", "LISTEN"])
def test_tcpwrap_tables(local, tmp_path, kind):
    """hosts.allow wins over hosts.deny; refusal is a warning."""
    if not lab.has("LIBWRAP"):
        pytest.skip("program built without libwrap")
    (tmp_path / "allow").write_text("mydaemon: 127.0.0.2\n")
    (tmp_path / "deny").write_text("ALL: ALL\n")
    port = lab.port()
    opts = f"tcpwrap=mydaemon,hosts-allow={tmp_path}/allow,hosts-deny={tmp_path}/deny"
    args = ["-u", f"UDP4-RECV:{port},{opts}", "-"] if kind == "RECV" else [f"UDP4-LISTEN:{port},{opts}", "PIPE"]
    p = up(local, *args)
    bad, good = local.udp(("127.0.0.1", 0)), local.udp(("127.0.0.2", 0))
    bad.sendto(b"bad", ("127.0.0.1", port))
    p.wait_log(r" W refusing connection from AF=2 127\.0\.0\.1:\d+ due to tcpwrapper option")
    good.sendto(b"good", ("127.0.0.1", port))
    if kind == "RECV":
        p.expect_output(b"good")
        assert p.out == b"good"
    else:
        assert good.recv(9) == b"good"
    bad.close()
    good.close()


def test_tcpwrap_directory(local, tmp_path):
    """tcpwrap-etc names the directory of both tables."""
    if not lab.has("LIBWRAP"):
        pytest.skip("program built without libwrap")
    (tmp_path / "hosts.allow").write_text("")
    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    port = lab.port()
    p = up(local, "-u", f"UDP4-RECV:{port},tcpwrap-etc={tmp_path}", "-")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    p.wait_log("due to tcpwrapper option")
    s.close()


def test_forbidden_host_behind_an_allowed_one(local, fast):
    """Five packets of a forbidden host right behind an allowed one: nothing gets through."""
    port = lab.port()
    p = up(local, f"UDP4-LISTEN:{port},fork,range=127.0.0.2/32", "SYSTEM:cat >&2")
    good, bad = local.udp(("127.0.0.2", 0)), local.udp(("127.0.0.1", 0))
    good.sendto(b"GOOD\n", ("127.0.0.1", port))
    for _ in range(5):
        bad.sendto(b"EVIL\n", ("127.0.0.1", port))
    p.wait_log("GOOD")
    p.wait_log("refusing connection from")
    good.sendto(b"LAST\n", ("127.0.0.1", port))
    p.wait_log("LAST")
    assert "EVIL" not in p.log
    good.close()
    bad.close()


# ---------------------------------------------------------------- errors

@pytest.mark.parametrize("args,text", [
    (["-", "UDP4:127.0.0.1:abc"], "Servname not supported for ai_socktype"),
    (["-", "UDP4:127.0.0.1:"], "empty port and service"),
    (["-", "UDP4-LISTEN:12x"], 'E parseport("12x", 17): extra trailing data "x"'),
    (["-", "UDP4-LISTEN:abc"], 'E cannot resolve service "abc/17"'),
    (["-", "UDP4"], "wrong number of parameters (0 instead of 2)"),
    (["-", "UDP4-RECVFROM:1:2"], "wrong number of parameters (2 instead of 1)"),
    (["-", "UDP6:127.0.0.1:9"], "Address family for hostname not supported"),
    (["-u", "UDP4-RECV:9,bind=10.99.99.99", "-"], "Cannot assign requested address"),
    (["-u", "UDP4-DATAGRAM:127.0.0.1:9,fork", "-"], 'option "fork" not supported with this address type'),
    (["-u", "-", "UDP4-SENDTO:10.99.99.99:9"], "Network is unreachable"),
    (["-u", "-", "UDP4:10.99.99.99:9"], " E UDP4:10.99.99.99:9: Network is unreachable"),
    (["UDP4-LISTEN:9,max-children=2", "PIPE"], "max-children not allowed without option fork"),
])
def test_errors(local, args, text):
    """One clear sentence, status 1."""
    r = local.run(*args, input=b"x")
    assert r.status == 1 and text in r.log, r


def test_icmp_refused_ends_connect(local):
    """A closed port is an error of the connected types."""
    r = local.run("-t", "2", "-", f"UDP4:127.0.0.1:{lab.port()}", input=b"x")
    assert r.status == 1, r
    assert re.search(r" E (read|write)\(\d+, 0x[0-9a-f]+, \d+\): Connection refused", r.log), r


@pytest.mark.parametrize("kind", ["SENDTO", "DATAGRAM"])
def test_icmp_refused_is_not_seen_by_sendto(local, kind):
    """Unconnected types do not care."""
    wire, port = local.capture("lo"), lab.port()
    r = local.run("-t", "0.1", "-", f"UDP4-{kind}:127.0.0.1:{port}", input=b"x")
    assert (r.status, r.log) == (0, ""), r
    assert wire.wait(1, dport=port)[0].data == b"x"
    wire.close()


def test_address_in_use(local):
    """Two receivers on a port need reuseaddr."""
    port = lab.port()
    up(local, "-u", f"UDP4-RECV:{port}", "-")
    r = local.run("-u", f"UDP4-RECV:{port}", "-")
    assert r.status == 1 and f"{{AF=2 0.0.0.0:{port}}}, 16): Address already in use" in r.log, r


# ---------------------------------------------------------------- variables and ancillary data

def variables(p):
    p.expect_output(b"_VERSION=")
    return dict(re.findall(r"^export SOCAT_(\w+)='?([^'\n]*)'?$", p.out.decode(), re.M))


def test_variables_of_listen(local):
    """Peer and local address of the pseudo connection, with -lp socat."""
    port = lab.port()
    p = up(local, "-lp", "socat", "-u", f"UDP4-LISTEN:{port}", "SYSTEM:export")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    got = variables(p)
    assert (got["PEERADDR"], got["PEERPORT"]) == ("127.0.0.1", str(s.getsockname()[1]))
    assert (got["SOCKADDR"], got["SOCKPORT"]) == ("127.0.0.1", str(port))
    s.close()


def test_variables6(local):
    """IPv6 addresses are bracketed and never shortened."""
    port = lab.port()
    p = up(local, "-lp", "socat", "-u", f"UDP6-RECVFROM:{port}", "SYSTEM:export")
    s = peer(local, 6)
    s.sendto(b"x", ("::1", port))
    got = variables(p)
    assert got["PEERADDR"] == "[0000:0000:0000:0000:0000:0000:0000:0001]"
    assert got["PEERPORT"] == str(s.getsockname()[1])
    s.close()


@pytest.mark.parametrize("opts,want,rec", [
    ("ip-pktinfo", {"IP_DSTADDR": "127.0.0.1", "IP_IF": "lo", "IP_LOCADDR": "127.0.0.1"},
     r' N Ancillary message: interface "lo", locaddr=127\.0\.0\.1, dstaddr=127\.0\.0\.1'),
    ("ip-recvttl", {"IP_TTL": "64"}, r" I ancillary message: IP_TTL: ttl=64"),
    ("ip-recvtos", {"IP_TOS": "16"}, r" I ancillary message: IP_TOS: tos=16"),
    ("so-timestamp", {"TIMESTAMP": r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}, \d+ usecs"}, r" I ancillary message: SCM_TIMESTAMP: timestamp="),
])
def test_ancillary(local, opts, want, rec):
    """Packet information reaches the program's variables and the log."""
    port = lab.port()
    p = up(local, "-d", "-lp", "socat", "-u", f"UDP4-RECVFROM:{port},{opts}", "SYSTEM:export")
    s = peer(local)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 16)
    s.sendto(b"x", ("127.0.0.1", port))
    got = variables(p)
    for name, value in want.items():
        assert re.fullmatch(value, got[name]), got
    p.wait_log(rec)
    s.close()


def test_ancillary6(local):
    """Hop limit, traffic class, destination."""
    port = lab.port()
    p = up(local, "-d", "-lp", "socat", "-u", f"UDP6-RECVFROM:{port},ipv6-recvpktinfo,ipv6-recvhoplimit,ipv6-recvtclass", "SYSTEM:export")
    s = peer(local, 6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0xaa)
    s.sendto(b"x", ("::1", port))
    got = variables(p)
    assert got["IPV6_DSTADDR"] == "[0000:0000:0000:0000:0000:0000:0000:0001]"
    assert (got["IPV6_IF"], got["IPV6_HOPLIMIT"], got["IPV6_TCLASS"]) == ("lo", "64", "x000000aa")
    s.close()


def test_recv_logs_but_sets_no_variables(local):
    """RECV types only log packet information."""
    port = lab.port()
    p = up(local, "-d", "-u", f"UDP4-RECV:{port},ip-recvttl", "-")
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    p.wait_log(r"IP_TTL: ttl=64")
    s.close()


@pytest.mark.parametrize("kind,rec", [("RECV", r" N \S*\w+\(\): bound to AF=2 0\.0\.0\.0:(\d+)"),
                                      ("RECVFROM", r" N \S*\w+\(\): bound to AF=2 0\.0\.0\.0:(\d+)"),
                                      ("LISTEN", r" N listening on UDP AF=2 0\.0\.0\.0:(\d+)")])
def test_port_0(local, kind, rec):
    """Port 0 takes a free port and says which."""
    p = local.start("-d", "-d", "-u", f"UDP4-{kind}:0", "-")
    port = int(p.wait_log(rec).group(1))
    assert port > 0
    s = peer(local)
    s.sendto(b"x", ("127.0.0.1", port))
    p.expect_output(b"x")
    s.close()


# ---------------------------------------------------------------- many

def answers(local, port, n, workers, expect):
    """Send @n requests from @workers clients; returns how many were answered rightly."""
    good = [0] * workers
    socks = [peer(local) for _ in range(workers)]

    def work(k):
        for _ in range(n // workers):
            socks[k].sendto(b"q%d" % k, ("127.0.0.1", port))
            try:
                if socks[k].recv(99) == expect(k):
                    good[k] += 1
            except TimeoutError:
                pass
    ts = [threading.Thread(target=work, args=(k,)) for k in range(workers)]
    for t in ts:
        t.start()
    while any(t.is_alive() for t in ts):
        lab.pump(0.05)
    for s in socks:
        s.close()
    return sum(good)


@pytest.mark.parametrize("workers", [1, 50])
def test_a_thousand_requests(local, workers):
    """Every one of 1000 requests is answered, one by one and many at a time."""
    port = lab.port()
    up(local, "-t", "5", f"UDP4-RECVFROM:{port},fork", "EXEC:hostname")     # a program may take its time to start
    assert answers(local, port, 1000, workers, lambda k: b"host1\n") == 1000


def test_sixty_four_at_once(local):
    """64 clients that send at the same moment, 16 times: 1024 answers."""
    port = lab.port()
    up(local, f"UDP4-RECVFROM:{port},fork", "EXEC:hostname")
    socks = [peer(local) for _ in range(64)]
    n = 0
    for _ in range(16):
        for s in socks:
            s.sendto(b"q", ("127.0.0.1", port))
        for s in socks:
            lab.pump(0)
            n += s.recv(99) == b"host1\n"
    assert n == 1024
    for s in socks:
        s.close()


@pytest.mark.parametrize("second", ["EXEC:cat", "PIPE"])
def test_burst_of_fifty_clients(local, fast, second):
    """50 clients in one burst each get their own answer."""
    port = lab.port()
    up(local, f"UDP4-LISTEN:{port},fork", second)
    socks = [peer(local) for _ in range(50)]
    for k, s in enumerate(socks):
        s.sendto(b"client %d" % k, ("127.0.0.1", port))
    wrong = []
    for k, s in enumerate(socks):
        try:
            got = s.recv(99)
        except TimeoutError:
            got = None
        if got != b"client %d" % k:
            wrong.append((k, got))
        if len(wrong) > 3:
            break
    for s in socks:
        s.close()
    assert not wrong


@pytest.mark.parametrize("kind", ["LISTEN", "RECVFROM"])
def test_max_children(local, kind):
    """With max-children=1 the second client waits until the first is served."""
    port = lab.port()
    p = up(local, f"UDP4-{kind}:{port},fork,max-children=1,null-eof", "SYSTEM:read x; sleep 0.3; echo $x")
    a, b = peer(local), peer(local)
    a.sendto(b"a\n", ("127.0.0.1", port))
    p.wait_log(r"accepting UDP connection|receiving packet")
    b.sendto(b"b\n", ("127.0.0.1", port))
    assert a.recv(9) == b"a\n"
    p.wait_log(r" N maxchildren are active, waiting")
    if kind == "LISTEN":
        a.sendto(b"", ("127.0.0.1", port))
    assert b.recv(9) == b"b\n"
    a.close()
    b.close()


@pytest.mark.parametrize("shutup,level", [("", "E"), (",children-shutup", "W"), (",children-shutup=2", "N")])
def test_children_shutup(local, shutup, level):
    """Records of a session are lowered by so many levels; the listener's are not."""
    port, s = lab.port(), peer(local)
    p = up(local, "-d", "-d", f"UDP4-RECVFROM:{port},fork{shutup}", "OPEN:/nosuch/file")
    s.sendto(b"x", ("127.0.0.1", port))
    p.wait_log(rf" {level} open\(\"/nosuch/file\"")
    s.close()


def test_relay_between_two_ports(local, fast):
    """RECVFROM,fork to SENDTO: answers find their way back to the right asker."""
    port, server = lab.port(), peer(local)
    up(local, f"UDP4-RECVFROM:{port},fork", f"UDP4-SENDTO:127.0.0.1:{server.getsockname()[1]}")
    a, b = peer(local), peer(local)
    a.sendto(b"a", ("127.0.0.1", port))
    b.sendto(b"b", ("127.0.0.1", port))
    for _ in range(2):
        data, addr = server.recvfrom(9)
        server.sendto(b"re:" + data, addr)
    assert (a.recv(9), b.recv(9)) == (b"re:a", b"re:b")
    for s in (a, b, server):
        s.close()


def test_chaos_keeps_datagrams_whole(local, chaos):
    """Short and interrupted calls change neither data nor borders."""
    a, b = lab.port(), peer(local)
    up(local, "-u", f"UDP4-RECV:{a}", f"UDP4-SENDTO:127.0.0.1:{b.getsockname()[1]}")
    s = peer(local)
    for n in range(1, 200, 7):
        data = os.urandom(n)
        s.sendto(data, ("127.0.0.1", a))
        assert b.recv(999) == data
    s.close()
    b.close()


# ---------------------------------------------------------------- option newline

@pytest.mark.parametrize("opts,want", [("", b"onetwo\nthree"), (",newline", b"one\ntwo\nthree\n"), (",newline,crnl", b"one\r\ntwo\r\nthree\r\n")],
                         ids=["without", "newline", "crnl"])
@pytest.mark.parametrize("kind", ["file", "dual", "program"])
def test_newline(local, fast, tmp_path, kind, opts, want):
    """Datagrams keep their borders in a file as lines, as messages of syslog have none. Classic glues them."""
    out, port = tmp_path / "out", lab.port()
    where = {"file": f"OPEN:{out},creat,append{opts}", "dual": f"OPEN:/dev/null,rdonly!!OPEN:{out},creat,append{opts}",
             "program": f"SYSTEM:exec cat >{out}{opts}"}[kind]
    flags = [] if kind == "dual" else ["-u"]
    p = local.start("-d", "-d", *flags, f"UDP4-RECV:{port}", where)
    p.wait_log("starting data transfer")
    with local.udp() as s:
        for text in (b"one", b"two\n", b"", b"three"):
            s.sendto(text, ("127.0.0.1", port))
    lab.wait_until(lambda: out.exists() and len(out.read_bytes()) >= len(want), 5, lambda: f"{out.read_bytes()!r} {p!r}")
    assert out.read_bytes() == want
    p.stop()


def test_newline_many_and_both_directions(local, fast, tmp_path):
    """Each of 500 datagrams is a line for the program; its answers, out of a stream, stay what they are."""
    port = lab.port()
    p = local.start("-d", "-d", f"UDP4-LISTEN:{port},fork", "SYSTEM:while read x; do printf %s \\$x; done,newline")
    p.wait_log("receiving on|listening")
    with local.udp() as s:
        s.settimeout(5 * lab.SLOW)
        got = b""
        for i in range(500):
            s.sendto(b"%03d" % i, ("127.0.0.1", port))
            if i % 50 == 49:
                while len(got) < (i + 1) * 3:
                    got += s.recv(65535)
    assert got == b"".join(b"%03d" % i for i in range(500))
    p.stop()
