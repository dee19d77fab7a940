"""The body of a request while it is being written."""

from __future__ import annotations

from litebatch_asgi.dialects.conversation import Turn
from litebatch_asgi.dialects.mistral.model import MistralModel
from litebatch_asgi.dialects.tools import Function
from litebatch_asgi.dialects.values import Object


class Draft:
    """What the rules of the tables write to."""

    def __init__(self, model: MistralModel) -> None:
        self.model = model
        self.body: Object = {}
        """ChatCompletionRequest or EmbeddingRequest, less the model: the job names that"""
        self.turns: list[Turn] = []
        self.functions: list[Function] = []
        self.choice: tuple[object, str] | None = None
        """`tool_choice` as it is told, and its place"""
        self.limit_param: str | None = None
        """the parameter that limits the answer's length"""
