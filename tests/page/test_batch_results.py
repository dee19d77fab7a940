"""Single requests of a batch on the page: how they have failed, and what came of each."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from litebatch_asgi import RowError
from litebatch_asgi.batches import inspecting
from litebatch_asgi.page import batches
from litebatch_asgi.page.batches.answers import answer_text
from litebatch_asgi.simulator import Fault
from litebatch_asgi.simulator.faults import CallName
from tests.access.standalone import MASTER, Standalone
from tests.harness import ids_of, lines
from tests.page.test_batch import HOSTILE, ended, some_failing
from tests.page.visiting import Page, visiting
from tests.turns import LONGEST_SECONDS, watching_turns

pytestmark = pytest.mark.anyio

LIMITED = {"status": 429, "code": "rate_limit_exceeded"}
FATES = (
    None,
    LIMITED | {"message": "Limit of req_12ab reached, try again in 20s"},
    LIMITED | {"message": "Limit of req_77 reached, try again in 3s"},
    {"status": 400, "code": "invalid_value", "message": HOSTILE},
    {"error": "request_timeout"},
    None,
)


def headings(page: Page) -> list[str]:
    return [each.text for each in page.main.every("h2")]


@contextmanager
def fault(gateway: Standalone, call: CallName, **what: Any) -> Generator[None]:
    """Something goes wrong until the block is over."""
    armed = gateway.simulator.add_fault(Fault(call=call, times=None, **what))
    try:
        yield
    finally:
        gateway.simulator.remove_fault(armed)


async def test_failures_are_grouped_and_some_of_them_retried(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="gus")
    batch = await ended(gateway, key, some_failing(*FATES))
    async with visiting(gateway, key) as visitor:
        page = await visitor.follow(
            await visitor.get(f"/batches/{batch.id}"), "Why 4 requests have not succeeded"
        )
        assert headings(page)[0] == "2 with 429 rate_limit_exceeded"
        assert set(headings(page)[1:]) == {"1 with 400 invalid_value", "1 with request_timeout"}
        assert "Limit of # reached, try again in #" in page.text
        assert "4 requests have not succeeded." in page.text
        sample = page.main.first("details")
        assert sample is not None
        assert '"content": "Say 1."' in sample.text
        assert "Limit of req_12ab reached, try again in 20s" in sample.text
        form = page.form("Retry these 2")
        first, again = await visitor.submit(form), await visitor.submit(form)
        assert first.path == again.path
        child = await gateway.ended(first.path.rpartition("/")[2], key=key)
        assert ids_of((await gateway.results(child, key=key))[1]) == ["request-1", "request-2"]
        token = await visitor.token()
        odd = await visitor.post(f"/batches/{batch.id}/retry", token=token, by="error", status="many")
        assert odd.status_code == 400


async def test_a_request_is_found_with_its_answer(gateway: Standalone) -> None:
    key = await gateway.new_key(user_id="hal")
    batch = await ended(gateway, key, some_failing(*FATES))
    async with visiting(gateway, key) as visitor:
        form = (await visitor.get(f"/batches/{batch.id}")).form("Find")
        page = await visitor.submit(form, custom_id="request-5")
        assert headings(page) == ["Request", "Answer"]
        assert '"content": "Say 5."' in page.text
        said = next(each for each in page.main.every("div") if "said" in each.classes())
        assert said.text == "echo: Say 5."
        failed = await visitor.submit(page.form("Find"), custom_id="request-4")
        assert "It is in the error file." in failed.text
        assert '"code": "request_timeout"' in failed.text
        nobody = await visitor.submit(page.form("Find"), custom_id="request-6")
        assert nobody.text.count("There is none with this custom_id.") == 2
    async with visiting(gateway, await gateway.new_key(user_id="eve")) as eve:
        for path in ("failures", "lines?custom_id=request-5"):
            page = await eve.get(f"/batches/{batch.id}/{path}")
            assert (page.status, "Say 5" in page.text) == (404, False)


async def test_the_first_requests_are_shown_with_their_answers(
    gateway: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all of them: what is long is shown where it is looked at alone."""
    key = await gateway.new_key(user_id="ivo")
    batch = await ended(gateway, key, some_failing(*FATES, *[None] * 16))
    async with visiting(gateway, key) as visitor:
        page = await visitor.follow(
            await visitor.get(f"/batches/{batch.id}"), "The first requests and their answers"
        )
        assert headings(page) == ["The first 20 of 22"]
        shown = list(page.main.every("details"))
        assert [each.first("summary").text.split()[0] for each in shown] == [  # type: ignore[union-attr]
            f"request-{number}" for number in range(20)
        ]
        assert "echo: Say 0." in shown[0].text
        assert shown[4].first("summary").text.split()[1:] == ["failed"]  # type: ignore[union-attr]
        assert '"code": "request_timeout"' in shown[4].text
        assert "echo: Say 19." in shown[19].text
        assert page.form("Find").values["custom_id"] == ""
        alone = await visitor.follow(page, "All of it")
        assert headings(alone) == ["Request", "Answer"]
        with monkeypatch.context() as patch:
            patch.setattr(inspecting, "_MOST_SAMPLE_BYTES", 200)
            page = await visitor.get(f"/batches/{batch.id}/lines")
            assert page.text.count("It is too large to be shown here.") > 0
            assert "or is too large to be shown here" in page.text
        with fault(gateway, "stream_file", status=500):
            page = await visitor.get(f"/batches/{batch.id}/lines")
            assert page.text.count("cannot be read at the moment") == 1
    async with visiting(gateway, await gateway.new_key(user_id="eve")) as eve:
        assert (await eve.get(f"/batches/{batch.id}/lines")).status == 404


async def test_what_models_and_callers_write_stays_text(gateway: Standalone) -> None:
    rows = [json.loads(line) for line in lines(2).splitlines()]
    for row, simulated in zip(rows, ({"answer": HOSTILE}, FATES[3]), strict=True):
        row["custom_id"] = f"{row['custom_id']} {HOSTILE}"
        row["body"]["metadata"] = {"simulate": json.dumps(simulated)}
    batch = await ended(gateway, MASTER, "\n".join(map(json.dumps, rows)).encode())
    shown = HOSTILE.replace("\u202e", "\\u202e")
    async with visiting(gateway, MASTER) as visitor:
        failures = await visitor.get(f"/batches/{batch.id}/failures")
        links = [link for link in failures.links if link.startswith("Look at request-1")]
        failed = await visitor.follow(failures, links[0])
        answered = await visitor.submit(failed.form("Find"), custom_id=rows[0]["custom_id"])
        assert answered.form("Find").values["custom_id"] == rows[0]["custom_id"]
        for page in (failures, failed, answered):
            assert page.status == 200
            assert "<script>alert" not in page.html
            assert "\u202e" not in page.text
        assert shown in answered.text
        assert "It is in the error file." in failed.text


async def test_an_open_batch_has_no_errors_yet(gateway: Standalone) -> None:
    with fault(gateway, "run_batch", stall=True):
        batch = await gateway.create((await gateway.upload(key=MASTER)).id, key=MASTER)
        await gateway.reached(batch.id, "in_progress", key=MASTER)
        async with visiting(gateway, MASTER) as visitor:
            page = await visitor.get(f"/batches/{batch.id}/failures")
            assert (page.status, "once it has ended" in page.text) == (409, True)
            page = await visitor.get(f"/batches/{batch.id}/lines?custom_id=request-1")
            assert "Say 1." in page.text
            assert "its answers are there once it has ended" in page.text
    await gateway.ended(batch.id, key=MASTER)


async def test_what_was_not_read_is_told(gateway: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = await ended(gateway, MASTER, some_failing(*FATES))
    path = f"/batches/{batch.id}"
    async with visiting(gateway, MASTER) as visitor:
        with fault(gateway, "stream_file", stall=True), monkeypatch.context() as patch:
            patch.setattr(inspecting, "_SECONDS", 0.2)
            page = await visitor.get(f"{path}/failures")
            assert "4 requests have not succeeded. 0 of them were read." in page.text
            assert "then the time was over" in page.text
            page = await visitor.get(f"{path}/lines?custom_id=request-5")
            assert page.text.count("then the time was over") == 2
        with monkeypatch.context() as patch:
            patch.setattr(inspecting, "_MOST_FAILURE_BYTES", 0)
            page = await visitor.get(f"{path}/failures")
            assert "more is not read for a page" in page.text
        with fault(gateway, "stream_file", status=500):
            page = await visitor.get(f"{path}/lines?custom_id=request-5")
            assert page.text.count("cannot be read at the moment") == 2
        assert batch.error_file_id is not None
        await gateway.client(MASTER).files.delete(batch.error_file_id)
        page = await visitor.get(f"{path}/failures")
        assert "The file was deleted, has expired or is lost." in page.text
        assert "0 of them were read" in page.text


async def test_a_batch_without_results_and_one_without_failures(gateway: Standalone) -> None:
    with fault(gateway, "validate_batch", code="invalid_json_line"):
        batch = await ended(gateway, MASTER)
    clean = await ended(gateway, MASTER)
    single = await ended(gateway, MASTER, some_failing({"status": 400}, None))
    async with visiting(gateway, MASTER) as visitor:
        assert "The batch has left no results" in (await visitor.get(f"/batches/{batch.id}/failures")).text
        page = await visitor.get(f"/batches/{batch.id}/lines?custom_id=request-1")
        assert ("Say 1." in page.text, "The batch has no results." in page.text) == (True, True)
        page = await visitor.get(f"/batches/{clean.id}/failures")
        assert "All requests of this batch have succeeded." in page.text
        page = await visitor.get(f"/batches/{single.id}/failures")
        assert "1 request has not succeeded." in page.text


@pytest.mark.parametrize("path", ["failures", "lines?custom_id=request-1"])
async def test_nobody_keeps_others_from_reading(
    gateway: Standalone, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for module in ("lines", "failures"):
        monkeypatch.setattr(f"litebatch_asgi.page.batches.{module}.WAIT_SECONDS", 0.3)
    greedy, other = await gateway.new_key(user_id="greedy"), await gateway.new_key(user_id="ivy")
    theirs, hers = await ended(gateway, greedy, some_failing(400)), await ended(gateway, other)
    pages: list[Page] = []
    async with visiting(gateway, greedy) as visitor, visiting(gateway, other) as ivy:

        async def look() -> None:
            pages.append(await visitor.get(f"/batches/{theirs.id}/{path}"))

        async def are_refused() -> bool:
            return len(pages) == 2

        async with anyio.create_task_group() as group:
            with fault(gateway, "stream_file", stall=True, match=theirs.input_file_id):
                for _ in range(batches.READ_AT_ONCE + 1):
                    group.start_soon(look)
                await gateway.eventually(are_refused)
                assert [page.status for page in pages] == [429, 429]
                assert "3 of your searches in results are under way" in pages[0].text
                page = await ivy.get(f"/batches/{hers.id}/{path}")
                assert page.status == 200
    assert [page.status for page in pages[2:]] == [200, 200, 200]


async def test_what_is_laid_out_at_length_holds_up_nobody(gateway: Standalone) -> None:
    """Lines of which each takes its time, and each of which has failed in another way."""
    unseen = "\u202e" * 25_000
    rows = [json.loads(line) for line in lines(20).splitlines()]
    for number, row in enumerate(rows):
        failing = {"status": 400, "code": f"code_{'x' * number}", "message": unseen[:1_000]}
        row["body"]["metadata"] = {"simulate": json.dumps(failing)}
        row["body"]["stop"] = [unseen, *([[]] * 30_000)]
    key = await gateway.new_key(user_id="jo")
    batch = await ended(gateway, key, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())
    async with visiting(gateway, key) as visitor, watching_turns() as turns:
        answer = await visitor.http.get(f"{gateway.address}/ui/batches/{batch.id}/failures")
    assert answer.text.count("[],") > 500
    assert turns.longest < LONGEST_SECONDS


CHAT = {"choices": [{"message": {"content": "a"}}, {"message": {"content": [{"type": "text", "text": "b"}]}}]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CHAT, "a\n\nb"),
        (json.dumps(CHAT), "a\n\nb"),
        ({"choices": [{"text": "c"}]}, "c"),
        ({"choices": [{"message": {"content": None, "refusal": "no"}}]}, "no"),
        ({"output": [{"type": "reasoning"}, {"content": [{"text": "d"}, {"refusal": "e"}]}]}, "d\n\ne"),
        ({"data": [{"embedding": [1.0]}]}, None),
        ({"choices": "odd", "output": [7]}, None),
        ("no JSON", None),
        (None, None),
    ],
)
def test_what_an_answer_says(body: object, expected: str | None) -> None:
    row = {"custom_id": "a", "response": {"status_code": 200, "body": body}}
    assert answer_text(json.dumps(row).encode()) == expected


@pytest.mark.parametrize("row", [b"", b"{", b"[]", b'{"response": 1}', 100_000 * b"[", b"\xff"])
def test_what_is_no_answer_says_nothing(row: bytes) -> None:
    assert answer_text(row) is None


def test_an_error_fits_what_tells_more() -> None:
    whole = RowError(status=429, code="a", message="m")
    assert RowError(status=429).fits(whole)
    assert not whole.fits(RowError(status=429))
