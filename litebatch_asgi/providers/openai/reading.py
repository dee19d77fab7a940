"""From the bytes of an answer to its objects. What one object has wrong costs no other one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

import msgspec

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.jsonl.loose import loose_json
from litebatch_asgi.jsonl.scan import Wanted, scan_array, scan_object
from litebatch_asgi.models.ids import FILE_PREFIX
from litebatch_asgi.models.provider import MOST_ERRORS, TAG_INSTALLATION, TAG_JOB

Object: TypeAlias = Mapping[str, Any]
"""The fields of a File or Batch that are read, as far as they can be."""

_NAMES = """
    id status created_at expires_at filename bytes status_details in_progress_at finalizing_at
    input_file_id output_file_id error_file_id request_counts errors purpose endpoint completion_window model
    completed_at failed_at expired_at cancelling_at cancelled_at usage
"""
_NAMES_AT_MISTRAL = """
    deleted input_files output_file error_file started_at
    total_requests completed_requests succeeded_requests failed_requests
"""
_WHOLE: Wanted = {}
FIELDS: Wanted = {
    **dict.fromkeys([*_NAMES.split(), *_NAMES_AT_MISTRAL.split()], _WHOLE),
    "metadata": {TAG_JOB: _WHOLE, TAG_INSTALLATION: _WHOLE},
}
_PAGE: Wanted = {"data": _WHOLE, "has_more": _WHOLE, "total": _WHOLE}
_OUR_TAGS = (TAG_JOB.encode(), FILE_PREFIX.encode())
_NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_split_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list."""

    items: tuple[Object, ...]
    """each with an id"""
    has_more: bool | None
    """None where the provider does not say"""
    total: int | None = None
    """objects of the whole list, if the provider says"""
    passed_over: tuple[object, ...] = ()
    """of objects without an id that can be read, what stands in its place"""


def parse_object(answer: bytes, fields: Wanted = FIELDS) -> Object:
    """The `fields` of the JSON object that an answer is. Raises `NoClearAnswer` if it is none.

    A lone surrogate, a byte that is no UTF-8 and other slips of a provider's JSON cost at most the field that
    they stand in.
    """
    content = _read_object(answer, fields)
    if content is None:
        raise NoClearAnswer("the answer is not a JSON object")
    return content


def parse_page(answer: bytes, fields: Wanted = FIELDS) -> ListPage:
    """A page of a list, of each object its `fields`. Raises `NoClearAnswer` if the answer is none.

    Objects without an id are passed over; but where one carries our tag, it raises `NoClearAnswer`: that it
    is there must not be missed.
    """
    content = _split(answer, _PAGE)
    if content is None or not _is_array(content.get("data", b"")):
        raise NoClearAnswer("the answer is not a list of objects")
    items: list[Object] = []
    passed_over: list[object] = []
    for text in _elements(content["data"]):
        item = _read_object(text, fields)
        name = item.get("id") if item is not None else None
        if item is not None and isinstance(name, str) and name:
            items.append(item)
            continue
        if any(tag in bytes(text) for tag in _OUR_TAGS):
            raise NoClearAnswer("an object of the list carries our tag and no id")
        passed_over.append(name)
    has_more, total = (_value(content[name]) if name in content else None for name in ("has_more", "total"))
    return ListPage(
        items=tuple(items),
        has_more=has_more if isinstance(has_more, bool) else None,
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
        passed_over=tuple(passed_over),
    )


def _read_object(text: bytes | msgspec.Raw, fields: Wanted) -> Object | None:
    """The values of an object's `fields`, None for those that cannot be read; None: it is no object."""
    members = _split(text, fields)
    if members is None:
        return None
    return {name: _field(name, value, fields[name]) for name, value in members.items()}


def _field(name: str, text: bytes | msgspec.Raw, parts: Wanted) -> Any:
    """A field's value; if it cannot be read as a whole, of an object at least those of its `parts`."""
    if name == "errors":
        return _first_errors(text)
    value = _value(text)
    return _read_object(text, parts) if value is None and parts else value


def _first_errors(text: bytes | msgspec.Raw) -> Any:
    """The value of `errors`; of a list the first entries, for there may be one for each line of the input."""
    members = _split(text, {"data": _WHOLE}) or {}
    text = members.get("data", text)
    if not _is_array(text):
        return _value(text)
    whole = bytes(text)
    return [_value(whole[start:end]) for start, end in islice(scan_array(whole), MOST_ERRORS)]


def _is_array(text: bytes | msgspec.Raw) -> bool:
    return bytes(memoryview(text)[:1]) == b"["


def _split(text: bytes | msgspec.Raw, wanted: Wanted) -> dict[str, bytes | msgspec.Raw] | None:
    """The texts of an object's wanted members; None: it is no object."""
    try:
        members = _split_object(text)
    except _NOT_READ:
        return _scan(bytes(text), wanted)
    return {name: members[name] for name in wanted if name in members}


def _scan(text: bytes, wanted: Wanted) -> dict[str, bytes | msgspec.Raw] | None:
    try:
        members = scan_object(text, dict.fromkeys(wanted, _WHOLE)).first
    except ValueError:
        return None
    return {name: text[member.start : member.end] for name, member in members.items()}


def _elements(text: bytes | msgspec.Raw) -> Iterable[bytes | msgspec.Raw]:
    """The texts of an array's values. Raises `NoClearAnswer` if it is not whole."""
    try:
        return _split_array(text)
    except _NOT_READ:
        whole = bytes(text)
    try:
        return [whole[start:end] for start, end in scan_array(whole)]
    except ValueError:
        raise NoClearAnswer("the answer is not a whole list") from None


def _value(text: bytes | msgspec.Raw) -> Any:
    """What the text of a value means; None if that cannot be made out."""
    try:
        return msgspec.json.decode(text)
    except _NOT_READ:
        pass
    try:
        return loose_json(bytes(text))
    except (ValueError, RecursionError):
        return None
