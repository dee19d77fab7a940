"""The prices that a configuration comes to."""

from __future__ import annotations

from pathlib import Path

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.costs import PriceBook, PriceFile
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Settings


def load_prices(catalog: Catalog, settings: Settings) -> PriceBook:
    """The prices of all deployments, the file that the settings name included. This reads it.

    Raises `ConfigError` if it cannot be read.
    """
    deployments = [each for group in catalog.groups.values() for each in group.deployments.values()]
    return PriceBook(deployments, read_prices(Path(settings.prices)) if settings.prices else None)


def read_prices(path: Path) -> PriceFile:
    """The prices of a file in LiteLLM's format. Raises `ConfigError` if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"prices: {path} cannot be read: {error.strerror}") from None
    return PriceFile.parse(content, path.name)
