"""What is told, to whom, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from litebatch_asgi.models.tellings import Telling, Told
from litebatch_asgi.webhooks.queue import ClaimedWebhook
from litebatch_sql.webhook_queue import SQLWebhookQueue

Patch = pytest.MonkeyPatch


def everything_is_news(patch: Patch) -> None:
    """What operators were told is told again each time that it is seen."""

    def is_news(self: Telling, last: Told | None) -> bool:
        return True

    patch.setattr(Telling, "is_news", is_news)


def endpoints_are_not_held(patch: Patch) -> None:
    """A claim on an endpoint has run out as soon as it was made."""
    claim = SQLWebhookQueue.claim

    async def claim_for_no_time(self: SQLWebhookQueue, worker: str, **options: Any) -> list[ClaimedWebhook]:
        options["lease_seconds"] = 0.0
        return await claim(self, worker, **options)

    patch.setattr(SQLWebhookQueue, "claim", claim_for_no_time)
