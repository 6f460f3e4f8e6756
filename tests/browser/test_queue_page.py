from __future__ import annotations

from contextlib import closing

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import log_in, open_queue_page
from tests.browser.site import BROKEN_SCHEMA, GUEST, GUEST_PASSWORD, SCHEMA, BrowserSite, airflow_client

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(400)]

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&"


def test_twenty_items_that_a_broken_schema_failed_are_brought_back_from_the_page(
    site: BrowserSite, page: Page
) -> None:
    site.schema.write_text(BROKEN_SCHEMA)
    sent = {site.upload(minute) for minute in range(20)}
    site.wait(lambda: site.ids("failed") == sent, "twenty failed items")
    frame = open_queue_page(page)
    rows = frame.locator("table.items tbody tr")
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("schema_unavailable")
    expect(rows.first).to_contain_text("unknown unit")
    expect(frame.get_by_role("button", name="20 × schema_unavailable")).to_be_visible()
    requeue = frame.get_by_role("button", name="Requeue chosen")
    expect(requeue).to_be_disabled()
    site.schema.write_text(SCHEMA)
    frame.get_by_label("Choose all on this page").check()
    expect(frame.get_by_text("20 chosen")).to_be_visible()
    requeue.click()
    expect(frame.get_by_role("status")).to_contain_text("20 items accepted again")
    expect(frame.get_by_text("Nothing failed.")).to_be_visible()
    site.wait(lambda: site.ids("processed") >= sent, "twenty processed items")
    assert site.levels() == [float(minute) for minute in range(20)]
    assert site.ids("failed") == set()


def test_a_run_that_is_cleared_changes_nothing_that_was_done(site: BrowserSite) -> None:
    item_id = site.upload(30)
    site.wait(lambda: item_id in site.ids("processed"), "the item")
    before = site.levels()
    run = site.queue.metadata(site.queue.find(item_id)).outcome.dag_run_id
    answer = site.airflow.post(
        "/api/v2/dags/ingress_processor/clearTaskInstances",
        json={
            "dag_run_id": run,
            "task_ids": ["merge"],
            "include_downstream": True,
            "only_failed": False,
            "dry_run": False,
        },
    )
    assert answer.is_success, answer.text

    def is_done() -> bool:
        found = {one["dag_run_id"]: one for one in site.runs("ingress_processor")}
        return found[run]["state"] == "success" and found[run]["note"] == "nothing to do"

    site.wait(is_done, "the cleared run")
    assert site.levels() == before
    assert item_id in site.ids("processed")
    assert site.ids("accepted") == set()


def test_some_are_chosen_by_their_kind_and_the_others_stay(site: BrowserSite, page: Page) -> None:
    odd, even = "odd/20261120T000001_000000000001", "odd/20261120T000002_000000000002"
    site.put_failed(odd, {"kind": "odd_kind", "message": "odd"})
    site.put_failed(even, {"kind": "even_kind", "message": "even"})
    frame = open_queue_page(page, "odd")
    frame.get_by_role("button", name="1 × odd_kind").click()
    frame.get_by_role("button", name="Requeue chosen").click()
    expect(frame.get_by_role("status")).to_contain_text("1 item accepted again")
    assert even in site.ids("failed", "odd")
    site.wait(lambda: site.runs("ingress_reprocess")[0]["state"] == "success", "the run")
    assert site.runs("ingress_reprocess")[0]["conf"]["item_ids"] == [odd]


def test_all_of_an_endpoint_are_requeued_only_after_a_second_click(site: BrowserSite, page: Page) -> None:
    ids = {f"many/20261120T{n // 3600:02d}{n // 60 % 60:02d}{n % 60:02d}_{n:012x}" for n in range(120)}
    for item_id in ids:
        site.put_failed(item_id, {"kind": "kind", "message": "m"})
    frame = open_queue_page(page, "many")
    rows = frame.locator("table.items tbody tr")
    expect(rows).to_have_count(100)
    expect(rows.first).to_contain_text(max(ids))
    frame.get_by_role("link", name="Older").click()
    expect(frame.get_by_text("page 2 of 2")).to_be_visible()
    expect(rows).to_have_count(20)
    expect(rows.last).to_contain_text(min(ids))
    before = len(site.runs("ingress_reprocess"))
    everything = frame.locator("#requeue-all")
    everything.click()
    expect(everything).to_contain_text("Sure? Requeue 120")
    assert len(site.runs("ingress_reprocess")) == before
    everything.click()
    expect(frame.get_by_role("status")).to_contain_text("120 items accepted again")


def test_what_came_from_outside_is_shown_as_text_and_never_run(site: BrowserSite, page: Page) -> None:
    error = {"kind": "bad<b>kind", "message": HOSTILE, "row": 1, "column": HOSTILE, "value": HOSTILE}
    site.put_failed("<i>endpoint/no<s>de/20261120T230000_000000000009", error)
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    frame = open_queue_page(page)
    row = frame.locator("table.items tbody tr", has_text="no<s>de")
    expect(row).to_contain_text(HOSTILE)
    expect(row).to_contain_text("bad<b>kind")
    expect(frame.get_by_role("link", name="<i>endpoint")).to_be_visible()
    assert row.locator("img, script, b, i, s").count() == 0
    frame.get_by_role("link", name="<i>endpoint").click()
    expect(frame.get_by_role("heading", name="Failed · <i>endpoint")).to_be_visible()
    page.goto(
        f"{site.place.airflow_url}/ingress-queue/?endpoint=%22%3E%3Cscript%3Edocument.title%3D'owned'%3C/script%3E"
    )
    page.get_by_role("heading", name="Ingress queue").wait_for()
    assert page.title() == "Ingress queue"
    assert said == []


def test_page_is_for_those_who_are_logged_in_and_names_what_may_frame_it(site: BrowserSite) -> None:
    address = f"{site.place.airflow_url}/ingress-queue/"
    assert httpx.get(address, timeout=120, trust_env=False).status_code == 401
    headers = site.airflow.get("/ingress-queue/").headers
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_a_guest_may_look_but_not_requeue(site: BrowserSite, context: BrowserContext) -> None:
    site.put_failed("guest/20261120T220000_00000000000a", {"kind": "kind", "message": "m"})
    frame = open_queue_page(log_in(context, site, GUEST, GUEST_PASSWORD))
    expect(frame.get_by_text("You may look, but not requeue.")).to_be_visible()
    assert frame.get_by_role("checkbox").count() == 0
    assert frame.get_by_role("button", name="Requeue").count() == 0
    with closing(airflow_client(site.place, GUEST, GUEST_PASSWORD)) as guest:
        answer = guest.post("/api/v2/dags/ingress_reprocess/dagRuns", json={"logical_date": None})
    assert answer.status_code == 403


def test_another_site_cannot_requeue_in_the_name_of_who_is_logged_in(site: BrowserSite, page: Page) -> None:
    before = len(site.runs("ingress_reprocess"))
    target = f"{site.place.airflow_url}/api/v2/dags/ingress_reprocess/dagRuns"
    forged = '{"logical_date": null, "x": "'
    elsewhere = page.context.new_page()
    elsewhere.route("http://elsewhere.test/", lambda route: route.fulfill(body="", content_type="text/html"))
    elsewhere.goto("http://elsewhere.test/")
    with elsewhere.expect_response(target) as answer:
        elsewhere.evaluate(
            """([target, forged]) => {
                const form = document.createElement("form");
                Object.assign(form, {method: "post", action: target, enctype: "text/plain"});
                const field = document.createElement("input");
                Object.assign(field, {name: forged, value: '"}'});
                form.append(field);
                document.body.append(form);
                form.submit();
            }""",
            [target, forged],
        )
    assert answer.value.status in {401, 403, 415, 422}
    assert len(site.runs("ingress_reprocess")) == before


def test_trouble_of_the_storage_and_of_the_configuration_is_said(site: BrowserSite, page: Page) -> None:
    configuration = site.place.folder / "inputs" / "configuration.yaml"
    text = configuration.read_text()
    try:
        configuration.write_text("endpoints: [")
        frame = open_queue_page(page)
        expect(frame.get_by_role("alert").first).to_contain_text("configuration")
        expect(frame.locator("table.overview")).to_be_visible()
    finally:
        configuration.write_text(text)
