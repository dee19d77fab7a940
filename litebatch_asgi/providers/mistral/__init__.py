"""Mistral."""

from litebatch_asgi.providers.mistral.adapter import MistralAdapter as MistralAdapter
