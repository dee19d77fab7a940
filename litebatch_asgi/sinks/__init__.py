"""Where events are delivered: the log, OpenTelemetry, callables of the host, what packages offer."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from litebatch_asgi import plugins
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models.ids import WEBHOOK_PREFIX
from litebatch_asgi.sink import EventHandler, Sink
from litebatch_asgi.sinks import log, otel
from litebatch_asgi.sinks.callables import CallableSink as CallableSink
from litebatch_asgi.sinks.log import LogSink as LogSink

_OWN: Mapping[str, Callable[[Catalog], Sink]] = {
    log.NAME: lambda _: LogSink(),
    otel.NAME: otel.OpenTelemetrySink,
}


def load_sinks(
    names: Iterable[str], given: Iterable[Sink | EventHandler] = (), *, catalog: Catalog
) -> tuple[Sink, ...]:
    """The sinks that the setting `sinks` names, and those that a host gives. Raises `ConfigError`."""
    sinks = [*(_named(name, catalog) for name in names), *map(_given, given)]
    for sink in sinks:
        if sink.name.startswith(WEBHOOK_PREFIX):
            raise ConfigError(f"no sink may be named {sink.name!r}: that is how endpoints of webhooks begin")
    for name, count in Counter(sink.name for sink in sinks).items():
        if count > 1:
            raise ConfigError(
                f"{count} sinks are named {name!r}: CallableSink(f, name=...) gives another name"
            )
    return tuple(sinks)


def _given(sink: Sink | EventHandler) -> Sink:
    return CallableSink(sink) if callable(sink) else sink


def _named(name: str, catalog: Catalog) -> Sink:
    if name in _OWN:
        return _OWN[name](catalog)
    offered = plugins.offered(plugins.SINKS)
    if name in offered:
        sink: Sink = offered[name].load()()
        return sink
    module, colon, path = name.partition(":")
    if not colon:
        known = ", ".join(sorted({*_OWN, *offered}))
        raise ConfigError(f"no sink {name!r}: `sinks` has {known}, or `module:callable` for one of your own")
    return CallableSink(_imported(name, module, path), name=name)


def _imported(name: str, module: str, path: str) -> EventHandler:
    try:
        found: object = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"sinks: {name!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ConfigError(f"sinks: {name!r} is no callable that takes an event")
    return cast("EventHandler", found)
