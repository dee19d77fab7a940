"""Where owners want to be told of their batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import ConfigError, StateConflict, StorageUnavailable
from litebatch_asgi.models import WebhookEndpoint, WebhookEventType
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import Capability, NewStorage, StorageTests
from litebatch_asgi.testing.samples import an_endpoint
from litebatch_asgi.webhooks.endpoints import EndpointQuery

BEGINNING = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = BEGINNING + timedelta(hours=1)
CHANGED: dict[str, Any] = {
    "name": 'naïve "☃"',
    "url": "https://example.com/?a=%20",
    "event_types": tuple(WebhookEventType),
    "version": 3,
    "key_fingerprint": "ff" * 8,
    "secret_hint": "whsec_...efgh",
    "old_key_fingerprint": "ee" * 8,
    "keeps_old_until": LATER,
    "rotated_at": BEGINNING,
    "disabled_at": LATER,
    "disabled_reason": "it answered 410",
    "failures": 3,
    "tried_at": LATER,
    "next_attempt_at": LATER,
    "claimed_by": "worker",
    "claimed_until": LATER,
    "epoch": 7,
    "updated_at": LATER,
}


class WebhookEndpointTests(StorageTests):
    """Where owners want to be told of their batches."""

    async def test_an_endpoint_comes_back_as_it_was_created(self, storage: Storage) -> None:
        """Every field of it; what is not there is None."""
        endpoints = storage.webhook_endpoints
        for endpoint in (an_endpoint(created_by=None), an_endpoint(**CHANGED)):
            assert await endpoints.create(endpoint, most=9)
            assert await endpoints.get(endpoint.id) == endpoint
        assert await endpoints.get("we_lb0") is None

    async def test_an_endpoint_that_is_there_already(self, storage: Storage) -> None:
        """Its id is its own, whoever's it is."""
        endpoints, first = storage.webhook_endpoints, an_endpoint()
        await endpoints.create(first, most=9)
        with pytest.raises(StateConflict):
            await endpoints.create(replace(an_endpoint(owner="user:7"), id=first.id), most=9)
        assert await endpoints.page(EndpointQuery(owner=None, limit=9)) == [first]

    async def test_no_owner_has_more_than_so_many(self, storages: Sequence[Storage]) -> None:
        """Of many that are created at once the rest is not inserted; other owners have room of their own."""
        inserted: list[bool] = []

        async def create(storage: Storage) -> None:
            inserted.append(await storage.webhook_endpoints.create(an_endpoint(), most=3))

        async with anyio.create_task_group() as group:
            for turn in range(8):
                group.start_soon(create, storages[turn % len(storages)])
        assert sorted(inserted) == [False] * 5 + [True] * 3
        endpoints = storages[0].webhook_endpoints
        found = await endpoints.page(EndpointQuery(owner="team:search", limit=9))
        assert len(found) == 3
        assert await endpoints.create(an_endpoint(owner="user:7"), most=3)
        await endpoints.delete(found[0].id)
        assert await endpoints.create(an_endpoint(), most=3)

    async def test_pages_of_endpoints_are_newest_first(self, storage: Storage) -> None:
        """One owner's, or everybody's; of the same moment in order of their ids."""
        endpoints = storage.webhook_endpoints
        made: list[WebhookEndpoint] = []
        for number, second in enumerate((3, 1, 2, 2, 2, 0)):
            whose = "user:7" if number == 4 else "team:search"
            made.append(an_endpoint(owner=whose, created_at=BEGINNING + timedelta(seconds=second)))
            await endpoints.create(made[-1], most=9)
        made.sort(key=lambda each: (each.created_at, each.id), reverse=True)
        for owner in (None, "team:search", "user:7", "nobody"):
            expected = [each for each in made if owner in (None, each.owner)]
            found: list[WebhookEndpoint] = []
            while page := await endpoints.page(
                EndpointQuery(owner=owner, after=found[-1] if found else None, limit=2)
            ):
                assert len(page) <= 2
                found += page
            assert found == expected

    async def test_a_change_of_an_endpoint_is_written(self, storage: Storage) -> None:
        """Every field but those that stay, and it is returned."""
        endpoints, endpoint = storage.webhook_endpoints, an_endpoint()
        await endpoints.create(endpoint, most=9)
        changed = await endpoints.change(endpoint.id, lambda current: replace(current, **CHANGED))
        assert changed == replace(endpoint, **CHANGED)
        assert await endpoints.get(endpoint.id) == changed

    async def test_a_change_of_an_endpoint_that_raises_changes_nothing(self, storage: Storage) -> None:
        """What it raises passes through."""
        endpoints, endpoint = storage.webhook_endpoints, an_endpoint()
        await endpoints.create(endpoint, most=9)

        def refuse(_: WebhookEndpoint) -> WebhookEndpoint:
            raise ConfigError("no")

        with pytest.raises(ConfigError):
            await endpoints.change(endpoint.id, refuse)
        assert await endpoints.get(endpoint.id) == endpoint

    async def test_of_many_changes_of_an_endpoint_none_is_lost(self, storages: Sequence[Storage]) -> None:
        """Each looks at what the one before has written."""
        endpoint = an_endpoint()
        await storages[0].webhook_endpoints.create(endpoint, most=9)

        async def rotate(storage: Storage) -> None:
            await storage.webhook_endpoints.change(
                endpoint.id, lambda current: replace(current, version=current.version + 1)
            )

        async with anyio.create_task_group() as group:
            for turn in range(9):
                group.start_soon(rotate, storages[turn % len(storages)])
        found = await storages[-1].webhook_endpoints.get(endpoint.id)
        assert found is not None
        assert found.version == 10

    async def test_a_deleted_endpoint_is_gone(self, storage: Storage) -> None:
        """It can neither be changed nor deleted again; the others stay."""
        endpoints, endpoint, other = storage.webhook_endpoints, an_endpoint(), an_endpoint()
        for each in (endpoint, other):
            await endpoints.create(each, most=9)
        await endpoints.delete(endpoint.id)
        assert await endpoints.get(endpoint.id) is None
        assert await endpoints.page(EndpointQuery(owner=None, limit=9)) == [other]
        with pytest.raises(StateConflict):
            await endpoints.delete(endpoint.id)
        with pytest.raises(StateConflict):
            await endpoints.change(endpoint.id, lambda current: current)

    async def test_an_endpoint_that_one_storage_wrote_another_sees(self, storages: Sequence[Storage]) -> None:
        """At once."""
        self.skip_without(Capability.SHARED)
        endpoint = an_endpoint()
        await storages[0].webhook_endpoints.create(endpoint, most=9)
        assert await storages[-1].webhook_endpoints.get(endpoint.id) == endpoint

    async def test_endpoints_need_an_open_storage(self, new_storage: NewStorage) -> None:
        """Every method says so."""
        endpoints = new_storage().webhook_endpoints
        for call in (
            endpoints.create(an_endpoint(), most=9),
            endpoints.get("we_lb0"),
            endpoints.page(EndpointQuery(owner=None, limit=1)),
            endpoints.change("we_lb0", lambda current: current),
            endpoints.delete("we_lb0"),
        ):
            with pytest.raises(StorageUnavailable):
                await call
