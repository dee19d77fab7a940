"""A batch on the page: what its owner, an admin and a stranger see of it, and what they can do with it."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from openai.types import Batch as OpenAIBatch

from litebatch_asgi import Counts, Principal
from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import JobState
from litebatch_asgi.simulator import Fault
from tests.access.standalone import MASTER, Standalone
from tests.harness import lines, rows_of
from tests.page.visiting import visiting

pytestmark = pytest.mark.anyio

HOSTILE = '"><script>alert(1)</script>\u202egnp.exe'


def some_failing(*directives: Any) -> bytes:
    """A file with a line for each of these, None for one that succeeds."""
    rows = [json.loads(line) for line in lines(len(directives)).splitlines()]
    for row, directive in zip(rows, directives, strict=True):
        if directive is not None:
            row["body"]["metadata"] = {"simulate": json.dumps(directive)}
    return "\n".join(json.dumps(row) for row in rows).encode()


async def ended(gateway: Standalone, key: str, content: bytes | None = None, **options: Any) -> OpenAIBatch:
    file = await gateway.upload(content, key=key)
    return await gateway.ended((await gateway.create(file.id, key=key, **options)).id, key=key)


async def test_owners_see_everything_but_deployments(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="ada", key_alias="ada at night")
    batch = await ended(gateway, key, metadata={"night": "shift"})
    async with visiting(gateway, key) as visitor:
        page = await visitor.get(f"/batches/{batch.id}")
        assert page.heading == batch.id
        assert "3 done, 0 failed of 3" in page.text
        assert {"Model": "gpt-4o-batch", "Endpoint": "/v1/chat/completions"}.items() <= page.facts.items()
        assert ["night", "shift"] in page.rows
        assert "The batch completed: 3 of 3 requests succeeded, 0 did not." in page.text
        assert not {"Owner", "Key", "Deployment"} & set(page.facts)
        assert not {"east", "west"} & set(page.text.split())
        assert page.main.get("data-live", "no") == "no"
    async with visiting(gateway, MASTER) as admin:
        page = await admin.get(f"/batches/{batch.id}")
        assert page.facts["Owner"] == "user:ada"
        assert re.fullmatch(r"ada at night \( ?\S+ ?\)", page.facts["Key"])
        file = await admin.get(f"/files/{batch.input_file_id}")
        assert file.facts["Key"] == page.facts["Key"]
        assert page.facts["Deployment"] in ("east", "west")
        assert f"{page.facts['Deployment']} has taken the batch." in page.text
        assert any(row[-1] == page.facts["Deployment"] for row in page.rows)


async def test_jobs_tell_deployments_to_admins_alone(gateway: Standalone) -> None:
    batch = await ended(gateway, await gateway.new_key(user_id="ada"))
    jobs = gateway.litebatch.batches.jobs
    (hers,) = await jobs(Principal(owner="user:ada"), batch.id)
    (shown,) = await jobs(Principal(owner="admin", is_admin=True), batch.id)
    assert (hers.state, hers.counts, hers.attempt) == (JobState.SETTLED, Counts(total=3, completed=3), 1)
    assert (hers.id, hers.deployment_id, hers.reason) == (None, None, None)
    assert shown.deployment_id in ("east", "west")
    assert msgspec.structs.replace(shown, id=None, deployment_id=None, reason=None) == hers
    with pytest.raises(NotFound):
        await jobs(Principal(owner="user:eve"), batch.id)


@pytest.mark.parametrize("path", ["", "/story", "/input", "/output", "/errors"])
async def test_strangers_find_nothing(gateway: Standalone, path: str) -> None:
    batch = await ended(gateway, await gateway.new_key(user_id="ada"))
    async with visiting(gateway, await gateway.new_key(user_id="eve")) as visitor:
        page = await visitor.get(f"/batches/{batch.id}{path}")
        assert (page.status, page.heading) == (404, "Not found")
        unknown = await visitor.get(f"/batches/batch_lb{26 * '0'}{path}")
        assert unknown.status == 404
        token = await visitor.token()
        for action in ("cancel", "retry"):
            assert (await visitor.post(f"/batches/{batch.id}/{action}", token=token)).status_code == 404


async def test_files_are_downloaded_and_never_shown(gateway: Standalone) -> None:
    content = some_failing(None, 400)
    batch = await ended(gateway, MASTER, content)
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/batches/{batch.id}")
        assert len([row for row in page.rows if row[-1] == "Download"]) == 3
        for which, file_id in (
            ("input", batch.input_file_id),
            ("output", batch.output_file_id),
            ("errors", batch.error_file_id),
        ):
            address = f"{gateway.address}/ui/batches/{batch.id}/{which}"
            answer = await visitor.http.get(address)
            assert answer.content == await gateway.content(file_id, key=MASTER)
            assert answer.headers["content-disposition"].startswith("attachment; filename")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            head = await visitor.http.head(address)
            assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))
    async with visiting(gateway, MASTER) as visitor:
        clean = await ended(gateway, MASTER)
        page = await visitor.get(f"/batches/{clean.id}/errors")
        assert (page.status, clean.id in page.text) == (404, True)


async def test_what_is_written_into_a_batch_cannot_do_anything_to_its_page(gateway: Standalone) -> None:
    file = await gateway.client(MASTER).files.create(file=(f"{HOSTILE}.jsonl", lines()), purpose="batch")
    batch = await gateway.create(file.id, key=MASTER, metadata={HOSTILE: f"javascript:{HOSTILE}"})
    await gateway.ended(batch.id, key=MASTER)
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/batches/{batch.id}")
        assert "\u202e" not in page.html
        assert "<script>alert" not in page.html
        assert f"javascript:{HOSTILE}".replace("\u202e", "\\u202e") in page.text
        assert not any("javascript:" in link for link in page.links.values())
        answer = await visitor.http.get(f"{gateway.address}/ui/batches/{batch.id}/input")
        assert "\\" not in answer.headers["content-disposition"]
        assert "<" not in answer.headers["content-disposition"]


async def test_a_batch_that_runs_is_followed_and_cancelled(gateway: Standalone) -> None:
    stalled = gateway.simulator.add_fault(Fault(call="run_batch", stall=True, times=None))
    file = await gateway.upload(key=MASTER)
    batch = await gateway.create(file.id, key=MASTER)
    await gateway.reached(batch.id, "in_progress", key=MASTER)
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/batches/{batch.id}")
        assert "data-live" in page.main.attributes
        assert "Expires" in page.facts
        assert "Retry" not in page.text
        done = await visitor.submit(page.form("Yes, cancel"))
        assert done.path == f"/ui/batches/{batch.id}"
        assert done.notice == "The batch is being cancelled."
        assert "Yes, cancel" not in done.text
        assert (await gateway.ended(batch.id, key=MASTER)).status == "cancelled"
        gateway.simulator.remove_fault(stalled)
        late = await visitor.submit(page.form("Yes, cancel"))
        assert (late.path, late.notice) == (done.path, done.notice)


async def test_a_retry_pressed_twice_is_one_batch(gateway: Standalone) -> None:
    batch = await ended(gateway, MASTER, some_failing(None, 400, 500))
    async with visiting(gateway, MASTER) as visitor:
        form = (await visitor.get(f"/batches/{batch.id}")).form("Retry 2 requests")
        first, second = await visitor.submit(form), await visitor.submit(form)
        assert first.path == second.path != f"/ui/batches/{batch.id}"
        assert first.facts["Retry of"] == batch.id
        assert first.notice == f"This batch runs 2 requests of {batch.id} again."
        child = await gateway.ended(first.path.rpartition("/")[2], key=MASTER)
        assert len(rows_of((await gateway.results(child, key=MASTER))[1])) == 2
    clean = await ended(gateway, MASTER)
    async with visiting(gateway, MASTER) as visitor:
        assert "Retry" not in (await visitor.get(f"/batches/{clean.id}")).text


async def test_why_the_whole_of_a_batch_failed_is_told(gateway: Standalone) -> None:
    fault = Fault(call="validate_batch", code="invalid_json_line", message=f"Line 1: {HOSTILE}", times=None)
    armed = gateway.simulator.add_fault(fault)
    batch = await ended(gateway, MASTER)
    gateway.simulator.remove_fault(armed)
    assert batch.status == "failed"
    async with visiting(gateway, MASTER) as visitor:
        page = await visitor.get(f"/batches/{batch.id}")
        assert page.alert is not None
        assert "invalid_json_line" in page.alert
        assert "Retry 3 requests" in page.text
