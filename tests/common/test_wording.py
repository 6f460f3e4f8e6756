from __future__ import annotations

import pytest

from packages.common.wording import counted, named


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("item",), "0 items"),
        (1, ("item",), "1 item"),
        (2, ("item",), "2 items"),
        (1, ("item waits", "items wait"), "1 item waits"),
        (3, ("item waits", "items wait"), "3 items wait"),
    ],
)
def test_one_is_singular(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


def test_of_many_names_the_first_are_shown_and_long_ones_cut() -> None:
    assert named(["time", "le'vel"]) == """'time', "le'vel\""""
    many = named([f"{number}" * 100 for number in range(20)])
    assert many.endswith(", …")
    assert many.count("', '") == 9
    assert len(many) < 700
