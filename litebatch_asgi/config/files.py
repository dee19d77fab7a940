"""The files of a configuration: one, and those that it includes.

Source: LiteLLM's document "File Management". As with LiteLLM the lists of an included file come after those
of the file that includes it, and of a setting that both have the included file's counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from litebatch_asgi.config.reading import is_list, is_mapping
from litebatch_asgi.errors import ConfigError

INCLUDE = "include"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration says, its included files put in."""

    content: Any
    """None: nothing"""
    places: Mapping[str, Sequence[str]] = {}
    """where the elements of the lists at the top stand, by the list's name, if not in one file"""


def read_text(text: str, source: str) -> Any:
    """What the YAML `text` says. Raises `ConfigError`, also without a YAML parser."""
    try:
        from litebatch_asgi.config.document import read_document
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"reading {source} needs {error.name}: pip install 'litebatch-asgi[server]'"
        ) from error
    return read_document(text, source)


def read_files(file: Path) -> Document:
    """The file and what it includes. Raises `ConfigError` if one is missing, or includes itself."""
    return _read(file, _text_of(file, "name a file that exists"), ())


def _read(file: Path, text: str, above: tuple[Path, ...]) -> Document:
    content = read_text(text, str(file))
    if not is_mapping(content) or content.get(INCLUDE) is None:
        return Document(content=content)
    above = (*above, file)
    written = content[INCLUDE]
    names = written if is_list(written) else [written]
    merged = {key: value for key, value in content.items() if key != INCLUDE}
    places = {key: _places(key, value) for key, value in merged.items() if is_list(value)}
    for index, name in enumerate(names):
        where = f"{file}: {INCLUDE}[{index}]"
        if not isinstance(name, str):
            raise ConfigError(f"{where}: is to be the name of a file, relative to this one")
        other = file.parent / name
        if any(other.resolve() == each.resolve() for each in above):
            circle = " includes ".join(str(each) for each in (*above, other))
            raise ConfigError(f"{where}: a circle: {circle}")
        included = _read(other, _text_of(other, "it is looked for beside this file", where), above)
        _add(merged, places, included, other, where)
    return Document(content=merged, places=places)


def _add(
    merged: dict[Any, Any], places: dict[Any, list[str]], included: Document, file: Path, where: str
) -> None:
    """Put an included file's content into `merged`."""
    if included.content is None:
        return
    if not is_mapping(included.content):
        raise ConfigError(f"{where}: {file} is to be a mapping of names to values")
    for key, value in included.content.items():
        if is_list(value) and is_list(merged.get(key, [])):
            theirs = included.places.get(key) or [f"{file}: {place}" for place in _places(key, value)]
            places[key] = [*places.get(key, []), *theirs]
        merged[key] = _joined(merged.get(key), value)


def _joined(one: Any, other: Any) -> Any:
    if is_list(one) and is_list(other):
        return [*one, *other]
    if is_mapping(one) and is_mapping(other):
        return {**one, **{key: _joined(one.get(key), value) for key, value in other.items()}}
    return one if other is None else other


def _places(key: Any, value: list[Any]) -> list[str]:
    return [f"{key}[{index}]" for index in range(len(value))]


def _text_of(file: Path, advice: str, where: str = "") -> str:
    before = f"{where}: " if where else ""
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{before}there is no {file}: {advice}") from None
    except OSError as error:
        raise ConfigError(f"{before}{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{before}{file} is not UTF-8 (byte {error.start})") from None
