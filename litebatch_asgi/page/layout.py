"""What stands around every page: head, navigation, notice."""

from __future__ import annotations

from collections.abc import Iterable

import htpy as h
from htpy import Element, Node

from litebatch_asgi.page.addresses import path_in
from litebatch_asgi.page.parts import post, told, visible
from litebatch_asgi.page.section import Section
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.static import ICON, SCRIPT, STYLE
from litebatch_asgi.page.visit import Visit


def document(shown: Shown, visit: Visit, sections: Iterable[Section], notice: str | None) -> Element:
    """A whole page, for somebody who has signed in."""
    path = path_in(visit.request.scope)
    entries = [_entry(visit, section, path) for section in sections]
    who = visit.principal.owner + (" (admin)" if visit.principal.is_admin else "")
    header = h.header(".bar")[
        h.a(".skip", href="#content")["Skip to the content"],
        h.a(".brand", href=visit.url("/"))["LiteBatch"],
        h.nav(aria_label="Sections")[h.ul[entries]],
        h.div(".who")[
            h.span(title="Who has signed in")[told(who)],
            post(visit, "/sign-out", "Sign out", class_="quiet") if visit.has_session else None,
        ],
    ]
    said = h.p(".notice", role="status")[visible(notice)] if notice else None
    main = h.main("#content", tabindex="-1", data_live=shown.is_live)
    return bare(shown.title, visit.root, [header, said, main[shown.content]])


def bare(title: str, root: str, body: Node) -> Element:
    """A whole page, without navigation."""
    return h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="color-scheme", content="light dark"),
            h.title[visible(f"{title} - LiteBatch")],
            h.link(rel="icon", href=f"{root}/static/{ICON.name}"),
            h.link(rel="stylesheet", href=f"{root}/static/{STYLE.name}"),
            h.script(src=f"{root}/static/{SCRIPT.name}", defer=True),
        ],
        h.body[body],
    ]


def _entry(visit: Visit, section: Section, path: str) -> Element:
    is_here = path == section.path or path.startswith(f"{section.path}/")
    link = h.a(href=visit.url(section.path), aria_current="page" if is_here else None)
    return h.li[link[section.title]]
