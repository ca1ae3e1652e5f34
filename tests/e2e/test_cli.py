"""The command line: misuse, version, help, option and address sentences."""
import os
import re
import shutil

import pytest

import lab


@pytest.mark.parametrize("args,text", [
    ([], 'E exactly 2 addresses required (there are 0); use option "-h" for help'),
    (["-"], 'E exactly 2 addresses required (there are 1); use option "-h" for help'),
    (["-", "-", "-"], 'E exactly 2 addresses required (there are 3); use option "-h" for help'),
    (["-", "-", "-v"], 'E exactly 2 addresses required (there are 3); use option "-h" for help'),
    (["-q"], 'E unknown option "-q"; use option "-h" for help'),
    (["--foo"], 'E unknown option "--foo"; use option "-h" for help'),
    (["--"], 'E unknown option "--"; use option "-h" for help'),
    (["-lz"], 'E unknown log option "-lz"; use option "-h" for help'),
    (["-b"], 'E option -b requires an argument; use option "-h" for help'),
    (["-t"], 'E option -t requires an argument; use option "-h" for help'),
    (["-T"], 'E option -T requires an argument; use option "-h" for help'),
    (["-S"], 'E option -S requires an argument; use option "-h" for help'),
    (["-r"], 'E option -r requires an argument; use option "-h" for help'),
    (["-L"], 'E option -L requires an argument; use option "-h" for help'),
    (["-W"], 'E option -W requires an argument; use option "-h" for help'),
    (["-lf"], 'option -lf requires'),
    (["-lp"], 'option -lp requires'),
    (["-u", "-U", "-", "-"], "E -U and -u must not be combined"),
    (["-L", "/tmp/a", "-W", "/tmp/b", "-", "-"], "E only one -L and -W option allowed"),
    (["-b", "x", "-", "-"], 'E parseopts(): missing numerical value of option "-b"'),
    (["-b", "", "-", "-"], 'E parseopts(): missing numerical value of option "-b"'),
    (["-b16x", "-", "-"], 'E parseopts(): trailing garbage in numerical arg of option "-b"'),
    (["-t1x", "-", "-"], 'E parseopts(): trailing garbage in numerical arg of option "-t"'),
    (["-vx", "-", "-"], 'Do not merge single character options, i.e. use "-v -x" instead of "-vx"'),
    (["-uv", "-", "-"], "Do not merge single character options"),
    (["-d1x", "-", "-"], 'E Invalid (trailing) character(s) "1" in "-d1x"option'),
    (["-lynowhere", "-", "-"], 'E unknown syslog facility "nowhere"'),
    (["-lf", "/nodir/log", "-", "-"], 'cannot open log file "/nodir/log": No such file or directory'),
])
def test_misuse(local, args, text):
    """The message and status 1."""
    r = local.run(*args)
    assert r.status == 1 and text in r.log and r.out == b"", r


@pytest.mark.parametrize("addr,text", [
    ("FOO:1", 'E unknown device/address "FOO"'),
    ("nofile", 'E unknown device/address "nofile"'),
    ("", 'E unknown device/address ""'),
    ("TEXT:a!!b", 'E unknown device/address "b"'),
    ("OPEN:/dev/null,=x,foo", None),
    ("OPEN:/dev/null,,rdonly,", None),
    ("open:/dev/null", None),
    ("OPEN:/dev/null,RDONLY", None),
    ('OPEN:/dev/null,"rdonly"', None),
    ("OPEN:/dev/null, rdonly", 'E parseopts_table(): unknown option " rdonly"'),
    ("OPEN:/dev/null,nosuch=1", 'E parseopts_table(): unknown option "nosuch"'),
    ("PIPE,echo", 'not supported with this address type'),
    ("OPEN:/dev/null,crnl=1", 'E no value permitted for option "crnl"'),
    ("OPEN:/dev/null,rdonly=yes", 'missing numerical value of option "rdonly=yes"'),
    ("OPEN:/dev/null,readbytes=", 'missing numerical value of option "readbytes="'),
    ("OPEN:/dev/null,readbytes=1x", 'trailing garbage in numerical arg of option "readbytes=1x"'),
    ("OPEN:/dev/null,lockfile", 'E option "lockfile": value required'),
    ("OPEN:/dev/null,user=nosuchuser", 'E getpwnam("nosuchuser"): no such user'),
    ("OPEN:/dev/null,group=nosuchgroup", 'E getgrnam("nosuchgroup"): no such group'),
    ("UDP4-RECV:9,setsockopt=1:2", "3 arguments required"),
    ("UDP4-RECV:9,pf=foo", 'E unknown protocol family "foo"'),
    ("UDP4-RECV:9,rcvtimeo=x", "rcvtimeo"),
])
def test_address_sentences(local, addr, text):
    """Addresses and options: accepted, or one clear sentence and status 1."""
    r = local.run("-u", addr, "-")
    if text is None:
        assert r.status == 0 and r.log == "", r
    else:
        assert r.status == 1 and text in r.log, r


@pytest.mark.parametrize("word", ["STDIO", "UDP4-RECVFROM", "UDP6-DATAGRAM", "UDPLITE4-LISTEN", "IP4-SENDTO", "EXEC", "SYSTEM", "OPEN", "GOPEN", "PIPE",
                                  "CREATE", "TEXT", "FD", "UDP-L", "UDP", "SHELL", "SOCKETPAIR", "STALL"])
def test_probing_for_an_address(local, word):
    """Scripts probe by junk parameters: a known word must not be 'unknown'."""
    r = local.run(word + ":::::", "/dev/null")
    assert r.status == 1 and "E unknown device/address" not in r.log, r


def test_long_words(local):
    """Very long input is an error or works, never a crash."""
    for spec in ("x" * 600, "OPEN:" + "y" * 600, "OPEN:/dev/null," + "z" * 3000, "OPEN:/dev/null,user=" + "u" * 3000, "TEXT:" + "t" * 100000):
        r = local.run("-u", spec, "-")
        assert r.status in (0, 1) and (r.status == 0 or " E " in r.log), r


def test_version(local):
    """Line 2 has name and version, line 3 the system, then features."""
    r = local.run("-V")
    lines = r.out.decode().splitlines()
    assert r.status == 0 and r.err == b""
    assert re.match(r"\w+ version \d+\.\d+(\.\d+)* on ", lines[1]), lines[1]
    assert re.match(r"   running on Linux version .*, release .*, machine ", lines[2])
    assert lines[3] == "features:"
    for f in ("STDIO", "UDP", "IP4", "IP6", "RAWIP", "EXEC", "SYSTEM", "LISTEN", "PIPE", "TEXT"):
        assert f"  #define WITH_{f} 1" in lines, f
    assert all(re.fullmatch(r"  #(define WITH_\w+ \d+( /\*\w+\*/)?|undef WITH_\w+)", s) for s in lines[4:]), lines


def test_help(local):
    """-h, -? and junk behind them."""
    texts = [local.run(o) for o in ("-h", "-?", "-hx")]
    assert all(r.status == 0 and r.err == b"" for r in texts)
    assert texts[0].out == texts[1].out == texts[2].out
    t = texts[0].out.decode()
    assert "\nUsage:\n" in t and "   address-head:\n" in t and "   opts:\n" not in t
    for tok in (r" -S[ <]", r"\s-0\s", "-d0", "--experimental", "--statistics", "-lp<progname>", "-T<timeout>"):
        assert re.search(tok, t), tok
    assert len(re.findall(r" -[rR] ", t)) == 2


def between(text, a, b):
    return text[text.index(a) + len(a):text.index(b)].splitlines()


def test_help_addresses(local):
    """One line per canonical address, sorted, with groups."""
    t = local.run("-h").out.decode()
    rows = [s for s in t[t.index("   address-head:\n") + 17:t.index("   layer:")].splitlines() if s]
    assert all(re.fullmatch(r"      [A-Z0-9-]+\S*\t+groups=[\w(),]+", s) for s in rows), rows
    names = [re.match(r" +([A-Z0-9-]+)", s).group(1) for s in rows]
    assert names == sorted(names) and "UDP4-RECVFROM" in names and "STDIO" in names
    line, = (s for s in rows if s.startswith("      UDP4-RECVFROM:"))
    assert "groups=FD,SOCKET,CHILD,RANGE,IP4,UDP" in line


@pytest.mark.parametrize("opt", ["-hh", "-hhh", "-??", "-hhhh"])
def test_help_options(local, opt):
    """Options follow, sorted by name, each with groups, phase, type or as an alias."""
    t = local.run(opt).out.decode()
    rows = [s for s in t[t.index("\n   opt:\n") + 9:].splitlines() if s]
    assert len(rows) > 150
    for s in rows:
        assert re.fullmatch(r"      \S+\t+groups=\S+?\s*phase=\S+\s*type=\S+.*|      \S+\t+is an alias for \S+", s), s
    names = [s.split()[0] for s in rows]
    assert names == sorted(names)
    assert any(re.search("is an alias for", s) for s in rows) == (opt != "-hh" and opt != "-??")


def test_help_aliases(local):
    """-hhh lists aliases of addresses and the two short forms."""
    t = local.run("-hhh").out.decode()
    assert re.search(r"^      UDP4-L\t+is an alias name for UDP4-LISTEN$", t, re.M)
    assert "         <num> is a short form for fd:<num>\n" in t
    assert "         <filename> is a short form for gopen:<filename>\n" in t


def test_order_of_options_counts(local, tmp_path):
    """-lf after a bad option does not catch its message."""
    f = tmp_path / "log"
    r = local.run("-q", "-lf", str(f), "-", "-")
    assert 'unknown option "-q"' in r.log and not f.exists()


def test_both_addresses_are_parsed_first(local, tmp_path):
    """An error in the second address shows before the first has had any effect."""
    f = tmp_path / "f"
    r = local.run("-U", f"CREATE:{f}", "NOSUCH:1")
    assert r.status == 1 and not f.exists(), r


def test_two_sizes_last_wins(local):
    r = local.run("-b", "2", "-b4", "-v", "-u", "TEXT:abcd", "-")
    assert re.findall(r"length=(\d+)", r.log) == ["4"], r


def test_sloppy(local):
    """-s: an error does not end the program at once."""
    r = local.run("-s", "-u", "OPEN:/nodir/x", "-")
    assert r.status == 255 and " E open(" in r.log, r


def test_never_prints_in_silence(local, fast):
    """A normal run prints nothing on stderr."""
    r = local.run("-u", "TEXT:x", "-")
    assert (r.status, r.out, r.err) == (0, b"x", b""), r


@pytest.mark.skipif(not lab.has("OPENSSL"), reason="program built without OpenSSL")
@pytest.mark.parametrize("other,why", [
    (None, r"feature module socast_tls\.so cannot be loaded: .*(invalid ELF header|file too short)"),
    ("socast_wrap.so", r"feature module .*/socast_tls\.so has no function socast_tls\w*: it belongs to another build")])
def test_a_spoilt_module(local, tmp_path, other, why):
    """Beside the program there is something else under the module's name."""
    folder = os.path.dirname(lab.SOCAST)
    if other and not os.path.exists(f"{folder}/{other}"):
        pytest.skip(f"needs another module, {other}")
    shutil.copy(lab.SOCAST, tmp_path / "socast")
    if other:
        shutil.copy(f"{folder}/{other}", tmp_path / "socast_tls.so")
    else:
        (tmp_path / "socast_tls.so").write_text("no module\n" * 100, encoding="ascii")
    r = local.command([str(tmp_path / "socast"), "-", "TLS:127.0.0.1:9"]).wait(10)
    assert r.status == 1 and re.search(rf" E {why}", r.log), r


@pytest.mark.parametrize("words,hint", [
    (["TCP:::1:80", "-"], "IPv6 addresses stand in brackets: TCP:[::1]:80"), (["-", "UDP6-DATAGRAM:fe80::1%eth0:80"], "UDP6-DATAGRAM:[fe80::1%eth0]:80"),
    (["OPENSSL:2001:db8::1:443,verify=0", "-"], "OPENSSL:[2001:db8::1]:443"), (["TCP:a:b:c", "-"], None), (["UDP-RECV:::1", "-"], None),
    (["-", "PIPE", "-d"], 'flags stand before the addresses: "-d" comes too late'), (["-", "-d", "PIPE"], '"-d" comes too late'),
    (["TCP-LISTEN:80,", "fork", "PIPE"], 'they are "TCP-LISTEN:80,", "fork", "PIPE": a blank behind a comma or colon?'), (["TCP-LISTEN:", "80", "PIPE"], 'they are "TCP-LISTEN:", "80", "PIPE": a blank behind a comma'),
    (["a", "b", "c"], 'they are "a", "b", "c": a blank that wants quotes?'), (["a"], None),
    (["-", "localhost", "80"], "a colon joins what belongs together: localhost:80"), (["TCP-LISTEN", "8080", "-"], "a colon joins what belongs together: TCP-LISTEN:8080"),
    (["-", "TCP:localhost", "80"], "a colon joins what belongs together: TCP:localhost:80"), (["-", "-", "80"], 'they are "-", "-", "80"'), (["-l", "8080"], "netcat's -l is an address here: TCP-LISTEN:<port>"),
    (["-lvp", "8080"], "netcat's -l is an address here"), (["-lz", "-", "-"], None), (["-", "MCAST:ff15::1234:5000"], "MCAST:[ff15::1234]:5000")])
def test_hints(local, words, hint):
    """What people get wrong most: the line behind the error says what would be right."""
    r = local.run("--check", *words)
    assert r.status == 1 and (f" W {hint}" in r.log or hint in r.log if hint else " W " not in r.log), r


def test_hint_of_an_old_entry(local, tmp_path):
    (tmp_path / "sock").write_text("")
    r = local.run(f"UNIX-LISTEN:{tmp_path}/sock", "-")
    assert r.status == 1 and "unlink-early" in r.log
