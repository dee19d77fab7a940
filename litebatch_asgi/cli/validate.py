"""What `litebatch files validate` does: the check of an upload and the costs of a batch, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import msgspec
import typer

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.cli.accounts import tell
from litebatch_asgi.cli.output import Output, Row, print_rows
from litebatch_asgi.config import load_config
from litebatch_asgi.costs import UNKNOWN, Estimate, PriceBook, Rates, cost_of, highest_cost_of
from litebatch_asgi.errors import ConfigError, InvalidFile, Problem
from litebatch_asgi.files.admission import ModelCheck, line_checker, model_error
from litebatch_asgi.jsonl import CheckedFile
from litebatch_asgi.models import Deployment, Principal, Settings
from litebatch_asgi.models.limits import file_cap
from litebatch_asgi.prices import load_prices
from litebatch_asgi.wire import cost_text, guess_in_words

COLUMNS = ("PRICED AS", "TOKENS IN", "TOKENS OUT", "COST", "AT MOST", "PRICE FROM")
PROBLEM_COLUMNS = ("LINE", "PROBLEM")
_BLOCK = 1 << 20
_ANYBODY = Principal(owner="command line")


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch on a file is estimated to cost at one deployment."""

    file: str
    model: str
    """the one of the lines"""
    endpoint: str
    requests: int
    input_tokens: int
    guessed_input_tokens: int
    """those of them that are a guess"""
    estimated_output_tokens: int
    highest_output_tokens: int | None
    """None: a request sets no limit"""
    deployment: str | None
    """None: no configuration was given"""
    priced_as: str
    """provider and model"""
    estimated_cost: str | None
    """in US dollars; None: unknown"""
    highest_cost: str | None
    price_source: str


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


def validate(path: Path, model: str | None, config: Path | None, output: Output | None) -> None:
    """Check a file and print what it costs, or what is wrong with it; then the exit code is 1."""
    gateway = Gateway.of(config)
    found = _check(path, gateway, model)
    if not isinstance(found, CheckedFile):
        print_rows(PROBLEM_COLUMNS, map(_problem_row, found), output)
        tell(f"{path} has {_counted(len(found), 'problem')}: an upload would be refused")
        raise typer.Exit(1)
    estimated = Estimate.of(found, found.url, gateway.settings)
    priced = list(_priced(path, found, estimated, gateway, model))
    print_rows(COLUMNS, map(_row, priced), output)
    _tell(path, found, estimated, gateway, priced)


def _check(path: Path, gateway: Gateway, model: str | None) -> CheckedFile | tuple[Problem, ...]:
    checker = line_checker(gateway.settings, gateway.model_problem(model), gateway.prices.thresholds)
    problems: list[Problem] = []
    cap = file_cap((), gateway.settings.largest_file_bytes)
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                size += len(block)
                checker.feed(block)
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


def _priced(
    path: Path, found: CheckedFile, estimated: Estimate, gateway: Gateway, model: str | None
) -> Iterator[Priced]:
    for deployment, upstream, rates in gateway.rates(found.model, model):
        yield Priced(
            file=str(path),
            model=found.model,
            endpoint=found.url,
            requests=estimated.requests,
            input_tokens=estimated.input_tokens,
            guessed_input_tokens=estimated.guessed_tokens,
            estimated_output_tokens=estimated.output_tokens,
            highest_output_tokens=estimated.highest_output_tokens,
            deployment=None if gateway.catalog is None else deployment.id,
            priced_as=f"{deployment.provider}/{upstream}",
            estimated_cost=cost_text(cost_of(estimated, rates)),
            highest_cost=cost_text(highest_cost_of(estimated, rates)),
            price_source=UNKNOWN if rates is None else rates.source,
        )


def _tell(
    path: Path, found: CheckedFile, estimated: Estimate, gateway: Gateway, priced: list[Priced]
) -> None:
    tell(f"{path} has no problems: {_counted(found.lines, 'request')} for {found.model}")
    if estimated.highest_output_tokens is None:
        each = gateway.settings.estimated_output_tokens
        answers = _counted(found.unlimited_answers, "answer")
        tell(f"no limit on {answers}: {each:,} tokens assumed for each")
    if found.guessed_tokens:
        tell(guess_in_words(found.guessed_tokens))
    unknown = dict.fromkeys(each.priced_as for each in priced if each.estimated_cost is None)
    for name in unknown:
        advice = "give it one in `model_info` or in the file of `prices`"
        if gateway.catalog is None:
            advice = "name a provider's model with -m, or a --config"
        tell(f"no price for {name}: {advice}")


def _row(each: Priced) -> Row:
    highest = each.highest_output_tokens
    at_most = "no limit" if highest is None else _shown(each.highest_cost)
    tokens = (each.input_tokens, each.estimated_output_tokens)
    costs = (each.estimated_cost or "", each.highest_cost or "")
    return Row(
        cells=(
            each.deployment or each.priced_as,
            *(f"{count:,}" for count in tokens),
            _shown(each.estimated_cost),
            at_most,
            each.price_source,
        ),
        plain=(
            *(each.deployment or each.priced_as, str(each.requests)),
            *(*map(str, tokens), "" if highest is None else str(highest)),
            *(*costs, each.price_source),
        ),
        object=each,
    )


def _problem_row(problem: Problem) -> Row:
    line = "" if problem.line is None else str(problem.line)
    return Row(
        cells=(line or "-", problem.message),
        plain=(line, problem.code, problem.param or "", problem.message),
        object=problem,
    )


def _shown(cost: str | None) -> str:
    """Dollars as people read them, rounded up to a cent, or to the hundredth part of one below a dollar."""
    if cost is None:
        return "unknown"
    amount = Decimal(cost)
    place = Decimal("0.01") if amount >= 1 else Decimal("0.0001")
    return f"${amount.quantize(place, ROUND_CEILING):,}"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
