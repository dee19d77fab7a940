"""What a run came to, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.survival.fates import Toll
from tests.survival.rounds import Result


def line_of(number: int, result: Result) -> str:
    """One round in one line."""
    world, toll = result.memory.world, result.toll
    return (
        f"round {number:3}  {result.seconds:5.0f} s  {toll.kills:3} kills  {toll.stops.total():3} stops  "
        f"{len(world.batches):4} batches  {len(world.files):3} files  {result.rescues:3} rests  "
        f"{result.requests:5} requests  {result.repeated:3} again  "
        f"{len(result.violations)} violations"
    )


def table(results: Sequence[Result]) -> str:
    """All rounds together."""
    return "\n".join(f"{name:36} {value:>8}" for name, value in _rows(results))


def _rows(results: Sequence[Result]) -> Iterator[tuple[str, int]]:
    toll = Toll()
    answers: Counter[str] = Counter()
    for result in results:
        toll.add(result.toll)
        answers.update(result.memory.answers)
    yield "rounds", len(results)
    yield "seconds", round(sum(result.seconds for result in results))
    yield "processes killed with -9", toll.kills
    yield "  at random moments", toll.random_kills
    yield from ((f"  at {name}", count) for name, count in sorted(toll.places.items()))
    yield "processes stopped past their lease", toll.stops.total()
    yield "  at named places", toll.stops.total() - toll.stops["at random"]
    yield "processes asked to end, which did", toll.terminations
    yield "starts without a database", toll.failed_starts
    yield from ((f"restarts of the database, {mode}", count) for mode, count in sorted(toll.restarts.items()))
    yield "clones of the database", toll.clones
    yield "restores of the database", toll.restores
    yield "shards made of what jobs left undone", sum(result.rescues for result in results)
    yield "orphans of a history that was lost", sum(result.orphans for result in results)
    yield "provider calls failed or cut", sum(result.struck for result in results)
    yield "requests to live deployments", sum(result.requests for result in results)
    yield "  again, their senders being lost", sum(result.repeated for result in results)
    yield "batches", sum(len(result.memory.world.batches) for result in results)
    yield "calls of clients answered", sum(n for name, n in answers.items() if name.endswith(" done"))
    yield "calls of clients cut", sum(n for name, n in answers.items() if name.endswith(" cut"))
    yield "calls of clients told to come again", sum(n for name, n in answers.items() if name.endswith("503"))
    tellings = [result.memory.telling for result in results]
    yield "events taken by sinks", sum(telling.taken for telling in tellings)
    yield "  again", sum(telling.repeated for telling in tellings)
    yield "webhooks taken", sum(telling.hooks.taken for telling in tellings)
    yield "  again", sum(telling.hooks.repeated for telling in tellings)
    yield "violations", sum(len(result.violations) for result in results)
