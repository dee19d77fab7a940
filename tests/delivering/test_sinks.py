"""What may be a sink, and what it is called."""

from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Generator
from datetime import UTC, datetime
from functools import partial
from typing import cast

import pytest

from litebatch_asgi import CallableSink, Deployment, Event
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import ConfigError, Undeliverable
from litebatch_asgi.models import Settings
from litebatch_asgi.server.logs import Formatter, Redactor, json_line
from litebatch_asgi.sink import EventHandler
from litebatch_asgi.sinks import LogSink, load_sinks
from tests.delivering.handlers import append
from tests.delivering.recording import Recorder

HANDLER = "tests.delivering.handlers:append"
CATALOG = Catalog([Deployment(model_name="m", model="openai/m")])
EVENT = Event(
    id="evt_1",
    subject="batch_1",
    seq=3,
    type="batch.completed",
    batch_id="batch_1",
    owner="team:search",
    payload={"status": "completed", "metadata": {"note": "naïve \n line"}},
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_sinks_are_named_or_given() -> None:
    sinks = load_sinks(
        ("log",),
        [append, Recorder(), CallableSink(append, name="audit", is_ordered=False)],
        catalog=CATALOG,
    )
    assert [(sink.name, sink.is_ordered) for sink in sinks] == [
        ("log", True),
        (HANDLER, True),
        ("recorder", True),
        ("audit", False),
    ]


async def test_a_callable_is_found_by_its_place() -> None:
    [sink] = load_sinks([HANDLER], catalog=CATALOG)
    assert sink.name == HANDLER


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["lgo"], "no sink 'lgo': `sinks` has log, otel, or `module:callable`"),
        (["tests.delivering.nowhere:append"], "cannot be imported"),
        (["tests.delivering.handlers:nothing"], "cannot be imported"),
        (["tests.delivering.handlers:NOT_CALLABLE"], "no callable"),
        (["log", "log"], "2 sinks are named 'log'"),
    ],
)
def test_what_is_no_sink_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_sinks(names, catalog=CATALOG)


async def _in_vain(event: Event) -> None:
    """Never called."""


async def test_what_is_not_async_is_called_once() -> None:
    """Whatever it does, it would do again with every try."""
    calls: list[Event] = []
    sink = CallableSink(cast("EventHandler", calls.append), name="not async")
    with pytest.raises(Undeliverable, match="not async is not async"):
        await sink.deliver(EVENT)
    assert calls == [EVENT]


@pytest.mark.parametrize("pause", [-1.0, math.inf, math.nan])
def test_pauses_that_are_none_are_refused(pause: float) -> None:
    with pytest.raises(ConfigError, match="delivery_retry_seconds"):
        Settings(delivery_retry_seconds=(5.0, pause))


def test_what_has_no_name_has_to_be_given_one() -> None:
    without: EventHandler = lambda event: _in_vain(event)  # noqa: E731
    for handler in (partial(append), without):
        with pytest.raises(ConfigError, match=r"CallableSink\(f, name=...\)"):
            load_sinks((), [handler], catalog=CATALOG)


@pytest.fixture
def stream() -> Generator[io.StringIO]:
    stream, logger = io.StringIO(), logging.getLogger("litebatch_asgi.events")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


async def test_the_log_has_one_json_object_for_each_event(stream: io.StringIO) -> None:
    """With any formatter; ours makes no object within an object of it."""
    await LogSink().deliver(EVENT)
    [line] = stream.getvalue().splitlines()
    told = {
        "event_id": "evt_1",
        "event": "batch.completed",
        "subject": "batch_1",
        "seq": 3,
        "owner": "team:search",
        "happened_at": "2026-01-02T00:00:00+00:00",
        **EVENT.payload,
    }
    assert json.loads(line) == told
    [handler] = logging.getLogger("litebatch_asgi.events").handlers
    handler.setFormatter(Formatter(json_line, Redactor([])))
    await LogSink().deliver(EVENT)
    own = json.loads(stream.getvalue().splitlines()[1])
    assert own["message"] == "batch.completed"
    assert {name: own[name] for name in told} == told
