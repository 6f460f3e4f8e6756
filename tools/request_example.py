"""Uploads one file and follows it until it is merged or failed; an example of a client, written to be read.

python tools/request_example.py inputs/samples/weather/01_days_from_01.csv \
    --endpoint weather --user demo:secret
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import httpx

CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json"}
POLL_INTERVAL_S = 1.0


def main() -> int:
    """0 merged, 1 refused or failed, 2 not settled in time, or no answer."""
    options = _options()
    user, _, password = options.user.partition(":")
    with httpx.Client(base_url=options.url, auth=(user, password), timeout=30) as client:
        try:
            accepted = upload(client, options.file, f"/api/v1/{options.endpoint}/{options.node}".rstrip("/"))
            return 1 if accepted is None else follow(client, accepted["state_url"], options.wait)
        except httpx.TransportError as error:
            print(f"no answer from {options.url}: {error}")
            return 2


def upload(client: httpx.Client, path: Path, url: str) -> dict[str, Any] | None:
    """Upload a file as it is; the answer of an accepted one, None for a refused one."""
    answer = client.post(
        url, content=path.read_bytes(), headers={"Content-Type": CONTENT_TYPES[path.suffix.lower()]}
    )
    body: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.ACCEPTED:
        print(f"refused with {answer.status_code}: {body['detail']}")
        for error in body.get("errors", []):
            print(f"  row {error.get('row')}, column {error.get('column')}: {error['message']}")
        return None
    print(f"accepted as {body['item_id']}")
    return body


def follow(client: httpx.Client, state_url: str, wait_s: float) -> int:
    """Ask for the state of an item until it is settled."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        item = client.get(state_url).raise_for_status().json()
        if item["state"] != "accepted":
            print(item["state"])
            return 0 if item["state"] == "processed" else 1
        time.sleep(POLL_INTERVAL_S)
    print(f"still waiting to be merged after {wait_s:.0f} s")
    return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="CSV or JSON file")
    parser.add_argument("--endpoint", required=True, help="name of the endpoint in its path, such as weather")
    parser.add_argument("--node", default="", help="path of nested nodes below it, such as a/b")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the ingress")
    parser.add_argument("--user", default=":", help="user:password")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for the merge")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
