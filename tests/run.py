"""Build and run every test; the last line is "N passed, N failed".

  tests/run.sh [SUITE...]       suites: unit unit-asan checks e2e e2e-asan musl compat lines fuzz

Most suites wait more than they compute, so they run in three lanes side by side: the plain
program, the program with the sanitizers, and, at low priority, the fuzz targets. A line is
printed for every failing test and one for every suite; the rest is in build/check/*.log.
FUZZ_SECONDS in the environment says how long each fuzz target runs (60).

A few failures in a crowd may be the crowd's: such tests get one more go when the machine is
quiet, and are called UNSTEADY if they pass then. What a sanitizer or a signal ended fails.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "check"
SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
}
SUITE_LIMIT = 900       # seconds; a suite that hangs is ended
lock = threading.Lock()
AGAIN_LIMIT = 5         # more failures than this are no accident
NO_ACCIDENT = ("Sanitizer", "runtime error:", "status 139", "status 134",
               "status -11", "status -6")
running = set()


def say(text):
    with lock:
        print(text, flush=True)


class Tally:
    """What a suite came to."""

    def __init__(self, name):
        self.name, self.passed, self.skipped, self.failures = name, 0, 0, []
        self.again = None       # runs a failed test by itself, true if it passes
        self.accidents = []     # the failures that may have another go

    def fail(self, what, why=""):
        self.failures.append(what)
        say(f"FAILED {self.name}: {what}" + (f" - {why}" if why else ""))


def call(argv, log, env=None, limit=SUITE_LIMIT, nice=0):
    """Run a program in the background of this one; its output goes to @log. Returns the status."""
    with open(LOGS / log, "ab") as out:
        p = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=out,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                             start_new_session=True, preexec_fn=lambda: os.nice(nice))
        running.add(p)
        try:
            return p.wait(limit)
        except subprocess.TimeoutExpired:
            stop(p)
            return "timeout"
        finally:
            running.discard(p)


def stop(p):
    """End a suite that we started: politely, then for good."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(p.pid, sig)
            p.wait(5)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def first_line(text):
    return next((line.strip()[:160] for line in (text or "").splitlines() if line.strip()), "")


def pytest_suite(name, folder, env=None, files=None):
    """A folder of pytest tests, or some @files of it, counted from the JUnit report."""
    what = [f"{folder}/{f}" for f in files] if files else [folder]

    def run():
        tally, report = Tally(name), LOGS / f"{name}.xml"
        status = call([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                       f"--junitxml={report}", *what], f"{name}.log", env)
        if not report.is_file():
            tally.fail("no report", f"{status}; see build/check/{name}.log")
            return tally
        tally.again = lambda test: call(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
             f"{folder}/{test.replace('::', '.py::', 1)}"], f"{name}-again.log", env) == 0
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            bad = case.find("failure") if case.find("failure") is not None else case.find("error")
            if bad is not None:
                test = f"{case.get('classname', '').split('.')[-1]}::{case.get('name')}"
                tally.fail(test, first_line(bad.get("message")))
                if not any(word in (bad.text or "") for word in NO_ACCIDENT):
                    tally.accidents.append(test)
            elif case.find("skipped") is not None:
                tally.skipped += 1
            else:
                tally.passed += 1
        if status not in (0, 1, 5):
            tally.fail("pytest", f"ended with {status}; see build/check/{name}.log")
        return tally
    return run


def unit_suite(name, build, env=None):
    """The unit tests of a build folder, counted from meson's log."""
    def run():
        tally, log = Tally(name), ROOT / build / "meson-logs" / "testlog.json"
        log.unlink(missing_ok=True)
        call(["meson", "test", "-C", build, "--no-rebuild", "--suite", "unit"], f"{name}.log", env)
        if not log.is_file():
            tally.fail("no unit tests", f"see build/check/{name}.log")
            return tally
        for line in log.read_text(encoding="utf-8").splitlines():
            test = json.loads(line)
            if test["result"] == "OK":
                tally.passed += 1
            elif test["result"] == "SKIP":
                tally.skipped += 1
            else:
                why = [s for s in (test.get("stdout", "") + test.get("stderr", "")).splitlines()
                       if "[  FAILED  ]" in s or "ERROR" in s or "runtime error" in s]
                tally.fail(test["name"], first_line(why[0] if why else test["result"]))
        return tally
    return run


def fuzz():
    """Every fuzz target for a while."""
    tally = Tally("fuzz")
    call(["tests/fuzz/run.sh", "build-fuzz", os.environ.get("FUZZ_SECONDS", "60")], "fuzz.log",
         nice=19)
    for line in (LOGS / "fuzz.log").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("ok "):
            tally.passed += 1
        elif line.startswith("FAILED "):
            tally.fail(line[len("FAILED fuzz "):])
    if not tally.passed and not tally.failures:
        tally.fail("no target ran", "see build/check/fuzz.log")
    return tally


SUITES = {
    "unit": unit_suite("unit", "build"),
    "unit-asan": unit_suite("unit-asan", "build-asan", SANITIZER),
    "checks": pytest_suite("checks", "tests/checks"),
    "e2e": pytest_suite("e2e", "tests/e2e", {"SOCAST_TEST_SLOW": "2"}),
    "e2e-asan": pytest_suite("e2e-asan", "tests/e2e", {**SANITIZER, "SOCAST_TEST_SLOW": "3", "SOCAST_NOISE_SECONDS": "60",
                                                       "SOCAST": "build-asan/socast"}),
    # with another libc the words of its errors differ: files that do not quote them
    "musl": pytest_suite("musl", "tests/e2e", {"SOCAST_TEST_SLOW": "2",
                                               "SOCAST": "build-musl/socast"},
                         ["test_apart.py", "test_cli.py", "test_engine.py", "test_exec.py",
                          "test_file.py", "test_mcast.py", "test_service.py", "test_sessions.py"]),
    "compat": pytest_suite("compat", "tests/compat", {"SOCAST_TEST_SLOW": "2"}),
    "lines": pytest_suite("lines", "tests/lines", {"SOCAST_TEST_SLOW": "2"}),
    "fuzz": fuzz,
}
LANES = [["unit", "unit-asan", "checks", "compat", "lines", "musl", "e2e"], ["fuzz"], ["e2e-asan"]]


def build(suites):
    """The build folders that are needed. Returns what could not be built."""
    wanted = [["make"]]
    if {"unit-asan", "e2e-asan"} & suites:
        wanted.append(["make", "asan"])
    if "musl" in suites:
        if shutil.which("musl-gcc"):
            wanted.append(["make", "musl"])
        else:
            say("skipped musl: musl-tools is not installed")
            suites.discard("musl")
    if "fuzz" in suites:
        if shutil.which("clang"):
            if not (ROOT / "build-fuzz" / "build.ninja").is_file():
                wanted.append(["env", "CC=clang", "meson", "setup", "build-fuzz", "-Dfuzz=true",
                               "-Db_lundef=false", "-Dbuildtype=debugoptimized"])
            wanted.append(["ninja", "-C", "build-fuzz"])
        else:
            say("skipped fuzz: clang is not installed")
            suites.discard("fuzz")
    for argv in wanted:
        if call(argv, "build.log") != 0:
            with open(LOGS / "build.log", encoding="utf-8", errors="replace") as log:
                say("".join(log.readlines()[-30:]))
            return " ".join(argv)
    return None


def lane(names, results):
    for name in names:
        start = time.monotonic()
        try:
            tally = SUITES[name]()
        except Exception as e:      # a bug of ours must not pass for success
            tally = Tally(name)
            tally.fail("could not be run", repr(e))
        results.append(tally)
        say(f"{name}: {tally.passed} passed, {len(tally.failures)} failed"
            + (f", {tally.skipped} skipped" if tally.skipped else "")
            + f" ({time.monotonic() - start:.0f} s)")


def once_more(results):
    """Give what failed beside everything else one more go, with the machine to itself."""
    if sum(len(r.failures) for r in results) > AGAIN_LIMIT:
        return
    for r in results:
        for test in r.accidents:
            if r.again(test):
                r.failures.remove(test)
                r.passed += 1
                say(f"UNSTEADY {r.name}: {test} passed when run by itself")


def main():
    suites = set(sys.argv[1:] or SUITES)
    if suites - set(SUITES):
        sys.exit(f"no such suite: {', '.join(sorted(suites - set(SUITES)))}")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    shutil.rmtree(LOGS, ignore_errors=True)
    (ROOT / "build").mkdir(exist_ok=True)
    LOGS.mkdir(parents=True)
    trouble = build(suites)
    if trouble:
        say(f"FAILED build: {trouble}")
        say("0 passed, 1 failed")
        return 1
    results = []
    threads = [threading.Thread(target=lane, args=([n for n in names if n in suites], results))
               for names in LANES]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    once_more(results)
    passed, failed = sum(r.passed for r in results), sum(len(r.failures) for r in results)
    say(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def terminated(*_):
    for p in list(running):
        stop(p)
    os._exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGINT, terminated)
    sys.exit(main())
