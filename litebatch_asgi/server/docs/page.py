"""The page: an OpenAPI document in HTML. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import htpy as h
from htpy import Element, Node
from markupsafe import Markup

from litebatch_asgi.server.docs.prose import prose
from litebatch_asgi.server.docs.schemas import about, fields, link_to, table

_GROUPS = {
    "files": "Files",
    "batches": "Batches",
    "models": "Models",
    "model_group": "Models",
    "spend": "Spend",
    "webhook_endpoints": "Webhooks",
    "webhook_event_types": "Webhooks",
    "key": "Virtual keys",
    "team": "Teams",
    "user": "Users",
}
_INTRODUCTION = (
    "Every call takes a key in the header `Authorization: Bearer KEY`. Every path stands with and without "
    "`/v1`; the stock OpenAI clients take the address with `/v1` as their `base_url`. What is marked with * "
    "must be there."
)


def page(document: Mapping[str, Any], style: str) -> str:
    """The whole page; `style` is its style sheet."""
    info = document["info"]
    groups = _grouped(document["paths"])
    title = f"{info['title']} API"
    head = h.head[
        h.meta(charset="utf-8"),
        h.meta(name="viewport", content="width=device-width, initial-scale=1"),
        h.title[title],
        h.style[Markup(style)],  # a file of ours  # noqa: S704
    ]
    body = h.body[
        h.header[
            h.h1[title, " ", h.small[info["version"]]],
            h.p[info["description"]],
            h.p[prose(_INTRODUCTION)],
            h.p["Programs read the same at ", h.a(href="openapi.json")["openapi.json"], "."],
        ],
        h.nav[
            (_contents(name, operations) for name, operations in groups.items()),
            h.h2[h.a(href="#schemas")["Schemas"]],
        ],
        h.main[
            (_group(name, operations) for name, operations in groups.items()),
            _schemas(document["components"]["schemas"]),
        ],
    ]
    return "".join(h.html(lang="en")[head, body].iter_chunks())


def _grouped(paths: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Any]]]:
    """Operations with their method and path, by what they are about."""
    groups: dict[str, list[tuple[str, str, Any]]] = {}
    for path, methods in paths.items():
        first = path.split("/")[1]
        shared = methods.get("parameters", [])
        for method, operation in methods.items():
            if method != "parameters":
                whole = operation | {"parameters": [*shared, *operation.get("parameters", [])]}
                groups.setdefault(_GROUPS.get(first, first), []).append((method.upper(), path, whole))
    return groups


def _contents(name: str, operations: list[tuple[str, str, Any]]) -> Element:
    links = (
        h.li[h.a(href=f"#{operation['operationId']}")[_method(method), " ", path]]
        for method, path, operation in operations
    )
    return h.section[h.h2[name], h.ul[links]]


def _method(method: str) -> Element:
    return h.span(class_=f"method {method.lower()}")[method]


def _group(name: str, operations: list[tuple[str, str, Any]]) -> Element:
    shown = (_operation(method, path, operation) for method, path, operation in operations)
    return h.section[h.h2[name], shown]


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Element:
    parameters = operation["parameters"]
    rows = [(each["name"], _described(each), each.get("required", False)) for each in parameters]
    return h.article(id=operation["operationId"])[
        h.h3[_method(method), " ", h.code[path]],
        h.p[prose(operation["summary"])],
        [h.h4["Parameters"], table(rows, what="name")] if rows else None,
        _body(operation["requestBody"]) if "requestBody" in operation else None,
        h.h4["Answers"],
        _answers(operation["responses"]),
    ]


def _described(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter, which says where it is sent."""
    schema = dict(parameter["schema"])
    told = parameter.get("description") or schema.get("description", "")
    where = "" if parameter["in"] == "query" else f"In the {parameter['in']}. "
    return schema | {"description": f"{where}{told}".strip()}


def _body(body: Mapping[str, Any]) -> Node:
    (media_type, content), *_ = body["content"].items()
    schema = content["schema"]
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    shown = h.p[link_to(name)] if name else fields(schema)
    return [h.h4["Body ", h.small[media_type]], shown]


def _answers(responses: Mapping[str, Any]) -> Element:
    rows = (
        h.tr[
            h.td[h.code[status]],
            h.td[_answer(response)],
            h.td[prose(_sentence(response["description"]))],
        ]
        for status, response in sorted(responses.items())
    )
    return h.div(".table")[h.table[rows]]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _answer(response: Mapping[str, Any]) -> Node:
    (media_type, content), *_ = response.get("content", {"": {"schema": {}}}).items()
    name = str(content["schema"].get("$ref", "")).rpartition("/")[2]
    return link_to(name) if name else media_type


def _schemas(schemas: Mapping[str, Any]) -> Element:
    shown = (
        h.article(id=f"schema-{name}")[
            h.h3[name],
            h.p[about({"description": schema.get("description", "")})],
            fields(schema),
        ]
        for name, schema in sorted(schemas.items())
    )
    return h.section[h.h2("#schemas")["Schemas"], shown]
