"""Requests that are wrong before anybody looks at what they bring: paths, ids, queries, headers, callers."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.badinput.probe import CALLER, Probe, error_of
from tests.http.sockets import head

MODES = ["", "/v1"]
UNKNOWN_FILE = "file-lb01k00000000000000000000000"
UNKNOWN_BATCH = "batch_lb01k00000000000000000000000"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
ALLOWED = {
    "/files": {"GET", "HEAD", "POST"},
    f"/files/{UNKNOWN_FILE}": {"GET", "HEAD", "DELETE"},
    f"/files/{UNKNOWN_FILE}/content": {"GET", "HEAD"},
    "/batches": {"GET", "HEAD", "POST"},
    f"/batches/{UNKNOWN_BATCH}": {"GET", "HEAD"},
    f"/batches/{UNKNOWN_BATCH}/cancel": {"POST"},
    "/models": {"GET", "HEAD"},
    "/model_group/info": {"GET", "HEAD"},
}


def ask(method: str, path: str, **headers: str | int) -> bytes:
    """A request of somebody who may."""
    usual: dict[str, str | int] = {"authorization": f"Bearer {CALLER}", "content_length": 0}
    return head(method, path, **(usual | headers))


IDS = [
    "x",
    "file-x",
    UNKNOWN_FILE,
    UNKNOWN_BATCH,
    UNKNOWN_FILE.upper(),
    "file-lb" + "z" * 26,
    "..",
    "%2e%2e",
    "%2e%2e%2ffiles",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    UNKNOWN_FILE + "%00",
    "%0d%0ax-evil:%201",
    "%ff%fe",
    "%ed%a0%80",
    quote("日本語"),
    quote("🚀"),
    "%",
    "%zz",
    "%E0%A4%A",
    "'%20OR%201=1--",
    "*",
    "file-lb*",
    "null",
    "0",
    "-1",
    "x" * 257,
    "x" * 10_000,
    "a+b",
    ";drop",
    "%20",
]


@pytest.mark.parametrize("given", IDS, ids=lambda given: given[:30])
async def test_ids_that_cannot_be(probe: Probe, given: str) -> None:
    asked = [
        ("GET", f"/files/{given}"),
        ("DELETE", f"/files/{given}"),
        ("GET", f"/files/{given}/content"),
        ("GET", f"/batches/{given}"),
        ("POST", f"/batches/{given}/cancel"),
    ]
    async with probe.unharmed():
        for method, path in asked:
            error_of(await probe.ask(ask(method, f"/v1{path}")), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/v1/files",
        "/v2/files",
        "/v1/nope",
        "/v1/files/",
        "/v1//files",
        "/v1/files/a/b",
        "/v1/files//content",
        "/v1/files/a/content/",
        "/v1/files/a/content/b",
        "/v1/batches/",
        "/v1/batches/a/b",
        "/v1/batches//cancel",
        "/v1/batches/a/cancel/",
        "/v1/Files",
        "/v1/files%2f",
        "/v1/../v1/files",
        "/v1/./files",
        "/etc/passwd",
        "/v1/files;x=1",
        "/" + "x" * 10_000,
        "/%00",
        "/%ff",
        "/v1/%E2%80%AE",
    ],
    ids=lambda path: path[:30],
)
async def test_paths_that_lead_nowhere(probe: Probe, path: str) -> None:
    async with probe.unharmed():
        for method in ("GET", "POST"):
            error = error_of(await probe.ask(ask(method, path)), 404)
            assert len(error["message"]) < 300


@pytest.mark.parametrize("path", ALLOWED)
async def test_methods_that_are_not_allowed(probe: Probe, path: str) -> None:
    async with probe.unharmed():
        for prefix in MODES:
            for method in METHODS:
                if method in ALLOWED[path]:
                    continue
                answer = await probe.ask(ask(method, prefix + path))
                error_of(answer, 405)
                assert set(answer.headers["allow"].split(", ")) == ALLOWED[path]


QUERIES: list[tuple[str, str, str | None]] = [
    *(
        ("limit", wrong, "invalid_type")
        for wrong in ("x", "1.5", "1e1", "+1", "%201", "0x1", "%D9%A3", "9" * 20, "1,2")
    ),
    *(("limit", wrong, "integer_below_min_value") for wrong in ("0", "-1")),
    *(("limit", wrong, "integer_above_max_value") for wrong in ("10001", "999999999999999")),
    ("after", "nonsense", None),
    ("after", UNKNOWN_FILE, None),
    ("after", UNKNOWN_BATCH, None),
    ("after", "x" * 256, None),
    ("after", "x" * 5000, "string_above_max_length"),
    ("after", "..%2f", None),
    ("after", "%F0%9F%9A%80", None),
    ("after", "%00", "invalid_value"),
    ("after", "%0a", "invalid_value"),
    ("target_model_names", "x" * 257, "string_above_max_length"),
    ("target_model_names", "a%00", "invalid_value"),
    ("target_model_names", ",".join(map(str, range(101))), "array_above_max_length"),
]
OF_FILES = [
    *(("order", wrong, "invalid_value") for wrong in ("up", "ASC", "x" * 5000, "%00")),
    *(("purpose", wrong, "invalid_value") for wrong in ("fun", "batch,vision", "%ff", "x" * 5000)),
]


@pytest.mark.parametrize(
    ("path", "param", "value", "code"),
    [(path, *query) for path in ("/v1/files", "/v1/batches") for query in QUERIES]
    + [("/v1/files", *query) for query in OF_FILES],
    ids=lambda value: str(value)[:20],
)
async def test_lists_that_cannot_be_asked_for(
    probe: Probe, path: str, param: str, value: str, code: str | None
) -> None:
    error = await probe.refuses(ask("GET", f"{path}?{param}={value}"))
    assert (error["param"], error["code"]) == (param, code)


async def test_a_query_counts_by_its_last_value(probe: Probe) -> None:
    error = await probe.refuses(ask("GET", "/v1/files?limit=5&limit=0"))
    assert error["param"] == "limit"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6YWxpY2U=",
        "alice",
        "Digest alice",
        "Bearer\talice",
        "BearerX alice",
        "\xff\xfe",
        "=",
    ],
)
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
async def test_a_caller_that_nobody_knows(probe: Probe, path: str, authorization: str | None) -> None:
    headers = "" if authorization is None else f"Authorization: {authorization}\r\n"
    async with probe.unharmed():
        for method in ("GET", "POST"):
            request = f"{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: 0\r\n\r\n"
            answer = await probe.ask(request.encode("latin-1"))
            assert error_of(answer, 401)["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "request_id", ["x" * 10_000, "a b", "a\xff", "${jndi:ldap://x}", "<script>", ""], ids=ascii
)
async def test_a_request_id_that_is_not_taken_over(probe: Probe, request_id: str) -> None:
    request = ask("GET", "/v1/files?limit=0", x_request_id="?").replace(
        b"?\r\n", request_id.encode("latin-1") + b"\r\n"
    )
    answer = await probe.ask(request)
    error_of(answer, 400)
    assert answer.headers["x-request-id"] != request_id
    assert len(answer.headers["x-request-id"]) == 32


async def test_many_headers_and_large_ones_do_no_harm(probe: Probe) -> None:
    async with probe.unharmed():
        many: dict[str, str | int] = {f"x-{number}": "1" for number in range(2000)}
        for headers in (many, {"x": "y" * 50_000}, {"authorization": "Bearer " + "z" * 40_000}):
            request = ask("GET", "/v1/files?limit=0", **headers)
            error_of(await probe.ask(request), 400)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/files HTTP/3.7\r\n\r\n",
        b"GET /v1/\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nx: \0\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\n: empty\r\n\r\n",
        b"FROB /v1/files HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b'{"not": "http"}\r\n\r\n',
        b"\0" * 5000,
    ],
)
async def test_what_is_no_request_is_refused_by_the_server(probe: Probe, request_bytes: bytes) -> None:
    async with probe.unharmed(), probe.connection() as client:
        await client.send(request_bytes)
        assert (await client.rest()).startswith(b"HTTP/1.1 400")
