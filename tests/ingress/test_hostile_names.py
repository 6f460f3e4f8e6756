"""Paths, names and headers that would like to become something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.ingress.hostile import Case, check_refusal, exchange, multipart, post, status, unharmed
from tests.ingress.live import CSV, Service

FORM = "multipart/form-data; boundary=b0undary"
DEEP = "/".join("a" * 50 for _ in range(40))
PATHS = [
    Case("dots", b"/api/v1/weather/..", {400, 404}),
    Case("dots within", b"/api/v1/weather/a/../../grid", {400, 404}),
    Case("encoded dots", b"/api/v1/weather/%2e%2e", {400}),
    Case("dots encoded twice", b"/api/v1/weather/%252e%252e", {404}),
    Case("one dot", b"/api/v1/weather/./deep", {400, 404}),
    Case("encoded slash", b"/api/v1/weather/deep%2flower", {400}),
    Case("encoded dots and slashes", b"/api/v1/weather/%2e%2e%2f%2e%2e%2fgrid", {400}),
    Case("slash encoded twice", b"/api/v1/weather/deep%252flower", {404}),
    Case("backslash", b"/api/v1/weather/..%5cgrid", {400, 404}),
    Case("overlong dot", b"/api/v1/weather/%c0%ae%c0%ae", {400, 404}),
    Case("overlong slash", b"/api/v1/weather/%c0%af", {400, 404}),
    Case("wide dots", b"/api/v1/weather/%ef%bc%8e%ef%bc%8e", {400, 404}),
    Case("broken UTF-8", b"/api/v1/weather/%ff%fe", {400, 404}),
    Case("cut UTF-8", b"/api/v1/weather/%f0%9f", {400, 404}),
    Case("surrogate", b"/api/v1/weather/%ed%a0%80", {400, 404}),
    Case("right to left", b"/api/v1/weather/%e2%80%ae", {400, 404}),
    Case("NUL", b"/api/v1/weather/a%00b", {400}),
    Case("line end", b"/api/v1/weather/a%0d%0aSet-Cookie:x", {400, 404}),
    Case("empty segments", b"/api/v1/weather//deep", {400, 404}),
    Case("trailing slash", b"/api/v1/weather/deep/", {400, 404}),
    Case("metadata suffix", b"/api/v1/weather/a.meta.json", {404}),
    Case("very deep", f"/api/v1/weather/{DEEP}".encode(), {400, 404}),
    Case("percent without digits", b"/api/v1/weather/%zz", {404}),
    Case("raw bytes", b"/api/v1/weather/\xc3\xa9", {400}),
    Case("blank", b"/api/v1/weather/a b", {400}),
    Case("template", b"/api/v1/weather/{node_path}", {404}),
    Case("query in the path", b"/api/v1/weather/a%3fvalidate=only", {404}),
    Case("item of another state", b"/api/v1/items/weather/../../failed/x", {404, 405}),
]
NAMES = [
    b"../../etc/passwd",
    b"..\\..\\windows",
    b"a\0b.csv",
    b'a\\"b.csv',
    b"\xff\xfe.csv",
    "‮vsc.exe".encode(),
    b"x" * 5000 + b".csv",
    b"",
]


@pytest.fixture(autouse=True)
def _service_is_well(service: Service) -> Iterator[None]:
    yield
    assert service.client.get("/health").status_code == 200
    for key in service.stored_keys():
        assert re.fullmatch(
            r"accepted/(weather|grid)(/[a-z/]+)?/\d{8}T\d{6}_[0-9a-f]{12}\.csv(\.meta\.json)?", key
        )


@pytest.mark.parametrize("case", PATHS, ids=[case.name for case in PATHS])
def test_paths_reach_nothing_but_nodes_of_the_schema(service: Service, case: Case) -> None:
    with unharmed(service):
        answer = exchange(service, post(path=case.request, body=CSV))
        check_refusal(answer, case.statuses)
    assert b"Set-Cookie" not in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameter", ["filename", "filename*"])
def test_file_names_are_kept_as_harmless_text(service: Service, name: bytes, parameter: str) -> None:
    shown = name.decode("latin-1")
    value = f'"{shown}"' if parameter == "filename" else f"UTF-8''{shown}"
    head = f'Content-Disposition: form-data; name="file"; {parameter}={value}\r\nContent-Type: text/csv'
    body = multipart((head, CSV))
    answer = exchange(service, post(path="/api/v1/weather", body=body, content_type=FORM))
    if status(answer) != 202:
        check_refusal(answer, {400, 415})
        return
    found = re.search(rb'"item_id":"([^"]+)"', answer)
    assert found is not None
    stored = service.queue.find(found[1].decode())
    assert stored is not None
    metadata = service.queue.metadata(stored)
    assert metadata is not None
    kept = metadata.filename or ""
    assert kept.isprintable()
    assert len(kept) <= 255
    assert not set("/\\") & set(kept)


@pytest.mark.parametrize(
    "line",
    [
        b"X-Request-ID: a\r b: c",
        b"X-Request-ID: a%0d%0aSet-Cookie: x",
        b"X-Request-ID: \xc3\xa9",
        b"X-Request-ID: " + b"x" * 500,
        b"X-Request-ID: <script>",
        b"traceparent: 00-" + b"z" * 32 + b"-" + b"1" * 16 + b"-01",
        b"traceparent: 00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01\r\ntraceparent: x",
        b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: evil.example",
    ],
)
def test_headers_are_not_echoed_into_the_answer(service: Service, line: bytes) -> None:
    answer = exchange(service, post(line, path="/api/v1/weather?validate=only", body=CSV))
    head = answer.partition(b"\r\n\r\n")[0]
    assert status(answer) in {200, 400}
    assert b"Set-Cookie" not in head
    assert b"evil" not in head
    for shown in re.findall(rb"(?i)x-request-id: (.*)", head):
        assert re.fullmatch(rb"[A-Za-z0-9._:-]{1,128}\r?", shown)


def test_location_names_this_service_whatever_the_host_header_says(service: Service) -> None:
    answer = exchange(
        service, post("X-Forwarded-Proto: gopher", body=CSV).replace(b"Host: x", b"Host: evil.example")
    )
    assert status(answer) == 202
    found = re.search(rb"(?i)\r\nlocation: (.*)\r\n", answer)
    assert found is not None
    assert found[1].startswith(b"/api/v1/items/weather/")


@pytest.mark.parametrize(
    "credentials",
    [
        b"Basic",
        b"Basic !!!!",
        b"Basic " + b"QUFB" * 20_000,
        b"Basic " + b"\xff\xfe",
        b"Basic YWxpY2UA",
        b"Bearer x",
        b"Digest username=alice",
        b"Basic /////w==",
        b"basic\t" + b"YWxpY2U6Z3Vlc3M=",
    ],
)
def test_credentials_that_are_none_are_refused(service: Service, credentials: bytes) -> None:
    request = (
        b"POST /api/v1/weather HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: " + credentials
    )
    with unharmed(service):
        answer = exchange(service, request + b"\r\n\r\n")
        check_refusal(answer, {400, 401, 431})
    if status(answer) == 401:
        assert b"www-authenticate: basic" in answer.lower()


@pytest.mark.parametrize(
    "query", ["validate=none", "validate=only&validate=x", "validate=%ff", "a" * 5000, "&" * 5000]
)
def test_odd_queries_are_refused_or_ignored(service: Service, query: str) -> None:
    answer = exchange(service, post(path=f"/api/v1/weather?{query}", body=b""))
    check_refusal(answer, {406, 422})
