"""`python -m tests.survival`: rounds of killing until the time is over; exit code 1 on a violation."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from tests.database import BACKENDS
from tests.postgres import Server, own_server
from tests.survival.databases import new_database
from tests.survival.plans import Plan
from tests.survival.report import line_of, table
from tests.survival.rounds import Result
from tests.survival.staging import played
from tests.survival.turns import Turn

SECONDS = 45.0
"""of load in a round"""
REPLICAS, FEW_REPLICAS = 3, 2
TURNS = (Turn.NONE, Turn.CLONE, Turn.RESTORE)
"""by the number of the round"""


def main() -> None:
    """Run and tell."""
    options = _options()
    print(f"{options.database}, seed {options.seed}, {options.minutes:g} minutes", flush=True)
    with own_server() if options.database == "postgresql" else nullcontext() as server:
        results = asyncio.run(_run(options, server))
    print(table(results))
    sys.exit(1 if any(result.violations for result in results) else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.survival")
    parser.add_argument("--minutes", type=float, default=20.0, help="rounds begin until then")
    parser.add_argument("--database", choices=BACKENDS, default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, default=1, help="number of the first round")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load in each round")
    parser.add_argument("--stop-share", type=float, default=0.25, help="of those at a failpoint: stopped")
    parser.add_argument("--turn", choices=list(Turn), help="for each round; without: in turns")
    parser.add_argument(
        "--mixed",
        action=argparse.BooleanOptionalAction,
        help="whether not every deployment speaks OpenAI; without: in turns",
    )
    parser.add_argument(
        "--rescues",
        action=argparse.BooleanOptionalAction,
        help="whether inputs are several tiles, and jobs are rescued; without: in every other round",
    )
    parser.add_argument(
        "--live",
        action=argparse.BooleanOptionalAction,
        help="whether there are live deployments as well; without: in two rounds of four",
    )
    parser.add_argument("--replicas", type=int, help="processes; without: three, in some live rounds two")
    parser.add_argument("--without", help="a protection to go without: then violations are expected")
    return parser.parse_args()


async def _run(options: argparse.Namespace, server: Server | None) -> list[Result]:
    results: list[Result] = []
    ends = time.monotonic() + 60 * options.minutes
    while time.monotonic() < ends and not (options.without and _is_missed(results)):
        number = options.round + len(results)
        plan = Plan(
            seed=f"{options.seed}/{number}",
            seconds=options.seconds,
            replicas=_replicas(options, number),
            stop_share=options.stop_share,
            without=options.without,
            turn=_turn(options, number),
            is_mixed=_is_mixed(options, number),
            rescues=_has_rescues(options, number),
            live=_is_live(options, number),
            poison=number % 4 >= 2,
        )
        results.append(await _one(plan, number, server))
    return results


def _turn(options: argparse.Namespace, number: int) -> Turn:
    wanted: str | None = options.turn
    return TURNS[number % len(TURNS)] if wanted is None else Turn(wanted)


def _is_mixed(options: argparse.Namespace, number: int) -> bool:
    """One round of three, so that each of them has another turn."""
    wanted: bool | None = options.mixed
    return (number + number // len(TURNS)) % len(TURNS) == 1 if wanted is None else wanted


def _has_rescues(options: argparse.Namespace, number: int) -> bool:
    """Every other round, so that over six rounds each of the other kinds has both."""
    wanted: bool | None = options.rescues
    return number % 2 == 1 if wanted is None else wanted


def _is_live(options: argparse.Namespace, number: int) -> bool:
    """Two rounds of four, so that over twelve rounds each of the other kinds has both."""
    wanted: bool | None = options.live
    return number % 4 in (1, 2) if wanted is None else wanted


def _replicas(options: argparse.Namespace, number: int) -> int:
    wanted: int | None = options.replicas
    if wanted is None:
        return FEW_REPLICAS if _is_live(options, number) and number % 3 == 2 else REPLICAS
    return wanted


def _is_missed(results: list[Result]) -> bool:
    return any(result.violations for result in results)


async def _one(plan: Plan, number: int, server: Server | None) -> Result:
    folder = Path(tempfile.mkdtemp(prefix="litebatch-survival-"))
    async with new_database(folder, server) as database:
        result = await played(plan, folder, database, server)
    print(line_of(number, result), flush=True)
    for text in result.violations:
        print(f"    {text}", flush=True)
    if result.violations:
        print(f"    see {folder}", flush=True)
    else:
        shutil.rmtree(folder)
    return result


if __name__ == "__main__":
    main()
