"""Resolves what an item's metadata names: its schema file, its node, and the store of its schema."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from packages.common.configuration import SCHEMA_SUFFIXES
from packages.common.models.metadata_model import ItemMetadata
from packages.common.models.treatment_model import OnBadRows
from packages.common.settings import Settings
from services.extractor_service.errors import SchemaUnavailableError
from services.extractor_service.places import store_options
from services.extractor_service.treatments import Treatments
from zarr_fuse.errors import ZarrFuseError
from zarr_fuse.options import resolve_options
from zarr_fuse.schema import deserialize

NO_SCHEMA = "the item names no schema; `ingress queue requeue --refresh` takes that of its endpoint"


@dataclass(frozen=True)
class Target:
    """Where an item goes."""

    store_url: str
    schema_file: str
    node: str
    on_bad_rows: OnBadRows


class Targets:
    """The targets of one sweep; configuration and schemas are read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._treatments = Treatments(settings)
        self._schema_files: dict[tuple[str | None, str | None], Path] = {}
        self._store_urls: dict[Path, str | SchemaUnavailableError] = {}

    def target(self, metadata: ItemMetadata) -> Target:
        """Where an item goes.

        Raises:
            SchemaUnavailableError: it names no schema, or one that is absent or wrong.
        """
        schema_file = self._schema_file(metadata)
        return Target(
            store_url=self._store_url(schema_file),
            schema_file=str(schema_file),
            node="/".join(part for part in (metadata.target_node, metadata.node_path) if part),
            on_bad_rows=self._treatments.on_bad_rows(metadata.endpoint_name),
        )

    def _schema_file(self, metadata: ItemMetadata) -> Path:
        named = (metadata.schema_name, metadata.schema_path)
        if named not in self._schema_files:
            self._schema_files[named] = self._find(*named)
        return self._schema_files[named]

    def _find(self, schema_name: str | None, schema_path: str | None) -> Path:
        if schema_name:
            return _with_suffix(self._settings.schema_folder / schema_name)
        if schema_path:
            return _with_suffix(self._settings.config_path.parent / schema_path)
        raise SchemaUnavailableError(NO_SCHEMA)

    def _store_url(self, schema_file: Path) -> str:
        if schema_file not in self._store_urls:
            self._store_urls[schema_file] = self._read_store_url(schema_file)
        found = self._store_urls[schema_file]
        if isinstance(found, SchemaUnavailableError):
            raise found
        return found

    def _read_store_url(self, schema_file: Path) -> str | SchemaUnavailableError:
        name = schema_file.name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # opening the store tells them
                schema = deserialize(schema_file)
                return resolve_options(store_options(self._settings), schema.ds.ATTRS).url
        except FileNotFoundError:
            return SchemaUnavailableError(f"the schema {name} does not exist")
        except OSError as error:
            return SchemaUnavailableError(f"the schema {name} cannot be read: {error.strerror}")
        except ZarrFuseError as error:
            reason = str(error).replace(
                f"{schema_file.parent}/", ""
            )  # clients see it: no paths of the server
            return SchemaUnavailableError(f"the schema {name} cannot be used: {reason}")


def _with_suffix(path: Path) -> Path:
    """The file a schema's name means: names without suffix are fine."""
    candidates = [path, *(path.with_name(path.name + suffix) for suffix in SCHEMA_SUFFIXES)]
    return next((found for found in candidates if found.is_file()), path)
