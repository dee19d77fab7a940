"""What servers tell, as sentences. Pure but for the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from litebatch_asgi.cli.client.answers import dollars, listed, members, number, text
from litebatch_asgi.cli.client.objects import Batch
from litebatch_asgi.cli.figures import age_of, dollars_shown


def age_in_words(batch: Batch) -> str:
    """Since when there is a batch."""
    if batch.created_at is None:
        return "made earlier"
    return f"made {age_of((datetime.now(UTC) - batch.created_at).total_seconds())} ago"


def estimate_in_words(told: Mapping[str, Any]) -> str:
    """What a batch is estimated to take, as a dry run tells it."""
    cost, source = dollars(told.get("estimated_cost")), text(told.get("price_source"))
    tokens = (
        f"{number(told.get('input_tokens')):,} tokens in, {number(told.get('estimated_output_tokens')):,} out"
    )
    by = f" (prices: {source})" if cost is not None and source else ""
    return f"about {tokens}; cost {dollars_shown(cost)}{by}"


def dry_run_in_words(told: Mapping[str, Any], earlier: str) -> Iterator[str]:
    """What a gateway says of a batch that is still to be made, after an `earlier` estimate was told."""
    estimate = estimate_in_words(told)
    yield "the gateway estimates the same" if estimate == earlier else f"the gateway's estimate: {estimate}"
    if (note := text(told.get("note"))) is not None:
        yield note
    if (waiting := text(members(told.get("waiting_for")).get("message"))) is not None:
        yield f"it would wait now: {waiting}"


def obstacles(told: Mapping[str, Any], max_cost: Decimal | None) -> list[str]:
    """What a create would be refused for, by the limits of the key and by `max_cost`."""
    found = [text(members(each).get("message")) for each in listed(told.get("would_exceed"))]
    if max_cost is not None and dollars(told.get("estimated_cost")) is None:
        found.append(f"--max-cost is {max_cost}, and the gateway knows no price of the model")
    return [each for each in found if each is not None]
