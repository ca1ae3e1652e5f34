"""The side-by-side tests use the hosts and fixtures of the end-to-end tests."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import lab  # noqa: E402

import pytest  # noqa: E402

REASON = lab.become_root()


@pytest.fixture(scope="session")
def _local():
    if REASON:
        pytest.skip(REASON)
    host = lab.Host("host1")
    yield host
    host.close()


@pytest.fixture
def local(_local):
    yield _local
    lab.stop_all()
