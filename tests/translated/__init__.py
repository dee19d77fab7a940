"""Deployments that do not speak OpenAI, beside others that do."""
