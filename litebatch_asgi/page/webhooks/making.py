"""New endpoints."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from htpy import Node

from litebatch_asgi import wire
from litebatch_asgi.errors import RequestError
from litebatch_asgi.models import WebhookEventType
from litebatch_asgi.page.parts import heading
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.page.webhooks.paths import NEW
from litebatch_asgi.page.webhooks.shown import form, types_in, with_secret, without_keys

_TITLE = "New endpoint"
_ALL = {f"tells:{each.value}": "on" for each in WebhookEventType}


async def show_form(visit: Visit) -> Shown:
    """`GET /webhooks/new`."""
    return _form(visit, _ALL)


def _form(visit: Visit, typed: Mapping[str, str], error: RequestError | None = None) -> Shown:
    can_sign = bool(visit.services.settings.webhook_keys)
    shown = form(visit, NEW, typed, "Create the endpoint", error) if can_sign else without_keys()
    content: Node = [heading(_TITLE), shown]
    return Shown(title=_TITLE, content=content, status=200 if error is None else error.status)


async def create(visit: Visit) -> Shown:
    """`POST /webhooks/new`: its secret is shown at once, on this answer alone."""
    typed = await visit.form()
    try:
        asked = wire.parse_create_webhook(body_of(typed))
        made = await visit.services.webhooks.create(
            visit.principal, name=asked.name, url=asked.url, event_types=asked.event_types
        )
    except RequestError as error:
        return _form(visit, typed, error)
    title = f"{made.endpoint.name} is created"
    content: Node = [heading(title), with_secret(visit, made.endpoint, made.secret)]
    return Shown(title=title, content=content)


def body_of(typed: Mapping[str, str]) -> bytes:
    """The body of the API's call that a form stands for: it is checked as that is."""
    named = {name: typed.get(name, "") for name in ("name", "url")}
    return msgspec.json.encode({**named, "event_types": types_in(typed)})
