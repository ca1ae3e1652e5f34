"""Runs the examples of the documents: README.md, doc/tutorial.md, and the manuals.

An example is a fenced block that begins with ```console, in the manual a `.Bd -literal`
display behind a comment `.\\" console` (there … is ...):

    host1$ command     run by sh on this host of lab.Lan; a \\ at its end continues it
    output             what it prints, standard output and error; … stands for any
                       text in a line, and alone on a line for any number of lines
    host1$ command &   stays running until the next heading (in the manual: until the
                       next comment `.\\" scene`) with its standard input open; what
                       follows it is what it prints until then

The word `unordered` behind it says that lines may come in any order. All
examples under one heading share the hosts and an empty directory of their own. The program is
found through PATH as `socast`.
"""
import os
import re
import shutil
import signal
import subprocess

import pytest

import certs
import lab

FILES = {"README.md": 5, "doc/tutorial.md": 5, "man/socast.1.in": 5, "man/filan.1": 2, "man/procan.1": 1}   # examples at least
EPOLL = {"232", "281", "441", "22"}     # numbers of epoll_wait(2) and kin, x86-64 and arm64


class Command:
    """A command line, where it runs, and what it should print."""

    def __init__(self, host, unordered, line, text):
        self.host, self.unordered, self.line, self.text, self.want = host, unordered, line, text, []
        self.background = text.endswith(" &")
        if self.background:
            self.text = text[:-2]


def commands_of(lines, first, words):
    """The commands of one block; @first is the line number of its first line."""
    unordered, out, i = "unordered" in words, [], 0
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
        out.append(Command(int(m.group(1)), unordered, first + at, text))
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


def matches(want, have):
    """Does the printed text @have (list of lines) look like @want?"""
    rx = ""
    for line in want:
        if line == "…":
            rx += r"(?:.*\n)*"
        else:
            rx += ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
    return re.fullmatch(rx, "".join(s + "\n" for s in have)) is not None


def satisfied(cmd, have):
    if not cmd.unordered:
        return matches(cmd.want, have)
    left = list(have)
    for line in [w for w in cmd.want if w != "…"]:
        hit = next((h for h in left if matches([line], [h])), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left or "…" in cmd.want


def waits(p):
    """Has every socast of this session come to wait in its loop?"""
    found = False
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            if int(rest.split()[3]) != p.pid or name != "socast":
                continue
            with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
                if f.read().split()[0] not in EPOLL:
                    return False
            found = True
        except (OSError, IndexError):
            continue
    return found


def start(hosts, cmd, cwd):
    path = os.path.dirname(lab.SOCAST) + os.pathsep + os.environ["PATH"]
    stdin = subprocess.PIPE if cmd.background else subprocess.DEVNULL
    return hosts[cmd.host - 1].command(["sh", "-c", cmd.text], env={"PATH": path, "TZ": "UTC"}, cwd=cwd,
                                       stdin=stdin, stderr=subprocess.STDOUT)


def complain(path, cmd, p):
    want = "\n".join(cmd.want)
    return f"{path}:{cmd.line}: {cmd.text}\n--- documented\n{want}\n--- printed\n" + "\n".join(p.lines())


@pytest.mark.parametrize("path,title,todo", ALL, ids=[f"{p}:{t}" for p, t, _ in ALL])
def test_document(lan, tmp_path, path, title, todo):
    """Every command prints what the document says."""
    if os.path.basename(lab.SOCAST) != "socast":
        pytest.skip("the documents call the program socast")
    if any("TUN:" in cmd.text for cmd in todo) and lab.tun_missing():
        pytest.skip(lab.tun_missing())
    running = []
    for cmd in todo:
        p = start(lan, cmd, tmp_path)
        if cmd.background:
            lab.wait_until(lambda p=p: waits(p), 5, lambda p=p, cmd=cmd: "not ready: " + complain(path, cmd, p))
            running.append((cmd, p))
            continue
        p.wait(15)
        assert satisfied(cmd, p.lines()), complain(path, cmd, p)
    for cmd, p in running:
        lab.wait_until(lambda cmd=cmd, p=p: satisfied(cmd, p.lines()), 3, lambda cmd=cmd, p=p: complain(path, cmd, p))
    for cmd, p in running:
        p.stop(signal.SIGTERM)


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
