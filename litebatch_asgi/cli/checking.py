"""The check of a file of requests as an upload makes it, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.config import load_config
from litebatch_asgi.costs import PriceBook, Rates
from litebatch_asgi.errors import ConfigError, InvalidFile, Problem
from litebatch_asgi.files.admission import ModelCheck, line_checker, model_error
from litebatch_asgi.jsonl import CheckedFile
from litebatch_asgi.models import Deployment, Principal, Settings
from litebatch_asgi.models.limits import file_cap
from litebatch_asgi.prices import load_prices

_BLOCK = 1 << 20
_ANYBODY = Principal(owner="command line")


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is checked against."""

    settings: Settings
    catalog: Catalog | None
    """None: any model will do"""
    prices: PriceBook

    @classmethod
    def of(cls, config: Path | None) -> Gateway:
        """That of a configuration, or with nothing but the defaults. Raises `ConfigError`."""
        if config is None:
            return cls(settings=Settings(), catalog=None, prices=PriceBook(()))
        read = load_config(config)
        catalog = Catalog(read.deployments, read.unserved)
        return cls(settings=read.settings, catalog=catalog, prices=load_prices(catalog, read.settings))

    def model_problem(self, model: str | None) -> Callable[[str], Problem | None]:
        """Says what is wrong with a line's model, where it has to be `model`.

        Raises `InvalidRequest` if there is no such model.
        """
        if self.catalog is None:
            return lambda _: None
        error = model_error(self.catalog, _ANYBODY, model) if model is not None else None
        if error is not None:
            raise error
        return ModelCheck(self.catalog, _ANYBODY, () if model is None else (model,)).problem

    def rates(self, model: str, priced_as: str | None) -> Iterator[tuple[Deployment, str, Rates | None]]:
        """The deployments of a model, which model answers there, and what it takes."""
        served = [Deployment(model_name=model, model=priced_as or model)]
        if self.catalog is not None:
            served = list(self.catalog.deployments_for(model).values())
        for each in served:
            upstream = each.upstream_model_for(model)
            now = datetime.now(UTC)
            yield each, upstream, self.prices.find(each, upstream, upstream_model=upstream, now=now)


def check(
    path: Path, gateway: Gateway, model: str | None, *, seen: Callable[[bytes], object] = len
) -> CheckedFile | tuple[Problem, ...]:
    """What is known of a file, or all that is wrong with it; `seen` is given its blocks.

    Raises `ConfigError` if it cannot be read, and `InvalidRequest` if there is no such model.
    """
    checker = line_checker(gateway.settings, gateway.model_problem(model), gateway.prices.thresholds)
    problems: list[Problem] = []
    cap = file_cap((), gateway.settings.largest_file_bytes)
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                size += len(block)
                checker.feed(block)
                seen(block)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if size > cap.bytes:
        told = cap.exceeded()
        problems.append(Problem(code=told.code or "", line=None, param=told.param, message=told.message))
    try:
        checked = checker.finish()
    except InvalidFile as error:
        return (*problems, *error.problems)
    return tuple(problems) or checked
