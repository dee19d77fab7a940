"""Which virtual models are a provider's, told by names."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.models import Deployment, File, FileKind, Principal
from litebatch_asgi.models.patterns import is_wanted
from litebatch_asgi.testing import a_file

PROVIDERS = ("openai", "azure", "hosted_vllm")
NAMES = st.sampled_from(
    [
        "*",
        "a",
        "a*",
        "azure/*",
        "azure/a",
        "azure/vip/*",
        "azure/vip/a",
        "openai/*",
        "openai/a",
        "azurex",
        "o*",
    ]
)
MODELS = st.one_of(NAMES, st.sampled_from(["", "azure/", "azure/b", "azure/vip/b", "openai/b", "b", "azure"]))
CATALOGS = st.lists(st.tuples(NAMES, st.sampled_from(PROVIDERS)), min_size=1, max_size=8).map(
    lambda entries: Catalog(
        Deployment(model_name=name, model=f"{provider}/*", id=f"{name} {provider}", api_key="k")
        for name, provider in dict.fromkeys(entries)
    )
)


@given(CATALOGS, MODELS, st.sampled_from(PROVIDERS))
def test_patterns_tell_what_the_catalog_tells(catalog: Catalog, model: str, provider: str) -> None:
    is_served = catalog.resolve(model) is not None
    told = is_wanted(catalog.patterns_of(provider), model)
    if model not in catalog.groups or not model.endswith("*"):
        assert told == (is_served and catalog.is_of(provider, model))


STARS = Catalog(
    [
        Deployment(model_name="*", model="azure/*", id="rest", api_key="k"),
        Deployment(model_name="o*", model="openai/*", id="openai", api_key="k"),
    ]
)
OPENAI_ALONE = Catalog([Deployment(model_name="*", model="openai/*", id="openai", api_key="k")])


@given(CATALOGS, MODELS, st.sampled_from(PROVIDERS), st.sets(MODELS))
@example(OPENAI_ALONE, "a", "azure", {"openai/*"})  # refused later, for it is none of Azure's
@example(STARS, "o*", "openai", {"a*"})  # the group of that name, not what `*` serves
def test_naming_a_provider_reaches_nothing_more(
    catalog: Catalog, model: str, provider: str, rights: set[str]
) -> None:
    """Whoever may use what the name stands for has a right to a name that the same deployments serve."""
    principal = Principal(owner="a", models=frozenset(rights))
    virtual = catalog.model_of(provider, model)
    assert virtual in {model, f"{provider}/{model}"}
    assert catalog.model_of(provider, virtual) == virtual or virtual == model
    if catalog.may_use(principal, virtual):
        names = {virtual}.union(
            *({f"{each}/{virtual}", virtual.removeprefix(f"{each}/")} for each in PROVIDERS)
        )
        covered = {name for name in names if _is_covered(name, catalog.rights_to(rights) or frozenset())}
        assert any(catalog.deployments_for(name) == catalog.deployments_for(virtual) for name in covered)


def _is_covered(name: str, rights: frozenset[str]) -> bool:
    return any(name == right or (right.endswith("*") and name.startswith(right[:-1])) for right in rights)


@pytest.mark.parametrize(
    ("models", "written"),
    [
        (("gpt-4o",), "gpt-4o"),
        (("azure/d", "azure/*"), "d"),
        (("azure/d",), "azure/d"),
        (("azure/d", "azure/e"), "azure/d"),
        (("azure/azure/d", "azure/*"), "azure/d"),
        (("a", "azure/*"), "a"),
    ],
)
def test_how_the_lines_write_the_model(models: tuple[str, ...], written: str) -> None:
    file: File = a_file(models=models)
    assert (file.kind, file.line_model) == (FileKind.INPUT, written)
