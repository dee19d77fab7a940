"""OpenAI's Files and Batches API over many provider deployments."""
