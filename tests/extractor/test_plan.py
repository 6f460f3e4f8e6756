from __future__ import annotations

import json
from datetime import timedelta

import pytest

from packages.common.errors import ConfigurationError
from packages.common.keys import ItemState
from services.extractor_service.items import StorePlan
from services.extractor_service.plan import plan
from tests.extractor.site import BEGIN, Site, csv, readings


def planned(site: Site, **options: object) -> dict[str, StorePlan]:
    return {one.store_url: one for one in plan(site.settings, **options)}


def reasons(site: Site) -> dict[str, tuple[str, str]]:
    """Kind and message of what is planned to fail, by item."""
    storeless = planned(site)[""]
    items = [item for schema in storeless.schemas for item in schema.items]
    return {item.item_id: (item.error.kind, item.error.message) for item in items if item.error}


def test_items_are_grouped_by_store_schema_and_node_in_key_order(site: Site) -> None:
    nested = site.accept("weather", csv(0), node="deep")
    late_logger = site.accept("logger", {})
    weather = [site.accept("weather", csv(number)) for number in range(3)]
    strict = site.accept("strict", csv(9))
    river = site.accept("river", readings(0))
    plans = planned(site)
    default, other = (site.folder / name for name in ("store.zarr", "river.zarr"))
    assert set(plans) == {default.as_uri(), other.as_uri()}
    (schema,) = plans[default.as_uri()].schemas
    assert schema.schema_file == str(site.folder / "inputs" / "schemas" / "weather.yaml")
    assert [(item.node, item.item_id) for item in schema.items] == [
        ("logger", late_logger),
        *(("station", one) for one in [strict, *weather]),
        ("station/deep", nested),
    ]
    assert [item.item_id for item in plans[other.as_uri()].schemas[0].items] == [river]
    assert {item.item_id: item.on_bad_rows for item in schema.items}[strict] == "fail"


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
    assert [item.item_id for one in plans for schema in one.schemas for item in schema.items] == [weather]


def test_item_waits_until_its_time(site: Site) -> None:
    site.accept("weather", csv(0), attempts=1, retry_at=BEGIN + timedelta(minutes=1))
    assert plan(site.settings, now=BEGIN) == []
    assert sum(one.size for one in plan(site.settings, now=BEGIN + timedelta(minutes=1))) == 1


def test_payload_without_metadata_is_foreign(site: Site) -> None:
    path = site.folder / "queue" / "accepted" / "weather" / "somebody.csv"
    path.parent.mkdir(parents=True)
    path.write_text("1,2")
    assert reasons(site) == {
        "weather/somebody": ("foreign", "the payload has no metadata: nobody accepted it")
    }


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
    assert [
        item.item_id for item in planned(site)[(site.folder / "river.zarr").as_uri()].schemas[0].items
    ] == [good]


def test_schema_of_an_endpoint_may_vanish_without_holding_up_the_others(site: Site) -> None:
    bad, _ = site.accept("river", readings(0)), site.accept("weather", csv(0))
    (site.folder / "inputs" / "schemas" / "river.yaml").unlink()
    assert list(reasons(site)) == [bad]
    assert sum(one.size for one in planned(site).values()) == 2


def test_name_of_a_schema_may_lack_its_suffix_and_a_path_is_relative_to_the_configuration(site: Site) -> None:
    site.accept("weather", csv(0), schema_name="weather")
    site.accept("weather", csv(1), schema_name=None, schema_path="schemas/weather.yaml")
    (one,) = plan(site.settings)
    (schema,) = one.schemas
    assert len(schema.items) == 2


def test_item_without_schema_is_a_reason(site: Site) -> None:
    item_id = site.accept("weather", csv(0), schema_name=None)
    assert reasons(site)[item_id] == ("schema_unavailable", "the item names no schema")


def test_absent_configuration_stops_the_sweep_and_moves_nothing(site: Site) -> None:
    site.accept("weather", csv(0))
    site.settings.config_path.unlink()
    with pytest.raises(ConfigurationError, match=r"configuration\.yaml"):
        plan(site.settings)


def test_interrupted_move_to_failed_is_planned_as_such(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    _leave_in_failed(site, item_id)
    (one,) = plan(site.settings)
    assert (one.store_url, one.schemas[0].items[0].left_as) == ("", ItemState.FAILED)


def test_interrupted_requeue_is_merged(site: Site) -> None:
    item_id = site.accept("weather", csv(0), requeued=1)
    _leave_in_failed(site, item_id)
    (one,) = plan(site.settings)
    assert (one.store_url != "", one.schemas[0].items[0].left_as) == (True, None)


def _leave_in_failed(site: Site, item_id: str) -> None:
    """Leave a copy that was never requeued, as a move does that is cut short."""
    (item,) = site.queue.items(ItemState.ACCEPTED)
    failed, metadata = item.in_state(ItemState.FAILED), site.metadata(item_id)
    site.queue.rewrite(failed, metadata.model_copy(update={"requeued": 0}))
    site.queue.storage.copy(item.payload_key, failed.payload_key)
