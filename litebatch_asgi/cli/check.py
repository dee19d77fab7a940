"""`litebatch check`: what a configuration means here, told without network or database."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.values import FILE

if TYPE_CHECKING:
    from litebatch_asgi.catalog import Catalog
    from litebatch_asgi.config import Config
    from litebatch_asgi.models import Deployment

WIDTH = 80


@click.command(epilog=example("litebatch check --config litellm.yaml"))
@click.option(
    "--config", type=FILE, required=True, metavar="FILE", help="YAML; a LiteLLM configuration works."
)
def check(config: Path) -> None:
    """Tell what a configuration means here.

    The report names the deployments of each model, the models that are not
    served, and the settings that LiteBatch does not use. The command needs no
    network and makes no database. It ends with exit code 2, and tells all that
    is wrong, if the configuration cannot be served.
    """
    from litebatch_asgi.config import load_config

    read = load_config(config)
    catalog = _startable(read, config)
    click.echo("\n".join(report(read, catalog, config)))


def _startable(config: Config, path: Path) -> Catalog:
    """The catalog that a gateway would have. Raises `ConfigError` for all that keeps one from starting."""
    from litebatch_asgi.catalog import Catalog
    from litebatch_asgi.errors import ConfigError
    from litebatch_asgi.fleet import adapter_of, load_factories
    from litebatch_asgi.providers.live.servers import live_server
    from litebatch_asgi.server.gateway import litebatch_for

    catalog = Catalog(config.deployments)
    factories = load_factories(each.provider for each in catalog.deployments.values())
    tries: list[Callable[[], object]] = [lambda: litebatch_for(config, "localhost")]
    for each in catalog.deployments.values():
        tries.append(partial(adapter_of, each, config.settings, factories))
        if each.is_live:
            tries.append(partial(live_server, each, config.settings))
    faults: list[str] = []
    for attempt in tries:
        try:
            attempt()
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n  ".join((f"{path} cannot be served:", *faults)))
    return catalog


def report(config: Config, catalog: Catalog, path: Path) -> Iterator[str]:
    """The lines of the report, none longer than 80 characters that can be broken."""
    from litebatch_asgi.cli.serve import without_password

    yield f"{path} can be served"
    yield from _served(catalog)
    if providers := catalog.nameable_providers():
        yield "\nProviders that requests may name (custom_llm_provider)"
        yield from _wrapped(_listed(providers), 2)
    if config.unserved:
        yield "\nNot served"
        for each in config.unserved:
            also = "; other deployments serve the name" if each.model_name in catalog.groups else ""
            yield from _wrapped(f"{each.model_name}: {each.model}. {each.reason}{also}.", 2)
    yield from _unused(config)
    if config.callbacks:
        yield "\nCallbacks"
    for line in config.callbacks:
        yield from _wrapped(line.removeprefix("callback "), 2)
    for warning in catalog.warnings:
        yield "\nWarning"
        yield from _wrapped(warning, 2)
    key = "need the master key, or a key made with it"
    if config.master_key is None:
        key = "may use any bearer token, on this machine only: there is no master key"
    yield "\nCallers"
    yield from _wrapped(key, 2)
    yield "\nDatabase"
    yield from _wrapped(without_password(config.database_url), 2)


def _served(catalog: Catalog) -> Iterator[str]:
    from litebatch_asgi.cli.serve import without_password

    yield "\nServed"
    for group in catalog.groups.values():
        yield f"  {group.name}"
        for deployment_id, deployment in group.deployments.items():
            base = f" at {without_password(deployment.api_base)}" if deployment.api_base else ""
            lane = ", live" if deployment.is_live else ""
            told = f"{deployment_id}: {deployment.model}{base}{lane}, {_credentials(deployment)}"
            yield from _wrapped(told, 4)


def _credentials(deployment: Deployment) -> str:
    """What the deployment proves itself with, without a secret."""
    from litebatch_asgi.models.google import is_text_of_credentials

    if deployment.azure_ad_token:
        return "with a token of Entra ID"
    if deployment.api_key:
        return f"with the key from {deployment.api_key_env or 'the file'}"
    if deployment.client_id:
        return f"as the application {deployment.client_id} of Entra ID"
    if deployment.provider == "vertex_ai" and not deployment.sends("authorization"):
        if deployment.vertex_credentials is None:
            return "with Google's default credentials"
        given = deployment.vertex_credentials
        where = "vertex_credentials" if is_text_of_credentials(given) else given
        return f"with the credentials in {where}"
    if deployment.sends("authorization") or deployment.sends("api-key"):
        return "with the key in its extra_headers"
    return "without a key"


def _unused(config: Config) -> Iterator[str]:
    from litebatch_asgi.config.effects import Effect

    for effect in Effect:
        sections: dict[str, list[str]] = {}
        for each in config.unused:
            if each.effect is effect:
                sections.setdefault(each.section, []).append(each.key)
        if sections:
            yield f"\nNot used: {effect}"
        for section, keys in sections.items():
            yield from _wrapped(f"{section or 'top of the file'}: {_listed(keys)}", 2)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
