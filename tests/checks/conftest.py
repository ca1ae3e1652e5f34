"""What the checks share: the files of the project."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")


def tree():
    """Every file that belongs to the project."""
    try:
        names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                               capture_output=True, text=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):    # a release archive
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
                 if p.is_file() and not p.relative_to(ROOT).parts[0].startswith(("build", ".git"))]
    return [ROOT / n for n in sorted(names) if (ROOT / n).is_file()]


@pytest.fixture(scope="session")
def files():
    return tree()


@pytest.fixture(scope="session")
def sources(files):
    """Relative name -> text of every C file of the program."""
    return {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in files
            if p.suffix in (".c", ".h") and p.relative_to(ROOT).parts[0] == "src"}


@pytest.fixture(scope="session")
def socast():
    """Run the built program, return its standard output."""
    def run(*args):
        return subprocess.run([BUILD / "socast", *args], capture_output=True, text=True, check=True,
                              timeout=20).stdout
    return run
