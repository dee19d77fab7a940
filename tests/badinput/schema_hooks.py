"""What no schema can say of requests that are right, for schemathesis: it loads this module by itself.

Lines of batch inputs are looked at; names must be new, or be there already; uploads must not have ended, and
are completed with the parts that they have. Without this the cases that are made up would be refused, and
nothing behind them would be tried.
"""

from __future__ import annotations

from itertools import count
from typing import Any, cast

import httpx2
import schemathesis

from litebatch_asgi.models.ids import is_upload_id
from litebatch_asgi.wire.providers import PROVIDER_FIELD
from litebatch_asgi.wire.repeats import KEY_HEADER
from tests.access.standalone import MASTER
from tests.harness import ENDPOINT, MODEL, lines

_numbers = count()
_NEW = {"POST /team/new": ("team_id",), "POST /user/new": ("user_id",)}
"""names that nobody may have yet"""
_OF_TEAM = (
    "POST /key/generate",
    "POST /key/update",
    "POST /key/regenerate",
    "POST /key/{key}/regenerate",
    "POST /user/new",
)
"""where a team is named that must be there already"""
_PROVIDER = "openai"
"""the one of the deployments that are served"""
_PAGES = ("GET /files", "GET /batches", "GET /batches/{id}/events", "GET /webhook_endpoints")
"""what goes on after one that must be there already"""
_OF_UPLOAD = ("POST /uploads/{id}/parts", "POST /uploads/{id}/complete", "POST /uploads/{id}/cancel")
"""what can be done with an upload that has not ended"""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make a right request one that can be granted. What is shared with other cases is not changed."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    label = case.operation.label
    if KEY_HEADER in (case.headers or {}):
        case.headers[KEY_HEADER] = f"key-{next(_numbers)}"
    if label == "POST /webhook_endpoints/{id}/test":
        case.path_parameters = {"id": "we_lb0"}  # nobody is to be sent anything
    if label in _OF_UPLOAD and is_upload_id(case.path_parameters["id"]):
        _begin_upload(case, is_whole=label.endswith("/complete"))
    if (case.query or {}).get(PROVIDER_FIELD):
        case.query = case.query | {PROVIDER_FIELD: _PROVIDER}
    if isinstance(case.body, dict):
        body = cast("dict[str, Any]", case.body)
        if granted := _granted(label, body):  # a body that is set is checked anew, where bytes are no text
            case.body = body | granted
    elif label in _PAGES:
        case.query = {name: value for name, value in case.query.items() if name != "after"}
    elif label == "GET /spend/batches":  # its days may be in the wrong order
        case.query = {name: value for name, value in case.query.items() if name != "end_date"}
    elif label == "GET /key/info":
        case.query = {"key": case.query.get("key") or "sk-of-nobody-but-one-that-could-be"}


def _granted(label: str, body: dict[str, Any]) -> dict[str, Any]:
    provider = {PROVIDER_FIELD: _PROVIDER} if body.get(PROVIDER_FIELD) else {}
    if label == "POST /files":
        return {"file": lines().decode(), "purpose": "batch", "target_model_names": MODEL} | provider
    if label in ("POST /batches", "POST /batches/dry_run"):  # no prices are known to keep to a cost by
        return provider | {"endpoint": ENDPOINT, "litebatch": None}
    if label == "POST /uploads":
        names = body.get("target_model_names") or body["purpose"] != "batch"
        return {"bytes": len(lines())} | ({"target_model_names": MODEL} if names else {})
    if label == "POST /webhook_endpoints" or (label == "POST /webhook_endpoints/{id}" and body.get("url")):
        return {"url": "https://hooks.example.com/"}
    new = ["key_alias", *_NEW.get(label, ())]
    changed: dict[str, Any] = {name: f"new-{next(_numbers)}" for name in new if body.get(name)}
    if label == "POST /key/generate" and body.get("key"):
        changed["key"] = f"sk-chosen-for-the-tests-{next(_numbers)}"
    if body.get("team_id") and label in _OF_TEAM:
        changed["team_id"] = None
    return changed


def _begin_upload(case: Any, *, is_whole: bool) -> None:
    """Give a case an upload of its own, for others may have ended; `is_whole`: with all of its parts."""
    asked = {"filename": "in.jsonl", "purpose": "batch", "bytes": len(lines()), "mime_type": "text/plain"}
    upload_id = _posted(case, "/uploads", json=asked)
    case.path_parameters = {"id": upload_id}
    if is_whole:
        part_id = _posted(case, f"/uploads/{upload_id}/parts", files={"data": lines()})
        case.body = {"part_ids": [part_id]}


def _posted(case: Any, path: str, **options: Any) -> str:
    """The id of what is made so."""
    headers = {"authorization": f"Bearer {MASTER}"}
    answer = httpx2.post(f"{case.operation.base_url}{path}", headers=headers, trust_env=False, **options)
    answer.raise_for_status()
    return str(answer.json()["id"])
