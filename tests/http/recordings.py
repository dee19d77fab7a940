"""Requests as real clients send them; see `recorded/README.md`."""

from __future__ import annotations

from pathlib import Path

RECORDED = {path.stem: path.read_bytes() for path in (Path(__file__).parent / "recorded").glob("*.http")}
"""raw uploads by client"""
