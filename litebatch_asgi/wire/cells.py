"""Cells of tables for spreadsheets."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""what a spreadsheet may take for the beginning of a formula. Source: OWASP, "CSV Injection"."""


def cell(text: str) -> str:
    """A text that is no formula to a spreadsheet: behind `'` where it could be one."""
    return f"'{text}" if text.startswith(_FORMULA) else text
