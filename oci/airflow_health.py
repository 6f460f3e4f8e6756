"""Health of one Airflow component: `airflow_health.py [--lenient] [COMPONENT]`; exit code 0 is healthy.

Without a component, it is the one that this container runs. The scheduler answers for itself. The
dag-processor is judged by the heartbeat that the API server knows of, because `airflow jobs check` costs
seconds of CPU each time; with `--lenient`, an API server that does not answer says nothing against it.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 8
SCHEDULER_PORT = 8974
HEALTH = "/api/v2/monitor/health"  # the one path that the API server does not log
COMPONENTS = ("api-server", "scheduler", "dag-processor")


def main(arguments: list[str]) -> int:
    """0 healthy, 1 not."""
    lenient = "--lenient" in arguments
    named = [argument for argument in arguments if argument in COMPONENTS] or running_components()
    try:
        return 0 if all(is_healthy(component) for component in named) else 1
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 0 if lenient and "dag-processor" in named else 1


def running_components() -> list[str]:
    """The component that the first process of this container was started as."""
    command = Path("/proc/1/cmdline").read_text(encoding="utf-8").split("\0")
    return [component for component in COMPONENTS if component in command]


def is_healthy(component: str) -> bool:
    """Whether a component says so, or another one says it of it."""
    if component == "scheduler":
        return _get("127.0.0.1", SCHEDULER_PORT, "/health")[0] == http.client.OK
    api = urlsplit(os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"])
    host, port = (api.hostname or "127.0.0.1"), (api.port or 80)
    if component == "api-server":
        return _get("127.0.0.1", port, HEALTH)[0] == http.client.OK
    _, report = _get(host, port, HEALTH)
    return (report.get("dag_processor") or {}).get("status") == "healthy"


def _get(host: str, port: int, path: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
