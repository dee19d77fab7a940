"""What is told on stderr while work goes on: live on a terminal, in a few words elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from litebatch_asgi.cli.client.objects import Batch
from litebatch_asgi.cli.client.pace import Pace, pace_shown
from litebatch_asgi.cli.figures import size_of, span_of
from litebatch_asgi.cli.telling import visible

_A_SECOND = 5
"""so often a live screen is drawn"""
_WORDS_EVERY_SECONDS = 60.0
"""how often progress is told in words, where nothing else is news"""
_NARROWEST_BAR = 8


class Screen:
    """Words and bars on stderr."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    @property
    def is_live(self) -> bool:
        """Whether bars can move."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def tell(self, words: str) -> None:
        """Print words, above what moves."""
        text = Text(visible(words))
        self._console.print(text, soft_wrap=not self._console.is_terminal, markup=False, highlight=False)

    def tell_whole(self, line: str) -> None:
        """Print a line to be copied: the terminal alone breaks it."""
        self._console.print(Text(visible(line)), soft_wrap=True, markup=False, highlight=False)

    @contextmanager
    def moving(
        self, what: str, total: int | None, then: str | None = None
    ) -> Generator[Callable[[int], None]]:
        """Show how bytes go by, until the block ends; what is yielded is told how many have.

        `then` is what is waited for after the last one.
        """
        bytes_ = _Bytes(what, total, then)
        with self._live(bytes_.shown):
            yield bytes_.see

    @contextmanager
    def watching(self) -> Generator[Callable[[Sequence[Batch]], None]]:
        """Show how batches go on, until the block ends; what is yielded is given them each time."""
        shown = _Batches()
        if self.is_live:
            with self._live(shown.shown):
                yield shown.see
        else:
            words = _Words(self.tell)
            yield words.see

    @contextmanager
    def _live(self, shown: Callable[[], RenderableType]) -> Generator[None]:
        if not self.is_live:
            yield
            return
        with Live(
            console=self._console,
            get_renderable=shown,
            refresh_per_second=_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield


class _Bytes:
    """Bytes that go by."""

    def __init__(self, what: str, total: int | None, then: str | None) -> None:
        self._what = what
        self._then = then
        self._total = total
        self._seen = 0
        self._began = time.monotonic()

    def see(self, count: int) -> None:
        self._seen = count

    def shown(self) -> RenderableType:
        rate = self._seen / max(time.monotonic() - self._began, 0.001)
        seen, total = self._seen, self._total
        facts = [f"{size_of(seen)} of {size_of(total)}" if total else size_of(seen), f"{size_of(rate)}/s"]
        if total and seen >= total:
            facts = [size_of(total), *([self._then] if self._then else [])]
        elif total and rate:
            facts.append(f"{span_of((total - seen) / rate)} left")
        return Group(_bar(self._what, seen, total), Text(", ".join(facts)))


class _Batches:
    """Batches, each with a bar."""

    def __init__(self) -> None:
        self._every: Sequence[Batch] = ()
        self._paces: dict[str, Pace] = {}
        self._began = time.monotonic()

    def see(self, every: Sequence[Batch]) -> None:
        for batch in every:
            self._paces.setdefault(batch.id, Pace()).see(batch.done, time.monotonic())
        self._every = tuple(every)

    def shown(self) -> RenderableType:
        return Group(*(part for batch in self._every for part in self._parts(batch)))

    def _parts(self, batch: Batch) -> Iterable[RenderableType]:
        if len(self._every) > 1:
            yield Text(visible(batch.id))
        yield _bar(visible(batch.status), batch.done, batch.total or None)
        facts = facts_of(batch, self._paces[batch.id])
        yield Text(", ".join([*facts, f"watched for {span_of(time.monotonic() - self._began)}"]))
        if batch.waiting_for is not None and not batch.has_ended:
            yield Text(f"waiting: {visible(batch.waiting_for)}")


class _Words:
    """The same in words, when there is news."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._paces: dict[str, Pace] = {}
        self._told: dict[str, tuple[object, ...]] = {}
        self._told_at: dict[str, float] = {}

    def see(self, every: Sequence[Batch]) -> None:
        now = time.monotonic()
        for batch in every:
            pace = self._paces.setdefault(batch.id, Pace())
            pace.see(batch.done, now)
            news = (batch.status, batch.waiting_for)
            is_old = now - self._told_at.get(batch.id, now) >= _WORDS_EVERY_SECONDS
            if self._told.get(batch.id) == news and not is_old:
                continue
            self._told[batch.id], self._told_at[batch.id] = news, now
            waiting = f"; waiting: {batch.waiting_for}" if batch.waiting_for and not batch.has_ended else ""
            self._tell(f"{batch.id} {batch.status}: {', '.join(facts_of(batch, pace))}{waiting}")


def facts_of(batch: Batch, pace: Pace) -> list[str]:
    """How far a batch is, in a few words each."""
    facts = [f"{batch.completed:,} of {batch.total:,} done" if batch.total else "not counted yet"]
    if batch.failed:
        facts.append(f"{batch.failed:,} failed")
    per_second, left = pace.per_second, batch.total - batch.done
    if per_second is not None and left > 0 and not batch.has_ended:
        facts.append(pace_shown(per_second))
        facts.append(f"about {span_of(max(left / per_second, 1))} left")
    return facts


def _bar(what: str, done: int, total: int | None) -> RenderableType:
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1, min_width=_NARROWEST_BAR)
    line.add_column(no_wrap=True, justify="right", min_width=4)
    share = min(done / total, 1.0) if total else 0.0
    line.add_row(Text(what), ProgressBar(total=1.0, completed=share), Text(f"{share:.0%}" if total else ""))
    return line
