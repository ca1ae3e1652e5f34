"""Runs the examples of the documents: README.md, doc/tutorial.md, doc/examples.md, and the manuals.

An example is a fenced block that begins with ```console, in the manual a `.Bd -literal`
display behind a comment `.\\" console` (there … is ...):

    host1$ command     run by sh on this host of lab.Lan; a \\ at its end continues it
    output             what it prints, standard output and error; … stands for any
                       text in a line, and alone on a line for any number of lines
    host1$ command &   stays running until the next heading (in the manual: until the
                       next comment `.\\" scene`) with its standard input open; what
                       follows it is what it prints until then

Words behind `console` change this for one block:

    unordered          lines may come in any order
    terminal           commands in the foreground run on a terminal of 24 lines and 80 columns;
                       "> text" is what somebody types there
    needs=PROGRAM      left out where this program is missing
    check=WHY          needs what no test has, so that only --check is run

All examples under one heading share the hosts and an empty directory of their own. The program is
found through PATH as `socast`.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

import certs
import lab
from screen import Terminal

FILES = {"README.md": 5, "doc/tutorial.md": 5, "doc/examples.md": 60, "man/socast.1.in": 5, "man/filan.1": 2, "man/procan.1": 1}   # examples at least
EPOLL = {"232", "281", "441", "22"}     # numbers of epoll_wait(2) and kin, x86-64 and arm64


class Command:
    """A command line, where it runs, and what it should print."""

    def __init__(self, host, words, line, text):
        self.host, self.line, self.text, self.want = host, line, text, []
        self.unordered, self.terminal = "unordered" in words, "terminal" in words
        self.needs = [w.removeprefix("needs=") for w in words if w.startswith("needs=")]
        self.check = next((w for w in words if w.startswith("check=")), None)
        self.background = text.endswith(" &")
        if self.background:
            self.text = text[:-2]


def commands_of(lines, first, words):
    """The commands of one block; @first is the line number of its first line."""
    out, i = [], 0
    while i < len(lines):
        m = re.fullmatch(r"host([123])\$ (.*)", lines[i])
        at, i = i, i + 1
        if not m:
            assert out, f"line {first + at}: output before a command"
            out[-1].want.append(lines[at])
            continue
        text = m.group(2)
        while text.endswith("\\"):
            text = text[:-1] + lines[i].lstrip()
            i += 1
        out.append(Command(int(m.group(1)), words, first + at, text))
    return out


def plain(line):
    """A line of a literal mdoc display as it is printed."""
    line = re.sub(r"\\(.)", lambda m: {"e": "\\", "&": "", "-": "-"}[m.group(1)], line)
    return line.replace("...", "…")


def scenes(path):
    """The document cut at its headings: [(title, [Command, ...])], without empty ones."""
    with open(os.path.join(lab.ROOT, path), encoding="utf-8") as f:
        lines = f.read().splitlines()
    manual = path.startswith("man/")
    begin = re.compile(r'\.\\" console(.*)' if manual else r"```console(.*)")
    heading = re.compile(r'\.\\" scene (.*)|\.S[hs] (.*)' if manual else r"#+ (.*)")
    out, i = [(path, [])], 0
    while i < len(lines):
        m = heading.fullmatch(lines[i])
        if m:
            out.append((next(g for g in m.groups() if g), []))
        m = begin.fullmatch(lines[i])
        i += 1
        if not m:
            continue
        if manual:
            assert lines[i].startswith(".Bd "), f"{path}:{i + 1}: no display"
            i += 1
        first = i
        while lines[i] != (".Ed" if manual else "```"):
            i += 1
        block = [plain(s) for s in lines[first:i]] if manual else lines[first:i]
        out[-1][1].extend(commands_of(block, first + 1, m.group(1).split()))
    return [s for s in out if s[1]]


ALL = [(path, title, todo) for path in FILES for title, todo in scenes(path)]


def pattern(want, terminal=False):
    """The regular expression of these lines. What is typed at a terminal follows a prompt there."""
    rx = ""
    for line in want:
        if line == "…":
            rx += r"(?:.*\n)*"
            continue
        if terminal and line.startswith("> "):
            line = "…" + line[2:]
        rx += ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
    return rx


def matches(want, have, terminal=False):
    """Does the printed text @have (list of lines) look like @want?"""
    return re.fullmatch(pattern(want, terminal), "".join(s + "\n" for s in have)) is not None


def satisfied(cmd, have):
    if cmd.terminal and not cmd.background:
        return matches(cmd.want, have, True)
    if not cmd.unordered:
        return matches(cmd.want, have)
    left = list(have)
    for line in [w for w in cmd.want if w != "…"]:
        hit = next((h for h in left if matches([line], [h])), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left or "…" in cmd.want


def waits(p, other=False):
    """Has every socast of this session come to wait in its loop? @other: or does another program sleep?"""
    found = False
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            if int(rest.split()[3]) != p.pid:
                continue
            if name != "socast":
                found |= other and name != "sh" and rest.split()[0] == "S"
                continue
            with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
                if f.read().split()[0] not in EPOLL:
                    return False
            found = True
        except (OSError, IndexError):
            continue
    return found


def start(hosts, cmd, cwd, tty=None):
    path = os.path.dirname(lab.SOCAST) + os.pathsep + os.environ["PATH"]
    env = {"PATH": path, "TZ": "UTC", "HOME": "/nonexistent", "TERM": "vt100"}
    stdin = subprocess.PIPE if cmd.background else subprocess.DEVNULL
    # opened by the leader of a session it becomes its controlling terminal
    text = f"exec <>{tty} >&0 2>&0; {cmd.text}" if tty else cmd.text
    return hosts[cmd.host - 1].command(["sh", "-c", text], env=env, cwd=cwd, stdin=stdin, stderr=subprocess.STDOUT)


def shows(t, rx):
    return re.fullmatch(rx, "".join(s + "\n" for s in t.look())) is not None


def at_terminal(hosts, cmd, cwd, path):
    """Run a command on a terminal, type what is typed, and look at the screen."""
    t = Terminal()
    p = start(hosts, cmd, cwd, os.ttyname(t.slave))
    try:
        lab.wait_until(lambda: waits(p, bool(cmd.needs)) or p.ended(), 5, lambda: complain(path, cmd, t.look()))
        for i, line in enumerate(cmd.want):
            if line.startswith("> "):
                before = pattern(cmd.want[:i], True)
                lab.wait_until(lambda before=before: shows(t, before + r"(?s:.*)"), 5, lambda: complain(path, cmd, t.look()))
                lab.wait_until(lambda before=before: shows(t, before + r".+\n"), 0.5, None)    # a prompt
                t.type(line[2:] + "\r")
        lab.wait_until(lambda: satisfied(cmd, t.look()), 5, lambda: complain(path, cmd, t.look()))
    finally:
        p.stop()
        t.close()


def check(hosts, cmd, cwd, path):
    """What cannot be run here has at least no errors."""
    lines = re.findall(r"\bsocast ((?:'[^']*'|[^'&|;])+)", cmd.text)      # one within quotes ends with them
    assert lines, complain(path, cmd, [])
    for line in lines:
        one = Command(cmd.host, [], cmd.line, "socast --check " + line.replace("%h", "host").replace("%p", "22"))
        p = start(hosts, one, cwd)
        assert p.wait(15).status == 0 and not p.lines(), complain(path, one, p.lines())


def complain(path, cmd, lines):
    want = "\n".join(cmd.want)
    return f"{path}:{cmd.line}: {cmd.text}\n--- documented\n{want}\n--- printed\n" + "\n".join(lines)


@pytest.mark.parametrize("path,title,todo", ALL, ids=[f"{p}:{t}" for p, t, _ in ALL])
def test_document(lan, tmp_path, path, title, todo):
    """Every command prints what the document says."""
    if os.path.basename(lab.SOCAST) != "socast":
        pytest.skip("the documents call the program socast")
    if any("TUN:" in cmd.text for cmd in todo) and lab.tun_missing():
        pytest.skip(lab.tun_missing())
    for program in {n for cmd in todo for n in cmd.needs if not shutil.which(n)}:
        pytest.skip(f"needs the program {program}")
    running = []
    for cmd in todo:
        if cmd.check:
            check(lan, cmd, tmp_path, path)
            continue
        if cmd.terminal and not cmd.background:
            at_terminal(lan, cmd, tmp_path, path)
            continue
        p = start(lan, cmd, tmp_path)
        if cmd.background:
            lab.wait_until(lambda p=p, cmd=cmd: waits(p, bool(cmd.needs)) or p.ended(), 5, lambda p=p, cmd=cmd: "not ready: " + complain(path, cmd, p.lines()))
            running.append((cmd, p))
            continue
        p.wait(15)
        assert satisfied(cmd, p.lines()), complain(path, cmd, p.lines())
    for cmd, p in running:
        lab.wait_until(lambda cmd=cmd, p=p: satisfied(cmd, p.lines()), 3, lambda cmd=cmd, p=p: complain(path, cmd, p.lines()))
    for cmd, p in running:
        p.stop(signal.SIGTERM)


MAGIC = b"\xff" * 6 + bytes.fromhex("001122334455") * 16


def to_datagrams():
    """What the documents and --help pipe into an address of datagrams, by place: [(where, command)]."""
    texts = [(f"{path}:{cmd.line}", cmd.text) for path, _, todo in ALL for cmd in todo]
    for word in ("wol", "ssdp", "syslog", "udp", "multicast"):
        p = subprocess.run([lab.SOCAST, "--help", word], capture_output=True, text=True, check=True)
        texts += [(f"--help {word}", t) for t in re.findall(r"(?:^  (?!socast).*\n)+", p.stdout, re.M)]
    rx = re.compile(r"(?:^|; | sleep [\d.]+; )\s*((?:m=[^;]*; m=[^;\n]*[;\n]\s*)?(?:env )?(?:printf|echo) (?:'[^']*'|[^|();'])*)"
                    r"\| *socast .*(?:UDP|BCAST|MCAST)", re.M)
    return [(where, m[1]) for where, text in texts if (m := rx.search(text))]


def datagrams_of(shell, command):
    """What a shell command writes, a piece for each write."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, its:
        subprocess.run([shell, "-c", command], stdout=its, stdin=subprocess.DEVNULL, check=True, timeout=10)
        ours.setblocking(False)
        pieces = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(200):
                pieces.append(ours.recv(70000))
    return pieces


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_datagrams_leave_in_one_piece(shell):
    """Each write into the pipe may become a datagram of its own, so there is one, whatever shell is the user's."""
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    seen = to_datagrams()
    assert len(seen) >= 12, seen
    for where, command in seen:
        pieces = datagrams_of(shell, command)
        assert len(pieces) == 1, (where, command, pieces)
        if "0x55" in command:
            assert pieces == [MAGIC], where
    assert len([1 for _, command in seen if "0x55" in command]) == 3


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_every_hardware_address_wakes(shell):
    """Newline, percent sign and backslash among its bytes do no harm."""
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    for where, command in to_datagrams():
        if "0x55" in command:
            pieces = datagrams_of(shell, command.replace("0x11 0x22 0x33 0x44", "0x0a 0x25 0x5c 0x0A"))
            assert pieces == [b"\xff" * 6 + b"\0\n%\\\n\x55" * 16], (where, pieces)


def job_lines():
    """The lines of README's block of shell: too much for the hosts of the tests (port 443, a serial line)."""
    with open(os.path.join(lab.ROOT, "README.md"), encoding="utf-8") as f:
        block = re.search(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S)[1]
    return [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]


@pytest.mark.parametrize("line", job_lines())
def test_job_lines(local, tmp_path, line):
    """A line by job has no mistake that the program could find; --explain has something to say about it."""
    path = os.path.dirname(lab.SOCAST) + os.pathsep + os.environ["PATH"]
    if "TLS" in line:
        if not lab.has("OPENSSL") or not shutil.which("openssl"):
            pytest.skip("needs a build with OpenSSL, and the program openssl")
        certs.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                      "-keyout", tmp_path / "server.pem", "-out", tmp_path / "cert")
        (tmp_path / "server.pem").write_bytes((tmp_path / "server.pem").read_bytes() + (tmp_path / "cert").read_bytes())
    for flag in ("--check", "--explain"):
        p = local.command(["sh", "-c", line.replace("socast ", f"socast {flag} ", 1)], env={"PATH": path}, cwd=tmp_path,
                          stdin=subprocess.DEVNULL)
        r = p.wait(10)
        assert r.status == 0 and not r.log and bool(r.out) == (flag == "--explain"), r


def test_every_document_has_examples():
    """A marker that nobody reads would be a test that never runs."""
    for path, least in FILES.items():
        assert len([1 for p, _, _ in ALL if p == path]) >= least, path


def test_contents_of_the_examples():
    """Every subject and every example stands in the contents, in order, with a link that leads there."""
    with open(os.path.join(lab.ROOT, "doc/examples.md"), encoding="utf-8") as f:
        text = f.read()
    contents, rest = text[:text.index("\n## ")], text[text.index("\n## "):]
    headings = re.findall(r"^##+ (.*)", rest, re.M)
    links = re.findall(r"\[([^]]+)\]\(#([^)]+)\)", contents)
    assert [name for name, _ in links] == headings
    for name, anchor in links:      # as GitHub makes them
        assert anchor == re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")
    assert len(set(headings)) == len(headings)


WORDS = ["port forward", "reverse shell", "reconnect", "hexdump", "syslog", "SSDP", "UPnP", "mDNS", "wake on LAN", "magic packet",
         "file transfer", "chat", "socket activation", "client certificate", "many ports", "range of ports", "ssh jump", "netcat", "docker",
         "limit", "rate", "serial port", "null modem", "tail -f", "UNIX socket", "self-signed", "ProxyCommand", "SOCKS", "HTTP proxy",
         "named pipe", "inetd", "web server", "Prometheus", "VPN", "tar", "port check", "DNS", "terminal", "Ctrl-C", "password",
         "timeout", "keepalive", "environment variable", "privileges", "another user"]


def test_words_that_newcomers_search():
    """Each of them is found in the examples."""
    with open(os.path.join(lab.ROOT, "doc/examples.md"), encoding="utf-8") as f:
        text = " ".join(f.read().lower().split())
    assert not [w for w in WORDS if w.lower() not in text]


def manual():
    """The manual as it was built beside the program, without escapes."""
    path = os.path.join(os.path.dirname(lab.SOCAST), "socast.1")
    if not os.path.exists(path):
        pytest.skip("the manual is not built here")
    with open(path, encoding="utf-8") as f:
        return f.read().replace("\\-", "-")


def test_manual_names_everything(local):
    """Every flag, address type, option and alias that help prints is in the manual."""
    text = manual()
    items = set()
    for line in re.findall(r"^\.It (.*)", text, re.M):
        items.update(re.findall(r"[^\s,]+", line))
    flags, rest = local.run("-hhh").out.decode().split("   bi-address:")
    addresses, options = rest.split("   address-head:\n")[1].split("   opts:\n")
    missing = []
    for token in re.findall(r"^      (--?[^\s=<\[|]+)", flags, re.M):
        name = token.lstrip("-")
        if not re.search(rf"^\.It Fl .*(?<![\w-]){re.escape(name)}(?![\w-])", text, re.M):
            missing.append(token)
    for name in re.findall(r"^      ([A-Z0-9-]+|-)(?=[:\[\s])", addresses, re.M):
        if name not in items and name != "-":
            missing.append(name)
    for name in re.findall(r"^      ([a-z0-9_-]+)\t", options, re.M):
        if name not in items:
            missing.append(name)
    assert not missing
    assert not re.findall(r"^@\w+@$", text, re.M)


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="needs mandoc")
def test_manual_is_clean():
    """mandoc has no warnings."""
    manual()
    r = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(os.path.dirname(lab.SOCAST), "socast.1")],
                       capture_output=True, text=True, check=False)
    assert r.stdout + r.stderr == ""
