"""Entry point of the extractor image: writes the passwords of Airflow's users, then becomes the command.

The simple auth manager wants a file it may write, so it cannot be a mounted secret: it is made from
`AIRFLOW_ADMIN_PASSWORD` and `AIRFLOW_INGRESS_PASSWORD` at every start.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

VARIABLES = {"admin": "AIRFLOW_ADMIN_PASSWORD", "ingress": "AIRFLOW_INGRESS_PASSWORD"}


def main(command: list[str]) -> None:
    """Write the passwords and run the command in place of this process."""
    passwords = {user: os.environ[name] for user, name in VARIABLES.items() if os.environ.get(name)}
    if passwords:
        write_private(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]), passwords)
    os.execvp(command[0], command)  # noqa: S606 - the command is the container's own


def write_private(path: Path, passwords: dict[str, str]) -> None:
    """Write the file so that only this user may read it."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
