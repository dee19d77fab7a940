"""Servers that the tests of a module share."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cli.client.servers import Direct, Server, Servers, running_servers


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture
def gateway(servers: Servers) -> Server:
    return servers.gateway()


@pytest.fixture
def direct(servers: Servers) -> Direct:
    return servers.direct()


@pytest.fixture(params=["gateway", "direct"])
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.gateway() if request.param == "gateway" else servers.direct()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the command runs."""
    return tmp_path
