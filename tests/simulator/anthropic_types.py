"""What the `anthropic` package says of a message's parameters, as the simulator keeps it.

`python -m tests.simulator.anthropic_types` writes it anew, from the package that is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import IO, Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from typing_extensions import TypeAliasType, get_type_hints, is_typeddict

import litebatch_asgi.simulator

KEPT = Path(litebatch_asgi.simulator.__file__).with_name("anthropic_params.json")
IN_HEADERS = ("user_profile_id", "workspace_id")
"""of the call, not of its body"""
_SCALARS: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    object: "any",
    Any: "any",
}


def described() -> dict[str, Any]:
    """The parameters and all objects in them, by name."""
    objects: dict[str, Any] = {}
    root = _Describing(objects).kind(MessageCreateParamsNonStreaming)
    for name in IN_HEADERS:
        del objects[root["object"]]["members"][name]
    return {"params": root, "objects": dict(sorted(objects.items()))}


class _Describing:
    def __init__(self, objects: dict[str, Any]) -> None:
        self._objects = objects

    def kind(self, kind: Any) -> Any:
        origin, args = get_origin(kind), get_args(kind)
        if isinstance(kind, TypeAliasType):
            return self.kind(kind.__value__)
        if origin in (Union, UnionType):
            return self._union(args)
        if origin is Literal:
            return {"literal": sorted(args, key=str)}
        if origin in (Required, NotRequired):
            return self.kind(args[0])
        if is_typeddict(kind):
            return self._object(kind)
        if origin is dict or kind is dict:
            return "object"
        if origin in (list, Iterable, Sequence):
            return {"array": self.kind(args[0])}
        return _SCALARS[kind]

    def _union(self, kinds: tuple[Any, ...]) -> Any:
        told: list[Any] = []
        for kind in (self.kind(kind) for kind in kinds if not _is_python(kind)):
            for one in _parts_of(kind):
                if one not in told:
                    told.append(one)
        if "string" in told:
            told = [one for one in told if "literal" not in one]
        # typing gives equal unions in the order of the first that was made
        return told[0] if len(told) == 1 else {"union": sorted(told, key=json.dumps)}

    def _object(self, kind: Any) -> Any:
        name = kind.__name__
        if name not in self._objects:
            hints = get_type_hints(kind, include_extras=True)
            needed = [Required, None] if kind.__total__ else [Required]
            required = [member for member, hint in hints.items() if _need(hint) in needed]
            members: dict[str, Any] = {}
            self._objects[name] = {"required": required, "members": members}
            for member, hint in hints.items():
                members[member] = self.kind(hint)
        return {"object": name}


def _parts_of(kind: Any) -> list[Any]:
    return kind["union"] if "union" in kind else [kind]  # noqa: SIM401 a kind may be a text


def _need(hint: Any) -> Any:
    origin = get_origin(hint)
    return origin if origin in (Required, NotRequired) else None


def _is_python(kind: Any) -> bool:
    """Whether it is one of the open files, paths and answers that the package takes beside what is JSON."""
    return (get_origin(kind) or kind) in (IO, PathLike, bytes, Annotated)


def text() -> str:
    """The file's content, an object a line."""
    told = described()
    objects = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in told["objects"].items())
    return f'{{"params": {json.dumps(told["params"])}, "objects": {{\n{objects}\n}}}}\n'


if __name__ == "__main__":
    KEPT.write_text(text())
