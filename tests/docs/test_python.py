from __future__ import annotations

import pytest

from tests.docs.blocks import blocks_of
from tests.rigs.project import ROOT
from zarr_fuse import Node

PAGE = ROOT / "docs" / "reference" / "zarr_fuse.md"
MEMBERS = [name for name in vars(Node) if not name.startswith("_")]


def test_the_examples_of_the_package_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = blocks_of(PAGE, "python")
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block.text, str(PAGE), "exec"), names)


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_of_a_node_is_named(name):
    assert name in PAGE.read_text(encoding="utf-8")
