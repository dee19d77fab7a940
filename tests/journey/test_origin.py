"""Where an input's bytes come from: one place that fails does not hide another."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from openai import InternalServerError, NotFoundError

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Fault, RowFaults, Simulator
from tests.faults.stage import gateway_on
from tests.harness import MODEL, SWIFT, Gateway, InProcess, ids_of, lines

CONTENT = lines(2000)
"""long enough to come in several blocks"""


@pytest.fixture
async def three(tmp_path: Path) -> AsyncGenerator[InProcess]:
    """A gateway over three deployments, each with a name of its own for the model."""
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        served = [
            Deployment(
                model_name=MODEL,
                model=f"openai/gpt-{name * 3}",
                api_base=f"{provider}/{name}/v1",
                api_key=f"sk-{name}",
                id=name,
            )
            for name in "abc"
        ]
        async with gateway_on(simulator, provider, tmp_path, served=served) as gateway:
            yield gateway


def fail(gateway: Gateway, account: str, **how: Any) -> None:
    """Let all downloads of inputs from an account fail."""
    gateway.simulator.account(account).add_fault(
        Fault(call="stream_file", match="file-lb", times=None, **how)
    )


async def spoil(gateway: Gateway, account: str) -> None:
    """Let the provider have other bytes, as many as before."""
    (file,) = gateway.provider_files(account)
    stored = gateway.simulator.account(account).file_store.find(file.id)
    assert stored is not None
    stored.path.write_bytes(stored.path.read_bytes().replace(b"Say 7.", b"Say 8."))


async def test_a_missing_copy_is_made_from_any_that_can_be_read(three: InProcess) -> None:
    fail(three, "a", status=403)
    three.simulator.account("c").add_fault(Fault(call="upload_file", status=429))
    file = await three.upload(CONTENT)

    async def has_all() -> bool:
        return all(len(three.provider_files(name)) == 1 for name in "abc")

    await three.eventually(has_all)
    (copy,) = three.provider_files("c")
    content = await three.simulator.account("c").content(copy.id)
    assert content == CONTENT.replace(MODEL.encode(), b"gpt-ccc")
    assert await three.content(file.id) == CONTENT


@pytest.mark.parametrize("how", [{"status": 500}, {"cut_after": 100_000}, {"short_after": 100_000}])
async def test_a_file_is_read_on_from_the_next_copy_where_one_breaks_off(
    three: InProcess, how: dict[str, int]
) -> None:
    file = await three.upload(CONTENT)
    for name in "ab":
        fail(three, name, **how)
    assert await three.content(file.id) == CONTENT


async def test_a_copy_that_was_changed_is_never_given_out_as_what_was_uploaded(three: InProcess) -> None:
    file = await three.upload(lines(9))
    await spoil(three, "a")
    assert await three.content(file.id) == lines(9)
    for name in "bc":
        await spoil(three, name)
    with pytest.raises(InternalServerError) as refused:
        await three.content(file.id)
    assert refused.value.status_code == 503


async def test_a_file_is_gone_only_where_every_copy_is(three: InProcess) -> None:
    file = await three.upload(lines(9))
    fail(three, "a", status=404)
    fail(three, "b", status=500)
    fail(three, "c", status=404)
    with pytest.raises(InternalServerError):
        await three.content(file.id)
    three.simulator.faults.remove()
    for name in "abc":
        fail(three, name, status=404)
    with pytest.raises(NotFoundError):
        await three.content(file.id)


async def test_lost_rows_are_told_from_any_copy_of_the_input(three: InProcess) -> None:
    file = await three.upload(lines(9))
    for name in "ab":
        fail(three, name, cut_after=300)
    three.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=2)))
    batch = await three.ended((await three.create(file.id)).id)
    output, errors = await three.results(batch)
    assert sorted(ids_of(output) + ids_of(errors)) == sorted(f"request-{number}" for number in range(9))
