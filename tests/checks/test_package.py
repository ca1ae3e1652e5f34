"""The Debian package builds in a copy of the tree, lintian is content, and it has what it should."""
import shutil
import subprocess

import pytest

from conftest import ROOT

CONTENT = [
    "etc/socast",
    "usr/bin/socast",
    "usr/lib/systemd/system/socast@.service",
    "usr/share/bash-completion/completions/socast.bash",
    "usr/share/doc/socast/changelog.gz",
    "usr/share/doc/socast/copyright",
    "usr/share/doc/socast/socast.html",
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
    (deb,) = out.glob("socast_*.deb")
    subprocess.run(["dpkg-deb", "-x", deb, out / "root"], check=True)
    return out


def test_content(package):
    files = {p.relative_to(package / "root").as_posix() for p in (package / "root").rglob("*")}
    assert not set(CONTENT) - files
    assert sorted(f.split("/")[-1] for f in files if f.endswith(".so")) == MODULES
    assert not [f for f in files if "usr/local" in f]


def test_program(package, socast):
    """It is this version; its unit names places of the system."""
    out = subprocess.run([package / "root/usr/bin/socast", "-V"], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[0] == socast("-V").splitlines()[0]
    unit = (package / "root/usr/lib/systemd/system/socast@.service").read_text(encoding="utf-8")
    assert "ExecStart=/usr/bin/socast" in unit and "EnvironmentFile=/etc/socast/%i.conf" in unit


def test_unit_tests_ran(package):
    log = (package / "package.log").read_text(encoding="utf-8")
    assert "--suite unit" in log and "Fail:               0" in log


def test_version(socast):
    """The package has the version of the program."""
    first = (ROOT / "debian/changelog").read_text(encoding="utf-8").splitlines()[0]
    assert first.split()[1].strip("()").split("-")[0] == socast("-V").split()[1]
