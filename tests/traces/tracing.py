"""`litebatch serve` that sends its spans to a collector, and a client that is traced as well."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import openai

from tests.cli.processes import Running
from tests.forks import running
from tests.harness import LIVE_MODEL, MODEL, UPSTREAM, lines
from tests.host.hosting import Provider
from tests.traces.collecting import Collector

MASTER, WEBHOOK_KEY = "mk-hidden-master", "webhook-key-hidden-0123456789abcdef"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "tracestate": "vendor=of-the-client",
    "baggage": "session=hidden-baggage",
}


NATIVE: Mapping[str, str] = {name: f"openai/{model}" for name, model in UPSTREAM.items()}
LIVE: Mapping[str, str] = {"live": f"hosted_vllm/{LIVE_MODEL}"}


def config(provider: str, models: Mapping[str, str]) -> str:
    accounts = "".join(
        f"""
  - model_name: {MODEL}
    litellm_params:
      {{model: "{model}", api_base: "{provider}/{name}/v1", api_key: sk-hidden-{name}}}
    model_info: {{id: {name}, input_cost_per_token_batches: 0.001, output_cost_per_token_batches: 0.002}}"""
        for name, model in models.items()
    )
    return f"""
model_list:{accounts}
general_settings: {{master_key: {MASTER}}}
litebatch_settings:
  {{min_poll_seconds: 0.05, max_poll_seconds: 0.2, sinks: [otel, log], webhook_keys: [{WEBHOOK_KEY}]}}
"""


def served(
    folder: Path,
    collector: Collector,
    provider: Provider,
    *options: str,
    models: Mapping[str, str] = NATIVE,
    **env: str,
) -> AbstractContextManager[Running]:
    """The gateway, in front of these accounts of the provider with their models."""
    (folder / "litebatch.yaml").write_text(config(provider.address, models))
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hidden-collector-key",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        **env,
    }
    options = ("--config", "litebatch.yaml", "--port", "0", *options)
    return running("serve", *options, cwd=folder, until="  key", **told)


def whole_batch(address: str) -> tuple[str, str]:
    """The id of a batch that has completed, and the key that made it."""
    admin = {"authorization": f"Bearer {MASTER}"}
    with httpx2.Client(base_url=address, headers=admin, trust_env=False, timeout=30) as http:
        key: str = http.post("/key/generate", json={"user_id": "nora"}).json()["key"]
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
        file = client.files.create(
            file=("hidden-name.jsonl", lines(3)), purpose="batch", extra_headers=HEADERS
        )
        batch = client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"note": "hidden-note"},
            extra_headers=HEADERS,
        )
        while batch.status not in ("completed", "failed"):
            time.sleep(0.05)
            batch = client.batches.retrieve(batch.id)
        assert batch.status == "completed"
        events = client.get(f"/batches/{batch.id}/events", cast_to=httpx2.Response)
        assert TRACE not in repr(batch) + events.text
    return batch.id, key
