"""The page of deployments: what they have to do, draining, and stopping and moving their jobs."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Simulator
from litebatch_asgi.simulator.faults import Fault
from tests.access.standalone import MASTER, OTHER, Standalone, standalone
from tests.database import SQLiteDatabase
from tests.faults.stage import HELD
from tests.forks import run
from tests.harness import MODEL, QUICK, SWIFT, lines
from tests.page.visiting import Form, Page, Visitor, visiting

ONE = "/deployments/one?id="
HOSTILE = "<img src=x onerror=alert(1)>/../'\"?#&"


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """One whose jobs do not end by themselves."""
    folder = tmp_path_factory.mktemp("deployments")
    settings = replace(QUICK, rescue=True, max_poll_seconds=0.05)
    database = SQLiteDatabase.migrated(folder)
    async with standalone(folder, database, simulator=Simulator(settings=HELD), settings=settings) as running:
        await running.storage.open()
        yield running
        await running.storage.close()


@pytest.fixture
async def admin(gateway: Standalone) -> AsyncGenerator[Visitor]:
    async with visiting(gateway, MASTER) as visitor:
        yield visitor


async def placed(gateway: Standalone) -> tuple[str, str, str]:
    """A job that runs at a deployment: its id, where, and its batch."""
    key = await gateway.new_key()
    file = await gateway.upload(key=key)
    batch = await gateway.reached((await gateway.create(file.id, key=key)).id, "in_progress", key=key)
    [job] = (await gateway.look("/jobs", batch_id=batch.id))["data"]
    return job["id"], job["deployment"], batch.id


def row_of(page: Page, name: str) -> list[str]:
    (row,) = (row for row in page.rows if row[0] == name)
    return row


def form_of(page: Page, label: str, **fields: str) -> Form:
    """The form with this button that is about what the fields name."""
    (form,) = (each for each in page.forms if each.button(label) and fields.items() <= each.values.items())
    return form


async def told_by_command(gateway: Standalone, deployment: str) -> str:
    """What `litebatch deployments list` says of a deployment."""
    arguments = ("deployments", "list", "--database", gateway.database.url)
    ended = await anyio.to_thread.run_sync(partial(run, *arguments, cwd=Path.cwd()))
    assert ended.returncode == 0, ended.stderr
    (line,) = (line for line in ended.stdout.splitlines() if f'"{deployment}"' in line)
    return line


async def test_what_deployments_have_to_do_is_shown(gateway: Standalone, admin: Visitor) -> None:
    before = row_of(await admin.get("/deployments"), "east")
    assert before[1:3] == [MODEL, "in use"]
    job, where, _ = await placed(gateway)
    page = await admin.get("/deployments")
    jobs, requests = row_of(page, where)[3:5]
    own = await admin.follow(page, where)
    assert own.heading == where
    assert (own.facts["Open jobs"], own.facts["Open requests"]) == (jobs, requests)
    assert job.removeprefix("job_lb") in [row[0] for row in own.rows]


async def test_how_deployments_did_is_shown(tmp_path: Path) -> None:
    """A job that has ended with a failure, a rest, and what a refusal has said of room."""
    simulator = Simulator(settings=SWIFT)
    database = SQLiteDatabase.migrated(tmp_path)
    async with (
        standalone(tmp_path, database, simulator=simulator) as gateway,
        visiting(gateway, MASTER) as visitor,
    ):
        content = lines(3) + b"\n" + lines(1, metadata={"simulate": "429"}).replace(b"request-0", b"late")
        batch = await gateway.create((await gateway.upload(content, key=MASTER)).id, key=MASTER)
        await gateway.ended(batch.id, key=MASTER)
        [job] = (await gateway.look("/jobs", batch_id=batch.id))["data"]
        where = job["deployment"]
        await gateway.storage.open()
        await gateway.storage.quotas.learn("north", "text-embedding-3-small", 2_000_000)
        await gateway.storage.close()

        async def is_counted() -> bool:
            return row_of(await visitor.get("/deployments"), where)[5] == "25.0 %"

        await gateway.eventually(is_counted)
        page = await visitor.get("/deployments")
        assert re.fullmatch(r"\d+ s", row_of(page, where)[6])
        assert row_of(page, "north")[5:9] == ["-", "-", "-", "2,000,000"]
        own = await visitor.follow(page, where)
        assert own.facts["Settled"] == "1 job"
        assert own.facts["Requests that failed"] == "1 (25.0 %)"
        simulator.account("north").add_fault(Fault(call="create_batch", status=429, times=None))
        file = await gateway.upload(lines(model=OTHER), key=MASTER)
        await gateway.create(file.id, key=MASTER)

        async def rests() -> bool:
            return row_of(await visitor.get("/deployments"), "north")[2].startswith("resting goes on in")

        await gateway.eventually(rests)


async def test_a_drain_is_seen_by_the_command_line(gateway: Standalone, admin: Visitor) -> None:
    done = await admin.submit((await admin.get(f"{ONE}north")).form("Yes, drain"))
    assert done.notice == "north gets no new jobs."
    assert done.facts["State"].startswith("drained")
    assert '"drained_at":null' not in (await told_by_command(gateway, "north")).replace(" ", "")
    page = await admin.get("/deployments")
    done = await admin.submit(form_of(page, "Undrain", deployment="north"))
    assert done.notice == "north gets new jobs again."
    assert '"drained_at":null' in (await told_by_command(gateway, "north")).replace(" ", "")


async def test_draining_tells_how_many_jobs_stop(gateway: Standalone, admin: Visitor) -> None:
    _, where, _ = await placed(gateway)
    page = await admin.get(ONE + where)
    count = int(page.facts["Open jobs"])
    done = await admin.submit(page.form("Yes, drain"))
    said = "1 job stops" if count == 1 else f"{count} jobs stop"
    assert done.notice == f"{where} gets no new jobs. {said}: others take over what is undone."
    await admin.submit(done.form("Undrain"))


@pytest.mark.parametrize(("label", "reason"), [("Move", "moved"), ("Stop", "stopped")])
async def test_jobs_are_stopped_and_moved(
    gateway: Standalone, admin: Visitor, label: str, reason: str
) -> None:
    job, where, batch = await placed(gateway)
    form = form_of(await admin.get(ONE + where), f"Yes, {label.lower()}", job=job)
    done = await admin.submit(form)
    assert (done.notice or "").startswith(f"Job {job.removeprefix('job_lb')} stops")
    assert done.heading == where
    jobs = {each["id"]: each for each in (await gateway.look("/jobs", batch_id=batch))["data"]}
    assert jobs[job]["stop_reason"] == reason


async def test_what_is_not_there_is_not_found(admin: Visitor) -> None:
    for path in (f"{ONE}nowhere", ONE):
        assert (await admin.get(path)).status == 404
    token = await admin.token()
    for path, field in (("drain", "deployment"), ("undrain", "deployment"), ("stop-job", "job")):
        answer = await admin.post(f"/deployments/{path}", token=token, **{field: HOSTILE})
        assert answer.status_code == 404
        assert "<img" not in answer.text


async def test_names_are_texts_and_lead_to_their_page(gateway: Standalone, admin: Visitor) -> None:
    """Whatever is in a name, which an operator may choose freely."""
    await gateway.storage.heartbeats.beat("other", {HOSTILE: [HOSTILE]}, lapse_seconds=90)
    page = await admin.get("/deployments")
    assert "<img" not in page.html
    own = await admin.follow(page, HOSTILE)
    assert own.heading == HOSTILE
    done = await admin.submit(own.form("Yes, drain"))
    assert done.heading == HOSTILE
    assert (await admin.submit(done.form("Undrain"))).notice == f"{HOSTILE} gets new jobs again."


async def test_others_find_nothing(gateway: Standalone) -> None:
    job, where, _ = await placed(gateway)
    async with visiting(gateway, await gateway.new_key()) as visitor:
        home = await visitor.get("/batches")
        assert "Deployments" not in home.links
        for path in ("/deployments", ONE + where):
            page = await visitor.get(path)
            assert page.status == 404
            assert where not in page.main.text
        token = await visitor.token()
        for path in ("drain", "undrain", "stop-job", "move-job"):
            answer = await visitor.post(f"/deployments/{path}", token=token, deployment=where, job=job)
            assert answer.status_code == 404
    [held] = [each for each in (await gateway.look("/jobs", deployment=where))["data"] if each["id"] == job]
    assert held["stop_requested_at"] is None


async def test_where_there_is_none_the_page_says_what_to_configure(tmp_path: Path) -> None:
    database = SQLiteDatabase.migrated(tmp_path)
    async with standalone(tmp_path, database) as gateway, visiting(gateway, MASTER) as visitor:
        await database.change("DELETE FROM heartbeats")
        page = await visitor.get("/deployments")
    assert "No deployments yet" in page.text
    assert "model_list:" in page.text
