"""Claude at Anthropic."""

from litebatch_asgi.dialects.anthropic.dialect import AnthropicDialect as AnthropicDialect
from litebatch_asgi.dialects.anthropic.model import ClaudeModel as ClaudeModel
