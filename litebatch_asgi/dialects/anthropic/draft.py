"""The parameters of a message while they are being written."""

from __future__ import annotations

from litebatch_asgi.dialects.anthropic.model import ClaudeModel
from litebatch_asgi.dialects.conversation import Turn
from litebatch_asgi.dialects.tools import Function
from litebatch_asgi.dialects.values import Object


class Draft:
    """What the rules of the table write to."""

    def __init__(self, model: ClaudeModel) -> None:
        self.model = model
        self.params: Object = {"model": model.name}
        """of `POST /v1/messages`"""
        self.output: Object = {}
        """`output_config`"""
        self.turns: list[Turn] = []
        self.functions: list[Function] = []
        self.choice: tuple[object, str] | None = None
        """`tool_choice` as it is told, and its place"""
        self.is_parallel = True
        """the model may make several calls at once"""
        self.limit_param: str | None = None
        """the parameter that limits the answer's length"""
