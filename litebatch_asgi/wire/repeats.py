"""What a request says of having been sent before."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from litebatch_asgi.errors import InvalidRequest

KEY_HEADER = "Idempotency-Key"
MAX_KEY = 255
"""characters"""
_RETRY_HEADER = "x-stainless-retry-count"


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a create may be a repetition. Raises `InvalidRequest` for what can be no key."""

    key: str | None = None
    """equal for requests that are meant to make one object"""
    is_retry: bool = False
    """whether the client's own retry logic sends it"""
    in_process: bool = False
    """whether the answer is a return value, which cannot be lost on its way"""

    @property
    def may_miss_answer(self) -> bool:
        """Whether a lost answer could only be known by what was asked for: there is no key."""
        return self.key is None and not self.in_process

    def __post_init__(self) -> None:
        if self.key is not None and not (0 < len(self.key) <= MAX_KEY and self.key.isprintable()):
            raise InvalidRequest(
                f"Invalid '{KEY_HEADER}': 1 to {MAX_KEY} printable characters are allowed.",
                param=KEY_HEADER,
                code="invalid_value",
            )


def parse_repeat(headers: Mapping[str, str]) -> Repeat:
    """What the headers of a create say. Their names are looked up in any case.

    Source of the retry count: openai-python and openai-node send `x-stainless-retry-count`, and no key.
    """
    count = headers.get(_RETRY_HEADER, "")
    return Repeat(key=headers.get(KEY_HEADER), is_retry=count.isdecimal() and count.strip("0") != "")
