"""The exact pass keeps each wanted row once, and what is dropped, kept and missing adds up."""

import json
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import (
    ExactPass,
    IdCollector,
    MissingRows,
    PartTally,
    RowFate,
    RowTally,
    Tally,
    id_digest,
)

from .strategies import files, sliced

IDS = ("a", "b", "é", "d")
WORDS = {"code": "batch_line_lost", "message": "no row came"}


def digests(*custom_ids: str) -> set[bytes]:
    return {id_digest(custom_id.encode()) for custom_id in custom_ids}


def row(custom_id: str, status: int = 200) -> bytes:
    answer = {"status_code": status, "body": {"usage": {"prompt_tokens": 1, "total_tokens": 1}}}
    return json.dumps({"custom_id": custom_id, "response": answer, "error": None}).encode()


def not_executed(custom_id: str, code: str = "batch_expired") -> bytes:
    return json.dumps({"custom_id": custom_id, "response": None, "error": {"code": code}}).encode()


def read_part(exact: ExactPass, *blocks: bytes) -> tuple[bytes, PartTally]:
    """What is kept of a file, and what it comes to."""
    exact.start_part()
    kept = b"".join(map(exact.feed, blocks)) + exact.finish_part()
    return kept, exact.part()


def tally_of(content: bytes) -> Tally:
    counted = RowTally()
    counted.feed(content)
    return counted.finish()


def input_file(*custom_ids: str) -> bytes:
    return b"\n".join(
        json.dumps({"custom_id": custom_id, "method": "POST", "url": "u", "body": {"model": "m"}}).encode()
        for custom_id in custom_ids
    )


def collect(*blocks: bytes) -> set[bytes]:
    collector = IdCollector()
    for block in blocks:
        collector.feed(block)
    return set(collector.finish())


def missing_rows(content: bytes, only: set[bytes] | None = None, seed: str = "batch_1") -> list[bytes]:
    missing = MissingRows(code=WORDS["code"], message=WORDS["message"], only=only, seed=seed)
    found = missing.feed(content) + missing.finish()
    assert missing.rows == found.count(b"\n")
    return found.splitlines()


def test_doubled_foreign_and_unparsable_rows_are_dropped() -> None:
    exact = ExactPass(digests(*IDS))
    output = b"\n".join((row("a"), row("x"), b"", b"nope", row("a"), b'{"custom_id": "\\u00e9"}', row("b")))
    kept, first = read_part(exact, output)
    assert kept.splitlines() == [row("a"), b'{"custom_id": "\\u00e9"}', row("b")]
    assert (first.foreign, first.found.unparsable, first.doubled, first.dropped) == (1, 1, 1, 3)
    assert (first.kept.rows, first.kept.completed, first.kept.usage.input_tokens) == (3, 2, 2)
    kept, second = read_part(exact, row("b", 400) + b"\n")
    assert (kept, second.doubled, second.dropped) == (b"", 1, 1)
    assert second.kept == Tally()
    assert exact.missing == digests("d")


def test_a_row_over_the_limit_is_dropped() -> None:
    exact = ExactPass(digests(*IDS), max_row_bytes=200)
    kept, part = read_part(
        exact, row("a") + b"\n", b'{"custom_id": "b", "x": "', b"y" * 500, b'"}\n' + row("d")
    )
    assert kept == row("a") + b"\n" + row("d") + b"\n"
    assert (part.found.unparsable, part.kept.rows) == (1, 2)
    assert exact.missing == digests("b", "é")


def test_a_row_that_was_executed_goes_before_one_that_was_not() -> None:
    contents = [
        b"\n".join((not_executed("a"), row("b"), not_executed("d"))),
        row("a", 400),
        not_executed("b"),
    ]
    exact = ExactPass(digests(*IDS))
    kept = [read_part(exact, content)[0] for content in contents]
    assert (exact.superseded, exact.missing) == (digests("a"), digests("é"))
    again = exact.again()
    parts = [read_part(again, content) for content in kept]
    assert [rows for rows, _ in parts] == [
        row("b") + b"\n" + not_executed("d") + b"\n",
        row("a", 400) + b"\n",
        b"",
    ]
    assert [part.doubled for _, part in parts] == [1, 0, 0]
    assert (again.superseded, again.missing) == (set(), digests("é"))


parts = st.lists(
    st.lists(
        st.one_of(
            st.sampled_from([*map(row, IDS), row("x"), row("a", 400), row("a", 429), row("b", 503)]),
            st.sampled_from(
                [
                    *map(not_executed, IDS),
                    *(not_executed(each, "request_timeout") for each in IDS),
                    not_executed("x"),
                    not_executed("a", "batch_cancelled"),
                ]
            ),
            st.sampled_from([b"", b" \r", b"nope", b"[]", b'{"custom_id": "\\u0061"}', b"\xff"]),
        ),
        max_size=6,
    ).map(b"\n".join),
    max_size=3,
)


def fate(read: dict[str, Any]) -> RowFate:
    """Of the rows above."""
    response = read.get("response")
    if response is None:
        is_passing = read.get("error") == {"code": "request_timeout"}
        return RowFate.RETRYABLE if is_passing else RowFate.NOT_EXECUTED
    return RowFate.RETRYABLE if response["status_code"] in (429, 503) else RowFate.EXECUTED


def wanted(contents: list[bytes], hold_back: Collection[RowFate] = ()) -> list[bytes]:
    """The rows to keep: of each id the first with the highest fate, unless that is held back."""
    found: list[tuple[bytes, str, RowFate]] = []
    for line in b"\n".join(contents).split(b"\n"):
        if line.startswith(b"{"):
            read = json.loads(line)
            if read["custom_id"] in IDS:
                found.append((line, read["custom_id"], fate(read)))
    best: dict[str, int] = {}
    for each in sorted(RowFate, reverse=True):
        for index, (_, custom_id, its_fate) in enumerate(found):
            if its_fate == each:
                best.setdefault(custom_id, index)
    return [found[index][0] for index in sorted(best.values()) if found[index][2] not in hold_back]


@given(contents=parts, hold_back=st.sets(st.sampled_from(RowFate)), data=st.data())
def test_ids_are_conserved(contents: list[bytes], hold_back: set[RowFate], data: st.DataObject) -> None:
    exact = ExactPass(digests(*IDS), hold_back=hold_back)
    read = [read_part(exact, *data.draw(sliced(content))) for content in contents]
    for content, (kept, part) in zip(contents, read, strict=True):
        assert (part.found, part.kept) == (tally_of(content), tally_of(kept))
        assert part.dropped == part.doubled + part.foreign + part.found.unparsable
        assert min(part.doubled, part.foreign, part.held_back) >= 0
    missing, held_back = exact.missing, exact.held_back
    assert held_back.keys() == hold_back
    again = exact.again()
    served = [read_part(again, *data.draw(sliced(kept)))[0] for kept, _ in read]
    assert b"".join(served).splitlines() == wanted(contents, hold_back)
    assert (again.missing, again.held_back, again.superseded) == (missing, held_back, set())
    ids = [json.loads(line)["custom_id"] for line in b"".join(served).splitlines()]
    undone = set(missing).union(*held_back.values())
    assert len(undone) == len(missing) + sum(map(len, held_back.values()))
    made = [json.loads(line)["custom_id"] for line in missing_rows(input_file(*IDS), undone)]
    assert sorted(ids + made) == sorted(IDS)
    if not exact.superseded:
        assert b"".join(served) == b"".join(kept for kept, _ in read)


def test_rows_to_hold_back_are_known_by_their_counts() -> None:
    content = b"\n".join(
        (row("a"), row("b", 400), row("d", 500), not_executed("x"), not_executed("é", "request_timeout"))
    )
    tally = tally_of(content)
    assert (tally.executed, tally.not_executed, tally.retryable) == (3, 1, 2)
    exact = ExactPass(digests(*IDS), hold_back={RowFate.RETRYABLE})
    kept, part = read_part(exact, content)
    assert kept.splitlines() == [row("a"), row("b", 400)]
    assert (part.held_back, part.foreign, part.doubled) == (2, 1, 0)
    assert exact.held_back == {RowFate.RETRYABLE: digests("d", "é")}
    kept, part = read_part(exact, row("d") + b"\n" + row("é", 429))
    assert (kept, part.held_back, part.doubled) == (row("d") + b"\n", 0, 1)
    assert exact.superseded == set()
    assert exact.held_back == {RowFate.RETRYABLE: digests("é")}


def test_a_better_row_that_is_held_back_supersedes_what_was_given_out() -> None:
    exact = ExactPass(digests("a"), hold_back={RowFate.RETRYABLE})
    kept, _ = read_part(exact, not_executed("a") + b"\n" + row("a", 429))
    assert kept == not_executed("a") + b"\n"
    assert exact.superseded == digests("a")
    again = exact.again()
    assert read_part(again, kept)[0] == b""
    assert (again.missing, again.held_back) == (set(), {RowFate.RETRYABLE: digests("a")})


@settings(max_examples=50)
@given(content=files(faults=False), data=st.data())
def test_ids_are_collected_unescaped(content: bytes, data: st.DataObject) -> None:
    expected = {json.loads(line)["custom_id"] for line in content.split(b"\n") if line.strip()}
    assert collect(*data.draw(sliced(content))) == digests(*expected)


def test_every_request_gets_a_row_in_the_shape_of_openai() -> None:
    rows = [json.loads(line) for line in missing_rows(input_file("a", 'é "', "\u2028") + b"\r\n\n")]
    assert [found["custom_id"] for found in rows] == ["a", 'é "', "\u2028"]
    for found in rows:
        assert list(found) == ["id", "custom_id", "response", "error"]
        assert found["id"].startswith("batch_req_")
        assert found["response"] is None
        assert found["error"] == WORDS
    assert len({found["id"] for found in rows}) == 3


def test_some_requests_get_another_error() -> None:
    errors = {id_digest(b"b"): ("batch_expired", "too late"), id_digest(b"x"): ("never", "used")}
    missing = MissingRows(code=WORDS["code"], message=WORDS["message"], only=digests("a", "b"), errors=errors)
    rows = [
        json.loads(line) for line in (missing.feed(input_file("a", "b", "d")) + missing.finish()).splitlines()
    ]
    assert [found["custom_id"] for found in rows] == ["a", "b"]
    assert [found["error"] for found in rows] == [WORDS, {"code": "batch_expired", "message": "too late"}]


def test_row_ids_depend_on_the_seed_and_nothing_else() -> None:
    content = input_file("a", "b")
    assert missing_rows(content) == missing_rows(content)
    assert missing_rows(content, digests("b")) == missing_rows(content)[1:]
    ids = [{json.loads(line)["id"] for line in missing_rows(content, seed=seed)} for seed in ("x", "y")]
    assert not ids[0] & ids[1]


def test_deep_lines_are_read() -> None:
    deep = input_file("a").replace(b'"m"}', b'"m", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}")
    assert collect(deep) == digests("a")
    assert json.loads(missing_rows(deep)[0])["custom_id"] == "a"


@pytest.mark.parametrize(
    "bad", [b"nope", b"[]", b"{}", b'{"custom_id": 1}', b'{"custom_id": "\xff"}', b"x" * 2000]
)
def test_what_was_never_accepted_is_an_error(bad: bytes) -> None:
    content = input_file("a") + b"\n" + bad
    collector = IdCollector(max_line_bytes=1000)
    missing = MissingRows(code="c", message="m", max_line_bytes=1000)
    for reader in (collector, missing):
        with pytest.raises(ValueError):
            _ = (reader.feed(content), reader.finish())
