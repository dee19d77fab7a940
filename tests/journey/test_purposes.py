"""Files of other purposes than `batch`: at one deployment, which is one that can use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai import APIStatusError, BadRequestError
from openai.types import FileObject

from litebatch_asgi.models import Lane
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, SWIFT, Gateway, InProcess, deployments, running_gateway

CONTENT = b"\x89PNG\r\n" + bytes(range(256)) * 100


async def upload(gateway: Gateway, purpose: Any = "vision") -> FileObject:
    """Upload something that is no batch input."""
    return await gateway.client().files.create(file=("cat.png", CONTENT), purpose=purpose)


def where(simulator: Simulator, purpose: str = "vision") -> list[str]:
    """The accounts that have a file of this purpose."""
    return [
        name
        for name, account in simulator.accounts.items()
        if any(file.purpose == purpose for file in account.files.values())
    ]


async def states(gateway: InProcess) -> dict[str, str]:
    """How far the copies are."""
    rows = await gateway.database.rows("SELECT deployment_id, state FROM file_copies")
    return dict(rows)


async def test_it_goes_to_one_deployment(gateway: InProcess) -> None:
    """Byte for byte, and nobody brings it to another one afterwards."""
    file = await upload(gateway)
    assert where(gateway.simulator) == ["east"]
    assert await states(gateway) == {"east": "ready", "west": "deleted"}
    assert await gateway.content(file.id) == CONTENT
    assert await gateway.database.rows("SELECT 1 FROM file_copies WHERE next_check_at IS NOT NULL") == []
    async with gateway.http("admin") as http:
        told = (await http.get(f"/files/{file.id}")).json()["litebatch"]
    assert told["deployments"] == {"east": "ready"}
    await gateway.client().files.delete(file.id)

    async def is_gone() -> bool:
        return not where(gateway.simulator) and not await gateway.database.rows("SELECT 1 FROM files")

    await gateway.eventually(is_gone)


OTHERS: dict[Any, tuple[str, str]] = {
    "assistants": ("report.pdf", ".pdf"),
    "fine-tune": ("train.jsonl", ".jsonl"),
    "vision": ("a.b.PNG", ".PNG"),
    "user_data": ("notes", ""),
    "evals": ("evals.no suffix", ""),
}
"""names of files, and how the names of their copies end"""


@pytest.mark.parametrize("purpose", OTHERS)
@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
async def test_each_purpose_goes_all_the_way(gateway: InProcess, purpose: Any, in_parts: bool) -> None:
    """Uploaded, listed, read, expired when that was asked for, deleted; a provider sees the right ending."""
    name, ending = OTHERS[purpose]
    client, hour = gateway.client(), {"anchor": "created_at", "seconds": 3600}
    await gateway.upload()
    if in_parts:
        upload = await client.uploads.upload_file_chunked(
            file=CONTENT,
            filename=name,
            bytes=len(CONTENT),
            mime_type="application/octet-stream",
            purpose=purpose,
            part_size=10_000,
        )
        assert upload.file is not None
        file = upload.file
        begun = await client.uploads.create(
            filename=name,
            bytes=1,
            mime_type="x",
            purpose=purpose,
            expires_after=hour,  # type: ignore[arg-type]
        )
        part = await client.uploads.parts.create(begun.id, data=b"x")
        other = (await client.uploads.complete(begun.id, part_ids=[part.id])).file
    else:
        file = await client.files.create(file=(name, CONTENT), purpose=purpose)
        other = await client.files.create(file=(name, b"x"), purpose=purpose, expires_after=hour)  # type: ignore[arg-type]
    assert other is not None
    assert (file.filename, file.purpose, file.status, file.expires_at) == (name, purpose, "processed", None)
    assert other.expires_at == other.created_at + 3600
    assert [each.id for each in (await client.files.list(purpose=purpose)).data] == [other.id, file.id]
    assert await client.files.retrieve(file.id) == file
    assert await gateway.content(file.id) == CONTENT
    copies = [each for each in gateway.simulator.account("east").files.values() if each.purpose == purpose]
    assert [each.filename[33:].partition("-")[2][16:] for each in copies] == [ending] * 2
    assert [each.expires_at is None for each in copies] == [True, False]
    with pytest.raises(BadRequestError):
        await gateway.create(file.id)
    for each in (file, other):
        await client.files.delete(each.id)

    async def is_gone() -> bool:
        return not where(gateway.simulator, purpose)

    await gateway.eventually(is_gone)


@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
async def test_it_expires_when_that_was_asked_for(tmp_path: Path, database: Database, in_parts: bool) -> None:
    """Its copies with it; what nobody gave an end stays."""

    def earlier() -> datetime:
        return datetime.now(UTC) - timedelta(hours=3)

    async with running_gateway(tmp_path, database=database, clock=earlier) as gateway:
        client, hour = gateway.client(), {"anchor": "created_at", "seconds": 3600}
        kept = await upload(gateway)
        if in_parts:
            begun = await client.uploads.create(
                filename="a",
                bytes=1,
                mime_type="x",
                purpose="vision",
                expires_after=hour,  # type: ignore[arg-type]
            )
            part = await client.uploads.parts.create(begun.id, data=b"x")
            await client.uploads.complete(begun.id, part_ids=[part.id])
        else:
            await client.files.create(file=("a", b"x"), purpose="vision", expires_after=hour)  # type: ignore[arg-type]

    async with running_gateway(tmp_path, database=database, simulator=gateway.simulator) as gateway:
        assert [file.id for file in (await gateway.client().files.list()).data] == [kept.id]

        async def is_gone() -> bool:
            files = gateway.simulator.account("east").files.values()
            return len([file for file in files if file.purpose == "vision"]) == 1

        await gateway.eventually(is_gone)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401},
        {"status": 400, "message": "Invalid purpose."},
        {"status": 503, "times": 9},
        {"drop": True},
    ],
    ids=["key", "content", "broken", "unclear"],
)
async def test_the_next_one_takes_what_the_first_does_not(gateway: InProcess, fault: dict[str, Any]) -> None:
    """And what the first may have of it after all is looked for there, but not sent again."""
    gateway.simulator.add_fault(Fault(account="east", call="upload_file", **fault))
    file = await upload(gateway)
    assert where(gateway.simulator) == ["west"]
    assert await gateway.content(file.id) == CONTENT
    left = "failed" if fault.get("status") == 400 else "deleted"

    async def is_settled() -> bool:
        return await states(gateway) == {"east": left, "west": "ready"}

    await gateway.eventually(is_settled)
    assert where(gateway.simulator) == ["west"]


async def test_nothing_stays_behind_where_none_takes_it(gateway: InProcess) -> None:
    for name, status in (("east", 401), ("west", 400)):
        gateway.simulator.add_fault(Fault(account=name, call="upload_file", status=status))
    with pytest.raises(APIStatusError) as refused:
        await upload(gateway)
    assert refused.value.status_code == 400
    asked = [entry.account for entry in gateway.simulator.journal.select("upload_file")]
    assert asked == ["east", "west"]

    async def is_gone() -> bool:
        return await gateway.database.rows("SELECT 1 FROM files") == []

    await gateway.eventually(is_gone)


async def test_a_purpose_that_no_provider_can_use_is_refused(tmp_path: Path, database: Database) -> None:
    """Before anything is sent, with what can be used."""
    simulator = Simulator(settings=SimulatorSettings(flavour="azure", pending_seconds=0.01))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, flavour="azure v1"
    ) as gateway:
        with pytest.raises(BadRequestError) as refused:
            await upload(gateway)
        assert refused.value.code == "unsupported_purpose"
        assert refused.value.param == "purpose"
        assert "'gpt-4o-batch' can use a file with the purpose 'vision'" in refused.value.message
        assert "can use: assistants, batch, fine-tune." in refused.value.message
        assert len(simulator.journal) == 0
        await upload(gateway, "assistants")
        assert len(where(simulator, "assistants")) == 1


async def test_a_server_for_batches_alone_is_passed_over(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        east, west = deployments(provider)
        served = [replace(east, model=f"hosted_vllm/{east.upstream_model}", lane=Lane.NATIVE), west]
        async with gateway_on(
            simulator, provider, tmp_path, settings=QUICK, database=database, served=served
        ) as gateway:
            await upload(gateway)
            assert where(simulator) == ["west"]
