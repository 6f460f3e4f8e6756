"""The page under `/docs`: the OpenAPI document as plain HTML, without scripts and without other servers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "code,pre{font:14px/1.4 ui-monospace,monospace;background:#f3f4f6;border-radius:4px}"
    "code{padding:0 .25em}pre{padding:.75em;overflow:auto}"
    "details{border:1px solid #d5d9de;border-radius:6px;margin:.5rem 0;padding:.5rem 1rem}"
    "summary{cursor:pointer}.method{font-weight:700;display:inline-block;min-width:4.5em}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0}"
    "td,th{border-top:1px solid #d5d9de;padding:.35rem .5rem;text-align:left;vertical-align:top}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def render(document: dict[str, Any]) -> str:
    """The document as one HTML page."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    body = "".join(_body(document))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{_text(info.get('description', ''))}</p>"
        f'<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>{body}</body></html>'
    )


def _body(document: dict[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            by_tag.setdefault(operation.get("tags", ["other"])[0], []).append((method, path, operation))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
    yield "<h2>documents</h2>"
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        yield f"<details><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    shown = f'<span class="method">{escape(method.upper())}</span><code>{escape(path)}</code>'
    summary, text = escape(operation.get("summary", "")), _text(operation.get("description", ""))
    yield f"<details><summary>{shown} {summary}</summary><p>{text}</p>"
    if parameters := operation.get("parameters"):
        rows = (
            (
                parameter["name"],
                parameter["in"],
                _schema(parameter["schema"]),
                parameter.get("description", ""),
            )
            for parameter in parameters
        )
        yield _table(("parameter", "in", "values", "meaning"), rows)
    for content_type, media in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h4>body <code>{escape(content_type)}</code></h4>"
        yield _json(media["example"]) if "example" in media else ""
    answers = ((status, answer.get("description", "")) for status, answer in operation["responses"].items())
    yield _table(("status", "meaning"), answers) + "</details>"


def _table(head: tuple[str, ...], rows: Any) -> str:  # noqa: ANN401 - any iterable of tuples of text
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"


def _schema(schema: dict[str, Any]) -> str:
    kinds = [kind for kind in (schema, *schema.get("anyOf", ())) if kind.get("type") not in {None, "null"}]
    words = [", ".join(f"`{value}`" for value in kind.get("enum", ())) or kind["type"] for kind in kinds]
    return " or ".join(words)


def _text(text: str) -> str:
    """Markdown as far as it is used here: code between backticks, and lists of values."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)).replace("\n", "<br>")


def _json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    shown = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return f"<pre>{escape(shown)}</pre>"
