"""What LiteBatch tells of batches and files beside OpenAI's fields: more of it to admins."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from litebatch_asgi.models import Batch, CopyState, Counts, File, FileCopy, FileStatus, WaitingFor, WaitReason
from litebatch_asgi.wire.money import Money, money
from litebatch_asgi.wire.waiting import WaitingForObject, waiting_for_object


class LineCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How far the lines of a batch are; together they are all of its input."""

    done: Annotated[int, Meta(description="Those that have succeeded.")]
    failed: Annotated[int, Meta(description="Those that have not, or were not run and will not be.")]
    left: Annotated[int, Meta(description="The others: still to be run, unless the batch has failed.")]


class BatchDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What OpenAI's batch has no field for. Owner, key and deployment are shown to admins alone."""

    owner: Annotated[str | UnsetType, Meta(description="Whose it is.")] = UNSET
    key: Annotated[
        str | UnsetType | None, Meta(description="The id of the key that created it, if it has one.")
    ] = UNSET
    deployment: Annotated[
        str | UnsetType | None, Meta(description="The id of the deployment that has it; null: none has.")
    ] = UNSET
    waiting_for: Annotated[
        WaitingForObject | None, Meta(description="What keeps it from going on; null: nothing.")
    ]
    cost: Annotated[
        Money | None,
        Meta(description="What it has cost so far; null: nothing is settled yet, or a part has no price."),
    ]
    cost_is_final: Annotated[bool, Meta(description="Whether it has ended, and everything has a price.")]
    unpriced_requests: Annotated[
        int, Meta(description="Successful ones that the cost leaves out, for no price of theirs is known.")
    ]
    lines: LineCounts


class FileDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What OpenAI's file has no field for. Owner, key and deployments are shown to admins alone."""

    owner: Annotated[str | UnsetType, Meta(description="Whose it is.")] = UNSET
    key: Annotated[
        str | UnsetType | None, Meta(description="The id of the key that uploaded it, if it has one.")
    ] = UNSET
    deployments: Annotated[
        dict[str, CopyState] | UnsetType,
        Meta(description="How far its copies are, by deployment id. Not in lists."),
    ] = UNSET
    waiting_for: Annotated[
        WaitingForObject | None, Meta(description="What keeps it from being used; null: nothing.")
    ]


_FOR_COPIES = waiting_for_object(WaitingFor(reason=WaitReason.COPIES.value), for_admin=False)


def batch_details(batch: Batch, *, for_admin: bool) -> BatchDetails:
    """What a batch's owner, or an admin, is told."""
    waiting = batch.waiting_for
    told = waiting_for_object(waiting, for_admin=for_admin) if waiting is not None else None
    cost = batch_cost(batch)
    details = BatchDetails(
        waiting_for=told,
        cost=cost,
        cost_is_final=cost is not None and batch.status.is_final and not batch.unpriced_requests,
        unpriced_requests=batch.unpriced_requests,
        lines=_lines(batch.counts),
    )
    if not for_admin:
        return details
    return replace(details, owner=batch.owner, key=batch.created_by, deployment=batch.deployment_id)


def _lines(counts: Counts) -> LineCounts:
    left = max(counts.total - counts.done, 0)
    return LineCounts(done=counts.completed, failed=counts.failed, left=left)


def batch_cost(batch: Batch) -> str | None:
    """What a batch has cost so far; one that has ended with nothing settled has cost nothing."""
    if batch.cost is None and batch.status.is_final and batch.usage is None:
        return money(Decimal(0))
    return None if batch.cost is None else money(batch.cost)


def file_details(file: File, *, for_admin: bool, copies: Iterable[FileCopy] | None) -> FileDetails:
    """What a file's owner, or an admin, is told. It waits until one of its copies can be used."""
    told = _FOR_COPIES if file.status is FileStatus.UPLOADED else None
    if not for_admin:
        return FileDetails(waiting_for=told)
    return FileDetails(
        owner=file.owner,
        key=file.created_by,
        deployments=_states(copies) if copies is not None else UNSET,
        waiting_for=told,
    )


def _states(copies: Iterable[FileCopy]) -> dict[str, CopyState]:
    """By deployment; where it has several parts of a file, the first that is not ready counts."""
    states: dict[str, CopyState] = {}
    for copy in copies:
        if copy.state is CopyState.DELETED:
            continue
        if states.get(copy.deployment_id, CopyState.READY) is CopyState.READY:
            states[copy.deployment_id] = copy.state
    return states
