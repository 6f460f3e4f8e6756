"""What a payload looks like that is not of its type, and how it should be sent then."""

from __future__ import annotations

_BEGINNINGS = (
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16: name the charset in the Content-Type (charset=utf-16)"),
    ((b"\x1f\x8b",), "gzip: say so (Content-Encoding: gzip)"),
    ((b"\x28\xb5\x2f\xfd",), "zstd: say so (Content-Encoding: zstd)"),
    ((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"), "a zip file or a workbook: save the sheet as CSV"),
    ((b"PAR1",), "Parquet: say so (application/vnd.apache.parquet)"),
    ((b"<",), "HTML or XML"),
    ((b"{", b"["), "JSON: say so (application/json)"),
)


def likeness(data: bytes, otherwise: str = "") -> str:
    """A sentence about the first bytes, or `otherwise` where they say nothing."""
    begin = data[:64].lstrip()
    found = next((like for marks, like in _BEGINNINGS if begin.startswith(marks)), None)
    return f"It begins like {found}" if found else otherwise
