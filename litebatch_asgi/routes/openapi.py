"""The description of the API: an OpenAPI 3.1 document, made from the structs of `wire`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import errors, wire
from litebatch_asgi.routes.endpoint import not_allowed
from litebatch_asgi.routes.operations import OPERATIONS, UNIVERSAL, Link, Operation, Operations
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.routes.upload_operations import UPLOAD_OPERATIONS
from litebatch_asgi.routes.webhook_operations import WEBHOOK_OPERATIONS
from litebatch_asgi.wire.repeats import KEY_HEADER, MAX_KEY

_MAY_BE_EMPTY = ("string", "array")
"""types of which a parameter without a value has one, an empty text"""
_PATH_PARAMETER = re.compile(r"{(\w+)}")
_SCHEMAS = "#/components/schemas/{name}"
_BINARY = {"type": "string", "format": "binary", "description": "The bytes of the file."}
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

    `more` is what is served beside the API.
    """

    def __init__(self, version: str, *more: Operations) -> None:
        self._version = version
        self._more = more
        self._document: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: ASGIApp
        if scope["method"] in ("GET", "HEAD"):
            self._document = self._document or describe(self._version, *self._more)
            servers = [{"url": scope.get("root_path") or "/"}]
            answer = JSONAnswer(self._document | {"servers": servers})
        else:
            answer = not_allowed(scope, ("GET", "HEAD"))
        await answer(scope, receive, send)


def describe(version: str, *more: Operations) -> dict[str, Any]:
    """The document, without the servers; `more` is what is served beside the API."""
    served = (OPERATIONS, UPLOAD_OPERATIONS, WEBHOOK_OPERATIONS, *more)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LiteBatch",
            "version": version,
            "description": "OpenAI's Files and Batches API over many provider deployments.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}],
        "paths": {path: _path(path, methods) for part in served for path, methods in part.items()},
        "components": {
            "schemas": _components(served),
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
    names = _PATH_PARAMETER.findall(path)
    if names:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return described


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {
            "200": _answer(operation),
            **_refusals((*UNIVERSAL, *operation.errors)),
        },
    }
    if operation.query is not None:
        described["parameters"] = _parameters(operation.query)
    if operation.is_create:
        described["parameters"] = [_IDEMPOTENCY_KEY]
    if operation.json is not None:
        described["requestBody"] = _body("application/json", _schema(operation.json), operation.needs_json)
    if operation.form is not None:
        described["requestBody"] = _body("multipart/form-data", operation.form, required=True)
    return described


def _body(media_type: str, schema: Mapping[str, Any], required: bool) -> dict[str, Any]:
    return {"required": required, "content": {media_type: {"schema": schema}}}


def _answer(operation: Operation) -> dict[str, Any]:
    media_type, schema = _content(operation.answer)
    text = {operation.text: {"schema": {"type": "string"}}} if operation.text is not None else {}
    described = {
        "description": schema.pop("description", None) or _told_by(operation.answer),
        "headers": _REQUEST_ID,
        "content": {media_type: {"schema": schema}} | text,
    }
    return described | ({"links": _links(operation.links)} if operation.links else {})


def _content(answer: Any) -> tuple[str, dict[str, Any]]:
    if answer is None:
        return "application/octet-stream", dict(_BINARY)
    if isinstance(answer, str):
        return "text/plain", {"type": "string", "description": answer}
    return "application/json", _schema(answer)


def _links(links: Mapping[str, Link]) -> dict[str, Any]:
    return {
        name: {"operationId": link.operation, "description": link.description}
        | ({"parameters": link.parameters} if link.parameters else {})
        | ({"requestBody": link.json} if link.json is not None else {})
        for name, link in links.items()
    }


def _refusals(kinds: Sequence[type[errors.RequestError]]) -> dict[str, Any]:
    return {
        str(kind.status): {
            "description": _told_by(kind).partition(": ")[2],
            "headers": _REQUEST_ID,
            "content": {"application/json": {"schema": _schema(wire.ErrorBody)}},
        }
        for kind in sorted(kinds, key=lambda kind: kind.status)
    }


def _parameters(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """A query's parameters: what need not be there cannot be sent as null, but without a value."""
    schema = _schemas([query])[query.__name__]
    properties: dict[str, dict[str, Any]] = schema["properties"]
    required: list[str] = schema.get("required", [])
    return [_parameter(name, field, is_required=name in required) for name, field in properties.items()]


def _parameter(name: str, field: dict[str, Any], *, is_required: bool) -> dict[str, Any]:
    schema = _without_null(field)
    described = {"name": name, "in": "query", "required": is_required, "schema": schema}
    items: dict[str, Any] = schema.get("items", {})
    is_limited = any(name in part for name in ("enum", "format") for part in (schema, items))
    must_be_said = not is_required and (is_limited or schema["type"] not in _MAY_BE_EMPTY)
    return described | ({"allowEmptyValue": True} if must_be_said else {})


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    alternatives: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return next(each for each in alternatives if each.get("type") != "null")


def _components(served: Sequence[Operations]) -> dict[str, Any]:
    operations = [each for part in served for methods in part.values() for each in methods.values()]
    answers = [each.answer for each in operations if not isinstance(each.answer, str | None)]
    bodies = [each.json for each in operations if each.json is not None]
    return _always_there(_schemas([*answers, wire.ErrorBody])) | _schemas(bodies)


def _always_there(components: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schemas of what is answered: every field that has a value by default is there."""
    for schema in components.values():
        properties: dict[str, dict[str, Any]] = schema.get("properties", {})
        for name, field in properties.items():
            if field.pop("default", schema) is not schema:
                schema["required"].append(name)
    return components


def _schemas(types: Iterable[Any]) -> dict[str, dict[str, Any]]:
    return msgspec.json.schema_components(types, ref_template=_SCHEMAS)[1]


def _schema(described: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([described], ref_template=_SCHEMAS)
    return schema


def _told_by(described: Any) -> str:
    """The first paragraph of a docstring."""
    return " ".join((described.__doc__ or "").partition("\n\n")[0].split())
