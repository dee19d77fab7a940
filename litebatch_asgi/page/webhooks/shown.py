"""What several pages of webhooks show."""

from __future__ import annotations

from collections.abc import Mapping

import htpy as h
from htpy import Element, Node

from litebatch_asgi import wire
from litebatch_asgi.errors import RequestError
from litebatch_asgi.models import WebhookEndpoint, WebhookEventType
from litebatch_asgi.page.parts import chip, code, empty, field, shown_once, tick, token
from litebatch_asgi.page.visit import Visit

_PREFIX = "tells:"
_ONCE = "Give it to the receiver now: it checks with it who sends. It is kept nowhere, and not shown again."
_TONES = {"enabled": "ready", "paused": "waiting", "disabled": "dead"}
_KEYS = """\
litebatch_settings:
  webhook_keys: [os.environ/LITEBATCH_WEBHOOK_KEY]"""


def form(
    visit: Visit, path: str, typed: Mapping[str, str], label: str, error: RequestError | None = None
) -> Element:
    """The form of an endpoint, with what was typed and what is wrong with it."""
    wrong = {error.param: error.message} if error is not None else {}
    types = wrong.get("event_types")
    other = error.message if error is not None and error.param not in ("name", "url", "event_types") else None
    return h.form(".form", method="post", action=visit.url(path), data_still=True)[
        token(visit),
        h.p(role="alert")[other] if other else None,
        field("Name", "name", typed.get("name"), wrong=wrong.get("name"), autocomplete="off"),
        field(
            "URL",
            "url",
            typed.get("url"),
            hint="Where events are sent to, such as https://hooks.example.com/batches.",
            wrong=wrong.get("url"),
            inputmode="url",
            autocomplete="off",
        ),
        h.fieldset(aria_describedby="wrong-types" if types else None)[
            h.legend["What is told"],
            (
                tick(each.value, _PREFIX + each.value, is_ticked=_PREFIX + each.value in typed)
                for each in WebhookEventType
            ),
            h.small("#wrong-types.wrong")[types] if types else None,
        ],
        h.button(type="submit")[label],
    ]


def types_in(typed: Mapping[str, str]) -> list[str]:
    """The events that are ticked."""
    return [each.value for each in WebhookEventType if _PREFIX + each.value in typed]


def typed_of(endpoint: WebhookEndpoint) -> dict[str, str]:
    """What would be typed to say what an endpoint is."""
    ticked = {_PREFIX + each.value: "on" for each in endpoint.event_types}
    return {"name": endpoint.name, "url": endpoint.url, **ticked}


def state_of(visit: Visit, endpoint: WebhookEndpoint) -> tuple[Node, str | None]:
    """Whether events are sent to it, and if not why."""
    is_paused = visit.services.webhooks.is_paused(endpoint)
    told = wire.webhook_object(endpoint, is_paused=is_paused).litebatch
    return chip(_TONES[told.status], told.status), told.reason


def with_secret(visit: Visit, endpoint: WebhookEndpoint, secret: str) -> Node:
    """The secret of an endpoint, and the way on."""
    there = visit.url(f"/webhooks/{endpoint.id}")
    return [
        shown_once("Signing secret", secret, _ONCE),
        h.p[h.a(href=there)["Go to the endpoint"]],
    ]


def without_keys() -> Node:
    """What is to be set where nothing can be signed."""
    return empty(
        "This gateway signs no webhooks",
        h.p["Its operator has to name a secret of at least 32 characters in the configuration:"],
        code(_KEYS),
    )
