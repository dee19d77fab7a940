"""What of a provider's texts no client may see, in the forms that providers have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.scrub import LONGEST, LONGEST_BODY, scrub, scrub_body


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-ea***********cret.", "Incorrect API key provided: [key]."),
        ("no answer of 10.0.0.5:8000", "no answer of [address]"),
        ("no answer of vllm-1.prod.internal:8000", "no answer of [address]"),
        ("no answer of vllm-1.prod:8000", "no answer of [address]"),
        ("no answer of localhost:8000/v1", "no answer of [address]/v1"),
        ("see my-account.openai.azure.us", "see [address]"),
        ("in /subscriptions/0b1c2d3e-1111-2222-3333-444455556666/x", "in /subscriptions/[id]/x"),
        ("batch_0b1c2d3e-1111-2222-3333-444455556666 failed", "[id] failed"),
        (
            "Job projects/123456789012/locations/us-central1/batchPredictionJobs/77 failed.",
            "Job [id] failed.",
        ),
        ("Model `publishers/google/models/gemini-x` was not found", "Model `[id]` was not found"),
        ("project 123456789012 has no quota", "project [id] has no quota"),
        ("msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d is gone", "[id] is gone"),
        ("tool_use toolu_01D7FLrfh4GYq7yT1ULFeyMV", "tool_use [id]"),
        ("in workspace wrkspc_011CZkZaBF1tNoB5wlCeusgy", "in workspace [id]"),
        ("files/abc-123xyz and batches/q8w7e6r5t4 are gone", "[id] and [id] are gone"),
        ("API key AIzaSyA-1234567890abcdefghijklmnop expired", "API key [key] expired"),
        ("token ya29.a0Af_B-xyz.123 expired", "token [key] expired"),
        ("token eyJhbGciOiJSUzI1.eyJpc3MiOi.abc-_1 expired", "token [key] expired"),
        ("key sk-ant-api03-aBc_dEf expired", "key [key] expired"),
        ("key gsk_aBcDeFgH1234567890 expired", "key [key] expired"),
        ("key b3K9dQ2mZx7Lw0TtVyRf5NcJ8hGsAeUo expired", "key [id] expired"),
        ("Request 0123456789abcdef0123456789abcdef failed", "Request [id] failed"),
        ("cmpl-e5cc70bb28c444948073e77776eb30ef was cut", "[id] was cut"),
        ("model ft:open-mistral-7b:587a6b29:20240514:7e773925 is gone", "model [id] is gone"),
        ("agent ag:12345678:20240801:helper:9f8e7d6c is gone", "agent [id] is gone"),
        ("run@acme-prod.iam.gserviceaccount.com may not read gs://b/in", "[address] may not read [address]"),
    ],
)
def test_what_is_blotted_out(text: str, shown: str) -> None:
    assert scrub(text, names={}) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Line 3 of the file: expected a number, but got 'a'. See 4.5 and 1.2.3.",
        "At 10:30:05 the limit of 2.000 tokens was reached, e.g. by gpt-4.1-mini.",
        "messages[0].content:12 is no text",
        "file-lb01m81c757zfxk8wcx8ss6xjsm9 is empty",
        "Unknown field msg_content of the files/messages; see operations/running.",
        "The organization's characteristicallyinstitutionalwords of left:right stay.",
        "At 1790000000 there were 2147483648 tokens, 0.12345678901234 of all.",
    ],
)
def test_what_is_not(text: str) -> None:
    assert scrub(text, names={}) == text


def test_names_within_a_resource_go_with_it() -> None:
    text = "projects/acme-prod/locations/eu/models/7 of acme-prod"
    assert scrub(text, names={"acme-prod": "this project"}) == "[id] of this project"


def test_names_within_an_address_go_with_it() -> None:
    text = "no gs://acme-bucket/litebatch/eu-1/in/a.jsonl at https://acme.example/eu-1/x of eu-1"
    assert scrub(text, names={"eu-1": "the deployment"}) == "no [address] at [address] of the deployment"


@pytest.mark.parametrize("before", range(LONGEST - 12, LONGEST))
def test_nothing_of_a_key_is_left_where_the_text_is_cut(before: int) -> None:
    """The word before it fills all of the text but for some characters."""
    shown = scrub(f"{'a' * before} sk-{'b' * 40} and more", names={})
    assert len(shown) <= LONGEST
    assert "b" not in shown
    assert "sk-" not in shown


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            {"error": {"message": "no gpt-9", "code": 400}},
            {"error": {"message": "no gpt-batch", "code": 400}},
        ),
        ({"message": "use Bearer abc"}, {"message": "use [key]"}),
        (
            {"detail": [{"gpt-9": [1.5, None, True, 123456789012]}]},
            {"detail": [{"gpt-batch": [1.5, None, True, "[id]"]}]},
        ),
        ({"error": "\ud800"}, {"error": "?"}),
        (
            {"error": {"message": "a" * 2 * LONGEST, "code": 400}},
            {"error": {"message": "a" * LONGEST, "code": 400}},
        ),
        (
            {"error": {"message": "a" * LONGEST_BODY, "type": "t", "inputs": "b" * 9}, "more": [1]},
            {"error": {"message": "a" * LONGEST, "type": "t", "param": None, "code": None}},
        ),
        ({"error": "no gpt-9", "input": "b" * LONGEST_BODY}, {"error": "no gpt-batch"}),
        ({"message": "no gpt-9", "input": "b" * LONGEST_BODY}, {"message": "no gpt-batch"}),
        ({"error": [1], "input": "b" * LONGEST_BODY}, None),
        ([], []),
        ("no gpt-9", "no gpt-batch"),
    ],
)
def test_an_error_stays_json_whatever_is_blotted_out(told: Any, shown: Any) -> None:
    assert json.loads(scrub_body(json.dumps(told).encode(), names={"gpt-9": "gpt-batch"})) == shown


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 9000, b"\xff", b"<html>"])
def test_what_is_no_json_is_left_out(body: bytes) -> None:
    assert scrub_body(body, names={}) == b"null"
