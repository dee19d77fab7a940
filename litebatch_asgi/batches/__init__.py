"""Batches: placed on one deployment, followed there, settled once."""

from litebatch_asgi.batches.service import BatchService as BatchService
from litebatch_asgi.batches.spending import SpendService as SpendService
