from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from packages.common.keys import ItemState
from tests.ingress.scrapper_rig import FRIDAY, Rig, rig_at
from tests.ingress.scrapper_site import Site
from tests.rigs.s3 import Bucket

FIRINGS = 100


def replicas_make_one_item_a_firing(rig: Rig, site: Site, replicas: int, race_every: int) -> None:
    """All replicas wake at every fire time: at each `race_every`-th together, else one after the other."""
    rig.configure(
        f"  - {{name: sun, cron: '* * * * *', url: '{site.url}/data.csv', schema_name: sun.yaml,"
        f" target_node: sun, allow_private_hosts: [127.0.0.1]}}\n"
    )
    schedulers = [rig.scheduler() for _ in range(replicas)]
    with ThreadPoolExecutor(replicas) as pool:
        list(pool.map(lambda one: one.wake("sun"), schedulers))
        for minute in range(1, FIRINGS + 1):
            rig.clock.now = FRIDAY + timedelta(minutes=minute)
            answer = f"time,value\n2026-11-20T08:00:00Z,{minute}\n".encode()
            site.replies["/data.csv"] = (200, {"Content-Type": "text/csv"}, answer)
            first = minute % replicas
            ordered = schedulers[first:] + schedulers[:first]
            list((pool.map if minute % race_every == 0 else map)(lambda one: one.wake("sun"), ordered))
    found = [item.item_id for item in rig.queue.items(ItemState.ACCEPTED)]
    assert len(found) == FIRINGS
    times = {item_id.partition("/")[2].partition("_")[0] for item_id in found}
    expected = {f"{FRIDAY + timedelta(minutes=minute):%Y%m%dT%H%M%S}" for minute in range(1, FIRINGS + 1)}
    assert times == expected
    assert schedulers[0].status()[0].missed == ()
    assert not list(rig.queue.storage.list("failed/"))
    assert len(site.requests) <= replicas * FIRINGS


@pytest.mark.parametrize("replicas", [2, 10])
def test_replicas_on_a_folder_make_one_item_a_firing(tmp_path: Path, site: Site, replicas: int) -> None:
    replicas_make_one_item_a_firing(rig_at(tmp_path), site, replicas, race_every=10)


@pytest.mark.parametrize("replicas", [2, 10])
def test_replicas_on_s3_make_one_item_a_firing(
    tmp_path: Path, site: Site, bucket: Bucket, replicas: int
) -> None:
    rig = rig_at(tmp_path, bucket.url("queue"), **bucket.access)
    replicas_make_one_item_a_firing(rig, site, replicas, race_every=1 if bucket.kind == "rgw" else 25)
