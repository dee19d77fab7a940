"""`litebatch adopt` beside a running gateway: what was made elsewhere is managed from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest

from litebatch_asgi.simulator import Fault
from tests.costs.settled import charges_of
from tests.harness import MODEL, InProcess, ids_of, lines, rows_of

from .conftest import OWNER, THERE, Elsewhere, told

IDS = ["request-0", "request-1", "request-2"]


async def test_batches_get_an_owner_results_and_cost(gateway: InProcess, elsewhere: Elsewhere) -> None:
    account = elsewhere.account
    done = await elsewhere.create(metadata={"team": "a"})
    await account.reached(done.id, "completed")
    account.configure(hold=frozenset({"in_progress"}))
    running = await elsewhere.create(lines(2, model=THERE))
    await account.reached(running.id, "in_progress")
    ended = await elsewhere.adopt()
    adopted = {each["provider_id"]: each for each in told(ended)}
    assert adopted.keys() == {done.id, running.id}  # each input is adopted with its batch
    first, second = adopted[done.id], adopted[running.id]
    assert {each["outcome"] for each in (first, second)} == {"adopted"}
    assert (first["model"], first["requests"], second["status"]) == (MODEL, 3, "in_progress")
    assert "batches: 2 are adopted, 0 were managed before, 0 passed over" in ended.stderr

    batch = await gateway.ended(first["id"])
    assert (batch.status, batch.metadata, batch.created_at) == ("completed", {"team": "a"}, done.created_at)
    assert batch.request_counts is not None
    assert batch.request_counts.completed == 3
    assert ids_of((await gateway.results(batch))[0]) == IDS
    [charge] = await charges_of(gateway, batch.id)
    assert charge.usage.requests == 3
    assert charge.usage.total_tokens > 0

    assert (await gateway.client().batches.retrieve(second["id"])).status == "in_progress"
    account.release()
    assert (await gateway.ended(second["id"])).status == "completed"
    with pytest.raises(openai.NotFoundError):
        await gateway.client("bob").batches.retrieve(first["id"])
    listed = (await gateway.client().batches.list()).data
    assert {each.id for each in listed} == {first["id"], second["id"]}


async def test_inputs_name_the_virtual_model_and_can_be_used_again(
    gateway: InProcess, elsewhere: Elsewhere
) -> None:
    """A file that no batch reads is adopted as well."""
    await elsewhere.upload()
    [adopted] = told(await elsewhere.adopt())
    assert (adopted["kind"], adopted["requests"]) == ("file", 3)
    file = await gateway.client().files.retrieve(adopted["id"])
    assert (file.filename, file.status, file.purpose) == ("mine.jsonl", "processed", "batch")
    content = await gateway.content(file.id)
    assert (content, file.bytes) == (lines(3), len(content))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert ids_of((await gateway.results(batch))[0]) == IDS
    assert len(elsewhere.account.files) - len(gateway.result_files()) == 1  # it was not sent again


async def test_nothing_is_adopted_twice(gateway: InProcess, elsewhere: Elsewhere) -> None:
    """Not by a second run, not by two at once, not for another owner; and nothing that is managed is."""
    await gateway.ended((await gateway.create((await gateway.upload()).id)).id)
    shared = await elsewhere.create()
    await elsewhere.client.batches.create(
        input_file_id=shared.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    await elsewhere.upload(lines(1, model=THERE))
    runs: list[list[dict[str, Any]]] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(_append, runs, elsewhere)
    adopted = [each for run in runs for each in run]
    assert sorted(each["kind"] for each in adopted) == ["batch", "batch", "file"], adopted
    assert len({each["id"] for each in adopted}) == 3
    for owner in (OWNER, "bob"):
        ended = await elsewhere.adopt(owner=owner)
        assert told(ended) == []
        assert "batches: 0 are adopted, 3 were managed before, 0 passed over" in ended.stderr
    assert len((await gateway.client().batches.list()).data) == 3
    assert (await gateway.client("bob").batches.list()).data == []


async def test_a_later_batch_of_a_known_input_is_adopted_too(
    gateway: InProcess, elsewhere: Elsewhere
) -> None:
    first = await elsewhere.create()
    assert len(told(await elsewhere.adopt())) == 1
    later = await elsewhere.client.batches.create(
        input_file_id=first.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    [adopted] = told(await elsewhere.adopt())
    assert (adopted["outcome"], adopted["provider_id"]) == ("adopted", later.id)
    assert len({batch.input_file_id for batch in (await gateway.client().batches.list()).data}) == 1


async def _append(runs: list[list[dict[str, Any]]], elsewhere: Elsewhere) -> None:
    runs.append(told(await elsewhere.adopt()))


async def test_a_killed_run_is_gone_on_with(gateway: InProcess, elsewhere: Elsewhere) -> None:
    """Its file was written, and its batch not yet."""
    done = await elsewhere.create()
    killed = await elsewhere.adopt(LITEBATCH_FAILPOINTS="adopt.file_stored=kill")
    assert killed.returncode == -9
    assert len((await gateway.client().files.list()).data) == 1
    [adopted] = told(await elsewhere.adopt())
    assert adopted["provider_id"] == done.id
    batch = await gateway.ended(adopted["id"])
    assert batch.status == "completed"
    listed = (await gateway.client().files.list(purpose="batch")).data
    assert [file.id for file in listed] == [batch.input_file_id]


async def test_a_dry_run_writes_nothing(gateway: InProcess, elsewhere: Elsewhere) -> None:
    await elsewhere.create()
    await elsewhere.upload(lines(1, model=THERE))
    tried = await elsewhere.adopt("--dry-run")
    assert "batches: 1 would be adopted" in tried.stderr
    assert (await gateway.client().files.list()).data == []
    assert (await gateway.client().batches.list()).data == []
    done = await elsewhere.adopt()
    assert told(tried) == told(done)  # ids and all
    assert "batches: 1 are adopted" in done.stderr


async def test_what_cannot_be_adopted_is_told(gateway: InProcess, elsewhere: Elsewhere) -> None:
    gone = await elsewhere.create()
    await elsewhere.account.reached(gone.id, "completed")
    await elsewhere.client.files.delete(gone.input_file_id)
    other = await elsewhere.create(lines(1, model="gpt-5"))
    await elsewhere.upload(b'{"custom_id": "1"}')
    await elsewhere.client.files.create(file=("notes.txt", b"x"), purpose="user_data")
    ended = await elsewhere.adopt()
    reasons = {each["provider_id"]: each["reason"] for each in told(ended)}
    assert reasons.pop(gone.id) == "its input file is gone"
    assert reasons.pop(other.id) == "its lines name 'gpt-5', which is not the deployment's model"
    [reason] = reasons.values()
    assert "does not pass the check: Line 1: Missing required parameter" in reason
    assert "0 are adopted, 0 were managed before, 2 passed over" in ended.stderr
    shown = (await elsewhere.adopt("--output", "plain")).stdout
    assert f"batch\t{gone.id}\t\tcompleted\t\tpassed over: its input file is gone\n" in shown


async def test_a_batch_that_has_failed_is_not_run_anywhere(gateway: InProcess, elsewhere: Elsewhere) -> None:
    elsewhere.account.add_fault(Fault(call="validate_batch", code="token_limit_exceeded", message="no room"))
    failed = await elsewhere.create()
    await elsewhere.account.reached(failed.id, "failed")
    [adopted] = told(await elsewhere.adopt())
    batch = await gateway.client().batches.retrieve(adopted["id"])
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [error.code for error in batch.errors.data] == ["token_limit_exceeded"]
    assert len(elsewhere.account.batches) == 1


async def test_what_is_older_stays_where_it_is(gateway: InProcess, elsewhere: Elsewhere) -> None:
    await elsewhere.create()
    assert told(await elsewhere.adopt("--since", "2100-01-01")) == []


async def test_cancelling_reaches_the_provider(gateway: InProcess, elsewhere: Elsewhere) -> None:
    elsewhere.account.configure(hold=frozenset({"in_progress"}))
    running = await elsewhere.create()
    await elsewhere.account.reached(running.id, "in_progress")
    [adopted] = told(await elsewhere.adopt())
    await gateway.client().batches.cancel(adopted["id"])
    batch = await gateway.ended(adopted["id"])
    assert batch.status == "cancelled"
    output, error = await gateway.results(batch)
    assert sorted(row["custom_id"] for row in rows_of(output) + rows_of(error)) == IDS


async def test_a_deployment_that_does_not_list_is_an_error(gateway: InProcess, elsewhere: Elsewhere) -> None:
    elsewhere.account.add_fault(Fault(call="list_batches", status=401, times=None))
    ended = await elsewhere.adopt()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "west does not list what it has" in ended.stderr


async def test_wrong_use(gateway: InProcess, elsewhere: Elsewhere, tmp_path: Path) -> None:
    ended = await elsewhere.adopt("--deployment", "east")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no deployment 'east' in the configuration, which has west" in ended.stderr
    assert (await elsewhere.adopt(owner=" ")).returncode == 2
    ended = await elsewhere.adopt("--database", f"sqlite:///{tmp_path / 'none.db'}")
    assert ended.returncode == 2
    assert not (tmp_path / "none.db").exists()


async def test_providers_that_keep_no_lines_of_openais_are_refused(
    gateway: InProcess, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    config = anyio.Path(tmp_path / "claude.yaml")
    params = {"model": "anthropic/claude-haiku-4-5", "api_key": "k", "api_base": "http://127.0.0.1:9"}
    entry = {"model_name": MODEL, "litellm_params": params, "model_info": {"id": "west"}}
    await config.write_text(json.dumps({"model_list": [entry]}))
    ended = await elsewhere.adopt("--config", str(config))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "the provider of west does not keep lines in OpenAI's form" in ended.stderr
