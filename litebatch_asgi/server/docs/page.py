"""The page: an OpenAPI document in HTML. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litebatch_asgi.server.docs.html import Content, Markup, element, joined, prose
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
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        element(
            "header",
            element("h1", title, " ", element("small", info["version"])),
            element("p", info["description"]),
            element("p", prose(_INTRODUCTION)),
            element(
                "p", "Programs read the same at ", element("a", "openapi.json", href="openapi.json"), "."
            ),
        ),
        element(
            "nav",
            *(_contents(name, operations) for name, operations in groups.items()),
            element("h2", element("a", "Schemas", href="#schemas")),
        ),
        element(
            "main",
            *(_group(name, operations) for name, operations in groups.items()),
            _schemas(document["components"]["schemas"]),
        ),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


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


def _contents(name: str, operations: list[tuple[str, str, Any]]) -> Markup:
    links = [
        element("li", element("a", _method(method), " ", path, href=f"#{operation['operationId']}"))
        for method, path, operation in operations
    ]
    return element("section", element("h2", name), element("ul", *links))


def _method(method: str) -> Markup:
    return element("span", method, class_=f"method {method.lower()}")


def _group(name: str, operations: list[tuple[str, str, Any]]) -> Markup:
    shown = (_operation(method, path, operation) for method, path, operation in operations)
    return element("section", element("h2", name), *shown)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Markup:
    parameters = operation["parameters"]
    rows = [(each["name"], _described(each), each.get("required", False)) for each in parameters]
    parts: list[Content] = [
        element("h3", _method(method), " ", element("code", path)),
        element("p", prose(operation["summary"])),
    ]
    if rows:
        parts += [element("h4", "Parameters"), table(rows, what="name")]
    if "requestBody" in operation:
        parts += _body(operation["requestBody"])
    parts += [element("h4", "Answers"), _answers(operation["responses"])]
    return element("article", *parts, id=operation["operationId"])


def _described(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter, which says where it is sent."""
    schema = dict(parameter["schema"])
    told = parameter.get("description") or schema.get("description", "")
    where = "" if parameter["in"] == "query" else f"In the {parameter['in']}. "
    return schema | {"description": f"{where}{told}".strip()}


def _body(body: Mapping[str, Any]) -> list[Content]:
    (media_type, content), *_ = body["content"].items()
    schema = content["schema"]
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    shown = element("p", link_to(name)) if name else fields(schema)
    return [element("h4", "Body ", element("small", media_type)), shown]


def _answers(responses: Mapping[str, Any]) -> Markup:
    rows = [
        element(
            "tr",
            element("td", element("code", status)),
            element("td", _answer(response)),
            element("td", prose(_sentence(response["description"]))),
        )
        for status, response in sorted(responses.items())
    ]
    return element("div", element("table", *rows), class_="table")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _answer(response: Mapping[str, Any]) -> Markup:
    (media_type, content), *_ = response.get("content", {"": {"schema": {}}}).items()
    name = str(content["schema"].get("$ref", "")).rpartition("/")[2]
    return link_to(name) if name else joined((media_type,))


def _schemas(schemas: Mapping[str, Any]) -> Markup:
    shown = (
        element(
            "article",
            element("h3", name),
            element("p", about({"description": schema.get("description", "")})),
            fields(schema),
            id=f"schema-{name}",
        )
        for name, schema in sorted(schemas.items())
    )
    return element("section", element("h2", "Schemas", id="schemas"), *shown)
