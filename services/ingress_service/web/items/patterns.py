"""Which texts may be part of an item id, as regular expressions for the description of the API.

They say what `packages.common.keys` checks, except for the length, which is counted in bytes.
"""

from __future__ import annotations

_CONTROL = r"\x00-\x1f\x7f-\x9f"
_FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_BLANK = "\\x20\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_NEVER = rf"/\\{_CONTROL}{_FORMAT}"
_INNER = f"[^{_NEVER}]"
_NO_DOT = f"[^{_NEVER}.]"
_EDGE = f"[^{_NEVER}{_BLANK}]"
_FIRST = f"[^{_NEVER}{_BLANK}.]"

SEGMENT = rf"(?:{_FIRST}(?:{_INNER}*{_EDGE})?|\.+(?:{_FIRST}|{_NO_DOT}{_INNER}*{_EDGE}))"
NAME_PATTERN = f"^{SEGMENT}$"
"""An endpoint or scraper."""
OPTIONAL_ID_PATTERN = f"^(?:{SEGMENT}(?:/{SEGMENT})*)?$"
"""An item id, or nothing."""
NODE_PATTERN = f"^(?:/?{SEGMENT}(?:/{SEGMENT})*/?)?$"
"""A node path, or nothing; one slash at each end is dropped."""
PRINTABLE_PATTERN = r"^[^\x00-\x1f\x7f\\]+$"
"""What is certain of an id in a path, where most texts name nothing anyway."""
