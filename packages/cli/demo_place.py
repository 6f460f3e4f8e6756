"""Where a demo keeps its things: folder, ports, secrets, and the environment they make."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from packages.cli.demo_children import DemoError

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
INGRESS_USER = "demo"
AIRFLOW_ADMIN = "admin"
AIRFLOW_WAKER = "ingress"
LOCK_TIMEOUT_S = 20  # of Airflow's SQLite, which its parts write in turn: 5 s are too few on a busy machine
EXTRACTOR_FOLDER = PROJECT_FOLDER / "services" / "extractor_service"


@dataclass(frozen=True)
class DemoSecrets:
    """Passwords and keys of one demo folder, generated once."""

    ingress_password: str
    airflow_password: str
    waker_password: str
    fernet_key: str
    session_key: str
    token_key: str


@dataclass(frozen=True)
class DemoPlace:
    """One demo: its folder and its two ports on the loopback interface."""

    folder: Path
    ingress_port: int
    airflow_port: int
    secrets: DemoSecrets

    @property
    def ingress_url(self) -> str:
        """Address of the ingress."""
        return f"http://{HOST}:{self.ingress_port}"

    @property
    def airflow_url(self) -> str:
        """Address of the Airflow UI and its API."""
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def store_url(self) -> str:
        """Address of the merged datasets."""
        return (self.folder / "store.zarr").as_uri()

    def environment(self) -> dict[str, str]:
        """Environment of every process of the demo: the caller's, less what would lead elsewhere."""
        kept = {key: value for key, value in os.environ.items() if not _leads_elsewhere(key)}
        return kept | self._ingress_settings() | self._airflow_settings()

    def _ingress_settings(self) -> dict[str, str]:
        users = {INGRESS_USER: {"password": self.secrets.ingress_password, "roles": ["admin"]}}
        return {
            "CONFIG_PATH": str(PROJECT_FOLDER / "inputs" / "configuration.yaml"),
            "SCHEMAS_DIR": str(PROJECT_FOLDER / "inputs" / "schemas"),
            "S3_STORE_URL": self.store_url,
            "S3_QUEUE_URL": (self.folder / "queue").as_uri(),
            "BASIC_AUTH_USERS_JSON": json.dumps(users),
            "AUTH_ENABLED": "true",
            "HOST": HOST,
            "PORT": str(self.ingress_port),
            "AIRFLOW_URL": self.airflow_url,
            "AIRFLOW_USERNAME": AIRFLOW_WAKER,
            "AIRFLOW_PASSWORD": self.secrets.waker_password,
            "PYTHONPATH": os.pathsep.join([str(PROJECT_FOLDER), str(PROJECT_FOLDER / "packages")]),
            "PYTHONUNBUFFERED": "1",
        }

    def _airflow_settings(self) -> dict[str, str]:
        home = self.folder / "airflow"
        return {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__BASE_URL": self.airflow_url,
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.airflow_port),
            "AIRFLOW__API__SECRET_KEY": self.secrets.session_key,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secrets.token_key,
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXTRACTOR_FOLDER / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": self.secrets.fernet_key,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(EXTRACTOR_FOLDER / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{AIRFLOW_ADMIN}:admin,{AIRFLOW_WAKER}:op",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout={LOCK_TIMEOUT_S}",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        }


def open_place(folder: Path, ingress_port: int, airflow_port: int) -> DemoPlace:
    """Create or take up the folder of a demo; DemoError outside of a clone, or when a port is taken."""
    if not (PROJECT_FOLDER / "inputs").is_dir():
        raise DemoError("its sample data are in a clone of the project, not in what is installed from it")
    for port, owner, option in (
        (ingress_port, "the ingress", "--port"),
        (airflow_port, "Airflow", "--airflow-port"),
    ):
        _require_free(port, owner, option)
    folder.mkdir(parents=True, exist_ok=True)
    place = DemoPlace(folder.resolve(), ingress_port, airflow_port, _secrets(folder / "secrets.json"))
    passwords = {
        AIRFLOW_ADMIN: place.secrets.airflow_password,
        AIRFLOW_WAKER: place.secrets.waker_password,
    }
    _write_private(place.folder / "airflow" / "passwords.json", passwords)
    return place


def _require_free(port: int, owner: str, option: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            variable = option.removeprefix("--").replace("-", "_").upper()
            taken = f"port {port} on {HOST}, meant for {owner}, cannot be opened: {error.strerror}"
            raise DemoError(f"{taken}; choose another with {option} N (make demo {variable}=N)") from error


def _secrets(path: Path) -> DemoSecrets:
    """The secrets of this folder; what it does not hold yet is generated and kept."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    fresh = {
        "ingress_password": secrets.token_urlsafe(12),
        "airflow_password": secrets.token_urlsafe(12),
        "waker_password": secrets.token_urlsafe(12),
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "session_key": secrets.token_hex(32),
        "token_key": secrets.token_hex(48),
    }
    found = fresh | kept
    if found != kept:
        _write_private(path, found)
    return DemoSecrets(**found)


def _write_private(path: Path, document: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def _leads_elsewhere(variable: str) -> bool:
    return variable.startswith(("AIRFLOW", "S3_", "ZF_", "AWS_"))
