"""The bounded memory of ids."""

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.recent import RecentIds


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 5))
def test_the_newest_are_remembered_and_no_more(added: list[str], most: int) -> None:
    recent = RecentIds(most)
    for id_ in added:
        recent.add(id_)
    newest = list(dict.fromkeys(reversed(added)))
    assert [id_ in recent for id_ in newest] == [place < most for place in range(len(newest))]
