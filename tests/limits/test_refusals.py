"""What is over a limit is told which one, how much is used, and what would fit."""

from __future__ import annotations

import anyio
import pytest

from litebatch_asgi import Limits
from litebatch_asgi.errors import AboveLimit, FileTooLarge, LimitExceeded, RequestError
from litebatch_asgi.simulator.faults import Fault
from tests.harness import InProcess, lines
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.sockets import head, raw_client
from tests.limits.callers import address_for, caller, create, http_for, reserved, upload
from tests.retries.requests import batch_body

FILE_BYTES = len(lines())
FILE_TOKENS = -(-FILE_BYTES // 4)


async def test_what_may_pass_later_is_to_be_tried_again(held_gateway: InProcess) -> None:
    team = caller(max_enqueued_requests=7)
    uploaded = await upload(held_gateway, team)
    async with http_for(held_gateway, team) as http:
        for _ in range(2):
            assert (await http.post("/batches", json=batch_body(uploaded.id))).status_code == 200
        refused = await http.post("/batches", json=batch_body(uploaded.id))
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "30"
    assert "x-should-retry" not in refused.headers
    assert refused.json()["error"] == {
        "message": ("max_enqueued_requests of team:search is 7: 6 in use, 3 asked for, 1 would fit now."),
        "type": "rate_limit_error",
        "param": "max_enqueued_requests",
        "code": "limit_exceeded",
    }
    assert len((await held_gateway.client().batches.list()).data) == 2


@pytest.mark.parametrize(
    "most",
    [
        {"max_open_batches": 0},
        {"max_enqueued_requests": 2},
        {"max_enqueued_tokens": FILE_TOKENS - 1},
        {"max_batch_requests": 2},
    ],
)
async def test_what_can_never_pass_is_not_to_be_tried_again(
    held_gateway: InProcess, most: dict[str, int]
) -> None:
    """At create as well: limits may have changed since the upload."""
    uploaded = await held_gateway.upload()
    async with http_for(held_gateway, caller(scope="key:1", **most)) as http:
        refused = await http.post("/batches", json=batch_body(uploaded.id))
    assert refused.status_code == 400
    assert refused.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.headers
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "limit_exceeded")
    assert error["param"] == next(iter(most))
    assert "which can never pass" in error["message"]
    assert await reserved(held_gateway) == []


async def test_a_file_with_too_many_requests_is_not_taken(held_gateway: InProcess) -> None:
    """No deployment sees it."""
    few = caller(max_batch_requests=3)
    async with http_for(held_gateway, few) as http:
        parts = {"file": ("in.jsonl", lines(4))}
        refused = await http.post("/files", files=parts, data={"purpose": "batch"})
        assert refused.status_code == 400
        assert refused.headers["x-should-retry"] == "false"
        assert refused.json()["error"] == {
            "message": (
                "max_batch_requests of team:search is 3: 4 asked for, which can never pass. Ask for less, or"
                " have the limit raised."
            ),
            "type": "invalid_request_error",
            "param": "max_batch_requests",
            "code": "limit_exceeded",
        }
    assert held_gateway.provider_files("east") == []
    assert (await upload(held_gateway, few)).lines == 3


async def test_limits_are_told_by_their_name(held_gateway: InProcess) -> None:
    """What shares an account is still told apart."""
    named = Limits(scope="key:1", name="the key 'nightly'", max_open_batches=1, max_files=2)
    uploaded = await upload(held_gateway, caller(named))
    await create(held_gateway, caller(named), uploaded)
    with pytest.raises(LimitExceeded, match="max_open_batches of the key 'nightly' is 1: 1 in use"):
        await create(held_gateway, caller(named), uploaded)
    await upload(held_gateway, caller(named))
    with pytest.raises(LimitExceeded, match="max_files of the key 'nightly' is 2"):
        await upload(held_gateway, caller(named))
    with pytest.raises(AboveLimit, match="max_files of key:1 is 0"):
        await upload(held_gateway, caller(Limits(scope="key:1", max_files=0)))


async def test_a_file_that_is_too_large_is_refused_while_it_arrives(held_gateway: InProcess) -> None:
    """By the smallest of all limits."""
    small = caller(
        Limits(scope="team:a", max_file_bytes=2**30),
        Limits(scope="key:1", name="the key 'nightly'", max_file_bytes=5000),
    )
    body = form(field("purpose", "batch"), file(lines() + b"\n" + b" " * 9000))
    async with address_for(held_gateway, small) as address, raw_client(address) as raw:
        await raw.send(
            head("POST", "/v1/files", content_type=CONTENT_TYPE, content_length=len(body)), body[:8000]
        )
        with anyio.fail_after(5):
            answer = await raw.answer()
    assert answer.status == 413
    assert "max_file_bytes of the key 'nightly' is 5000" in answer.json()["error"]["message"]
    with pytest.raises(FileTooLarge, match="max_file_bytes of the key 'nightly' is 5000"):
        await upload(held_gateway, small, b" " * 5001)


async def test_files_that_are_not_deleted_count(held_gateway: InProcess) -> None:
    """The refusal says whose limit it is, and that waiting does not help; no deployment sees the file."""
    two = caller(Limits(scope="key:1", max_files=9), Limits(scope="team:search", max_files=2))
    first, _ = [await upload(held_gateway, two) for _ in range(2)]
    before = len(held_gateway.provider_files("east"))
    async with http_for(held_gateway, two) as http:
        parts = {"file": ("in.jsonl", lines())}
        refused = await http.post("/files", files=parts, data={"purpose": "batch"})
        assert refused.status_code == 429
        assert refused.headers["x-should-retry"] == "false"
        assert refused.headers["retry-after"] == "3600"
        assert refused.json()["error"] == {
            "message": (
                "max_files of team:search is 2: 2 in use, 1 asked for, 0 would fit now."
                " Delete files that are not needed any more."
            ),
            "type": "rate_limit_error",
            "param": "max_files",
            "code": "limit_exceeded",
        }
        assert len(held_gateway.provider_files("east")) == before
        assert (await http.delete(f"/files/{first.id}")).status_code == 200
        taken = await http.post("/files", files=parts, data={"purpose": "batch"})
        assert taken.status_code == 200
    await upload(held_gateway, caller(Limits(scope="team:b", max_files=1)))


async def test_an_upload_that_comes_again_takes_one_place(held_gateway: InProcess) -> None:
    one = caller(max_files=1)
    async with http_for(held_gateway, one) as http:
        parts = {"file": ("in.jsonl", lines())}
        key = {"idempotency-key": "k"}
        first, again = [
            await http.post("/files", files=parts, data={"purpose": "batch"}, headers=key) for _ in range(2)
        ]
    assert first.json()["id"] == again.json()["id"]


async def test_an_upload_that_no_deployment_takes_holds_no_place(held_gateway: InProcess) -> None:
    one = caller(max_files=1)
    fault = Fault(call="upload_file", status=400, times=2)
    held_gateway.simulator.add_fault(fault)
    with pytest.raises(RequestError) as refusal:
        await upload(held_gateway, one)
    assert not isinstance(refusal.value, LimitExceeded)
    await upload(held_gateway, one)


async def test_the_limits_of_every_scope_hold(held_gateway: InProcess) -> None:
    """What one refuses holds nothing of the others; equal scopes share an account."""
    key = Limits(scope="key:1", max_open_batches=1)
    team = Limits(scope="team:a", max_open_batches=2, max_enqueued_tokens=10 * FILE_TOKENS)
    uploaded = await upload(held_gateway, caller(key, team))
    await create(held_gateway, caller(key, team), uploaded)
    with pytest.raises(LimitExceeded, match="max_open_batches of key:1 is 1: 1 in use"):
        await create(held_gateway, caller(key, team), uploaded)
    await create(held_gateway, caller(team), uploaded)
    with pytest.raises(LimitExceeded, match="team:a"):
        await create(held_gateway, caller(Limits(scope="key:2", max_open_batches=1), team), uploaded)
    with pytest.raises(LimitExceeded, match="max_enqueued_requests of team:a is 6"):
        await create(held_gateway, caller(Limits(scope="team:a", max_enqueued_requests=6), team), uploaded)
    assert await reserved(held_gateway) == [
        ("key:1", "1", "3", str(FILE_TOKENS)),
        ("team:a", "2", "6", str(2 * FILE_TOKENS)),
    ]


async def test_what_is_open_when_a_limit_is_set_counts(held_gateway: InProcess) -> None:
    without = caller(Limits(scope="team:a", max_batch_requests=100, max_file_bytes=10_000))
    uploaded = await upload(held_gateway, without)
    for _ in range(2):
        await create(held_gateway, without, uploaded)
    with pytest.raises(LimitExceeded, match="max_open_batches of team:a is 2: 2 in use"):
        await create(held_gateway, caller(scope="team:a", max_open_batches=2), uploaded)
    await create(held_gateway, without, uploaded)
    assert await reserved(held_gateway) == [("team:a", "3", "9", str(3 * FILE_TOKENS))]


async def test_when_the_database_cannot_tell_nothing_passes(held_gateway: InProcess) -> None:
    uploaded = await held_gateway.upload()
    async with http_for(held_gateway, caller(max_open_batches=100)) as http:
        await held_gateway.storage.close()
        refused = await http.post("/batches", json=batch_body(uploaded.id))
        await held_gateway.storage.open()
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "storage_unavailable"
    assert held_gateway.provider_jobs() == []


async def test_quotas_are_of_batches_and_not_of_minutes(held_gateway: InProcess) -> None:
    """Source: BerriAI/litellm#37539, per-minute limits make every large batch a 429."""
    count = 2000
    large = caller(max_batch_requests=count, max_enqueued_requests=count, max_open_batches=1)
    uploaded = await upload(held_gateway, large, lines(count))
    batch = await create(held_gateway, large, uploaded)
    assert batch.counts.total == count
    async with http_for(held_gateway, large) as http:
        answers = [await http.get(f"/batches/{batch.id}") for _ in range(200)]
    assert {answer.status_code for answer in answers} == {200}
