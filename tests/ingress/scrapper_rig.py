"""A queue, scrapers from a configuration file, and a clock, without a server around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from packages.common.configuration import load_configuration
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.scrapper.alerts import Alerts
from services.ingress_service.scrapper.dialects import read_job
from services.ingress_service.scrapper.jobs import ScrapeJob
from services.ingress_service.scrapper.limits import HostLimits
from services.ingress_service.scrapper.records import Records
from services.ingress_service.scrapper.retries import Limits
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from services.ingress_service.web.scraper_setup import check_of
from services.ingress_service.web.setup import build_inlets
from tests.rigs.waiting import PATIENCE_S

FRIDAY = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
SCHEMA = """\
sun:
  VARS: {value: {unit: m, coords: [time]}}
  COORDS: {time: {unit: {tick: s}}}
"""
LIMITS = Limits(timeout_s=PATIENCE_S, max_bytes=100_000, attempts=3, backoff_s=0.001)


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self, now: datetime = FRIDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Rig:
    """Scrapers of one configuration; `scheduler()` makes one more replica."""

    folder: Path
    settings: Settings
    clock: Clock = field(default_factory=Clock)
    environment: dict[str, str] = field(default_factory=dict)
    limits: Limits = LIMITS
    notifiers: list = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "schemas").mkdir(parents=True, exist_ok=True)
        (self.folder / "schemas" / "sun.yaml").write_text(SCHEMA)
        self.queue = Queue(ObjectStorage(self.settings.s3_queue_url, self.settings))

    def configure(self, text: str) -> None:
        (self.folder / "configuration.yaml").write_text(f"active_scrappers:\n{text}")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def scheduler(self) -> ScrapperScheduler:
        inlets = build_inlets(load_configuration(self.folder / "configuration.yaml").active_scrappers)
        records = Records(self.queue.storage)
        alerts = Alerts(self.notifiers, records, self.clock)
        hosts = HostLimits(8, 100_000.0)
        environment = self.environment
        job = ScrapeJob(self.queue, check_of(inlets), self.limits, hosts=hosts, environment=environment)
        jobs = [read_job(inlet.target) for inlet in inlets.values()]
        return ScrapperScheduler(jobs, job, records, alerts, self.clock)

    def fire(self, name: str = "sun", scheduler: ScrapperScheduler | None = None):
        return (scheduler or self.scheduler()).run_now(name)

    def items(self) -> list[tuple[ItemMetadata, bytes]]:
        found = self.queue.items(ItemState.ACCEPTED)
        return [(self.queue.metadata(item), self.queue.payload(item)) for item in found]


def rig_at(folder: Path, queue_url: str | None = None, **options: object) -> Rig:
    """A rig whose queue lies in a folder, or at an address."""
    make = partial(Settings, _env_file=None, s3_store_url=(folder / "store.zarr").as_uri())
    return Rig(folder / "inputs", make(s3_queue_url=queue_url or "", **options))
