"""A server with buckets, started once a run."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.stores import buckets


@pytest.fixture(scope="session")
def bucket_server() -> Generator[buckets.Server]:
    with buckets.server() as running:
        yield running
