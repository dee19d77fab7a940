"""The metrics: names, labels and what they say. Nothing here needs prometheus-client.

Names are LiteLLM's, with `litebatch` in place of `litellm`, where it has the metric: `managed_batch_created`,
`managed_batch_duration_seconds`, `managed_file_created`, `managed_file_deleted`, `managed_file_size_bytes`,
`deployment_cooled_down`; `proxy_requests`, `spend_usd`, `input_tokens` and `output_tokens` say units where
LiteLLM says `_metric`. Source: LiteLLM's document "Prometheus metrics".

No label names an owner, a key, a file, a batch or a webhook. `sink` is one of an operator, or `webhooks`;
`model` is a virtual model as it is configured,
`deployment` a deployment id, and every other label has a few values that are written down in the code.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

PREFIX = "litebatch_"
OTHER = "other"
"""in place of a value that the configuration does not have"""

_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_WORK_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
_BATCH_SECONDS = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 64800, 86400, 172800)
_FILE_BYTES = (1 << 14, 1 << 17, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 27, 209_715_200, 1 << 29, 1 << 30)


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One metric."""

    name: str
    """as it is shown; of a histogram without `_bucket`, `_count` and `_sum`"""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """of a histogram: upper bounds"""

    @property
    def series(self) -> tuple[str, ...]:
        """The names that queries use."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(self.name + end for end in ("_bucket", "_count", "_sum"))
        return (self.name,)


def _counter(name: str, help: str, *labels: str) -> Definition:
    return Definition(name=f"{PREFIX}{name}_total", kind=Kind.COUNTER, help=help, labels=labels)


def _gauge(name: str, help: str, *labels: str) -> Definition:
    return Definition(name=PREFIX + name, kind=Kind.GAUGE, help=help, labels=labels)


def _histogram(name: str, help: str, buckets: tuple[float, ...], *labels: str) -> Definition:
    return Definition(
        name=PREFIX + name, kind=Kind.HISTOGRAM, help=help, labels=labels, buckets=tuple(map(float, buckets))
    )


REQUESTS = _counter(
    "proxy_requests",
    "Requests to the API that were answered; route is the declared path.",
    *("route", "method", "status_code"),
)
FILES_CREATED = _counter("managed_file_created", "Files that were uploaded and accepted.", "purpose")
FILES_DELETED = _counter("managed_file_deleted", "Files that their owners have deleted.")
FILE_BYTES = _histogram(
    "managed_file_size_bytes", "Bytes of the files that were accepted.", _FILE_BYTES, "purpose"
)
UPLOAD_SECONDS = _histogram(
    "managed_file_upload_duration_seconds",
    "From the last byte of a file to its acceptance: checks, and uploads to deployments.",
    _WORK_SECONDS,
    "purpose",
)
BATCHES_CREATED = _counter("managed_batch_created", "Batches that were created.", "model")
BATCH_SECONDS = _histogram(
    "managed_batch_duration_seconds",
    "From the creation of a batch to its end; the count is that of ended batches.",
    _BATCH_SECONDS,
    *("model", "status"),
)
CALL_SECONDS = _histogram(
    "provider_call_duration_seconds",
    "Calls to providers, with their repeats where they only read; stream_file lasts as long as its reader.",
    _CALL_SECONDS,
    *("deployment", "call", "outcome"),
)
COOLED_DOWN = _counter(
    "deployment_cooled_down",
    "How often nothing was placed on a deployment for a while, by why it refused.",
    *("deployment", "reason"),
)
RESTING_UNTIL = _gauge(
    "deployment_resting_until_timestamp_seconds",
    "Until when nothing is placed on a deployment, in seconds since 1970; 0: it may be used.",
    "deployment",
)
LIVE_SECONDS = _histogram(
    "live_request_duration_seconds",
    "Requests that were sent to live deployments one by one, each attempt by itself, by what came of it.",
    _CALL_SECONDS,
    *("deployment", "outcome"),
)
LIVE_IN_FLIGHT = _gauge(
    "live_requests_in_flight", "Requests that live deployments are running.", "deployment"
)
LIVE_RANGES = _gauge(
    "live_ranges_held", "Ranges of requests that workers hold for live deployments.", "deployment"
)
LEASES_LOST = _counter("lease_lost", "Work that was given up, for another worker had taken the row.", "kind")
SETTLE_SECONDS = _histogram(
    "settle_duration_seconds", "Reading, counting and publishing the results of a job.", _WORK_SECONDS
)
SPEND = _counter("spend_usd", "US dollars charged for settled jobs.", "model", "deployment")
INPUT_TOKENS = _counter("input_tokens", "Input tokens of settled jobs.", "model", "deployment")
CACHED_TOKENS = _counter(
    "input_cached_tokens", "Input tokens of settled jobs that came from a cache.", "model", "deployment"
)
OUTPUT_TOKENS = _counter("output_tokens", "Output tokens of settled jobs.", "model", "deployment")
UNPRICED = _counter(
    "unpriced_requests", "Requests of settled jobs that the spend leaves out.", "model", "deployment"
)
UNBILLED = _counter(
    "unbilled_requests",
    "Requests that were most likely paid and are in no charge: of a twin job that was ended, or of a live "
    "deployment whose answer came too late to count.",
    *("deployment", "reason"),
)

IN_PROCESS: tuple[Definition, ...] = (
    *(REQUESTS, FILES_CREATED, FILES_DELETED, FILE_BYTES, UPLOAD_SECONDS, BATCHES_CREATED, BATCH_SECONDS),
    *(CALL_SECONDS, COOLED_DOWN, RESTING_UNTIL, LEASES_LOST, SETTLE_SECONDS),
    *(LIVE_SECONDS, LIVE_IN_FLIGHT, LIVE_RANGES),
    *(SPEND, INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, UNPRICED, UNBILLED),
)
"""What each process counts; workers of one gateway are summed up."""

OPEN_BATCHES = _gauge("batches", "Batches of all processes that have not ended, by status.", "status")
OPEN_REQUESTS = _gauge(
    "deployment_open_requests",
    "Requests of jobs of all processes that wait for a deployment, or run there.",
    "deployment",
)
LATE = _gauge(
    "due_late_seconds",
    "For how long the longest due row has been due, by what is to be done with a job, or for a copy.",
    "work",
)
OUTBOX_PENDING = _gauge(
    "outbox_pending_deliveries",
    "Events that a sink has not taken yet, all webhooks in use being one sink; counted up to 10000.",
    "sink",
)
OUTBOX_OLDEST = _gauge(
    "outbox_oldest_pending_seconds",
    "For how long the oldest of them has been there; 0: there is none.",
    "sink",
)
OUTBOX_DEAD = _gauge(
    "outbox_dead_deliveries",
    "Events that a sink did not take and that are not tried again; counted up to 10000.",
    "sink",
)
STORAGE_UP = _gauge("storage_up", "Whether the database has answered; 0: what it tells is left out.")
BUILD = _gauge("build_info", "Always 1; which version this is.", "version")

OF_STORAGE: tuple[Definition, ...] = (
    *(OPEN_BATCHES, OPEN_REQUESTS, LATE),
    *(OUTBOX_PENDING, OUTBOX_OLDEST, OUTBOX_DEAD),
)
"""What the database tells of all processes, some seconds ago at most."""

DEFINITIONS: tuple[Definition, ...] = (*IN_PROCESS, *OF_STORAGE, STORAGE_UP, BUILD)
