"""What `litebatch files validate` does: the check of an upload and the costs of a batch, without a server."""

from __future__ import annotations

from pathlib import Path

from click.exceptions import Exit

from litebatch_asgi.cli.checking import Gateway, check
from litebatch_asgi.cli.estimates import COLUMNS, priced, row_of, tell_estimates
from litebatch_asgi.cli.output import Output, print_rows
from litebatch_asgi.cli.problems import how_many, print_problems
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.costs import Estimate
from litebatch_asgi.jsonl import CheckedFile


def validate(path: Path, model: str | None, config: Path | None, output: Output | None) -> None:
    """Check a file and print what it costs, or what is wrong with it; then the exit code is 1."""
    gateway = Gateway.of(config)
    found = check(path, gateway, model)
    if not isinstance(found, CheckedFile):
        print_problems(path, found, output)
        tell(f"{path} has {how_many(found)}: an upload would be refused")
        raise Exit(1)
    estimated = Estimate.of(found, found.url, gateway.settings)
    every = list(priced(path, found, estimated, gateway, model))
    print_rows(COLUMNS, map(row_of, every), output)
    tell_estimates(path, found, estimated, gateway, every)
