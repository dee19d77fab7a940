"""The form in which somebody says how a batch is to be made: its fields, and what was typed into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import htpy as h
from htpy import Element, Node

from litebatch_asgi.errors import InvalidRequest, RequestError
from litebatch_asgi.models import File, Settings
from litebatch_asgi.page.parts import choice, field
from litebatch_asgi.wire import CreateBatch
from litebatch_asgi.wire.amounts import amount_of
from litebatch_asgi.wire.checks import integer
from litebatch_asgi.wire.requests import (
    CANARY,
    MAX_COST,
    MAX_METADATA_KEY,
    MAX_METADATA_VALUE,
    MOST_CANARY,
    MOST_ROW_RETRIES,
    ROW_RETRIES,
)

_PAIRS = 4
_FLAGS = {"": None, "yes": True, "no": False}
_FIELD_OF = {MAX_COST: "max_cost", ROW_RETRIES: "row_retries", CANARY: "canary"}
"""which field is meant by a `param`, of those that something is typed into"""
_NAMES = ("completion_window", "max_cost", "rescue", "row_retries", "at_expiry", "canary")


def field_names() -> list[str]:
    """All fields that the form has."""
    pairs = [name for number in range(1, _PAIRS + 1) for name in (f"key_{number}", f"value_{number}")]
    return [*_NAMES, *pairs]


def asked_of(file: File, typed: Mapping[str, str]) -> CreateBatch:
    """The batch that is asked for. Raises `InvalidRequest` as the API does."""
    given: dict[str, Any] = {}
    if typed.get("max_cost"):
        given["max_cost"] = amount_of(typed["max_cost"].removeprefix("$"), MAX_COST)
    if typed.get("row_retries"):
        given["row_retries"] = integer(typed["row_retries"], ROW_RETRIES)
    if typed.get("canary"):
        given["canary"] = integer(typed["canary"], CANARY)
    return CreateBatch(
        input_file_id=file.id,
        endpoint=file.endpoint or "",
        completion_window=typed.get("completion_window", ""),
        metadata=_metadata(typed) or None,
        rescue=_FLAGS.get(typed.get("rescue", "")),
        at_expiry=cast("Literal['wait', 'stop'] | None", typed.get("at_expiry") or None),
        **given,
    )


def field_of(error: RequestError) -> str | None:
    """The name of the field that an error can be shown at; None: none of them."""
    param = error.param or ""
    return "metadata" if param.partition(".")[0] == "metadata" else _FIELD_OF.get(param)


def _metadata(typed: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number in range(1, _PAIRS + 1):
        key, value = typed.get(f"key_{number}", ""), typed.get(f"value_{number}", "")
        if not key and not value:
            continue
        if not key or key in found:
            why = "has a value without a key" if not key else f"has the key '{key[:MAX_METADATA_KEY]}' twice"
            raise InvalidRequest(f"Invalid 'metadata': it {why}.", param="metadata", code="invalid_value")
        found[key] = value
    return found


def wish_fields(settings: Settings, typed: Mapping[str, str], wrong: Mapping[str, str]) -> Node:
    """The fields; `wrong` is what is said of some of them."""
    windows = [(name, name) for name in settings.completion_windows]
    rescue = [("", f"default ({_word(settings.rescue)})"), ("yes", "yes"), ("no", "no")]
    at_expiry = {"wait": "wait for what still runs", "stop": "stop what still runs"}
    expiry = [("", f"default ({at_expiry[settings.at_expiry]})"), *at_expiry.items()]
    return [
        choice("Completion window", "completion_window", windows, typed.get("completion_window")),
        field(
            "Highest cost, in US dollars",
            "max_cost",
            typed.get("max_cost"),
            hint="The batch is refused if it is estimated to cost more. Empty: no limit of its own.",
            wrong=wrong.get("max_cost"),
            inputmode="decimal",
            autocomplete="off",
        ),
        choice("Run at another deployment what one leaves undone", "rescue", rescue, typed.get("rescue")),
        field(
            "Retries of requests that fail for a passing reason",
            "row_retries",
            typed.get("row_retries"),
            hint=f"0 to {MOST_ROW_RETRIES}. Empty: the default, {settings.row_retries}.",
            wrong=wrong.get("row_retries"),
            inputmode="numeric",
            autocomplete="off",
        ),
        field(
            "Requests to run first, as a canary",
            "canary",
            typed.get("canary"),
            hint=f"0 to {MOST_CANARY:,}, at a live deployment. If all of them fail, nothing else is run. "
            f"Empty: the default, {settings.canary}.",
            wrong=wrong.get("canary"),
            inputmode="numeric",
            autocomplete="off",
        ),
        choice("When the completion window is over", "at_expiry", expiry, typed.get("at_expiry")),
        _pairs(typed, wrong.get("metadata")),
    ]


def _pairs(typed: Mapping[str, str], wrong: str | None) -> Element:
    return h.fieldset(".pairs", aria_describedby="wrong-metadata" if wrong else None)[
        h.legend["Metadata"],
        h.small("#wrong-metadata.wrong")[wrong] if wrong else None,
        [_pair(number, typed) for number in range(1, _PAIRS + 1)],
    ]


def _pair(number: int, typed: Mapping[str, str]) -> Element:
    key, value = f"key_{number}", f"value_{number}"
    common = {"autocomplete": "off", "type": "text"}
    return h.div[
        h.input(
            name=key,
            value=typed.get(key) or None,
            maxlength=str(MAX_METADATA_KEY),
            aria_label=f"Key {number}",
            placeholder="key" if number == 1 else None,
            **common,
        ),
        h.input(
            name=value,
            value=typed.get(value) or None,
            maxlength=str(MAX_METADATA_VALUE),
            aria_label=f"Value {number}",
            placeholder="value" if number == 1 else None,
            **common,
        ),
    ]


def _word(is_so: bool) -> str:
    return "yes" if is_so else "no"
