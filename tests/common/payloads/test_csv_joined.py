from __future__ import annotations

from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from packages.common.payloads.csv_joined import joinable_csv, read_joined
from packages.common.payloads.csv_payload import read_csv
from tests.hypothesis_profiles import examples

texts = st.lists(
    st.tuples(
        st.sampled_from(["a,b", "a,b\r", " a,b", "a", "a;b", "rejected_row"]),
        st.lists(st.text('1,; \r\n\té"\x0b', max_size=8), max_size=4),
        st.sampled_from(["", "\n", "\r\n", "\n\n", "\n "]),
    ).map(lambda parts: "\n".join([parts[0], *parts[1]]) + parts[2]),
    min_size=1,
    max_size=6,
)


@given(texts)
@profile(max_examples=examples(200), deadline=None)
@example(["a,b\n1,2\n", "a,b\n3,4"])
@example(["a,b\n1,2\r\r\n", "a,b\n\n\n3,4\n\n5,6"])
@example(["a\n1\n\n2", "a\n \n1"])
def test_joined_texts_give_the_frames_that_each_gives_alone(texts: list[str]) -> None:
    found = [joinable_csv(text.encode()) for text in texts]
    joined = [
        one
        for one in found
        if one is not None and one.header == texts[0].encode().partition(b"\n")[0] + b"\n"
    ]
    frames = read_joined(joined) if joined else None
    for one, frame in zip(joined, frames or (), strict=frames is not None):
        assert frame.equals(read_csv(one.text), null_equal=True)
        assert frame.schema == read_csv(one.text).schema


def test_many_small_texts_are_read_as_one() -> None:
    texts = [f"a,b\r\n{number},x\r\n{number},y\r\n".encode() for number in range(300)]
    frames = read_joined([joinable_csv(text) for text in texts])
    assert frames is not None
    assert [frame["a"].to_list() for frame in frames] == [[str(number)] * 2 for number in range(300)]


def test_texts_that_say_what_only_a_reader_knows_are_not_joined() -> None:
    for text in (
        'a,b\n"1",2\n',
        "a,b",
        "\na,b\n1,2\n",
        "\ufeffa,b\n1,2\n",
        "a,a\n1,2\n",
        "a,b\r1,2\n3,4\n",
        "a,b\n1\n",
    ):
        assert joinable_csv(text.encode()) is None


def test_texts_that_cannot_be_told_apart_again_are_left_to_be_read_alone() -> None:
    first = joinable_csv(b"a,b\n1,2\n")
    assert first is not None
    assert read_joined([first, type(first)(first.header, first.text, 7)]) is None
    assert read_joined([first, type(first)(first.header, b"a,b\n1,2,3\n", 1)]) is None
