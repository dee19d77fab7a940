"""Whom a key stands for, and for how long."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Deployment, KeyGrant, Limits, Team, User, VirtualKey
from litebatch_asgi.server.keys.authenticator import principal_of
from litebatch_asgi.server.keys.durations import expiry
from litebatch_asgi.server.secret import hint_of, is_secret, new_secret, token_in, token_of

NOW = datetime(2024, 1, 31, 12, 0, tzinfo=UTC)
MADE: dict[str, Any] = {"created_at": NOW, "updated_at": NOW}
CATALOG = Catalog(
    [
        Deployment(model_name="gpt-4o", model="openai/gpt-4o", access_groups=("chat",)),
        Deployment(model_name="ada", model="openai/ada"),
    ]
)


def a_key(**fields: Any) -> VirtualKey:
    return VirtualKey(id="k1", token="t", hint="h", **MADE, **fields)


def test_limits_are_those_of_key_user_and_team() -> None:
    grant = KeyGrant(
        key=a_key(user_id="7", team_id="search", max_open_batches=1),
        user=User(id="7", **MADE),
        team=Team(id="search", max_file_bytes=5, max_enqueued_tokens=6, **MADE),
    )
    principal = principal_of(grant, CATALOG)
    assert principal.owner == "team:search"
    assert principal.key_id == "k1"
    assert not principal.is_admin
    assert principal.limits == (
        Limits(scope="key:k1", name="the key h", max_open_batches=1),
        Limits(scope="user:7"),
        Limits(scope="team:search", max_file_bytes=5, max_enqueued_tokens=6),
    )


@pytest.mark.parametrize(
    ("key", "user", "team", "models"),
    [
        ((), (), (), None),
        (("gpt-4o",), (), (), {"gpt-4o"}),
        (("all-team-models",), (), ("gpt-*",), {"gpt-*"}),
        (("all-proxy-models", "ada"), (), (), None),
        (("no-default-models",), (), (), set[str]()),
        (("chat", "ada"), ("*",), ("gpt-*",), {"gpt-4o"}),
        (("gpt-4o",), ("ada",), (), set[str]()),
    ],
)
def test_models_are_those_that_all_allow(
    key: tuple[str, ...], user: tuple[str, ...], team: tuple[str, ...], models: set[str] | None
) -> None:
    grant = KeyGrant(
        key=a_key(models=key, user_id="7", team_id="t"),
        user=User(id="7", models=user, **MADE),
        team=Team(id="t", models=team, **MADE),
    )
    assert principal_of(grant, CATALOG).models == models


@pytest.mark.parametrize(
    ("duration", "after"),
    [
        ("30s", timedelta(seconds=30)),
        ("30m", timedelta(minutes=30)),
        ("30h", timedelta(hours=30)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(days=14)),
        ("1mo", timedelta(days=29)),
        ("2mo", timedelta(days=60)),
        ("12mo", timedelta(days=366)),
        ("23mo", timedelta(days=700)),
    ],
)
def test_durations(duration: str, after: timedelta) -> None:
    assert expiry(duration, NOW) == NOW + after


@pytest.mark.parametrize("duration", [None, "-1"])
def test_for_ever(duration: str | None) -> None:
    assert expiry(duration, NOW) is None


@pytest.mark.parametrize("duration", ["", "30", "d", "0d", "-2d", "1y", "1.5h", "1d ", "999999w", "999999mo"])
def test_what_is_no_duration(duration: str) -> None:
    with pytest.raises(InvalidRequest):
        expiry(duration, NOW)


def test_a_secret_is_32_random_bytes() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("sk-[A-Za-z0-9_-]{43}", secret) and is_secret(secret) for secret in made)


def test_a_key_is_named_by_its_secret_or_its_token() -> None:
    secret = new_secret()
    token = token_of(secret)
    assert token_in(secret) == token_in(token) == token
    assert hint_of(secret) == f"sk-...{secret[-4:]}"
    for other in ("", "sk-", "sk-short", token.upper(), token[:-1], f" {secret}", "sk-" + "x" * 300):
        assert token_in(other) is None
