"""Troubles at the providers and with the database, one after the other, at random."""

from __future__ import annotations

import random
from typing import Any, Literal

import anyio
import anyio.to_thread

from litebatch_asgi.simulator import Account, Course, Fault, Simulator
from litebatch_asgi.simulator.faults import CallName
from tests.faults.calls import CALLS
from tests.postgres import Server
from tests.survival.fates import Toll
from tests.survival.settings import LATE_SECONDS, PENDING_SECONDS, TOO_LATE_SECONDS

LISTS: tuple[CallName, ...] = ("list_files", "list_batches", "retrieve_file")
MIXED: tuple[CallName, ...] = ("start_upload", "upload_chunk", "issue_token")
"""calls to Vertex AI beside those of others"""
HINDRANCES: tuple[dict[str, Any], ...] = (
    {"drop": True, "when": "early"},
    {"drop": True, "when": "before"},
    {"drop": True, "when": "after"},
    {"cut_after": 10},
    {"status": 500},
    {"status": 503, "when": "after"},
    {"status": 504, "when": "after"},
    {"status": 429},
    {"delay": LATE_SECONDS / 3, "when": "after"},
    {"delay": LATE_SECONDS, "when": "before"},
    {"delay": LATE_SECONDS, "when": "after"},
)
"""to any call"""
TOO_FEW_TOKENS = "Enqueued token limit reached for m in organization o. Limit: 50 enqueued tokens."
"""less than any job has: what is learned of it is void as soon as one runs"""
MORE: tuple[Fault, ...] = (
    *6 * (Fault(call="create_batch", when="after", drop=True),),
    *4 * (Fault(call="upload_file", when="after", drop=True),),
    *4 * (Fault(call="upload_file", when="after", delay=LATE_SECONDS / 2, times=4),),
    *4 * (Fault(call="create_batch", delay=TOO_LATE_SECONDS),),
    *4 * (Fault(call="list_batches", list_lag=LATE_SECONDS / 3, times=8),),
    Fault(call="list_files", list_lag=LATE_SECONDS / 3, times=8),
    Fault(call="create_batch", when="after", status=403),
    Fault(call="retrieve_batch", status=404),
    Fault(call="validate_batch", code="token_limit_exceeded", message="Enqueued token limit reached."),
    *3 * (Fault(call="validate_batch", code="token_limit_exceeded", message=TOO_FEW_TOKENS),),
    Fault(call="upload_file", cut_request_after=500),
    Fault(call="stream_file", match="batch_", short_after=300),
    Fault(call="stream_file", match="prediction", short_after=300),
)
"""to some calls only"""


LEFT: tuple[Literal["whole", "partial", "none"], ...] = ("whole", "partial", "none")
BROKEN_OFF = (
    *(
        Fault(call="start_batch", course=Course(ends_at=share, ends_as="expired", cut_short_results=left))
        for share in (0.25, 0.5, 0.75)
        for left in LEFT
    ),
    Fault(call="start_batch", course=Course(ends_at=0.5, ends_as="failed")),
    Fault(call="start_batch", course=Course(ends_at=0.5, ends_as="cancelled")),
    Fault(call="finish_cancel", delay=LATE_SECONDS),
)
"""jobs that end half-way, or are long in ending"""
BROKEN_OFF_SHARE = 0.3
"""of what goes wrong, how much is of these, where jobs are rescued"""


def faults(*, mixed: bool) -> list[Fault]:
    """What may go wrong at a provider; `mixed`: not everybody speaks OpenAI."""
    calls: list[CallName] = [call for _, call in CALLS]
    calls += (*LISTS, *MIXED) if mixed else LISTS
    return [*(Fault(call=call, **hindrance) for call in calls for hindrance in HINDRANCES), *MORE]


async def storm(
    simulator: Simulator,
    chance: random.Random,
    pause_seconds: float,
    *,
    mixed: bool = False,
    breaks_off: bool = False,
) -> None:
    """Let something go wrong about every `pause_seconds`, until cancelled; then no more.

    `breaks_off`: jobs end half-way.
    """
    catalogue = faults(mixed=mixed)
    try:
        while True:
            if breaks_off and chance.random() < BROKEN_OFF_SHARE:
                simulator.add_fault(chance.choice(BROKEN_OFF))
            else:
                simulator.add_fault(chance.choice(MORE if chance.random() < 0.4 else catalogue))
            await anyio.sleep(chance.random() * 2 * pause_seconds)
    finally:
        simulator.faults.remove()


async def slow_checks(account: Account, chance: random.Random) -> None:
    """Let an account come to use no file for a while, for longer than one is waited for; again and again."""
    hold = account.settings.hold
    try:
        while True:
            await anyio.sleep(chance.random() * PENDING_SECONDS)
            account.configure(hold=hold | {"pending"})
            await anyio.sleep(PENDING_SECONDS)
            account.configure(hold=hold)
    finally:
        account.configure(hold=hold)


async def outages(server: Server, toll: Toll, chance: random.Random, pause_seconds: float) -> None:
    """Restart the database about every `pause_seconds`, until cancelled; then it runs."""
    while True:
        await anyio.sleep(pause_seconds * (0.5 + chance.random()))
        mode = chance.choice(("fast", "immediate"))
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_restart, server, mode)
        toll.restarts[mode] += 1


def _restart(server: Server, mode: str) -> None:
    server.stop(mode)
    server.start()
