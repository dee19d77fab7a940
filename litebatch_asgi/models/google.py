"""Google's credentials, as far as a deployment's own description of them goes. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

_SECRETS = ("private_key", "private_key_id", "client_secret", "refresh_token")
"""of a service account's and a user's file"""


def is_text_of_credentials(value: str) -> bool:
    """Whether a value is what a file of credentials holds, and not the file's path."""
    return value.lstrip().startswith("{")


def secrets_of(value: str) -> frozenset[str]:
    """What must not be shown of such a value: all of the text, and the secrets in it. A path is none."""
    if not is_text_of_credentials(value):
        return frozenset()
    try:
        content = msgspec.json.decode(value, type=dict[str, Any])
    except msgspec.DecodeError:
        return frozenset((value,))
    held = (content.get(name) for name in _SECRETS)
    return frozenset(text for text in (value, *held) if isinstance(text, str) and text)
