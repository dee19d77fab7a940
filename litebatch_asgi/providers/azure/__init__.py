"""Azure OpenAI, by its classic paths and by its v1 paths."""

from litebatch_asgi.providers.azure.adapter import AzureAdapter as AzureAdapter
