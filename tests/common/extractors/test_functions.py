from __future__ import annotations

import sys
from pathlib import Path

import pytest

from packages.common.extractors.errors import (
    ExtractorMissingError,
    ExtractorRaisedError,
    ExtractorUnloadableError,
)
from packages.common.extractors.functions import Extractors, wants_bytes


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_dotted_name_leads_to_a_file_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "extract/hlavo_extract.py", "def normalize(payload, metadata):\n    return 7\n")
    assert Extractors(tmp_path).function("extract.hlavo_extract", "normalize")(b"", {}) == 7


def test_dotted_name_leads_to_a_package(tmp_path: Path) -> None:
    write(tmp_path, "extract/__init__.py", "from .inner import normalize\n")
    write(tmp_path, "extract/inner.py", "def normalize(payload, metadata):\n    return 8\n")
    assert Extractors(tmp_path).function("extract", "normalize")(b"", {}) == 8


def test_neighbours_are_found_by_absolute_name_while_extractor_runs(tmp_path: Path) -> None:
    write(tmp_path, "neighbour_of_extractor.py", "VALUE = 9\n")
    write(
        tmp_path,
        "late.py",
        "def normalize(payload, metadata):\n    import neighbour_of_extractor\n"
        "    return neighbour_of_extractor.VALUE\n",
    )
    extractors = Extractors(tmp_path)
    path_before, modules_before = list(sys.path), set(sys.modules)
    assert extractors.call("late.normalize", extractors.function("late", "normalize"), b"", {}) == 9
    assert sys.path == path_before
    left = {name for name in set(sys.modules) - modules_before if not name.startswith("_extractors_")}
    assert "neighbour_of_extractor" not in left


def test_two_folders_do_not_see_each_others_modules(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, "shared/values.py", f"NAME = {name!r}\n")
        write(
            tmp_path / name,
            "use.py",
            "from shared.values import NAME\ndef normalize(payload, metadata):\n    return NAME\n",
        )
    functions = [Extractors(tmp_path / name).function("use", "normalize") for name in ("one", "two")]
    assert [function(b"", {}) for function in functions] == ["one", "two"]


def test_module_named_like_one_of_the_standard_library_does_not_replace_it(tmp_path: Path) -> None:
    import json

    write(tmp_path, "json.py", "def normalize(payload, metadata):\n    return 'own'\n")
    assert Extractors(tmp_path).function("json", "normalize")(b"", {}) == "own"
    assert sys.modules["json"] is json


def test_edited_module_is_read_again_by_the_next_sweep(tmp_path: Path) -> None:
    write(tmp_path, "edited.py", "def normalize(payload, metadata):\n    return 1\n")
    assert Extractors(tmp_path).function("edited", "normalize")(b"", {}) == 1
    write(tmp_path, "edited.py", "def normalize(payload, metadata):\n    return 'longer'\n")
    assert Extractors(tmp_path).function("edited", "normalize")(b"", {}) == "longer"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("absent", "has no absent.py"),
        ("extract.absent", "has no extract/absent.py"),
        ("../outside", "not a dotted module name"),
        ("", "without fn_module"),
        ("present", "has no function normalize"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, module: str, reason: str) -> None:
    write(tmp_path, "present.py", "normalize = 5\n")
    with pytest.raises(ExtractorMissingError, match=reason):
        Extractors(tmp_path).function(module, "normalize")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import module_that_nobody_has\n", "ModuleNotFoundError.*bad.py line 1"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_module_that_fails_on_import_is_a_clear_error(tmp_path: Path, text: str, reason: str) -> None:
    write(tmp_path, "bad.py", text)
    with pytest.raises(ExtractorUnloadableError, match=f"module bad cannot be loaded: {reason}"):
        Extractors(tmp_path).function("bad", "normalize")


def test_exception_names_function_type_message_and_line_but_holds_no_traceback(tmp_path: Path) -> None:
    write(tmp_path, "crash.py", "def normalize(payload, metadata):\n    return metadata['place']\n")
    extractors = Extractors(tmp_path)
    with pytest.raises(ExtractorRaisedError) as caught:
        extractors.call("crash.normalize", extractors.function("crash", "normalize"), b"", {})
    assert str(caught.value) == "crash.normalize raised KeyError: 'place' (crash.py line 2)"


def test_signatures_are_told_apart_by_parameter_names() -> None:
    assert wants_bytes(lambda payload, metadata: None)
    assert wants_bytes(lambda data, metadata: None)
    assert not wants_bytes(lambda parsed_json, dataframe_row: None)
    assert not wants_bytes(lambda document, df_row: None)


@pytest.mark.parametrize(
    ("parameters", "fits"),
    [
        ("payload, metadata", True),
        ("payload, metadata, strict=False", True),
        ("parsed_json", True),
        ("*arguments", True),
        ("document, row, unit", False),
        ("", False),
        ("payload, metadata, *, unit", False),
    ],
)
def test_a_function_that_cannot_be_called_is_found_before_the_first_payload(
    tmp_path: Path, parameters: str, fits: bool
) -> None:
    write(tmp_path, "own.py", f"def normalize({parameters}):\n    return 7\n")
    found = Extractors(tmp_path)
    if fits:
        assert found.function("own", "normalize")
        return
    with pytest.raises(ExtractorMissingError, match=r"own.normalize does not take \(payload, metadata\): "):
        found.function("own", "normalize")
