"""OpenAI's endpoints of webhooks, managed by its stock client."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest
from msgspec.structs import replace
from openai import AsyncOpenAI
from openai.types.webhooks import BatchFailedWebhookEvent

from litebatch_asgi.app import open_storage
from litebatch_asgi.installations import installations_of
from litebatch_asgi.webhooks.service import MOST_ENDPOINTS
from tests.access.standalone import MASTER, WEBHOOK_KEY, standalone
from tests.database import BACKENDS, Database, database_on
from tests.harness import QUICK, InProcess, running_gateway
from tests.providers.wire import answer, cut
from tests.webhooks.receivers import endless, receiver

KEY, OTHER_KEY = "first-webhook-key-0123456789abcdef", "second-webhook-key-0123456789abcde"
TYPES = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]
NEW: Any = {"name": "hooks", "url": "https://hooks.example.com/x?token=abc", "event_types": TYPES[:2]}


@asynccontextmanager
async def gateway_with(
    folder: Path, *keys: str, database: Database | None = None, to_private: bool = False
) -> AsyncGenerator[InProcess]:
    """A gateway with these webhook keys."""
    settings = replace(QUICK, webhook_keys=keys, webhooks_to_private_addresses=to_private)
    async with running_gateway(folder, settings=settings, database=database) as gateway:
        yield gateway


@pytest.fixture(params=BACKENDS)
async def running(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[InProcess]:
    async with (
        database_on(request.param, tmp_path) as database,
        gateway_with(tmp_path, KEY, database=database) as gateway,
    ):
        yield gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[InProcess]:
    async with gateway_with(tmp_path, KEY, to_private=True) as running:
        yield running


def details(endpoint: Any) -> dict[str, Any]:
    """What LiteBatch tells of an endpoint beside OpenAI's fields."""
    found: dict[str, Any] = endpoint.to_dict()["litebatch"]
    return found


def told(refusal: openai.APIStatusError) -> tuple[int, str | None, str | None]:
    return refusal.status_code, refusal.param, refusal.code


async def test_the_life_of_an_endpoint(running: InProcess) -> None:
    hooks = running.client().webhooks
    made = await hooks.create(**NEW)
    assert (made.object, made.name, made.url) == ("webhook_endpoint", "hooks", NEW["url"])
    assert made.event_types == TYPES[:2]
    assert made.id.startswith("we_lb")
    assert made.signing_secret.startswith("whsec_")
    assert made.signing_secret_hint == f"whsec_...{made.signing_secret.rstrip('=')[-4:]}"
    assert made.updated_at == made.created_at
    found = await hooks.retrieve(made.id)
    assert found.to_dict() == {
        name: value for name, value in made.to_dict().items() if name != "signing_secret"
    }
    assert details(made) == {"status": "enabled", "reason": None}
    changed = await hooks.update(made.id, name="others", event_types=["batch.expired", "batch.expired"])
    assert (changed.name, changed.url, changed.event_types) == ("others", NEW["url"], ["batch.expired"])
    assert await hooks.retrieve(made.id) == changed
    moved = await hooks.update(made.id, url="HTTPS://Example.com")
    assert (moved.name, moved.url) == ("others", "https://example.com/")
    deleted = await hooks.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "webhook_endpoint.deleted")
    with pytest.raises(openai.NotFoundError):
        await hooks.retrieve(made.id)
    assert [each async for each in hooks.list()] == []


async def test_an_update_that_changes_nothing_is_none(gateway: InProcess) -> None:
    hooks, store = gateway.client().webhooks, gateway.storage.webhook_endpoints
    made = await hooks.create(**NEW)
    before = await store.get(made.id)
    await hooks.update(made.id, name="hooks", url=NEW["url"])
    await hooks.update(made.id)
    assert await store.get(made.id) == before
    await hooks.update(made.id, name="others")
    after = await store.get(made.id)
    assert before is not None
    assert after is not None
    assert after.updated_at > before.updated_at


async def test_pages_are_newest_first(running: InProcess) -> None:
    hooks = running.client().webhooks
    made = [(await hooks.create(**NEW | {"name": f"{number}"})).id for number in range(5)]
    await running.client("bob").webhooks.create(**NEW)
    first = await hooks.list(limit=2)
    assert [each.id for each in first.data] == made[:2:-1]
    assert first.has_more
    assert [each.id async for each in hooks.list(limit=2)] == made[::-1]
    assert [each.id async for each in hooks.list(after=made[2])] == made[1::-1]
    for after in ("we_lb0", made[0][:-1], "file-x"):
        with pytest.raises(openai.BadRequestError) as refusal:
            await hooks.list(after=after)
        assert refusal.value.param == "after"
    for limit in (0, 101):
        with pytest.raises(openai.BadRequestError) as refusal:
            await hooks.list(limit=limit)
        assert refusal.value.param == "limit"


async def test_an_owner_has_twenty_at_most(gateway: InProcess) -> None:
    hooks = gateway.client().webhooks
    made = [await hooks.create(**NEW) for _ in range(MOST_ENDPOINTS)]
    with pytest.raises(openai.RateLimitError) as refusal:
        await hooks.create(**NEW)
    assert refusal.value.param == "max_webhook_endpoints"
    assert "is 20: 20 in use" in refusal.value.message
    assert refusal.value.response.headers["x-should-retry"] == "false"
    await gateway.client("bob").webhooks.create(**NEW)
    await hooks.delete(made[0].id)
    await hooks.create(**NEW)


async def test_another_owners_endpoint_is_404_by_every_verb(running: InProcess) -> None:
    """As one that is not there is: nothing tells them apart."""
    made = await running.client().webhooks.create(**NEW)
    answers: list[set[tuple[int, str]]] = []
    async with running.http("bob") as http:
        for verb, below, body in (
            ("GET", "", None),
            ("POST", "", {"name": "mine"}),
            ("DELETE", "", None),
            ("POST", "/rotate_secret", {}),
            ("POST", "/test", {"event_type": "batch.failed"}),
        ):
            given: set[tuple[int, str]] = set()
            for endpoint_id in (made.id, made.id[:-1] + "0", "we_x"):
                answer = await http.request(verb, f"/webhook_endpoints/{endpoint_id}{below}", json=body)
                given.add((answer.status_code, answer.text.replace(endpoint_id, "ID")))
            answers.append(given)
        listed = await http.get("/webhook_endpoints")
    assert all(len(given) == 1 and next(iter(given))[0] == 404 for given in answers), answers
    assert listed.json()["data"] == []
    found = await running.client().webhooks.retrieve(made.id)
    assert found.signing_secret_hint == made.signing_secret_hint
    assert found.name == "hooks"


async def test_an_admin_sees_everybodys(gateway: InProcess) -> None:
    made = {name: await gateway.client(name).webhooks.create(**NEW) for name in ("alice", "bob")}
    admin = gateway.client("admin").webhooks
    assert {each.id async for each in admin.list()} == {each.id for each in made.values()}
    [alices] = [each async for each in admin.list(extra_query={"owner": "alice"})]
    assert details(alices) == {
        "owner": "alice",
        "key": "key-alice",
        "status": "enabled",
        "reason": None,
    }
    with pytest.raises(openai.PermissionDeniedError):
        await gateway.client("alice").webhooks.list(extra_query={"owner": "bob"})
    await admin.delete(made["bob"].id)
    assert [each async for each in gateway.client("bob").webhooks.list()] == []


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"url": "http://example.com/"}, "url", "invalid_value"),
        ({"url": "https://127.0.0.1/"}, "url", "invalid_value"),
        ({"url": 7}, "url", "invalid_type"),
        ({"url": None}, "url", "invalid_type"),
        ({"name": ""}, "name", "invalid_value"),
        ({"name": "a\nb"}, "name", "invalid_value"),
        ({"name": "a" * 257}, "name", "string_above_max_length"),
        ({"event_types": []}, "event_types", "empty_array"),
        ({"event_types": "batch.failed"}, "event_types", "invalid_type"),
        ({"event_types": ["batch.failed", "response.completed"]}, "event_types", "invalid_value"),
        ({"event_types": ["batch.created"]}, "event_types", "invalid_value"),
        ({"event_types": [7]}, "event_types", "invalid_type"),
        ({"signing_secret": "whsec_own"}, "signing_secret", "unknown_parameter"),
    ],
)
async def test_what_cannot_be_registered(tmp_path: Path, body: dict[str, Any], param: str, code: str) -> None:
    async with gateway_with(tmp_path, KEY) as gateway, gateway.http() as http:
        refused = [await http.post("/webhook_endpoints", json=NEW | body)]
        made = (await http.post("/webhook_endpoints", json=NEW)).json()
        if None not in body.values():
            refused.append(await http.post(f"/webhook_endpoints/{made['id']}", json=body))
        for answer in refused:
            error = answer.json()["error"]
            assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
        assert (await http.get(f"/webhook_endpoints/{made['id']}")).json()["name"] == "hooks"
        for name in NEW:
            without = {key: value for key, value in NEW.items() if key != name}
            missing = (await http.post("/webhook_endpoints", json=without)).json()["error"]
            assert (missing["param"], missing["code"]) == (name, "missing_required_parameter")


async def test_what_webhooks_can_tell(gateway: InProcess) -> None:
    listed = await gateway.client().webhooks.event_types.list()
    assert (listed.object, listed.data) == ("list", TYPES)


async def test_a_test_comes_as_an_event_does(gateway: InProcess) -> None:
    hooks = gateway.client().webhooks
    async with receiver(answer(status=204), answer(status=503), cut()) as hook:
        made = await hooks.create(**NEW | {"url": hook.url("localhost")})
        before = await gateway.storage.webhook_endpoints.get(made.id)
        result = await hooks.test(made.id, event_type="batch.failed")
        assert (result.status_code, result.success, result.object) == (204, True, "webhook_endpoint.test")
        assert (result.webhook_endpoint_id, result.event_type) == (made.id, "batch.failed")
        assert (await hooks.test(made.id, event_type="batch.expired")).status_code == 503
        with pytest.raises(openai.BadRequestError) as refusal:
            await hooks.test(made.id, event_type="batch.expired")
        assert await gateway.storage.webhook_endpoints.get(made.id) == before
    assert refusal.value.code == "webhook_not_answered"
    assert "its answer is no HTTP" in refusal.value.message
    first = hook.received[0]
    event = AsyncOpenAI(api_key="x").webhooks.unwrap(first.body, first.headers, secret=made.signing_secret)
    assert isinstance(event, BatchFailedWebhookEvent)
    assert event.id == first.headers["webhook-id"]
    with pytest.raises(openai.BadRequestError) as unknown:
        await hooks.test(made.id, event_type="response.completed")
    assert told(unknown.value) == (400, "event_type", "invalid_value")


async def test_one_test_at_a_time_for_each_owner(gateway: InProcess) -> None:
    hooks = gateway.client().webhooks
    async with receiver(endless(b"HTTP/1.1 200 OK\r\n", b"x", every_seconds=0.05)) as hook:
        made = await hooks.create(**NEW | {"url": hook.url("localhost")})
        async with anyio.create_task_group() as tasks:

            async def hang() -> None:
                await hooks.test(made.id, event_type="batch.failed")

            tasks.start_soon(hang)
            with anyio.fail_after(5):
                await hook.arrived.wait()
                other = await hooks.create(**NEW)
                for each in (made, other):
                    with pytest.raises(openai.RateLimitError):
                        await hooks.test(each.id, event_type="batch.failed")
            tasks.cancel_scope.cancel()


async def test_names_that_are_never_found_keep_no_neighbour_waiting(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup cannot be interrupted, and there are only so many threads for them."""
    found, looked_up = threading.Event(), anyio.Event()
    look_up, loop = socket.getaddrinfo, asyncio.get_running_loop()

    def hang(host: Any, *arguments: Any, **options: Any) -> Any:
        if ".example.com" in str(host):
            loop.call_soon_threadsafe(looked_up.set)
            found.wait(60)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **options)

    async def ask(hooks: Any, endpoint_id: str) -> None:
        with suppress(openai.APIStatusError):
            await hooks.test(endpoint_id, event_type="batch.failed")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    async with receiver(answer()) as hook, anyio.create_task_group() as tasks:
        for owner in ("alice", "carol"):
            hooks = gateway.client(owner).webhooks
            for number in range(MOST_ENDPOINTS):
                url = f"https://{owner}-{number}.example.com/"
                tasks.start_soon(ask, hooks, (await hooks.create(**NEW | {"url": url})).id)
        bobs = gateway.client("bob").webhooks
        made = await bobs.create(**NEW | {"url": hook.url("localhost")})
        await looked_up.wait()
        try:
            assert (await bobs.test(made.id, event_type="batch.failed")).status_code == 200
        finally:
            found.set()


async def test_a_private_address_is_found_out_when_it_is_sent_to(tmp_path: Path) -> None:
    """A name that was registered may lead anywhere by then."""
    async with receiver(answer()) as hook, gateway_with(tmp_path, KEY, to_private=True) as gateway:
        made = await gateway.client().webhooks.create(**NEW | {"url": hook.url("localhost")})
        database = gateway.database
        async with gateway_with(tmp_path, KEY, database=database) as careful:
            with pytest.raises(openai.BadRequestError) as refusal:
                await careful.client().webhooks.test(made.id, event_type="batch.failed")
    assert "not on the Internet" in refusal.value.message
    assert hook.connections == 0


def genuine(requests: Sequence[Any], secret: str) -> list[bool]:
    """Which of these are genuine to whoever knows the secret."""
    found: list[bool] = []
    for request in requests:
        try:
            AsyncOpenAI(api_key="x").webhooks.verify_signature(request.body, request.headers, secret=secret)
            found.append(True)
        except openai.InvalidWebhookSignatureError:
            found.append(False)
    return found


async def test_a_secret_that_is_rotated(gateway: InProcess) -> None:
    """At once, or with a day in which both sign."""
    hooks, store = gateway.client().webhooks, gateway.storage.webhook_endpoints
    async with receiver(*[answer()] * 4) as hook:
        first = await hooks.create(**NEW | {"url": hook.url("localhost")})
        second = await hooks.rotate_secret(first.id, keep_old_secret_active_for_24_hours=True)
        await hooks.test(first.id, event_type="batch.failed")
        kept = await store.get(first.id)
        assert kept is not None
        assert kept.keeps_old_until is not None
        assert kept.rotated_at is not None
        assert (kept.keeps_old_until - kept.rotated_at).total_seconds() == 86_400
        await store.change(first.id, lambda each: replace(each, keeps_old_until=each.rotated_at))
        await hooks.test(first.id, event_type="batch.failed")
        third = await hooks.rotate_secret(first.id)
        await hooks.test(first.id, event_type="batch.failed")
        fourth = await hooks.rotate_secret(first.id, keep_old_secret_active_for_24_hours=False)
        await hooks.test(first.id, event_type="batch.failed")
    secrets = [each.signing_secret for each in (first, second, third, fourth)]
    assert len(set(secrets)) == 4
    assert genuine(hook.received, secrets[0]) == [True, False, False, False]
    assert genuine(hook.received, secrets[1]) == [True, True, False, False]
    assert genuine(hook.received, secrets[2]) == [False, False, True, False]
    assert genuine(hook.received, secrets[3]) == [False, False, False, True]
    found = await hooks.retrieve(first.id)
    assert found.signing_secret_hint == fourth.signing_secret_hint


async def test_a_retry_of_the_stock_client_gets_what_the_first_try_made(running: InProcess) -> None:
    """Its answer was lost: nobody else was told the secret, and receivers have the one before."""
    hooks, again = running.client().webhooks, {"x-stainless-retry-count": "1"}
    made = await hooks.create(**NEW)
    retried = await hooks.create(**NEW, extra_headers=again)
    assert (retried.id, retried.signing_secret) == (made.id, made.signing_secret)
    assert (await hooks.create(**NEW, extra_headers={"x-stainless-retry-count": "0"})).id != made.id
    assert (await hooks.create(**NEW | {"name": "another"}, extra_headers=again)).id != made.id
    assert (await running.client("bob").webhooks.create(**NEW, extra_headers=again)).id != made.id
    rotated = await hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    retried = await hooks.rotate_secret(
        made.id, keep_old_secret_active_for_24_hours=True, extra_headers=again
    )
    assert retried.signing_secret == rotated.signing_secret != made.signing_secret
    [version] = await running.database.rows(f"SELECT version FROM webhook_endpoints WHERE id = '{made.id}'")
    assert version == (2,)
    assert (await hooks.create(**NEW, extra_headers=again)).id != made.id  # which has another secret by now
    assert (await hooks.rotate_secret(made.id)).signing_secret != rotated.signing_secret


async def test_naming_its_url_puts_a_disabled_endpoint_to_use_again(gateway: InProcess) -> None:
    hooks, store = gateway.client().webhooks, gateway.storage.webhook_endpoints
    made = await hooks.create(**NEW)
    await store.change(
        made.id,
        lambda each: replace(each, disabled_at=each.created_at, disabled_reason="it answered 410"),
    )
    found = await hooks.update(made.id, name="others")
    assert details(found) == {"status": "disabled", "reason": "it answered 410"}
    found = await hooks.update(made.id, url=NEW["url"])
    assert details(found) == {"status": "enabled", "reason": None}


async def test_keys_come_and_go(tmp_path: Path) -> None:
    """A key that is missing pauses its endpoints, which says so; a new secret is of the first key."""
    async with receiver(*[answer()] * 3) as hook:
        async with gateway_with(tmp_path, KEY, to_private=True) as gateway:
            hooks, database = gateway.client().webhooks, gateway.database
            made = await hooks.create(**NEW | {"url": hook.url("localhost")})
        async with gateway_with(tmp_path, OTHER_KEY, KEY, database=database, to_private=True) as gateway:
            await gateway.client().webhooks.test(made.id, event_type="batch.failed")
            new = await gateway.client().webhooks.create(**NEW)
        async with gateway_with(tmp_path, OTHER_KEY, database=database, to_private=True) as gateway:
            hooks = gateway.client().webhooks
            paused = details(await hooks.retrieve(made.id))
            assert paused["status"] == "paused"
            assert "webhook_keys" in paused["reason"]
            assert details(await hooks.retrieve(new.id)) == {
                "status": "enabled",
                "reason": None,
            }
            with pytest.raises(openai.BadRequestError) as refusal:
                await hooks.test(made.id, event_type="batch.failed")
            assert refusal.value.code == "no_webhook_keys"
            rotated = await hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
            await hooks.test(made.id, event_type="batch.failed")
    assert genuine(hook.received, made.signing_secret) == [True, False]
    assert genuine(hook.received, rotated.signing_secret) == [False, True]


async def test_without_keys_nothing_can_be_registered(tmp_path: Path) -> None:
    """What the operator has to do is said, and what is there can still be looked at and removed."""
    async with gateway_with(tmp_path, KEY) as gateway:
        made, database = await gateway.client().webhooks.create(**NEW), gateway.database
    async with gateway_with(tmp_path, database=database) as gateway:
        hooks = gateway.client().webhooks
        for call in (hooks.create(**NEW), hooks.rotate_secret(made.id)):
            with pytest.raises(openai.BadRequestError) as refusal:
                await call
            assert refusal.value.code == "no_webhook_keys"
            assert "litebatch_settings.webhook_keys" in refusal.value.message
        assert (await hooks.update(made.id, name="others")).name == "others"
        assert [each.id async for each in hooks.list()] == [made.id]
        await hooks.delete(made.id)


async def test_a_copy_of_a_database_sends_nothing(tmp_path: Path) -> None:
    """It has an installation id of its own, and so none of the secrets."""
    async with gateway_with(tmp_path, KEY) as gateway:
        made, database = await gateway.client().webhooks.create(**NEW), gateway.database
    await installations_of(open_storage(database.url)).copied(idle_seconds=0)
    async with gateway_with(tmp_path, KEY, database=database) as gateway:
        assert details(await gateway.client().webhooks.retrieve(made.id))["status"] == "paused"


def contents(folder: Path) -> list[bytes]:
    """Of all files below."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_neither_database_nor_log_hold_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        receiver(answer(), answer(status=500)) as hook,
        gateway_with(tmp_path, KEY, to_private=True) as gateway,
    ):
        hooks = gateway.client().webhooks
        made = await hooks.create(**NEW | {"url": hook.url("localhost")})
        await hooks.test(made.id, event_type="batch.failed")
        rotated = await hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        await hooks.test(made.id, event_type="batch.failed")
        with pytest.raises(openai.BadRequestError):
            await hooks.create(**NEW | {"url": "https://user:pw@example.com/"})
    ours = [each for each in caplog.records if each.name.startswith(("litebatch", "httpcore2", "uvicorn"))]
    assert ours
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in ours).encode()
    files = contents(tmp_path)
    assert any(made.id.encode() in content for content in files)
    secrets = [KEY, *(each.signing_secret.removeprefix("whsec_") for each in (made, rotated))]
    secrets += [request.headers["webhook-signature"].split(",")[1] for request in hook.received]
    for secret in secrets:
        assert not any(secret.encode() in content for content in (logged, *files))
    assert b"in-the-query" not in logged
    assert KEY not in repr(gateway.litebatch.settings)


async def test_the_standalone_gateway_has_them_too(tmp_path: Path) -> None:
    """Per owner, whatever the key: what a team's key registers is the team's."""
    async with (
        database_on("sqlite", tmp_path) as database,
        standalone(tmp_path, database) as gateway,
    ):
        await gateway.manage("/team/new", team_id="search")
        keys = [await gateway.new_key(team_id="search") for _ in range(2)]
        stranger = await gateway.new_key()
        made = await gateway.client(keys[0]).webhooks.create(**NEW)
        assert (await gateway.client(keys[1]).webhooks.retrieve(made.id)).name == "hooks"
        with pytest.raises(openai.NotFoundError):
            await gateway.client(stranger).webhooks.retrieve(made.id)
        [seen] = [each async for each in gateway.client(MASTER).webhooks.list()]
        assert details(seen)["owner"] == "team:search"
        assert WEBHOOK_KEY not in str(gateway.logged)
