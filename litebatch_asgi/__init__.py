"""OpenAI's Files and Batches API over many provider deployments, as an ASGI app.

What is imported from here is the public API, together with `litebatch_asgi.errors`, the seams in
`litebatch_asgi.storage`, `litebatch_asgi.provider`, `litebatch_asgi.sink` and `litebatch_asgi.auth`, the
functions for one provider in `litebatch_asgi.sdk`, and the tools for testing in `litebatch_asgi.simulator`
and `litebatch_asgi.testing`. Each name is loaded when it is first asked for: who needs a part of the package
waits for that alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litebatch_asgi.app import LiteBatch as LiteBatch
    from litebatch_asgi.auth import Authenticator as Authenticator
    from litebatch_asgi.authenticators import MasterKeyAuthenticator as MasterKeyAuthenticator
    from litebatch_asgi.authenticators import ScopeUserAuthenticator as ScopeUserAuthenticator
    from litebatch_asgi.errors import LiteBatchError as LiteBatchError
    from litebatch_asgi.errors import RequestError as RequestError
    from litebatch_asgi.middleware import LiteBatchMiddleware as LiteBatchMiddleware
    from litebatch_asgi.models import Batch as Batch
    from litebatch_asgi.models import BatchStatus as BatchStatus
    from litebatch_asgi.models import Counts as Counts
    from litebatch_asgi.models import Deployment as Deployment
    from litebatch_asgi.models import DryRun as DryRun
    from litebatch_asgi.models import Event as Event
    from litebatch_asgi.models import File as File
    from litebatch_asgi.models import FileStatus as FileStatus
    from litebatch_asgi.models import Limits as Limits
    from litebatch_asgi.models import Page as Page
    from litebatch_asgi.models import Principal as Principal
    from litebatch_asgi.models import RowError as RowError
    from litebatch_asgi.models import Settings as Settings
    from litebatch_asgi.models import Usage as Usage
    from litebatch_asgi.sink import Sink as Sink
    from litebatch_asgi.sinks import CallableSink as CallableSink
    from litebatch_asgi.storage import Storage as Storage

__all__ = [
    "Authenticator",
    "Batch",
    "BatchStatus",
    "CallableSink",
    "Counts",
    "Deployment",
    "DryRun",
    "Event",
    "File",
    "FileStatus",
    "Limits",
    "LiteBatch",
    "LiteBatchError",
    "LiteBatchMiddleware",
    "MasterKeyAuthenticator",
    "Page",
    "Principal",
    "RequestError",
    "RowError",
    "ScopeUserAuthenticator",
    "Settings",
    "Sink",
    "Storage",
    "Usage",
]

_NAMES = {
    "app": ("LiteBatch",),
    "auth": ("Authenticator",),
    "authenticators": (
        "MasterKeyAuthenticator",
        "ScopeUserAuthenticator",
    ),
    "errors": (
        "LiteBatchError",
        "RequestError",
    ),
    "middleware": ("LiteBatchMiddleware",),
    "models": (
        "Batch",
        "BatchStatus",
        "Counts",
        "Deployment",
        "DryRun",
        "Event",
        "File",
        "FileStatus",
        "Limits",
        "Page",
        "Principal",
        "RowError",
        "Settings",
        "Usage",
    ),
    "sink": ("Sink",),
    "sinks": ("CallableSink",),
    "storage": ("Storage",),
}
_PARTS = frozenset({"auth", "errors", "provider", "sdk", "simulator", "sink", "storage", "testing"})
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

if not TYPE_CHECKING:  # or type checkers would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name in _PARTS:
            return import_module(f"{__name__}.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
