"""The times of a round, in seconds: short ones, in the order of those that a gateway is run with."""

from __future__ import annotations

from typing import Any

from tests.survival import sinks

LEASE_SECONDS = 1.5
TIMEOUT_SECONDS = 0.8
GRACE_SECONDS = 2.0
LATE_SECONDS = 1.2
"""past the time-out, well within the grace"""
TOO_LATE_SECONDS = 4.0
"""past time-out and grace: the gateway has gone on without this answer"""
PROMPT_SECONDS = 2.0
"""what a provider has done by then, counted from when it was to be asked, is found within the grace"""

SINKS = ("plain", "failing", "hanging")
"""of `tests.survival.sinks`"""
LATER = "later"
"""one that some processes have, and others do not know"""

GATEWAY: dict[str, Any] = {
    "min_poll_seconds": 0.05,
    "max_poll_seconds": 1.5,
    "refresh_after_seconds": 0.1,
    "place_budget_seconds": 1.5,
    "adopt_grace_seconds": GRACE_SECONDS,
    "lost_grace_seconds": 0.5,
    "missing_file_grace_seconds": 8.0,
    "lease_seconds": LEASE_SECONDS,
    "provider_timeout_seconds": TIMEOUT_SECONDS,
    "estimated_output_tokens": 4,  # those of an answer
    "sinks": sinks.named(*SINKS),
    "delivery_retry_seconds": [0.2],
    "webhook_keys": ["a-key-that-signs-webhooks-0123456789"],
    "webhooks_to_private_addresses": True,
}
"""of `tests.survival.server.configure`"""
RESCUES: dict[str, Any] = {
    "min_retry_rows": 1,
    "late_rows_grace_seconds": 1.0,
    "at_expiry": "stop",
    "copies_per_shard": 2,
    "max_parallel_copies": 2,
}
"""the same, of rounds in which inputs are several tiles and jobs are rescued"""
CANCELLING_SECONDS = 2.0
"""how long a provider takes to cancel a job then: longer than rows are waited for"""
TILE_REQUESTS = 4
"""the most that a deployment takes at once then"""
PENDING_SECONDS = 10.0
"""for which a provider does not come to use a file: there are eight looks at it meanwhile"""
LEFT_SECONDS = 10.0
"""of the window of a batch that a day has passed for: half of it is over before a job of it is late"""
LIVE_TIMEOUT_SECONDS = 3.0
LIVE_LEASE_SECONDS = 1.6 * LIVE_TIMEOUT_SECONDS
"""of a claim on requests of a live job"""
LIVE: dict[str, Any] = {
    "live_timeout_seconds": LIVE_TIMEOUT_SECONDS,
    "overflow_after_seconds": 1.5,
    "completion_windows": ["24h", "1h"],
}
"""the same as `GATEWAY`, of rounds with live deployments"""
DOWN_SECONDS = 0.6
"""how long a server is away that has died"""
