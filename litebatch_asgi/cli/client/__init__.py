"""A client of any server that speaks OpenAI's Files and Batches API; see `README.md` in the folder above."""
