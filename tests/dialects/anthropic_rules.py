"""What an encoded line for Anthropic must be: what the provider takes, and how the dialect writes it."""

from __future__ import annotations

import json
import re
from typing import Any

from litebatch_asgi.simulator.anthropic_rules import why_refused

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_line(line: bytes) -> dict[str, Any]:
    """The line as decoded, which the provider takes."""
    assert b"\n" not in line
    told: dict[str, Any] = json.loads(line)
    assert told.keys() == {"custom_id", "params"}
    assert CUSTOM_ID.fullmatch(told["custom_id"])
    params: dict[str, Any] = told["params"]
    assert why_refused(params) is None
    roles = [message["role"] for message in params["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    assert "system" not in params or params["system"]
    return told
