"""The tables, the help and the manual tell the same."""
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT



class Names:
    """What -hhh prints in one of its two lists: rows by canonical name, aliases with their row."""

    def __init__(self, lines, alias):
        self.rows, self.alias, self.order = {}, {}, []
        for line in lines:
            m = re.match(r"\s+([\w+-]+)(\S*)\s+(?:" + alias + r" (\S+)|(groups=.*))$", line)
            if not m:
                continue
            self.order.append(m[1])
            if m[3]:
                self.alias[m[1]] = m[3]
            else:
                self.rows[m[1]] = m[4]


@pytest.fixture(scope="session")
def help_lists(socast):
    lines = socast("-hhh").splitlines()
    cut = next(i for i, line in enumerate(lines) if line.strip().startswith("opts:"))
    return Names(lines[:cut], "is an alias name for"), Names(lines[cut:], "is an alias for")


@pytest.fixture(scope="session")
def types(help_lists):
    assert len(help_lists[0].rows) > 20
    return help_lists[0]


@pytest.fixture(scope="session")
def options(help_lists):
    assert len(help_lists[1].rows) > 200
    return help_lists[1]


@pytest.mark.parametrize("which", ["types", "options"])
def test_names_are_unique(request, which):
    names = [n.lower() for n in request.getfixturevalue(which).order]
    assert len(names) == len(set(names)), sorted(n for n in set(names) if names.count(n) > 1)


@pytest.mark.parametrize("which", ["types", "options"])
def test_aliases_name_a_canonical_row(request, which):
    n = request.getfixturevalue(which)
    assert not [f"{a} -> {to}" for a, to in n.alias.items() if to not in n.rows]


def test_options_have_a_phase_and_a_type(options):
    shape = re.compile(r"groups=\S+\s+phase=[A-Z0-9]+\s+type=\S+$")
    assert not [n for n, text in options.rows.items() if not shape.match(text)]


def test_usual_options_are_real_ones(socast, options):
    """-hh lists a choice of what -hhh lists."""
    usual = {line.split()[0] for line in socast("-hh").splitlines()
             if re.search(r"phase=\w+\s+type=", line)}
    assert usual and not usual - set(options.order)


def test_help_texts(sources):
    """One line, no full stop."""
    wrong = [h for name, text in sources.items() if name.startswith(("src/opt/table_",))
             for h in re.findall(r'\.help = "([^"]*)"', text)
             if not h.strip() or h.endswith(".") or "\n" in h]
    assert not wrong


def test_needs_are_known(sources):
    """--explain can tell of every capability that a row names whether we have it."""
    needs = {n for name, text in sources.items() if name.startswith(("src/opt/table_", "src/addr/"))
             for n in re.findall(r'\.needs = "(\w+)', text)}
    assert len(needs) > 5
    assert needs <= set(re.findall(r'"(CAP_\w+)"', sources["src/explain/privilege.c"]))


@pytest.fixture(scope="session")
def manual():
    path = BUILD / "socast.1"
    if not path.is_file():
        pytest.skip("the manual is not built")
    return path.read_text(encoding="utf-8").replace("\\-", "-").replace("\\&", "").lower()


def test_manual_lists_every_option(manual, options):
    assert not [n for n in options.rows if n.lower() not in manual]


def test_manual_lists_every_type(manual, types):
    assert not [n for n in types.rows if n.lower() not in manual]


def test_manual_lists_every_layer(socast, manual):
    """Each has an item, and a row in the table of what stands where, which says what the help says."""
    layers = re.findall(r"^      (\S+) +below=(\S+) +above=(\S+) ", socast("-h"), re.M)
    assert len(layers) >= 7
    for name, below, above in (tuple(word.lower() for word in row) for row in layers):
        assert re.search(rf"^\.it cm {name}( |$)", manual, re.M), name
        assert f".it {name} ta {below} ta {above} ta " in manual, name


def test_manual_has_no_holes(manual):
    """Every placeholder of the template was filled."""
    assert not re.findall(r"@\w+@", manual)


def test_documents_name_real_files():
    """What the documents call a file of the project exists."""
    wrong = []
    for doc in sorted(ROOT.glob("doc/**/*.md")) + sorted(ROOT.glob("*.md")):
        for name in re.findall(r"`((?:src|tests|doc|man|tools|bench|demo)/[\w./-]+\.\w+)`",
                               doc.read_text(encoding="utf-8")):
            if not (ROOT / name).exists():
                wrong.append(f"{doc.relative_to(ROOT)}: {name}")
    assert not wrong


def test_manual_fits_80_columns():
    """No example is cut on a terminal; man indents by two columns more than mandoc."""
    if not shutil.which("mandoc") or not (BUILD / "socast.1").is_file():
        pytest.skip("needs the program mandoc, and the manual")
    text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=78", BUILD / "socast.1"],
                          capture_output=True, text=True, check=True).stdout
    lines = [re.sub(".\b", "", line) for line in text.splitlines()]
    assert len(lines) > 1000
    assert not [line for line in lines if len(line) > 78]


def test_promises_have_tests():
    """SECURITY.md names a test behind every promise, and each of them is there."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert len(named) > 20
    missing = [f"{f}::{t}" for f, t in named if not re.search(rf"^def {t}\(", (ROOT / "tests/e2e" / f).read_text(encoding="utf-8"), re.M)]
    assert not missing
    promises = text[text.index("## What is promised"):text.index("## How we guard")]
    bare = [p.split("\n")[0] for p in re.split(r"\n- ", promises)[1:] if "::test_" not in p]
    assert not bare


def test_readme_figures():
    """The figures of README stand in doc/performance.md, rounded, and their command runs these cases."""
    rows = {}
    for case, *cells in re.findall(r"^\| ([\w-]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", (ROOT / "doc/performance.md").read_text(encoding="utf-8"), re.M):
        rows.setdefault(case, []).append([float(c.replace(",", "")) for c in cells[1:] if re.fullmatch(r"[\d,.]+", c)])
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| `bench/run.py --case ([\w-]+)` \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(table) == 3
    for _, *programs, case in table:
        for n, text in enumerate(programs):
            for figure in re.findall(r"\d[\d,.]*\d|\d+", text):
                decimals = len(figure.partition(".")[2])
                known = [f"{values[n]:,.{decimals}f}" for values in rows[case] if len(values) > n]
                assert figure in known, (case, figure, known)


def test_packages_to_build_with():
    """README, make without them, and make demo name the same packages."""
    line = re.search(r"^    apt-get install --no-install-recommends (.*?[^\\])$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)[1]
    readme = set(line.replace("\\\n", " ").split())
    need = set(" ".join(re.findall(r"apt-get install --no-install-recommends (.*)\"", (ROOT / "tools/need.sh").read_text(encoding="utf-8"))).split())
    makefile = re.search(r"^PACKAGES := (.*?[^\\])$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M | re.S)[1]
    assert readme == need | {"git", "make"}
    assert need <= set(makefile.replace("\\\n", " ").split())
