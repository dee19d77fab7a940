"""What is shown once."""

from __future__ import annotations

import htpy as h
from htpy import Element


def shown_once(label: str, secret: str, hint: str) -> Element:
    """A secret to copy, on the answer to the form that has made it: it is nowhere else, nor ever again.

    The button is there where the script is.
    """
    return h.div(".secret", role="group", aria_label=label)[
        h.label(for_="secret")[label],
        h.div[
            h.input(
                "#secret.mono",
                type="text",
                value=secret,
                readonly=True,
                autocomplete="off",
                spellcheck="false",
                aria_describedby="secret-hint",
            ),
            h.button(type="button", hidden=True, data_copy="secret")["Copy"],
        ],
        h.small("#secret-hint")[hint],
    ]
