from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from packages.common.errors import StorageUnavailableError
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.scrapper.history import Firing, Run
from services.ingress_service.scrapper.records import Records
from services.ingress_service.scrapper.schedule import fire_times
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from tests.ingress.scrapper_rig import FRIDAY
from tests.ingress.scrapper_times import QUARTER, scraper
from tests.rigs.waiting import PATIENCE_S, wait_until


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self, now: datetime = FRIDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class FakeJob:
    """Takes the place of `ScrapeJob`: notes what was run."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, datetime]] = []
        self.done = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        self.stopped = False
        self.state = "accepted"
        self.during = lambda: None

    def run(self, job, fired_at, record=None, on_progress=None):
        self.ran.append((job.name, fired_at))
        self.done.set()
        self.hold.wait(PATIENCE_S)
        self.during()
        run = Run(scrapper=job.name, fired_at=fired_at, finished_at=fired_at, state=self.state, key="k")
        return Firing(fired_at=fired_at, finished_at=fired_at, runs=[run], complete=not self.stopped)

    def stop(self):
        self.stopped = True

    @property
    def times(self) -> list[datetime]:
        return [time for _, time in self.ran]


@pytest.fixture
def job():
    return FakeJob()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"memory://{uuid.uuid4().hex}"
    return Records(ObjectStorage(url, Settings(s3_queue_url=url)))


@pytest.fixture
def build(job, clock, records):
    started = []

    def build(*jobs):
        scheduler = ScrapperScheduler(jobs, job, records, clock=clock)
        started.append(scheduler)
        return scheduler

    yield build
    job.hold.set()
    for scheduler in started:
        scheduler.shutdown()


@pytest.fixture
def start(build):
    def start(*jobs):
        scheduler = build(*jobs)
        scheduler.start()
        return scheduler

    return start


def test_a_wake_up_runs_what_is_due_with_the_time_of_the_schedule(build, job, clock):
    scheduler = build(scraper())
    scheduler.wake("sun")
    assert job.ran == []
    clock.now = FRIDAY + QUARTER + timedelta(seconds=42)
    scheduler.wake("sun")
    scheduler.wake("sun")
    assert job.ran == [("sun", FRIDAY + QUARTER)]


def test_windows_missed_while_nothing_ran_are_seen_and_filled(build, job, clock):
    build(scraper()).wake("sun")
    clock.now = FRIDAY + timedelta(hours=1, minutes=1)
    later = build(scraper())
    later.wake("sun")
    (status,) = later.status()
    assert job.times == [FRIDAY + 4 * QUARTER]
    assert [one.fired_at for one in status.missed] == [FRIDAY + number * QUARTER for number in (1, 2, 3)]
    assert {one.reason for one in status.missed} == {"late"}
    windows = later.windows("sun")
    assert [firing.fired_at for firing in later.backfill("sun", windows[:2])] == windows[:2]
    assert [one.fired_at for one in later.status()[0].missed] == windows[2:]
    assert later.status()[0].firings[0].triggered_by == "backfill"


def test_windows_may_be_asked_for_by_time(build):
    scheduler = build(scraper())
    assert scheduler.windows("sun", FRIDAY - timedelta(hours=1), FRIDAY - QUARTER) == [
        FRIDAY - number * QUARTER for number in (4, 3, 2, 1)
    ]


def test_a_start_within_the_grace_time_catches_up(build, job, clock):
    build(scraper()).wake("sun")
    clock.now = FRIDAY + QUARTER + timedelta(minutes=4)
    build(scraper()).wake("sun")
    assert job.times == [FRIDAY + QUARTER]


def test_a_firing_that_a_stop_cut_short_is_taken_up_again(build, job, clock):
    scheduler = build(scraper())
    scheduler.wake("sun")
    clock.now = FRIDAY + QUARTER
    job.during = job.stop
    scheduler.wake("sun")
    job.stopped, job.during = False, lambda: None
    build(scraper()).wake("sun")
    assert job.times == [FRIDAY + QUARTER] * 2
    assert scheduler.status()[0].missed == ()


def test_what_becomes_due_during_a_firing_follows_at_once(build, job, clock):
    scheduler = build(scraper())
    scheduler.wake("sun")
    clock.now = FRIDAY + QUARTER

    def slow():
        clock.now, job.during = clock.now + QUARTER, lambda: None

    job.during = slow
    scheduler.wake("sun")
    assert job.times == [FRIDAY + QUARTER, FRIDAY + 2 * QUARTER]


def test_another_schedule_misses_nothing_of_its_past(build, clock):
    build(scraper()).wake("sun")
    clock.now = FRIDAY + timedelta(hours=5)
    scheduler = build(scraper(cron="* * * * *"))
    scheduler.wake("sun")
    assert scheduler.status()[0].missed == ()


def test_replicas_with_another_schedule_make_this_one_miss_nothing(build, job, clock, records):
    scheduler, older = build(scraper()), build(scraper(cron="*/20 * * * *"))
    scheduler.wake("sun")
    clock.now = FRIDAY + QUARTER
    older.wake("sun")
    scheduler.wake("sun")
    assert (FRIDAY + QUARTER) in job.times
    clock.now = FRIDAY + 2 * QUARTER
    older.wake("sun")
    scheduler.wake("sun")
    assert job.times.count(FRIDAY + QUARTER) == 1
    assert job.times.count(FRIDAY + 2 * QUARTER) == 1
    assert scheduler.status()[0].missed == ()


def test_clocks_that_are_put_back_repeat_no_fire_time():
    autumn = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    for cron in ("30 2 * * *", "*/15 * * * *", "0 * * * *", "30 2 25 * 0"):
        job = scraper(cron=cron, timezone="Europe/Prague")
        times = list(fire_times(job, autumn, autumn + timedelta(hours=8)))
        assert times == sorted(set(times))
        assert len(times) <= 8 * 4
        assert times


def test_a_storage_out_of_reach_holds_no_scraper_up(build, job, clock, records, monkeypatch):
    scheduler = build(scraper())
    scheduler.wake("sun")

    def refuse(*_args):
        raise StorageUnavailableError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(records._storage, "get", refuse)
        patched.setattr(records._storage, "put", refuse)
        for _ in range(2):
            clock.now += QUARTER
            scheduler.wake("sun")
    assert job.times == [FRIDAY + QUARTER, FRIDAY + 2 * QUARTER]
    clock.now += QUARTER
    scheduler.wake("sun")
    firings = Records(records._storage).read("sun").firings
    assert [one.fired_at for one in firings] == job.times


def test_status_before_any_run(start):
    (status,) = start(scraper()).status()
    assert (status.name, status.cron, status.url) == ("sun", "*/15 * * * *", "https://sun.example/x")
    assert (status.running, status.last_runs, status.missed) == (False, (), ())
    assert status.next_run_at == FRIDAY + QUARTER


def test_run_now_runs_and_is_remembered(start, job, clock):
    clock.now = FRIDAY + timedelta(microseconds=5)
    scheduler = start(scraper("sun"), scraper("moon"))
    done = scheduler.run_now("moon")
    assert job.ran == [("moon", FRIDAY)]
    last = {status.name: list(status.last_runs) for status in scheduler.status()}
    assert last == {"sun": [], "moon": done.runs}
    with pytest.raises(KeyError):
        scheduler.run_now("mars")


def test_a_running_scraper_says_so(start, job):
    scheduler = start(scraper())
    job.hold.clear()
    thread = threading.Thread(target=scheduler.run_now, args=("sun",))
    thread.start()
    assert job.done.wait(PATIENCE_S)
    assert scheduler.status()[0].running
    job.hold.set()
    thread.join()
    assert not scheduler.status()[0].running


def test_the_scheduler_wakes_scrapers_by_itself_and_slow_ones_delay_no_other(job, records):
    slow_then_fast = [scraper(f"slow{number}", cron="* * * * *") for number in range(4)]
    job.hold.clear()
    names = [one.name for one in slow_then_fast]
    for name in names:
        records.update(name, lambda record: record.model_copy(
            update={"schedule": "* * * * *", "settled_until": datetime.now(UTC) - timedelta(minutes=2)}
        ))  # fmt: skip
    scheduler = ScrapperScheduler(slow_then_fast, job, records)
    scheduler.start()
    wait_until(lambda: {name for name, _ in job.ran} == set(names), "all four")
    job.hold.set()
    scheduler.shutdown()


def test_alive_from_start_to_shutdown(job, records):
    scheduler = ScrapperScheduler([scraper()], job, records)
    assert not scheduler.alive
    scheduler.start()
    assert scheduler.alive
    scheduler.shutdown()
    scheduler.shutdown()
    assert not scheduler.alive
    assert job.stopped
    assert scheduler.status()[0].next_run_at is None


def test_shutdown_leaves_no_thread_behind(job, records):
    records.read("sun")
    before = set(threading.enumerate())
    scheduler = ScrapperScheduler([scraper()], job, records)
    scheduler.start()
    scheduler.run_now("sun")
    scheduler.shutdown()
    assert set(threading.enumerate()) <= before


def test_a_scheduler_without_scrapers_is_alive(start):
    scheduler = start()
    assert scheduler.alive
    assert scheduler.status() == []


def test_a_record_that_cannot_be_read_begins_anew(records):
    records._storage.put("scrappers/sun.json", b"{")
    assert records.read("sun").firings == []


def test_only_one_replica_wins_a_claim(records):
    other = Records(records._storage)
    assert [records.claim("sun", "a"), other.claim("sun", "a"), other.claim("sun", "b")] == [
        True,
        False,
        True,
    ]
