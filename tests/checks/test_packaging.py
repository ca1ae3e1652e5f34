"""packaging/: descriptions for other systems say the version, the options and the files of this tree."""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT

FOLDER = ROOT / "packaging"
MACROS = {"_bindir": "/usr/bin", "_libdir": "/usr/lib64", "_mandir": "/usr/share/man", "_datadir": "/usr/share",
          "_sysconfdir": "/etc", "_unitdir": "/usr/lib/systemd/system"}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(name="installed", scope="module")
def fixture_installed(tmp_path_factory):
    """What make install brings, with a link named socat."""
    if not shutil.which("meson"):
        pytest.skip("needs the program meson")
    build = tmp_path_factory.mktemp("build")
    r = subprocess.run(["meson", "setup", build, ROOT, "--prefix=/usr", "--libdir=lib64", "--sysconfdir=/etc", "-Dsocat-alias=true",
                        "-Dlibwrap=disabled"], capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    plan = json.loads(subprocess.run(["meson", "introspect", "--install-plan", build], capture_output=True, text=True, check=True).stdout)
    there = json.loads(subprocess.run(["meson", "introspect", "--installed", build], capture_output=True, text=True, check=True).stdout)
    links = re.findall(r"^\s*install_symlink\((.*?)\)", read("meson.build"), re.M | re.S)
    assert plan and len(links) == 3, "meson does not tell of links: they are named below"
    completions = {"/usr/share/bash-completion/completions/procan.bash", "/usr/share/fish/vendor_completions.d/procan.fish"}
    return set(there.values()) | completions | {"/usr/bin/socat", "/usr/share/man/man1/socat.1"}


def classic(installed):
    """Files of the package that takes the place of socat: all but the pages."""
    return {f for f in installed if re.match(r"_?(socat|filan|procan)(\.|$)", f.rsplit("/", 1)[1]) and not f.endswith(".html")}


def test_versions():
    version = re.search(r"version: '([^']+)'", read("meson.build"))[1]
    assert re.search(r"^Version: +(\S+)$", read("packaging/socast.spec"), re.M)[1] == version
    for name in ("APKBUILD", "PKGBUILD"):
        assert re.search(r"^pkgver=(\S+)$", read(f"packaging/{name}"), re.M)[1] == version


def test_options():
    """Options given to meson are ones that it or the project has."""
    ours = set(re.findall(r"^option\('([^']+)'", read("meson_options.txt"), re.M)) | {"auto_features", "b_pie", "c_link_args"}
    for path in FOLDER.iterdir():
        given = set(re.findall(r" -D([\w-]+)=", path.read_text(encoding="utf-8")))
        assert given and given <= ours, (path.name, given - ours)


def test_files_of_the_spec(installed):
    """Every file is in one package, and every line is a file."""
    got = {}
    for part, lines in re.findall(r"^%files( socat)?\n(.*?)(?=^%files|\Z)", read("packaging/socast.spec"), re.M | re.S):
        for line in filter(None, lines.splitlines()):
            line = re.sub(r"^%dir ", "", line)
            if line.startswith("%license"):
                continue
            shape = re.sub(r"%\{(\w+)\}", lambda m: MACROS[m[1]], line)
            hits = {f for f in installed if re.fullmatch(re.escape(shape).replace(r"\*", ".*") + r"(/.*)?", f)}
            assert hits or shape == "/etc/socast", line
            for f in hits:
                assert f not in got, f
                got[f] = part
    assert set(got) == installed
    assert {f for f, part in got.items() if part} == classic(installed)


@pytest.mark.parametrize("name", ["APKBUILD", "PKGBUILD"])
def test_files_under_the_names_of_classic(installed, name):
    named = {"/" + f for f in re.findall(r"\busr/[\w./-]+(?<!@)", read(f"packaging/{name}")) if "systemd" not in f}
    manuals = {f for f in classic(installed) if "/man/" in f}     # Alpine has them in the package of documents
    assert named == classic(installed) - (manuals if name == "APKBUILD" else set())
    debian = {"/" + f for f in read("debian/socast-socat.install").split() if f.startswith("usr/")} | {"/usr/share/man/man1/socat.1"}
    assert {f.replace("vendor-completions/", "site-functions/") for f in debian} == classic(installed)


@pytest.mark.parametrize("name", ["APKBUILD", "PKGBUILD"])
def test_they_are_shell(name):
    r = subprocess.run(["bash", "-n", FOLDER / name], capture_output=True, text=True, check=False)
    assert r.returncode == 0 and not r.stderr, r


def test_spec_is_one():
    if not shutil.which("rpmspec"):
        pytest.skip("needs the program rpmspec (package rpm)")
    r = subprocess.run(["rpmspec", "-q", "--qf", "%{name}\n", "-D", "_unitdir /usr/lib/systemd/system", FOLDER / "socast.spec"],
                       capture_output=True, text=True, check=False)
    assert r.returncode == 0 and r.stdout.split() == ["socast", "socast-socat"], r


def test_install_without_rights():
    """Whoever may not write there reads one line, and the command for a place of his own; DESTDIR counts."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, and the program setpriv, to become somebody else")
    def say(**env):
        return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ROOT / "tools/writable.sh", BUILD], capture_output=True,
                              text=True, check=False, env={**os.environ, "HOME": "/home/alice", **env})
    if subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-r", BUILD / "meson-info/intro-buildoptions.json"], check=False).returncode:
        pytest.skip("others may not read the tree")
    r = say()
    assert r.returncode == 1 and "not yours to write" in r.stderr and "--prefix=/home/alice/.local" in r.stderr and len(r.stderr.splitlines()) == 2, r
    r = say(DESTDIR="/tmp/nowhere")
    assert r.returncode == 0 and not r.stderr, r
