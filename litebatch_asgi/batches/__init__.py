"""Batches: placed on one deployment, followed there, settled once."""

from litebatch_asgi.batches.attempts import JobView as JobView
from litebatch_asgi.batches.finding import SearchResult as SearchResult
from litebatch_asgi.batches.finding import SearchService as SearchService
from litebatch_asgi.batches.retry_rows import undone_lines as undone_lines
from litebatch_asgi.batches.service import BatchService as BatchService
from litebatch_asgi.batches.spending import SpendService as SpendService
