"""Mistral's own models, at Mistral."""

from litebatch_asgi.dialects.mistral.dialect import MistralDialect as MistralDialect
from litebatch_asgi.dialects.mistral.model import MistralModel as MistralModel
