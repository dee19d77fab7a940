"""The tokens that lead from one page of a list to the next, at Google."""

from __future__ import annotations

import base64
import binascii

import msgspec

from .wire import ApiError


class PageToken(msgspec.Struct, frozen=True):
    """Where a page begins, and which one it is."""

    after: str = ""
    """what the page before ended with"""
    page: int = 1

    @classmethod
    def read(cls, token: str | None) -> PageToken:
        """The place that a token tells. Raises ApiError for one that is none."""
        if not token:
            return cls()
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(token), type=cls)
        except (msgspec.MsgspecError, binascii.Error, ValueError) as exc:
            raise ApiError(400, "Invalid page token.", code="INVALID_ARGUMENT") from exc

    def next(self, last: str) -> str:
        """The token of the page that follows one which ends with `last`."""
        return base64.urlsafe_b64encode(msgspec.json.encode(PageToken(last, self.page + 1))).decode()
