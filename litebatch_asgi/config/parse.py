"""From the text of a configuration to `Config`. Pure: the environment is an argument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from litebatch_asgi import plugins
from litebatch_asgi.config import vocabulary
from litebatch_asgi.config.callbacks import callback_advice
from litebatch_asgi.config.effects import Unused, summary_of
from litebatch_asgi.config.entries import EntryReader, SharedCredential, refuse_shared_ids
from litebatch_asgi.config.environment import with_variables
from litebatch_asgi.config.files import INCLUDE, Document, read_text
from litebatch_asgi.config.providers import read_providers
from litebatch_asgi.config.reading import Reading, Unreadable, is_mapping
from litebatch_asgi.config.vocabulary import File
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings, UnservedModel

DEFAULT_DATABASE_URL = "sqlite:///litebatch.db"
EXAMPLE = """\
model_list:
  - model_name: my-model
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_API_KEY"""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration says."""

    deployments: tuple[Deployment, ...]
    unserved: tuple[UnservedModel, ...] = ()
    """models of providers that there is no adapter for; others may serve one of that name"""
    settings: Settings = Settings()
    master_key: str | None = None
    """None: no key is asked for"""
    database_url: str = DEFAULT_DATABASE_URL
    open_metrics: bool = False
    """whether anyone may read the metrics, not admins alone"""
    unused: tuple[Unused, ...] = ()
    """LiteLLM's settings that are not used here"""
    callbacks: tuple[str, ...] = ()
    """what takes the place of LiteLLM's callbacks, a line for each"""
    warnings: tuple[str, ...] = ()
    """for the operator to read"""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("deployments", self.deployments), ("settings", self.settings)]

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    @property
    def secrets(self) -> frozenset[str]:
        """The strings that must never be shown."""
        of_deployments = (deployment.secrets for deployment in self.deployments)
        own = filter(None, (self.master_key, password_in(self.database_url), self.settings.page_secret))
        return frozenset(own).union(self.settings.webhook_keys, *of_deployments)


def parse_config(text: str, env: Mapping[str, str], source: str) -> Config:
    """Read `text`, taking the values of `os.environ/NAME` from `env`; messages call the file `source`.

    Raises `ConfigError` for all that is wrong, each with the path that leads to it.
    """
    content = read_text(text, source)
    if is_mapping(content) and content.get(INCLUDE) is not None:
        raise ConfigError(f"{source}: {INCLUDE}: only a file can include others")
    return parse_document(Document(content=content), env, source)


def parse_document(document: Document, env: Mapping[str, str], source: str) -> Config:
    """The same of what was read from files."""
    if document.content is None:
        raise ConfigError(f"{source} is empty; the least it can say is\n{EXAMPLE}")
    reading = Reading(env)
    try:
        config = _config(reading, document, source)
    except Unreadable:
        config = None
    if config is None or reading.faults:
        raise ConfigError(_told(source, reading.faults))
    return config


def database_url_of(document: Document, env: Mapping[str, str], source: str) -> str:
    """The database that `parse_document` would tell, without looking at anything else.

    Who works on the database need not have the providers' secrets. Raises `ConfigError`.
    """
    content = document.content if is_mapping(document.content) else {}
    general, variables = content.get("general_settings"), content.get("environment_variables")
    url = general.get("database_url") if is_mapping(general) else None
    reading = Reading(with_variables(env, variables if is_mapping(variables) else {}))
    settings = reading.attempt({"database_url": url}, "general_settings", vocabulary.GENERAL_SETTINGS)
    if settings is None or reading.faults:
        raise ConfigError(_told(source, reading.faults))
    return settings.database_url or DEFAULT_DATABASE_URL


def password_in(url: str) -> str | None:
    """The password that a URL carries."""
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def _told(source: str, faults: list[str]) -> str:
    if len(faults) == 1:
        return f"{source}: {faults[0]}"
    return "\n  ".join((f"{source}: {len(faults)} things are wrong:", *faults))


def _config(reading: Reading, document: Document, source: str) -> Config:
    file = reading.section(document.content, "", vocabulary.FILE)
    if not file.model_list and not file.files_settings:
        reading.refuse("model_list", f"names no model; the least is\n{EXAMPLE}")
    reading.env = with_variables(reading.env, file.environment_variables)
    general = reading.attempt(file.general_settings, "general_settings", vocabulary.GENERAL_SETTINGS)
    settings = reading.attempt(file.litebatch_settings, "litebatch_settings", vocabulary.LITEBATCH_SETTINGS)
    if general is not None and general.master_key == "":
        reading.fault("general_settings.master_key", "is empty: give a key, or leave the line out")
    reader = EntryReader(reading, plugins.offered(plugins.PROVIDERS), _credentials(reading, file, document))
    deployments, unserved = _models(reading, reader, file, document)
    named = read_providers(
        reading, reader, _placed(document, "files_settings", file.files_settings), deployments, unserved
    )
    deployments += named.deployments
    unserved += named.unserved
    if not deployments and not reading.faults:
        _refuse_unserved(reading, unserved)
    if general is None or settings is None:
        raise Unreadable
    advice = tuple(callback_advice(document.content.get("litellm_settings"), settings.sinks))
    return Config(
        deployments=deployments,
        unserved=unserved,
        settings=settings,
        master_key=general.master_key,
        database_url=general.database_url or DEFAULT_DATABASE_URL,
        open_metrics=general.metrics == "open",
        unused=reading.unused,
        callbacks=advice,
        warnings=(
            *_warnings(source, reading.unused, unserved),
            *(f"{source}: {line}" for line in named.warnings),
            *(f"{source}: {line}" for line in advice),
        ),
    )


def _models(
    reading: Reading, reader: EntryReader, file: File, document: Document
) -> tuple[tuple[Deployment, ...], tuple[UnservedModel, ...]]:
    deployments: list[tuple[str, Deployment]] = []
    unserved: list[UnservedModel] = []
    for path, entry in _placed(document, "model_list", file.model_list):
        try:
            model = reader.read(entry, path)
        except Unreadable:
            continue
        if isinstance(model, Deployment):
            deployments.append((path, model))
        else:
            unserved.append(model)
    refuse_shared_ids(reading, deployments)
    return tuple(deployment for _, deployment in deployments), tuple(unserved)


def _refuse_unserved(reading: Reading, unserved: Sequence[UnservedModel]) -> None:
    reasons = ", ".join(dict.fromkeys(each.reason for each in unserved))
    known = ", ".join(sorted(plugins.offered(plugins.PROVIDERS)))
    reading.fault("model_list", f"none of its models can be served: {reasons}; it has them for {known}")


def _credentials(reading: Reading, file: File, document: Document) -> dict[str, SharedCredential]:
    """Those of the list, by name; variables are looked up once a deployment that is served needs them."""
    found: dict[str, SharedCredential] = {}
    for path, value in _placed(document, "credential_list", file.credential_list):
        credential = reading.attempt(value, path, vocabulary.CREDENTIAL)
        if credential is not None:
            words = vocabulary.CREDENTIAL_VALUES
            values = {
                key: value
                for key, value in credential.credential_values.items()
                if key in words.names or not words.is_unused(key)
            }
            found[credential.credential_name] = SharedCredential(
                path=f"{path}.credential_values", values=values
            )
    return found


def _placed(document: Document, name: str, values: Sequence[Any]) -> list[tuple[str, Any]]:
    """The entries of a list, each with the path that leads to it."""
    places = document.places.get(name) or [f"{name}[{index}]" for index in range(len(values))]
    return list(zip(places, values, strict=True))


def _warnings(source: str, unused: tuple[Unused, ...], unserved: tuple[UnservedModel, ...]) -> Iterator[str]:
    """One, that says in short what `litebatch check` tells in full."""
    parts: list[str] = []
    if unused:
        settings = "1 setting" if len(unused) == 1 else f"{len(unused)} settings"
        parts.append(f"LiteBatch does not use {settings}: {', '.join(summary_of(unused))}")
    if unserved:
        models = ", ".join(dict.fromkeys(each.model for each in unserved))
        parts.append(f"not served: {models}")
    if parts:
        yield f"{source}: {'; '.join(parts)}; `litebatch check --config {source}` tells more"
