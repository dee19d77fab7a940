"""Finds the batch that an earlier run of the same command has made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import islice

import msgspec

from litebatch_asgi.cli.client.api import ABSENT, API
from litebatch_asgi.cli.client.errors import Refused
from litebatch_asgi.cli.client.objects import GIVEN_UP, Batch

RUN = "litebatch_run"
"""under which the digest of a run stands in the metadata of its batch"""
MOST_BATCHES = 500
"""so many of the newest batches are looked at"""
_HEX_DIGITS = 40


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a run already."""

    batch: Batch | None = None
    """the one to go on with"""
    given_up: Batch | None = None
    """the newest one that has ended without success"""

    def key(self, run: str, what: str) -> str:
        """An idempotency key: another one for each batch that has to be made anew."""
        after = f"-after-{self.given_up.id}" if self.given_up is not None else ""
        return f"{what}-{run}{after}"[:255]


def digest_of_run(*, sha256: str, model: str, endpoint: str, window: str, metadata: Mapping[str, str]) -> str:
    """Equal for runs that ask for the same."""
    described = msgspec.json.encode((sha256, model, endpoint, window, dict(metadata)), order="sorted")
    return hashlib.sha256(described).hexdigest()[:_HEX_DIGITS]


def find(api: API, run: str) -> Earlier:
    """The newest batch of a run that can be gone on with, or the newest one that cannot."""
    given_up: Batch | None = None
    try:
        for batch in islice(api.batches(MOST_BATCHES), MOST_BATCHES):
            if batch.metadata.get(RUN) != run or batch.retries is not None:
                continue
            if batch.status not in GIVEN_UP:
                return Earlier(batch=batch)
            given_up = given_up or batch
    except Refused as error:
        if error.status not in ABSENT:
            raise
    return Earlier(given_up=given_up)
