"""Where pages of webhooks are."""

from __future__ import annotations

from litebatch_asgi.models import WebhookEndpoint

LIST = "/webhooks"
NEW = "/webhooks/new"
ONE = "/webhooks/{id}"


def path_of(endpoint: WebhookEndpoint, action: str | None = None) -> str:
    """The page of an endpoint, or of what is done with it."""
    return f"{LIST}/{endpoint.id}" + (f"/{action}" if action is not None else "")
