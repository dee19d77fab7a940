from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pytest

from litebatch_asgi import Event
from litebatch_asgi.server.logs import Form, Formatter, Redactor, configure, json_line, text_line
from litebatch_asgi.sinks import LogSink

FULL = Path("/dev/full")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECRETS = frozenset({"sk-very-secret", 'quoted" hidden', "abc"})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(message: str = "placed", error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("litebatch_asgi.x", logging.INFO, __file__, 1, message, (), info)
    made.__dict__.update(extra)
    return made


@pytest.fixture
def loggers() -> Iterator[None]:
    """Leaves the process's logging as it was."""
    root, library = logging.getLogger(), logging.getLogger("litebatch_asgi")
    handlers, levels = root.handlers[:], (root.level, library.level)
    root.handlers[:] = []  # pytest's own would be closed
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    library.setLevel(levels[1])


def test_a_json_line_has_the_fields_of_the_record() -> None:
    line = Formatter(json_line, Redactor(())).format(
        record(batch_id="batch_lb1", deployment="eu", owner=None, cost=Decimal("0.1"))
    )
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info",
        "logger": "litebatch_asgi.x",
        "message": "placed",
        "batch_id": "batch_lb1",
        "deployment": "eu",
        "cost": "0.1",
    }


@pytest.mark.parametrize("odd", ["\udc80", 1 << 70, "é"])
def test_what_other_encoders_refuse_loses_no_line(odd: object) -> None:
    """Such as the name of a file that is no UTF-8."""
    line = Formatter(json_line, Redactor(())).format(record(odd=odd))
    assert line.isascii()
    assert json.loads(line)["odd"] == odd


def test_an_exception_is_one_field_of_one_line() -> None:
    line = Formatter(json_line, Redactor(())).format(record(error=ValueError("two\nlines")))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ValueError: two\nlines")


def test_a_terminal_gets_a_readable_line() -> None:
    line = Formatter(text_line, Redactor(())).format(record(batch_id="batch_lb1", why="out of quota"))
    assert line[8:] == ' info    placed batch_id=batch_lb1 why="out of quota"'


def test_control_characters_do_not_reach_the_terminal() -> None:
    line = Formatter(text_line, Redactor(())).format(record("a\x1b[2Jb\r", path="/\x1b[0m\n"))
    assert "\x1b" not in line
    assert "\r" not in line
    assert "\n" not in line


@pytest.mark.parametrize("form", [json_line, text_line])
def test_secrets_are_blotted_out_wherever_they_stand(form: Form) -> None:
    text = Formatter(form, Redactor(SECRETS)).format(
        record(
            "key sk-very-secret refused",
            header="Bearer sk-very-secret",
            nested={"key": 'quoted" hidden'},
            error=RuntimeError("sk-very-secret"),
        )
    )
    assert "very-secret" not in text
    assert "hidden" not in text
    assert text.count("[redacted]") == 4


def test_a_secret_that_holds_another_is_blotted_out_whole() -> None:
    assert Redactor({"secret", "secret-long"})("a secret-long one") == "a [redacted] one"


def test_without_secrets_or_with_a_tiny_one_the_text_stays() -> None:
    assert Redactor(())("abc") == "abc"
    assert Redactor({"abc"})("abc") == "abc"


@pytest.mark.usefixtures("loggers")
def test_the_stream_decides_the_form_and_others_are_quiet() -> None:
    for stream, starts_with in ((io.StringIO(), "{"), (Terminal(), "")):
        log = configure(SECRETS, stream)
        logging.getLogger("litebatch_asgi.files").info("kept sk-very-secret")
        logging.getLogger("httpx2").info("left out")
        log({"path": "/sk-very-secret", "owner": None})
        lines = stream.getvalue().splitlines()
        assert [line.startswith(starts_with) for line in lines] == [True, True]
        assert "kept [redacted]" in lines[0]
        assert "/[redacted]" in lines[1]
        assert "owner" not in lines[1]


@pytest.mark.usefixtures("loggers")
def test_a_log_that_cannot_be_written_takes_no_request_down() -> None:
    stream = io.StringIO()
    log = configure((), stream)
    stream.close()
    log({"path": "/"})


@pytest.fixture
def full_disk() -> Iterator[TextIO]:
    stream = FULL.open("w")
    yield stream
    with suppress(OSError):
        stream.close()


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.usefixtures("loggers")
async def test_an_event_that_a_full_disk_does_not_take_is_not_delivered(
    full_disk: TextIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its sink then gets it again; whatever else is logged is lost and stops nobody."""
    event = Event(id="evt_1", subject="batch_1", type="batch.completed", payload={}, created_at=NOW)
    configure((), full_disk)
    logging.getLogger("litebatch_asgi.files").info("kept")
    with pytest.raises(OSError, match="No space left") as full:
        await LogSink().deliver(event)
    assert full.value.errno == errno.ENOSPC
    taken = io.StringIO()
    configure((), taken)
    await LogSink().deliver(event)
    assert json.loads(taken.getvalue())["event_id"] == "evt_1"
    assert "--- Logging error ---" in capsys.readouterr().err


@pytest.mark.usefixtures("loggers")
def test_a_request_that_the_end_breaks_off_is_no_error_of_the_app() -> None:
    stream = io.StringIO()
    configure((), stream)
    for error in (asyncio.CancelledError(), ValueError("an error")):
        try:
            raise error
        except BaseException:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    assert [json.loads(line)["exception"].splitlines()[-1] for line in stream.getvalue().splitlines()] == [
        "ValueError: an error"
    ]
