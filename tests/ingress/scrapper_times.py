"""A scraper of every quarter of an hour."""

from __future__ import annotations

from datetime import timedelta

from packages.common.models.configuration_model import Scrapper
from services.ingress_service.scrapper.dialects import read_job

QUARTER = timedelta(minutes=15)


def scraper(name="sun", cron="*/15 * * * *", **more):
    keys = {"cron": cron} if cron else {}
    url = {} if "request" in more else {"url": f"https://{name}.example/x?key=hidden"}
    return read_job(Scrapper(name=name, schema_name="s", **keys, **url, **more))
