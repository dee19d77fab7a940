"""Files to try: mostly right, spelled in all the ways that JSON allows, with something wrong now and then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import cast

from hypothesis import strategies as st

URL = "/v1/chat/completions"
OTHER_URL = "/v1/responses"
MODEL = "gpt-4o-batch"
OTHER_MODEL = "größe/模型"
MODELS = (MODEL, OTHER_MODEL)

# Text that looks like what is searched for.
TRAPS = (
    '"model": "gpt-4o-batch"',
    '{"model":"x"}',
    "\\",
    '\\"',
    '\\\\"',
    '"stream": true',
    "model",
    '"}]}',
    "\x7f\u2028 é 模 😀",
    '\n\t\r"custom_id": "a"',
    "x" * 90,
    '"' * 40,
    '"' + "y" * 200 + '"\\' * 3,
)

texts = st.one_of(st.text(max_size=12), st.sampled_from(TRAPS)).filter(
    lambda text: not any("\ud800" <= character <= "\udfff" for character in text)
)
keys = st.one_of(texts, st.sampled_from(["model", "stream", "custom_id", "url", "method", "body", "content"]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


class Writer:
    """Spells JSON with its own habits of spacing and escaping, which depend on nothing but the seed."""

    def __init__(self, seed: int, *, plain: bool = False) -> None:
        self._random = Random(seed)
        self._colon, self._comma = self._random.choice(((":", ","), (": ", ", "), (" :\t", " , ")))
        self._brace = "" if plain else self._random.choice(("", "", " "))
        self._escape = 0.0 if plain else self._random.choice((0.0, 0.0, 0.05))
        self._ascii = self._random.random() < 0.5

    def string(self, text: str, *, escape: bool = True) -> str:
        if not escape:
            return json.dumps(text, ensure_ascii=False)
        return '"' + "".join(map(self._character, text)) + '"'

    def _character(self, character: str) -> str:
        if self._random.random() < self._escape and ord(character) < 0x10000:
            return f"\\u{ord(character):04x}"
        return json.dumps(character, ensure_ascii=self._ascii)[1:-1]

    def value(self, value: object) -> str:
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, dict):
            pairs = cast("dict[str, object]", value).items()
            return self.object([(self.string(key), self.value(inner)) for key, inner in pairs])
        if isinstance(value, list):
            items = cast("list[object]", value)
            return f"[{self._brace}{self._comma.join(map(self.value, items))}{self._brace}]"
        return json.dumps(value)

    def object(self, spelled: list[tuple[str, str]]) -> str:
        inside = self._comma.join(f"{key}{self._colon}{value}" for key, value in spelled)
        return f"{{{self._brace}{inside}{self._brace}}}"


Pair = tuple[str, str]
Pairs = list[Pair]


def escaped(name: str) -> str:
    """`name` as a JSON string with its first character spelled as an escape."""
    return f'"\\u{ord(name[0]):04x}{name[1:]}"'


def _replace(pairs: Pairs, name: str, value: str | None) -> None:
    """Give the member another value, or take it away."""
    for index, (key, _) in enumerate(pairs):
        if key == f'"{name}"':
            pairs[index : index + 1] = [] if value is None else [(key, value)]
            return


def spoil(fault: str, top: Pairs, body: Pairs, random: Random) -> None:
    """Do something to a line's members, by which it may or may not become wrong."""
    what, _, name = fault.partition(" ")
    pairs = body if name in ("model", "stream") else top
    others = ("null", "true", "false", "1", "-0.5e3", "[]", '""', '{"a": 1}', '"GET"', f'"{OTHER_URL}"')
    if what == "drop":
        _replace(pairs, name, None)
    elif what == "retype":
        _replace(pairs, name, random.choice(others))
    elif what == "repeat":
        pairs.insert(random.randint(0, len(pairs)), (f'"{name}"', random.choice((*others, f'"{MODEL}"'))))
    elif what == "escape":
        pairs.insert(random.randint(0, len(pairs)), (escaped(name), random.choice(("false", f'"{MODEL}"'))))
    elif what == "model":
        names = (f'"{OTHER_MODEL}"', '"unknown"', escaped(MODEL), '"gpt-4o-batc"', f'"{MODEL}"', '"gpt\\/4"')
        _replace(body, "model", random.choice(names))
    elif what == "stream":
        body.insert(random.randint(0, len(body)), ('"stream"', random.choice(others)))
    elif what == "url":
        _replace(top, "url", random.choice((f'"{OTHER_URL}"', '"/v1/nope"', '"\\/v1\\/chat\\/completions"')))
    elif what == "id":
        _replace(
            top, "custom_id", random.choice(('"id-0"', '"\\u0069d-0"', '"id-\\u0030"', '"\\ud83d"', '"\\x"'))
        )
    elif what == "shuffle":
        random.shuffle(top)
        random.shuffle(body)


_NAMES = ("custom_id", "method", "url", "body", "model", "stream")
FAULTS = (
    *(f"{what} {name}" for what in ("drop", "retype", "repeat", "escape") for name in _NAMES),
    *("model", "stream", "url", "id", "shuffle", "cut", "byte", "bom", "join"),
)
_BYTES = b'"\\{}[],:.eE0\x00\x0b \xff\xc3\xed'


def spoil_bytes(fault: str, line: bytes, random: Random) -> bytes:
    """Do something to a line's bytes, by which it may or may not become wrong."""
    at = random.randint(0, len(line))
    if fault == "cut":
        return line[:at]
    if fault == "byte":
        return line[:at] + bytes([random.choice(_BYTES)]) + line[at + random.randint(0, 1) :]
    if fault == "bom":
        return b"\xef\xbb\xbf" + line
    if fault == "join":
        return (
            line + random.choice((b"", b" ", b",", b"\r", b"\x0c")) + random.choice((line, b"1", b"", b"}"))
        )
    return line


class LineWriter:
    """Spells the lines of one file."""

    def __init__(self, seed: int, model: str) -> None:
        self.random = Random(seed)
        self._writer = Writer(seed)
        self._sorted = self.random.random() < 0.4
        self._model_last = self.random.random() < 0.3
        self._head = [('"model"', f'"{model}"')]
        if self.random.random() < 0.3:
            self._head.append(('"stream"', self.random.choice(("false", "null"))))

    def line(
        self, custom_id: str, extra: Mapping[str, object], fault: str | None, spelled: Sequence[Pair] = ()
    ) -> bytes:
        """`spelled` are members of the body as they are to be written, put anywhere."""
        writer = self._writer
        rest = [(writer.string(key), writer.value(value)) for key, value in extra.items()]
        body = [*rest, *self._head] if self._model_last else [*self._head, *rest]
        for member in spelled:
            body.insert(self.random.randint(0, len(body)), member)
        names = {"custom_id": writer.string(custom_id), "method": '"POST"', "url": f'"{URL}"', "body": ""}
        top = [(f'"{name}"', value) for name, value in names.items()]
        if fault is not None:
            spoil(fault, top, body, self.random)
        top = [(key, value or writer.object(body)) for key, value in top]
        text = writer.object(sorted(top) if self._sorted else top).encode("utf-8", "surrogatepass")
        return text if fault is None else spoil_bytes(fault, text, self.random)


# Limits of answers, and what is none: all of it is accepted.
LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n")
_LIMIT_VALUES = (
    *("0", "1", "5", "-0", "128", "129", "10000000", "10000001", "18446744073709551616", "1" * 30),
    *("-1", "5.0", "1e2", "1e400", "null", "true", "false", '"7"', '""', "[]", "[5]", '{"n": 5}'),
)
limits = st.lists(
    st.tuples(
        st.sampled_from((*(f'"{name}"' for name in LIMIT_NAMES), *map(escaped, LIMIT_NAMES))),
        st.sampled_from(_LIMIT_VALUES),
    ),
    max_size=3,
)
_extras = st.dictionaries(keys.filter(lambda key: key not in ("model", "stream")), values, max_size=3)


@st.composite
def files(draw: st.DrawFn, *, faults: bool = True) -> bytes:
    """A batch input file of a few lines as one program would write it; with `faults`, some of it is off."""
    writer = LineWriter(draw(st.integers(0, 2**32)), draw(st.sampled_from(MODELS)))
    fault = st.one_of(st.none(), st.sampled_from(FAULTS)) if faults else st.none()
    lines: list[bytes] = []
    for index in range(draw(st.integers(0 if faults else 1, 6))):
        custom_id = draw(st.one_of(st.just("id-"), texts)) + str(index)
        lines.append(writer.line(custom_id, draw(_extras), draw(fault), draw(limits)))
        lines += draw(st.sampled_from(([], [], [], [b""], [b" \r", b"\t"])))
    newline = draw(st.sampled_from((b"\n", b"\n", b"\r\n")))
    return newline.join(lines) + draw(st.sampled_from((b"", newline)))


@st.composite
def sliced(draw: st.DrawFn, content: bytes) -> list[bytes]:
    """`content` cut into pieces anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=5)))
    return [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
