"""What requests say: bodies and form fields, taken apart and checked; `queries` are beside it.

The structs check their own values when they are made, so that calls in process are held to the same as those
over HTTP; the functions take apart what came over HTTP. Limits and allowed values are those of OpenAI's
OpenAPI document. Whatever is wrong raises `InvalidRequest` with the parameter and the code that OpenAI names
for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, cast

import msgspec

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Batch, BatchOptions, RowError
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.amounts import amount_of, check_amount
from litebatch_asgi.wire.choices import CUSTOM_IDS, ERRORS, LineChoice, json_errors, line_choice
from litebatch_asgi.wire.names import NAMES_FIELDS, Pairs, check_model_names, model_names
from litebatch_asgi.wire.providers import PROVIDER_FIELD, Naming, check_provider_name, named_provider

BATCH_ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
USUAL_WINDOW = "24h"
"""the completion window that providers know"""
_WINDOW = re.compile(r"([1-9][0-9]{0,3})h")
UPLOAD_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
MIN_EXPIRY_SECONDS = 3600
MAX_EXPIRY_SECONDS = 2_592_000
MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512

RETRY_OF = "litebatch_retry_of"
"""what a batch of lines of an earlier one names it by in its metadata"""

MAX_COST = "litebatch.max_cost"
RESCUE = "litebatch.rescue"
ROW_RETRIES = "litebatch.row_retries"
AT_EXPIRY = "litebatch.at_expiry"
CANARY = "litebatch.canary"
AT_EXPIRY_VALUES = ("wait", "stop")
MOST_ROW_RETRIES = 10
MOST_CANARY = 1000

_CREATE_BATCH_KEYS = (
    "input_file_id",
    "endpoint",
    "completion_window",
    "metadata",
    "output_expires_after",
    "litebatch",
    PROVIDER_FIELD,
)
_RETRY_BATCH_KEYS = (
    "completion_window",
    "metadata",
    "output_expires_after",
    "litebatch",
    PROVIDER_FIELD,
    CUSTOM_IDS,
    ERRORS,
)
_LITEBATCH_KEYS = ("max_cost", "rescue", "row_retries", "at_expiry", "canary")
_EXPIRY_KEYS = ("anchor", "seconds")


class CreateBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /batches`. Raises `InvalidRequest` for values that it may not have."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Mapping[str, str] | None = None
    output_expires_after: int | None = None
    """seconds after the creation of an output or error file"""
    max_cost: Decimal | None = None
    """US dollars that it may be estimated to cost"""
    custom_llm_provider: str | None = None
    """the provider that the input file is to be at"""
    rescue: bool | None = None
    """see `BatchOptions`"""
    row_retries: int | None = None
    """see `BatchOptions`"""
    at_expiry: Literal["wait", "stop"] | None = None
    """see `BatchOptions`"""
    canary: int | None = None
    """see `BatchOptions`; 0: none"""

    def __post_init__(self) -> None:
        checks.text(self.input_file_id, "input_file_id")
        checks.one_of(BATCH_ENDPOINTS, checks.text(self.endpoint, "endpoint"), "endpoint")
        _check_window(self.completion_window)
        _check_wishes(self)

    @property
    def options(self) -> BatchOptions | None:
        """What the batch does otherwise than the gateway's settings say; None: nothing."""
        asked = BatchOptions(
            rescue=self.rescue,
            row_retries=self.row_retries,
            at_expiry=self.at_expiry,
            canary=self.canary,
        )
        return None if asked == BatchOptions() else asked


class RetryBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /batches/{id}/retry`. What it leaves out is as it was for the earlier batch.

    The fields are those of `CreateBatch`, and which requests are meant; `max_cost` is never taken over.
    Raises `InvalidRequest` for values that it may not have.
    """

    completion_window: str | None = None
    metadata: Mapping[str, str] | None = None
    output_expires_after: int | None = None
    max_cost: Decimal | None = None
    custom_llm_provider: str | None = None
    rescue: bool | None = None
    row_retries: int | None = None
    at_expiry: Literal["wait", "stop"] | None = None
    canary: int | None = None
    custom_ids: Sequence[str] | None = None
    """of requests that have not succeeded; None and no `errors`: all of them"""
    errors: Sequence[RowError] | None = None
    """how requests have failed; those that have in one of these ways are meant too"""

    def __post_init__(self) -> None:
        if self.completion_window is not None:
            _check_window(self.completion_window)
        _check_wishes(self)
        line_choice(self.custom_ids, self.errors)

    @property
    def choice(self) -> LineChoice | None:
        """Which requests are meant; None: all that have not succeeded."""
        return line_choice(self.custom_ids, self.errors)

    def create(self, parent: Batch) -> CreateBatch:
        """What a create of the same batch as `parent` would say, with what is said here in its place."""
        before = parent.options or BatchOptions()
        expires = self.output_expires_after
        metadata: Mapping[str, str] | None = self.metadata
        if metadata is None and parent.metadata is not None:
            metadata = {name: value for name, value in parent.metadata.items() if name != RETRY_OF}
        return CreateBatch(
            input_file_id=parent.input_file_id,
            endpoint=parent.endpoint,
            completion_window=self.completion_window or parent.completion_window,
            metadata=metadata,
            output_expires_after=parent.output_expires_after if expires is None else expires,
            max_cost=self.max_cost,
            custom_llm_provider=self.custom_llm_provider,
            rescue=before.rescue if self.rescue is None else self.rescue,
            row_retries=before.row_retries if self.row_retries is None else self.row_retries,
            at_expiry=self.at_expiry or before.at_expiry,
            canary=before.canary if self.canary is None else self.canary,
        )


class UploadForm(msgspec.Struct, frozen=True, kw_only=True):
    """What comes with the file in `POST /files`. Raises `InvalidRequest` for values that it may not have."""

    purpose: str
    target_model_names: tuple[str, ...] = ()
    expires_after_seconds: int | None = None
    custom_llm_provider: str | None = None
    """the provider whose own names of models the lines have"""

    def __post_init__(self) -> None:
        check_provider_name(self.custom_llm_provider)
        checks.one_of(UPLOAD_PURPOSES, checks.text(self.purpose, "purpose"), "purpose")
        check_model_names(self.target_model_names)
        if self.expires_after_seconds is not None:
            check_expiry(self.expires_after_seconds, "expires_after")


def parse_create_batch(body: bytes, named: Sequence[Naming] = ()) -> CreateBatch:
    """The body of `POST /batches`; `named` is where else the request names a provider."""
    given = json_body(body)
    checks.only_known(given, _CREATE_BATCH_KEYS)
    return CreateBatch(
        input_file_id=checks.required_text(given, "input_file_id"),
        endpoint=checks.required_text(given, "endpoint"),
        completion_window=checks.required_text(given, "completion_window"),
        **_wishes(given, named),
    )


def parse_retry_batch(body: bytes, named: Sequence[Naming] = ()) -> RetryBatch:
    """The body of `POST /batches/{id}/retry`, which may be empty; `named` as for a create."""
    given = json_body(body) if body else {}
    checks.only_known(given, _RETRY_BATCH_KEYS)
    window = given.get("completion_window")
    return RetryBatch(
        completion_window=None if window is None else checks.text(window, "completion_window"),
        custom_ids=cast("Any", given.get(CUSTOM_IDS)),
        errors=json_errors(given.get(ERRORS)),
        **_wishes(given, named),
    )


def _wishes(given: Mapping[str, object], named: Sequence[Naming]) -> dict[str, Any]:
    """What a body says that it need not say, as the structs above have it."""
    field = given.get(PROVIDER_FIELD)
    options = _litebatch_options(given.get("litebatch"))
    retries, canary = options.get("row_retries"), options.get("canary")
    return {
        "metadata": given.get("metadata"),
        "output_expires_after": json_expiry(given.get("output_expires_after"), "output_expires_after"),
        "max_cost": _max_cost(options.get("max_cost")),
        "custom_llm_provider": named_provider(
            named, None if field is None else checks.text(field, PROVIDER_FIELD)
        ),
        "rescue": options.get("rescue"),
        "row_retries": None if retries is None else checks.whole_number(retries, ROW_RETRIES),
        "at_expiry": options.get("at_expiry"),
        "canary": None if canary is None else checks.whole_number(canary, CANARY),
    }


def window_of(name: str) -> timedelta:
    """How long a completion window gives a batch. Raises `InvalidRequest` for what is none."""
    found = _WINDOW.fullmatch(name)
    if found is None:
        checks.one_of((USUAL_WINDOW,), name, "completion_window")
        raise AssertionError(name)
    return timedelta(hours=int(found[1]))


def _check_window(given: object) -> None:
    window_of(checks.text(given, "completion_window"))


def _check_wishes(asked: CreateBatch | RetryBatch) -> None:
    if asked.metadata is not None:
        _check_metadata(asked.metadata)
    if asked.output_expires_after is not None:
        check_expiry(asked.output_expires_after, "output_expires_after")
    if asked.max_cost is not None:
        check_amount(asked.max_cost, MAX_COST)
    check_provider_name(asked.custom_llm_provider)
    if asked.rescue is not None:
        checks.boolean(asked.rescue, RESCUE)
    if asked.row_retries is not None:
        checks.in_range(asked.row_retries, ROW_RETRIES, 0, MOST_ROW_RETRIES)
    if asked.at_expiry is not None:
        checks.one_of(AT_EXPIRY_VALUES, checks.text(asked.at_expiry, AT_EXPIRY), AT_EXPIRY)
    if asked.canary is not None:
        checks.in_range(asked.canary, CANARY, 0, MOST_CANARY)


def parse_upload_form(
    fields: Pairs,
    query: Pairs = (),
    names_header: str | None = None,
    named: Sequence[Naming] = (),
) -> UploadForm:
    """The form fields of `POST /files`, the file itself aside; unknown ones are passed over.

    Virtual models may be named in the form, in the query and in a header; all of them count. `named` is where
    else than in the form the request names a provider. Dots are accepted for brackets in
    `expires_after[seconds]`, as some providers' samples write them.
    """
    purposes = [value for name, value in fields if name == "purpose"]
    if not purposes:
        raise checks.missing("purpose")
    if len(purposes) > 1:
        raise _twice("purpose")
    header = [(NAMES_FIELDS[0], names_header)] if names_header is not None else []
    providers = [Naming("the form", value.strip(" ")) for name, value in fields if name == PROVIDER_FIELD]
    return UploadForm(
        purpose=purposes[0],
        target_model_names=model_names([*fields, *query, *header]),
        expires_after_seconds=_form_expiry(fields, "expires_after"),
        custom_llm_provider=named_provider([*named, *(each for each in providers if each.provider)]),
    )


def json_body(body: bytes) -> dict[str, object]:
    """The object that a body is."""
    try:
        given: object = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body of the request is not valid JSON.") from error
    return checks.json_object(given, None)


def _check_metadata(given: object) -> None:
    pairs = checks.json_object(given, "metadata")
    if len(pairs) > MAX_METADATA_PAIRS:
        raise InvalidRequest(
            f"Invalid 'metadata': too many properties. Expected an object with at most {MAX_METADATA_PAIRS} "
            f"properties, but got an object with {len(pairs)} properties instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, value in pairs.items():
        _check_metadata_key(key)
        _check_metadata_value(value, f"metadata.{key}")


def _check_metadata_key(key: object) -> None:
    if not isinstance(key, str) or len(key) > MAX_METADATA_KEY or not checks.is_storable(key):
        raise InvalidRequest(
            f"Invalid 'metadata': a key has at most {MAX_METADATA_KEY} characters and no null character.",
            param="metadata",
            code="invalid_metadata_key",
        )


def _check_metadata_value(value: object, param: str) -> None:
    written = checks.no_longer_than(MAX_METADATA_VALUE, checks.text(value, param), param)
    if not checks.is_storable(written):
        raise InvalidRequest(
            f"Invalid '{param}': a null character is not allowed.", param=param, code="invalid_value"
        )


def _litebatch_options(given: object) -> dict[str, object]:
    """What `litebatch` says; where a client sends null it says nothing."""
    options = checks.json_object({} if given is None else given, "litebatch")
    checks.only_known(options, _LITEBATCH_KEYS, "litebatch.")
    return options


def _max_cost(most: object) -> Decimal | None:
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, int | float | str):
        raise checks.wrong_type(MAX_COST, "a string of digits, or a number", most)
    return amount_of(most, MAX_COST)


def json_expiry(given: object, param: str) -> int | None:
    """The seconds that an `expires_after` in a JSON body says, whose range is checked where it is kept."""
    return None if given is None else _seconds_of(checks.json_object(given, param), param)


def _form_expiry(fields: Pairs, param: str) -> int | None:
    given: dict[str, object] = {}
    for key in _EXPIRY_KEYS:
        values = [value for name, value in fields if name in (f"{param}[{key}]", f"{param}.{key}")]
        if len(values) > 1:
            raise _twice(f"{param}.{key}")
        given.update((key, value) for value in values)
    if not given:
        return None
    if isinstance(seconds := given.get("seconds"), str):
        given["seconds"] = checks.integer(seconds, f"{param}.seconds")
    return _seconds_of(given, param)


def _seconds_of(given: Mapping[str, object], param: str) -> int:
    checks.only_known(given, _EXPIRY_KEYS, f"{param}.")
    for key in _EXPIRY_KEYS:
        if key not in given:
            raise checks.missing(f"{param}.{key}")
    anchor = checks.text(given["anchor"], f"{param}.anchor")
    checks.one_of(("created_at",), anchor, f"{param}.anchor")
    return checks.whole_number(given["seconds"], f"{param}.seconds")


def check_expiry(seconds: object, param: str) -> None:
    """Raises `InvalidRequest` for fewer or more seconds than a file may be kept."""
    checks.in_range(seconds, f"{param}.seconds", MIN_EXPIRY_SECONDS, MAX_EXPIRY_SECONDS)


def _twice(param: str) -> InvalidRequest:
    return InvalidRequest(f"Parameter '{param}' was given more than once.", param=param, code="invalid_value")
