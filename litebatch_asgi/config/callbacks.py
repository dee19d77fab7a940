"""What takes the place of LiteLLM's logging callbacks here. Pure.

Source of the names: LiteLLM's documents "Logging", "Callbacks" and those of each integration. Source of the
endpoints and headers: each product's own document on OpenTelemetry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from litebatch_asgi.config.reading import is_list, is_mapping

SETTINGS = ("callbacks", "success_callback", "failure_callback", "service_callbacks")
"""of `litellm_settings`; each a name, or a list of them"""
PROMETHEUS = "prometheus"
_OF_ONES_OWN = re.compile(r"\w+(\.\w+)+")
"""how LiteLLM names an object in a module"""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What takes spans by OTLP, as http/protobuf."""

    name: str
    callbacks: tuple[str, ...]
    """LiteLLM's names for it"""
    endpoint: str
    """for OTEL_EXPORTER_OTLP_ENDPOINT: `/v1/traces` is appended; `<...>` is to be filled in"""
    headers: str | None = None
    """for OTEL_EXPORTER_OTLP_HEADERS"""
    attributes: str | None = None
    """for OTEL_RESOURCE_ATTRIBUTES"""

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables that send spans there."""
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": self.headers,
            "OTEL_RESOURCE_ATTRIBUTES": self.attributes,
        }
        return {name: value for name, value in told.items() if value is not None}


PRODUCTS = (
    Product(
        name="any collector",
        callbacks=("otel",),
        endpoint="http://<host>:4318",
    ),
    Product(
        name="Arize AX",
        callbacks=("arize",),
        endpoint="https://otlp.arize.com",
        headers="arize-space-id=<space>,arize-api-key=<key>",
        attributes="openinference.project.name=<project>",
    ),
    Product(
        name="Arize Phoenix",
        callbacks=("arize_phoenix",),
        endpoint="http://<host>:6006",
        headers="authorization=Bearer%20<key>",
        attributes="openinference.project.name=<project>",
    ),
    Product(
        name="Braintrust",
        callbacks=("braintrust",),
        endpoint="https://api.braintrust.dev/otel",
        headers="Authorization=Bearer%20<key>,x-bt-parent=project_name:<project>",
    ),
    Product(
        name="Datadog",
        callbacks=("datadog", "datadog_llm_observability"),
        endpoint="https://otlp.datadoghq.com",
        headers="dd-api-key=<key>,dd-otlp-source=llmobs",
    ),
    Product(
        name="Langfuse",
        callbacks=("langfuse", "langfuse_otel"),
        endpoint="https://cloud.langfuse.com/api/public/otel",
        headers="Authorization=Basic%20<base64(public:secret)>",
    ),
    Product(
        name="LangSmith",
        callbacks=("langsmith",),
        endpoint="https://api.smith.langchain.com/otel",
        headers="x-api-key=<key>,Langsmith-Project=<project>",
    ),
    Product(
        name="Logfire",
        callbacks=("logfire",),
        endpoint="https://logfire-us.pydantic.dev",
        headers="Authorization=<write_token>",
    ),
    Product(
        name="Opik",
        callbacks=("opik",),
        endpoint="https://www.comet.com/opik/api/v1/private/otel",
        headers="Authorization=<key>,projectName=<project>,Comet-Workspace=<workspace>",
    ),
    Product(
        name="Traceloop",
        callbacks=("traceloop",),
        endpoint="https://api.traceloop.com",
        headers="Authorization=Bearer%20<key>",
    ),
    Product(
        name="Weave",
        callbacks=("weave_otel",),
        endpoint="https://trace.wandb.ai/otel",
        headers="wandb-api-key=<key>",
        attributes="wandb.entity=<team>,wandb.project=<project>",
    ),
)
_BY_CALLBACK = {callback: product for product in PRODUCTS for callback in product.callbacks}


def callback_advice(litellm_settings: object, sinks: Sequence[str]) -> Iterator[str]:
    """A line for each callback whose place something here takes; nothing of those that `sinks` serves.

    `litellm_settings` is what the document says, of whatever type. Callbacks that there is nothing for are
    left to the warning that names all unused settings.
    """
    told: dict[str, None] = {}
    for callback in _named(litellm_settings):
        product = _BY_CALLBACK.get(callback)
        if product is not None and "otel" not in sinks:
            told[_by_otlp(callback, product)] = None
        elif callback == PROMETHEUS:
            told["callback prometheus: `/metrics` has the metrics of batches, for Prometheus"] = None
        elif _OF_ONES_OWN.fullmatch(callback):
            told[f"callback {callback}: `sinks: [module:callable]` names an async callable for events"] = None
    yield from told


def _named(litellm_settings: object) -> Iterator[str]:
    if not is_mapping(litellm_settings):
        return
    for setting in SETTINGS:
        value = litellm_settings.get(setting)
        names = value if is_list(value) else [value]
        yield from (name for name in names if isinstance(name, str))


def _by_otlp(callback: str, product: Product) -> str:
    variables = " ".join(f"{name}={value}" for name, value in product.variables.items())
    return (
        f"callback {callback}: `sinks: [otel]` in litebatch_settings reaches {product.name}, with {variables}"
    )
