"""Writes the secrets that docker-compose.yaml needs: ``python tools/compose_env.py [FILE]`` (default .env).

What the file says already stays; what is missing is generated. A secret that still has an example value is
refused. Only the standard library is used, so that any Python runs it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

EXAMPLE = re.compile(r"change-?me|example(key)?$|…", re.IGNORECASE)
PLACES = {"COMPOSE_PROFILES", "S3_ENDPOINT_URL", "S3_STORE_URL"}
BUNDLED_S3 = "http://s3:7480"


def main() -> int:
    """0 written or complete, 1 refused."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".env")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    present = read(text)
    wrong = refusals(present)
    for problem in wrong:
        sys.stderr.write(f"error: {path}: {problem}\n")
    if wrong:
        return 1
    added = {name: make() for name, make in generators(present).items() if not present.get(name)}
    write_private(path, complete(text, added))
    print(f"{path}: {', '.join(added) or 'nothing'} added; keep it secret, and keep it")
    return 0


def read(text: str) -> dict[str, str]:
    """The variables of an environment file."""
    found = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$", text, flags=re.MULTILINE)
    return {name: value.strip().strip("'\"") for name, value in found}


def refusals(present: dict[str, str]) -> list[str]:
    """What is wrong with the values that are there."""
    secret = [name for name in generators(present) if name not in PLACES]
    left = [name for name in secret if EXAMPLE.search(present.get(name, ""))]
    problems = [f"{name} still has an example value; delete the line to have one generated" for name in left]
    outside = present.get("S3_ENDPOINT_URL", BUNDLED_S3) != BUNDLED_S3
    if outside and not (present.get("S3_ACCESS_KEY") and present.get("S3_SECRET_KEY")):
        problems.append("S3_ENDPOINT_URL is an S3 of yours, so S3_ACCESS_KEY and S3_SECRET_KEY must be given")
    return problems


def generators(present: dict[str, str]) -> dict[str, Callable[[], str]]:
    """How each variable is made; an S3 of one's own switches the bundled one off."""
    outside = present.get("S3_ENDPOINT_URL", BUNDLED_S3) != BUNDLED_S3
    return {
        "COMPOSE_PROFILES": lambda: "outside-s3" if outside else "bundled-s3",
        "S3_ENDPOINT_URL": lambda: BUNDLED_S3,
        "S3_STORE_URL": lambda: "s3://measurements/store.zarr",
        "S3_ACCESS_KEY": lambda: secrets.token_hex(10),
        "S3_SECRET_KEY": lambda: secrets.token_hex(20),
        "BASIC_AUTH_USERS_JSON": users,
        "POSTGRES_PASSWORD": lambda: secrets.token_hex(20),
        "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(18),
        "AIRFLOW_INGRESS_PASSWORD": lambda: secrets.token_urlsafe(18),
        "AIRFLOW__CORE__FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__API__SECRET_KEY": lambda: secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": lambda: secrets.token_hex(48),
    }


def users() -> str:
    """One user who may do everything, in single quotes so that no `$` is taken for a variable."""
    admin = {"password": secrets.token_urlsafe(18), "roles": ["admin"]}
    return "'" + json.dumps({"admin": admin}) + "'"


def complete(text: str, added: dict[str, str]) -> str:
    """The text without the empty lines of what is added, and with what is added."""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in added]
    return "\n".join([*kept, *(f"{name}={value}" for name, value in added.items())]) + "\n"


def write_private(path: Path, text: str) -> None:
    """Replace the file by one that only its owner may read."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main())
