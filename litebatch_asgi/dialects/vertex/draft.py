"""A GenerateContentRequest while it is being written."""

from __future__ import annotations

from litebatch_asgi.dialects.conversation import Turn
from litebatch_asgi.dialects.tools import Function
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.dialects.vertex.model import GeminiModel


class Draft:
    """What the rules of the table write to."""

    def __init__(self, model: GeminiModel) -> None:
        self.model = model
        self.config: Object = {}
        """`generationConfig`"""
        self.turns: list[Turn] = []
        self.functions: list[Function] = []
        self.choice: tuple[object, str] | None = None
        """`tool_choice` as it is told, and its place"""
        self.limit_param: str | None = None
        """the parameter that limits the answer's length"""
