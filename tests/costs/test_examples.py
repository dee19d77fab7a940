"""Worked examples: what batches cost by the providers' published prices, computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from litebatch_asgi.costs import PriceBook, Rates, priced
from litebatch_asgi.costs.book import USUAL_THRESHOLDS
from litebatch_asgi.costs.genai import PROVIDERS, batch_rates, standard_steps
from litebatch_asgi.models import ChargedUsage, Deployment, UsageBucket

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SOURCE = f"genai-prices {genai_prices.__version__}"
MILLION = 1_000_000


def found(model: str, now: datetime = NOW) -> Rates | None:
    """The prices of `provider/model`."""
    deployment = Deployment(model_name="m", model=model, api_key="k")
    upstream = deployment.upstream_model
    return PriceBook([deployment]).find(deployment, upstream, upstream_model=upstream, now=now)


def cost(rates: Rates | None, **tokens: int) -> Decimal | None:
    """What tokens cost; inputs are short unless it is said what they are `above`."""
    bucket = UsageBucket(
        above=tokens.pop("above", 0),
        until=tokens.pop("until", 32_000),
        requests=1,
        **{f"{kind}_tokens": count for kind, count in tokens.items()},
    )
    return priced(ChargedUsage(requests=1, buckets=(bucket,)), rates)[1]


HALF_CACHED = {"plain_input": MILLION // 2, "cached": MILLION // 2, "plain_output": MILLION}


@pytest.mark.parametrize(
    ("model", "tokens", "source", "dollars"),
    [
        # 0.625 a million in a batch, 0.0625 cached, 5 for output: 0.3125 + 0.03125 + 5
        ("openai/gpt-5", HALF_CACHED, "batch", "5.34375"),
        # Azure has no prices of its own: OpenAI's 2.5 and 10, halved
        ("azure/gpt-4o", {"plain_input": MILLION, "plain_output": MILLION}, "halved", "6.25"),
        # and cached tokens cost what they cost at OpenAI: 0.3125 + 0.03125 + 5
        ("azure/gpt-5", HALF_CACHED, "halved", "5.34375"),
        # 0.02 a million, halved
        ("openai/text-embedding-3-small", {"plain_input": MILLION}, "halved", "0.01"),
        ("azure/text-embedding-3-small", {"plain_input": MILLION}, "halved", "0.01"),
        # up to 272,000 tokens 1.25 and 7.5 in a batch: 0.34 + 0.75
        (
            "openai/gpt-5.4",
            {"plain_input": 272_000, "plain_output": 100_000, "above": 256_000, "until": 272_000},
            "batch",
            "1.09",
        ),
        # above it 2.5 and 11.25, for all tokens: 0.75 + 1.125
        (
            "openai/gpt-5.4",
            {"plain_input": 300_000, "plain_output": 100_000, "above": 272_000, "until": 512_000},
            "batch",
            "1.875",
        ),
        # no discount: 1 + 2
        ("openai/gpt-3.5-turbo-1106", {"plain_input": MILLION, "plain_output": MILLION}, "batch", "3"),
        # 1.25 a million of input, and the whole 1.25 for cached ones: 0.625 + 0.625 + 5
        ("openai/gpt-4o", HALF_CACHED, "batch", "6.25"),
        # a fifth off 1.25, 0.2 and 2.5: 0.09 + 0.0016 + 0.02
        (
            "xai/grok-4.3",
            {"plain_input": 90_000, "cached": 10_000, "plain_output": 10_000},
            "batch",
            "0.1116",
        ),
        # a fifth off 3, 0.75 and 15: 0.216 + 0.006 + 0.12
        ("xai/grok-4", {"plain_input": 90_000, "cached": 10_000, "plain_output": 10_000}, "at 0.8", "0.342"),
        # 2 a million, 2.5 to write to the cache, 0.2 to read from it, 10: 0.2 + 0.125 + 0.01 + 0.1
        (
            "openai/gpt-5.6",
            {"plain_input": 100_000, "cache_write": 50_000, "cached": 50_000, "plain_output": 10_000},
            "batch",
            "0.435",
        ),
        # the discounts stack, half of 3, 3.75, 0.3 and 15: 0.15 + 0.09375 + 0.0075 + 0.075
        (
            "anthropic/claude-sonnet-4-5",
            {"plain_input": 100_000, "cache_write": 50_000, "cached": 50_000, "plain_output": 10_000},
            "batch",
            "0.32625",
        ),
        # they do not: half of 0.3, of 1 for audio and of 2.5, but 0.03: 0.015 + 0.05 + 0.0125 + 0.003
        (
            "gemini/gemini-2.5-flash",
            {"plain_input": 100_000, "cached": 100_000, "audio_input": 100_000, "plain_output": 10_000},
            "batch",
            "0.0805",
        ),
        # half of 5 for text, 8 for images, 10 for text and 32 for images made: 0.025 + 0.04 + 0.05 + 0.16
        (
            "openai/gpt-image-1.5",
            {
                "plain_input": 10_000,
                "image_input": 10_000,
                "plain_output": 10_000,
                "image_output": 10_000,
            },
            "batch",
            "0.275",
        ),
        # half of 2.5, 32, 10 and 64: 0.0125 + 0.16 + 0.05 + 0.32
        (
            "openai/gpt-audio",
            {
                "plain_input": 10_000,
                "audio_input": 10_000,
                "plain_output": 10_000,
                "audio_output": 10_000,
            },
            "halved",
            "0.5425",
        ),
        # reasoning is output: 5 a million
        ("openai/gpt-5", {"plain_output": MILLION, "reasoning": MILLION // 3}, "batch", "5"),
        # cached tokens of a model without a price for them are input: half of 30
        ("openai/gpt-4", {"cached": MILLION}, "batch", "15"),
        ("openai/omni-moderation-latest", {}, "halved", "0"),
    ],
)
def test_a_batch_costs_what_was_published(
    model: str, tokens: dict[str, int], source: str, dollars: str
) -> None:
    rates = found(model)
    assert rates is not None
    assert (cost(rates, **tokens), rates.source) == (Decimal(dollars), f"{SOURCE} {source}")


def test_outside_of_a_batch_it_costs_twice_as_much() -> None:
    """1.25 a million, 0.125 cached, 10 for output: 0.625 + 0.0625 + 10."""
    openai = next(each for each in get_snapshot().providers if each.id == "openai")
    model = openai.find_model("gpt-5")
    assert model is not None
    assert cost(Rates(source="", steps=standard_steps(model, NOW)), **HALF_CACHED) == Decimal("10.6875")


@pytest.mark.parametrize(
    ("model", "day", "dollars"),
    [
        ("openai/gpt-5", "2026-10-13", "0.625"),  # the table has the price of a batch from the day after
        ("openai/gpt-5", "2025-08-08", "0.625"),
        ("gemini/gemini-3.6-flash", "2026-10-01", "0.375"),
        ("gemini/gemini-3.6-flash", "2026-12-31", "0.375"),
        ("gemini/gemini-3.6-flash", "2027-01-01", "0.75"),
    ],
)
def test_a_batch_price_counts_before_it_begins(model: str, day: str, dollars: str) -> None:
    """A price that another follows ends when that begins."""
    rates = found(model, datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert cost(rates, plain_input=MILLION) == Decimal(dollars)


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o-mini-general-deployment",
        "openai/no-such-model",
        "hosted_vllm/gpt-4o",
        "azure/my-deployment",
    ],
)
def test_a_price_that_nobody_knows_is_unknown(model: str) -> None:
    assert found(model) is None
    assert cost(None, plain_input=1) is None


@pytest.mark.parametrize(
    ("model", "plain_input", "plain_output", "source"),
    [
        ("mistral/mistral-small-latest", "0.075", "0.3", "batch"),
        ("mistral/mistral-large-latest", "1", "3", "halved"),
        ("groq/llama-3.1-8b-instant", "0.025", "0.04", "halved"),
        ("groq/openai/gpt-oss-20b", "0.0375", "0.15", "batch"),
    ],
)
def test_mistral_and_groq_take_half(model: str, plain_input: str, plain_output: str, source: str) -> None:
    """By the table's own prices for batches where it has some, else by the providers' word."""
    rates = found(model, datetime(2026, 11, 1, tzinfo=UTC))
    assert rates is not None
    assert rates.source.endswith(source)
    assert cost(rates, plain_input=MILLION) == Decimal(plain_input)
    assert cost(rates, plain_output=MILLION) == Decimal(plain_output)


def test_a_seller_whose_discount_is_unknown_has_no_price() -> None:
    providers = get_snapshot().providers
    together = next(each for each in providers if each.id == "together")
    model = next(each for each in together.models if not each.price_variants)
    assert batch_rates(together, model, NOW, SOURCE) is None


def test_a_kind_without_any_price_leaves_its_bucket_unpriced() -> None:
    assert cost(found("openai/text-embedding-3-small"), plain_input=5, plain_output=5) is None


def test_all_thresholds_of_the_tables_are_told_apart() -> None:
    """A new one would leave long inputs without a price until it is added."""
    providers = get_snapshot().providers
    sellers = [each for each in providers if each.id in PROVIDERS.values()]
    for seller in sellers:
        for model in seller.models:
            rates = batch_rates(seller, model, NOW, SOURCE)
            assert rates is not None
            assert rates.thresholds <= USUAL_THRESHOLDS


def test_a_version_that_nobody_knows_costs_what_the_model_does_that_was_asked_for() -> None:
    """Budgets have let the batch in at that price; a new version must not make it free."""
    deployment = Deployment(model_name="m", model="openai/gpt-5", api_key="k")
    book, now = PriceBook([deployment]), datetime(2026, 11, 1, tzinfo=UTC)
    known = book.find(deployment, "gpt-5", upstream_model="gpt-5", now=now)
    assert known is not None
    assert book.find(deployment, "gpt-5-2027-01-01", upstream_model="gpt-5", now=now) == known
    assert book.find(deployment, "gpt-5-2027-01-01", upstream_model="mine", now=now) is None
