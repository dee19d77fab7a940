"""The same rules written a second time, slowly and plainly: what the quick code is compared with."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple, cast

from litebatch_asgi.models import Usage

Finding = tuple[int | None, str, str | None]
"""line, code, param"""


class Member(NamedTuple):
    """A member of an object, with the text that spells its key and value."""

    key: str
    value: str
    at: int
    """where the value begins, in characters"""


def skip_string(text: str, start: int) -> int:
    """Just after the string that begins at `start`."""
    at = start + 1
    while text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at + 1


def skip_space(text: str, start: int) -> int:
    at = start
    while text[at] in " \t\r\n":
        at += 1
    return at


def skip_value(text: str, start: int) -> int:
    """Just after the value that begins at `start`, character by character."""
    if text[start] == '"':
        return skip_string(text, start)
    if text[start] not in "{[":
        at = start
        while at < len(text) and text[at] not in ",]} \t\r\n":
            at += 1
        return at
    depth, at = 0, start
    while True:
        if text[at] == '"':
            at = skip_string(text, at)
            continue
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at


def members(text: str, start: int = 0) -> Iterator[Member]:
    """All members of the object that begins at `start`, in text that is JSON."""
    at = skip_space(text, skip_space(text, start) + 1)
    while text[at] != "}":
        key_end = skip_string(text, at)
        value = skip_space(text, skip_space(text, key_end) + 1)
        end = skip_value(text, value)
        yield Member(text[at:key_end], text[value:end], value)
        at = skip_space(text, end)
        if text[at] == ",":
            at = skip_space(text, at + 1)


def parse(text: str) -> object:
    """JSON as RFC 8259 has it. Raises ValueError."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    value: object = json.loads(text, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError: half a surrogate pair
    return value


class Reference:
    """Checks a whole file that is in memory."""

    def __init__(
        self, endpoints: Collection[str], models: Collection[str], max_lines: int, max_line: int
    ) -> None:
        self._endpoints = endpoints
        self._models = models
        self._max_lines = max_lines
        self._max_line = max_line
        self._number = 0
        self.findings: list[Finding] = []
        self.ids: list[str] = []
        self.model: str | None = None
        self.url: str | None = None
        self.spans: list[int] = []
        self.output_tokens = self.unlimited_answers = 0

    @property
    def id_sum(self) -> int:
        digests = [hashlib.blake2b(custom_id.encode(), digest_size=16).digest() for custom_id in self.ids]
        return sum(int.from_bytes(digest, "big") for digest in digests) % 2**128

    def check(self, content: bytes) -> None:
        offset = requests = 0
        for self._number, line in enumerate(content.split(b"\n"), 1):
            if line.strip(b" \t\r"):
                requests += 1
                if requests > self._max_lines:
                    self.findings.append((None, "too_many_tasks", None))
                    return
                self._line(line, offset)
            offset += len(line) + 1
        if not requests:
            self.findings.append((None, "empty_file", None))

    def _add(self, code: str, param: str | None) -> None:
        self.findings.append((self._number, code, param))

    def _line(self, line: bytes, offset: int) -> None:
        if len(line) > self._max_line:
            self._add("line_too_long", None)
            return
        if line.startswith(b"\xef\xbb\xbf"):
            self._add("invalid_json_line", None)
            line = line[3:]
        try:
            text = line.decode()
            is_object = isinstance(parse(text), dict)
        except (ValueError, RecursionError):
            is_object, text = False, ""
        if is_object:
            self._object(text, offset)
        else:
            self._add("invalid_json_line", None)

    def _object(self, text: str, offset: int) -> None:
        top = self._members(text, 0, "", ("custom_id", "method", "url", "body"))
        for name in {"custom_id", "method", "url", "body"} - top.keys():
            self._add("missing_required_parameter", name)
        self._id(self._string(top, "custom_id"))
        if self._string(top, "method") not in (None, "POST"):
            self._add("invalid_value", "method")
        self._url(self._string(top, "url"))
        if "body" in top and not top["body"].value.startswith("{"):
            self._add("invalid_type", "body")
        elif "body" in top:
            body = self._members(text, top["body"].at, "body.", ("model", "stream"))
            self._stream(body)
            self._model(body)
            self._count(text, top["body"].at)
            if "model" in body:
                self.spans.append(offset + len(text[: body["model"].at].encode()))

    def _count(self, text: str, start: int) -> None:
        limits, answers, is_readable = [-1], 1, True
        for member in members(text, start):
            name: str = json.loads(member.key)
            if name in (*_LIMITS, "n", "best_of"):
                value: object = json.loads(member.value)
                is_readable &= not isinstance(value, dict | list) and value not in (math.inf, -math.inf)
        last = {json.loads(member.key): json.loads(member.value) for member in members(text, start)}
        if is_readable:
            limits += [_number(last.get(name), 10_000_000) for name in _READ.get(self.url or "", ())]
            answers = max(1, *(min(_number(last.get(name)), 128) for name in ("n", "best_of")))
            prompts: object = last.get("prompt")
            if isinstance(prompts, list) and prompts and isinstance(prompts[0], str | list):
                answers *= len(cast("list[object]", prompts))
        self.output_tokens += max(0, *limits) * answers
        self.unlimited_answers += answers if max(limits) <= 0 else 0

    def _members(self, text: str, start: int, path: str, names: Collection[str]) -> dict[str, Member]:
        found: dict[str, Member] = {}
        wrong: set[tuple[str, str]] = set()
        for member in members(text, start):
            name: str = json.loads(member.key)
            if name not in names:
                continue
            if "\\" in member.key:
                wrong.add(("invalid_value", path + name))
            if name in found:
                wrong.add(("duplicate_parameter", path + name))
            found.setdefault(name, member)
        for code, param in wrong:
            self._add(code, param)
        return found

    def _string(self, found: dict[str, Member], name: str, path: str = "") -> str | None:
        value: object = json.loads(found[name].value) if name in found else None
        if name in found and not isinstance(value, str):
            self._add("invalid_type", path + name)
        return value if isinstance(value, str) else None

    def _id(self, custom_id: str | None) -> None:
        if custom_id == "":
            self._add("invalid_value", "custom_id")
        elif custom_id in self.ids:
            self._add("duplicate_custom_id", "custom_id")
        elif custom_id is not None:
            self.ids.append(custom_id)

    def _url(self, url: str | None) -> None:
        if url is None:
            return
        if url not in self._endpoints or self.url not in (None, url):
            self._add("invalid_url", "url")
        else:
            self.url = url

    def _stream(self, body: dict[str, Member]) -> None:
        stream: object = json.loads(body["stream"].value) if "stream" in body else None
        if stream is True:
            self._add("streaming_unsupported", "body.stream")
        elif stream is not None and stream is not False:
            self._add("invalid_type", "body.stream")

    def _model(self, body: dict[str, Member]) -> None:
        if "model" not in body:
            self._add("invalid_request", "body.model")
            return
        model = self._string(body, "model", "body.")
        if model is None:
            return
        if "\\" in body["model"].value:
            self._add("invalid_value", "body.model")
        elif model not in self._models:
            self._add("model_not_found", "body.model")
        elif self.model not in (None, model):
            self._add("mismatched_model", "body.model")
        else:
            self.model = model


_READ = {
    "/v1/chat/completions": ("max_tokens", "max_completion_tokens"),
    "/v1/responses": ("max_output_tokens",),
}
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def _number(value: object, most: float = math.inf) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else -1


class RowReference:
    """Counts rows with nothing but the json module."""

    def __init__(self, *thresholds: int) -> None:
        self.ids: list[str] = []
        self.completed = self.failed = self.executed = self.unparsable = 0
        self.usage = Usage()
        self.requests: Counter[str | None] = Counter()
        self.classes: dict[tuple[str | None, int], Counter[str]] = {}
        """by model and the highest threshold that the input is longer than"""
        self._thresholds = thresholds

    def count(self, content: bytes) -> None:
        for line in content.split(b"\n"):
            if line.strip():
                self._line(line)

    def _line(self, line: bytes) -> None:
        try:
            row = as_object(json.loads(line.decode(errors="replace"), strict=False))
        except (ValueError, RecursionError):
            row = {}
        custom_id = row.get("custom_id")
        if not isinstance(custom_id, str):
            self.unparsable += 1
            return
        self.ids.append(custom_id)
        self.executed += row.get("response") is not None
        answer = as_object(row.get("response"))
        status = whole(answer.get("status_code"))
        if status is None or status >= 400 or row.get("error"):
            self.failed += 1
            return
        self.completed += 1
        body = as_object(from_text(answer.get("body")))
        self.usage += usage_of(as_object(body.get("usage")))
        model = model_of(body)
        self.requests[model] += 1
        classes = classes_of(body)
        if classes is not None:
            above = max((each for each in self._thresholds if classes["input"] > each), default=0)
            self.classes.setdefault((model, above), Counter()).update(classes, requests=1)


def model_of(body: dict[str, object]) -> str | None:
    model = body.get("model")
    return model if isinstance(model, str) and 0 < len(model) <= 200 and model.isprintable() else None


DETAILS = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens")


def classes_of(body: dict[str, object]) -> Counter[str] | None:
    """The tokens of an answer in classes that have none in common; None if its usage makes no sense."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return Counter() if "results" in body else None
    told = as_object(cast("object", usage))
    sides = [
        {name: count_of(told.get(f"{word}_tokens{name}")) for name in ("", "_details")}
        | {part: count_of(as_object(told.get(f"{word}_tokens_details")).get(part)) for part in DETAILS}
        for word in ("input", "prompt", "output", "completion")
    ]
    for word, side in zip(("input", "prompt", "output", "completion"), sides, strict=True):
        details = told.get(f"{word}_tokens_details")
        side["_details"] = None if details is None else 0 if isinstance(details, dict) else -1
    counts = [count for side in sides for count in side.values()] + [count_of(told.get("total_tokens"))]
    if -1 in counts:
        return None
    of_input, of_output = one_of(*sides[:2]), one_of(*sides[2:])
    consumed, produced = of_input[""], of_output[""]
    if consumed is None or (produced is None and (counts[-1] or 0) > consumed):
        return None
    parts_in = [of_input[part] or 0 for part in DETAILS[:4]]
    parts_out = [of_output[part] or 0 for part in ("audio_tokens", "image_tokens")]
    reasoning = of_output["reasoning_tokens"] or 0
    plain_in, plain_out = consumed - sum(parts_in), (produced or 0) - sum(parts_out)
    if plain_in < 0 or plain_out < reasoning:
        return None
    names = ("cached", "cache_write", "audio_input", "image_input", "audio_output", "image_output")
    classes: Counter[str] = Counter(
        input=consumed, plain_input=plain_in, plain_output=plain_out, reasoning=reasoning
    )
    classes.update(dict(zip(names, parts_in + parts_out, strict=True)))
    return classes


def count_of(value: object) -> int | None:
    """A number of tokens; -1 for what is none."""
    count = whole(value)
    if value is None:
        return None
    return count if count is not None and 0 <= count < 2**27 else -1


def one_of(first: dict[str, int | None], second: dict[str, int | None]) -> dict[str, int | None]:
    """One side of a usage that may be told in two words: the first that tells it."""
    details = first if first["_details"] is not None else second
    told = first[""] or second[""]
    if told is None and 0 in (first[""], second[""]):
        told = 0
    return {**details, "": told}


def usage_of(usage: dict[str, object]) -> Usage:
    def details(*names: str) -> dict[str, object]:
        chosen = next((name for name in names if isinstance(usage.get(name), dict)), names[0])
        return as_object(usage.get(chosen))

    consumed = tokens(usage, "input_tokens") or tokens(usage, "prompt_tokens")
    produced = tokens(usage, "output_tokens") or tokens(usage, "completion_tokens")
    return Usage(
        input_tokens=consumed,
        cached_tokens=tokens(details("input_tokens_details", "prompt_tokens_details"), "cached_tokens"),
        output_tokens=produced,
        reasoning_tokens=tokens(
            details("output_tokens_details", "completion_tokens_details"), "reasoning_tokens"
        ),
        total_tokens=tokens(usage, "total_tokens") or consumed + produced,
    )


def from_text(body: object) -> object:
    """What a body is that is JSON in a string."""
    try:
        return json.loads(body, strict=False) if isinstance(body, str) else body
    except (ValueError, RecursionError):
        return None


def as_object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value // 1 else None


def tokens(usage: dict[str, object], name: str) -> int:
    count = whole(usage.get(name))
    return count if count is not None and 0 <= count < 2**27 else 0
