"""Searches of batches and files."""
