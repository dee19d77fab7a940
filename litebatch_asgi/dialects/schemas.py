"""What the schemas of all providers have in common: references, and keywords that say nothing of values."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.values import Object, read_array, read_object, read_text

ANNOTATIONS = frozenset(
    {
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "default",
        "deprecated",
        "example",
        "examples",
        "readOnly",
        "writeOnly",
    }
)
"""keywords without effect on what a schema allows; definitions are put where they are referred to"""
_BESIDE_REFERENCES = frozenset({"title", "description", "default"})
_MOST_SCHEMAS = 5000
_MOST_BYTES = 1 << 20  # of what references put in place


class Definitions:
    """The definitions of one schema document."""

    def __init__(self, root: Object, param: str) -> None:
        self._param = param
        self._schemas: Object = {}
        for keyword in ("$defs", "definitions"):
            if root.get(keyword) is not None:
                for name, schema in read_object(root[keyword], f"{param}.{keyword}").items():
                    self._schemas[f"#/{keyword}/{name}"] = schema
        self._open: dict[str, None] = {}
        self._seen = 0
        self._bytes = 0

    @contextmanager
    def resolved(self, schema: Object, param: str) -> Generator[Object]:
        """A schema without `$ref`, and without an `allOf` of one schema; while its parts are looked at.

        Raises:
            Refusal: for circles, references to elsewhere, and schemas that become too large.

        """
        self._seen += 1
        if self._seen > _MOST_SCHEMAS:
            raise unsupported(self._param, f"with its references it has more than {_MOST_SCHEMAS} parts.")
        opened = len(self._open)
        try:
            while (found := self._referred(schema, param)) is not None:
                schema = found
            yield schema
        finally:
            while len(self._open) > opened:
                self._open.popitem()

    def _referred(self, schema: Object, param: str) -> Object | None:
        if schema.get("$ref") is not None:
            keyword, name = "$ref", read_text(schema["$ref"], f"{param}.$ref")
            if name in self._open:
                raise unsupported(f"{param}.$ref", f"'{name[:100]}' refers to itself.")
            if name not in self._schemas:
                why = f"'{name[:100]}' is not among the schema's own definitions."
                raise invalid(f"{param}.$ref", why)
            self._open[name] = None
            target: Any = self._schemas[name]
            self._bytes += len(msgspec.json.encode(target))
            if self._bytes > _MOST_BYTES:
                raise unsupported(self._param, f"with its references it has more than {_MOST_BYTES} bytes.")
        elif schema.get("allOf") is not None:
            keyword, schemas = "allOf", read_array(schema["allOf"], f"{param}.allOf")
            if len(schemas) != 1:
                raise unsupported(f"{param}.allOf", "only one schema can be in it. Write them as one.")
            target = schemas[0]
        else:
            return None
        beside = {name: value for name, value in schema.items() if name != keyword and value is not None}
        for name in beside:
            if name not in _BESIDE_REFERENCES and name not in ANNOTATIONS:
                raise unsupported(f"{param}.{name}", f"it stands beside {keyword}. Write them as one schema.")
        return {**read_object(target, param), **beside}


def value_type(value: object, name: str) -> bool:
    """Whether a JSON value has the type of JSON Schema with this name."""
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return name in ("integer", "number")
    return isinstance(value, _PYTHON_TYPES[name])


_PYTHON_TYPES: dict[str, type[Any]] = {
    "string": str,
    "number": float,
    "integer": int,
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}
