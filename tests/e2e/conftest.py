"""Fixtures of the end-to-end tests; what they offer is described in lab.py."""
import os
import signal

import pytest

import lab

from hosts import one_host, three_hosts

__all__ = ["one_host", "three_hosts"]      # fixtures


def _terminated(*_):
    """Somebody stops the tests: what was started goes first."""
    lab.stop_all()
    os._exit(143)


def pytest_configure(config):
    signal.signal(signal.SIGTERM, _terminated)
    config.addinivalue_line("markers", "whole: needs reads that bring all that is there, so it is left out of a run with chaos")
    if not os.access(lab.SOCAST, os.X_OK):
        raise pytest.UsageError(f"no program to test: {lab.SOCAST} (build it, or set SOCAST)")


def pytest_collection_modifyitems(items):
    if os.environ.get("SOCAST_TEST_CHAOS"):
        items[:] = [item for item in items if not item.get_closest_marker("whole")]


@pytest.fixture(autouse=True)
def tidy():
    """No program outlives its test. A whole run can be with chaos: SOCAST_TEST_CHAOS=SEED."""
    lab.extra_env.clear()
    if os.environ.get("SOCAST_TEST_CHAOS"):
        lab.extra_env["SOCAST_CHAOS"] = os.environ["SOCAST_TEST_CHAOS"]
    yield
    lab.stop_all()
    lab.extra_env.clear()
    found, lab.Proc.reports[:] = list(lab.Proc.reports), []
    assert not found, "\n".join(found)


@pytest.fixture
def local(_local):
    """One host with nothing but the loopback interface."""
    return _local


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Fixtures see in node.failed whether their test has."""
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed


@pytest.fixture
def lan(_lan, request):
    """Three hosts on a switch; returns them as a list."""
    yield _lan.hosts
    if request.node.failed:             # perhaps between breaking and mending something
        lab.stop_all()
        _lan.mend()


@pytest.fixture
def unrouted(_lan):
    """The same hosts, the first without a route for groups."""
    host = _lan.hosts[0]
    host.ip("route del 224.0.0.0/4 dev eth0")
    yield _lan.hosts
    lab.stop_all()
    host.ip(_lan.ROUTE)


@pytest.fixture(params=["fast", "plain"])
def fast(request):
    """Runs a test twice: as is, and with the fast paths of the program switched off."""
    if request.param == "plain":
        lab.extra_env["SOCAST_FASTPATH"] = "0"
    return request.param == "fast"


@pytest.fixture(params=[1, 2, 3])
def chaos(request):
    """Makes the program read and write in short, random pieces (debug builds only)."""
    if not lab.has("CHAOS"):
        pytest.skip("program built without chaos")
    lab.extra_env["SOCAST_CHAOS"] = str(request.param)
    return request.param
