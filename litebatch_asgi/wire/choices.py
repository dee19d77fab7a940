"""Which of the requests of a batch that have not succeeded are meant: by name, or by how they have failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.jsonl import in_common, one_code
from litebatch_asgi.models import RowError
from litebatch_asgi.wire import checks

CUSTOM_IDS = "custom_ids"
ERRORS = "errors"
MAX_CUSTOM_IDS = 10_000
MAX_ERRORS = 100
MAX_CODE = 200
MAX_MESSAGE = 4_000
MAX_STATUS = 999


class LineChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of a batch: those that are named, and those that have failed in one of some ways."""

    custom_ids: frozenset[str] = frozenset()
    errors: tuple[RowError, ...] = ()


def line_choice(custom_ids: Sequence[str] | None, errors: Sequence[RowError] | None) -> LineChoice | None:
    """The choice that these say; None: neither is given. Raises `InvalidRequest` for what they may not be."""
    if custom_ids is None and errors is None:
        return None
    named = _checked(custom_ids, CUSTOM_IDS, MAX_CUSTOM_IDS)
    kinds = _checked(errors, ERRORS, MAX_ERRORS)
    return LineChoice(
        custom_ids=frozenset(checks.text(each, CUSTOM_IDS) for each in named),
        errors=tuple(_error(each, f"{ERRORS}[{at}]") for at, each in enumerate(kinds)),
    )


def json_errors(given: object) -> Sequence[RowError] | None:
    """The errors that a body names, whose values are checked where they are kept."""
    if given is None:
        return None
    kinds: list[RowError] = []
    for at, each in enumerate(_array(given, ERRORS)):
        param = f"{ERRORS}[{at}]"
        told = checks.json_object(each, param)
        checks.only_known(told, RowError.__struct_fields__, f"{param}.")
        values = dict(cast("dict[str, Any]", told))
        if values.get("status") is not None:
            values["status"] = checks.whole_number(values["status"], f"{param}.status")
        kinds.append(RowError(**values))
    return kinds


def _checked(given: object, param: str, most: int) -> Sequence[Any]:
    if given is None:
        return ()
    values = _array(given, param)
    if not 0 < len(values) <= most:
        raise InvalidRequest(
            f"Invalid '{param}': 1 to {most} are allowed, and {len(values)} were sent.",
            param=param,
            code="invalid_value",
        )
    return values


def _array(given: object, param: str) -> Sequence[Any]:
    if not isinstance(given, list | tuple):
        raise checks.wrong_type(param, "an array", given)
    return cast("Sequence[Any]", given)


def _error(given: object, param: str) -> RowError:
    """The error with its message as it is compared."""
    if not isinstance(given, RowError):
        raise checks.wrong_type(param, "a RowError", given)
    if given.status is not None:
        checks.in_range(given.status, f"{param}.status", 0, MAX_STATUS)
    code, message = given.code, given.message
    if code is not None:
        code = one_code(_text(code, f"{param}.code", MAX_CODE))
    if message is not None:
        message = in_common(_text(message, f"{param}.message", MAX_MESSAGE))
    return replace(given, code=code, message=message)


def _text(given: object, param: str, most: int) -> str:
    text = checks.no_longer_than(most, checks.text(given, param), param)
    if not checks.is_unicode(text):
        raise InvalidRequest(f"Invalid '{param}': it is no Unicode.", param=param, code="invalid_value")
    return text
