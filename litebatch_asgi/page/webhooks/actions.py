"""What the buttons of an endpoint do."""

from __future__ import annotations

from htpy import Node

from litebatch_asgi.errors import InvalidRequest, RateLimited
from litebatch_asgi.models import WebhookEventType
from litebatch_asgi.page.parts import counted, heading
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.page.webhooks.one import endpoint_of, page_of
from litebatch_asgi.page.webhooks.paths import LIST, path_of
from litebatch_asgi.page.webhooks.shown import with_secret
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.webhooks import KEEP_OLD

_TYPES = [each.value for each in WebhookEventType]


async def test(visit: Visit) -> Shown | Moved:
    """`POST /webhooks/{id}/test`."""
    endpoint, form = await endpoint_of(visit), await visit.form()
    try:
        name = checks.one_of(_TYPES, form.get("event_type", ""), "event_type")
        status = await visit.services.webhooks.test(visit.principal, endpoint.id, WebhookEventType(name))
    except (InvalidRequest, RateLimited) as error:
        return await page_of(visit, endpoint, failed=error)
    good = "It has taken the sample" if 200 <= status < 300 else "It has not taken the sample"
    return Moved(path=path_of(endpoint), notice=f"{good}: the answer was {status}.")


async def rotate(visit: Visit) -> Shown:
    """`POST /webhooks/{id}/rotate`: the secret is shown at once, on this answer alone."""
    keep_old = bool((await visit.form()).get(KEEP_OLD))
    rotated = await visit.services.webhooks.rotate_secret(
        visit.principal, visit.parameter("id"), keep_old=keep_old
    )
    title = f"{rotated.endpoint.name} has another secret"
    content: Node = [heading(title), with_secret(visit, rotated.endpoint, rotated.secret)]
    return Shown(title=title, content=content)


async def disable(visit: Visit) -> Moved:
    """`POST /webhooks/{id}/disable`."""
    endpoint = await visit.services.webhooks.disable(visit.principal, visit.parameter("id"))
    return Moved(path=path_of(endpoint), notice=f"Nothing is sent to {endpoint.name} any more.")


async def enable(visit: Visit) -> Moved:
    """`POST /webhooks/{id}/enable`."""
    endpoint = await endpoint_of(visit)
    await visit.services.webhooks.update(visit.principal, endpoint.id, url=endpoint.url)
    return Moved(path=path_of(endpoint), notice=f"Events are sent to {endpoint.name} again.")


async def delete(visit: Visit) -> Moved:
    """`POST /webhooks/{id}/delete`."""
    endpoint = await endpoint_of(visit)
    await visit.services.webhooks.delete(visit.principal, endpoint.id)
    return Moved(path=LIST, notice=f"{endpoint.name} is deleted.")


async def replay(visit: Visit) -> Moved:
    """`POST /webhooks/{id}/replay`: of one event, or of all."""
    endpoint = await endpoint_of(visit)
    event_id = (await visit.form()).get("event") or None
    count = await visit.services.webhooks.replay(visit.principal, endpoint.id, event_id)
    said = (
        f"{counted(count, 'event is', 'events are')} sent again." if count else "Nothing was dead any more."
    )
    return Moved(path=path_of(endpoint), notice=said)
