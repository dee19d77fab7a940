"""Access groups may be called like models, and give nobody more for it."""

from __future__ import annotations

from datetime import UTC, datetime

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.models import Deployment, KeyGrant, Team, VirtualKey
from litebatch_asgi.server.keys.authenticator import principal_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CATALOG = Catalog(
    [
        Deployment(model_name="large", model="openai/large", access_groups=("small",)),
        Deployment(model_name="small", model="openai/small", access_groups=("trial",)),
    ]
)


def grant(*models: str, team: tuple[str, ...] = ()) -> KeyGrant:
    key = VirtualKey(id="k", token="t", hint="h", models=models, created_at=NOW, updated_at=NOW)
    return KeyGrant(key=key, team=Team(id="t", models=team, created_at=NOW, updated_at=NOW))


def test_what_an_access_group_stands_for_is_not_taken_for_a_group_again() -> None:
    principal = principal_of(grant("trial"), CATALOG)
    assert CATALOG.models_for(principal) == ["small"]
    assert not CATALOG.may_use(principal, "large")


def test_what_two_accounts_share_is_not_taken_for_a_group_again() -> None:
    principal = principal_of(grant("sm*", team=("small",)), CATALOG)
    assert CATALOG.models_for(principal) == ["small"]
    assert not CATALOG.may_use(principal, "large")


def test_a_name_that_is_both_stands_for_both() -> None:
    assert CATALOG.models_for(principal_of(grant("small"), CATALOG)) == ["large", "small"]
