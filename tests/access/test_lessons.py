"""What users of such gateways ran into about access and lists, and must not run into here."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, PermissionDeniedError
from openai.types import Batch

from tests.access.standalone import OTHER, Standalone
from tests.harness import ENDPOINT, MODEL, lines, rows_of


async def completed(gateway: Standalone, key: str) -> Batch:
    """A batch that has ended, with its output."""
    file = await gateway.upload(key=key)
    return await gateway.ended((await gateway.create(file.id, key=key)).id, key=key)


async def test_nobody_reads_or_cancels_anothers_batch(shared: Standalone) -> None:
    """Source: BerriAI/litellm#17401, any user could read or cancel any batch."""
    mine, yours = await shared.new_key(user_id="l-1"), await shared.new_key(user_id="l-2")
    batch = await completed(shared, mine)
    batches = shared.client(yours).batches
    for call in (batches.retrieve, batches.cancel):
        with pytest.raises(NotFoundError):
            await call(batch.id)
    assert [each.id async for each in batches.list()] == []


async def test_output_is_not_had_by_its_raw_provider_id(shared: Standalone) -> None:
    """Source: BerriAI/litellm#33536, another team's output readable by its raw provider id."""
    mine, yours = await shared.new_key(user_id="l-1"), await shared.new_key(user_id="l-2")
    await completed(shared, mine)
    raw: list[Any] = [
        file_id for account in shared.simulator.accounts.values() for file_id in list(account.files)
    ]
    assert raw
    for key in (mine, yours):
        for file_id in raw[-4:]:
            with pytest.raises(NotFoundError):
                await shared.client(key).files.content(file_id)


async def test_nothing_is_done_by_a_providers_own_id(shared: Standalone) -> None:
    """Source: BerriAI/litellm#51503, another key's file reachable by its provider's id of it."""
    mine, yours = await shared.new_key(user_id="l-1"), await shared.new_key(user_id="l-2")
    await completed(shared, mine)
    accounts = shared.simulator.accounts.values()
    files = {name for account in accounts for name in account.files}
    batches = {name for account in accounts for name in account.batches}
    assert files
    assert batches
    for key in (mine, yours):
        client = shared.client(key)
        for name in files:
            for call in (client.files.retrieve, client.files.delete, partial(shared.create, key=key)):
                with pytest.raises(NotFoundError):
                    await call(name)
        for name in batches:
            for act in (client.batches.retrieve, client.batches.cancel):
                with pytest.raises(NotFoundError):
                    await act(name)
    assert files == {name for account in accounts for name in account.files}
    assert batches == {name for account in accounts for name in account.batches}


async def test_a_deployments_id_is_not_checked_as_if_it_were_a_model(shared: Standalone) -> None:
    """Source: BerriAI/litellm#32580, a key was refused for the id of its model's deployment."""
    key = await shared.new_key(models=[MODEL])
    batch = await completed(shared, key)
    assert batch.status == "completed"
    assert (await shared.client(key).files.content(batch.output_file_id or "")).content


async def test_a_deployments_id_gives_no_right_to_it(shared: Standalone) -> None:
    """Source: BerriAI/litellm#31432, another team's credentials used by naming a deployment id."""
    limited, free = await shared.new_key(models=["east", "north", OTHER]), await shared.new_key()
    for name in ("east", "west", "north"):
        for key in (limited, free):
            for content, names in ((lines(1, model=name), None), (lines(1), name)):
                form = {"target_model_names": names} if names else {}
                with pytest.raises((PermissionDeniedError, BadRequestError)) as refused:
                    await shared.client(key).files.create(
                        file=("in.jsonl", content), purpose="batch", extra_body=form
                    )
                assert refused.value.code in ("model_access_denied", "model_not_found")


@pytest.mark.parametrize("spelling", ["plain", "escaped", "doubled"])
async def test_rights_hold_for_every_line_of_a_file(shared: Standalone, spelling: str) -> None:
    """Source: BerriAI/litellm#37519 and #37786, model rights bypassed through the lines of a file."""
    key = await shared.new_key(models=[MODEL])
    smuggled = {
        "plain": f'"model": "{OTHER}"',
        "escaped": '"mod\\u0065l": "' + OTHER + '"',
        "doubled": f'"model": "{MODEL}", "model": "{OTHER}"',
    }[spelling]
    good = lines(20).decode()
    bad = json.dumps({"custom_id": "x", "method": "POST", "url": ENDPOINT, "body": "BODY"})
    bad = bad.replace('"BODY"', f'{{{smuggled}, "messages": []}}')
    for form in ({}, {"target_model_names": MODEL}):
        with pytest.raises(APIStatusError) as refused:
            await shared.client(key).files.create(
                file=("in.jsonl", f"{good}\n{bad}".encode()), purpose="batch", extra_body=form
            )
        assert refused.value.status_code in (400, 403)
    sent = [entry for entry in shared.simulator.journal if OTHER in str(entry)]
    assert not sent


async def test_listing_pages_every_batch_exactly_once(shared: Standalone) -> None:
    """Source: BerriAI/litellm#37150, 99 batches paged, 16 distinct, endless loop; #37149, a bad `limit`."""
    keys = [await shared.new_key(user_id=f"l-page-{number}") for number in range(2)]
    files = [await shared.upload(key=key) for key in keys]
    made: list[list[str]] = [[], []]
    for number in range(11):  # in turns, so that the two lists lie within one another
        for which, key in enumerate(keys):
            if which == 0 or number % 3 == 0:
                made[which].append((await shared.create(files[which].id, key=key)).id)
    for which, key in enumerate(keys):
        for limit in (1, 2, 3, 100):
            listed = [each.id async for each in shared.client(key).batches.list(limit=limit)]
            assert listed == made[which][::-1]
        for bad in ("0", "101", "-1", "x", "1.5"):
            async with shared.http(key) as http:
                assert (await http.get("/batches", params={"limit": bad})).status_code == 400


async def test_own_outputs_and_batches_are_listed(shared: Standalone) -> None:
    """Source: BerriAI/litellm#41753, output files missing from the list; #39810, own batches missing."""
    await shared.manage("/team/new", team_id="l-team")
    key = await shared.new_key(team_id="l-team")
    batch = await completed(shared, key)
    colleague = await shared.new_key(team_id="l-team", user_id="l-other")
    for each in (key, colleague):
        client = shared.client(each)
        assert [one.id async for one in client.batches.list()] == [batch.id]
        listed = {one.id: one.purpose async for one in client.files.list()}
        assert listed == {batch.input_file_id: "batch", batch.output_file_id: "batch_output"}
        assert len(rows_of((await client.files.content(batch.output_file_id or "")).content)) == 3
