"""The settings of the services, from the environment and `.env`; nothing is read before `load_settings`."""

import difflib
import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from packages.common.errors import ConfigurationError
from packages.common.models.user_model import User, parse_users

GIB = 2**30
OTHERS = ("AIRFLOW_", "AWS_", "ZF_")  # what these begin are settings of others
NEAR = 0.84  # likeness of names from which on one is taken for the other misspelt


class Settings(BaseSettings):
    """Every setting, under its environment name in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    s3_access_key: SecretStr | None = Field(
        None, description="access key of the object storage; without it the AWS credential chain is used"
    )
    s3_secret_key: SecretStr | None = Field(None, description="secret key that belongs to S3_ACCESS_KEY")
    s3_endpoint_url: str | None = Field(None, description="address of an S3 that is not Amazon's")
    s3_region: str = Field("us-east-1", description="region of the bucket")
    s3_timeout_s: float = Field(
        15.0,
        gt=0,
        description="longest time, in seconds, that one request to the storage takes, retries included",
    )
    s3_store_url: str = Field(
        "",
        description="default store, `s3://bucket/path` or `file:///path`; empty: `.data/store.zarr`",
    )
    s3_queue_url: str = Field(
        "",
        description="place of the queue; empty: `queue` in the bucket of the store, or beside a local store",
    )
    config_path: Path = Field(
        Path("inputs/configuration.yaml"), description="file that names endpoints and scrapers"
    )
    schemas_dir: Path | None = Field(
        None, description="folder of the schemas; empty: `schemas` beside the configuration"
    )
    basic_auth_users_json: SecretStr | None = Field(
        None,
        description="users as JSON: each a password, an argon2id hash, or `{password, roles, endpoints}`",
    )
    auth_enabled: bool = Field(default=True, description="`false` makes every caller `anonymous`")
    host: str = Field("127.0.0.1", description="address the ingress listens on")
    port: int = Field(8000, ge=0, le=65535, description="port the ingress listens on; 0: any free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe level that is logged"
    )
    log_format: Literal["text", "json"] = Field("text", description="form of the log lines")
    max_upload_bytes: int = Field(GIB, gt=0, description="largest request body")
    max_decompressed_bytes: int = Field(
        4 * GIB, gt=0, description="largest body after its content encoding is undone"
    )
    max_uploads_in_flight: int = Field(
        64, gt=0, description="uploads handled at once; one user gets at most three quarters of them"
    )
    max_bytes_in_flight: int = Field(
        GIB // 4, gt=0, description="memory that the uploads handled at once may fill with their bytes"
    )
    spool_dir: Path | None = Field(
        None, description="local folder that keeps uploads while the storage is away; empty: they get 503"
    )
    spool_max_bytes: int = Field(4 * GIB, gt=0, description="payload bytes that SPOOL_DIR holds at most")
    queue_max_items: int | None = Field(
        None, gt=0, description="waiting items above which uploads get 503; empty: no limit"
    )
    max_attempts: int = Field(
        8, gt=0, description="how often transient trouble is retried before an item fails"
    )
    airflow_url: str | None = Field(
        None, description="address of the Airflow that runs the sweep; with a user it is woken by every item"
    )
    airflow_username: str | None = Field(
        None, description="Airflow user that may create asset events (role `op`); empty: by schedule only"
    )
    airflow_password: SecretStr | None = Field(None, description="password that belongs to AIRFLOW_USERNAME")
    retention_processed_days: float | None = Field(
        None, ge=0, description="age at which housekeeping removes processed items; empty: never"
    )
    retention_failed_days: float | None = Field(
        None, ge=0, description="age at which housekeeping removes failed items; empty: never"
    )
    sweep_max_bytes: int = Field(
        GIB, gt=0, description="payload bytes that one transaction of a sweep takes at most"
    )
    extractor_timeout_s: float = Field(
        60.0, gt=0, description="longest time, in seconds, that an extractor function takes for one payload"
    )
    extractor_memory_bytes: int = Field(
        2 * GIB, gt=0, description="memory that an extractor function may take for one payload"
    )
    scrape_timeout_s: float = Field(
        60.0, gt=0, description="longest time, in seconds, that one request of a scraper takes"
    )
    scrape_host_concurrency: int = Field(
        4, gt=0, description="requests that the scrapers of one process have in flight to one host"
    )
    scrape_host_per_second: float = Field(
        5.0, gt=0, description="requests a second that the scrapers of one process send to one host"
    )
    smtp_password: SecretStr | None = Field(
        None, description="password of the mail account in the configuration, for mail about failures"
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fill_defaults(self) -> Self:
        if not self.s3_store_url:
            self.s3_store_url = (Path.cwd() / ".data" / "store.zarr").as_uri()
        if not self.s3_queue_url:
            self.s3_queue_url = default_queue_url(self.s3_store_url)
        if self.schemas_dir is None:
            self.schemas_dir = self.config_path.parent / "schemas"
        return self

    @property
    def schema_folder(self) -> Path:
        """The folder of the schemas."""
        return self.schemas_dir or self.config_path.parent / "schemas"

    def users(self) -> dict[str, User]:
        """The users of `BASIC_AUTH_USERS_JSON`; `ConfigurationError` where it is malformed."""
        text = self.basic_auth_users_json
        return parse_users(text.get_secret_value()) if text is not None else {}


def default_queue_url(store_url: str) -> str:
    """Where the queue lies when nothing else is said: `queue` in the bucket, or beside a local store."""
    if store_url.startswith("s3://"):
        return f"s3://{urlsplit(store_url).netloc}/queue"
    if store_url.startswith("file://"):
        return f"{store_url.rstrip('/').rpartition('/')[0]}/queue"
    if "://" in store_url:
        return f"{store_url}/queue"
    return (Path(store_url).absolute().parent / "queue").as_uri()


def load_settings() -> Settings:
    """The settings in force; `ConfigurationError` names every setting with a wrong value, never its value."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(
            [f"{'.'.join(map(str, found['loc'])).upper()}: {found['msg']}" for found in error.errors()]
        ) from None


def nearly_settings() -> list[tuple[str, str]]:
    """Names in the environment and in `.env` that are written almost like a setting, and that setting."""
    known = [name.upper() for name in Settings.model_fields]
    written = {name.upper() for name in (*os.environ, *dotenv_values(".env", encoding="utf-8"))} - {*known}
    own = sorted(name for name in written if not name.startswith(OTHERS))
    near = ((name, difflib.get_close_matches(name, known, 1, NEAR)) for name in own)
    return [(name, found[0]) for name, found in near if found]


def describe_settings() -> list[tuple[str, str, str]]:
    """Every setting as (environment name, default, description), in order of declaration."""
    return [
        (name.upper(), "" if field.default is None else str(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
