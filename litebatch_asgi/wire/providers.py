"""The provider that a request names, in any of the places where LiteLLM takes it.

Source: LiteLLM's `/batches` and `/files` pages, and its OpenAPI document: a path such as `/azure/v1/batches`,
the header `custom-llm-provider`, the query (`custom_llm_provider`, or `provider`), and the form or body.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.names import Pairs

PROVIDER_FIELD = "custom_llm_provider"
"""in forms, bodies and queries"""
PROVIDER_HEADER = "custom-llm-provider"
MAX_PROVIDER = 64
"""characters"""
_IN_QUERY = (PROVIDER_FIELD, "provider")


class Naming(NamedTuple):
    """One place of a request that names a provider."""

    place: str
    """in words"""
    provider: str


def namings(path: str | None, header: str | None, query: Pairs) -> list[Naming]:
    """Where a request names a provider, its body aside. What is empty names none."""
    given = [("the path", path), (f"the header {PROVIDER_HEADER}", header)]
    given += [("the query", value) for name, value in query if name in _IN_QUERY]
    return [Naming(place, name) for place, value in given if value and (name := value.strip(" "))]


def named_provider(named: Iterable[Naming], field: str | None = None) -> str | None:
    """The provider that a request names, with what `field` of its body or form says; None: none.

    Raises `InvalidRequest` if it names two.
    """
    found = list(named)
    if field is not None and field.strip(" "):
        found.append(Naming(f"the field {PROVIDER_FIELD}", field.strip(" ")))
    if not found:
        return None
    first, *others = found
    check_provider_name(first.provider)
    for other in others:
        check_provider_name(other.provider)
        if other.provider != first.provider:
            raise InvalidRequest(
                f"The request names two providers: '{first.provider}' in {first.place} and "
                f"'{other.provider}' in {other.place}. Name one.",
                param=PROVIDER_FIELD,
                code="invalid_value",
            )
    return first.provider


def check_provider_name(given: object) -> None:
    """Raises `InvalidRequest` for what can be no provider's name."""
    if given is not None:
        name = checks.no_longer_than(MAX_PROVIDER, checks.text(given, PROVIDER_FIELD), PROVIDER_FIELD)
        checks.plain(name, PROVIDER_FIELD)
