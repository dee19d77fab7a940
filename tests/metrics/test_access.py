"""Who may scrape the gateway, and in which form it is answered."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import httpx2
import pytest
from openapi_spec_validator import validate
from prometheus_client import Metric
from prometheus_client.openmetrics import parser

from litebatch_asgi.config import parse_config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from tests.access.standalone import MASTER, standalone
from tests.database import SQLiteDatabase
from tests.http.sockets import served
from tests.metrics.scraping import Scrape, parsed, scraped

open_metrics = cast("Callable[[str], Iterable[Metric]]", parser.text_string_to_metric_families)
GENERAL = "model_list: [{model_name: m, params: {model: openai/m, api_key: k}}]\ngeneral_settings: {%s}"


async def test_admins_alone(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway:
        plain = await gateway.new_key()
        await gateway.manage("/user/new", user_id="boss", user_role="proxy_admin", auto_create_key=False)
        boss = await gateway.new_key(user_id="boss")
        for path in ("/metrics", "/v1/metrics"):
            assert (await status(gateway.address, path), await status(gateway.address, path, "sk-no")) == (
                401,
                401,
            )
            assert await status(gateway.address, path, plain) == 403
            for key in (MASTER, boss):
                assert (await scraped(gateway.address, key, path)).of("storage_up") == 1
        assert await status(gateway.address, "/metrics", MASTER, "POST") == 405
        assert await status(gateway.address, "/metrics", MASTER, "HEAD") == 200
        assert [each for each in gateway.logged if each["status"] < 400 and "metrics" in each["path"]] == []


async def status(address: str, path: str, key: str | None = None, method: str = "GET") -> int:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, verify=False) as http:
        return (await http.request(method, path)).status_code


async def test_anyone_where_no_key_is_asked_for(tmp_path: Path) -> None:
    """As for all else, from this machine alone: not under a name that only leads here."""
    async with standalone(tmp_path, SQLiteDatabase(tmp_path), master_key=None) as gateway:
        assert (await scraped(gateway.address)).of("storage_up") == 1
        async with httpx2.AsyncClient(base_url=gateway.address, verify=False) as http:
            assert (await http.get("/metrics", headers={"host": "evil.example"})).status_code == 403


async def test_anyone_where_the_configuration_says_so(tmp_path: Path) -> None:
    text = GENERAL % f"master_key: {MASTER}, metrics: open, database_url: 'sqlite:///{tmp_path}/open.db'"
    config = parse_config(text, {}, "litebatch.yaml")
    litebatch = litebatch_for(config, "127.0.0.1")
    app = build_gateway(litebatch, open_metrics=config.open_metrics)
    async with litebatch.lifespan(app), served(app) as address:
        assert (await scraped(address)).of("storage_up") == 1
        assert await status(address, "/key/list") == 401


def test_the_configuration_opens_them_by_one_word_alone() -> None:
    assert parse_config(GENERAL % "metrics: admin", {}, "x.yaml").open_metrics is False
    assert parse_config(GENERAL % "", {}, "x.yaml").open_metrics is False
    with pytest.raises(ConfigError, match=r"general_settings.metrics"):
        parse_config(GENERAL % "metrics: anyone", {}, "x.yaml")


@pytest.mark.parametrize(
    ("accept", "begins"),
    [
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("text/plain", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
    ],
)
async def test_the_form_that_is_asked_for(tmp_path: Path, accept: str, begins: str) -> None:
    async with (
        standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway,
        httpx2.AsyncClient(base_url=gateway.address, verify=False) as http,
    ):
        headers = {"authorization": f"Bearer {MASTER}", "accept": accept, "accept-encoding": "identity"}
        plain = await http.get("/metrics", headers=headers)
        async with http.stream("GET", "/metrics", headers=headers | {"accept-encoding": "gzip"}) as packed:
            content = gzip.decompress(b"".join([block async for block in packed.aiter_raw()]))
    assert plain.headers["content-type"].startswith(begins)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    is_open = begins.startswith("application")
    for text in (plain.text, content.decode()):
        scrape = Scrape(open_metrics(text)) if is_open else parsed(text)
        assert scrape.of("storage_up") == 1


async def test_it_is_described(tmp_path: Path) -> None:
    async with (
        standalone(tmp_path, SQLiteDatabase(tmp_path)) as gateway,
        httpx2.AsyncClient(base_url=gateway.address, verify=False) as http,
    ):
        document = (await http.get("/openapi.json")).json()
        page = (await http.get("/docs")).text
    validate(document)
    answer = document["paths"]["/metrics"]["get"]["responses"]["200"]
    assert list(answer["content"]) == ["text/plain"]
    assert answer["description"] == "Prometheus's text format, or OpenMetrics where that is asked for."
    assert ">/metrics<" in page
