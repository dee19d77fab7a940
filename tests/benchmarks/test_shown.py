"""The table and the plot of a run."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from benchmarks import _plot, _record, _table
from benchmarks._record import Record
from benchmarks._report import Figure
from tests.benchmarks.records import ALONE, BESIDE, HELD, MISSED, outcome, record

WORDS = st.lists(st.text("abcdefgh,.:;()/%", min_size=1, max_size=70), min_size=1, max_size=12).map(" ".join)
SVG = "{http://www.w3.org/2000/svg}"


def table(whole: Record) -> str:
    file = io.StringIO()
    _table.show(whole, Console(file=file, width=_table.WIDTH, highlight=False))
    return file.getvalue()


def test_the_table_tells_what_was_compared_and_what_failed() -> None:
    whole = record(
        outcome(ALONE, HELD, MISSED),
        outcome(BESIDE, name="versus", exit_code=3),
        outcome(ALONE, name="storage"),
        outcome(name="spend", exit_code=1),
    )
    told = table(whole)
    rows = [line.split() for line in told.splitlines()]
    assert ["29.00", "MB", "at", "most", "64", "held"] in [row[-6:] for row in rows]
    assert ["40.00", "ms", "at", "most", "10", "MISSED"] in [row[-6:] for row in rows]
    assert "152.00 (140.00 to 160.00)" in told
    assert "versus, 61 s: FAILED, exit code 3" in told
    assert "storage, 61 s: 1 figures without a bar" in told
    assert "spend, 61 s: FAILED, exit code 1" in told
    assert "1 of 2 bars held." in told
    assert "commit 0123456789ab; python 3.11.7" in told
    assert "2 cores, 8.0 GiB, load 0.5 at the start" in told
    assert ALONE.told not in told


@given(what=WORDS, told=WORDS, unit=WORDS)
def test_the_table_stays_within_80_columns_and_leaves_nothing_out(what: str, told: str, unit: str) -> None:
    shown = table(record(outcome(replace(HELD, what=what, told=told, unit=unit))))
    assert max(map(len, shown.splitlines())) <= 80
    letters = "".join(shown.split())
    assert all(letters.count(letter) >= (what + told).count(letter) for letter in "abcdefgh")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    whole = record(outcome(HELD, ALONE), outcome(BESIDE, name="versus", exit_code=3), is_quick=True)
    _record.write(whole, tmp_path / "figures.json")
    assert _record.read(tmp_path / "figures.json") == whole
    assert whole.figures == [HELD, ALONE, BESIDE]


def bars(figures: list[Figure], path: Path) -> dict[str, tuple[float, float]]:
    """Where each bar of a plot begins and ends, by its colour."""
    assert _plot.draw(figures, path, "a run")
    found = ElementTree.parse(path).getroot().iter(f"{SVG}g")
    drawn = [rect for group in found if group.get("class") == "series bars" for rect in group]
    return {
        rect.get("fill", ""): (float(rect.get("x", 0)), float(rect.get("x", 0)) + float(rect.get("width", 0)))
        for rect in drawn
    }


def test_a_plot_has_what_holds_to_the_right_of_1_and_what_misses_to_the_left(tmp_path: Path) -> None:
    drawn = bars([HELD, MISSED, BESIDE, ALONE], tmp_path / "figures.svg")
    held, missed, beside = (drawn[colour] for colour in _plot.COLOURS.values())
    assert held[0] == missed[1] == beside[0]
    assert held[1] > held[0]
    assert missed[0] < missed[1]
    octave = (missed[1] - missed[0]) / 2  # a quarter of what its bar asks for
    assert held[1] - held[0] == pytest.approx(octave * 1.142, rel=0.01)  # 64 / 29
    assert beside[1] - beside[0] == pytest.approx(octave * 7.248, rel=0.01)
    text = "".join(ElementTree.parse(tmp_path / "figures.svg").getroot().itertext())
    assert "memory: upload of 1 GB: memory over idle: 29 MB, at most 64" in text
    assert ALONE.what not in text


@pytest.mark.parametrize("figure", [0.0, -3.0, 1e-12])
def test_a_figure_that_is_nothing_can_be_drawn(tmp_path: Path, figure: float) -> None:
    ((begin, end),) = bars([replace(HELD, figure=figure)], tmp_path / "figures.svg").values()
    assert 0 < begin < end


def test_where_nothing_was_compared_there_is_no_plot(tmp_path: Path) -> None:
    assert not _plot.draw([ALONE], tmp_path / "figures.svg", "a run")
    assert not (tmp_path / "figures.svg").exists()
