"""The side-by-side tests use the hosts and fixtures of the end-to-end tests."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import lab  # noqa: E402

import pytest  # noqa: E402

from hosts import one_host  # noqa: E402

__all__ = ["one_host"]      # a fixture


@pytest.fixture
def local(_local):
    yield _local
    lab.stop_all()
