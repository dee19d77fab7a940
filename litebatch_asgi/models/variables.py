"""The variables of the environment that a provider's credentials are usually in.

Source: LiteLLM's documents of these providers, and its `/batches` and `/files` pages.
"""

from __future__ import annotations

from collections.abc import Mapping

USUAL_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "azure": ("AZURE_API_KEY", "AZURE_API_BASE"),
    "vertex_ai": ("VERTEXAI_PROJECT", "VERTEXAI_LOCATION", "GCS_BUCKET_NAME"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
}
"""what each needs; none of the values is shown to anyone"""
