"""What every storage has to do, as tests for whoever writes one.

Derive from `StorageConformance`, say where storages come from and what they can, and run pytest::

    class TestMyStorage(StorageConformance):
        capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

        @pytest.fixture
        def new_storage(self, tmp_path: Path) -> NewStorage:
            return lambda: MyStorage(tmp_path / "my.db")

A storage that keeps virtual keys too derives another class, from `KeyStoreConformance`, in the same way; one
whose database can be moved or copied another, from `InstallationConformance`. Whoever writes a content store
derives one from `ContentStoreConformance`.

The tests want a database that is empty at the start of each. This package imports pytest and is therefore
not part of `litebatch_asgi.testing`.
"""

import pytest

_MODULES = (
    "base",
    "batch_changes",
    "batches",
    "budgets",
    "cancellations",
    "claims",
    "content_stores",
    "contents",
    "corrections",
    "figures",
    "file_changes",
    "file_holds",
    "files",
    "heartbeats",
    "installations",
    "jobs",
    "keys",
    "leases",
    "ledger",
    "lifetime",
    "line_results",
    "line_sweeps",
    "lines",
    "lists",
    "outbox",
    "pruning",
    "quotas",
    "races",
    "repeats",
    "reservations",
    "results",
    "search",
    "sessions",
    "shards",
    "tellings",
    "turns",
    "uploads",
    "webhook_queue",
    "webhooks",
)

pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

from litebatch_asgi.testing.conformance.base import Capability as Capability  # noqa: E402
from litebatch_asgi.testing.conformance.base import NewStorage as NewStorage  # noqa: E402
from litebatch_asgi.testing.conformance.batch_changes import BatchChangeTests  # noqa: E402
from litebatch_asgi.testing.conformance.batches import BatchTests  # noqa: E402
from litebatch_asgi.testing.conformance.budgets import BudgetTests  # noqa: E402
from litebatch_asgi.testing.conformance.cancellations import CancellationTests  # noqa: E402
from litebatch_asgi.testing.conformance.claims import ClaimTests  # noqa: E402
from litebatch_asgi.testing.conformance.content_stores import (  # noqa: E402
    ContentStoreConformance as ContentStoreConformance,
)
from litebatch_asgi.testing.conformance.contents import ContentTests  # noqa: E402
from litebatch_asgi.testing.conformance.corrections import CorrectionTests  # noqa: E402
from litebatch_asgi.testing.conformance.figures import FigureTests  # noqa: E402
from litebatch_asgi.testing.conformance.file_changes import FileChangeTests  # noqa: E402
from litebatch_asgi.testing.conformance.file_holds import FileHoldTests  # noqa: E402
from litebatch_asgi.testing.conformance.files import FileTests  # noqa: E402
from litebatch_asgi.testing.conformance.heartbeats import HeartbeatTests  # noqa: E402
from litebatch_asgi.testing.conformance.installations import (  # noqa: E402
    InstallationConformance as InstallationConformance,
)
from litebatch_asgi.testing.conformance.jobs import JobTests  # noqa: E402
from litebatch_asgi.testing.conformance.keys import KeyStoreConformance as KeyStoreConformance  # noqa: E402
from litebatch_asgi.testing.conformance.leases import LeaseTests  # noqa: E402
from litebatch_asgi.testing.conformance.ledger import LedgerTests  # noqa: E402
from litebatch_asgi.testing.conformance.lifetime import LifetimeTests  # noqa: E402
from litebatch_asgi.testing.conformance.line_results import LineResultTests  # noqa: E402
from litebatch_asgi.testing.conformance.line_sweeps import LineSweepTests  # noqa: E402
from litebatch_asgi.testing.conformance.lines import LineTests  # noqa: E402
from litebatch_asgi.testing.conformance.lists import ListTests  # noqa: E402
from litebatch_asgi.testing.conformance.outbox import OutboxTests  # noqa: E402
from litebatch_asgi.testing.conformance.pruning import PruningTests  # noqa: E402
from litebatch_asgi.testing.conformance.quotas import QuotaTests  # noqa: E402
from litebatch_asgi.testing.conformance.races import RaceTests  # noqa: E402
from litebatch_asgi.testing.conformance.repeats import RepeatTests  # noqa: E402
from litebatch_asgi.testing.conformance.reservations import ReservationTests  # noqa: E402
from litebatch_asgi.testing.conformance.results import ResultTests  # noqa: E402
from litebatch_asgi.testing.conformance.search import SearchTests  # noqa: E402
from litebatch_asgi.testing.conformance.sessions import SessionTests  # noqa: E402
from litebatch_asgi.testing.conformance.shards import ShardTests  # noqa: E402
from litebatch_asgi.testing.conformance.tellings import TellingTests  # noqa: E402
from litebatch_asgi.testing.conformance.turns import TurnTests  # noqa: E402
from litebatch_asgi.testing.conformance.uploads import UploadTests  # noqa: E402
from litebatch_asgi.testing.conformance.webhook_queue import WebhookQueueTests  # noqa: E402
from litebatch_asgi.testing.conformance.webhooks import WebhookEndpointTests  # noqa: E402


class StorageConformance(
    LifetimeTests,
    FileTests,
    FileChangeTests,
    BatchTests,
    BudgetTests,
    BatchChangeTests,
    ListTests,
    ClaimTests,
    TurnTests,
    LeaseTests,
    HeartbeatTests,
    FigureTests,
    RepeatTests,
    ReservationTests,
    ShardTests,
    JobTests,
    QuotaTests,
    ResultTests,
    SearchTests,
    SessionTests,
    FileHoldTests,
    LedgerTests,
    CorrectionTests,
    OutboxTests,
    TellingTests,
    PruningTests,
    RaceTests,
    CancellationTests,
    WebhookEndpointTests,
    WebhookQueueTests,
    ContentTests,
    UploadTests,
    LineTests,
    LineResultTests,
    LineSweepTests,
):
    """All the tests. A subclass defines the fixture `new_storage` and says its `capabilities`."""
