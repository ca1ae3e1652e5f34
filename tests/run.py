"""Build and run every test; the last line is "N passed, N failed".

  tests/run.sh [SUITE...]       suites: unit unit-asan checks e2e e2e-asan chaos musl compat lines fuzz

A suite of pytest files is cut into its files. Most tests wait more than they compute, so two more of
them run at a time than there are processors, the long ones first; the fuzz targets run beside
them at low priority. A line is printed for every failing test and one for every suite; the rest is
in build/check/SUITE/*.log. FUZZ_SECONDS in the environment says how long each fuzz target runs (35).

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
JOB_LIMIT = 600         # seconds; what hangs is ended
WORKERS = (os.cpu_count() or 1) + 2
lock = threading.Lock()
AGAIN_LIMIT = 5         # more failures than this are no accident
NO_ACCIDENT = ("Sanitizer", "runtime error:", "status 139", "status 134",
               "status -11", "status -6")
running = set()


def say(text):
    with lock:
        print(text, flush=True)


class Tally:
    """What a suite, or one file of it, came to."""

    def __init__(self, name):
        self.name, self.passed, self.skipped, self.failures = name, 0, 0, []
        self.accidents = []     # failures that may have another go: what runs one by itself, and its name

    def add(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures
        self.accidents += other.accidents

    def fail(self, what, why=""):
        self.failures.append(what)
        say(f"FAILED {self.name}: {what}" + (f" - {why}" if why else ""))


def call(argv, log, env=None, limit=JOB_LIMIT, nice=0):
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


class Job:
    """A part of a suite that runs by itself; @run returns its Tally. The heaviest are begun first."""

    def __init__(self, run, weight=0):
        self.run, self.weight = run, weight


def pytest_file(name, path, env):
    """A file of pytest tests, counted from the JUnit report."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    log = f"{name}/{path.stem}.log"

    def again(test):
        return call([*pytest, f"{path.parent}/{test.replace('::', '.py::', 1)}"], f"{name}/again.log", env) == 0

    def run():
        tally, report = Tally(name), LOGS / name / f"{path.stem}.xml"
        status = call([*pytest, f"--junitxml={report}", str(path)], log, env)
        if not report.is_file():
            tally.fail(f"{path.stem}: no report", f"{status}; see build/check/{log}")
            return tally
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            bad = case.find("failure") if case.find("failure") is not None else case.find("error")
            if bad is not None:
                test = f"{case.get('classname', '').split('.')[-1]}::{case.get('name')}"
                tally.fail(test, first_line(bad.get("message")))
                if not any(word in (bad.text or "") for word in NO_ACCIDENT):
                    tally.accidents.append((again, test))
            elif case.find("skipped") is not None:
                tally.skipped += 1
            else:
                tally.passed += 1
        if status not in (0, 1, 5):
            tally.fail(path.stem, f"pytest ended with {status}; see build/check/{log}")
        return tally
    return run


def pytest_suite(name, folder, env=None, files=None, without=(), factor=1):
    """The jobs of a folder of pytest tests, or of some @files of it; it is @factor times as slow as others."""
    paths = sorted((ROOT / folder).glob("test_*.py"))
    return [Job(pytest_file(name, path.relative_to(ROOT), env), factor * FIRST.get(path.stem, path.stat().st_size))
            for path in paths if path.stem not in without and (not files or path.stem in files)]


def unit_suite(name, build, env=None):
    """The unit tests of a build folder, counted from meson's log."""
    def run():
        tally, log = Tally(name), ROOT / build / "meson-logs" / "testlog.json"
        log.unlink(missing_ok=True)
        call(["meson", "test", "-C", build, "--no-rebuild", "--suite", "unit"], f"{name}/unit.log", env)
        if not log.is_file():
            tally.fail("no unit tests", f"see build/check/{name}/unit.log")
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
    return [Job(run)]


def fuzz():
    """Every fuzz target for a while."""
    tally = Tally("fuzz")
    call(["tests/fuzz/run.sh", "build-fuzz", os.environ.get("FUZZ_SECONDS", "35")], "fuzz/fuzz.log",
         nice=19)
    for line in (LOGS / "fuzz" / "fuzz.log").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("ok "):
            tally.passed += 1
        elif line.startswith("FAILED "):
            tally.fail(line[len("FAILED fuzz "):])
    if not tally.passed and not tally.failures:
        tally.fail("no target ran", "see build/check/fuzz/fuzz.log")
    return tally


# longer than their size makes one think: as many bytes
FIRST = {"test_noise": 200_000, "test_package": 100_000, "test_floods": 60_000, "test_scale": 60_000}
CHAOS = ["test_directions", "test_ending", "test_engine", "test_exec", "test_tcp", "test_tls", "test_unix"]
SUITES = {
    "unit": unit_suite("unit", "build"),
    "unit-asan": unit_suite("unit-asan", "build-asan", SANITIZER),
    "checks": pytest_suite("checks", "tests/checks"),
    "e2e": pytest_suite("e2e", "tests/e2e", {"SOCAST_TEST_SLOW": "2"}),
    "e2e-asan": pytest_suite("e2e-asan", "tests/e2e", {**SANITIZER, "SOCAST_TEST_SLOW": "3", "SOCAST_NOISE_SECONDS": "60",
                                                       "SOCAST": "build-asan/socast"},
                             without=["test_completion", "test_docs", "test_help"], factor=2),
    # transfers with short reads and writes, see src/sys/chaos.h
    "chaos": pytest_suite("chaos", "tests/e2e", {"SOCAST_TEST_SLOW": "2", "SOCAST_TEST_CHAOS": "1", "SOCAST": "build-chaos/socast"}, CHAOS),
    # with another libc the words of its errors differ: files that do not quote them
    "musl": pytest_suite("musl", "tests/e2e", {"SOCAST_TEST_SLOW": "2", "SOCAST": "build-musl/socast"},
                         ["test_apart", "test_cli", "test_engine", "test_exec", "test_file", "test_mcast", "test_service", "test_sessions"]),
    "compat": pytest_suite("compat", "tests/compat", {"SOCAST_TEST_SLOW": "2"}),
    "lines": pytest_suite("lines", "tests/lines", {"SOCAST_TEST_SLOW": "2"}),
    "fuzz": [Job(fuzz)],
}


def build(suites):
    """The build folders that are needed. Returns what could not be built."""
    wanted = [["make"]]
    if {"unit-asan", "e2e-asan"} & suites:
        wanted.append(["make", "asan"])
    if "chaos" in suites:
        wanted.append(["make", "chaos"])
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


class Suite:
    """A suite that runs: what is left of it, and what it came to so far."""

    def __init__(self, name):
        self.tally, self.left, self.start = Tally(name), len(SUITES[name]), None

    def work(self, job):
        self.start = self.start or time.monotonic()
        try:
            part = job.run()
        except Exception as e:      # a bug of ours must not pass for success
            part = Tally(self.tally.name)
            part.fail("could not be run", repr(e))
        with lock:
            self.tally.add(part)
            self.left -= 1
        if not self.left:
            t = self.tally
            say(f"{t.name}: {t.passed} passed, {len(t.failures)} failed"
                + (f", {t.skipped} skipped" if t.skipped else "")
                + f" ({time.monotonic() - self.start:.0f} s)")


def worker(jobs):
    """Take the next job until there is none."""
    while True:
        with lock:
            if not jobs:
                return
            suite, job = jobs.pop(0)
        suite.work(job)


def once_more(tallies):
    """Give what failed beside everything else one more go, with the machine to itself."""
    if sum(len(t.failures) for t in tallies) > AGAIN_LIMIT:
        return
    for t in tallies:
        for again, test in t.accidents:
            if again(test):
                t.failures.remove(test)
                t.passed += 1
                say(f"UNSTEADY {t.name}: {test} passed when run by itself")


def main():
    suites = set(sys.argv[1:] or SUITES)
    if suites - set(SUITES):
        sys.exit(f"no such suite: {', '.join(sorted(suites - set(SUITES)))}")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    shutil.rmtree(LOGS, ignore_errors=True)
    (ROOT / "build").mkdir(exist_ok=True)
    for name in suites:
        (LOGS / name).mkdir(parents=True)
    trouble = build(suites)
    if trouble:
        say(f"FAILED build: {trouble}")
        say("0 passed, 1 failed")
        return 1
    running_suites = [Suite(name) for name in SUITES if name in suites]
    jobs = [(suite, job) for suite in running_suites for job in SUITES[suite.tally.name]]
    jobs.sort(key=lambda j: -j[1].weight)
    lanes = [[j for j in jobs if j[0].tally.name == "fuzz"]] + WORKERS * [[j for j in jobs if j[0].tally.name != "fuzz"]]
    threads = [threading.Thread(target=worker, args=(jobs,)) for jobs in lanes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tallies = [suite.tally for suite in running_suites]
    once_more(tallies)
    passed, failed = sum(t.passed for t in tallies), sum(len(t.failures) for t in tallies)
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
