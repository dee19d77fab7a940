"""Which requests may be managed ones, by method and path alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType

import msgspec
from starlette.types import Scope

from litebatch_asgi.models.ids import is_batch_id, is_file_id, is_upload_id, is_webhook_id

UNMANAGED = b"managed=false"
"""in the query of what no id tells of: the caller wants the app behind"""


class Sign(Enum):
    """What tells that a request is for a managed object."""

    FORM = auto()
    """the request or the form in its body names virtual models, or the lines of its file name one"""
    ALWAYS = auto()
    """nothing more is needed, unless the query says `managed=false`"""
    SIGNED = auto()
    """the same, where `webhook_keys` are set: without them no webhook is ours"""
    FILE_ID = auto()
    """the id in the path has the form of our files' ids"""
    BATCH_ID = auto()
    """the id in the path has the form of our batches' ids"""
    NAMED = auto()
    """the request or its JSON body names virtual models"""
    UPLOAD_ID = auto()
    """the id in the path has the form of our uploads' ids"""
    WEBHOOK_ID = auto()
    """the id in the path has the form of our webhook endpoints' ids"""
    INPUT = auto()
    """`input_file_id` in the JSON body has the form of our files' ids"""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: what is looked at to find out about these methods of this path."""

    methods: tuple[str, ...]
    path: str
    """below the prefix; `{id}` stands for anything without a slash"""
    sign: Sign


RULES = (
    Rule(methods=("POST",), path="/files", sign=Sign.FORM),
    Rule(methods=("GET", "HEAD"), path="/files", sign=Sign.ALWAYS),
    Rule(methods=("GET", "HEAD", "DELETE"), path="/files/{id}", sign=Sign.FILE_ID),
    Rule(methods=("GET", "HEAD"), path="/files/{id}/content", sign=Sign.FILE_ID),
    Rule(methods=("POST",), path="/uploads", sign=Sign.NAMED),
    Rule(methods=("POST",), path="/uploads/{id}/parts", sign=Sign.UPLOAD_ID),
    Rule(methods=("POST",), path="/uploads/{id}/complete", sign=Sign.UPLOAD_ID),
    Rule(methods=("POST",), path="/uploads/{id}/cancel", sign=Sign.UPLOAD_ID),
    Rule(methods=("POST",), path="/batches", sign=Sign.INPUT),
    Rule(methods=("POST",), path="/batches/dry_run", sign=Sign.INPUT),
    Rule(methods=("GET", "HEAD"), path="/batches", sign=Sign.ALWAYS),
    Rule(methods=("GET", "HEAD"), path="/batches/{id}", sign=Sign.BATCH_ID),
    Rule(methods=("POST",), path="/batches/{id}/cancel", sign=Sign.BATCH_ID),
    Rule(methods=("POST",), path="/batches/{id}/retry", sign=Sign.BATCH_ID),
    Rule(methods=("GET", "HEAD"), path="/batches/{id}/events", sign=Sign.BATCH_ID),
    Rule(methods=("GET", "HEAD"), path="/spend/batches", sign=Sign.ALWAYS),
    Rule(methods=("GET", "HEAD", "POST"), path="/webhook_endpoints", sign=Sign.SIGNED),
    Rule(methods=("GET", "HEAD", "POST", "DELETE"), path="/webhook_endpoints/{id}", sign=Sign.WEBHOOK_ID),
    Rule(methods=("POST",), path="/webhook_endpoints/{id}/rotate_secret", sign=Sign.WEBHOOK_ID),
    Rule(methods=("POST",), path="/webhook_endpoints/{id}/test", sign=Sign.WEBHOOK_ID),
    Rule(methods=("GET", "HEAD"), path="/webhook_event_types", sign=Sign.SIGNED),
)
"""All that may be managed. What no rule names is never looked at."""

_BY_PATH: Mapping[tuple[str, str], Sign] = MappingProxyType(
    {(method, rule.path): rule.sign for rule in RULES for method in rule.methods}
)
_HAS_FORM: Mapping[Sign, Callable[[str], bool]] = MappingProxyType(
    {
        Sign.FILE_ID: is_file_id,
        Sign.BATCH_ID: is_batch_id,
        Sign.UPLOAD_ID: is_upload_id,
        Sign.WEBHOOK_ID: is_webhook_id,
    }
)


def sign_for(method: str, path: str) -> Sign | None:
    """What to look at for this method and this path below the prefix; None: not managed.

    A path counts as it stands: not with a slash more, and not in another case.
    """
    _, *segments = path.split("/")
    if len(segments) < 2 or (method, path) in _BY_PATH:
        return _BY_PATH.get((method, path))
    collection, given_id, *rest = segments
    sign = _BY_PATH.get((method, "/".join(("", collection, "{id}", *rest))))
    return sign if sign is not None and _HAS_FORM[sign](given_id) else None


def local_path(scope: Scope) -> str:
    """The path as the app itself sees it: without the `root_path` that it is mounted under."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    local = path.removeprefix(root)
    return local if not local or local.startswith("/") else path


def without_unmanaged(query: bytes) -> bytes:
    """The same query without each `managed=false`, all else as it was."""
    return b"&".join(pair for pair in query.split(b"&") if pair != UNMANAGED)
