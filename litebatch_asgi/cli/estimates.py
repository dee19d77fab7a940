"""What batches are estimated to cost, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from litebatch_asgi.cli.checking import Gateway
from litebatch_asgi.cli.figures import counted, dollars_shown
from litebatch_asgi.cli.output import Row
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.costs import UNKNOWN, Estimate, cost_of, highest_cost_of
from litebatch_asgi.jsonl import CheckedFile
from litebatch_asgi.wire import cost_text, guess_in_words

COLUMNS = ("PRICED AS", "TOKENS IN", "TOKENS OUT", "COST", "AT MOST", "PRICE FROM")


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


def priced(
    path: Path, found: CheckedFile, estimated: Estimate, gateway: Gateway, model: str | None
) -> Iterator[Priced]:
    """What a batch on a checked file costs at each deployment of its model, or at `model`."""
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


def tell_estimates(
    path: Path, found: CheckedFile, estimated: Estimate, gateway: Gateway, every: list[Priced]
) -> None:
    """Tell what stands behind the estimates."""
    tell(f"{path} has no problems: {counted(found.lines, 'request')} for {found.model}")
    if estimated.highest_output_tokens is None:
        each = gateway.settings.estimated_output_tokens
        answers = counted(found.unlimited_answers, "answer")
        tell(f"no limit on {answers}: {each:,} tokens assumed for each")
    if found.guessed_tokens:
        tell(guess_in_words(found.guessed_tokens))
    unknown = dict.fromkeys(each.priced_as for each in every if each.estimated_cost is None)
    for name in unknown:
        advice = "give it one in `model_info` or in the file of `prices`"
        if gateway.catalog is None:
            advice = "name a provider's model with -m, or a --config"
        tell(f"no price for {name}: {advice}")


def row_of(each: Priced) -> Row:
    """An estimate as a result."""
    highest = each.highest_output_tokens
    at_most = "no limit" if highest is None else dollars_shown(each.highest_cost)
    tokens = (each.input_tokens, each.estimated_output_tokens)
    costs = (each.estimated_cost or "", each.highest_cost or "")
    return Row(
        cells=(
            each.deployment or each.priced_as,
            *(f"{count:,}" for count in tokens),
            dollars_shown(each.estimated_cost),
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
