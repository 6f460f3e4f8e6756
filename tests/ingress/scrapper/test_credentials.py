"""What a scraper shows to the site it asks."""

from __future__ import annotations

import base64

import pytest

from packages.common.errors import ConfigurationError
from services.ingress_service.scrapper.credentials import clear_text, credentials_of
from tests.ingress.scrapper_rig import Rig
from tests.ingress.scrapper_site import Site, running_site
from tests.ingress.scrapper_sun import configure


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("{username: u, password_env: PW}", "authorization", "Basic " + base64.b64encode(b"u:s3").decode()),
        (
            "{username_env: U, password_env: PW}",
            "authorization",
            "Basic " + base64.b64encode(b"v:s3").decode(),
        ),
        ("{bearer_env: PW}", "authorization", "Bearer s3"),
        ("{headers_env: {X-Api-Key: PW}}", "x-api-key", "s3"),
    ],
)
def test_credentials_come_from_the_environment(rig: Rig, site: Site, auth, header, value) -> None:
    rig.environment.update({"PW": "s3", "U": "v"})
    with running_site() as other:
        site.replies["/data.csv"] = (307, {"Location": f"{other.url}/data.csv"}, b"")
        configure(rig, site, more=f", auth: {auth}")
        assert rig.fire().counts == {"accepted": 1}
        assert site.requests[0][1][header] == value
        assert header not in other.requests[0][1]
    record = rig.queue.storage.get("scrappers/sun.json")
    assert b"s3" not in record


def test_an_absent_variable_is_named(rig: Rig, site: Site) -> None:
    configure(rig, site, more=", auth: {bearer_env: NOT_THERE}")
    job = rig.scheduler()._jobs["sun"]
    with pytest.raises(ConfigurationError, match="no NOT_THERE"):
        credentials_of(job.scrapper, {})
    (run,) = rig.fire().runs
    assert (run.kind, site.requests) == ("configuration", [])


def test_secrets_in_clear_text_are_warned_of(rig: Rig, site: Site) -> None:
    headers = (
        "headers: [{header_name: Authorization, header_value: x}, {header_name: Accept, header_value: y}]"
    )
    configure(rig, site, "/data.csv?apikey=1&q=2", f", {headers}")
    warnings = clear_text(rig.scheduler()._jobs["sun"].scrapper)
    assert [warning.split()[2] for warning in warnings] == ["Authorization", "apikey"]
