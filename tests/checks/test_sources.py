"""Rules for the source files that no compiler checks."""
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT

LAYERS = ["base", "sys", "ev", "spec", "opt", "wire", "data", "seal", "end", "dgram", "open", "flow", "stats", "relay", "addr", "doctor", "explain", "top"]
MAX_LINES = 900


def layer(name):
    """src/ev/loop.c -> ev; src/main.c -> top"""
    parts = name.split("/")
    return parts[1] if len(parts) > 2 else "top"


def test_layers(sources):
    """A file includes from its own folder or from folders further left."""
    wrong = []
    for name, text in sources.items():
        mine = LAYERS.index(layer(name))
        for header in re.findall(r'^#include "([^"]+)"', text, re.M):
            assert (ROOT / "src" / header).is_file(), f"{name} includes {header}, which is not there"
            if LAYERS.index(layer("src/" + header)) > mine:
                wrong.append(f"{name} includes {header}")
    assert not wrong


def is_private(header):
    """Headers of one folder's own business."""
    folder, _, name = header.rpartition("/")
    return (re.fullmatch(r"\w+_impl\.h|internal\.h|parts\.h|setters\.h|tables\.h", name) is not None
            or header == "spec/lex.h" or folder == "doctor" and name not in ("doctor.h", "doctor_ask.h", "finding.h", "report.h"))


def test_private_headers(sources):
    wrong = [f"{name} includes {h}" for name, text in sources.items()
             for h in re.findall(r'^#include "([^"]+)"', text, re.M)
             if is_private(h) and layer(name) != h.split("/")[0]]
    assert not wrong


def without_comments(text):
    return re.sub(r"""'(\\.|[^'\\])'|"(\\.|[^"\\])*\"""", '""', re.sub(r"/\*.*?\*/", " ", text, flags=re.S))


def declared(text):
    """The names that a header gives: macros (and what stands in their lists), types, constants, functions, tables."""
    text = without_comments(text)
    names = set(re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M))
    for body in re.findall(r"#\s*define\s+((?:[^\n]*\\\n)+[^\n]*)", text):
        names |= set(re.findall(r"\b\w{6,}\b", body))
    names |= set(re.findall(r"\b(?:struct|enum|union)\s+(\w+)\s*\{", text)) | set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", text))
    for body in re.findall(r"enum\s*\w*\s*\{(.*?)\}", text, re.S):
        names |= set(re.findall(r"\b([A-Z][A-Z0-9_]+)\b", body))
    names |= set(re.findall(r"^\w+ (\w+);", text, re.M))
    names |= set(re.findall(r"extern [^;]*?\b(\w+)(?:\[[^\]]*\])*;", text)) | set(re.findall(r"typedef [^;]*?\b(\w+)\s*[(;]", text))
    return names


def test_includes_are_needed(sources):
    """Who includes a header names something that it declares."""
    given = {name[4:]: declared(text) for name, text in sources.items() if name.endswith(".h")}
    wrong = []
    for name, text in sources.items():
        own = name[4:-2] + ".h"
        used = set(re.findall(r"\w+", without_comments(re.sub(r"^#\s*include.*$", "", text, flags=re.M))))
        wrong += [f"{name} names nothing of {h}" for h in re.findall(r'^#include "([^"]+)"', text, re.M)
                  if h != own and h in given and not given[h] & used]
    assert not wrong


# Headers that declare what several files define, each for a reason; those that a folder keeps for itself need none.
OF_SEVERAL = {
    "addr/addr.h": "what a row of a family is, and the registry that has them all",
    "end/layer.h": "what a layer is and may call: endpoint.c",
    "ev/loop.h": "one loop: its timers and signals",
    "opt/opt.h": "what a row of an option is, and what reads it",
    "relay/session.h": "one session: its life and its end",
    "seal/seal.h": "one format: its keys and senders",
    "spec/spec.h": "one language: read, printed, cut into words",
}


def functions_of(text):
    """Names of the functions that a file (declares, defines for others)."""
    text = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", "", without_comments(re.sub(r"'(\\.|[^'\\])'", "0", text)), flags=re.M)
    depth, outside = 0, []
    for c in text:
        depth -= c == "}"
        if depth == 0:
            outside.append(c)
        depth += c == "{"
    text = re.sub(r"__attribute__\s*\(\([^;{]*?\)\)\s*(?=[;{])", "", "".join(outside))
    found = [re.match(r"(?!static|typedef)[\w\s*]*?[\s*](\w+)\s*\([^{]*?\)\s*([;{])$", part.strip())
             for part in re.findall(r"[^;{}]*[;{]", text)]
    return ({m[1] for m in found if m and m[2] == ";"}, {m[1] for m in found if m and m[2] == "{"})


def test_a_header_is_of_one_file(sources):
    """A header declares what the file of its name defines: who knows a function knows where it is."""
    wrong, several = [], set()
    defined = {}
    for name, text in sources.items():
        if name.endswith(".c"):
            defined.setdefault(name[4:-2].removesuffix("_none"), set()).update(functions_of(text)[1])
    for name, text in sources.items():
        header = name[4:]
        if not header.endswith(".h") or is_private(header) and layer(name) not in ("doctor", "spec"):
            continue
        strange = functions_of(text)[0] - defined.get(header[:-2], set())
        if strange and header in OF_SEVERAL:
            several.add(header)
        elif strange:
            wrong.append(f"{header} declares {', '.join(sorted(strange))}")
    assert not wrong
    assert several == set(OF_SEVERAL), "no exceptions any more"


def test_file_names_are_unique(sources):
    """A file is found by its name."""
    seen = {}
    for name in sources:
        seen.setdefault(name.split("/")[-1], []).append(name)
    assert not [v for v in seen.values() if len(v) > 1]


# A private header belongs to the file it is private to.
PRIVATE_OF = {"ev/internal": "ev/loop", "seal/seal_senders": "seal/seal"}


def test_no_circles(sources):
    """No file (.c and .h are one) includes another that comes back to it, by however many others."""
    needs = {}
    for name, text in sources.items():
        mine = PRIVATE_OF.get(name[4:-2], name[4:-2])
        needs.setdefault(mine, set()).update(PRIVATE_OF.get(h, h) for h in re.findall(r'^#include "([^"]+)\.h"', text, re.M))
    wrong, known = [], set()

    def visit(name, path):
        if name in path:
            wrong.append(" -> ".join(path[path.index(name):] + [name]))
        elif name not in known:
            for other in sorted(needs.get(name, set()) - {name}):
                visit(other, path + [name])
            known.add(name)
    for name in sorted(needs):
        visit(name, [])
    assert not wrong


def globals_of(path):
    """Names of the writable objects in an object file."""
    out = subprocess.run(["objdump", "-t", path], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        m = re.match(r"[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if not m or "O" not in m[1]:
            continue
        if re.match(r"\.(data|bss|tdata|tbss)", m[2]) and not m[2].startswith(".data.rel.ro"):
            yield m[4]


def test_no_mutable_globals():
    """Only the log, and the module that a foreign library wants some from."""
    objects = sorted((BUILD / "libcore.a.p").glob("*.o"))
    if not objects:
        pytest.skip(f"no objects in {BUILD}")
    wrong = []
    for path in objects:
        if path.name in ("src_base_log.c.o", "src_dgram_wrap_module.c.o", "src_sys_chaos.c.o"):
            continue
        if not (ROOT / path.name[:-2].replace("_", "/", 2)).is_file() and "src_" not in path.name:
            continue
        wrong += [f"{path.name[4:-2]}: {name}" for name in globals_of(path)]
    assert not wrong


def functions(text):
    """(first line number, lines) of every function body: from "{" to "}" in the first column."""
    body, first = None, 0
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            body, first = [], number
        elif line == "}" and body is not None:
            yield first, body
            body = None
        elif body is not None:
            body.append(line)


def test_no_conditionals_in_functions(sources):
    wrong = [f"{name}:{first + i + 1}: {line}" for name, text in sources.items()
             for first, body in functions(text) for i, line in enumerate(body)
             if re.match(r"\s*#\s*(if|ifdef|ifndef|else|elif|endif)\b", line)]
    assert not wrong


def test_todo_has_a_name(files):
    word = "TO" + "DO"
    wrong = [f"{p.relative_to(ROOT)}:{n}" for p in files if p.suffix in (".c", ".h", ".py", ".sh", ".build")
             for n, line in enumerate(p.read_text(encoding="utf-8").splitlines(), 1)
             if re.search(rf"\b{word}\b(?!\([a-z])|\bFIX" + r"ME\b|\bX" + r"XX\b", line)]
    assert not wrong


def test_length(files):
    wrong = [f"{p.relative_to(ROOT)}: {n} lines" for p in files if p.suffix in (".c", ".h", ".py", ".sh")
             for n in [len(p.read_bytes().splitlines())] if n > MAX_LINES]
    assert not wrong


def test_no_paths_of_a_machine(files):
    """Nothing refers to where it was written."""
    shape = re.compile(rb"/(work|root|home/(?!me/|user/|alice/)\w+|Users)/(shared|main|wt-|\w+)")
    wrong = [f"{p.relative_to(ROOT)}:{n}: {line.decode('utf-8', 'replace')}" for p in files
             if "corpus" not in p.parts
             for n, line in enumerate(p.read_bytes().splitlines(), 1)
             if shape.search(line) and p.name != "test_sources.py"]
    assert not wrong


def test_starts_with_a_comment(files):
    """Every file says what it is for."""
    start = {".c": "/* {name} - ", ".h": "/* {name} - ", ".sh": "#!", ".py": ('"""', "#")}
    wrong = []
    for p in files:
        want = start.get(p.suffix)
        if want is None:
            continue
        want = want if isinstance(want, tuple) else (want.format(name=p.name),)
        if not p.read_text(encoding="utf-8").startswith(want):
            wrong.append(str(p.relative_to(ROOT)))
    assert not wrong


def test_header_guards(sources):
    wrong = [name for name, text in sources.items() if name.endswith(".h")
             and "#ifndef " + re.sub(r"\W", "_", name[4:]).upper() not in text]
    assert not wrong


def test_every_source_is_built(files):
    """meson.build knows every source, unit test and fuzz target."""
    text = (ROOT / "meson.build").read_text(encoding="utf-8")
    wrong = []
    for p in files:
        name = p.relative_to(ROOT).as_posix()
        if name.startswith("src/") and p.suffix == ".c":
            known = f"'{name}'" in text
        elif re.match(r"tests/(unit/test|fuzz/fuzz)_\w+\.c$", name):
            known = "'" + p.stem.split("_", 1)[1] + "'" in text
        else:
            continue
        if not known:
            wrong.append(name)
    assert not wrong


def test_only_main_exits(sources):
    """exit() belongs to main.c; _exit() to children; memory that cannot be had ends the process."""
    allowed = {"src/main.c", "src/base/mem.c"}
    wrong = [f"{name}: {m[0]}" for name, text in sources.items() if name not in allowed
             for m in [re.search(r"(?<![\w_])exit\(\w+\)", re.sub(r"/\*.*?\*/", "", text, flags=re.S))] if m]
    assert not wrong


def test_layout():
    """make format has nothing to do (judged by the version the layout was made with)."""
    version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout if shutil.which("clang-format") else ""
    if "version 14." not in version:
        pytest.skip("needs clang-format 14")
    names = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    r = subprocess.run(["clang-format", "-n", "-Werror", *names], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr[:2000]


def test_python():
    """Nothing undefined, nothing unused in the tests, benchmarks and tools."""
    if not shutil.which("pyflakes3"):
        pytest.skip("needs the program pyflakes3")
    names = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    r = subprocess.run(["pyflakes3", *names], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
