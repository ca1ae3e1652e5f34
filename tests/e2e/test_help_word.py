"""--help, --help WORD, --version, and long flags as people type them."""
import os
import re
import shlex

import pytest

import lab


def out(local, *args):
    r = local.run(*args, input=None)
    assert r.status == 0 and r.log == "", r
    return r.out.decode()


def topics(local):
    return out(local, "--help").split("or a topic:\n")[1].split()


def test_a_screen(local):
    """One screen of an ordinary terminal; how to go on stands at its end."""
    text = out(local, "--help")
    assert len(text.splitlines()) <= 34 and all(len(line) <= 100 for line in text.splitlines())
    assert "socast --help WORD" in text and len(topics(local)) >= 18


def test_every_topic_type_and_option(local):
    """What the lists name can be asked for, under each of its names."""
    full = out(local, "-hhh")
    types = re.findall(r"^      ([A-Z][A-Z0-9-]+)[\[:<\t]", full, re.M)
    options = re.findall(r"^      ([a-z0-9][a-z0-9-]*)\t", full[full.index("\n   opt:\n"):], re.M)
    assert len(types) > 200 and len(options) > 800
    for name in topics(local) + types[::9] + options[::23]:
        assert len(out(local, "--help", name).splitlines()) >= 2, name
        out(local, "--help", name.upper())


@pytest.mark.parametrize("word", """port-forward ports netcat nc https client-certificate serial modem shell reverse-shell bash script inetd
    http-proxy socks ssh copy file-transfer tail ssdp upnp mdns wake-on-lan magic-packet chat hexdump syslog docker reconnect limit rate
    prometheus systemd socket-activation unix-socket null-modem web-server environment ipv6 vpn port-check record password
    run-as tar folder max-clients self-signed timeouts idle inactivity capture monitor traffic window-size ctrl-c signal igmp bridge v6
    virtual-serial clients connections growing follow per-connection bastion nobody logger journald auth why""".split())
def test_words_of_everyday(local, word):
    """What a newcomer calls it is a word for --help, with a line to copy."""
    assert re.search(r"^  .*socast ", out(local, "--help", word), re.M)


def test_a_word_of_several_topics(local):
    """All of them are told, with a line between."""
    text = out(local, "--help", "auth")
    assert "through a proxy\n" in text and re.search(r"^\nthrough a proxy$", text, re.M) and text.startswith("encrypted connections\n")


def test_no_word_stands_twice(local):
    """Within a topic; what two topics share is meant for both."""
    with open(os.path.join(lab.ROOT, "src/help_topics.c"), encoding="utf-8") as f:
        lists = [m.split() for m in re.findall(r'^\t\{ "([a-z0-9 -]+)",', f.read().split("} examples[]")[0], re.M)]
    words = [w for names in lists for w in set(names)]
    assert len(lists) >= 20 and all(len(set(names)) == len(names) for names in lists)
    assert {w for w in words if words.count(w) > 1} == {"auth", "signal"}


@pytest.mark.parametrize("flag", ["-t", "-d", "-ly", "--stats", "--drain", "--help", "--metrics", "-u", "-h"])
def test_flags(local, flag):
    assert re.match(rf"flag {flag}\b.*\n  \S", out(local, "--help", flag))


@pytest.mark.parametrize("word", ["doctor", "explain", "progress", "drain", "check", "log"])
def test_long_flags_without_dashes(local, word):
    assert re.search(rf"^flag --{word}\b.*\n  \S", out(local, "--help", word), re.M)


def lines_of(local):
    """All examples there are, and what they stand under."""
    words = topics(local) + re.findall(r"^      ([A-Z][A-Z0-9-]+)(?:[\[:<\t].*groups=| +below=)", out(local, "-h"), re.M)
    for word in words:
        for line in re.findall(r"^  (?:Example: )?(socast .*)$", out(local, "--help", word), re.M):
            yield word, line
    for line in re.findall(r"^  (socast .*?)(?:  .*)?$", out(local, "--help"), re.M):
        if "ADDRESS" not in line and "WORD" not in line:
            yield "--help", line


def test_every_example_makes_sense(local, tmp_path):
    """Each passes --check, but for devices, keys and certificates that are not here."""
    seen = set()
    (tmp_path / "in").write_text("a file that examples read")
    for word, line in lines_of(local):
        args = shlex.split(line)[1:]
        if line in seen or "--doctor" in args:
            continue
        seen.add(line)
        r = local.run("--check", *[a for a in args if a != "--explain"], input=None, cwd=tmp_path)
        away = r.status == 1 and "No such file or directory" in r.log.splitlines()[0]
        assert away or (r.status == 0 and " W " not in r.log), (word, line, r)
    assert len(seen) >= 70


def test_options_of_a_type_come_by_closeness(local):
    """What only TLS has stands before what every socket has."""
    text = out(local, "--help", "TLS-LISTEN")
    assert text.index("handshake-timeout") < text.index("keepalive")
    assert "options" not in out(local, "--help", "fork").lower().split("it fits")[0][8:]


def test_layers(local):
    """A word that is a type and a layer is explained as both; options name the layers that take them."""
    text = out(local, "--help", "socks5")
    kind = re.split(r"\n(?=(?:address|layer) )", text)
    assert [k.split("\n")[0] for k in kind] == ["address SOCKS5-CONNECT:<socks-server>[:<socks-port>]:<target-host>:<target-port>", "layer SOCKS5+<address>"]
    assert "  Short for: SOCKS5(to=<target-host>:<target-port>)+TCP:<socks-server>:1080\n" in kind[0]
    assert "  It stands on a stream, as client, and is gone when the target is connected.\n" in kind[1]
    assert {"socksport", "to"} & set(kind[0].split()) == {"socksport"} and {"socksport", "to"} & set(kind[1].split("comma:")[1].split()) == {"to"}
    assert out(local, "--help", "to").endswith("  It fits the layers:\n    SOCKS4 SOCKS4A SOCKS5 SOCKS5-LISTEN PROXY\n")
    assert "layers" not in out(local, "--help", "proxyport")
    assert "sockspass" in kind[1] and "keepalive" not in kind[1] and "Example: socast - 'SOCKS5(to=" in kind[1]
    assert "as client or server.\n" in out(local, "--help", "dtls") and "stands on datagrams" in out(local, "--help", "dtls")
    assert out(local, "--help", "cafile").endswith("  And the layers:\n    TLS DTLS\n")
    assert "layers" not in out(local, "--help", "reuseaddr")


def test_every_layer_is_told_of(local):
    """Each has a line to copy, and --explain says what it does there."""
    names = re.findall(r"^      (\S+) +below=", out(local, "-h"), re.M)
    assert len(names) >= 7
    for name in names:
        text = out(local, "--help", name).split(f"layer {name}+<address>\n")[1]
        line = re.search(r"^  Example: socast (.*)$", text, re.M)
        assert line, text
        assert re.search(rf"^  On \w+ stands {name}, as client: it \w+s .*\.$", out(local, "--explain", *shlex.split(line[1])), re.M), line


def test_what_a_type_is_short_for(local):
    """The stack does what the type does."""
    values = {"host": "h.test", "port": "99", "socks-server": "proxy.test", "socks-port": "1080", "proxy-server": "proxy.test"}
    def filled(text):
        return re.sub(r"<(?:target-|listen-)?([\w-]+)>", lambda m: values[m[1]], text)
    def layers(address):
        told = out(local, "--explain", "-", address)
        return re.findall(r"^  On it (?:always )?(stands .*\n(?:    (?!Its).*\n)*)", told, re.M)
    presets = {}
    for name in re.findall(r"^      ([A-Z][A-Z0-9-]+)[\[:<\t].*groups=.*(?:OPENSSL|SOCKS|HTTP)", out(local, "-h"), re.M):
        text = out(local, "--help", name)
        presets[name + filled(re.search(rf"^address {name}(\S+)$", text, re.M)[1].replace("[", "").replace("]", ""))] = filled(re.search("Short for: (.*)", text)[1])
    assert len(presets) == 9
    for preset, stack in presets.items():
        options = ",socksport=1080" if preset.startswith("SOCKS4") else ""
        assert layers(preset + options) == layers(stack) != [], (preset, stack)


@pytest.mark.parametrize("word,near", [("serail", "serial"), ("TPC-LISTEN", "TCP-LISTEN"), ("reusaddr", "reuseaddr"), ("xyzzyxyzzy", None)])
def test_unknown_word(local, word, near):
    r = local.run("--help", word, input=None)
    assert r.status == 1 and r.out == b"" and f'there is no topic, type, option or flag "{word}"' in r.log, r
    assert (f'did you mean "{near}"?' if near else "--help alone lists the topics") in r.log


def test_version_in_one_line(local):
    assert re.fullmatch(r"socast \d+\.\d+\.\d+ \(compatible with socat 1\.8\.1\.3\)\n", out(local, "--version"))


def test_one_word_only(local):
    r = local.run("--help", "tls", "tcp", input=None)
    assert r.status == 1 and '--help: "tcp" is one word too many' in r.log and "--help port-forward" in r.log, r


@pytest.mark.parametrize("flag,meant", [("--explian", "--explain"), ("--statistic", "--statistics"), ("--metric=9100", "--metrics"), ("--drian=3", "--drain")])
def test_misspelt_flags(local, flag, meant):
    r = local.run(flag, "-", "-")
    assert r.status == 1 and re.search(rf'E unknown option "{flag}"; use option "-h" for help; did you mean "{meant}"\?', r.log), r


@pytest.mark.parametrize("flags", [["--drain", "1"], ["--drain=1"], ["--stats", "60"], ["--log", "text"]])
def test_values_of_long_flags(local, flags):
    """Behind "=" or as the next word."""
    r = local.run(*flags, "-u", "TEXT:hi", "-")
    assert r.status == 0 and r.out == b"hi", r


def test_a_long_flag_without_its_value(local):
    r = local.run("--drain")
    assert r.status == 1 and "requires an argument" in r.log, r


@pytest.mark.parametrize("flags", [["-ly", "local0"], ["-lf", "/dev/null", "-"], ["-lylocal9"]])
def test_errors_of_the_command_line_are_seen(local, flags):
    """Whatever they say about the log, who types them sees what is wrong. (Classic tells only the log.)"""
    r = local.run(*flags, "-", "-")
    assert r.status == 1 and r.log.strip(), r


def test_under_the_other_name(local, tmp_path):
    """Called socat the words are the same; classic has neither."""
    (tmp_path / "socat").symlink_to(lab.SOCAST)
    assert local.run("--version", input=None, prog=str(tmp_path / "socat")).out.startswith(b"socast ")
    assert b"--help WORD" in local.run("--help", input=None, prog=str(tmp_path / "socat")).out


# ---------------------------------------------------------------- words that mean something else here

@pytest.mark.parametrize("args,hint", [
    (["-", "10.77.0.2:80"], r"W an address begins with a type: TCP:10.77.0.2:80"),
    (["-", "www.example.org:80"], r"W an address begins with a type: TCP:www.example.org:80"),
    (["-", "HTTP:www.example.org:80"], r"W a web server is TCP:<host>:80 or TLS:<host>:443, a proxy PROXY"),
    (["-", "present"], r"W there is a file of that name: ./present"),
])
def test_what_an_address_should_be(local, tmp_path, args, hint):
    (tmp_path / "present").write_text("x")
    r = local.run(*args, cwd=tmp_path)
    assert r.status == 1 and "E unknown device/address" in r.log and re.search(hint, r.log), r


@pytest.mark.parametrize("option,use", [("baud=115200", "b115200"), ("8n1", "cs8,parenb=0,cstopb=0"), ("port=3128", "proxyport"), ("ca=x", "cafile"),
                                        ("timeout=3", "connect-timeout or accept-timeout, or flag -T"), ("max-clients=2", "max-children"), ("insecure", "verify=0")])
def test_options_of_other_programs(local, option, use):
    r = local.run("-", f"TCP-LISTEN:0,{option}")
    assert r.status == 1 and f'unknown option "{option.split("=")[0]}"; use {use}' in r.log, r


def test_half_of_a_short_word_is_another_word(local):
    """"prot" is one letter from "port", and nothing like "fork"."""
    r = local.run("-", "TCP-LISTEN:0,pork")
    assert 'did you mean "fork"?' in r.log
    r = local.run("-", "TCP-LISTEN:0,cark")
    assert "did you mean" not in r.log or '"cork"' in r.log, r


# ---------------------------------------------------------------- cures

@pytest.mark.parametrize("args,first,hint", [
    (["TCP4-LISTEN:8000-8010", "PIPE"], "Servname not supported", 'W "8000-8010" is neither the number of a port nor a name of services\\(5\\); a line serves one port'),
    (["TCP4-LISTEN:htpp", "PIPE"], "Servname not supported", 'W "htpp" is neither the number of a port nor a name of services\\(5\\)$'),
    (["SYSTEM:echo a,b:c", "-"], 'unknown option "b:c"', r'W a comma ends the command: write "\\," where it belongs to it'),
    (["-", "UDP4:127.0.0.1:9"], "read\\(.*: Connection refused", "W nobody listens at port 9 of 127.0.0.1"),
    (["-", "UDP6:[::1]:9"], "read\\(.*: Connection refused", "W nobody listens at port 9 of \\[?[0:]*1"),
])
def test_cures(local, args, first, hint):
    """The first line is classic's, the second says what is meant."""
    r = local.run("-t", "1", *args, input=b"x")
    assert r.status == 1 and re.search(" E .*" + first, r.log) and re.search(hint, r.log, re.M), r


@pytest.mark.parametrize("text,ok", [("0.2s", True), ("200ms", True), ("0.01m", True), ("0.001h", True), ("2x", False), ("2 s", False)])
def test_units_of_time(local, text, ok):
    """ms, s, m and h, behind flags and in options."""
    r = local.run("-t", text, "-u", "TEXT:x", "-")
    assert (r.status == 0) == ok, r
    r = local.run("--check", "-", f"TCP4:127.0.0.1:1,connect-timeout={text}")
    assert (r.status == 0) == ok, r
