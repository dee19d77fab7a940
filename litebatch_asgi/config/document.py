"""YAML as plain values, with errors that name the line and never quote it, for a line may hold a key."""

from __future__ import annotations

from typing import Any

import yaml

from litebatch_asgi.errors import ConfigError

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """The safe loader, with dates left as text: `api_version: 2024-10-21` is a version."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_document(text: str, source: str) -> Any:
    """What the YAML `text` says; None if it says nothing.

    Raises `ConfigError`, with `source` and the line, for bad syntax and for a key that stands twice.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            _refuse_repeated_keys(node, source)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source}{_where(error)}: not valid YAML: {_what(error)}") from None


def _refuse_repeated_keys(root: yaml.Node | None, source: str) -> None:
    """YAML forbids a repeated key; PyYAML takes the last one without a word."""
    todo, seen = [root], set[int]()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
            _refuse_repeated(keys, source)
            todo.extend(value for _, value in node.value)


def _refuse_repeated(keys: list[yaml.ScalarNode], source: str) -> None:
    lines: dict[str, int] = {}
    for key in keys:
        line = key.start_mark.line + 1
        if key.value in lines:
            first = lines[key.value]
            raise ConfigError(f"{source}, line {line}: the key {key.value} stands in line {first} already")
        lines[key.value] = line


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _what(error: Exception) -> str:
    """The parser's words without its excerpt of the file."""
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    told = ", ".join(part for part in parts if part)
    return told or getattr(error, "reason", None) or "unreadable"
