"""Copies: what may follow what, and what a file is, seen from its copies."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import (
    TRANSITIONS,
    deletion,
    doubt,
    due_when_ready,
    fold_file,
    held_copy,
    is_forgotten,
    is_to_be_renewed,
    is_usable,
    move_copy,
    removal,
    renewal,
    retraction,
)
from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    CopyState,
    File,
    FileChange,
    FileCopy,
    FileKind,
    FileState,
    FileStatus,
    Shard,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
FILE = File(
    id="file-lb1",
    owner="o",
    created_by=None,
    kind=FileKind.INPUT,
    purpose="batch",
    filename="in.jsonl",
    bytes=3,
    created_at=NOW,
)
GONE = {CopyState.DELETING, CopyState.DELETED}

states = st.sampled_from(CopyState)
copies = st.builds(
    FileCopy,
    file_id=st.just(FILE.id),
    owner=st.just(FILE.owner),
    deployment_id=st.sampled_from(["east", "west", "north"]),
    provider_file_id=st.sampled_from([None, "file-p"]),
    state=states,
    started_at=st.sampled_from([None, NOW]),
    next_check_at=st.sampled_from([None, NOW]),
    claimed_by=st.sampled_from([None, "w"]),
    epoch=st.integers(0, 3),
)
files_with_copies = st.lists(copies, unique_by=lambda copy: copy.key).map(
    lambda found: FileState(file=FILE, copies=tuple(found), open_batches=0)
)


def a_copy(state: CopyState = CopyState.INTENT, **values: object) -> FileCopy:
    return FileCopy(file_id=FILE.id, deployment_id="east", owner="o", state=state, **values)  # type: ignore[arg-type]


def after(state: FileState, change: FileChange) -> FileState:
    """The state once a change is written."""
    written = {copy.key: copy for copy in change.copies}
    there = tuple(written.get(copy.key, copy) for copy in state.copies)
    return replace(state, file=change.file or state.file, copies=there)


@pytest.mark.parametrize(("before", "then"), list(product(CopyState, CopyState)))
def test_a_copy_moves_as_the_table_says_and_gives_its_claim_back(before: CopyState, then: CopyState) -> None:
    copy = a_copy(before, claimed_by="w", claimed_until=LATER, next_check_at=NOW)
    if then is before or then in TRANSITIONS[before]:
        moved = move_copy(copy, then, due=LATER, attempts=2)
        assert moved == a_copy(then, next_check_at=LATER, attempts=2)
    else:
        with pytest.raises(StateConflict, match=f"{then} may not follow {before}"):
            move_copy(copy, then, due=None)


def test_looks_at_a_copy_do_not_count_for_how_soon_its_deletion_is_tried_again() -> None:
    """A rest's copy is looked at all the time: its first failed deletion is no twelfth one."""
    deleting = move_copy(a_copy(CopyState.READY, attempts=11), CopyState.DELETING, due=NOW)
    assert deleting.attempts == 0
    tried = move_copy(replace(deleting, attempts=1), CopyState.DELETING, due=LATER)
    assert tried.attempts == 1


def test_every_state_can_be_reached_and_what_is_gone_can_only_be_sent_again() -> None:
    reached = {CopyState.INTENT}
    for _ in CopyState:
        reached |= {then for state in reached for then in TRANSITIONS[state]}
    assert reached == set(CopyState)
    assert TRANSITIONS[CopyState.DELETED] == {CopyState.INTENT}


def test_a_claim_holds_until_the_next_one() -> None:
    state = FileState(file=FILE, copies=(a_copy(epoch=2, claimed_by="w2"),), open_batches=0)
    assert held_copy(state, a_copy(epoch=2)).claimed_by == "w2"
    with pytest.raises(StateConflict, match="claimed by w2"):
        held_copy(state, a_copy(epoch=1))
    with pytest.raises(StateConflict, match="is gone"):
        held_copy(replace(state, copies=()), a_copy(epoch=2))


@given(files_with_copies, st.lists(states, max_size=3))
def test_a_file_is_accepted_once_and_stays_processed(state: FileState, then: list[CopyState]) -> None:
    file = fold_file(state, NOW)
    assert (file.accepted_at is not None) == any(copy.provider_file_id for copy in state.copies)
    for each in then:
        moved = tuple(replace(copy, state=each) for copy in state.copies)
        folded = fold_file(replace(state, file=file, copies=moved), LATER)
        assert folded.accepted_at in (file.accepted_at, LATER)
        assert file.accepted_at in (None, folded.accepted_at)
        if folded.status is not file.status:
            all_failed = {copy.state for copy in moved} == {CopyState.FAILED}
            assert folded.status is (FileStatus.ERROR if all_failed else FileStatus.PROCESSED)
        file = folded


def a_tile(number: int) -> Shard:
    return Shard(
        file_id=FILE.id,
        shard=number,
        root=number,
        start=number,
        bytes=1,
        first_line=number,
        lines=1,
        id_count=1,
        id_sum=1,
        tokens=1,
    )


TILES = tuple(map(a_tile, range(3)))


def moved_to(copy: FileCopy, shard: int) -> FileCopy:
    """The same copy of another shard."""
    return replace(copy, shard=shard)


copies_of_shards = st.lists(
    st.builds(moved_to, copies, st.integers(0, 4)), max_size=12, unique_by=lambda copy: copy.key
).map(lambda found: FileState(file=FILE, copies=tuple(found), open_batches=0, shards=TILES))


@given(copies_of_shards)
def test_a_file_is_what_its_tiles_are(state: FileState) -> None:
    """Accepted once each is at a provider, processed once each is ready. Other shards do not count."""
    folded = fold_file(state, NOW)
    tiles = [state.copies_of(tile.shard) for tile in TILES]
    assert (folded.accepted_at is not None) == all(
        any(each.provider_file_id for each in tile) for tile in tiles
    )
    ready = [any(each.state is CopyState.READY for each in tile) for tile in tiles]
    failed = [bool(tile) and all(each.state is CopyState.FAILED for each in tile) for tile in tiles]
    if all(ready):
        assert folded.status is FileStatus.PROCESSED
    else:
        assert folded.status is (FileStatus.ERROR if any(failed) else FileStatus.UPLOADED)
    of_tiles = tuple(copy for copy in state.copies if not state.is_derived(copy))
    assert fold_file(replace(state, copies=of_tiles), NOW) == folded


def test_what_is_no_input_stays_as_it_is() -> None:
    file = replace(FILE, kind=FileKind.OUTPUT)
    copy = a_copy(CopyState.FAILED, provider_file_id="file-p")
    assert fold_file(FileState(file=file, copies=(copy,), open_batches=0), NOW) == file


@given(files_with_copies)
def test_a_deleted_file_is_hidden_and_what_a_provider_has_is_removed(state: FileState) -> None:
    change = deletion(state, LATER)
    if change.remove:
        assert all(map(is_forgotten, state.copies))
        return
    assert change.fence_out
    then = after(state, change)
    assert then.file.deleted_at == LATER
    assert {copy.state for copy in then.copies} <= GONE
    for copy in change.copies:
        assert (copy.next_check_at, copy.claimed_by) == (LATER, None)
    assert deletion(then, LATER).copies == ()


@given(files_with_copies)
def test_a_file_that_nobody_took_leaves_only_what_a_provider_may_have(state: FileState) -> None:
    at_first = {CopyState.INTENT, CopyState.FAILED}
    state = replace(state, copies=tuple(copy for copy in state.copies if copy.state in at_first))
    change = retraction(state, LATER)
    in_doubt = [copy for copy in state.copies if copy.started_at or copy.provider_file_id]
    assert change.remove == (not in_doubt)
    if not change.remove:
        then = after(state, change)
        assert then.file.deleted_at == LATER
        left = [copy.key for copy in then.copies if not is_forgotten(copy)]
        assert left == [copy.key for copy in in_doubt]


@given(files_with_copies, st.booleans())
def test_the_rows_go_with_the_last_copy_that_is_looked_at(state: FileState, is_watched: bool) -> None:
    gone = a_copy(CopyState.DELETED, next_check_at=LATER if is_watched else None)
    others = [copy for copy in state.copies if copy.key != gone.key]
    change = removal(replace(state, copies=(a_copy(CopyState.DELETING), *others)), gone, LATER)
    assert change.remove == (not is_watched and all(map(is_forgotten, others)))
    if not change.remove:
        assert change.file is not None
        assert change.file.deleted_at == LATER


READY = a_copy(
    CopyState.READY,
    provider_file_id="file-p",
    model="gpt-today",
    ready_at=NOW,
    expires_at=NOW + timedelta(days=14),
)
TOMORROW = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({}, True),
        ({"state": CopyState.DELETING}, True),
        ({"state": CopyState.INTENT}, True),
        ({"state": CopyState.PENDING}, False),
        ({"state": CopyState.FAILED}, False),
        ({"state": CopyState.DELETED}, False),
        ({"state": CopyState.DELETING, "ready_at": None}, False),
        ({"state": CopyState.INTENT, "provider_file_id": None}, False),
        ({"model": "gpt-yesterday"}, False),
        ({"model": None}, True),
        ({"expires_at": TOMORROW}, True),
        ({"expires_at": TOMORROW - timedelta(seconds=1)}, False),
    ],
)
def test_a_batch_can_use_what_was_ready_names_its_model_and_lasts(
    changes: dict[str, Any], usable: bool
) -> None:
    assert is_usable(replace(READY, **changes), model="gpt-today", until=TOMORROW) == usable


@pytest.mark.parametrize(
    ("changes", "renewed"),
    [
        ({}, False),
        ({"model": "gpt-yesterday"}, True),
        ({"model": "gpt-yesterday", "state": CopyState.INTENT}, False),
        ({"model": "gpt-yesterday", "state": CopyState.DELETING}, False),
        ({"ready_at": NOW - timedelta(days=14), "expires_at": NOW + timedelta(hours=1)}, True),
        ({"ready_at": NOW - timedelta(hours=1), "expires_at": NOW + timedelta(hours=1)}, False),
    ],
)
def test_what_a_batch_could_use_if_it_were_sent_anew_is_sent_anew(
    changes: dict[str, Any], renewed: bool
) -> None:
    copy = replace(READY, **changes)
    assert is_to_be_renewed(copy, model="gpt-today", until=TOMORROW, now=NOW) == renewed
    if renewed:
        anew = renewal(copy, NOW)
        assert (anew.state, anew.next_check_at) == (CopyState.INTENT, NOW)
        assert anew.provider_file_id == "file-p", "it can still be read"


@pytest.mark.parametrize("state", CopyState)
def test_a_copy_that_a_create_could_not_use_is_not_used_before_it_is_ready_again(state: CopyState) -> None:
    copy = replace(READY, state=state)
    change = doubt(copy, LATER)
    doubted = change.copies[0] if change.copies else copy
    assert not is_usable(doubted, model="gpt-today", until=TOMORROW)
    if state in (CopyState.READY, CopyState.DELETING):
        assert doubted.next_check_at == LATER
        assert change.fence_out, "who holds it knows nothing of the doubt"
    assert doubt(replace(copy, ready_at=None), LATER).copies == ()


def test_a_ready_copy_is_due_when_the_first_thing_is() -> None:
    look = NOW + timedelta(minutes=1)
    file = replace(FILE, expires_at=NOW + timedelta(days=30))
    assert due_when_ready(READY, file, look=look) == NOW + timedelta(days=12), "made anew"
    assert due_when_ready(replace(READY, expires_at=None), file, look=look) == file.expires_at
    assert due_when_ready(replace(READY, expires_at=None), FILE, look=look) is None
    assert due_when_ready(replace(READY, watch_until=LATER), file, look=look) == look
