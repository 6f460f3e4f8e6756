from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from packages.common.configuration import load_configuration
from packages.common.settings import describe_settings
from tests.docs.blocks import PAGES, blocks_of
from tests.rigs.project import ROOT
from zarr_fuse.schema import deserialize

LINK = re.compile(r"\]\((?!https?://)(?P<target>[^)#]*)(?:#(?P<heading>[^)]*))?\)")
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / link["target"]).resolve() if link["target"] else page
        assert target.exists(), link["target"]
        if link["heading"]:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.M)
            assert link["heading"] in [heading.lower().replace(" ", "-") for heading in headings]


@pages
def test_schemas_in_the_text_can_be_read(page: Path) -> None:
    for block in blocks_of(page, "schema"):
        assert deserialize(block.text).groups


@pages
def test_configurations_in_the_text_can_be_read(page: Path, tmp_path: Path) -> None:
    schemas = shutil.copytree(ROOT / "inputs" / "schemas", tmp_path / "schemas")
    shutil.copytree(ROOT / "inputs" / "locations", tmp_path / "locations")
    for block in blocks_of(page, "schema"):
        (schemas / str(block.name)).write_text(block.text, encoding="utf-8")
    for block in blocks_of(page, "configuration"):
        path = tmp_path / "configuration.yaml"
        path.write_text(block.text, encoding="utf-8")
        configuration = load_configuration(path)
        assert configuration.endpoints or configuration.active_scrappers


def test_the_readme_lists_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    expected = [
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |"
        for name, default, meaning in describe_settings()
    ]
    listed = re.findall(r"^\| `[A-Z][A-Z0-9_]+` \|.*\|$", readme, flags=re.M)
    assert listed == expected, "the table has to read:\n" + "\n".join(expected)


def test_every_decision_says_context_decision_and_what_was_rejected() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:3] for path in decisions]
    assert numbers == [f"{number:03}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Rejected")), path.name
