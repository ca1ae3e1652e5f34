"""-h, -hh, -hhh and -V beside what classic prints: the same names, groups, phases, types, features.

classic_options.txt and classic_addresses.txt hold the names of classic socat 1.8.1.3; what this
program has beyond them is listed here, so that neither a loss nor an addition goes unseen."""
import os
import pathlib
import re

import pytest

import lab

HERE = pathlib.Path(__file__).parent
NEW_ADDRESSES = set("BCAST MCAST MCAST4 MCAST6 TLS TLS-CONNECT TLS-L TLS-LISTEN".split())
NEW_OPTIONS = set("""cobs fixed frames frames-max line netstring nul slip u16 u32 varint
    alpn answers close-timeout dst eof-without-notify handshake-timeout hops if-wait ip-multicast-all ipv6-multicast-all ipv6-multicast-hops ipv6-multicast-if
    isolate join-if loop max-sessions mcast-if newline no-echo openssl-alpn openssl-handshake-timeout proxy-timeout reopen role seal seal-age seal-senders
    session-timeout sign-key to trust udp-ignore-peerport""".split())
FEATURES = """HELP STATS STDIO FDNUM FILE CREAT GOPEN TERMIOS PIPE STALL TEXT SOCKETPAIR UNIX ABSTRACT_UNIXSOCKET IP4 IP6 RAWIP
    GENERICSOCKET INTERFACE TCP UDP SCTP DCCP UDPLITE LISTEN POSIXMQ SOCKS4 SOCKS4A SOCKS5 VSOCK NAMESPACES PROXY SYSTEM SHELL EXEC
    READLINE TUN PTY OPENSSL FIPS LIBWRAP SYCLS FILAN RETRY DEVTESTS""".split()
FLAGS = ["-V", "-h|-?", "-hh", "-hhh", "-d[ddd]", "-d0|1|2|3|4", "-D", "--experimental", "--statistics", "-ly[facility]", "-lf<logfile>",
         "-ls", "-lm[facility]", "-lp<progname>", "-lu", "-lh", "-v", "-x", "-r <file>", "-R <file>", "-b<size_t>", "-s", "-S<sigmask>",
         "-t<timeout>", "-T<timeout>", "-u", "-U", "-g", "-L <lockfile>", "-W <lockfile>", "-0", "-4", "-6"]


def words(name):
    return [line for line in (HERE / name).read_text(encoding="ascii").splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def full(_local):
    return _local.run("-hhh").out.decode()


def options(text):
    """What -hhh says: name to (groups, phase, type), or to ("=", canonical name)."""
    found = {}
    for line in text[text.index("\n   opt:\n") + 9:].splitlines():
        m = re.fullmatch(r"      (\S+)\t+(?:groups=(\S+?)\s*phase=(\S+)\s*type=(\S+).*|is an alias for (\S+))", line)
        assert m, line
        found[m[1]] = ("=", m[5]) if m[5] else (m[2], m[3], m[4])
    return found


def test_option_names(full):
    """All of classic's 794, as classic has them, and the new ones: no more, no less."""
    want = {name: tuple(rest) for name, *rest in (line.split() for line in words("classic_options.txt"))}
    have = options(full)
    assert len(want) == 794 and set(have) == set(want) | NEW_OPTIONS
    assert not {n: (have[n], want[n]) for n in want if have[n] != want[n]}


@pytest.mark.parametrize("name,why", [
    ("ip-recvdstaddr", "one of BSD and macOS, not of Linux; use ip-pktinfo"), ("binary", "one of Cygwin, not of Linux$"),
    ("nopush", "use tcp-cork"), ("so-mark", "use setsockopt-socket=1:36:iNUMBER"), ("i-push", "one of Solaris, not of Linux"),
])
def test_names_of_other_systems(local, name, why):
    """Known, but not here: the sentence says who has it, and what to use."""
    r = local.run("UDP4-RECV:9," + name, "-")
    assert r.status == 1 and re.search(rf' E .*unknown option "{name}".*{why}', r.log), r


@pytest.mark.parametrize("address,advice", [
    ("TCP4-LISTEN:0", "setsockopt-listen=6:23:i5"), ("UDP4-DATAGRAM:127.0.0.1:9", "setsockopt-socket=1:36:i7"), ("UDP4-DATAGRAM:127.0.0.1:9", "setsockopt-socket=1:33:i10000"),
    ("UDP4-DATAGRAM:127.0.0.1:9", "setsockopt-socket=1:49:i0"), ("UDP4-DATAGRAM:127.0.0.1:9", "setsockopt-socket=1:69:i1"), ("UDP4-DATAGRAM:127.0.0.1:9", "ip-pktinfo"),
    ("PTY", "termios-setflags=0:0x4000"), ("PTY", "b19200"),
])
def test_advice_is_good(local, address, advice):
    """What is said to be used instead can be."""
    p = local.start("-d", "-d", f"{address},{advice}", "STALL")
    p.wait_log("listening on|starting data transfer loop|starting recv loop")
    assert " E " not in p.log and " W " not in p.log, p


def test_address_names(full):
    want = {w for line in words("classic_addresses.txt") for w in line.split()}
    part = full[full.index("   address-head:\n"):full.index("   opts:\n")]
    have = re.findall(r"^      ([A-Z0-9-]+|\S+(?=\t+is an alias))[\[:<\t]", part, re.M)
    assert set(have) == want | NEW_ADDRESSES and have == sorted(have)


def test_aliases_lead_to_rows(full):
    have = options(full)
    assert all(have[v[1]][0] != "=" for v in have.values() if v[0] == "=")
    part = full[full.index("   address-head:\n"):full.index("   opts:\n")]
    for target in re.findall(r"is an alias name for (\S+)$", part, re.M):
        assert re.search(rf"^      {target}[\[:<\t].*groups=", part, re.M), target


def test_usual_names(local, full):
    """-hh has each option once, under one of its names, with the same columns."""
    have, usual = options(full), options(local.run("-hh").out.decode())
    assert len(usual) == sum(v[0] != "=" for v in have.values())
    for name, row in usual.items():
        canonical = have[name][1] if have[name][0] == "=" else name
        assert row == have[canonical], name


def test_columns(full):
    """Tabs where classic has them, and at least one between two columns."""
    for line in full.splitlines():
        m = re.fullmatch(r"      ([A-Z0-9-]+)(\S*)(\t+)(groups=\S+|is an alias name for \S+)", line)
        if m:
            assert len(m[3]) == max(0, (47 - 6 - len(m[1] + m[2])) // 8) + 1, line
        m = re.fullmatch(r"      (\S+)(\t+)groups=(\S+?)(\t+)phase=(\S+?)(\t*)type=.*", line)
        if m:
            groups = 7 if m[3] == "(all)" else 7 + len(m[3])
            assert len(m[2]) == max(0, (23 - 6 - len(m[1])) // 8) + 1 and len(m[4]) == max(1, (31 - groups) // 8), line


def test_flags(local):
    """Classic's flags in classic's order, others in between; six blanks, the flag, a description."""
    text = local.run("-h").out.decode()
    part = text[text.index("   options (general command line options):\n"):text.index("   bi-address:")].splitlines()[1:]
    have = [next((f for f in sorted(FLAGS, key=len, reverse=True) if re.match(re.escape("      " + f) + r"\s+\S", line)), None) for line in part]
    assert [f for f in have if f] == FLAGS
    assert all(re.match(r"      --[a-z]", line) for line, f in zip(part, have) if not f), part


def test_features(local):
    """Every feature of classic in classic's order; nothing follows the value."""
    lines = local.run("-V").out.decode().splitlines()
    have = [re.fullmatch(r"  #(define|undef) WITH_(\w+)( \d+)?( /\*\w+\*/)?", line) for line in lines[4:]]
    assert all(have), lines
    assert [m[2] for m in have if m[2] in FEATURES] == FEATURES
    assert [m[0] for m in have][-2] == "  #define WITH_MSGLEVEL 0 /*debug*/" and re.fullmatch(r"  #define WITH_DEFAULT_IPV [046]", have[-1][0])
    assert all((m[3] == " 1") == (m[1] == "define") for m in have[:-2])


def test_version_when_called_socat(local, tmp_path):
    """Cluster scripts take the first number of -V for the version: called socat it is classic's, and nothing with a digit stands before it."""
    os.symlink(lab.SOCAST, tmp_path / "socat")
    text = local.run("-V", prog=tmp_path / "socat").out.decode()
    before, line, _ = text.partition("socat version 1.8.1.3 on ")
    assert line and not re.search(r"\d", before) and before.count("\n") == 1
    assert re.search(r"[0-9]\.[0-9][.0-9]*", text)[0] == "1.8.1.3"
    own = local.run("-V").out.decode()
    assert own.startswith("socast ") and "socat version 1.8.1.3 on " in own
    assert re.search(r"^socast (\S+) ", own)[1] in text


def test_what_the_name_changes(local, tmp_path):
    """The prefix of variables, the name in the log, and (see test_udp.py) the port of answers; options and help stay."""
    os.symlink(lab.SOCAST, tmp_path / "socat")
    r = local.run("-d", "-d", "-u", "SYSTEM:env", "-", prog=tmp_path / "socat")
    assert b"\nSOCAT_VERSION=1.8.1.3\n" in b"\n" + r.out and b"SOCAST_" not in r.out and re.search(r" socat\[\d+\] N ", r.log), r
    assert local.run("-hhh").out == local.run("-hhh", prog=tmp_path / "socat").out
