"""The exact pass keeps each wanted row once, and what is dropped, kept and missing adds up."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import (
    ExactPass,
    IdCollector,
    LineDropper,
    MissingRows,
    PartTally,
    RowTally,
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


def read_part(exact: ExactPass, *blocks: bytes) -> PartTally:
    exact.start_part()
    for block in blocks:
        exact.feed(block)
    return exact.end_part()


def drop_lines(drop: tuple[int, ...], *blocks: bytes, end_line: bool = False) -> bytes:
    dropper = LineDropper(drop, end_line=end_line)
    return b"".join(map(dropper.feed, blocks)) + dropper.finish()


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
    first = read_part(exact, output)
    assert (first.drop, first.foreign, first.unparsable, first.doubled) == ((1, 3, 4), 1, 1, 1)
    assert (first.tally.rows, first.tally.completed, first.tally.usage.input_tokens) == (3, 2, 2)
    second = read_part(exact, row("b", 400) + b"\n")
    assert (second.drop, second.doubled) == ((0,), 1)
    assert second.tally.rows == second.tally.bytes == 0
    assert exact.missing == digests("d")


def test_a_row_over_the_limit_is_dropped() -> None:
    exact = ExactPass(digests(*IDS), max_row_bytes=200)
    part = read_part(exact, row("a") + b"\n", b'{"custom_id": "b", "x": "', b"y" * 500, b'"}\n' + row("d"))
    assert (part.drop, part.unparsable, part.tally.rows) == ((1,), 1, 2)
    assert exact.missing == digests("b", "é")


parts = st.lists(
    st.lists(
        st.one_of(
            st.sampled_from([*map(row, IDS), row("x"), row("a", 400)]),
            st.sampled_from([b"", b" \r", b"nope", b"[]", b'{"custom_id": "\\u0061"}', b"\xff"]),
        ),
        max_size=6,
    ).map(b"\n".join),
    max_size=3,
)


@given(contents=parts, data=st.data())
def test_ids_are_conserved(contents: list[bytes], data: st.DataObject) -> None:
    exact = ExactPass(digests(*IDS))
    served = b""
    for index, content in enumerate(contents):
        part = read_part(exact, *data.draw(sliced(content)))
        left = drop_lines(part.drop, *data.draw(sliced(content)))
        assert part.doubled + part.foreign + part.unparsable == len(part.drop)
        assert (part.tally.bytes, part.tally.ends_in_newline) == (len(left), left[-1:] in (b"", b"\n"))
        counted = RowTally()
        counted.feed(left)
        assert counted.finish() == part.tally
        served += drop_lines(part.drop, content, end_line=index + 1 < len(contents))
    kept = [json.loads(line)["custom_id"] for line in served.splitlines() if line.strip()]
    assert len(kept) == len(set(kept))
    assert set(kept) <= set(IDS)
    assert exact.missing == digests(*(set(IDS) - set(kept)))
    made = [json.loads(line)["custom_id"] for line in missing_rows(input_file(*IDS), set(exact.missing))]
    assert sorted(kept + made) == sorted(IDS)


@given(content=st.lists(st.sampled_from([b"", b"a", b"bc\r"]), max_size=6).map(b"\n".join), data=st.data())
def test_lines_are_dropped_by_their_index(content: bytes, data: st.DataObject) -> None:
    lines = content.split(b"\n")
    ended = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    drop = tuple(index for index in range(len(ended)) if data.draw(st.booleans()))
    expected = b"".join(line for index, line in enumerate(ended) if index not in drop)
    assert drop_lines(drop, *data.draw(sliced(content))) == expected
    newline = b"\n" if expected and not expected.endswith(b"\n") else b""
    assert drop_lines(drop, *data.draw(sliced(content)), end_line=True) == expected + newline


def test_nothing_to_drop_passes_blocks_on_as_they_are() -> None:
    dropper = LineDropper((0,))
    assert dropper.feed(b"a\nb") == b"b"
    block = b"c\nd"
    assert dropper.feed(block) is block


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
