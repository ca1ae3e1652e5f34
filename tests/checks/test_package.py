"""The Debian package builds in a copy of the tree, lintian is content, and it has what it should."""
import re
import shutil
import subprocess

import pytest

from conftest import ROOT

CONTENT = [
    "etc/socast",
    "usr/bin/socast",
    "usr/lib/systemd/system/socast@.service",
    "usr/share/bash-completion/completions/socast.bash",
    "usr/share/doc-base/socast.socast",
    "usr/share/doc/socast/README.md",
    "usr/share/doc/socast/changelog.gz",
    "usr/share/doc/socast/copyright",
    "usr/share/doc/socast/examples/alerts.yml",
    "usr/share/doc/socast/examples/grafana.json",
    "usr/share/doc/socast/socast.html",
    "usr/share/doc/socast/tutorial.md",
    "usr/share/fish/vendor_completions.d/socast.fish",
    "usr/share/man/man1/socast.1.gz",
    "usr/share/zsh/vendor-completions/_socast",
]
MODULES = ["socast_nft.so", "socast_readline.so", "socast_seal.so", "socast_tls.so", "socast_wrap.so"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    for program in ("dh", "lintian", "dpkg-buildpackage", "git"):
        if not shutil.which(program):
            pytest.skip(f"needs the program {program} (packages debhelper, lintian, dpkg-dev, git)")
    if not (ROOT / ".git").exists():
        pytest.skip("needs the repository: git says what belongs to the tree")
    missing = subprocess.run(["dpkg-checkbuilddeps"], cwd=ROOT, capture_output=True, text=True)
    if missing.returncode:
        pytest.skip(missing.stderr.strip())
    out = tmp_path_factory.mktemp("package")
    r = subprocess.run([ROOT / "tools" / "package.sh", out], capture_output=True, text=True, timeout=600)
    assert r.returncode == 0, r.stdout + r.stderr
    for name in ("socast", "socast-socat"):
        (deb,) = out.glob(f"{name}_*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, out / name], check=True)
    return out


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() or not list(p.iterdir())}


def fields(folder, name, *wanted):
    """Fields of the package: {field: [item, ...]}"""
    (deb,) = folder.glob(f"{name}_*.deb")
    out = subprocess.run(["dpkg-deb", "-f", deb, *wanted], capture_output=True, text=True, check=True).stdout
    return {line.split(": ", 1)[0]: line.split(": ", 1)[1].split(", ") for line in out.splitlines()}


def test_libraries_of_modules_are_no_must(package):
    """Without them the program works, and says at the address what is missing."""
    f = fields(package, "socast", "Depends", "Recommends")
    assert {d.split()[0] for d in f["Depends"]} == {"libc6"}
    assert {d.split()[0] for d in f["Recommends"]} >= {"libssl3", "libsodium23", "libjansson4", "libedit2", "libwrap0"}


def test_documents_can_be_read(package):
    """Not compressed, but for changelogs; the catalogue of documents knows the page."""
    docs = package / "socast/usr/share/doc/socast"
    assert {p.name for p in docs.rglob("*.gz")} == {"changelog.gz", "changelog.Debian.gz"}
    entry = (package / "socast/usr/share/doc-base/socast.socast").read_text(encoding="utf-8")
    for path in re.findall(r"^(?:Index|Files): /(.*)$", entry, re.M):
        assert (package / "socast" / path).is_file()


def test_content(package):
    have = files(package / "socast")
    assert not set(CONTENT) - have
    assert sorted(f.split("/")[-1] for f in have if f.endswith(".so")) == MODULES
    assert not [f for f in have if "usr/local" in f]


def test_names_of_classic(package):
    """What the package socat has too is in a package of its own, which takes its place."""
    have = files(package / "socast-socat")
    assert {f for f in have if "/bin/" in f} == {"usr/bin/filan", "usr/bin/procan", "usr/bin/socat"}
    names = ("socat", "filan", "procan")
    assert {f for f in files(package / "socast") if f.split("/")[-1].split(".")[0].lstrip("_") in names} == {
        "usr/share/doc/socast/filan.html", "usr/share/doc/socast/procan.html"}
    assert {f for f in have if "complet" in f} == {f"usr/share/{place}" for place in (
        *(f"bash-completion/completions/{n}.bash" for n in names), *(f"fish/vendor_completions.d/{n}.fish" for n in names),
        "zsh/vendor-completions/_socat", "zsh/vendor-completions/_filan")}
    assert fields(package, "socast-socat", "Conflicts", "Provides") == {"Conflicts": ["socat"], "Provides": ["socat (= 1.8.1.3)"]}
    assert (package / "socast-socat/usr/bin/socat").readlink().as_posix() == "socast"


def test_program(package, socast):
    """It is this version; its unit names places of the system."""
    out = subprocess.run([package / "socast/usr/bin/socast", "-V"], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[0] == socast("-V").splitlines()[0]
    unit = (package / "socast/usr/lib/systemd/system/socast@.service").read_text(encoding="utf-8")
    assert "ExecStart=/usr/bin/socast" in unit and "EnvironmentFile=/etc/socast/%i.conf" in unit


def test_unit_tests_ran(package):
    log = (package / "package.log").read_text(encoding="utf-8")
    assert "--suite unit" in log and "Fail:               0" in log


def test_version(socast):
    """The package has the version of the program."""
    first = (ROOT / "debian/changelog").read_text(encoding="utf-8").splitlines()[0]
    assert first.split()[1].strip("()").split("-")[0] == socast("-V").split()[1]
