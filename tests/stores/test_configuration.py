"""Which content stores can be named, and what is said of the others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.errors import ConfigError, StoreUnavailable
from litebatch_asgi.files import discarding
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.stores import load_stores
from litebatch_asgi.testing import a_content, a_stored_part
from litebatch_asgi.testing.conformance.base import file_writing, stored_file
from litebatch_asgi.testing.conformance.content_stores import blocks
from litebatch_objects import BucketStore
from tests.database import Database, SQLiteDatabase
from tests.harness import running_gateway
from tests.stores import buckets


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://host", "neither 'database' nor one of file://..., gs://..., s3://..."),
        ("", "neither 'database'"),
        ("s3://", "s3://bucket/prefix"),
        ("s3://key:secret@bucket/prefix", "without credentials"),
        ("s3://bucket?secret=x", "without credentials"),
        ("file://host/folder", "file:///absolute/path"),
    ],
)
def test_a_store_that_cannot_be(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match="content_store: ") as raised:
        load_stores(Settings(content_store=url))
    assert told in str(raised.value)
    assert "secret" not in str(raised.value)


def test_each_store_is_there_once(tmp_path: Path) -> None:
    """However its URL ends; the database always is."""
    url = tmp_path.as_uri()
    settings = Settings(content_store="database", old_content_stores=(url, f"{url}/", "s3://bucket/a"))
    assert list(load_stores(settings)) == [url, "s3://bucket/a"]


def test_without_obstore_a_bucket_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigError, match=r"pip install 'litebatch-asgi\[store\]'"):
        load_stores(Settings(content_store="s3://bucket/prefix"))


async def test_a_bucket_that_is_not_there(bucket_server: buckets.Server) -> None:
    """Its name and its provider's words are for the log."""
    store = buckets.s3_store(bucket_server.address, "x", bucket="nosuchbucket")
    with pytest.raises(StoreUnavailable) as raised:
        await store.put("content", blocks([b"x"]))
    assert "nosuchbucket" not in raised.value.message
    assert isinstance(store, BucketStore)


async def test_a_folder_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    litebatch = LiteBatch(
        deployments=[Deployment(model_name="m", model="openai/gpt-4o-mini", api_key="sk-none")],
        storage=SQLiteDatabase.migrated(tmp_path).url,
        settings=Settings(content_store=(tmp_path / "none").as_uri()),
    )
    with pytest.raises(ConfigError, match="there is no folder"):
        async with litebatch.lifespan():
            pass


async def test_a_large_database_file_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do; 1 GB is no trouble."""
    database: Database = SQLiteDatabase.migrated(tmp_path)
    async with running_gateway(tmp_path, database=database) as gateway:
        discarder = discarding.Discarder(gateway.litebatch.files._runtime)  # pyright: ignore[reportPrivateUsage]
        told: list[str] = []

        def warn(text: str, *given: object) -> None:
            told.append(text % given)

        monkeypatch.setattr(discarding.logger, "warning", warn)
        for size in (10**9, 1):
            await discarder.step()
            assert told == []
            file = await stored_file(gateway.storage)
            content = await gateway.storage.contents.begin(a_content(), lease_seconds=60)
            parts = (a_stored_part(file, content, bytes=size),)
            await gateway.storage.change_file(file.id, file_writing(parts=parts))
        await discarder.step()
        await discarder.step()
    assert len(told) == 1
    assert "content_store" in told[0]
    assert "1.0 GB" in told[0]
