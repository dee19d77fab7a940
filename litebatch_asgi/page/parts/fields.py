"""Forms and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import htpy as h
from htpy import Element, Node, VoidElement

from litebatch_asgi.page.parts.texts import visible
from litebatch_asgi.page.visit import TOKEN_FIELD, Visit


def token(visit: Visit) -> VoidElement:
    """What shows that the form is of this session: the first field of each form that is posted."""
    return h.input(type="hidden", name=TOKEN_FIELD, value=visit.token)


def post(
    visit: Visit,
    path: str,
    label: str,
    *,
    fields: Mapping[str, str] | None = None,
    class_: str | None = None,
    confirm: str | None = None,
) -> Element:
    """A button that does something: it posts to a path within the page.

    What cannot be taken back is asked for: with `confirm`, a sentence, the button is behind that.
    """
    form = h.form(method="post", action=visit.url(path), class_="inline")[
        token(visit),
        (h.input(type="hidden", name=name, value=value) for name, value in (fields or {}).items()),
        h.button(type="submit", class_=class_)[label if confirm is None else f"Yes, {label.lower()}"],
    ]
    if confirm is None:
        return form
    return h.details(".confirm")[h.summary(role="button")[f"{label} …"], h.div[h.p[visible(confirm)], form]]


def field(
    label: str,
    name: str,
    value: str | None = None,
    *,
    hint: str | None = None,
    wrong: str | None = None,
    type: str = "text",
    **attributes: str | bool | None,
) -> Element:
    """A field with its label, a hint below it, and what is wrong with what was typed."""
    hint_id = f"hint-{name}" if hint else None
    wrong_id = f"wrong-{name}" if wrong else None
    return h.div(".field")[
        h.label(for_=f"field-{name}")[label],
        h.input(
            id=f"field-{name}",
            name=name,
            type=type,
            value=value or None,
            aria_describedby=" ".join(each for each in (wrong_id, hint_id) if each) or None,
            aria_invalid="true" if wrong else None,
            autofocus=True if wrong else None,
            **attributes,
        ),
        h.small(".wrong", id=wrong_id)[wrong] if wrong else None,
        h.small(id=hint_id)[hint] if hint else None,
    ]


def choice(label: str, name: str, options: Sequence[tuple[str, str]], chosen: str | None = None) -> Element:
    """A choice of one of several values, each with its name."""
    return h.div(".field")[
        h.label(for_=f"field-{name}")[label],
        h.select(id=f"field-{name}", name=name)[
            (h.option(value=value, selected=value == (chosen or ""))[shown] for value, shown in options)
        ],
    ]


def area(
    label: str, name: str, value: str | None = None, *, hint: str | None = None, wrong: str | None = None
) -> Element:
    """A field of several lines."""
    hint_id = f"hint-{name}" if hint else None
    wrong_id = f"wrong-{name}" if wrong else None
    return h.div(".field")[
        h.label(for_=f"field-{name}")[label],
        h.textarea(
            id=f"field-{name}",
            name=name,
            rows="3",
            aria_describedby=" ".join(each for each in (wrong_id, hint_id) if each) or None,
            aria_invalid="true" if wrong else None,
            autofocus=True if wrong else None,
        )[f"\n{value or ''}"],
        h.small(".wrong", id=wrong_id)[wrong] if wrong else None,
        h.small(id=hint_id)[hint] if hint else None,
    ]


def tick(label: str, name: str, *, value: str = "on", is_ticked: bool = False) -> Element:
    """A box to tick: its `value` is sent if it is."""
    return h.label(".tick")[
        h.input(type="checkbox", name=name, value=value, checked=is_ticked), h.span[label]
    ]


def filters(visit: Visit, path: str, *fields: Node) -> Element:
    """A form that narrows a list down; it changes nothing, and its values are in the address."""
    return h.form(".filters", method="get", action=visit.url(path), role="search", data_still=True)[
        fields,
        h.div(".actions")[
            h.button(type="submit")["Show"], h.a(".button.quiet", href=visit.url(path))["Reset"]
        ],
    ]
