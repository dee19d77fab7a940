"""Groq, which speaks OpenAI's Files and Batches API with smaller limits."""

from litebatch_asgi.providers.groq.adapter import GroqAdapter as GroqAdapter
