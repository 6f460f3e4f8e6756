"""The scraper `sun`, configured in a line."""

from __future__ import annotations

from tests.ingress.scrapper_rig import Rig
from tests.ingress.scrapper_site import Site

CSV_TYPE = {"Content-Type": "text/csv"}
TARGET = "cron: '0 * * * *', schema_name: sun.yaml, target_node: sun, allow_private_hosts: [127.0.0.1]"


def configure(rig: Rig, site: Site, path: str = "/data.csv", more: str = "") -> None:
    rig.configure(f"  - {{name: sun, {TARGET}, url: '{site.url}{path}'{more}}}\n")


def configure_rows(rig: Rig, site: Site, paths: list[str], more: str = "") -> None:
    """A scraper with one request for each path."""
    rig.write("frames/paths.csv", "path\n" + "".join(f"{path}\n" for path in paths))
    rows = "{name: row, source: dataframe, dataframe_path: frames/paths.csv, outputs: {path: path}}"
    request = f"{{url: '{site.url}/{{path}}'}}"
    rig.configure(f"  - {{name: sun, {TARGET}, request: {request}, iterate: [{rows}]{more}}}\n")
