"""A line of what was sent for a shard is found in the file."""

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import LineSelector, LineSet, file_line
from litebatch_asgi.models import Shard


def shard(first_line: int, lines: LineSet | None = None) -> Shard:
    return Shard(
        file_id="file-1",
        shard=0 if lines is None else 7,
        batch_id=None if lines is None else "batch_1",
        root=0,
        start=0,
        bytes=1,
        first_line=first_line,
        lines=1,
        id_count=1,
        id_sum=1,
        tokens=1,
        lines_of_root=None if lines is None else lines.to_bytes(),
    )


def test_lines_of_a_tile_follow_those_before_it() -> None:
    assert [file_line(shard(100), line) for line in (0, 1, 7)] == [None, 101, 107]


@given(wanted=st.sets(st.integers(0, 30)), first_line=st.integers(0, 1000))
def test_lines_of_a_derived_shard_are_those_of_its_requests(wanted: set[int], first_line: int) -> None:
    requests = [b'{"custom_id": "%d", "body": {}}\n' % number for number in range(31)]
    selector = LineSelector(LineSet.of(31, wanted))
    sent = (selector.feed(b"".join(requests)) + selector.finish()).splitlines(keepends=True)
    derived = shard(first_line, LineSet.of(31, wanted))
    for number, line in enumerate(sent, start=1):
        assert file_line(derived, number) == first_line + requests.index(line) + 1
    assert file_line(derived, len(sent) + 1) is None
