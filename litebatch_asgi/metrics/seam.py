"""The seam to whoever keeps metrics; seconds are those of the event loop's clock."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from litebatch_asgi.models import BatchStatus, ChargedUsage, Claim
from litebatch_asgi.provider import ProviderAdapter

Unbilled: TypeAlias = Literal["twin", "live"]
"""why requests are in no charge: a second job was ended, or answers of a live deployment were not kept"""


class Metrics(Protocol):
    """Is told what has happened. No method raises, waits, or costs more than some microseconds."""

    async def run(self) -> None:
        """What there is to be done while the lifespan is entered."""
        ...

    def around(self, adapter: ProviderAdapter, deployment_id: str) -> ProviderAdapter:
        """The adapter of a deployment, its calls measured."""
        ...

    def request_answered(self, route: str | None, method: str, status: int) -> None:
        """A request was answered; `route` is the path as it is declared, None: there is none."""
        ...

    def file_uploaded(self, purpose: str, size: int, seconds: float) -> None:
        """A file of so many bytes was checked and accepted, so long after it had been received."""
        ...

    def file_deleted(self) -> None:
        """A caller has deleted a file."""
        ...

    def batch_created(self, model: str) -> None:
        """A batch of a virtual model was created, by no repetition."""
        ...

    def batch_ended(self, model: str, status: BatchStatus, seconds: float) -> None:
        """A batch has reached its final status, so long after its creation."""
        ...

    def settled(self, seconds: float) -> None:
        """A job's results were read, and settled or left for later; it took so long."""
        ...

    def charged(self, model: str, deployment_id: str, usage: ChargedUsage, cost: Decimal | None) -> None:
        """A settled job of a virtual model was charged for this, in US dollars; None: unknown."""
        ...

    def unbilled(self, deployment_id: str, reason: Unbilled, requests: int) -> None:
        """So many requests were most likely paid at a deployment, and will be in no charge."""
        ...

    def cooling_down(self, deployment_id: str, reason: str, seconds: float) -> None:
        """Nothing is placed on a deployment for so long; `reason` is one of a few words."""
        ...

    def cooled_down(self, deployment_id: str) -> None:
        """A deployment that was left alone may be used again."""
        ...

    def lease_lost(self, claim: Claim) -> None:
        """Work under a lease was given up, for somebody else has the row."""
        ...

    def live_request_begun(self, deployment_id: str) -> None:
        """A request is sent to a live deployment; `live_request_ended` follows."""
        ...

    def live_request_ended(self, deployment_id: str, outcome: str, seconds: float) -> None:
        """It has ended after so long; `outcome` is one of a few words."""
        ...

    def live_ranges_held(self, deployment_id: str, count: int) -> None:
        """This process holds so many ranges of requests for a live deployment now."""
        ...


class NoMetrics:
    """Keeps nothing."""

    async def run(self) -> None:
        """There is nothing to be done."""

    def around(self, adapter: ProviderAdapter, deployment_id: str) -> ProviderAdapter:
        """The adapter as it is."""
        return adapter

    def request_answered(self, route: str | None, method: str, status: int) -> None:
        """See `Metrics.request_answered`."""

    def file_uploaded(self, purpose: str, size: int, seconds: float) -> None:
        """See `Metrics.file_uploaded`."""

    def file_deleted(self) -> None:
        """See `Metrics.file_deleted`."""

    def batch_created(self, model: str) -> None:
        """See `Metrics.batch_created`."""

    def batch_ended(self, model: str, status: BatchStatus, seconds: float) -> None:
        """See `Metrics.batch_ended`."""

    def settled(self, seconds: float) -> None:
        """See `Metrics.settled`."""

    def charged(self, model: str, deployment_id: str, usage: ChargedUsage, cost: Decimal | None) -> None:
        """See `Metrics.charged`."""

    def unbilled(self, deployment_id: str, reason: Unbilled, requests: int) -> None:
        """See `Metrics.unbilled`."""

    def cooling_down(self, deployment_id: str, reason: str, seconds: float) -> None:
        """See `Metrics.cooling_down`."""

    def cooled_down(self, deployment_id: str) -> None:
        """See `Metrics.cooled_down`."""

    def lease_lost(self, claim: Claim) -> None:
        """See `Metrics.lease_lost`."""

    def live_request_begun(self, deployment_id: str) -> None:
        """See `Metrics.live_request_begun`."""

    def live_request_ended(self, deployment_id: str, outcome: str, seconds: float) -> None:
        """See `Metrics.live_request_ended`."""

    def live_ranges_held(self, deployment_id: str, count: int) -> None:
        """See `Metrics.live_ranges_held`."""


NO_METRICS: Metrics = NoMetrics()
