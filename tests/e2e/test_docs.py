"""Runs the examples of the documents: README.md, doc/tutorial.md, and the manual.

An example is a fenced block that begins with ```console HOST (host1, host2, host3 of
lab.Lan), in the manual a `.Bd -literal` display behind a comment `.\\" console HOST` (there … is ...):

    $ command          run by sh; a \\ at its end continues it on the next line
    output             what it prints, standard output and error; … stands for any
                       text in a line, and alone on a line for any number of lines
    $ command &        stays running until the next heading (in the manual: until the
                       next comment `.\\" scene`) with its standard input open; what
                       follows it is what it prints until then

The word `unordered` behind the host says that the lines may come in any order. All
examples under one heading share the hosts and an empty directory of their own. The program is
found through PATH as `socast`.
"""
import os
import re
import signal
import subprocess

import pytest

import lab

FILES = ["README.md", "doc/tutorial.md", "man/socast.1.in"]
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
    host, unordered, out, i = int(words[0][-1]), "unordered" in words, [], 0
    while i < len(lines):
        if not lines[i].startswith("$ "):
            assert out, f"line {first + i}: output before a command"
            out[-1].want.append(lines[i])
            i += 1
            continue
        at, text = i, lines[i][2:]
        while text.endswith("\\"):
            i += 1
            text = text[:-1] + lines[i].lstrip()
        out.append(Command(host, unordered, first + at, text))
        i += 1
    return out


def plain(line):
    """A line of a literal mdoc display as it is printed."""
    line = re.sub(r"\\(.)", lambda m: {"e": "\\", "&": "", "-": "-"}[m.group(1)], line)
    return line.replace("...", "…")


def scenes(path):
    """The document cut at its headings: [(title, [Command, ...])], without empty ones."""
    with open(os.path.join(lab.ROOT, path), encoding="utf-8") as f:
        lines = f.read().splitlines()
    manual = path.endswith(".in")
    begin = re.compile(r'\.\\" console (.*)' if manual else r"```console (host.*)")
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


def test_every_document_has_examples():
    """A marker that nobody reads would be a test that never runs."""
    for path in FILES:
        assert len([1 for p, _, _ in ALL if p == path]) >= 5, path
        with open(os.path.join(lab.ROOT, path), encoding="utf-8") as f:
            assert "```console\n" not in f.read(), f"{path}: a console block without host"
