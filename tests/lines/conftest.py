"""Command lines as people use them, run by a shell under the name socat, against real peers.

A test gets a `desk`: a folder of its own on a virtual host, where `socat` is the program under test.
When the test is over the desk looks at what is left behind: processes, entries, processor time."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import pytest  # noqa: E402

from desk import Desk  # noqa: E402
from hosts import one_host, three_hosts  # noqa: E402

__all__ = ["one_host", "three_hosts"]      # fixtures


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """The desk is looked over only after a test that has passed."""
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed


@pytest.fixture
def desk(_local, tmp_path, request):
    d = Desk(_local, tmp_path)
    yield d
    d.close(look=not getattr(request.node, "failed", False))


@pytest.fixture
def desks(_lan, tmp_path, request):
    """Three of them, on three hosts of one network: 192.168.10.1 to .3."""
    ds = []
    for i, host in enumerate(_lan.hosts, 1):
        (tmp_path / f"host{i}").mkdir()
        ds.append(Desk(host, tmp_path / f"host{i}"))
    yield ds
    for d in ds:
        d.close(look=not getattr(request.node, "failed", False))


@pytest.fixture(params=["quiet", "busy"])
def load(request, _local):
    """The same line on a quiet machine and beside two busy loops."""
    busy = [_local.command(["sh", "-c", "while :; do :; done"]) for _ in range(2 if request.param == "busy" else 0)]
    yield request.param
    for p in busy:
        p.clear()
