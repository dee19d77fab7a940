"""The description of the API: an OpenAPI 3.1 document, made from the structs of `wire`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import errors, wire
from litebatch_asgi.routes.endpoint import not_allowed
from litebatch_asgi.routes.operations import OPERATIONS, UNIVERSAL, Operation
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.wire.repeats import KEY_HEADER, MAX_KEY

_SCHEMAS = "#/components/schemas/{name}"
_REQUEST_ID = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}

_IDEMPOTENCY_KEY = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": (
        "Requests with one key make one object: for 24 hours each answer is that object as it is then, with "
        "the header `idempotency-replayed: true`. A key counts for its owner and one request. Without a key, "
        "a retry of the stock clients gets what they have had no answer for, as long as their connection "
        "broke before the answer was sent; an answer that was lost on its way is covered by a key only."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"},
}


class Description:
    """Answers `GET /openapi.json`, to anyone. The document is made for the first one who asks.

    `extend` adds to it what is served beside the API.
    """

    def __init__(
        self, version: str, *, extend: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    ) -> None:
        self._version = version
        self._extend = extend or dict
        self._document: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: ASGIApp
        if scope["method"] in ("GET", "HEAD"):
            self._document = self._document or self._extend(describe(self._version))
            servers = [{"url": scope.get("root_path") or "/"}]
            answer = JSONAnswer(self._document | {"servers": servers})
        else:
            answer = not_allowed(scope, ("GET", "HEAD"))
        await answer(scope, receive, send)


def describe(version: str) -> dict[str, Any]:
    """The document, without the servers."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LiteBatch",
            "version": version,
            "description": "OpenAI's Files and Batches API over many provider deployments.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}],
        "paths": {path: _path(path, methods) for path, methods in OPERATIONS.items()},
        "components": {
            "schemas": _answers() | _bodies(),
            "headers": {
                "x-request-id": {
                    "description": "Names the request in the gateway's log; the client's own if it sent one.",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path(path: str, methods: Mapping[str, Operation]) -> dict[str, Any]:
    described: dict[str, Any] = {method: _operation(each) for method, each in methods.items()}
    if "{id}" in path:
        described["parameters"] = [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return described


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {
            "200": _answer(operation.answer),
            **_refusals((*UNIVERSAL, *operation.errors)),
        },
    }
    if operation.query is not None:
        described["parameters"] = _parameters(operation.query)
    if operation.is_create:
        described["parameters"] = [_IDEMPOTENCY_KEY]
    if operation.json is not None:
        described["requestBody"] = _body("application/json", _reference(operation.json))
    if operation.form is not None:
        described["requestBody"] = _body("multipart/form-data", operation.form)
    return described


def _body(media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _answer(struct: type[msgspec.Struct] | None) -> dict[str, Any]:
    media_type = "application/json" if struct else "application/octet-stream"
    schema = _reference(struct) if struct else {"type": "string", "format": "binary"}
    description = _told_by(struct) if struct else "The bytes of the file."
    return {
        "description": description,
        "headers": _REQUEST_ID,
        "content": {media_type: {"schema": schema}},
    }


def _refusals(kinds: Sequence[type[errors.RequestError]]) -> dict[str, Any]:
    return {
        str(kind.status): {
            "description": _told_by(kind).partition(": ")[2],
            "headers": _REQUEST_ID,
            "content": {"application/json": {"schema": _reference(wire.ErrorBody)}},
        }
        for kind in sorted(kinds, key=lambda kind: kind.status)
    }


def _parameters(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """A query's parameters: what is None by default cannot be sent as null, but left out."""
    properties: dict[str, dict[str, Any]] = _schemas([query])[query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}
        for name, schema in properties.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    alternatives: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return next(each for each in alternatives if each.get("type") != "null")


def _answers() -> dict[str, Any]:
    """The schemas of what is answered, where every field is always there."""
    components = _schemas([each.answer for each in _operations() if each.answer] + [wire.ErrorBody])
    for schema in components.values():
        properties: dict[str, dict[str, Any]] = schema.get("properties", {})
        for name, field in properties.items():
            if field.pop("default", schema) is not schema:
                schema["required"].append(name)
    return components


def _bodies() -> dict[str, Any]:
    return _schemas(each.json for each in _operations() if each.json)


def _operations() -> Iterable[Operation]:
    return (operation for methods in OPERATIONS.values() for operation in methods.values())


def _schemas(structs: Iterable[type[msgspec.Struct]]) -> dict[str, dict[str, Any]]:
    components: dict[str, dict[str, Any]]
    _, components = msgspec.json.schema_components(structs, ref_template=_SCHEMAS)
    return components


def _reference(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _SCHEMAS.format(name=struct.__name__)}


def _told_by(kind: type) -> str:
    """The first paragraph of a docstring."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
