"""Live deployments of a round: their servers, what they are sent, and what becomes of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

import anyio

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Downtime, Fault, Latency, RequestEntry, Simulator
from tests.harness import ENDPOINT, LIVE_MODEL, MODEL
from tests.survival.settings import DOWN_SECONDS, LIVE_TIMEOUT_SECONDS

ONLY = "tiny"
"""the model that live deployments alone have"""
BESIDE = ("inner",)
"""live deployments beside the native ones of `MODEL`"""
ALONE = ("tiny-1", "tiny-2")
"""deployments of `ONLY`"""
SERVERS = (*BESIDE, *ALONE)
MOST_AT_ONCE = 8
KEY = "LIVE_KEY"
"""the environment variable with the key that a process comes with: each time that one is started another"""
LINES, SHORT_LINES = 40, 12
LONG_SHARE = 0.08
"""of the inputs for `ONLY`, how many have lines so long that they are several ranges"""
POISON_SHARE = 0.15
"""likewise, how many have a line that lets its server go down each time, in rounds with such lines"""
_BRIEF = "Be brief. " * 8
_LONG = "Be brief. " * 30_000
_USES = {"input_tokens": 80, "cached_tokens": 7, "output_tokens": 4}
"""of each answer"""
_POISON: dict[str, Any] = _USES | {
    "fault": {"down": {"seconds": DOWN_SECONDS, "how": "cut_at_request"}, "times": None}
}
_SAID = re.compile(r"Say (\d+) of (\S+)\.")


def live_deployments(provider: str) -> list[Deployment]:
    """Those of a round, some of which have `MODEL` beside native ones."""
    return [
        Deployment(
            model_name=MODEL if name in BESIDE else ONLY,
            model=f"hosted_vllm/{LIVE_MODEL}",
            api_base=f"{provider}/{name}/v1",
            api_key=f"os.environ/{KEY}",
            id=name,
            max_parallel_requests=MOST_AT_ONCE,
        )
        for name in SERVERS
    ]


def set_up_servers(simulator: Simulator) -> None:
    """Make the inference servers of a round."""
    latency = Latency(distribution="uniform", seconds=0.03, most=0.4)
    for name in SERVERS:
        simulator.account(name).configure(flavour="vllm", latency=latency)


class Input:
    """An input of a batch of its own: no other has the same lines.

    `name` is that of its file, and the journey of its batch.
    """

    def __init__(self, name: str, chance: random.Random, *, has_poison: bool) -> None:
        self.name = f"{name}-{chance.getrandbits(40):x}"
        self.model = ONLY if chance.random() < 0.65 else MODEL
        self.is_long = self.model == ONLY and chance.random() < LONG_SHARE
        count = SHORT_LINES if self.is_long or self.model == MODEL else LINES
        asked: dict[int, Any] = dict.fromkeys(range(count), _USES)
        for number in chance.sample(range(count), 2):
            asked[number] = "400"
        if self.model == ONLY and has_poison and chance.random() < POISON_SHARE:
            asked[chance.randrange(count)] = _POISON
        self.content = "\n".join(self._line(number, how) for number, how in asked.items()).encode()
        self.window = "1h" if self.model == MODEL and chance.random() < 0.5 else "24h"

    def _line(self, number: int, asked: Any) -> str:
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": _LONG if self.is_long else _BRIEF},
                {"role": "user", "content": f"Say {number} of {self.name}."},
            ],
            "max_tokens": 4,
            "metadata": {"simulate": asked},
        }
        line = {"custom_id": f"request-{number}", "method": "POST", "url": ENDPOINT, "body": body}
        return json.dumps(line)


def line_of(entry: RequestEntry) -> tuple[str, str] | None:
    """The journey and the custom id of the line that a server was sent."""
    said = _SAID.fullmatch(entry.text)
    return (said[2], f"request-{said[1]}") if said else None


def may_fail(line: dict[str, Any]) -> bool:
    """Whether a line of an input is one that is to fail."""
    asked: object = line["body"]["metadata"]["simulate"]
    return asked != _USES


_DOWN = (
    *3 * (Downtime(how="cut_at_request", seconds=DOWN_SECONDS),),
    Downtime(how="cut_at_request", seconds=2 * DOWN_SECONDS),
    Downtime(how="refused", seconds=DOWN_SECONDS / 2),
    Downtime(how="cut_at_accept", seconds=DOWN_SECONDS / 2),
)
"""the last two are about everything at the simulator's address"""
_HINDRANCES: Sequence[dict[str, Any]] = (
    *({"status": status, "times": times} for status in (401, 408, 429, 500, 503) for times in (1, 6)),
    {"status": 503, "when": "after"},
    {"drop": True, "when": "early"},
    {"drop": True, "when": "before"},
    {"drop": True, "when": "after"},
    {"cut_after": 10},
    {"cut_request_after": 100},
    {"delay": 1.5 * LIVE_TIMEOUT_SECONDS},
    {"delay": 1.5 * LIVE_TIMEOUT_SECONDS, "when": "after"},
)
_NATIVE_BUSY = Fault(call="create_batch", status=429, times=None, seconds=4.0)
"""so that live deployments take what native ones do not"""


async def live_storm(simulator: Simulator, chance: random.Random, pause_seconds: float) -> None:
    """Let something happen to a live deployment about every `pause_seconds`, until cancelled."""
    try:
        while True:
            await anyio.sleep(chance.random() * 2 * pause_seconds)
            server, draw = chance.choice(SERVERS), chance.random()
            if draw < 0.3:
                await simulator.go_down(chance.choice(_DOWN), server)
            elif draw < 0.4:
                simulator.add_fault(_NATIVE_BUSY)
            else:
                simulator.add_fault(Fault(call="run_request", account=server, **chance.choice(_HINDRANCES)))
    finally:
        with anyio.CancelScope(shield=True):
            await simulator.come_up()
