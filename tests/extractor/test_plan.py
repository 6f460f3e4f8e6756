from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from packages.common.errors import ConfigurationError
from packages.common.keys import ItemState
from services.extractor_service import rounds as rounding
from services.extractor_service.items import Group, StorePlan
from services.extractor_service.plan import accepted, plan, waiting
from services.extractor_service.rounds import rounds
from services.extractor_service.targets import Targets
from tests.extractor.site import BEGIN, Site, csv, readings


def planned(site: Site, **options: object) -> dict[str, StorePlan]:
    return {one.store_url: one for one in plan(site.settings, **options)}


def groups(site: Site, store_url: str | None = None) -> list[Group]:
    """All that a sweep takes up."""
    queue = site.queue
    taken = rounds(queue, Targets(site.settings), accepted(queue, waiting(queue)), store_url)
    return [group for one in taken for group in one.groups]


def ids(found: Iterable[Group]) -> list[str]:
    return [item.item_id for group in found for item in group.items]


def reasons(site: Site) -> dict[str, tuple[str, str]]:
    """Kind and message of what is planned to fail, by item."""
    assert planned(site)[""].size
    items = [item for group in groups(site, "") for item in group.items]
    return {item.item_id: (item.error.kind, item.error.message) for item in items if item.error}


def test_items_are_grouped_by_store_schema_and_node_in_key_order(site: Site) -> None:
    nested = site.accept("weather", csv(0), node="deep")
    late_logger = site.accept("logger", {})
    weather = [site.accept("weather", csv(number)) for number in range(3)]
    strict = site.accept("strict", csv(9))
    river = site.accept("river", readings(0))
    default, other = (site.folder / name for name in ("store.zarr", "river.zarr"))
    found = {one.store_url: one for one in groups(site)}
    assert set(found) == {default.as_uri(), other.as_uri()}
    group = found[default.as_uri()]
    assert group.schema_file == str(site.folder / "inputs" / "schemas" / "weather.yaml")
    assert [(item.node, item.item_id) for item in group.items] == [
        ("logger", late_logger),
        *(("station", one) for one in [strict, *weather]),
        ("station/deep", nested),
    ]
    assert ids([found[other.as_uri()]]) == [river] == ids(groups(site, other.as_uri()))
    assert {item.item_id: item.on_bad_rows for item in group.items}[strict] == "fail"


def test_plan_names_stores_and_endpoints_but_no_items(site: Site) -> None:
    site.accept("weather", csv(0))
    site.accept("weather", csv(1), node="deep")
    site.accept("weather", csv(2), schema_name="vanished.yaml")
    site.accept("river", readings(0))
    default, other = ((site.folder / name).as_uri() for name in ("store.zarr", "river.zarr"))
    assert planned(site) == {
        "": StorePlan(store_url="", size=1, endpoints={"weather": 3}),
        default: StorePlan(store_url=default, size=2, endpoints={"weather": 3}),
        other: StorePlan(store_url=other, size=1, endpoints={"river": 1}),
    }


def test_rounds_hold_each_nodes_items_in_key_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 3)
    expected = sorted(site.accept(("weather", "strict")[number % 2], csv(number)) for number in range(8))
    waits = site.accept("weather", csv(8), retry_at=datetime.now(UTC) + timedelta(hours=1))
    queue = site.queue
    taken = list(rounds(queue, Targets(site.settings), accepted(queue, waiting(queue))))
    sizes = [sum(len(group.items) for group in one.groups) for one in taken]
    assert (sizes, [one.passed_over for one in taken]) == ([3, 3, 2], [0, 0, 1])
    assert ids(group for one in taken for group in one.groups) == expected
    assert waits not in expected


def test_endpoint_that_keeps_being_filled_keeps_no_other_waiting(site: Site) -> None:
    first, last = site.accept("forecast", {}), site.accept("weather", csv(0))
    sizes = waiting(site.queue)
    later = site.accept("forecast", {})
    assert sizes == {"forecast": 1, "weather": 1}
    assert [item.item_id for item in accepted(site.queue, sizes)] == [first, last]
    assert [item.item_id for item in accepted(site.queue, waiting(site.queue))] == [first, later, last]


def test_plan_survives_json(site: Site) -> None:
    site.accept("weather", csv(0))
    site.accept("river", readings(0), schema_name="vanished.yaml")
    plans = plan(site.settings)
    assert [StorePlan.model_validate(json.loads(one.model_dump_json())) for one in plans] == plans


def test_empty_queue_has_an_empty_plan(site: Site) -> None:
    assert plan(site.settings) == []


def test_only_the_endpoints_asked_for_are_planned(site: Site) -> None:
    weather, _ = site.accept("weather", csv(0)), site.accept("river", readings(0))
    plans = plan(site.settings, endpoints=["weather", "absent"])
    assert [(one.size, one.endpoints) for one in plans] == [(1, {"weather": 1})]
    assert [item.item_id for item in accepted(site.queue, plans[0].endpoints)] == [weather]


def test_item_waits_until_its_time(site: Site) -> None:
    site.accept("weather", csv(0), attempts=1, retry_at=BEGIN + timedelta(minutes=1))
    assert plan(site.settings, now=BEGIN) == []
    assert sum(one.size for one in plan(site.settings, now=BEGIN + timedelta(minutes=1))) == 1


def test_payload_without_metadata_is_foreign(site: Site) -> None:
    for name in ("weather/somebody", "nobody"):
        path = site.folder / "queue" / "accepted" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1,2")
    why = ("foreign", "the payload has no metadata: nobody accepted it")
    assert reasons(site) == {"nobody": why, "weather/somebody": why}


def test_metadata_that_cannot_be_read_is_a_reason(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    (site.folder / "queue" / "accepted" / f"{item_id}.csv.meta.json").write_text("{")
    assert reasons(site)[item_id][0] == "metadata"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("vanished.yaml", None, "the schema vanished.yaml does not exist"),
        ("broken.yaml", "a: [", "the schema broken.yaml cannot be used"),
        ("wrong.yaml", "station: {VARS: {x: {unitt: m}}}", "the schema wrong.yaml cannot be used"),
        ("folder.yaml", "", "the schema folder.yaml cannot be read"),
    ],
)
def test_schema_that_cannot_be_used_fails_its_items_only(
    site: Site, name: str, text: str | None, message: str
) -> None:
    if name == "folder.yaml":
        (site.folder / "inputs" / "schemas" / name).mkdir()
    elif text is not None:
        site.write(f"schemas/{name}", text)
    bad, good = site.accept("river", readings(0), schema_name=name), site.accept("river", readings(0))
    kind, reason = reasons(site)[bad]
    assert kind == "schema_unavailable"
    assert reason.startswith(message)
    assert str(site.folder) not in reason
    assert ids(groups(site, (site.folder / "river.zarr").as_uri())) == [good]


def test_schema_of_an_endpoint_may_vanish_without_holding_up_the_others(site: Site) -> None:
    bad, _ = site.accept("river", readings(0)), site.accept("weather", csv(0))
    (site.folder / "inputs" / "schemas" / "river.yaml").unlink()
    assert list(reasons(site)) == [bad]
    assert sum(one.size for one in planned(site).values()) == 2


def test_name_of_a_schema_may_lack_its_suffix_and_a_path_is_relative_to_the_configuration(site: Site) -> None:
    site.accept("weather", csv(0), schema_name="weather")
    site.accept("weather", csv(1), schema_name=None, schema_path="schemas/weather.yaml")
    (group,) = groups(site)
    assert len(group.items) == 2


def test_item_without_schema_is_a_reason(site: Site) -> None:
    item_id = site.accept("weather", csv(0), schema_name=None)
    kind, message = reasons(site)[item_id]
    assert (kind, message.partition(";")[0]) == ("schema_unavailable", "the item names no schema")
    assert "--refresh" in message


def test_absent_configuration_stops_the_sweep_and_moves_nothing(site: Site) -> None:
    site.accept("weather", csv(0))
    site.settings.config_path.unlink()
    with pytest.raises(ConfigurationError, match=r"configuration\.yaml"):
        plan(site.settings)


def test_interrupted_move_to_failed_is_planned_as_such(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    _leave_in_failed(site, item_id)
    (one,) = groups(site)
    assert one.items[0].left_as == ItemState.FAILED


def test_interrupted_requeue_is_merged(site: Site) -> None:
    item_id = site.accept("weather", csv(0), requeued=1)
    _leave_in_failed(site, item_id)
    (one,) = groups(site)
    assert (one.store_url != "", one.items[0].left_as) == (True, None)


def _leave_in_failed(site: Site, item_id: str) -> None:
    """Leave a copy that was never requeued, as a move does that is cut short."""
    (item,) = site.queue.items(ItemState.ACCEPTED)
    failed, metadata = item.in_state(ItemState.FAILED), site.metadata(item_id)
    site.queue.rewrite(failed, metadata.model_copy(update={"requeued": 0}))
    site.queue.storage.copy(item.payload_key, failed.payload_key)
