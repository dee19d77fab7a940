"""OpenAI's endpoints of webhooks: objects, and what requests say of them.

Source: OpenAI's OpenAPI document, `/webhook_endpoints` and `/webhook_event_types`. Of its event types those
of batches are known here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Page, WebhookEndpoint, WebhookEventType
from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.webhooks.urls import MAX_URL
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.requests import json_body

MAX_WEBHOOK_NAME = 256
KEEP_OLD = "keep_old_secret_active_for_24_hours"
_TYPES = [each.value for each in WebhookEventType]
_PAUSED = (
    "the key that its secret is derived from is not among the operator's webhook_keys, or the database is a "
    "copy of another one; rotate its secret, or have the operator put the key back"
)

_Name = Annotated[
    str, Meta(min_length=1, max_length=MAX_WEBHOOK_NAME, extra_json_schema={"pattern": PLAIN_PATTERN})
]
_Url = Annotated[
    str, Meta(max_length=MAX_URL, description="Where events are sent to, over HTTPS; without a user name.")
]
_EventTypes = Annotated[
    tuple[WebhookEventType, ...], Meta(min_length=1, description="What is told of the caller's batches.")
]


class CreateWebhookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a webhook endpoint is made of."""

    name: _Name
    url: _Url
    event_types: _EventTypes


class UpdateWebhookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of a webhook endpoint. Naming a URL puts a disabled one to use again."""

    name: _Name | None = None
    url: _Url | None = None
    event_types: _EventTypes | None = None


class RotateSecretBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the secret of a webhook endpoint is to be replaced."""

    keep_old_secret_active_for_24_hours: bool | None = None


class TestWebhookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be sent as a sample."""

    __test__ = False  # to pytest it looks like one of its own

    event_type: WebhookEventType


class WebhookDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What OpenAI's webhook endpoint has no field for. Owner and key are shown to admins alone."""

    owner: Annotated[str | UnsetType, Meta(description="Whose it is.")] = UNSET
    key: Annotated[
        str | UnsetType | None, Meta(description="The id of the key that created it, if it has one.")
    ] = UNSET
    status: Annotated[
        Literal["enabled", "paused", "disabled"],
        Meta(description="paused: nothing can be signed; disabled: its receiver wants no more."),
    ]
    reason: Annotated[str | None, Meta(description="Why nothing is sent to it; null: events are.")]


class WebhookEndpointObject(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's webhook endpoint."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    created_at: int
    updated_at: int
    name: str
    url: str
    event_types: tuple[WebhookEventType, ...]
    signing_secret_hint: str
    litebatch: WebhookDetails


class WebhookEndpointWithSecret(WebhookEndpointObject, frozen=True, kw_only=True):
    """OpenAI's webhook endpoint, with the secret that is told once."""

    signing_secret: str


class WebhookEndpointList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of webhook endpoints."""

    object: Literal["list"] = "list"
    data: list[WebhookEndpointObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedWebhookEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to deleting a webhook endpoint."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: bool = True


class WebhookTestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver of a sample has answered."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: WebhookEventType
    status_code: int
    success: Literal[True] = True
    """there was an answer; whether it is a good one, `status_code` tells"""


class WebhookEventTypeList(msgspec.Struct, frozen=True, kw_only=True):
    """What webhooks can tell."""

    object: Literal["list"] = "list"
    data: tuple[WebhookEventType, ...] = tuple(WebhookEventType)


def parse_create_webhook(body: bytes) -> CreateWebhookBody:
    """The body of `POST /webhook_endpoints`; its URL is checked later."""
    given = json_body(body)
    checks.only_known(given, CreateWebhookBody.__struct_fields__)
    for name in CreateWebhookBody.__struct_fields__:
        if name not in given:
            raise checks.missing(name)
    return CreateWebhookBody(**_checked(given))


def parse_update_webhook(body: bytes) -> UpdateWebhookBody:
    """The body of `POST /webhook_endpoints/{id}`; what is null is left as it is."""
    given = json_body(body)
    checks.only_known(given, UpdateWebhookBody.__struct_fields__)
    return UpdateWebhookBody(**_checked({name: value for name, value in given.items() if value is not None}))


def parse_rotate_secret(body: bytes) -> bool:
    """The body of `POST /webhook_endpoints/{id}/rotate_secret`: whether the old secret is kept for a day."""
    given = json_body(body) if body else {}
    checks.only_known(given, (KEEP_OLD,))
    keep = given.get(KEEP_OLD)
    if keep is not None and not isinstance(keep, bool):
        raise checks.wrong_type(KEEP_OLD, "a boolean", keep)
    return bool(keep)


def parse_test_webhook(body: bytes) -> WebhookEventType:
    """The body of `POST /webhook_endpoints/{id}/test`: what is to be sent."""
    given = json_body(body)
    checks.only_known(given, TestWebhookBody.__struct_fields__)
    return _event_type(checks.required_text(given, "event_type"), "event_type")


def webhook_object(
    endpoint: WebhookEndpoint, *, is_paused: bool, for_admin: bool = False
) -> WebhookEndpointObject:
    """The endpoint as clients see it; `is_paused`: its key is missing."""
    return WebhookEndpointObject(**_fields(endpoint, is_paused, for_admin))


def webhook_with_secret(
    endpoint: WebhookEndpoint, secret: str, *, for_admin: bool = False
) -> WebhookEndpointWithSecret:
    """The same, when its secret is new."""
    return WebhookEndpointWithSecret(
        signing_secret=secret, **_fields(endpoint, is_paused=False, for_admin=for_admin)
    )


def webhook_list(page: Page[WebhookEndpointObject]) -> WebhookEndpointList:
    """A page of endpoints as clients see it."""
    data = list(page.items)
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return WebhookEndpointList(data=data, first_id=first, last_id=last, has_more=page.has_more)


def _fields(endpoint: WebhookEndpoint, is_paused: bool, for_admin: bool) -> dict[str, Any]:
    status, reason = "enabled", None
    if endpoint.disabled_at is not None:
        status, reason = "disabled", endpoint.disabled_reason
    elif is_paused:
        status, reason = "paused", _PAUSED
    whose: dict[str, Any] = {"owner": endpoint.owner, "key": endpoint.created_by} if for_admin else {}
    return {
        "id": endpoint.id,
        "created_at": int(endpoint.created_at.timestamp()),
        "updated_at": int(endpoint.updated_at.timestamp()),
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "signing_secret_hint": endpoint.secret_hint,
        "litebatch": WebhookDetails(status=cast("Any", status), reason=reason, **whose),
    }


def _checked(given: dict[str, object]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    if "name" in given:
        name = checks.no_longer_than(MAX_WEBHOOK_NAME, checks.text(given["name"], "name"), "name")
        if not name:
            raise InvalidRequest("Invalid 'name': it is empty.", param="name", code="invalid_value")
        checked["name"] = checks.plain(name, "name")
    if "url" in given:
        checked["url"] = checks.text(given["url"], "url")
    if "event_types" in given:
        checked["event_types"] = _event_types(given["event_types"])
    return checked


def _event_types(given: object) -> tuple[WebhookEventType, ...]:
    if not isinstance(given, list):
        raise checks.wrong_type("event_types", "an array", given)
    if not given:
        raise InvalidRequest(
            f"Invalid 'event_types': it is empty. Name at least one of {', '.join(_TYPES)}.",
            param="event_types",
            code="empty_array",
        )
    named = (checks.text(each, "event_types") for each in cast("list[object]", given))
    return tuple(dict.fromkeys(_event_type(each, "event_types") for each in named))


def _event_type(value: str, param: str) -> WebhookEventType:
    return WebhookEventType(checks.one_of(_TYPES, value, param))
