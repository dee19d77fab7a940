"""A part of the page: its place in the navigation, and its routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec
from starlette.types import ASGIApp

from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit

Handler: TypeAlias = Callable[[Visit], Awaitable[Shown | Moved | ASGIApp]]
"""Answers a visit. What it raises as a `RequestError` is shown as a page with that status."""


class PageRoute(msgspec.Struct, frozen=True, kw_only=True):
    """The handlers of one path. `POST` comes with a checked token: see `Visit.form`."""

    path: str
    """within the page, as Starlette writes paths: `/batches/{id}`"""
    get: Handler | None = None
    post: Handler | None = None
    takes_files: bool = False
    """whether `post` reads the body, and checks the token in it, by itself: see `Visit.check_token`"""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What one entry of the navigation leads to."""

    title: str
    path: str
    """where the entry leads"""
    routes: Sequence[PageRoute]
    for_admins: bool = False
    """whether it is there for admins alone: to others its paths are unknown"""
