"""Reading sections of a configuration: all that is wrong is collected, with the paths that lead to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeGuard, TypeVar

import msgspec

from litebatch_asgi.config.effects import Unused, effect_of
from litebatch_asgi.config.environment import variable
from litebatch_asgi.config.vocabulary import Vocabulary
from litebatch_asgi.errors import ConfigError

_PLACE = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")
_SECTION = re.compile(r"([\w.-]*?)(?:\[\d+\])?$")
_OWN_NOTES = ("x-", ".", "_")
"""how names begin under which people keep what YAML's anchors refer to"""

StructT = TypeVar("StructT", bound=msgspec.Struct)


class Unreadable(Exception):
    """What was being read cannot be used; the faults say why."""


class Reading:
    """One pass over a document. `env` is what `os.environ/NAME` reads."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[str] = []
        self._unused: dict[str, Unused] = {}

    @property
    def unused(self) -> tuple[Unused, ...]:
        """The legal settings that are not used, each once."""
        return tuple(self._unused.values())

    def fault(self, path: str, message: str) -> None:
        """Note what is wrong."""
        self.faults.append(": ".join(filter(None, (path.lstrip("."), message))))

    def refuse(self, path: str, message: str) -> NoReturn:
        """Note what is wrong, and give up what is being read: raise `Unreadable`."""
        self.fault(path, message)
        raise Unreadable

    def note_unused(self, section: str, key: str) -> None:
        """Note a setting that is not used."""
        unused = Unused(section=section, key=key, effect=effect_of(section, key))
        self._unused[unused.path] = unused

    def note(self, path: str, key: str, item: Any = None) -> None:
        """Note a setting `key` of the section at `path` that is not used, or what a section `item` has."""
        if path:
            found = _SECTION.search(path)
            self.note_unused(found[1].rpartition(".")[2] if found else path, key)
        elif key.startswith(_OWN_NOTES):
            return
        elif is_mapping(item) and item:
            for name in item:
                self.note_unused(key, str(name))
        else:
            self.note_unused("", key)

    def section(
        self,
        value: Any,
        path: str,
        words: Vocabulary[StructT],
        places: Mapping[str, str] | None = None,
    ) -> StructT:
        """The mapping `value` as the struct of `words`, its variables put in; absent is empty.

        `places`: the paths of values that come from elsewhere, by their keys. Raises `Unreadable`; a wrong
        key at the top of the file, where `path` is empty, keeps nothing else from being read.
        """
        mapping: object = {} if value is None else value
        if not is_mapping(mapping):
            self.refuse(path, "is to be a mapping of names to values")
        places, before = places or {}, len(self.faults)
        chosen: dict[str, Any] = {}
        for key, item in mapping.items():
            place = places.get(key, f"{path}.{key}")
            if key in words.names:
                if item is not None:
                    chosen[key] = self.resolved(item, place)
            elif words.is_unused(str(key)):
                self.note(path, str(key), item)
            else:
                self.fault(place, words.advice(str(key)))
        if path and len(self.faults) > before:
            raise Unreadable
        return self._converted(chosen, path, words.own, places)

    def attempt(
        self, value: Any, path: str, words: Vocabulary[StructT], places: Mapping[str, str] | None = None
    ) -> StructT | None:
        """The same; None where that raises, so that more can be read."""
        try:
            return self.section(value, path, words, places)
        except Unreadable:
            return None

    def resolved(self, value: Any, path: str) -> Any:
        """The value, or that of the variable that it names; None, with a fault, where that has none.

        Of a list each of its values.
        """
        if is_list(value):
            return [self.resolved(each, f"{path}[{index}]") for index, each in enumerate(value)]
        name = variable(value)
        if name is None:
            return value
        if not self.env.get(name):
            state = "empty" if name in self.env else "not set"
            self.fault(path, f"the environment variable {name} is {state}")
            return None
        return self.env[name]

    def peek(self, value: Any) -> Any:
        """The same without a fault."""
        name = variable(value)
        return value if name is None else self.env.get(name) or None

    def _converted(
        self, value: dict[str, Any], path: str, wanted: type[StructT], places: Mapping[str, str]
    ) -> StructT:
        try:
            return msgspec.convert(value, wanted, strict=False)
        except ConfigError as error:
            self.refuse(path, str(error))
        except msgspec.ValidationError as error:
            found = _PLACE.search(str(error))
            inner = found["path"] if found else ""
            key = inner.lstrip(".").partition(".")[0]
            message = _PLACE.sub("", str(error)).replace("`", "").replace(" | null", "")
            self.refuse(places.get(key, path + inner), message)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value of the document is a list."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether a value of the document is a mapping."""
    return isinstance(value, dict)
