"""Lines of batch inputs that must be refused, by what is wrong with them."""

from __future__ import annotations

import gzip
import json
from typing import Any, TypeAlias

from tests.badinput.probe import LIMITS, OTHER, a_line
from tests.harness import ENDPOINT, MODEL

Told: TypeAlias = tuple[str, int | None, str | None]
"""code, line and param of a problem"""

A = a_line("a")
KEYS = ("custom_id", "method", "url", "body")
WRONG: list[Any] = [None, True, 7, 1.5, "text", ["a"], {"a": 1}]
NOT_JSON: Told = ("invalid_json_line", 1, None)


def raw(custom_id: str = '"a"', model: str = f'"{MODEL}"', rest: str = "", inner: str = "") -> bytes:
    """A line with values spelled as given; `rest` follows its last member, `inner` that of its body."""
    body = f'{{"model": {model}, "messages": []{inner}}}'
    line = f'{{"custom_id": {custom_id}, "method": "POST", "url": "{ENDPOINT}", "body": {body}{rest}}}'
    return line.encode()


def of(line: dict[str, Any]) -> bytes:
    """A line that holds this object."""
    return json.dumps(line).encode()


def with_body(**changes: Any) -> bytes:
    """A line with another body."""
    return a_line(body={"model": MODEL, "messages": []} | changes)


def escaped(key: str) -> str:
    """The same key with its first letter in escapes."""
    return f"\\u{ord(key[0]):04x}{key[1:]}"


BAD_JSON: dict[str, bytes] = {
    "prose": b"Dear provider, please say hello.",
    "cut off": A[:-1],
    "cut off in a string": A[:30],
    "one bracket too many": A + b"}",
    "two objects": A + A,
    "two objects with a comma": A + b"," + A,
    "trailing comma": A[:-1] + b",}",
    "single quotes": A.replace(b'"', b"'"),
    "keys without quotes": A.replace(b'"custom_id"', b"custom_id"),
    "comment": A + b" // the first",
    "NaN": raw(inner=', "temperature": NaN'),
    "Infinity": raw(inner=', "temperature": -Infinity'),
    "leading zero": raw(inner=', "seed": 01'),
    "plus sign": raw(inner=', "seed": +1'),
    "bare fraction": raw(inner=', "temperature": .5'),
    "bare point": raw(inner=', "temperature": 1.'),
    "hexadecimal": raw(inner=', "seed": 0x10'),
    "Python's None": raw(inner=', "user": None'),
    "tab in a string": raw('"a\tb"'),
    "unknown escape": raw('"\\x41"'),
    "short escape": raw('"\\u12"'),
    "no object but an array": b"[" + A + b"]",
    "no object but a string": b'"' + b"x" * 20 + b'"',
    "no object but a number": b"17",
    "no object but true": b"true",
    "no object but null": b"null",
    "NUL between tokens": A + b"\0",
    "NUL in a string": raw('"a\0"'),
    "NUL alone": b"\0",
    "0xFF in custom_id": raw().replace(b'"a"', b'"\xff"'),
    "0xFF in a key": raw().replace(b"custom_id", b"custom\xff_id"),
    "0xFF in another key": raw(rest=', "note?": 1').replace(b"note?", b"note\xff"),
    "0xFF in a value": raw(inner=', "user": "?"').replace(b"?", b"\xff"),
    "0xFF in the model": raw().replace(MODEL.encode(), MODEL.encode() + b"\xff"),
    "overlong UTF-8": raw().replace(b'"a"', b'"\xc0\xaf"'),
    "surrogate in UTF-8": raw().replace(b'"a"', b'"\xed\xa0\x80"'),
    "beyond Unicode": raw().replace(b'"a"', b'"\xf4\x90\x80\x80"'),
    "cut off character": A + b"\xe2\x82",
    "Latin-1": raw('"é"').decode().encode("latin-1"),
    "high surrogate alone in custom_id": raw('"\\ud800"'),
    "high surrogate twice": raw('"\\ud800\\ud800"'),
    "high surrogate alone in a value": raw(inner=', "user": "\\uDBFF!"'),
    "high surrogate alone in a key": raw(inner=', "\\ud83d": 1'),
    "old Macintosh line ends": a_line("a") + b"\r" + a_line("b"),
    "line separators": a_line("a") + "\u2028".encode() + a_line("b"),
    "100,000 brackets": raw(inner=', "x": ' + "[" * 100_000 + "]" * 100_000),
    "100,000 open brackets": b"[" * 100_000,
    "100,000 braces": raw(inner=', "x": ' + '{"a":' * 50_000 + "1" + "}" * 50_000),
    "100,000 brackets outside": b"[" * 100_000 + b"]" * 100_000,
    "compressed": gzip.compress(A, mtime=0).replace(b"\n", b" "),
    "HTML": b"<!doctype html><html></html>",
}

BAD_REQUESTS: dict[str, tuple[bytes, list[Told]]] = {
    "no custom_id": (a_line(without="custom_id"), [("missing_required_parameter", 1, "custom_id")]),
    "no method": (a_line(without="method"), [("missing_required_parameter", 1, "method")]),
    "no url": (a_line(without="url"), [("missing_required_parameter", 1, "url")]),
    "no body": (a_line(without="body"), [("missing_required_parameter", 1, "body")]),
    "no model": (a_line(body={"messages": []}), [("invalid_request", 1, "body.model")]),
    "empty object": (
        b"{}",
        [("missing_required_parameter", 1, key) for key in ("custom_id", "method", "url", "body")],
    ),
    "empty body": (a_line(body={}), [("invalid_request", 1, "body.model")]),
    "empty custom_id": (a_line(""), [("invalid_value", 1, "custom_id")]),
    "doubled custom_id": (A + b"\n" + A, [("duplicate_custom_id", 2, "custom_id")]),
    "doubled custom_id in other spellings": (
        b"\n".join([raw('"a"'), raw('"\\u0061"'), raw('"b"'), raw('"\\u0061"')]),
        [("duplicate_custom_id", 2, "custom_id"), ("duplicate_custom_id", 4, "custom_id")],
    ),
    "two models": (
        A + b"\n" + a_line("b", body={"model": OTHER}),
        [("mismatched_model", 2, "body.model")],
    ),
    "unknown model": (with_body(model="gpt-5"), [("model_not_found", 1, "body.model")]),
    "the model of the deployment": (
        with_body(model="gpt-4o-mini-east-deployment"),
        [("model_not_found", 1, "body.model")],
    ),
    "empty model": (with_body(model=""), [("model_not_found", 1, "body.model")]),
    "endless model": (with_body(model="x" * 100_000), [("model_not_found", 1, "body.model")]),
    "stream": (with_body(stream=True), [("streaming_unsupported", 1, "body.stream")]),
    "stream as text": (with_body(stream="true"), [("invalid_type", 1, "body.stream")]),
    "stream as number": (with_body(stream=1), [("invalid_type", 1, "body.stream")]),
    "stream as object": (with_body(stream={"on": True}), [("invalid_type", 1, "body.stream")]),
    "unknown url": (a_line(url="/v1/nope"), [("invalid_url", 1, "url")]),
    "url without /v1": (a_line(url="/chat/completions"), [("invalid_url", 1, "url")]),
    "url with a host": (
        a_line(url="https://api.openai.com/v1/chat/completions"),
        [("invalid_url", 1, "url")],
    ),
    "url with a query": (a_line(url="/v1/chat/completions?x=1"), [("invalid_url", 1, "url")]),
    "url with a slash": (a_line(url="/v1/chat/completions/"), [("invalid_url", 1, "url")]),
    "url in capitals": (a_line(url="/V1/CHAT/COMPLETIONS"), [("invalid_url", 1, "url")]),
    "empty url": (a_line(url=""), [("invalid_url", 1, "url")]),
    "path tricks in the url": (a_line(url="/v1/chat/../files"), [("invalid_url", 1, "url")]),
    "two urls": (A + b"\n" + a_line("b", url="/v1/responses"), [("invalid_url", 2, "url")]),
    "GET": (a_line(method="GET"), [("invalid_value", 1, "method")]),
    "post": (a_line(method="post"), [("invalid_value", 1, "method")]),
    "empty method": (a_line(method=""), [("invalid_value", 1, "method")]),
    "empty file": (b"", [("empty_file", None, None)]),
    "only blank lines": (b"\n\n \r\n\t\n", [("empty_file", None, None)]),
    "only spaces": (b"   ", [("empty_file", None, None)]),
    "line too long": (
        with_body(user="x" * LIMITS.max_line_bytes) + b"\n" + a_line("b"),
        [("line_too_long", 1, None)],
    ),
    "line too long at the end": (
        A + b"\n" + b"x" * (LIMITS.max_line_bytes + 1),
        [("line_too_long", 2, None)],
    ),
    "too many lines": (
        b"\n".join(a_line(str(number)) for number in range(LIMITS.max_file_lines + 1)),
        [("too_many_tasks", None, None)],
    ),
    "escaped model": (raw(model='"gpt\\u002d4o-batch"'), [("invalid_value", 1, "body.model")]),
    "escaped model with a slash": (raw(model='"gpt\\/4o"'), [("invalid_value", 1, "body.model")]),
    **{
        f"{name} is {wrong!r}": (of(json.loads(A) | {name: wrong}), [("invalid_type", 1, name)])
        for name, right in {"custom_id": str, "method": str, "url": str, "body": dict}.items()
        for wrong in WRONG
        if not isinstance(wrong, right)
    },
    **{
        f"body.model is {wrong!r}": (with_body(model=wrong), [("invalid_type", 1, "body.model")])
        for wrong in WRONG
        if not isinstance(wrong, str)
    },
    **{
        f"{name} in escapes": (
            raw().replace(f'"{name}"'.encode(), f'"{escaped(name)}"'.encode()),
            [("invalid_value", 1, name)],
        )
        for name in KEYS
    },
    **{f"{name} twice": (raw(rest=f', "{name}": "a"'), [("duplicate_parameter", 1, name)]) for name in KEYS},
    **{
        f"{name} twice, once in escapes": (
            raw(rest=f', "{escaped(name)}": "a"'),
            [("invalid_value", 1, name), ("duplicate_parameter", 1, name)],
        )
        for name in KEYS
    },
    "body.model twice": (raw(inner=', "model": "gpt-5"'), [("duplicate_parameter", 1, "body.model")]),
    "body.model twice, once in escapes": (
        raw(inner=f', "{escaped("model")}": "gpt-5"'),
        [("invalid_value", 1, "body.model"), ("duplicate_parameter", 1, "body.model")],
    ),
    "body.stream twice": (
        raw(inner=', "stream": false, "stream": true'),
        [("duplicate_parameter", 1, "body.stream")],
    ),
    "body.stream twice, once in escapes": (
        raw(inner=f', "stream": false, "{escaped("stream")}": true'),
        [("invalid_value", 1, "body.stream"), ("duplicate_parameter", 1, "body.stream")],
    ),
}
