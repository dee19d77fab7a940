"""`litebatch check` where a gateway could not start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from litebatch_asgi.cli import main

from .test_faults import MANY, TOLD


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MANY, TOLD.replace("c.yaml", "{file}")),
        (
            """
            litebatch_settings: {strategy: nobody}
            model_list:
              - {model_name: a, params: {model: azure/a, api_base: "https://r.example.com?a=b", api_key: k}}
              - {model_name: b, params: {model: openai/b, api_key: "k\\n"}}
            """,
            """\
{file} cannot be served:
  no strategy 'nobody': `strategy` is one of earliest-finish, least-busy, power-of-two-choices, \
weighted-random
  the `api_base` of the deployment '229a5dfbc5ce' of 'a' must look like `https://RESOURCE.openai.azure.com`, \
without a query or a fragment
  the deployment '9b1bde2d7c89' of 'b': the value for Authorization does not fit into a header; look for a \
line break, a space at its end or a letter outside ASCII""",
        ),
    ],
)
def test_check_tells_all_that_keeps_a_gateway_from_starting(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    for name in ("BASE_ONE", "KEY_TWO", "MASTER", "AZURE_API_BASE", "AZURE_API_KEY", "HOSTED_VLLM_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KEY_ONE", "")
    monkeypatch.setattr(sys, "argv", ["litebatch", "check", "--config", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    answer = capsys.readouterr()
    assert (ended.value.code, answer.out) == (2, "")
    assert answer.err == f"error: {told.format(file=file)}\n"


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        ("vertex_credentials: /etc/google.json", "with the credentials in /etc/google.json"),
        (
            """vertex_credentials: '{"type": "authorized_user", "refresh_token": "hidden"}'""",
            "with the credentials in vertex_credentials",
        ),
        ("weight: 1", "with Google's default credentials"),
        ("extra_headers: {Authorization: Bearer hidden}", "with the key in its extra_headers"),
    ],
)
def test_check_tells_what_a_deployment_on_vertex_proves_itself_with(
    credentials: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "c.yaml"
    place = "vertex_project: p, vertex_location: global, gcs_bucket_name: bucket"
    params = f"{{model: vertex_ai/gemini-2.5-flash, {place}, {credentials}}}"
    file.write_text(f"model_list: [{{model_name: m, params: {params}, model_info: {{id: g}}}}]")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setattr(sys, "argv", ["litebatch", "check", "--config", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    answer = capsys.readouterr()
    assert ended.value.code == 0, answer.err
    assert f"g: vertex_ai/gemini-2.5-flash, {told}" in " ".join(answer.out.split())
    assert "hidden" not in answer.out
