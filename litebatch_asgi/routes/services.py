"""What the routes need of a LiteBatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from litebatch_asgi.batches import BatchService, InspectionService, SearchService, SpendService
from litebatch_asgi.files import FileService, UploadService
from litebatch_asgi.metrics import Metrics
from litebatch_asgi.models import Principal, Settings
from litebatch_asgi.operators import Operators
from litebatch_asgi.routes.slots import UploadSlots
from litebatch_asgi.sessions import SessionStore
from litebatch_asgi.spool import Spooler
from litebatch_asgi.webhooks.service import WebhookService


class Services(Protocol):
    """A LiteBatch as the routes see it. What has to do with its database is there while its lifespan is."""

    @property
    def settings(self) -> Settings:
        """How it behaves."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Is told of answers."""
        ...

    @property
    def is_entered(self) -> bool:
        """Whether its lifespan has been entered and not left."""
        ...

    @property
    def files(self) -> FileService:
        """Everything about files."""
        ...

    @property
    def uploads(self) -> UploadService:
        """Everything about files that are sent in parts."""
        ...

    @property
    def batches(self) -> BatchService:
        """Everything about batches."""
        ...

    @property
    def search(self) -> SearchService:
        """Searches for batches and files."""
        ...

    @property
    def sessions(self) -> SessionStore:
        """Which sessions of the page were ended before their time."""
        ...

    @property
    def inspection(self) -> InspectionService:
        """How single requests of batches went."""
        ...

    @property
    def spending(self) -> SpendService:
        """What was spent."""
        ...

    @property
    def operators(self) -> Operators:
        """Jobs and deployments, for admins alone."""
        ...

    @property
    def webhooks(self) -> WebhookService:
        """Everything about the endpoints of webhooks."""
        ...

    @property
    def upload_slots(self) -> UploadSlots:
        """Which uploads may be received at once, whatever way they come."""
        ...

    @property
    def spooler(self) -> Spooler:
        """Where uploads are kept."""
        ...

    def models(self, principal: Principal) -> Sequence[str]:
        """The virtual models this caller may use."""
        ...

    def serves(self, principal: Principal, model: str) -> bool:
        """Whether this caller may use this virtual model, and a deployment serves it."""
        ...

    def model_groups(self, principal: Principal) -> Sequence[Mapping[str, Any]]:
        """The same, each with its providers, its mode and the like."""
        ...
