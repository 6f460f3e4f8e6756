"""A bucket that tests may fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY


@dataclass(frozen=True)
class Bucket:
    """An empty bucket; `kind` is the S3 behind it, `moto` or `rgw`."""

    kind: str
    name: str
    endpoint: str

    def url(self, path: str) -> str:
        return f"s3://{self.name}/{path}"

    def options(self, path: str = "river.zarr", **more: Any) -> dict[str, Any]:
        """The options of `open_store` for a store in this bucket."""
        keys = {"S3_ACCESS_KEY": ACCESS_KEY, "S3_SECRET_KEY": SECRET_KEY}
        return {"STORE_URL": self.url(path), "S3_ENDPOINT_URL": self.endpoint, **keys, **more}
