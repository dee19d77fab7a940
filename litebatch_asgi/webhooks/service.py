"""The endpoints of webhooks as their owners see them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from litebatch_asgi.errors import (
    InvalidRequest,
    LimitExceeded,
    NotFound,
    RateLimited,
    StateConflict,
)
from litebatch_asgi.models import (
    DeliveryState,
    OutboxItem,
    Page,
    Principal,
    WebhookEndpoint,
    WebhookEventType,
)
from litebatch_asgi.models.ids import EVENT_PREFIX, WEBHOOK_PREFIX, batch_id_in, new_id, webhook_id_in
from litebatch_asgi.models.principal import owner_to_list
from litebatch_asgi.outbox import Outbox
from litebatch_asgi.webhooks.endpoints import EndpointQuery, WebhookEndpointStore
from litebatch_asgi.webhooks.secrets import WebhookKeys, hint_of
from litebatch_asgi.webhooks.sender import WebhookSender
from litebatch_asgi.webhooks.signing import event_text, signed
from litebatch_asgi.webhooks.urls import webhook_url

MOST_ENDPOINTS = 20
"""of an owner"""
MOST_REPLAYED = 1000
"""deliveries that are looked at to be sent again, at a time"""
KEPT = timedelta(hours=24)
"""how long an old secret signs as well, where that is asked for"""
RETRIED = timedelta(minutes=11)
"""within which a client's own retry may follow: the stock clients wait ten minutes for an answer"""
DISABLED_BY_OWNER = "its owner has disabled it"
_NO_KEYS = (
    "This gateway signs no webhooks: its operator has to set litebatch_settings.webhook_keys to a list with "
    "a secret of at least 32 characters, such as [os.environ/LITEBATCH_WEBHOOK_KEY]."
)
_KEY_MISSING = (
    "The key that this endpoint's secret is derived from is not among webhook_keys, or the database is a "
    "copy of another one: rotate the secret, or have the operator put the key back."
)
_SAMPLE = batch_id_in("")
"""the id that no batch has"""


class WithSecret(NamedTuple):
    """An endpoint, with the secret that nobody is told again."""

    endpoint: WebhookEndpoint
    secret: str


class WebhookService:
    """Everything that owners do with endpoints. What is another owner's is `NotFound`, unless an admin asks.

    `to_private`: whether URLs may be private ones; see `webhook_url`.
    """

    def __init__(
        self,
        store: WebhookEndpointStore,
        outbox: Outbox,
        keys: WebhookKeys,
        sender: WebhookSender,
        *,
        now: Callable[[], datetime],
        to_private: bool,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._keys = keys
        self._sender = sender
        self._now = now
        self._to_private = to_private
        self._tested: set[str] = set()

    def is_paused(self, endpoint: WebhookEndpoint) -> bool:
        """Whether nothing can be signed for it, for its key is missing here."""
        return endpoint.key_fingerprint not in self._keys

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        url: str,
        event_types: Sequence[WebhookEventType],
        is_retry: bool = False,
    ) -> WithSecret:
        """Register an endpoint. Raises `LimitExceeded`, `InvalidRequest` for its URL or without keys.

        `is_retry`: the client's own retry logic asks, and gets what the try before has made, if it has.
        """
        fingerprint = self._newest_key()
        now, endpoint_id = self._now(), new_id(WEBHOOK_PREFIX)
        secret = self._secret(fingerprint, endpoint_id, 1)
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            owner=principal.owner,
            created_by=principal.key_id,
            name=name,
            url=webhook_url(url, to_private=self._to_private),
            event_types=tuple(event_types),
            key_fingerprint=fingerprint,
            secret_hint=hint_of(secret),
            created_at=now,
            updated_at=now,
        )
        made = await self._made_before(endpoint) if is_retry else None
        if made is not None:
            return made
        if not await self._store.create(endpoint, most=MOST_ENDPOINTS):
            raise LimitExceeded(
                "max_webhook_endpoints",
                principal.owner,
                limit=MOST_ENDPOINTS,
                used=MOST_ENDPOINTS,
                asked=1,
                advice="Delete one that is not needed any more.",
            )
        return WithSecret(endpoint, secret)

    async def page(
        self, principal: Principal, *, owner: str | None, after: str | None, limit: int
    ) -> Page[WebhookEndpoint]:
        """Those of the principal's owner, newest first; an admin sees everybody's, or those of `owner`."""
        last = None
        if after is not None:
            try:
                last = await self.retrieve(principal, after)
            except NotFound as error:
                raise InvalidRequest(
                    f"No webhook endpoint with id '{after}' to go on after.", param="after"
                ) from error
        query = EndpointQuery(owner=owner_to_list(principal, owner), after=last, limit=limit + 1)
        found = await self._store.page(query)
        return Page(items=found[:limit], has_more=len(found) > limit)

    async def retrieve(self, principal: Principal, endpoint_id: str) -> WebhookEndpoint:
        """One endpoint."""
        endpoint = await self._store.get(webhook_id_in(endpoint_id))
        if endpoint is None or not principal.may_see(endpoint.owner):
            raise _unknown(endpoint_id)
        return endpoint

    async def update(
        self,
        principal: Principal,
        endpoint_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        event_types: Sequence[WebhookEventType] | None = None,
    ) -> WebhookEndpoint:
        """Change what is given. Naming a URL, be it the same one, puts a disabled endpoint to use again."""
        written = None if url is None else webhook_url(url, to_private=self._to_private)
        now = self._now()

        def decide(current: WebhookEndpoint) -> WebhookEndpoint:
            changed = replace(
                current,
                name=current.name if name is None else name,
                url=written or current.url,
                event_types=current.event_types if event_types is None else tuple(event_types),
            )
            if written is not None:
                anew = {"disabled_at": None, "disabled_reason": None, "failures": 0, "next_attempt_at": None}
                changed = replace(changed, **anew)
            return changed if changed == current else replace(changed, updated_at=now)

        return await self._change(principal, endpoint_id, decide)

    async def disable(self, principal: Principal, endpoint_id: str) -> WebhookEndpoint:
        """Send nothing to an endpoint, until it is put to use again: see `update`. What waits for it is kept.

        What happens meanwhile is not told to it, later neither.
        """
        now = self._now()

        def decide(current: WebhookEndpoint) -> WebhookEndpoint:
            if current.disabled_at is not None:
                return current
            return replace(current, disabled_at=now, disabled_reason=DISABLED_BY_OWNER, updated_at=now)

        return await self._change(principal, endpoint_id, decide)

    async def untaken(
        self, principal: Principal, endpoint_id: str, *, after: str | None = None, limit: int
    ) -> Page[OutboxItem]:
        """What an endpoint has not taken yet, and what it is not told any more, the newest batches first.

        `after` is the id of the last event of the page before. What an endpoint has taken is not kept.
        """
        endpoint = await self.retrieve(principal, endpoint_id)
        last = None if after is None else await self._outbox.event(after)
        if after is not None and (last is None or last.owner != endpoint.owner):
            raise InvalidRequest(f"No event with id '{after[:100]}' to go on after.", param="after")
        found = await self._outbox.untaken(endpoint.id, after=last, limit=limit + 1)
        return Page(items=found[:limit], has_more=len(found) > limit)

    async def replay(self, principal: Principal, endpoint_id: str, event_id: str | None = None) -> int:
        """Have dead deliveries tried again, as if they were new: of one event, or the newest ones; how many.

        Of all of them at most `MOST_REPLAYED`: those among so many that the endpoint has not taken.
        """
        endpoint = await self.retrieve(principal, endpoint_id)
        if event_id is not None:
            event_ids = [event_id]
        else:
            found = await self._outbox.untaken(endpoint.id, limit=MOST_REPLAYED)
            event_ids = [each.event.id for each in found if each.delivery.state is DeliveryState.DEAD]
        return await self._outbox.replay(sink=endpoint.id, event_ids=event_ids, limit=MOST_REPLAYED)

    async def delete(self, principal: Principal, endpoint_id: str) -> str:
        """Delete one; its id."""
        endpoint = await self.retrieve(principal, endpoint_id)
        try:
            await self._store.delete(endpoint.id)
        except StateConflict as error:
            raise _unknown(endpoint_id) from error
        return endpoint.id

    async def rotate_secret(
        self, principal: Principal, endpoint_id: str, *, keep_old: bool, is_retry: bool = False
    ) -> WithSecret:
        """Give an endpoint a new secret; with `keep_old` the one before signs as well for 24 hours.

        `is_retry`: the client's own retry logic asks. It gets the secret of the try before: another one would
        end the secret that receivers have, and keep one that nobody was told.
        """
        fingerprint, now = self._newest_key(), self._now()

        def decide(current: WebhookEndpoint) -> WebhookEndpoint:
            is_done = current.rotated_at is not None and now - current.rotated_at < RETRIED
            if is_retry and is_done and current.key_fingerprint == fingerprint:
                return current
            version = current.version + 1
            return replace(
                current,
                version=version,
                key_fingerprint=fingerprint,
                secret_hint=hint_of(self._secret(fingerprint, current.id, version)),
                old_key_fingerprint=current.key_fingerprint if keep_old else None,
                keeps_old_until=now + KEPT if keep_old else None,
                rotated_at=now,
                updated_at=now,
            )

        rotated = await self._change(principal, endpoint_id, decide)
        return WithSecret(rotated, self._secret(fingerprint, rotated.id, rotated.version))

    async def _made_before(self, wanted: WebhookEndpoint) -> WithSecret | None:
        """The same endpoint, that this caller has made a moment ago."""
        for found in await self._store.page(EndpointQuery(owner=wanted.owner, limit=MOST_ENDPOINTS)):
            is_recent = wanted.created_at - found.created_at < RETRIED and found.rotated_at is None
            if is_recent and _asked(found) == _asked(wanted):
                return WithSecret(found, self._secret(found.key_fingerprint, found.id, found.version))
        return None

    async def test(self, principal: Principal, endpoint_id: str, event_type: WebhookEventType) -> int:
        """Send a sample now; the status of the answer, whatever that says. It changes nothing.

        Raises `InvalidRequest` if there is none, or nothing to sign with, and `RateLimited` while another
        test for the same owner is under way: each may hold a thread with a name that is never found.
        """
        endpoint = await self.retrieve(principal, endpoint_id)
        now = self._now()
        secrets = self._keys.secrets_of(endpoint, now)
        if not secrets:
            raise InvalidRequest(_KEY_MISSING, code="no_webhook_keys")
        event_id = new_id(EVENT_PREFIX)
        with self._one_test(endpoint.owner):
            text = event_text(event_id, event_type.value, _SAMPLE, now)
            delivery = await self._sender.send(endpoint.url, signed(event_id, text, secrets, at=now))
        if delivery.status is None:
            raise InvalidRequest(
                f"The receiver gave no answer: {delivery.reason}.", param="url", code="webhook_not_answered"
            )
        return delivery.status

    async def _change(
        self,
        principal: Principal,
        endpoint_id: str,
        decide: Callable[[WebhookEndpoint], WebhookEndpoint],
    ) -> WebhookEndpoint:
        endpoint = await self.retrieve(principal, endpoint_id)
        try:
            return await self._store.change(endpoint.id, decide)
        except StateConflict as error:
            raise _unknown(endpoint_id) from error

    @contextmanager
    def _one_test(self, owner: str) -> Generator[None]:
        if owner in self._tested:
            raise RateLimited("Another test of an endpoint of yours is under way, try again in a moment.")
        self._tested.add(owner)
        try:
            yield
        finally:
            self._tested.remove(owner)

    def _newest_key(self) -> str:
        if self._keys.newest is None:
            raise InvalidRequest(_NO_KEYS, code="no_webhook_keys")
        return self._keys.newest

    def _secret(self, fingerprint: str, endpoint_id: str, version: int) -> str:
        secret = self._keys.secret(fingerprint, endpoint_id, version)
        assert secret is not None  # the fingerprint is that of the newest key
        return secret


def _asked(endpoint: WebhookEndpoint) -> tuple[object, ...]:
    """Equal for endpoints that were asked for in the same words, by one key, under one key of ours."""
    who = (endpoint.created_by, endpoint.key_fingerprint)
    return (*who, endpoint.name, endpoint.url, endpoint.event_types)


def _unknown(endpoint_id: str) -> NotFound:
    return NotFound(f"No webhook endpoint found with id '{endpoint_id[:100]}'.")
