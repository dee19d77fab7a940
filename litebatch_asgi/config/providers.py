"""Providers all of whose models can be had: those of `files_settings`, or those of the environment. Pure.

A provider is a model group of its own, `azure/*`. OpenAI's models can also be named alone, as the group `*`,
where there is no `model_list`. Source: LiteLLM's `/files` page, "files_settings", and that `openai` is the
provider of requests that name none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from litebatch_asgi import plugins
from litebatch_asgi.config.entries import EntryReader
from litebatch_asgi.config.environment import lacking, with_defaults
from litebatch_asgi.config.reading import Reading, Unreadable
from litebatch_asgi.models import Deployment, UnservedModel
from litebatch_asgi.models.variables import USUAL_VARIABLES

DEFAULT_PROVIDER = "openai"
"""whose models need not have their provider named"""


class NamedProviders(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    deployments: tuple[Deployment, ...] = ()
    unserved: tuple[UnservedModel, ...] = ()
    warnings: tuple[str, ...] = ()


def read_providers(
    reading: Reading,
    reader: EntryReader,
    entries: Iterable[tuple[str, Any]],
    deployments: Sequence[Deployment],
    others: Sequence[UnservedModel],
) -> NamedProviders:
    """The entries of `files_settings`, by their paths; what is wrong with them goes to `reading`.

    A group of `model_list` (`deployments`, and `others` that are not served) goes before one of its name.
    """
    taken = {each.model_name for each in deployments} | {each.model_name for each in others}
    places: dict[str, str] = {}
    found: list[Deployment] = []
    unserved: list[UnservedModel] = []
    warnings: list[str] = []
    for path, value in entries:
        try:
            model = reader.read_provider(value, path)
        except Unreadable:
            continue
        first = places.setdefault(model.model_name, path)
        if first != path:
            provider = model.model_name.removesuffix("/*")
            reading.fault(f"{path}.custom_llm_provider", f"{provider!r} stands in {first} already")
        elif isinstance(model, UnservedModel):
            unserved.append(model)
        elif model.model_name in taken:
            warnings.append(f"{path} is not used: model_list says what serves {model.model_name!r}")
        elif not taken and model.provider == DEFAULT_PROVIDER:
            found.append(replace(model, model_name="*"))
        else:
            found.append(model)
    return NamedProviders(deployments=tuple(found), unserved=tuple(unserved), warnings=tuple(warnings))


def providers_in(env: Mapping[str, str]) -> NamedProviders:
    """The providers whose credentials the environment has; a warning for each that lacks a part of them."""
    adapters = plugins.offered(plugins.PROVIDERS)
    found: list[Deployment] = []
    warnings: list[str] = []
    for provider, names in USUAL_VARIABLES.items():
        if provider not in adapters or not any(map(env.get, names)):
            continue
        every = "*" if provider == DEFAULT_PROVIDER else f"{provider}/*"
        deployment = with_defaults(Deployment(model_name=every, model=f"{provider}/*"), env)
        missing = [f"{setting} {message}" for setting, message in lacking(deployment)]
        if missing:
            warnings.append(f"the provider {provider} is left out: its {'; its '.join(missing)}")
        else:
            found.append(deployment)
    return NamedProviders(deployments=tuple(found), warnings=tuple(warnings))
