"""What the configuration says now about the items of each endpoint and scraper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError

from packages.common.extractors.runner import Limits
from packages.common.models.treatment_model import OnBadRows, Treatment
from packages.common.settings import Settings
from packages.common.yaml_document import YamlDocument
from services.extractor_service.errors import TreatmentError


class Treatments:
    """The treatments in force, read once; a wrong one holds up the items of its own endpoint only."""

    def __init__(self, settings: Settings) -> None:
        self._defaults = Limits(settings.extractor_timeout_s, settings.extractor_memory_bytes)
        self._entries = dict(_entries(YamlDocument(settings.config_path).data))
        self._read: dict[str, Treatment] = {}

    def on_bad_rows(self, endpoint: str) -> OnBadRows:
        """What becomes of rows that cannot be used."""
        wanted = self._entries.get(endpoint, {}).get("on_bad_rows")
        known: tuple[OnBadRows, ...] = get_args(OnBadRows)
        return next((one for one in known if one == wanted), "report")

    def treatment(self, endpoint: str) -> Treatment:
        """How items become tables, or `TreatmentError` (transient) where the configuration is wrong."""
        if endpoint not in self._read:
            try:
                self._read[endpoint] = Treatment.model_validate(self._entries.get(endpoint, {}))
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                message = f"the configuration of {endpoint} is wrong: {place}: {first['msg']}"
                raise TreatmentError(message) from None
        return self._read[endpoint]

    def limits(self, endpoint: str) -> Limits:
        """What a call of its extractor function may take, or `TreatmentError`."""
        own = self.treatment(endpoint)
        return Limits(
            own.extractor_timeout_s or self._defaults.timeout_s,
            own.extractor_memory_bytes or self._defaults.memory_bytes,
        )


def _entries(configuration: Any) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - a YAML document
    sections = configuration if isinstance(configuration, dict) else {}
    for section in ("active_scrappers", "endpoints"):
        for entry in sections.get(section) or ():
            if isinstance(entry, dict):
                known = {key: entry.get(key) for key in Treatment.model_fields}
                yield str(entry.get("name")), {key: part for key, part in known.items() if part is not None}
