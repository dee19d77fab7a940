"""Which models a principal may use: names, prefixes, access groups, and what several of them share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.catalog import Catalog, shared_rights
from litebatch_asgi.config import parse_config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Principal


def deployment(name: str, *groups: str, id: str | None = None) -> Deployment:
    return Deployment(model_name=name, model=f"openai/{name}", id=id, access_groups=groups)


CATALOG = Catalog(
    [
        deployment("gpt-4o-batch", "chat", id="eu"),
        deployment("gpt-4o-mini", "chat", "cheap"),
        deployment("chat", id="us"),
        deployment("openai/*", "wild"),
    ]
)
WILD = Catalog([deployment("*")])


def who(*models: str) -> Principal:
    return Principal(owner="o", models=frozenset(models))


@pytest.mark.parametrize(
    ("rights", "model", "may"),
    [
        (who("gpt-4o-batch"), "gpt-4o-batch", True),
        (who("gpt-4o-batch"), "gpt-4o-mini", False),
        (who("gpt-4o-batch"), "GPT-4O-BATCH", False),
        (who("gpt-4o-*"), "gpt-4o-mini", True),
        (who("gpt-4o-*"), "gpt-4o", False),
        (who("gpt*mini"), "gpt-4o-mini", False),
        (who("*"), "anything", True),
        (who("cheap"), "gpt-4o-mini", True),
        (who("cheap"), "gpt-4o-batch", False),
        (who("cheap"), "cheap", False),
        (who("chat"), "gpt-4o-batch", True),
        (who("chat"), "chat", True),
        (who("wild"), "openai/gpt-5", True),
        (who("wild"), "gpt-5", False),
        (who("eu"), "gpt-4o-batch", False),
        (who(), "gpt-4o-batch", False),
        (Principal(owner="o"), "gpt-4o-batch", True),
    ],
)
def test_what_a_principal_may_use(rights: Principal, model: str, may: bool) -> None:
    assert CATALOG.may_use(rights, model) is may


@pytest.mark.parametrize(
    ("rights", "models"),
    [
        (Principal(owner="o"), ["gpt-4o-batch", "gpt-4o-mini", "chat", "openai/*"]),
        (who("chat"), ["gpt-4o-batch", "gpt-4o-mini", "chat"]),
        (who("gpt-4o-*", "gpt-4o-mini"), ["gpt-4o-batch", "gpt-4o-mini"]),
        (who("openai/gpt-5", "openai/o*"), ["openai/gpt-5", "openai/o*"]),
        (who("eu", "us", "unknown"), []),
        (who(), []),
    ],
)
def test_the_models_that_a_principal_is_shown(rights: Principal, models: list[str]) -> None:
    assert CATALOG.models_for(rights) == models


def test_behind_a_wildcard_the_principals_own_names_are_shown() -> None:
    assert WILD.models_for(who("gpt-4o", "o*")) == ["gpt-4o", "o*"]
    assert WILD.models_for(Principal(owner="o")) == ["*"]


names = st.text("ab", max_size=3)
rights = st.none() | st.frozensets(st.builds(str.__add__, names, st.sampled_from(["", "*"])), max_size=4)


@given(one=rights, other=rights, model=names)
def test_what_is_shared_is_what_both_allow(
    one: frozenset[str] | None, other: frozenset[str] | None, model: str
) -> None:
    def may(models: frozenset[str] | None) -> bool:
        return WILD.may_use(Principal(owner="o", models=models), model)

    assert may(shared_rights(one, other)) == (may(one) and may(other))


def test_access_groups_come_from_the_configuration() -> None:
    text = """
model_list:
  - model_name: gpt-4o-batch
    params: {model: openai/gpt-4o, api_key: k}
    model_info: {access_groups: [cheap, beta]}
"""
    config = parse_config(text, {}, "c.yaml")
    assert config.deployments[0].access_groups == ("cheap", "beta")
    assert not config.warnings
    with pytest.raises(ConfigError, match=r"model_list\[0\]\.model_info\.access_groups: Expected array"):
        parse_config(text.replace("[cheap, beta]", "cheap"), {}, "c.yaml")


def test_an_access_group_does_not_make_another_deployment() -> None:
    assert deployment("m", "a").identity_hash() == deployment("m", "b").identity_hash()
