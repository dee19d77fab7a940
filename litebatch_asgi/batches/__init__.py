"""Batches: placed on one deployment, followed there, settled once."""

from litebatch_asgi.batches.attempts import JobView as JobView
from litebatch_asgi.batches.bounded import ReadEnd as ReadEnd
from litebatch_asgi.batches.bounded import Reading as Reading
from litebatch_asgi.batches.finding import SearchResult as SearchResult
from litebatch_asgi.batches.finding import SearchService as SearchService
from litebatch_asgi.batches.inspecting import Failure as Failure
from litebatch_asgi.batches.inspecting import Failures as Failures
from litebatch_asgi.batches.inspecting import FirstRequest as FirstRequest
from litebatch_asgi.batches.inspecting import FirstRequests as FirstRequests
from litebatch_asgi.batches.inspecting import FoundLine as FoundLine
from litebatch_asgi.batches.inspecting import InspectionService as InspectionService
from litebatch_asgi.batches.inspecting import RequestView as RequestView
from litebatch_asgi.batches.retry_rows import undone_lines as undone_lines
from litebatch_asgi.batches.service import BatchService as BatchService
from litebatch_asgi.batches.spending import SpendService as SpendService
