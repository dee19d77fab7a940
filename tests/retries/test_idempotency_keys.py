"""`Idempotency-Key`: the same request leads to the same object, however often it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.types import ASGIApp

from litebatch_asgi import Principal
from litebatch_asgi.errors import InvalidRequest, KeyReused
from litebatch_asgi.simulator import Fault
from tests.harness import MODEL, InProcess, lines, running_gateway
from tests.http.sockets import served
from tests.retries.requests import client, create, upload

KEY = {"idempotency-key": "order 66"}
ALICE = Principal(owner="alice", key_id="key-alice")


@pytest.fixture
def address(gateway: InProcess) -> str:
    """The gateway's own: mounted."""
    return gateway.address


def id_of(answer: httpx2.Response) -> str:
    """The id of what was created."""
    assert answer.status_code == 200, answer.text
    made: str = answer.json()["id"]
    return made


async def at_once(times: int, send: Callable[[], Awaitable[httpx2.Response]]) -> list[httpx2.Response]:
    """The answers to a request that is sent several times at once."""
    answers: list[httpx2.Response] = []

    async def one() -> None:
        answers.append(await send())

    async with anyio.create_task_group() as tasks:
        for _ in range(times):
            tasks.start_soon(one)
    return answers


async def test_the_same_batch_comes_back_as_it_is_now(gateway: InProcess, address: str) -> None:
    uploaded = await gateway.upload()
    async with client(address) as http:
        first = await create(http, uploaded.id, KEY, metadata={"a": "1", "b": "2"})
        await gateway.ended(id_of(first))
        again = await create(http, uploaded.id, KEY, metadata={"b": "2", "a": "1"})
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert id_of(again) == id_of(first)
    assert again.json()["status"] == "completed"
    assert len(gateway.provider_jobs()) == 1


async def test_the_same_file_comes_back(gateway: InProcess, address: str) -> None:
    async with client(address) as http:
        first, again = [await upload(http, KEY) for _ in range(2)]
    assert again.headers["idempotency-replayed"] == "true"
    assert id_of(again) == id_of(first)
    assert len(gateway.provider_files("east")) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"content": lines(4)},
        {"filename": "out.jsonl"},
        {"purpose": "user_data"},
        {"target_model_names": MODEL},
        {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"},
    ],
)
async def test_a_key_of_another_upload_is_refused(
    gateway: InProcess, address: str, other: dict[str, Any]
) -> None:
    async with client(address) as http:
        await upload(http, KEY)
        refused = await upload(http, KEY, **other)
        assert refused.status_code == 422
        assert refused.headers["x-should-retry"] == "false"
        assert refused.json()["error"] == {
            "message": "This Idempotency-Key was sent with another request before. Take a new one.",
            "type": "invalid_request_error",
            "param": None,
            "code": "idempotency_key_in_use",
        }


@pytest.mark.parametrize(
    "other", [{"metadata": {}}, {"output_expires_after": {"anchor": "created_at", "seconds": 3600}}]
)
async def test_a_key_of_another_batch_is_refused(
    gateway: InProcess, address: str, other: dict[str, Any]
) -> None:
    files = [await gateway.upload(), await gateway.upload()]
    async with client(address) as http:
        await create(http, files[0].id, KEY)
        assert (await create(http, files[0].id, KEY, **other)).status_code == 422
        assert (await create(http, files[1].id, KEY)).status_code == 422
        assert (await upload(http, KEY)).status_code == 422


async def test_owners_have_keys_of_their_own(gateway: InProcess, address: str) -> None:
    async with client(address, "alice") as alice, client(address, "bob") as bob:
        answers = [await upload(http, KEY) for http in (alice, bob, alice, bob)]
    ids = [id_of(answer) for answer in answers]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"tab\there", b"\x85", b"\xa0"])
async def test_what_can_be_no_key_is_refused(gateway: InProcess, address: str, key: bytes) -> None:
    """Empty, too long, or not printable."""
    async with client(address) as http:
        for answer in (
            await create(http, "file-x", {"idempotency-key": key}),
            await http.post("/files", headers=[(b"idempotency-key", key)]),
        ):
            error = answer.json()["error"]
            assert (answer.status_code, error["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("key", ["x" * 255, "é", "a b;c"])
async def test_what_is_printable_can_be_a_key(gateway: InProcess, address: str, key: str) -> None:
    headers: Any = {"idempotency-key": key.encode("latin-1")}
    async with client(address) as http:
        assert len({id_of(await upload(http, headers)) for _ in range(2)}) == 1


async def test_batches_at_once_are_one(gateway: InProcess, address: str) -> None:
    uploaded = await gateway.upload()
    async with client(address) as http:
        answers = await at_once(8, lambda: create(http, uploaded.id, KEY))
    assert len({id_of(answer) for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(gateway.provider_jobs()) == 1


async def test_uploads_at_once_are_one_and_wait_for_it(gateway: InProcess, address: str) -> None:
    stalled = gateway.simulator.add_fault(Fault(call="upload_file", stall=True, times=None))
    answers: list[httpx2.Response] = []

    async def several(http: httpx2.AsyncClient) -> None:
        answers.extend(await at_once(5, lambda: upload(http, KEY)))

    async with client(address) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(several, http)
        await gateway.simulator.until(lambda: stalled.struck > 1)
        assert answers == []
        gateway.simulator.remove_fault(stalled)
    assert len({id_of(answer) for answer in answers}) == 1
    assert len(gateway.provider_files("east")) == 1


async def test_an_upload_that_failed_leaves_its_key_to_the_one_that_waits(
    gateway: InProcess, address: str
) -> None:
    for account in ("east", "west"):
        gateway.simulator.add_fault(Fault(call="upload_file", account=account, status=400, delay=0.3))
    async with client(address) as http:
        answers = await at_once(2, lambda: upload(http, KEY))
        assert sorted(answer.status_code for answer in answers) == [200, 400]
        again = await upload(http, KEY)
    assert [again.json()["id"]] == [answer.json().get("id") for answer in answers if answer.is_success]
    assert len((await gateway.client().files.list()).data) == 1


async def test_what_was_refused_leaves_no_key(gateway: InProcess, address: str) -> None:
    async with client(address) as http:
        assert (await upload(http, KEY, b"no JSON")).status_code == 400
        uploaded = await upload(http, KEY)
        batch_key = {"idempotency-key": "batch"}
        assert (await create(http, "file-unknown", batch_key)).status_code == 404
        wrong = await create(http, id_of(uploaded), batch_key, endpoint="/v1/embeddings")
        assert wrong.status_code == 400
        assert id_of(await create(http, id_of(uploaded), batch_key))


async def test_a_deleted_file_is_uploaded_anew_and_its_batch_is_found(
    gateway: InProcess, address: str
) -> None:
    """The key stands for the file while that is there; batches stay."""
    async with client(address) as http:
        first = id_of(await upload(http, KEY))
        batch_key = {"idempotency-key": "batch"}
        batch = id_of(await create(http, first, batch_key))
        await gateway.ended(batch)
        await http.delete(f"/files/{first}")
        assert id_of(await create(http, first, batch_key)) == batch
        assert id_of(await upload(http, KEY)) != first


async def test_keys_count_behind_other_apps_too(gateway: InProcess, app: ASGIApp) -> None:
    async with served(app) as address, client(address) as http:
        files = [id_of(await upload(http, KEY)) for _ in range(2)]
        batches = [id_of(await create(http, files[0], {"idempotency-key": "batch"})) for _ in range(2)]
    assert len(set(files)) == len(set(batches)) == 1


async def test_a_key_wins_over_the_retry_count(gateway: InProcess, address: str) -> None:
    async with client(address) as http:
        first = await upload(http, KEY)
        retried = await upload(http, {**KEY, "x-stainless-retry-count": "1"})
        other = await upload(http, {"idempotency-key": "other", "x-stainless-retry-count": "1"})
    assert id_of(retried) == id_of(first)
    assert id_of(other) != id_of(first)


async def test_calls_in_process_have_keys_too(tmp_path: Path) -> None:
    """And share them with those over HTTP."""
    async with running_gateway(tmp_path) as gateway:
        files, batches = gateway.litebatch.files, gateway.litebatch.batches

        async def uploaded(content: bytes, key: str | None) -> str:
            made = await files.create(
                ALICE, content, filename="in.jsonl", purpose="batch", idempotency_key=key
            )
            return made.id

        async def created(file_id: str, key: str | None) -> str:
            made = await batches.create(
                ALICE,
                input_file_id=file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                idempotency_key=key,
            )
            return made.id

        file_id = await uploaded(lines(), KEY["idempotency-key"])
        assert await uploaded(lines(), KEY["idempotency-key"]) == file_id
        assert await uploaded(lines(), None) != file_id
        with pytest.raises(KeyReused):
            await uploaded(lines(2), KEY["idempotency-key"])
        with pytest.raises(InvalidRequest):
            await uploaded(lines(), "")
        batch_id = await created(file_id, "batch")
        assert await created(file_id, "batch") == batch_id
        async with gateway.http() as http:
            assert id_of(await upload(http, KEY)) == file_id
            assert id_of(await create(http, file_id, {"idempotency-key": "batch"})) == batch_id
            retry = {"x-stainless-retry-count": "1"}
            assert id_of(await upload(http, retry)) != file_id
            assert id_of(await create(http, file_id, retry)) != batch_id
