"""LiteLLM's callbacks: what is said of each, and where its product is reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from litebatch_asgi.config import parse_config
from litebatch_asgi.config.callbacks import PRODUCTS, Product

README = Path(__file__).parents[2] / "litebatch_asgi" / "server" / "README.md"
ROW = re.compile(r"\| ([^|]+) \| ([^|]+) \| `([^`]+)` \| ([^|]*) \|")


def warnings(litellm_settings: str, sinks: str = "[]") -> list[str]:
    config = parse_config(
        f"""
model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_key: k}}}}]
litebatch_settings: {{sinks: {sinks}}}
litellm_settings: {litellm_settings}
""",
        {},
        "f.yaml",
    )
    general, *advice = config.warnings
    assert "LiteBatch does not use" in general
    return advice


def test_one_line_says_how_a_product_is_reached() -> None:
    assert warnings('{callbacks: ["langsmith", "langsmith"], success_callback: langsmith}') == [
        "f.yaml: callback langsmith: `sinks: [otel]` in litebatch_settings reaches LangSmith, with "
        "OTEL_EXPORTER_OTLP_ENDPOINT=https://api.smith.langchain.com/otel "
        "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=<key>,Langsmith-Project=<project>"
    ]


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_each_of_its_names_is_known(product: Product) -> None:
    for name in product.callbacks:
        [line] = warnings(f"{{success_callback: [{name}]}}")
        assert product.endpoint in line
        assert line.startswith(f"f.yaml: callback {name}: ")


def test_others_have_a_sentence_of_their_own_or_none() -> None:
    named = "[prometheus, my_module.my_handler, s3, slack]"
    assert warnings(f"{{callbacks: {named}, failure_callback: [sentry, 7]}}") == [
        "f.yaml: callback prometheus: `/metrics` has the metrics of batches, for Prometheus",
        "f.yaml: callback my_module.my_handler: "
        "`sinks: [module:callable]` names an async callable for events",
    ]
    for nothing in ("{callbacks: 7}", "{callbacks: {langfuse: 1}}", "[langfuse]", "langfuse"):
        assert warnings(nothing) == []


def test_whoever_has_the_sink_is_not_told_of_it() -> None:
    assert warnings("{callbacks: [langfuse, otel]}", "[otel]") == []


def test_the_table_is_the_codes() -> None:
    """That of the readme, row by row."""
    rows = [found.groups() for found in ROW.finditer(README.read_text())]
    assert rows == [
        (
            each.name,
            ", ".join(f"`{name}`" for name in each.callbacks),
            each.endpoint,
            "; ".join(f"`{value}`" for value in (each.headers, each.attributes) if value is not None),
        )
        for each in PRODUCTS
    ]
