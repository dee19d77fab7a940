"""What all errors have in common, and those that nobody but LiteBatch itself is told."""

from __future__ import annotations


class LiteBatchError(Exception):
    """Base of everything LiteBatch raises on purpose."""


class ConfigError(LiteBatchError):
    """A configuration that cannot be used; the message names the place and what to write there."""


class Undeliverable(LiteBatchError):
    """A sink can never take an event, whenever it is given it again; the message says why."""


class StateConflict(LiteBatchError):
    """A row was not in the state, or the epoch, that its writer took for granted. Nothing was written."""


class RequestUnderWay(LiteBatchError):
    """An equal request came before and its outcome is not known yet. Nothing was written."""
