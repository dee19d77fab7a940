"""OpenAI, and whatever speaks its Files and Batches API."""

from litebatch_asgi.providers.openai.adapter import OpenAIAdapter as OpenAIAdapter
