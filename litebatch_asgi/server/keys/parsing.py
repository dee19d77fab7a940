"""Taking requests about keys, users and teams apart.

Whatever is wrong raises `InvalidRequest` with the parameter. Fields that mean nothing here, of which LiteLLM
has many, are told back as warnings: a limit that is not kept must not go unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.keys import LIMITS
from litebatch_asgi.server.keys.bodies import Fields
from litebatch_asgi.wire import checks

LONGEST_SHOWN = 100
"""characters of a value that a message repeats"""
_SECRET = frozenset({"key", "keys"})
"""parameters whose values no message repeats"""
_PLACE = re.compile(r"^(?P<what>.*?) - at `\$\.?(?P<path>[^`]*)`$")

F = TypeVar("F", bound=Fields)
Q = TypeVar("Q", bound=msgspec.Struct)


def parse_body(body: bytes, wanted: type[F]) -> tuple[F, list[str]]:
    """The body of a request, and what of it has no effect here. An empty body says nothing."""
    given: dict[str, msgspec.Raw] = {}
    try:
        given = msgspec.json.decode(body.strip() or b"{}", type=dict[str, msgspec.Raw])
        whole = {name: _whole(raw) if name in LIMITS else raw for name, raw in given.items()}
        parsed = msgspec.json.decode(msgspec.json.encode(whole), type=wanted)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), given) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body of the request is not valid JSON.") from error
    unknown = sorted(set(given) - set(wanted.__struct_fields__))
    warnings = [f"{name[:100]} has no effect here" for name in unknown[:100]]
    return parsed, warnings


def parse_query(query: Mapping[str, str], wanted: type[Q]) -> Q:
    """The query of a request; what it gives no value for counts as not given."""
    given = {name: query[name] for name in wanted.__struct_fields__ if query.get(name)}
    for name, value in given.items():
        checks.plain(value, name)
    try:
        return msgspec.convert(given, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(
            str(error), {name: msgspec.json.encode(value) for name, value in given.items()}
        ) from error


def _whole(raw: msgspec.Raw) -> msgspec.Raw:
    """5.0 is the integer 5, as JSON Schema has it."""
    value = msgspec.json.decode(raw)
    is_whole = isinstance(value, float) and value.is_integer()
    return msgspec.Raw(b"%d" % value) if is_whole else raw


def _refusal(told: str, given: Mapping[str, bytes]) -> InvalidRequest:
    """What msgspec found, in our words, with the JSON that was given."""
    found = _PLACE.match(told)
    what = (found["what"] if found else told).replace("`", "'")
    param = found["path"].partition("[")[0] if found else None
    if missing := re.fullmatch(r"Object missing required field '(\w+)'", what):
        return checks.missing(missing[1])
    name = f"'{param}'" if param else "the body of the request"
    shown = f", not {_shown(given[param])}" if param and param in given.keys() - _SECRET else ""
    return InvalidRequest(f"Invalid {name}: {what}{shown}.", param=param or None, code="invalid_value")


def _shown(given: bytes) -> str:
    text = bytes(given).decode(errors="replace")
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
