"""Cutting: which lines of a batch input run as one job, and which deployments get them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from litebatch_asgi.errors import InvalidFile, Problem
from litebatch_asgi.fleet import Fleet, JobLimits
from litebatch_asgi.jsonl import CheckedFile, MarkSteps, ShardLimits, TooManyTiles, json_string, plan_shards
from litebatch_asgi.models import File, Settings, Shard
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool

MOST_REQUESTS = 100_000
"""of a shard: as many as its sums and sets of lines are made for"""
MOST_TILES = 500
"""of a file: each is a job of every batch on it, and all of them are read with one"""
_MOST_BYTES = 1 << 40


def shard_limits(
    fleet: Fleet, settings: Settings, deployment_ids: Iterable[str], *, model: str, written: str
) -> ShardLimits:
    """What a shard may have that any of these deployments takes; `written` is what the lines call the model.

    Raises `DeploymentGone`.
    """
    ids = list(deployment_ids)
    smallest = _smallest(map(fleet.job_limits, ids))
    names = [json_string(fleet.upstream_model(id_, model)) for id_ in ids]
    return ShardLimits(
        max_requests=min(smallest.requests or MOST_REQUESTS, MOST_REQUESTS),
        max_bytes=smallest.bytes or _MOST_BYTES,
        max_tokens=smallest.tokens,
        parallel=settings.parallel_shards,
        min_requests=settings.min_shard_requests,
        added_bytes_per_request=max((len(name) - len(json_string(written)) for name in names), default=0),
    )


def mark_steps(fleet: Fleet, deployment_ids: Iterable[str]) -> MarkSteps:
    """How far apart the marks of a check are, for shards that any of these deployments takes."""
    smallest = _smallest(map(fleet.job_limits, deployment_ids))
    return ShardLimits(
        max_requests=min(smallest.requests or MOST_REQUESTS, MOST_REQUESTS),
        max_bytes=smallest.bytes or _MOST_BYTES,
        max_tokens=smallest.tokens,
    ).steps


def _smallest(limits: Iterable[JobLimits]) -> JobLimits:
    """What all of these deployments take."""
    found = list(limits)
    return JobLimits(
        requests=min((each.requests for each in found if each.requests), default=None),
        bytes=min((each.bytes for each in found if each.bytes), default=None),
        tokens=min((each.tokens for each in found if each.tokens), default=None),
    )


async def cut(
    runtime: Runtime, file: File, lines: CheckedFile, spool: Spool, limits: ShardLimits
) -> tuple[Shard, ...]:
    """The tiles of a checked file, with the digest of each: for several its bytes are read once more.

    Raises `InvalidFile` for one that would be more than `MOST_TILES`.
    """
    try:
        tiles = await runtime.in_executor(partial(plan_shards, lines.marks, limits, most=MOST_TILES))
    except TooManyTiles as error:
        message = (
            f"The file is more than {MOST_TILES} jobs of the deployments of its model can take; split it "
            "into several files."
        )
        raise InvalidFile([Problem(code="too_many_tasks", line=None, param=None, message=message)]) from error
    shards: list[Shard] = []
    for number, tile in enumerate(tiles):
        shard = Shard(file_id=file.id, shard=number, root=number, **msgspec.structs.asdict(tile))
        digest = file.sha256 if len(tiles) == 1 else await _digest(spool, shard)
        shards.append(msgspec.structs.replace(shard, sha256=digest))
    return tuple(shards)


async def _digest(spool: Spool, shard: Shard) -> str:
    digest = hashlib.sha256()
    await spool.scan(digest.update, start=shard.start, end=shard.start + shard.bytes)
    return digest.hexdigest()


def spread(deployment_ids: Sequence[str], tile: int) -> list[str]:
    """The deployments in the order in which they are to get a tile: each comes first for every so-manieth."""
    first = tile % max(len(deployment_ids), 1)
    return [*deployment_ids[first:], *deployment_ids[:first]]
