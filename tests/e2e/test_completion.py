"""Completion, in real shells: bash, zsh and fish get the same table of lines to complete.

bash and zsh run in a pseudo terminal, where somebody types a line and presses the tabulator;
what the line is then is what the screen shows. fish tells candidates itself. For bash the
function is also called directly, to see all candidates."""
import os
import re
import shutil
import subprocess

import pytest

import lab
from screen import Terminal

BUILD = os.path.dirname(lab.SOCAST)
INTERFACES = sorted(os.listdir("/sys/class/net"))

# What is typed, and what the line is after one tabulator. Where names may be typed in lower case
# bash goes on so, zsh and fish put the table's name there.
UNIQUE = {
    "udplite4-rec": "udplite4-recv",
    "UDP4-DATAG": "UDP4-DATAGRAM:",
    "SOCKETP": "SOCKETPAIR",
    "- UDP6-L": "- UDP6-LISTEN:",
    "UDP4-RECV:7000,ip-pkti": "UDP4-RECV:7000,ip-pktinfo",
    "UDP4-RECV:7000,ip-add-m": "UDP4-RECV:7000,ip-add-membership=",
    "- udp-l:7000,reusea": "- udp-l:7000,reuseaddr",
    "tcp4-l:7000,range=127.0.0.0/8,max-ch": "tcp4-l:7000,range=127.0.0.0/8,max-children",
    "UDP4-RECV:7000,bindtodev": "UDP4-RECV:7000,bindtodevice=",
    "UDP4-RECV:7000,if=l": "UDP4-RECV:7000,if=lo",
    "UDP4-RECV:7000,so-bindtodevice=l": "UDP4-RECV:7000,so-bindtodevice=lo",
    "MCAST:224.1.0.1:7000,join-if=eth7+l": "MCAST:224.1.0.1:7000,join-if=eth7+lo",
    "UDP4-RECV:7000,membership=224.1.0.1:l": "UDP4-RECV:7000,membership=224.1.0.1:lo",
    "INTERFACE:l": "INTERFACE:lo",
    "OPEN:DIR/fi": "OPEN:DIR/first",
    "OPEN:DIR/first,tru": "OPEN:DIR/first,trunc",
    "DIR/fi": "DIR/first",
    "- OPENSSL:host:443,cert=DIR/fi": "- OPENSSL:host:443,cert=DIR/first",
    "'UDP4-RECV:7000!!UDP4-SEN": "'UDP4-RECV:7000!!UDP4-SENDTO:",
    "'UDP4-RECV:7000,ip-ttl=3!!UDP4-SENDTO:h:1,rang": "'UDP4-RECV:7000,ip-ttl=3!!UDP4-SENDTO:h:1,rang",
    "'UDP4-RECV:7000!!OPEN:DIR/first,app": "'UDP4-RECV:7000!!OPEN:DIR/first,append",
    "--stati": "--statistics",
    "-L DIR/fi": "-L DIR/first",
    "EXEC:DIR/fi": "EXEC:DIR/first",
    "TLS+UDP4-DATAG": "TLS+UDP4-DATAGRAM:",
    "TLS+SOCKS5+unix-conn": "TLS+SOCKS5+unix-connect:",
    "TLS+TCP4:h:1,tcp-nod": "TLS+TCP4:h:1,tcp-nodelay",
    "TLS+INTERFACE:l": "TLS+INTERFACE:lo",
    "TLS+DIR/fi": "TLS+DIR/first",
    "'TLS(cafi": "'TLS(cafile=",
    "'TLS(verify=0,cafile=DIR/fi": "'TLS(verify=0,cafile=DIR/first",
    "'TLS(verify=0,no-s": "'TLS(verify=0,no-sni",
    "'TLS(verify=0)": "'TLS(verify=0)+",
    "'tls[alpn=(a,b),verify=0]+PROXY(to=[::1]:1)+tcp4:h:1,proxy-res": "'tls[alpn=(a,b),verify=0]+PROXY(to=[::1]:1)+tcp4:h:1,proxy-resolve",
    "'TLS(tcp-nod": "'TLS(tcp-nod",
    "'UDP4-RECV:7000!!TLS+": "'UDP4-RECV:7000!!TLS+",
}

# Brackets outside of quotes: bash and fish leave square ones alone, zsh quotes round ones itself.
UNQUOTED = {
    "bash": {"TLS[cafi": "TLS[cafile=", "TLS[cafile=DIR/fi": "TLS[cafile=DIR/first", "TLS[cafile=a]": "TLS[cafile=a]+"},
    "zsh": {"TLS(cafi": "TLS(cafile=", "TLS\\(cafile=DIR/fi": "TLS\\(cafile=DIR/first", "TLS\\(cafile=a\\)": "TLS\\(cafile=a\\)+",
            "TLS\\(cafile=a\\)+TCP4:h:1,tcp-nod": "TLS\\(cafile=a\\)+TCP4:h:1,tcp-nodelay"},
}

# Lines that leave a choice, and some of the candidates: typed and candidates without what stands
# before them.
CHOICE = [
    ("", "UDP4-L", ["UDP4-LISTEN:"]),
    ("", "MC", ["MCAST:", "MCAST4:", "MCAST6:"]),
    ("", "--st", ["--statistics", "--stats="]),
    ("UDP4-RECV:7000,", "ip-multicast-", ["ip-multicast-all", "ip-multicast-if=", "ip-multicast-loop", "ip-multicast-ttl"]),
    ("UDP4-RECV:7000,", "reuse", ["reuseaddr", "reuseport"]),
    ("UDP4-RECV:7000,if=", "", INTERFACES),
    ("UDP4-RECV:7000,interface=", "", INTERFACES),
    ("UDP4-RECV:7000!!UDP4-SENDTO:h:1,so-bindtodevice=", "", INTERFACES),
    ("UDP4-RECV:7000,ip-add-membership=224.1.0.1:", "", INTERFACES),
    ("UDP4-RECV:7000,ip-add-membership=", "", []),
    ("UDP4-RECV:", "7", []),
    ("INTERFACE:", "", INTERFACES),
    ("OPEN:", "fi", ["first"]),
    ("OPEN:./", "", ["a name", "first", "sub/"]),
    ("OPEN:first,user=", "roo", ["root"]),
    ("OPEN:first,group=", "roo", ["root"]),
    ("SOCKS4:proxy:target:", "10", []),
    ("NOSUCH:", "x", []),
    ("UDP4-RECV:7000,tcp-no", "", []),
    ("TCP4:h:1,", "tcp-nod", ["tcp-nodelay"]),
    ("", "SOCKS4", ["SOCKS4:", "SOCKS4A:", "SOCKS4+", "SOCKS4[", "SOCKS4A+", "SOCKS4A["]),
    ("TLS+PROXY[to=h:1]+", "SOCKS4A", ["SOCKS4A:", "SOCKS4A+", "SOCKS4A["]),
    ("UDP4-RECV:7000!!", "SOCKS4A", ["SOCKS4A:"]),
    ("PROXY[", "socks", []),
    ("PROXY[to=h:1,", "proxy-auth", ["proxy-authorization=", "proxy-authorization-file="]),
    ("TLS[cafile=a]", "", ["+"]),
    ("TLS[cafile=a]x", "", []),
    ("NOSUCH[", "x", []),
    ("TLS+PROXY[to=h:1]+UNIX-CONNECT:s,", "proxy-au", ["proxy-authorization=", "proxy-authorization-file="]),
    ("TLS[verify=0]+UNIX-CONNECT:s,", "openssl-ca", ["openssl-cafile=", "openssl-capath="]),
    ("TLS[verify=0]+UNIX-CONNECT:s,", "proxy-au", []),
    ("TLS[verify=0]+OPEN:", "fi", ["first"]),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "first").write_text("")
    (tmp_path / "first").chmod(0o755)
    (tmp_path / "sub").mkdir()
    (tmp_path / "a name").write_text("")
    return tmp_path


def need(shell, program="socast"):
    """The script of a shell for a program."""
    if not shutil.which(shell):
        pytest.skip(f"needs the program {shell}")
    name = {"bash": "{}.bash", "zsh": "_{}", "fish": "{}.fish"}[shell]
    return os.path.join(BUILD, name.format(program))


class Shell:
    """A shell in a terminal so wide that no line wraps."""

    def __init__(self, argv, folder):
        self.tty = Terminal(50, 200)
        self.p = lab.Proc(argv, lab.environment({"TERM": "vt100", "PS1": "> ", "HOME": str(folder), "INPUTRC": "/dev/null"}),
                          stdin=self.tty.slave, stdout=self.tty.slave, stderr=self.tty.slave,
                          cwd=folder)
        self.number = 0

    def after_tab(self, line, program="socast"):
        """The line after @line and a tabulator; a mark typed behind tells that it is done."""
        self.number += 1
        mark = f"~{self.number}~"
        self.tty.type(f"\x15{program} {line}\t{mark}")
        lab.wait_until(lambda: self.last().endswith(mark), 20, lambda: f"screen is {self.tty.look()!r}")
        return self.last()[len(f"> {program} "):-len(mark)].rstrip()

    def last(self):
        return ([""] + [x for x in self.tty.look() if x.startswith("> ")])[-1]

    def run(self, command):
        self.tty.type("\x15" + command + "\r")

    def ready(self):
        self.run("echo rea''dy")
        lab.wait_until(lambda: "ready" in self.tty.look(), 20, lambda: f"screen is {self.tty.look()!r}")

    def close(self):
        self.p.clear()
        self.tty.close()


@pytest.fixture
def bash(folder):
    script = need("bash")
    sh = Shell(["bash", "--norc", "--noprofile", "-i"], folder)
    sh.run(f"source {script}; bind 'set bell-style none' 'set enable-bracketed-paste off'; clear")
    sh.ready()
    yield sh
    sh.close()


@pytest.fixture
def zsh(folder):
    script = need("zsh")
    sh = Shell(["zsh", "-f", "-i"], folder)
    sh.run(f"PS1='> '; unsetopt beep prompt_sp zle_bracketed_paste; fpath=({os.path.dirname(script)} $fpath); autoload -U compinit; compinit -u -D; LISTMAX=0; clear")
    sh.ready()
    yield sh
    sh.close()


def expected(folder, shell, change):
    """What is unique for a folder, and for a shell that does things its own way."""
    return {k.replace("DIR", str(folder)): change(v.replace("DIR", str(folder))) for k, v in (UNIQUE | UNQUOTED[shell]).items()}


def test_bash_in_a_terminal(bash, folder):
    def quote_closed(line):
        return line + "'" if line.startswith("'") and line.endswith(("append", "proxy-resolve")) else line
    want = expected(folder, "bash", quote_closed)
    assert {line: bash.after_tab(line) for line in want} == want


def table_case(line):
    return line.replace("udplite4-recv", "UDPLITE4-RECV").replace("unix-connect:", "UNIX-CONNECT:")


def test_zsh_in_a_terminal(zsh, folder):
    want = expected(folder, "zsh", table_case)
    assert {line: zsh.after_tab(line) for line in want} == want


def in_fish(lines, folder):
    """The candidates for each of @lines."""
    script = need("fish")
    code = 'source $argv[1]; for line in $argv[2..]; complete -C "socast $line"; echo ----; end'
    r = subprocess.run(["fish", "--no-config", "-c", code, script, *lines], capture_output=True, text=True,
                       timeout=100, cwd=folder, check=True, env=lab.environment({"HOME": str(folder)}))
    assert not r.stderr
    return [[c.split("\t")[0] for c in part.splitlines()] for part in r.stdout.split("----\n")[:-1]]


def in_bash(lines, folder):
    """The same; the word that bash replaces begins behind the last ":" or "="."""
    script = need("bash")
    code = r"""source "$1"; shift
for line; do
	COMP_LINE="socast $line" COMP_POINT=$((${#line} + 7)) COMPREPLY=()
	_socast socast "${line##*[:= ]}" ''
	printf '%s\n' "${COMPREPLY[@]}" ----
done"""
    r = subprocess.run(["bash", "-c", code, "bash", script, *lines], capture_output=True, text=True,
                       timeout=100, cwd=folder, check=True, env=lab.environment({"HOME": str(folder)}))
    assert not r.stderr
    parts = [[c for c in part.splitlines() if c] for part in r.stdout.split("----\n")[:-1]]
    return [[re.match(r"(.*[:= ]|)", line)[0] + c for c in part] for line, part in zip(lines, parts)]


@pytest.mark.parametrize("ask", [in_bash, in_fish])
def test_candidates(ask, folder):
    lines = [before + typed for before, typed, _ in CHOICE]
    got = dict(zip(lines, ask(lines, folder)))
    escaped = {line: sorted(c.replace("\\", "") for c in found) for line, found in got.items()}
    want = {before + typed: sorted(before + c for c in found) for before, typed, found in CHOICE}
    assert escaped == want


def test_names_of_classic_in_bash(folder):
    """A script for each name, as bash-completion loads them: socat completes as socast does, the companions their flags."""
    for program, line, want in (("socat", "socat UDP4-DATAG", "UDP4-DATAGRAM:"), ("filan", "filan -", "-s"), ("filan", "procan -", "-c")):
        code = r"""source "$1"; COMP_LINE=$2 COMP_POINT=${#2} COMPREPLY=(); f=$(complete -p ${2%% *}); f=${f##*-F }
${f% *} ${2%% *} "${2##* }" ''; printf '%s\n' "${COMPREPLY[@]}" """
        r = subprocess.run(["bash", "-c", code, "bash", need("bash", program), line], capture_output=True, text=True, timeout=20, cwd=folder,
                           check=True, env=lab.environment({"PATH": BUILD + ":" + os.environ["PATH"]}))
        assert want in r.stdout.split() and not r.stderr, (program, r)


def test_names_of_classic_in_fish(folder):
    need("fish")
    for program, line, want in (("socat", "socat UDP4-DATAG", "UDP4-DATAGRAM:"), ("filan", "filan -", "-s"),
                                ("filan", "procan -", "-V")):
        r = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", need("fish", program), line], capture_output=True,
                           text=True, timeout=60, cwd=folder, check=True, env=lab.environment({"HOME": str(folder), "PATH": BUILD + ":" + os.environ["PATH"]}))
        assert want in [c.split("\t")[0] for c in r.stdout.splitlines()] and not r.stderr, (program, r)


def test_names_of_classic_in_zsh(zsh):
    """compinit finds them by what their first lines say."""
    zsh.run(f"PATH={BUILD}:$PATH; clear")
    assert zsh.after_tab("UDP4-DATAG", "socat") == "UDP4-DATAGRAM:"
    assert [zsh.after_tab(flag, program) for program, flag in (("filan", "-S"), ("procan", "-V"))] == ["-S", "-V"]


def help_groups():
    """What -hhh says: canonical names of types and options, with their groups."""
    text = subprocess.run([lab.SOCAST, "-hhh"], capture_output=True, text=True, check=True).stdout
    types, options = text.split("   opts:\n")
    shape = re.compile(r"^      ([\w+-]+)(\S*)\s+groups=(\S+)", re.M)
    return [{m[1]: (m[2], set(re.split(r"[,()]+", m[3])) - {""}) for m in shape.finditer(part)} for part in (types, options)]


def help_layers():
    """Layers with their groups."""
    text = subprocess.run([lab.SOCAST, "-h"], capture_output=True, text=True, check=True).stdout
    return {m[1]: set(m[2].split(",")) for m in re.finditer(r"^      (\S+) +below=.* groups=(\S+)$", text, re.M)}


@pytest.mark.parametrize("ask", [in_bash, in_fish])
def test_every_layer_takes_its_options(ask, folder):
    """In its brackets stand its options and no others; behind the comma they are there as well."""
    layers, (types, options) = help_layers(), help_groups()
    found = ask([line for layer in layers for line in (f"{layer}[", f"{layer}+STALL,")], folder)
    for n, (layer, groups) in enumerate(layers.items()):
        fit = {o for o, (_, g) in options.items() if g & groups} - {"socksport", "proxyport"}     # of types that say where the server is
        everywhere = {o for o, (_, g) in options.items() if g & (types["STALL"][1] | {"all", "PROCESS", "APPL"})}
        assert [{re.split(r"[\[,]", line)[-1].rstrip("=") for line in lines} for lines in found[2 * n:2 * n + 2]] == [fit, fit | everywhere], layer


@pytest.mark.parametrize("ask", [in_bash, in_fish])
def test_every_type_takes_its_options(ask, folder):
    """Behind a comma stand the options that the help says fit, and no others."""
    types, options = help_groups()
    everywhere = {"all", "PROCESS", "APPL"}
    some = sorted(types) if ask is in_bash else sorted(types)[::9]
    found = ask([f"{t}:x," for t in some], folder)
    for t, lines in zip(some, found):
        fit = {o for o, (_, groups) in options.items() if groups & (types[t][1] | everywhere)} - {"to"}     # of layers
        assert {line.split(",")[-1].rstrip("=") for line in lines} == fit, t


@pytest.mark.parametrize("ask", [in_bash, in_fish])
def test_every_type_is_offered(ask, folder):
    types, _ = help_groups()
    want = [t + (":" if syntax.startswith(":") else "") for t, (syntax, _) in types.items()]
    layers = [layer + end for layer in help_layers() for end in "+["]
    assert "TLS+" in layers and sorted(ask([""], folder)[0]) == sorted(want + layers)


def test_brackets_in_fish(folder):
    """Round ones between quotes; square ones, which fish quotes by a backslash, else."""
    lines = ["'PROXY", "'TLS(cafi", "TLS\\[cafi", "TLS\\[verify=0\\]+TCP:h:1,cafi"]
    assert [sorted(found) for found in in_fish(lines, folder)] == [
        ["PROXY(", "PROXY+", "PROXY:"], ["TLS(cafile="], ["TLS[cafile="], ["TLS[verify=0]+TCP:h:1,cafile="]]
