"""Where a configuration comes from: a file, or the environment alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from litebatch_asgi.config.files import read_files
from litebatch_asgi.config.parse import Config, database_url_of, parse_document
from litebatch_asgi.config.providers import providers_in
from litebatch_asgi.errors import ConfigError


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read the file at `path`, and what it includes, with this process's environment.

    Raises `ConfigError` if it cannot be read or used.
    """
    file = Path(path)
    return parse_document(read_files(file), os.environ, str(file))


def load_database_url(path: str | os.PathLike[str]) -> str:
    """The database of the file at `path`, for which nothing else that it names has to be set.

    Raises `ConfigError`.
    """
    file = Path(path)
    return database_url_of(read_files(file), os.environ, str(file))


def config_from_environment(env: Mapping[str, str]) -> Config:
    """The configuration that needs no file: all models of the providers whose credentials are there.

    Those of OpenAI, or what OPENAI_BASE_URL names, need not have their provider named. LITEBATCH_MASTER_KEY,
    if set, is asked of callers. Raises `ConfigError` where there are no credentials.
    """
    found = providers_in(env)
    if not found.deployments:
        raise ConfigError(
            "nothing to serve. Either name a configuration:\n"
            "  litebatch serve --config litebatch.yaml\n"
            "or give the key of an OpenAI account, for all of its models:\n"
            "  OPENAI_API_KEY=sk-... litebatch serve\n"
            "or the credentials of another provider, for instance Azure:\n"
            "  AZURE_API_KEY=... AZURE_API_BASE=https://... litebatch serve"
            + "".join(f"\n{line}" for line in found.warnings)
        )
    return Config(
        deployments=found.deployments,
        master_key=env.get("LITEBATCH_MASTER_KEY") or None,
        warnings=found.warnings,
    )
