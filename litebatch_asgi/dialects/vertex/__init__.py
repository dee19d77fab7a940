"""Gemini on Vertex AI."""

from litebatch_asgi.dialects.vertex.dialect import VertexDialect as VertexDialect
from litebatch_asgi.dialects.vertex.model import GeminiModel as GeminiModel
