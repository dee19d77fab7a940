"""What is told, to whom, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from litebatch_asgi.delivering.webhooks import WebhookWorker
from litebatch_asgi.failpoints import passing
from litebatch_asgi.models.tellings import Telling, Told
from litebatch_asgi.webhooks.queue import ClaimedWebhook, WebhookResult
from litebatch_asgi.webhooks.signing import event_text, signed
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


def endpoints_are_taken_as_they_were(patch: Patch) -> None:
    """What was claimed is sent, whatever has become of its endpoint since."""

    async def sent(self: WebhookWorker, claimed: ClaimedWebhook, since: float) -> WebhookResult:
        await passing("deliver.webhook_claimed")
        now, event, endpoint = self._runtime.now(), claimed.item.event, claimed.endpoint
        text = event_text(event.id, event.type, event.batch_id or event.subject, event.created_at)
        secrets = self._keys.secrets_of(endpoint, now)
        delivery = await self._sender.send(endpoint.url, signed(event.id, text, secrets, at=now))
        return self._result(claimed, delivery)

    patch.setattr(WebhookWorker, "_result_of", sent)
