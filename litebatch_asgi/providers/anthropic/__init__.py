"""Anthropic's Message Batches."""

from litebatch_asgi.providers.anthropic.adapter import AnthropicAdapter as AnthropicAdapter
