"""How an inference server goes down, and for how long."""

from __future__ import annotations

from typing import Literal

import msgspec

from .latency import Seconds


class Downtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server that goes down as a process that is killed: its connections are cut, and it is not there.

    `refused` and `cut_at_accept` are about everything at its address: all accounts, and connections that have
    not been used yet. Those that have been used for steering alone stay, and are the way to it meanwhile.
    """

    seconds: Seconds | None = None
    """until it is up again; None: until it is told to be"""
    how: Literal["refused", "cut_at_accept", "cut_at_request"] = "refused"
    """what becomes of new connections: they are refused, or cut as they are accepted; or they are cut at the
    first request to this one account"""
