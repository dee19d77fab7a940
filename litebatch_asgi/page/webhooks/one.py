"""One endpoint: what it is, and what it has not taken."""

from __future__ import annotations

from collections.abc import Mapping

import htpy as h
from htpy import Node

from litebatch_asgi import wire
from litebatch_asgi.errors import NotFound, RequestError
from litebatch_asgi.models import WebhookEndpoint, WebhookEventType
from litebatch_asgi.page.key import key_named
from litebatch_asgi.page.parts import ago, choice, facts, heading, post, tick, token, when
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.page.webhooks.deliveries import deliveries
from litebatch_asgi.page.webhooks.making import body_of
from litebatch_asgi.page.webhooks.paths import path_of
from litebatch_asgi.page.webhooks.shown import form, state_of, typed_of
from litebatch_asgi.wire.webhooks import KEEP_OLD


async def show_one(visit: Visit) -> Shown:
    """`GET /webhooks/{id}`."""
    return await page_of(visit, await endpoint_of(visit))


async def endpoint_of(visit: Visit) -> WebhookEndpoint:
    """The endpoint that the address names. Raises `NotFound`."""
    return await visit.services.webhooks.retrieve(visit.principal, visit.parameter("id"))


async def page_of(
    visit: Visit,
    endpoint: WebhookEndpoint,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: RequestError | None = None,
    failed: RequestError | None = None,
) -> Shown:
    """The page of an endpoint; `wrong`: what was typed into its form, `failed`: what was asked for."""
    error = wrong or failed
    content: Node = [
        heading(endpoint.name, *_buttons(visit, endpoint)),
        h.p(role="alert")[failed.message] if failed is not None else None,
        _about(visit, endpoint, await key_named(visit, endpoint.created_by)),
        await deliveries(visit, endpoint),
        h.h2["Try it"],
        _test(visit, endpoint),
        h.h2["Change it"],
        form(visit, path_of(endpoint), typed or typed_of(endpoint), "Save", wrong),
    ]
    status = 200 if error is None else error.status
    return Shown(title=endpoint.name, content=content, status=status, is_live=error is None)


async def save(visit: Visit) -> Shown | Moved:
    """`POST /webhooks/{id}`. An URL that stays does not put a disabled endpoint to use again."""
    endpoint, typed = await endpoint_of(visit), await visit.form()
    try:
        asked = wire.parse_update_webhook(body_of(typed))
        changed = await visit.services.webhooks.update(
            visit.principal,
            endpoint.id,
            name=asked.name,
            url=None if asked.url == endpoint.url else asked.url,
            event_types=asked.event_types,
        )
    except NotFound:
        raise
    except RequestError as error:
        return await page_of(visit, endpoint, typed=typed, wrong=error)
    return Moved(path=path_of(changed), notice=f"{changed.name} is saved.")


def _buttons(visit: Visit, endpoint: WebhookEndpoint) -> list[Node]:
    is_on = endpoint.disabled_at is None
    switch = post(
        visit,
        path_of(endpoint, "disable" if is_on else "enable"),
        "Disable" if is_on else "Enable",
        class_="quiet",
    )
    asked = f"{endpoint.name} is deleted for good, with what it has not taken."
    delete = post(visit, path_of(endpoint, "delete"), "Delete the endpoint", confirm=asked)
    return [switch, _rotate(visit, endpoint), delete]


def _rotate(visit: Visit, endpoint: WebhookEndpoint) -> Node:
    return h.details(".confirm")[
        h.summary(role="button")["Rotate the secret …"],
        h.div[
            h.form(".form", method="post", action=visit.url(path_of(endpoint, "rotate")))[
                token(visit),
                tick("The old one signs as well for 24 hours", KEEP_OLD, is_ticked=True),
                h.button(type="submit")["Yes, rotate the secret"],
            ]
        ],
    ]


def _about(visit: Visit, endpoint: WebhookEndpoint, key: Node) -> Node:
    state, reason = state_of(visit, endpoint)
    is_admin = visit.principal.is_admin
    return facts(
        [
            ("State", state),
            ("Why", reason),
            ("URL", endpoint.url),
            ("Told of", ", ".join(each.value for each in endpoint.event_types)),
            ("Secret", endpoint.secret_hint),
            ("Owner", endpoint.owner if is_admin else None),
            ("Created by", key),
            ("Created", when(endpoint.created_at)),
            ("Sent last", ago(endpoint.tried_at, visit.now)),
            ("Failures in a row", f"{endpoint.failures:,}" if endpoint.failures else None),
        ]
    )


def _test(visit: Visit, endpoint: WebhookEndpoint) -> Node:
    types = [(each.value, each.value) for each in WebhookEventType]
    return h.form(".filters", method="post", action=visit.url(path_of(endpoint, "test")), data_still=True)[
        token(visit),
        choice("Event", "event_type", types, endpoint.event_types[0].value),
        h.button(type="submit", class_="quiet")["Send a sample"],
    ]
