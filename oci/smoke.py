"""Uploads the sample data as any client would, waits until it is merged, and opens the result with xarray.

`docker compose run --rm smoke` runs it inside of the deployment. Exit code 0: every file was merged.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

import httpx
import obstore.store
import xarray as xr
import zarr.storage

from packages.common.settings import Settings, load_settings

SAMPLES = Path(os.environ["CONFIG_PATH"]).parent / "samples"
CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json"}
WAIT_S, PAUSE_S = float(os.environ.get("SMOKE_WAIT_S", "300")), 1.0


def main() -> int:
    """0 all merged, 1 not."""
    settings = load_settings()
    try:
        with client(settings) as ingress:
            states = settled(ingress, {path: upload(ingress, path) for path in samples()})
    except httpx.HTTPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for path, state in states.items():
        sys.stdout.write(f"{state:10} {path.relative_to(SAMPLES)}\n")
    sys.stdout.write(f"{describe(settings)}\n")
    return 0 if set(states.values()) == {"processed"} else 1


def samples() -> list[Path]:
    """The sample files that are not broken on purpose."""
    return [path for path in sorted(SAMPLES.rglob("*.*")) if "broken" not in path.name]


def client(settings: Settings) -> httpx.Client:
    """A client that uploads as the first user of `BASIC_AUTH_USERS_JSON`."""
    users = json.loads(os.environ["BASIC_AUTH_USERS_JSON"])
    name, user = next(iter(users.items()))
    password = user if isinstance(user, str) else user["password"]
    url = os.environ.get("INGRESS_URL", f"http://127.0.0.1:{settings.port}")
    return httpx.Client(base_url=url, auth=(name, password), timeout=60, trust_env=False)


def upload(ingress: httpx.Client, path: Path) -> str:
    """Upload one file; the address of its state."""
    answer = ingress.post(
        f"/api/v1/{path.relative_to(SAMPLES).parent.as_posix()}",
        content=path.read_bytes(),
        headers={"Content-Type": CONTENT_TYPES[path.suffix]},
    )
    return str(answer.raise_for_status().json()["state_url"])


def settled(ingress: httpx.Client, addresses: dict[Path, str]) -> dict[Path, str]:
    """The state of every upload, as soon as none waits any more or the time is over."""
    deadline = time.monotonic() + WAIT_S
    states = dict.fromkeys(addresses, "accepted")
    while True:
        waiting = [path for path, found in states.items() if found == "accepted"]
        if not waiting or time.monotonic() > deadline:
            return states
        time.sleep(PAUSE_S)
        states |= {path: state(ingress, addresses[path]) for path in waiting}


def state(ingress: httpx.Client, address: str) -> str:
    """The state of one item."""
    return str(ingress.get(address).raise_for_status().json()["state"])


def describe(settings: Settings) -> str:
    """The node `weather` of the default store, as plain xarray shows it."""
    bucket, _, path = settings.s3_store_url.removeprefix("s3://").partition("/")
    config: obstore.store.S3Config = {"bucket": bucket, "region": settings.s3_region}
    if settings.s3_endpoint_url:
        config["endpoint"] = settings.s3_endpoint_url
    if settings.s3_access_key and settings.s3_secret_key:
        config["access_key_id"] = settings.s3_access_key.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_key.get_secret_value()
    store = obstore.store.S3Store(prefix=path, config=config, client_options={"allow_http": True})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(xr.open_zarr(zarr.storage.ObjectStore(store, read_only=True), group="weather"))


if __name__ == "__main__":
    sys.exit(main())
