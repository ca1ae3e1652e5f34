"""The hosts that all folders of tests use, as fixtures; made once, before anything else runs."""
import shutil

import pytest

import lab

REASON = lab.become_root()      # the process must still be single-threaded
if REASON is None and shutil.which("ip") is None:
    REASON = "needs the program ip (package iproute2)"


@pytest.fixture(scope="session", name="_local")
def one_host():
    if REASON:
        pytest.skip(REASON)
    host = lab.Host("host1")
    yield host
    host.close()


@pytest.fixture(scope="session", name="_lan")
def three_hosts():
    if REASON:
        pytest.skip(REASON)
    net = lab.Lan()
    yield net
    net.close()
