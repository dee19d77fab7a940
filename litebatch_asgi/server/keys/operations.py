"""What can be done with keys, users and teams: by this table requests are routed, and described."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from litebatch_asgi.errors import Conflict, InvalidRequest, NotFound, RequestTimeout
from litebatch_asgi.routes.operations import Link, Operation, Operations
from litebatch_asgi.server.keys import answers, bodies, queries

_NAMED_BY = ("keys", "key_aliases")
_AT_LEAST_ONE = [{"required": [name], "properties": {name: {"minItems": 1}}} for name in _NAMED_BY]
_SOME_KEYS: Any = Annotated[bodies.DeletedKeys, Meta(extra_json_schema={"anyOf": _AT_LEAST_ONE})]
_ALL_TEAMS: Any = Annotated[list[answers.TeamRow], Meta(description="All teams.")]
_HOW_MANY: Any = Annotated[int, Meta(description="How many they were.")]


def _changing(
    path: str,
    summary: str,
    *,
    takes: Any,
    gives: Any,
    needs_json: bool = True,
    links: dict[str, Link] | None = None,
) -> Operations:
    operation = Operation(
        id=_id(path),
        summary=summary,
        json=takes,
        needs_json=needs_json,
        answer=gives,
        errors=(InvalidRequest, NotFound, RequestTimeout, Conflict),
        links=links or {},
    )
    return {path: {"post": operation}}


def _looking(path: str, summary: str, *, gives: Any, asks: type[msgspec.Struct] | None = None) -> Operations:
    errors = (InvalidRequest, NotFound)
    operation = Operation(id=_id(path), summary=summary, query=asks, answer=gives, errors=errors)
    return {path: {"get": operation}}


def _id(path: str) -> str:
    return "_".join(path.replace("{key}", "named").strip("/").split("/"))


def _links(kind: str, name: str) -> dict[str, Link]:
    its_name = f"$response.body#/{name}"
    return {
        "Info": Link(operation=f"{kind}_info", description="Look at it.", parameters={name: its_name}),
        "Update": Link(operation=f"{kind}_update", description="Change it.", json={name: its_name}),
        "Block": Link(operation=f"{kind}_block", description="Block it.", json={name: its_name}),
    }


KEY_OPERATIONS: Operations = {
    **_changing(
        "/key/generate",
        "Make a key.",
        takes=bodies.NewKeyFields,
        needs_json=False,
        gives=answers.NewKey,
        links=_links("key", "key"),
    ),
    **_changing("/key/update", "Change a key.", takes=bodies.ChangedKeyFields, gives=answers.ChangedKey),
    **_changing(
        "/key/regenerate",
        "Give a key another secret.",
        takes=bodies.ChangedKeyFields,
        gives=answers.NewKey,
    ),
    **_changing(
        "/key/{key}/regenerate",
        "Give a key another secret.",
        takes=bodies.KeyFields,
        needs_json=False,
        gives=answers.NewKey,
    ),
    **_changing("/key/block", "Block a key.", takes=bodies.NamedKey, gives=answers.KeyRow),
    **_changing("/key/unblock", "Let a blocked key go on.", takes=bodies.NamedKey, gives=answers.KeyRow),
    **_changing("/key/delete", "Delete keys.", takes=_SOME_KEYS, gives=answers.DeletedKeysAnswer),
    **_looking("/key/info", "Look at a key.", asks=queries.KeyQuery, gives=answers.KeyInfo),
    **_looking("/key/list", "List keys, newest first.", asks=queries.KeyListQuery, gives=answers.KeyPage),
    **_changing(
        "/team/new",
        "Make a team.",
        takes=bodies.NewTeamFields,
        needs_json=False,
        gives=answers.NewTeam,
        links=_links("team", "team_id"),
    ),
    **_changing("/team/update", "Change a team.", takes=bodies.ChangedTeamFields, gives=answers.ChangedTeam),
    **_changing("/team/block", "Block all keys of a team.", takes=bodies.NamedTeam, gives=answers.TeamRow),
    **_changing("/team/unblock", "Let a blocked team go on.", takes=bodies.NamedTeam, gives=answers.TeamRow),
    **_changing(
        "/team/delete",
        "Delete teams with their keys.",
        takes=bodies.DeletedTeams,
        gives=answers.DeletedTeamsAnswer,
    ),
    **_looking("/team/info", "Look at a team.", asks=queries.TeamQuery, gives=answers.TeamInfo),
    **_looking("/team/list", "List all teams.", gives=_ALL_TEAMS),
    **_changing(
        "/user/new",
        "Make a user, and a key for it.",
        takes=bodies.NewUserFields,
        needs_json=False,
        gives=answers.NewUser,
        links=_links("user", "user_id"),
    ),
    **_changing("/user/update", "Change a user.", takes=bodies.ChangedUserFields, gives=answers.ChangedUser),
    **_changing("/user/block", "Block all keys of a user.", takes=bodies.NamedUser, gives=answers.UserRow),
    **_changing("/user/unblock", "Let a blocked user go on.", takes=bodies.NamedUser, gives=answers.UserRow),
    **_changing("/user/delete", "Delete users with their keys.", takes=bodies.DeletedUsers, gives=_HOW_MANY),
    **_looking("/user/info", "Look at a user.", asks=queries.UserQuery, gives=answers.UserInfo),
    **_looking("/user/list", "List users, newest first.", asks=queries.UserListQuery, gives=answers.UserPage),
}
