"""Groq's dialect: OpenAI's with limits of its own.

Source: the types of the `groq` package. What it says of parameters that it does not have is not recorded;
they are refused, so that nobody relies on them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from .account import Account
from .json_values import JSON
from .lists import Page, Query
from .objects import BatchObject, FileObject
from .openai_api import OpenAIDialect
from .settings import SimulatorSettings
from .wire import DAY, HOUR, ApiError

WINDOW = re.compile(r"(\d{1,3})([hd])")
EVERYTHING = 1 << 30


class GroqDialect(OpenAIDialect):
    """`OpenAILikeDialect` of `/openai/v1`."""

    endpoints: tuple[str, ...] = ("/v1/chat/completions",)
    purposes: tuple[str, ...] = ("batch",)
    most_input_bytes = 100_000_000

    def window_seconds(self, window: str) -> int | None:
        """`24h` to `7d`."""
        found = WINDOW.fullmatch(window)
        seconds = 0 if found is None else int(found[1]) * (HOUR if found[2] == "h" else DAY)
        return seconds if DAY <= seconds <= 7 * DAY else None

    def query(self, params: Mapping[str, str], *, default: int, most: int) -> Query:
        """Lists come whole, and have no parameters."""
        for name in params:
            raise ApiError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter")
        return Query(limit=EVERYTHING)

    def listed(self, page: Page) -> JSON:
        """Nothing but the objects."""
        return {"object": "list", "data": page.shown}

    def check_upload(self, account: Account, seconds: int | None) -> None:
        """No end can be asked for."""
        if seconds is not None:
            raise ApiError(400, "Unknown parameter: 'expires_after'.", code="unknown_parameter")

    def error(self, error: ApiError) -> JSON:
        """As OpenAI's, without what is not known."""
        told: JSON = error.body["error"]
        return {"error": {name: value for name, value in told.items() if value is not None}}

    def headers(self, settings: SimulatorSettings, milliseconds: int) -> dict[str, str]:
        """The headers that Groq sends."""
        return {"x-request-id": f"req_{uuid.uuid4().hex[:26]}", "x-groq-region": "simulated"}

    def file(self, shown: FileObject) -> Any:
        """Without a status and an end."""
        fields: JSON = msgspec.to_builtins(shown)
        return {name: fields[name] for name in ("id", "object", "bytes", "created_at", "filename", "purpose")}

    def batch(self, shown: BatchObject, settings: SimulatorSettings) -> Any:
        """Without model and usage."""
        fields: JSON = msgspec.to_builtins(shown)
        del fields["model"], fields["usage"]
        return fields
