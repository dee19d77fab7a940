"""How fast the body of an upload has to arrive. Pure: the time is an argument, in seconds of any clock."""

from __future__ import annotations

from litebatch_asgi.errors import RequestTimeout
from litebatch_asgi.models import Settings


class UploadPace:
    """Whether one body comes fast enough: told by how much has come, not by when it last did.

    It begins with `upload_grace_seconds` of credit. Waiting for the client spends it, each byte that arrives
    earns `1 / min_upload_bytes_per_second` seconds, and there is never more credit than at the beginning.
    The whole body has to come within `max_upload_seconds`.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        self._rate = settings.min_upload_bytes_per_second
        self._grace = self._credit = settings.upload_grace_seconds
        self._most = settings.max_upload_seconds
        self._ends = now + self._most

    def left(self, now: float) -> float:
        """How long the next piece may be waited for."""
        return max(0.0, min(self._credit, self._ends - now))

    def received(self, size: int, *, waited: float) -> None:
        """Take note of a piece of `size` bytes that was waited for so long."""
        self._credit = min(self._grace, self._credit - waited + size / self._rate)

    def refusal(self, now: float) -> RequestTimeout:
        """What is said of a body that was waited for as long as it may be."""
        if now >= self._ends:
            return RequestTimeout(f"The upload did not arrive within {self._most:g} seconds. Try it again.")
        return RequestTimeout(
            f"The upload came too slowly: less than {self._rate:.0f} bytes a second for {self._grace:g} "
            "seconds. Try it again."
        )
