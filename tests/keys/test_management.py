"""The calls that LiteLLM's admin scripts make, and their answers."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openai import BadRequestError

from tests.access.standalone import MASTER, Standalone
from tests.harness import MODEL, lines

LIMITS: dict[str, Any] = {
    "max_batch_requests": 100,
    "max_open_batches": 2,
    "max_enqueued_requests": 0,
    "max_enqueued_tokens": 1 << 40,
    "max_file_bytes": 7,
    "max_files": 8,
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def age(moment: str) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(moment)


async def counts(gateway: Standalone, key: str) -> bool:
    """Whether a key is let in."""
    async with gateway.http(key) as http:
        answer = await http.get("/models")
    assert answer.status_code in (200, 401)
    assert answer.status_code == 200 or answer.json()["error"]["code"] == "invalid_api_key"
    return answer.status_code == 200


async def test_a_new_key_tells_everything_about_itself(shared: Standalone) -> None:
    await shared.manage("/team/new", team_id="t-all")
    fields: dict[str, Any] = {
        "models": [MODEL, "cheap"],
        "key_alias": "naïve ☃",
        "user_id": "u-all",
        "team_id": "t-all",
        "max_budget": 12.5,
        "soft_budget": 10.25,
        "budget_duration": "30d",
        "metadata": {"user": "a@b.c", "nested": [1, None]},
    } | LIMITS
    made = await shared.manage("/key/generate", duration="30d", **fields)
    key = made["key"]
    token = hashlib.sha256(key.encode()).hexdigest()
    assert {name: made[name] for name in fields} == fields
    assert (made["token"], made["token_id"]) == (token, token)
    assert made["key_name"] == f"sk-...{key[-4:]}"
    assert (made["blocked"], made["owner"], made["created_by"]) == (False, "team:t-all", "master")
    assert timedelta(days=-30) < age(made["expires"]) < timedelta(days=-29.9)
    assert age(made["created_at"]) < timedelta(minutes=1)
    shown = {name: value for name, value in made.items() if name not in ("key", "warnings")}
    for named in (key, token):
        assert await shared.look("/key/info", key=named) == {"key": token, "info": shown | {"spend": 0}}


async def test_a_new_key_needs_nothing_but_a_request(shared: Standalone) -> None:
    async with shared.http(MASTER) as http:
        made = (await http.post("/key/generate")).json()
    assert (made["models"], made["expires"], made["user_id"], made["team_id"]) == ([], None, None, None)
    assert "warnings" not in made
    assert await counts(shared, made["key"])


async def test_a_key_looks_at_itself_and_at_no_other(shared: Standalone) -> None:
    made = await shared.manage("/key/generate")
    key, token, other = made["key"], made["token"], await shared.new_key()
    for query in ({}, {"key": key}, {"key": token}):
        assert (await shared.look("/key/info", caller=key, **query))["key"] == token
    for named in (other, "0" * 64, "nonsense"):
        status, error = await shared.refusal(f"/key/info?key={named}", caller=key, method="GET")
        assert (status, error["code"]) == (403, "permission_denied")
    status, error = await shared.refusal("/key/info", method="GET")
    assert (status, error["param"]) == (400, "key")


async def test_an_update_changes_what_it_says_and_null_takes_away(shared: Standalone) -> None:
    made = await shared.manage("/key/generate", key_alias="up", duration="1h", metadata={"a": 1}, **LIMITS)
    key = made["key"]
    changed = await shared.manage("/key/update", key=key, max_open_batches=9, models=[MODEL])
    assert changed["key"] == made["token"]
    same = made | {"key": made["token"], "max_open_batches": 9, "models": [MODEL]}
    assert changed == same | {"updated_at": changed["updated_at"]}
    emptied = await shared.manage(
        "/key/update", key=made["token"], models=None, metadata=None, duration="-1", key_alias=None
    )
    assert (emptied["models"], emptied["metadata"], emptied["key_alias"]) == ([], {}, None)
    assert emptied["expires"] is None
    assert emptied["max_open_batches"] == 9


@pytest.mark.parametrize("kind", ["key", "team", "user"])
async def test_what_is_blocked_counts_no_more_at_once(shared: Standalone, kind: str) -> None:
    await shared.manage("/team/new", team_id=f"t-{kind}")
    key = await shared.new_key(team_id=f"t-{kind}", user_id=f"u-{kind}")
    names: dict[str, Any] = {
        "key": {"key": key},
        "team": {"team_id": "t-team"},
        "user": {"user_id": "u-user"},
    }
    named = names[kind]
    for _ in range(2):
        assert await counts(shared, key)
        assert (await shared.manage(f"/{kind}/block", **named))["blocked"] is True
        assert not await counts(shared, key)
        assert (await shared.manage(f"/{kind}/unblock", **named))["blocked"] is False
    await shared.manage(f"/{kind}/update", **named, blocked=True)
    status, error = await shared.refusal("/models", caller=key, method="GET")
    assert status == 401
    assert error["message"] == f"This API key does not count: the {kind} is blocked."


async def test_a_deleted_key_counts_no_more(shared: Standalone) -> None:
    made = [await shared.manage("/key/generate", key_alias=f"gone-{number}") for number in range(3)]
    keys = [each["key"] for each in made]
    deleted = await shared.manage("/key/delete", keys=[keys[0], made[1]["token"]], key_aliases=["gone-2"])
    assert deleted == {"deleted_keys": [keys[0], made[1]["token"], "gone-2"]}
    assert [await counts(shared, key) for key in keys] == [False] * 3
    for body in ({"keys": [keys[0]]}, {"key_aliases": ["gone-2"]}):
        assert (await shared.refusal("/key/delete", body))[0] == 404


async def test_deleting_is_of_all_or_none(shared: Standalone) -> None:
    key = await shared.new_key()
    status, _ = await shared.refusal("/key/delete", {"keys": [key, "sk-nobody-has-ever-had-this-key"]})
    assert status == 404
    assert await counts(shared, key)


@pytest.mark.parametrize(("kind", "answer"), [("team", {"deleted_teams": ["x-team"]}), ("user", 1)])
async def test_with_a_team_or_user_go_its_keys(shared: Standalone, kind: str, answer: Any) -> None:
    await shared.manage(f"/{kind}/new", **{f"{kind}_id": f"x-{kind}"})
    key, other = await shared.new_key(**{f"{kind}_id": f"x-{kind}"}), await shared.new_key()
    going: dict[str, Any] = {f"{kind}_ids": [f"x-{kind}"]}
    assert await shared.manage(f"/{kind}/delete", **going) == answer
    assert (await counts(shared, key), await counts(shared, other)) == (False, True)
    assert (await shared.refusal(f"/{kind}/info?{kind}_id=x-{kind}", method="GET"))[0] == 404


async def test_an_expired_key_is_told_so(shared: Standalone) -> None:
    key = await shared.new_key(duration="1h")
    assert await counts(shared, key)
    await shared.manage("/key/update", key=key, duration="1s")
    await shared.eventually(lambda: _not(counts(shared, key)))
    _, error = await shared.refusal("/models", caller=key, method="GET")
    assert error["message"].startswith("This API key has expired, at ")


async def _not(holds: Any) -> bool:
    return not await holds


async def test_keys_are_listed_page_by_page(shared: Standalone) -> None:
    made = [await shared.manage("/key/generate", user_id="u-list", key_alias=f"l-{n}") for n in range(5)]
    tokens = [each["token"] for each in made][::-1]
    for page, size, found in ((1, 2, tokens[:2]), (3, 2, tokens[4:]), (4, 2, []), (1, 100, tokens)):
        listed = await shared.look("/key/list", user_id="u-list", page=str(page), size=str(size))
        assert listed == {
            "keys": found,
            "total_count": 5,
            "current_page": page,
            "total_pages": -(-5 // size),
        }
    full = await shared.look("/key/list", key_alias="l-3", return_full_object="true")
    assert [each["key_alias"] for each in full["keys"]] == ["l-3"]
    assert all(each["key"] not in str(full) for each in made)
    assert (await shared.look("/key/list", key_hash=tokens[0]))["keys"] == tokens[:1]
    assert (await shared.look("/key/list", key_hash="0" * 64))["keys"] == []
    for query in ("page=0", "size=0", "size=101", "page=x"):
        assert (await shared.refusal(f"/key/list?{query}", method="GET"))[0] == 400


async def test_a_team_with_its_keys(shared: Standalone) -> None:
    team = await shared.manage("/team/new", team_alias="search", models=[MODEL], metadata={"a": 1}, **LIMITS)
    team_id = team["team_id"]
    assert (team["team_alias"], team["models"], team["blocked"]) == ("search", [MODEL], False)
    assert {name: team[name] for name in LIMITS} == LIMITS
    key = await shared.manage("/key/generate", team_id=team_id)
    info = await shared.look("/team/info", team_id=team_id)
    assert (info["team_id"], info["team_memberships"]) == (team_id, [])
    assert info["team_info"] == team | {"spend": 0}
    assert [each["token"] for each in info["keys"]] == [key["token"]]
    updated = await shared.manage("/team/update", team_id=team_id, team_alias=None, max_budget=3)
    assert updated["team_id"] == team_id
    assert (updated["data"]["team_alias"], updated["data"]["max_budget"]) == (None, 3.0)
    assert updated["data"] | {"spend": 0} in await shared.look("/team/list")


async def test_a_user_gets_a_key_at_once(shared: Standalone) -> None:
    made = await shared.manage(
        "/user/new", user_id="u-new", user_email="a@b.c", user_role="internal_user", duration="1d"
    )
    assert made["user_id"] == "u-new"
    assert await counts(shared, made["key"])
    assert made["expires"] is not None
    assert (await shared.refusal("/user/new", {"user_id": "u-none", "team_id": "none"}))[0] == 400
    assert (await shared.refusal("/user/info?user_id=u-none", method="GET"))[0] == 404
    bare = await shared.manage("/user/new", auto_create_key=False)
    assert "key" not in bare
    info = await shared.look("/user/info", user_id="u-new")
    assert info["user_info"]["user_email"] == "a@b.c"
    assert [each["token"] for each in info["keys"]] == [made["token"]]
    updated = await shared.manage("/user/update", user_id="u-new", user_alias="A")
    assert updated["data"]["user_alias"] == "A"
    listed = await shared.look("/user/list", user_ids="u-new", page_size="5")
    assert listed == {
        "users": [updated["data"] | {"spend": 0}],
        "total": 1,
        "page": 1,
        "page_size": 5,
        "total_pages": 1,
    }


async def test_an_admin_is_whoever_has_the_role(shared: Standalone) -> None:
    made = await shared.manage("/user/new", user_id="u-admin", user_role="proxy_admin")
    key = await shared.manage("/key/generate", caller=made["key"])
    assert key["created_by"] == "user:u-admin"
    await shared.manage("/user/update", user_id="u-admin", user_role="internal_user")
    status, error = await shared.refusal("/key/generate", {}, caller=made["key"])
    assert (status, error["code"]) == (403, "permission_denied")


async def test_what_has_no_effect_here_is_told(shared: Standalone) -> None:
    made = await shared.manage("/key/generate", tpm_limit=10, max_open_batchs=1, max_budget=5)
    assert made["warnings"] == [
        "max_open_batchs has no effect here",
        "tpm_limit has no effect here",
    ]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/key/generate", {"models": "gpt"}, "models"),
        ("/key/generate", {"models": [1]}, "models"),
        ("/key/generate", {"duration": "soon"}, "duration"),
        ("/key/generate", {"duration": "999999mo"}, "duration"),
        ("/key/generate", {"max_open_batches": -1}, "max_open_batches"),
        ("/key/generate", {"max_budget": -1}, "max_budget"),
        ("/key/generate", {"max_budget": "NaN"}, "max_budget"),
        ("/key/generate", {"soft_budget": -0.5}, "soft_budget"),
        ("/key/generate", {"budget_duration": "12h"}, "budget_duration"),
        ("/team/new", {"budget_duration": "1y"}, "budget_duration"),
        ("/user/new", {"budget_duration": 30}, "budget_duration"),
        ("/key/generate", {"key_alias": ""}, "key_alias"),
        ("/key/generate", {"key_alias": "a\u0000b"}, "key_alias"),
        ("/key/generate", {"user_id": "x" * 300}, "user_id"),
        ("/key/generate", {"team_id": "no-such-team"}, "team_id"),
        ("/key/generate", {"key": "sk-short"}, "key"),
        ("/key/generate", {"metadata": []}, "metadata"),
        ("/key/generate", {"blocked": "yes"}, "blocked"),
        ("/key/update", {}, "key"),
        ("/key/block", {}, "key"),
        ("/key/regenerate", {}, "key"),
        ("/key/delete", {}, "keys"),
        ("/team/update", {}, "team_id"),
        ("/team/delete", {}, "team_ids"),
        ("/user/block", {}, "user_id"),
        ("/user/delete", {"user_ids": "x"}, "user_ids"),
    ],
)
async def test_what_cannot_be_is_refused(
    shared: Standalone, path: str, body: dict[str, Any], param: str
) -> None:
    status, error = await shared.refusal(path, body)
    assert (status, error["param"]) == (400, param), error


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            {"duration": "30 days"},
            "Invalid 'duration': '30 days' is none. Write a whole number and its unit: 30s, 30m, 12h, 30d, "
            "2w or 2mo; or -1 for a key that never expires.",
        ),
        ({"duration": 30}, "Invalid 'duration': Expected 'str | null', got 'int', not 30."),
        ({"max_files": "x" * 200}, f"""Expected 'int | null', got 'str', not "{"x" * 99}...."""),
        ({"models": "gpt"}, """Invalid 'models': Expected 'array | null', got 'str', not "gpt"."""),
        ({"key": ["sk-secret"]}, "Invalid 'key': Expected 'str | null', got 'array'."),
    ],
)
async def test_a_refusal_names_the_value_and_what_is_right(
    shared: Standalone, body: dict[str, Any], says: str
) -> None:
    _, error = await shared.refusal("/key/generate", body)
    assert error["message"].endswith(says)


@pytest.mark.parametrize("kind", ["key", "team", "user"])
async def test_a_model_that_is_not_there_is_warned_of(shared: Standalone, kind: str) -> None:
    """With the name that was most likely meant; access groups, prefixes and LiteLLM's own names are known."""
    models = ["gpt-4o-bach", "cheap", "gpt-*", "all-team-models", "no-default-models", "zzz", "chepa"]
    path = {"key": "/key/generate", "team": "/team/new", "user": "/user/new"}[kind]
    made = await shared.manage(path, models=models)
    assert made["models"] == models
    warnings = [
        f"models: there is no model or access group 'gpt-4o-bach' here: did you mean '{MODEL}'?",
        "models: there is no model or access group 'zzz' here",
        "models: there is no model or access group 'chepa' here: did you mean 'cheap'?",
    ]
    assert made["warnings"] == warnings
    named = {"key": made["key"]} if kind == "key" else {f"{kind}_id": made[f"{kind}_id"]}
    changed = await shared.manage(f"/{kind}/update", models=["zzz"], **named)
    assert changed["warnings"] == warnings[1:2]


async def test_a_limit_is_told_with_the_keys_alias(shared: Standalone) -> None:
    key = await shared.new_key(key_alias="nightly", max_batch_requests=2)
    with pytest.raises(BadRequestError, match="max_batch_requests of the key 'nightly' is 2: 3 asked for"):
        await shared.upload(key=key)


async def test_a_misspelt_model_is_told_with_the_nearest_name(shared: Standalone) -> None:
    """As far as the caller may use it."""
    with pytest.raises(BadRequestError, match=f"'gpt-4o-bach' does not exist here. Did you mean '{MODEL}'?"):
        await shared.upload(lines(model="gpt-4o-bach"), key=await shared.new_key())
    key = await shared.new_key(models=["text-*", "gpt-4o-bach"])
    with pytest.raises(BadRequestError) as refused:
        await shared.upload(lines(model="gpt-4o-bach"), key=key)
    assert MODEL not in refused.value.message


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"null", b"\xff"])
async def test_a_body_that_is_no_object(shared: Standalone, body: bytes) -> None:
    async with shared.http(MASTER) as http:
        answer = await http.post("/key/generate", content=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((f"/key/{verb}", {"key": "0" * 64}) for verb in ("update", "block", "unblock", "regenerate")),
        ("/key/nonsense/regenerate", {}),
        *((f"/team/{verb}", {"team_id": "nobody"}) for verb in ("update", "block", "unblock")),
        *((f"/user/{verb}", {"user_id": "nobody"}) for verb in ("update", "block", "unblock")),
        ("/team/delete", {"team_ids": ["nobody"]}),
        ("/user/delete", {"user_ids": ["nobody"]}),
    ],
)
async def test_what_is_not_there_is_not_found(shared: Standalone, path: str, body: dict[str, Any]) -> None:
    assert (await shared.refusal(path, body))[0] == 404


async def test_an_alias_a_key_and_an_id_are_given_once(shared: Standalone) -> None:
    own = "sk-chosen-by-the-operator"
    assert (await shared.manage("/key/generate", key=own, key_alias="once"))["key"] == own
    assert await counts(shared, own)
    other = await shared.new_key()
    for path, body, code in (
        ("/key/generate", {"key_alias": "once"}, "key_alias_exists"),
        ("/key/update", {"key": other, "key_alias": "once"}, "key_alias_exists"),
        ("/key/generate", {"key": own}, "key_exists"),
        ("/key/update", {"key": other, "team_id": "nobody"}, "team_not_found"),
    ):
        status, error = await shared.refusal(path, body)
        assert (status, error["code"]) == (400, code)
    await shared.manage("/team/new", team_id="twice")
    await shared.manage("/user/new", user_id="twice")
    assert (await shared.refusal("/team/new", {"team_id": "twice"}))[1]["code"] == "team_exists"
    assert (await shared.refusal("/user/new", {"user_id": "twice"}))[1]["code"] == "user_exists"
