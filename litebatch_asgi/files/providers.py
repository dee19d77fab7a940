"""The provider that a request names in place of a virtual model, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterable

from litebatch_asgi import plugins
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.variables import USUAL_VARIABLES
from litebatch_asgi.wire.providers import PROVIDER_FIELD


def is_here(catalog: Catalog, provider: str) -> bool:
    """Whether a model of a provider is served. That one is called `team/a` makes no provider of `team`."""
    return provider in plugins.offered(plugins.PROVIDERS) and catalog.has_provider(provider)


def check_provider(catalog: Catalog, provider: str | None, models: Iterable[str]) -> None:
    """Raises `InvalidRequest` for a provider that is not here, or that none of the models' deployments is of.

    What no deployment serves any more may be anybody's.
    """
    if provider is None:
        return
    if not is_here(catalog, provider):
        raise _unknown(provider)
    for model in models:
        if not catalog.is_of(provider, model):
            others = sorted({each.provider for each in catalog.deployments_for(model).values()})
            raise InvalidRequest(
                f"'{model[:100]}' is a model of {' and '.join(others)}, not of '{provider}'. Leave "
                f"{PROVIDER_FIELD} out, or name the one that it is of.",
                param=PROVIDER_FIELD,
                code="provider_mismatch",
            )


def no_own_models(catalog: Catalog, provider: str) -> str:
    """What is to be added where a model is not known, and the provider that is named is known by others."""
    if catalog.prefix_of(provider) is not None:
        return ""
    return (
        f" Of the provider '{provider}' this gateway has the models of its configuration alone: its operator "
        f"can add '{provider}' to files_settings."
    )


def _unknown(provider: str) -> InvalidRequest:
    adapters = plugins.offered(plugins.PROVIDERS)
    if provider not in adapters:
        known = ", ".join(sorted(adapters))
        why = f"The provider '{provider}' is not known here. Providers that are: {known}."
    else:
        usual = USUAL_VARIABLES.get(provider, (f"{provider.upper().replace('-', '_')}_API_KEY",))
        why = (
            f"This gateway has no credentials of the provider '{provider}'. Its operator can add "
            f"'{provider}' to files_settings in the configuration or, where the gateway has none, set "
            f"{_listed(usual)} in its environment."
        )
    return InvalidRequest(why, param=PROVIDER_FIELD, code="unknown_provider")


def _listed(names: tuple[str, ...]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
