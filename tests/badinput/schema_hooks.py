"""What no schema can say of requests that are right, for schemathesis: it loads this module by itself.

Lines of batch inputs are looked at; names must be new, or be there already. Without this the cases that are
made up would be refused, and nothing behind them would be tried.
"""

from __future__ import annotations

from itertools import count
from typing import Any, cast

import schemathesis

from litebatch_asgi.wire.repeats import KEY_HEADER
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
    if isinstance(case.body, dict):
        body = cast("dict[str, Any]", case.body)
        case.body = body | _granted(label, body)
    elif label in ("GET /files", "GET /batches", "GET /webhook_endpoints"):
        case.query = {name: value for name, value in case.query.items() if name != "after"}
    elif label == "GET /spend/batches":  # its days may be in the wrong order
        case.query = {name: value for name, value in case.query.items() if name != "end_date"}
    elif label == "GET /key/info":
        case.query = {"key": case.query.get("key") or "sk-of-nobody-but-one-that-could-be"}


def _granted(label: str, body: dict[str, Any]) -> dict[str, Any]:
    if label == "POST /files":
        return {"file": lines().decode(), "purpose": "batch", "target_model_names": MODEL}
    if label == "POST /batches":
        return {"endpoint": ENDPOINT}
    if label == "POST /webhook_endpoints" or (label == "POST /webhook_endpoints/{id}" and body.get("url")):
        return {"url": "https://hooks.example.com/"}
    new = ["key_alias", *_NEW.get(label, ())]
    changed: dict[str, Any] = {name: f"new-{next(_numbers)}" for name in new if body.get(name)}
    if label == "POST /key/generate" and body.get("key"):
        changed["key"] = f"sk-chosen-for-the-tests-{next(_numbers)}"
    if body.get("team_id") and label in _OF_TEAM:
        changed["team_id"] = None
    return changed
