"""Which deployments serve a model, and who comes first."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Principal, UnservedModel
from litebatch_asgi.strategies import Candidate, least_busy, weighted_random

EAST = Deployment(model_name="gpt-4o-batch", model="openai/gpt-4o", api_base="https://east/v1")
WEST = Deployment(model_name="gpt-4o-batch", model="openai/gpt-4o", api_base="https://west/v1")


def test_an_id_is_stable_when_the_key_is_rotated_or_the_tuning_changes() -> None:
    before = list(Catalog([EAST, WEST]).deployments)
    rotated = replace(EAST, api_key="new", weight=3.0, extra_headers={"x-key": "new"})
    after = list(Catalog([rotated, replace(WEST, mode="batch")]).deployments)
    assert before == after


@pytest.mark.parametrize(
    "change",
    [
        {"api_base": "https://other/v1"},
        {"model": "openai/gpt-5"},
        {"model": "azure/gpt-4o"},
        {"organization": "o"},
        {"api_key_env": "OTHER_KEY"},
    ],
)
def test_an_id_changes_with_what_identifies_the_deployment(change: dict[str, str]) -> None:
    other = replace(EAST, **change)
    assert EAST.identity_hash() != other.identity_hash()


def test_the_same_deployment_in_two_groups_is_one() -> None:
    catalog = Catalog([EAST, replace(EAST, model_name="cheap")])
    assert len(catalog.deployments) == 1
    assert list(catalog.groups["cheap"].deployments) == list(catalog.groups["gpt-4o-batch"].deployments)
    assert catalog.warnings == []


def test_equal_deployments_of_a_group_are_numbered_and_warned_of() -> None:
    catalog = Catalog([EAST, EAST, EAST])
    first, second, third = catalog.deployments
    assert (second, third) == (f"{first}-2", f"{first}-3")
    assert len(catalog.warnings) == 2
    assert "set `id`" in catalog.warnings[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"api_key": "a"}, {"api_key": "b"}),
        ({"extra_headers": {"x-virtual-key": "a"}}, {"extra_headers": {"x-virtual-key": "b"}}),
        ({"extra_headers": {"x-virtual-key": "a"}}, {}),
    ],
)
def test_two_accounts_behind_one_address_are_two_deployments(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    catalog = Catalog([replace(EAST, **one), replace(EAST, **other, model_name="other")])
    assert len(catalog.deployments) == 2
    with pytest.raises(ConfigError, match="'eu' is used twice"):
        Catalog([replace(EAST, **one, id="eu"), replace(EAST, **other, id="eu", model_name="other")])


def test_an_id_given_to_two_deployments_is_refused() -> None:
    with pytest.raises(ConfigError, match="'eu' is used twice"):
        Catalog([replace(EAST, id="eu"), replace(WEST, id="eu")])


def test_an_id_may_name_one_deployment_in_two_groups() -> None:
    catalog = Catalog([replace(EAST, id="eu"), replace(EAST, id="eu", model_name="cheap")])
    assert list(catalog.deployments) == ["eu"]


def test_the_longest_wildcard_wins_and_a_name_beats_it() -> None:
    catalog = Catalog([replace(EAST, model_name=name) for name in ("*", "openai/*", "openai/gpt-4o")])

    def group(model: str) -> str | None:
        found = catalog.resolve(model)
        return found.name if found else None

    assert group("openai/gpt-4o") == "openai/gpt-4o"
    assert group("openai/gpt-5") == "openai/*"
    assert group("claude") == "*"
    assert group("*") is None


def unserved(name: str) -> UnservedModel:
    return UnservedModel(model_name=name, model="ollama/m", reason="there is no adapter")


def test_what_is_not_served_is_not_served_by_a_wildcard_either() -> None:
    named = ("claude", "bedrock/*", "openai/gpt-4o", "served")
    served = [replace(EAST, model_name=name) for name in ("*", "openai/*", "bedrock/titan", "served")]
    catalog = Catalog(served, [unserved(name) for name in named])

    def told(model: str) -> str | None:
        found = catalog.unserved(model)
        assert (found is None) == (catalog.resolve(model) is not None)
        assert (found is None) == bool(catalog.deployments_for(model))
        return found.model_name if found else None

    assert [told(model) for model in ("claude", "bedrock/*", "bedrock/x")] == [
        "claude",
        "bedrock/*",
        "bedrock/*",
    ]
    assert told("openai/gpt-4o") == "openai/gpt-4o"
    assert [told(model) for model in ("claude-5", "openai/gpt-5", "bedrock/titan", "served")] == [None] * 4


def test_a_right_to_what_is_not_served_lists_nothing() -> None:
    catalog = Catalog([replace(EAST, model_name="*")], [unserved("claude"), unserved("bedrock/*")])
    models = frozenset({"claude", "bedrock/titan", "bedrock/claude*", "gpt-5"})
    assert catalog.models_for(Principal(owner="o", key_id="k", models=models)) == ["gpt-5"]


def test_a_wildcard_passes_the_name_on_without_the_provider() -> None:
    deployment = Deployment(model_name="openai/*", model="openai/*")
    assert deployment.upstream_model_for("openai/gpt-4o") == "gpt-4o"
    assert deployment.upstream_model_for("gpt-4o") == "gpt-4o"


def test_a_model_without_a_provider_is_openai() -> None:
    deployment = Deployment(model_name="m", model="gpt-4o")
    assert (deployment.provider, deployment.upstream_model) == ("openai", "gpt-4o")


def test_a_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(replace(EAST, api_key="sk-secret"))


def candidate(name: str, *, weight: float = 1.0, load: int = 0) -> Candidate:
    return Candidate(deployment_id=name, weight=weight, open_requests=load)


def test_least_busy_takes_the_fewest_open_requests_per_weight() -> None:
    ordered = least_busy(
        [candidate("full", load=900), candidate("big", weight=10, load=1000), candidate("idle", load=101)],
        seed="s",
    )
    assert [each.deployment_id for each in ordered] == ["big", "idle", "full"]


def test_chance_decides_between_equals_by_weight() -> None:
    candidates = [candidate("three", weight=3), candidate("one")]
    for strategy in (least_busy, weighted_random):
        first = Counter(strategy(candidates, seed=str(n))[0].deployment_id for n in range(2000))
        assert 0.70 < first["three"] / 2000 < 0.80


def test_a_strategy_returns_every_candidate_and_is_pure() -> None:
    candidates = [candidate(str(n), weight=n + 1) for n in range(5)]
    assert weighted_random(candidates, seed="x") == weighted_random(candidates, seed="x")
    assert sorted(weighted_random(candidates, seed="x"), key=lambda each: each.weight) == candidates
