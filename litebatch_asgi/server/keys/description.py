"""The part of the gateway's own description that tells of keys, users and teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from litebatch_asgi.server.keys import bodies

_REFERENCE = "#/components/schemas/{name}"
_BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/key/generate": bodies.KeyFields,
    "/key/update": bodies.KeyFields,
    "/key/regenerate": bodies.KeyFields,
    "/key/{key}/regenerate": bodies.KeyFields,
    "/key/block": bodies.KeyFields,
    "/key/unblock": bodies.KeyFields,
    "/key/delete": bodies.DeletedKeys,
    "/team/new": bodies.NewTeamFields,
    "/team/update": bodies.TeamFields,
    "/team/block": bodies.TeamFields,
    "/team/unblock": bodies.TeamFields,
    "/team/delete": bodies.DeletedTeams,
    "/user/new": bodies.NewUserFields,
    "/user/update": bodies.UserFields,
    "/user/block": bodies.UserFields,
    "/user/unblock": bodies.UserFields,
    "/user/delete": bodies.DeletedUsers,
}
_QUERIES: Mapping[str, tuple[str, ...]] = {
    "/key/info": ("key",),
    "/key/list": ("page", "size", "user_id", "team_id", "key_alias", "key_hash", "return_full_object"),
    "/team/info": ("team_id",),
    "/team/list": (),
    "/user/info": ("user_id",),
    "/user/list": ("page", "page_size", "user_ids"),
}
_REFUSALS = {
    "400": "A field is wrong.",
    "401": "No key, or one that does not count.",
    "403": "The caller is no admin.",
    "404": "There is no such key, user or team.",
    "409": "Files or batches still belong to the id of a new user or team.",
}


def with_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """The description of the API with these routes beside the others."""
    components = document["components"]
    _, schemas = msgspec.json.schema_components(set(_BODIES.values()), ref_template=_REFERENCE)
    paths = {path: {"post": _posting(path, body)} for path, body in _BODIES.items()}
    paths |= {path: {"get": _looking(path, query)} for path, query in _QUERIES.items()}
    return {
        **document,
        "paths": {**document["paths"], **paths},
        "components": {**components, "schemas": {**components["schemas"], **schemas}},
    }


def _posting(path: str, body: type[msgspec.Struct]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name=body.__name__)}
    described = _operation(path) | {
        "requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}
    }
    if "{key}" in path:
        described["parameters"] = [_parameter("key", "path")]
    return described


def _looking(path: str, query: tuple[str, ...]) -> dict[str, Any]:
    return _operation(path) | {"parameters": [_parameter(name, "query") for name in query]}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _operation(path: str) -> dict[str, Any]:
    words = path.replace("{key}", "named").strip("/").split("/")
    refusals = {
        status: _answer(told, {"$ref": _REFERENCE.format(name="ErrorBody")})
        for status, told in _REFUSALS.items()
    }
    return {
        "operationId": "_".join(words),
        "summary": f"{words[-1].capitalize()}, of keys, users and teams as LiteLLM has it: {path}.",
        "responses": {"200": _answer("As in LiteLLM.", {}), **refusals},
    }


def _answer(told: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": told,
        "headers": {"x-request-id": {"$ref": "#/components/headers/x-request-id"}},
        "content": {"application/json": {"schema": schema}},
    }
