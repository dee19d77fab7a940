"""`litebatch batches run`: from a file of requests to the file of answers, however often it is begun."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec
from click.exceptions import Exit

from litebatch_asgi.cli.asking import ask
from litebatch_asgi.cli.checking import Gateway, check
from litebatch_asgi.cli.client.answers import dollars
from litebatch_asgi.cli.client.api import API
from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.earlier import RUN, Earlier, digest_of_run, find
from litebatch_asgi.cli.client.errors import Refused
from litebatch_asgi.cli.client.fetching import Fetched, fetch, print_summary, summary_in_words
from litebatch_asgi.cli.client.objects import Batch, File
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.client.uploading import Form, Source
from litebatch_asgi.cli.client.watching import watch
from litebatch_asgi.cli.client.words import age_in_words, dry_run_in_words, estimate_in_words, obstacles
from litebatch_asgi.cli.estimates import Priced, priced
from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.figures import counted, dollars_shown, size_of
from litebatch_asgi.cli.output import Output
from litebatch_asgi.cli.problems import how_many, print_problems
from litebatch_asgi.costs import Estimate
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.jsonl import CheckedFile
from litebatch_asgi.models import Settings

INCOMPLETE = 3
"""the exit code where a batch ended without all results"""
_GONE = 404
_DONE_NOTHING = frozenset({400, 401, 402, 403, 404, 413})
"""statuses of a create that has made nothing; a conflict may be with another one that makes it"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run, and how."""

    file: Path
    out: Path | None
    """None: stdout"""
    model: str | None
    endpoint: str | None
    window: str
    metadata: dict[str, str]
    max_cost: Decimal | None
    yes: bool
    every_seconds: float | None
    output: Output | None
    command: Sequence[str]
    """what goes on with it, without the key"""


class _Input(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was checked."""

    source: Source
    lines: CheckedFile
    model: str
    """what its batch is for"""
    price: Priced


class Run:
    """One run of the command."""

    def __init__(self, connection: Connection, screen: Screen, asked: Asked) -> None:
        self._connection = connection
        self._api = API(connection)
        self._screen = screen
        self._asked = asked
        self._so_far = "nothing was sent"
        """what is told where it ends early"""
        self._command = tuple(asked.command)
        """what goes on then"""

    def go(self) -> int:
        """Do all that is still to be done; the exit code. Raises `CommandFailed` and `ConfigError`."""
        with self._telling_how_to_go_on():
            given = self._check()
            run = self._digest(given)
            earlier = find(self._api, run)
            batch = self._go_on(earlier)
            if batch is None:
                batch = self._make(given, run, earlier)
            self._so_far = f"{batch.id} goes on without this command"
            (batch,) = watch(self._api, [batch.id], self._screen, self._asked.every_seconds)
            self._so_far = f"{batch.id} has {batch.status}: its results can be read at any time"
            fetched = self._fetch(batch)
        if self._asked.out is not None:
            print_summary(batch, fetched, self._asked.output)
        self._tell_end(batch, fetched)
        return 0 if batch.is_whole and not fetched.missing else INCOMPLETE

    @contextmanager
    def _telling_how_to_go_on(self) -> Generator[None]:
        try:
            yield
        except (KeyboardInterrupt, click.Abort):
            self._screen.tell(f"\ninterrupted: {self._so_far}")
            self._screen.tell("to go on:")
            self._screen.tell_whole(f"  {shlex.join(self._command)}")
            raise Exit(1) from None
        except CommandFailed as error:
            raise CommandFailed(
                f"{error}\n{self._so_far}; to go on:\n  {shlex.join(self._command)}"
            ) from error

    def _check(self) -> _Input:
        """Check the file as an upload does. Exit code 1 with all its problems."""
        path, digest, gateway = self._asked.file, hashlib.sha256(), Gateway.of(None)
        size = 0
        with self._screen.moving("checking", _size(path)) as seen:

            def take(block: bytes) -> None:
                nonlocal size
                size += len(block)
                digest.update(block)
                seen(size)

            found = check(path, gateway, None, seen=take)
        if not isinstance(found, CheckedFile):
            print_problems(path, found, self._asked.output)
            self._screen.tell(f"{path} has {how_many(found)}: nothing was sent")
            raise Exit(1)
        if not path.is_file():
            raise ConfigError(f"{path} is no file, and can be read only once: write it into one")
        self._check_endpoint(found)
        model = self._asked.model or found.model
        rewritten = found if model != found.model else None
        (price,) = priced(path, found, Estimate.of(found, found.url, Settings()), gateway, model)
        source = Source(
            path=path,
            size=size,
            sha256=digest.hexdigest(),
            lines=rewritten,
            model=model if rewritten else None,
        )
        self._tell_input(found, source, price)
        return _Input(source=source, lines=found, model=model, price=price)

    def _check_endpoint(self, found: CheckedFile) -> None:
        if self._asked.endpoint not in (None, found.url):
            raise ConfigError(
                f"--endpoint is {self._asked.endpoint}, and the lines of the file say {found.url}"
            )

    def _tell_input(self, found: CheckedFile, source: Source, price: Priced) -> None:
        asked, tell = self._asked, self._screen.tell
        tell(f"{asked.file}: {counted(found.lines, 'request')} to {found.url}, {size_of(source.size)}")
        if source.model is not None:
            tell(f"its lines name {found.model}: they are sent with {source.model}, the file stays as it is")
        tell(f"estimate: {_estimate(price)}")
        if asked.max_cost is not None and price.estimated_cost is not None:
            self._check_cost(price.estimated_cost, f"--max-cost is {asked.max_cost}")

    def _check_cost(self, cost: str, limit: str) -> None:
        if self._asked.max_cost is not None and Decimal(cost) > self._asked.max_cost:
            raise CommandFailed(f"the batch is estimated to cost {dollars_shown(cost)}, and {limit}")

    def _digest(self, given: _Input) -> str:
        assert given.source.sha256 is not None
        return digest_of_run(
            sha256=given.source.sha256,
            model=given.model,
            endpoint=given.lines.url,
            window=self._asked.window,
            metadata=self._asked.metadata,
        )

    def _go_on(self, earlier: Earlier) -> Batch | None:
        if earlier.batch is not None:
            when = age_in_words(earlier.batch)
            self._screen.tell(f"going on with {earlier.batch.id} of the same file, {when}")
        elif earlier.given_up is not None:
            status = earlier.given_up.status
            self._screen.tell(f"{earlier.given_up.id} of the same file is {status}: a new batch is made")
        return earlier.batch

    def _make(self, given: _Input, run: str, earlier: Earlier) -> Batch:
        """Upload the file and create the batch, once that is agreed to."""
        server = self._connection.server.base_url
        self._agree(f"Run {counted(given.lines.lines, 'request')} for {given.model} at {server}?")
        self._so_far = "the file was not sent whole, and no batch was created"
        file = self._upload(given, earlier.key(run, "file"))
        self._so_far = f"{file.id} was uploaded, and no batch was created"
        body: dict[str, Any] = {
            "input_file_id": file.id,
            "endpoint": given.lines.url,
            "completion_window": self._asked.window,
            "metadata": {**self._asked.metadata, RUN: run},
        }
        body |= self._quoted(file, body, given.price)
        tries, before = 1, self._so_far
        self._so_far = f"{file.id} was uploaded; it is not known whether a batch was created"

        def done() -> dict[str, Any] | None:
            nonlocal tries
            tries += 1
            found = find(self._api, run).batch
            return None if found is None else found.told

        try:
            batch = self._api.create(body, earlier.key(run, "batch"), done)
        except Refused as error:
            if tries == 1 and error.status in _DONE_NOTHING:
                self._so_far = before
            raise
        self._screen.tell(f"created {batch.id}")
        return batch

    def _fetch(self, batch: Batch) -> Fetched:
        try:
            return fetch(self._connection, batch, self._asked.out, self._screen)
        except Refused as error:
            if error.status == _GONE:
                self._so_far = f"{batch.id} has {batch.status}, and its results are deleted or have expired"
                self._command += ("--metadata", f"after={batch.id}")
            raise

    def _agree(self, question: str) -> None:
        if not ask(question, yes=self._asked.yes, otherwise="nothing was sent"):
            self._screen.tell("nothing was created")
            raise Exit(1)

    def _upload(self, given: _Input, key: str) -> File:
        fields = [("purpose", "batch")]
        if given.model in self._api.virtual_models():
            fields.append(("target_model_names", given.model))
        size = given.source.sent_size
        try:
            with self._screen.moving("uploading", size, "the server looks at it") as seen:
                file = self._api.upload(Form(given.source, fields, seen), key)
        except Refused as error:
            if error.problems:
                print_problems(self._asked.file, error.problems, self._asked.output)
            raise
        self._screen.tell(f"uploaded {size_of(size)} as {file.id}")
        return file

    def _quoted(self, file: File, body: dict[str, Any], price: Priced) -> dict[str, Any]:
        """What a create says of costs, once what the gateway says of them is agreed to."""
        most = self._asked.max_cost
        told = self._api.dry_run(body) if file.is_litebatch_s else None
        if told is None:
            if most is not None and price.estimated_cost is None:
                raise CommandFailed(f"--max-cost is {most}, and nobody knows what {price.priced_as} costs")
            return {}
        for line in dry_run_in_words(told, _estimate(price)):
            self._screen.tell(line)
        if against := obstacles(told, most):
            raise CommandFailed("; ".join(against))
        cost = dollars(told.get("estimated_cost"))
        if cost is not None:
            self._check_cost(cost, f"--max-cost is {most}")
            if price.estimated_cost is None or Decimal(cost) > Decimal(price.estimated_cost):
                self._agree(f"The gateway's estimate is {dollars_shown(cost)}. Create the batch?")
        return {} if most is None else {"litebatch": {"max_cost": f"{most:f}"}}

    def _tell_end(self, batch: Batch, fetched: Fetched) -> None:
        for line in batch.errors[:10]:
            self._screen.tell(f"error: {line}")
        if self._asked.out is None:
            self._screen.tell(summary_in_words(batch))
        if not batch.is_whole and batch.completed:
            self._screen.tell(f"{counted(batch.total - batch.completed, 'request')} without success")
        if fetched.missing:
            self._screen.tell(f"{counted(fetched.missing, 'row')} missing: the same command reads them again")


def _estimate(price: Priced) -> str:
    return estimate_in_words(msgspec.to_builtins(price))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
