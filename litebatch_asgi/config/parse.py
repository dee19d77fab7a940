"""From the text of a configuration to `Config`. Pure: the environment is an argument."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeGuard, TypeVar
from urllib.parse import urlsplit

import msgspec

from litebatch_asgi.config import vocabulary
from litebatch_asgi.config.vocabulary import ModelInfo, Params, Vocabulary
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.headers import OF_EACH_MESSAGE

DEFAULT_DATABASE_URL = "sqlite:///litebatch.db"
EXAMPLE = """\
model_list:
  - model_name: my-model
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_API_KEY"""

_VARIABLE = "os.environ/"
_ENTRY = re.compile(r"^model_list\[\d+\]\.?")
_PLACE = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")

StructT = TypeVar("StructT", bound=msgspec.Struct)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration says."""

    deployments: tuple[Deployment, ...]
    settings: Settings = Settings()
    master_key: str | None = None
    """None: no key is asked for"""
    database_url: str = DEFAULT_DATABASE_URL
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
        own = filter(None, (self.master_key, password_in(self.database_url)))
        return frozenset(own).union(*of_deployments)


def parse_config(text: str, env: Mapping[str, str], source: str) -> Config:
    """Read `text`, taking the values of `os.environ/NAME` from `env`; messages call the file `source`.

    Raises `ConfigError` for the first thing that is wrong, with the path that leads to it.
    """
    try:
        from litebatch_asgi.config.document import read_document
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"reading {source} needs {error.name}: pip install 'litebatch-asgi[server]'"
        ) from error
    return _Reading(env, source).config(read_document(text, source))


def password_in(url: str) -> str | None:
    """The password that a URL carries."""
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def with_openai_defaults(deployment: Deployment, env: Mapping[str, str]) -> Deployment:
    """What OpenAI's own clients take from the environment, for a deployment with neither key nor base."""
    if deployment.provider != "openai" or deployment.api_key or deployment.api_base:
        return deployment
    key, base = env.get("OPENAI_API_KEY"), env.get("OPENAI_BASE_URL")
    return msgspec.structs.replace(
        deployment, api_key=key or None, api_key_env="OPENAI_API_KEY" if key else None, api_base=base or None
    )


class _Reading:
    """One pass over a document; collects what the operator should know."""

    def __init__(self, env: Mapping[str, str], source: str) -> None:
        self.env = env
        self.source = source
        self.unused: dict[str, None] = {}
        self.keyless: list[str] = []

    def config(self, document: Any) -> Config:
        if document is None:
            raise ConfigError(f"{self.source} is empty; the least it can say is\n{EXAMPLE}")
        file = self.section(document, "", vocabulary.FILE)
        if not file.model_list:
            raise self.error("model_list", f"names no model; the least is\n{EXAMPLE}")
        deployments = [self.deployment(entry, f"model_list[{i}]") for i, entry in enumerate(file.model_list)]
        self.refuse_shared_ids(deployments)
        general = self.section(file.general_settings, "general_settings", vocabulary.GENERAL_SETTINGS)
        if general.master_key == "":
            raise self.error("general_settings.master_key", "is empty: give a key, or leave the line out")
        return Config(
            deployments=tuple(deployments),
            settings=self.section(
                file.litebatch_settings, "litebatch_settings", vocabulary.LITEBATCH_SETTINGS
            ),
            master_key=general.master_key,
            database_url=general.database_url or DEFAULT_DATABASE_URL,
            warnings=tuple(self.warnings()),
        )

    def deployment(self, value: Any, path: str) -> Deployment:
        entry = self.section(value, path, vocabulary.ENTRY)
        if (entry.litellm_params is None) == (entry.params is None):
            raise self.error(path, "needs litellm_params, or params for short, and one of them only")
        name = "params" if entry.litellm_params is None else "litellm_params"
        written = entry.params if entry.litellm_params is None else entry.litellm_params
        if _is_mapping(written) and _is_mapping(written.get("extra_headers")):
            headers = self.headers(written["extra_headers"], f"{path}.{name}.extra_headers")
            written = {**written, "extra_headers": headers}
        params = self.section(written, f"{path}.{name}", vocabulary.PARAMS)
        if params.api_base is not None and not re.match(r"https?://[^/]", params.api_base):
            raise self.error(f"{path}.{name}.api_base", "is no URL: it begins with https:// or http://")
        info = self.section(entry.model_info, f"{path}.model_info", vocabulary.MODEL_INFO)
        try:
            deployment = _deployment(entry.model_name, params, info, _variable(written.get("api_key")))
        except ConfigError as error:
            raise self.error(path, str(error)) from None
        deployment = with_openai_defaults(deployment, self.env)
        has_key = deployment.api_key or deployment.sends("authorization")
        if deployment.provider == "openai" and not has_key and not deployment.api_base:
            self.keyless.append(path)
        return deployment

    def headers(self, written: dict[Any, Any], path: str) -> dict[Any, Any]:
        """A deployment's own headers; what LiteBatch sets for each message is left out, with a warning."""
        kept: dict[Any, Any] = {}
        for name, value in written.items():
            if str(name).lower() in OF_EACH_MESSAGE:
                self.unused[_ENTRY.sub("", f"{path}.{name}")] = None
            else:
                kept[name] = self.resolved(value, f"{path}.{name}")
        return kept

    def section(self, value: Any, path: str, words: Vocabulary[StructT]) -> StructT:
        """The mapping `value` as the struct of `words`, its variables put in; absent is empty."""
        mapping: object = {} if value is None else value
        if not _is_mapping(mapping):
            raise self.error(path, "is to be a mapping of names to values")
        chosen: dict[str, Any] = {}
        for key, item in mapping.items():
            place = f"{path}.{key}".lstrip(".")
            if key in words.names:
                if item is not None:
                    chosen[key] = self.resolved(item, place)
            elif words.is_unused(str(key)):
                self.unused[_ENTRY.sub("", place)] = None
            else:
                raise self.error(place, words.advice(str(key)))
        return self.converted(chosen, path, words.own)

    def resolved(self, value: Any, path: str) -> Any:
        name = _variable(value)
        if name is None:
            return value
        if not self.env.get(name):
            state = "empty" if name in self.env else "not set"
            raise self.error(path, f"the environment variable {name} is {state}")
        return self.env[name]

    def converted(self, value: dict[str, Any], path: str, wanted: type[StructT]) -> StructT:
        try:
            return msgspec.convert(value, wanted, strict=False)
        except ConfigError as error:
            raise self.error(path, str(error)) from None
        except msgspec.ValidationError as error:
            place = _PLACE.search(str(error))
            message = _PLACE.sub("", str(error)).replace("`", "").replace(" | null", "")
            raise self.error(path + (place["path"] if place else ""), message) from None

    def refuse_shared_ids(self, deployments: list[Deployment]) -> None:
        """One id may stand in several model groups if all else that makes up the deployment is the same."""
        owners: dict[str, int] = {}
        for index, deployment in enumerate(deployments):
            if deployment.id is None:
                continue
            first = deployments[owners.setdefault(deployment.id, index)]
            if first is deployment:
                continue
            if first.model_name == deployment.model_name or _origin(first) != _origin(deployment):
                raise self.error(
                    f"model_list[{index}].model_info.id",
                    f"{deployment.id!r} is the id of model_list[{owners[deployment.id]}] already",
                )

    def warnings(self) -> Iterator[str]:
        if self.unused:
            yield f"{self.source}: LiteBatch does not use {', '.join(self.unused)}"
        for path in self.keyless:
            yield f"{self.source}: {path}: no api_key, and the environment has no OPENAI_API_KEY"

    def error(self, path: str, message: str) -> ConfigError:
        return ConfigError(": ".join(filter(None, (self.source, path.lstrip("."), message))))


def _deployment(model_name: str, params: Params, info: ModelInfo, api_key_env: str | None) -> Deployment:
    return Deployment(
        model_name=model_name,
        model=params.model,
        api_base=params.api_base,
        api_key=params.api_key,
        api_key_env=api_key_env,
        api_version=params.api_version,
        organization=params.organization,
        extra_headers=params.extra_headers,
        weight=params.weight,
        id=None if info.id is None else str(info.id),
        mode=info.mode,
        access_groups=info.access_groups,
        input_cost_per_token_batches=_first(
            info.input_cost_per_token_batches, params.input_cost_per_token_batches
        ),
        output_cost_per_token_batches=_first(
            info.output_cost_per_token_batches, params.output_cost_per_token_batches
        ),
    )


def _first(*prices: Decimal | None) -> Decimal | None:
    return next((price for price in prices if price is not None), None)


def _origin(deployment: Deployment) -> tuple[object, ...]:
    return deployment.identity_hash(), deployment.api_key, deployment.extra_headers


def _is_mapping(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _variable(value: Any) -> str | None:
    """The NAME of `os.environ/NAME`."""
    return value.removeprefix(_VARIABLE) if isinstance(value, str) and value.startswith(_VARIABLE) else None
