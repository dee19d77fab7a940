"""Gemini by batches on Vertex AI, with files in Cloud Storage."""

from litebatch_asgi.providers.vertex.adapter import VertexAdapter as VertexAdapter
