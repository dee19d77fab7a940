"""What a scrape is answered with."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.metrics import definitions as of
from litebatch_asgi.metrics.definitions import PREFIX, Definition
from litebatch_asgi.metrics.gauges import FigureReader
from litebatch_asgi.metrics.slots import FOLDER, of_living
from litebatch_asgi.models import BatchStatus, Work
from litebatch_asgi.threads import in_thread

COPY = "copy"
"""what is to be done for a copy of a file, beside the kinds of `Work`"""
_GZIP_FROM = 4096
"""bytes from which on it is worth it"""


class FiguresCollector:
    """What the database tells, as it was read last, and what this is."""

    def __init__(self, figures: FigureReader) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """The names, without reading anything."""
        return [_family(each) for each in (*of.OF_STORAGE, of.STORAGE_UP, of.BUILD)]

    def collect(self) -> Iterator[Metric]:
        """Never waits; what the database does not tell is left out."""
        figures = self._figures.last
        if figures is not None:
            statuses = (status for status in BatchStatus if not status.is_final)
            yield _family(of.OPEN_BATCHES, dict.fromkeys(statuses, 0) | dict(figures.open_batches))
            yield _family(of.OPEN_REQUESTS, figures.open_requests)
            late = {COPY if work is None else work: seconds for work, seconds in figures.late.items()}
            yield _family(of.LATE, dict.fromkeys((*Work, COPY), 0.0) | late)
            untold = figures.untold.items()
            yield _family(of.OUTBOX_PENDING, {sink: each.pending for sink, each in untold})
            yield _family(of.OUTBOX_OLDEST, {sink: each.oldest_seconds for sink, each in untold})
            yield _family(of.OUTBOX_DEAD, {sink: each.dead for sink, each in untold})
        yield _family(of.STORAGE_UP, {"": figures is not None})
        yield _family(of.BUILD, {version("litebatch-asgi"): 1})


def _family(each: Definition, values: Mapping[Any, float] | None = None) -> Metric:
    """A gauge; `values` by that of its label, if it has one."""
    family = GaugeMetricFamily(each.name, each.help, labels=each.labels)
    for label, value in (values or {}).items():
        family.add_metric([str(label)], value)
    return family


class _OfWorkers:
    """What all processes on one folder have counted, of our metrics alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        files = of_living(self._folder)
        merge = cast("Callable[[list[str]], Iterable[Metric]]", MultiProcessCollector.merge)
        for metric in merge([str(file) for file in files]):
            if metric.name.startswith(PREFIX):
                yield metric


def folder_of_workers() -> Path | None:
    """Where workers keep their metrics; None: they are in this process. Raises `ConfigError`."""
    named = os.environ.get(FOLDER)
    if named is None:
        return None
    folder = Path(named)
    if not named or not folder.is_dir():
        raise ConfigError(f"{FOLDER} names no folder, but {named!r}: make it, or unset the variable")
    return folder


class MetricsApp:
    """Answers `GET` with all metrics, to anyone, in the text format or OpenMetrics as it is asked for.

    `registry` is where this process keeps its own, `folder` where several keep theirs.
    """

    def __init__(self, registry: CollectorRegistry, figures: FigureReader, folder: Path | None) -> None:
        self._figures = figures
        self._shown = registry
        if folder is not None:
            self._shown = CollectorRegistry(auto_describe=False)
            self._shown.register(_OfWorkers(folder))
            self._shown.register(FiguresCollector(figures))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: ASGIApp = Response(status_code=405, headers={"allow": "GET, HEAD"})
        if scope["method"] in ("GET", "HEAD"):
            answer = await self.answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """The answer to a scrape."""
        await self._figures.refresh()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        content = await in_thread(partial(encode, self._shown))
        headers = {"content-type": media_type, "vary": "accept, accept-encoding"}
        if len(content) >= _GZIP_FROM and _takes_gzip(request.headers):
            content = await in_thread(partial(gzip.compress, content, 1))
            headers["content-encoding"] = "gzip"
        return Response(content, headers=headers)


def _takes_gzip(headers: Headers) -> bool:
    named = (each.strip().partition(";") for each in headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() == "gzip" and "q=0" not in quality.split() for name, _, quality in named)
