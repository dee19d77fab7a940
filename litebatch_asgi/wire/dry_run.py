"""What a dry run is told as."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from litebatch_asgi.errors import dollars
from litebatch_asgi.models import DeploymentOutlook, DryRun, Lane, Obstacle
from litebatch_asgi.wire.money import cost_text
from litebatch_asgi.wire.waiting import (
    DeploymentWaitObject,
    WaitingForObject,
    deployment_wait_object,
    waiting_for_object,
)

_DOLLARS = "In US dollars, a decimal number as a string; null: unknown"
_MONEY = "US dollars as a string for `max_budget` and `litebatch.max_cost`; null: the model has no price."
_Source = Annotated[
    str, Meta(description="Who says so, such as `config` or `genai-prices 0.2.3 batch`; `unknown`: nobody.")
]


class DeploymentOutlookObject(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the deployments of the model would do."""

    id: Annotated[str | UnsetType, Meta(description="Of the deployment. For admins alone.")] = UNSET
    lane: Annotated[
        Lane,
        Meta(
            description=(
                "`native`: as a batch of its provider; `live`: the gateway sends the requests one by one, at "
                "plain prices."
            )
        ),
    ]
    takes_it_now: Annotated[
        bool, Meta(description="Whether it would be asked at once; what it answers then is not known.")
    ]
    waiting_for: Annotated[
        DeploymentWaitObject | None, Meta(description="What stands in the way there; null: nothing.")
    ]
    estimated_cost: Annotated[str | None, Meta(description=f"{_DOLLARS}. At its own prices.")]
    price_source: _Source


class ExceededObject(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that the batch does not fit into now."""

    limit: Annotated[str, Meta(description="Its name, such as `max_open_batches`.")]
    whose: Annotated[
        str | None, Meta(description="Such as the key's or the team's; null: the request's own.")
    ]
    most: Annotated[int | str | None, Meta(description=f"What it is set to. {_MONEY}")]
    used: Annotated[
        int | str | None, Meta(description=f"What open batches hold, and what is spent. {_MONEY}")
    ]
    asked: Annotated[int | str | None, Meta(description=f"What the batch would hold. {_MONEY}")]
    message: Annotated[str, Meta(description="What a create would be told.")]


class DryRunObject(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch would consume, cost and wait for."""

    object: Literal["batch.dry_run"] = "batch.dry_run"
    model: Annotated[str, Meta(description="The virtual model of its lines.")]
    endpoint: str
    requests: int
    input_tokens: Annotated[
        int, Meta(description="A token for 4 bytes of the file, and `guessed_input_tokens`.")
    ]
    guessed_input_tokens: Annotated[
        int,
        Meta(
            description=(
                "Those of them that are a guess: `estimated_image_tokens` of the gateway for each image, "
                "`estimated_file_tokens` for each file, stored prompt or earlier response that is named."
            )
        ),
    ]
    note: Annotated[str | None, Meta(description="What of it is a guess, in words; null: nothing.")]
    estimated_output_tokens: Annotated[
        int,
        Meta(
            description=(
                "As long as the requests let their answers be, times `n`; an answer without a limit counts "
                "as the gateway's `estimated_output_tokens`."
            )
        ),
    ]
    highest_output_tokens: Annotated[
        int | None, Meta(description="What all answers have at most; null: a request sets no limit.")
    ]
    estimated_cost: Annotated[str | None, Meta(description=f"{_DOLLARS}. At the dearest deployment.")]
    highest_cost: Annotated[str | None, Meta(description=f"{_DOLLARS}, or a request sets no limit.")]
    price_source: _Source
    waiting_for: Annotated[
        WaitingForObject | None, Meta(description="What it would wait for; null: a deployment takes it now.")
    ]
    deployments: Annotated[
        list[DeploymentOutlookObject],
        Meta(description="All that serve the model; their ids for admins alone."),
    ]
    would_exceed: Annotated[
        list[ExceededObject], Meta(description="The caller's limits that a create would be refused for now.")
    ]


def dry_run_object(told: DryRun, *, for_admin: bool) -> DryRunObject:
    """A dry run as its caller sees it."""
    waiting = told.waiting_for
    return DryRunObject(
        model=told.model,
        endpoint=told.endpoint,
        requests=told.requests,
        input_tokens=told.input_tokens,
        guessed_input_tokens=told.guessed_input_tokens,
        note=guess_in_words(told.guessed_input_tokens) if told.guessed_input_tokens else None,
        estimated_output_tokens=told.estimated_output_tokens,
        highest_output_tokens=told.highest_output_tokens,
        estimated_cost=cost_text(told.estimated_cost),
        highest_cost=cost_text(told.highest_cost),
        price_source=told.price_source,
        waiting_for=waiting_for_object(waiting, for_admin=for_admin) if waiting is not None else None,
        deployments=[_deployment(each) for each in told.deployments],
        would_exceed=[_exceeded(each) for each in told.would_exceed],
    )


def guess_in_words(tokens: int) -> str:
    """That so many tokens of an input are a guess, and what follows."""
    return (
        f"{tokens:,} tokens of the input are a guess, for images and for files or responses that requests "
        "only name: the real cost may be far from the estimate, mostly below it"
    )


def _deployment(each: DeploymentOutlook) -> DeploymentOutlookObject:
    return DeploymentOutlookObject(
        id=UNSET if each.deployment_id is None else each.deployment_id,
        lane=each.lane,
        takes_it_now=each.takes_it_now,
        waiting_for=deployment_wait_object(each.waiting_for) if each.waiting_for is not None else None,
        estimated_cost=cost_text(each.estimated_cost),
        price_source=each.price_source,
    )


def _exceeded(each: Obstacle) -> ExceededObject:
    return ExceededObject(
        limit=each.limit,
        whose=each.whose,
        most=_amount(each.most),
        used=_amount(each.used),
        asked=_amount(each.asked),
        message=each.message,
    )


def _amount(amount: int | Decimal | None) -> int | str | None:
    return dollars(amount) if isinstance(amount, Decimal) else amount
