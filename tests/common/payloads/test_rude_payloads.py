from __future__ import annotations

import pytest

from packages.common.errors import PayloadError
from packages.common.payloads.csv_payload import read_csv
from packages.common.payloads.json_payload import read_json
from packages.common.validation import frame_from_json


@pytest.mark.timeout(20)
def test_one_repeated_key_among_very_many_is_found_quickly():
    keys = ", ".join(f'"k{number}": 1' for number in [*range(200_000), 199_999])
    with pytest.raises(PayloadError, match="k199999"):
        read_json(f"{{{keys}}}".encode())


@pytest.mark.timeout(20)
def test_header_of_very_many_equal_names_is_refused_quickly():
    with pytest.raises(PayloadError, match="columns; 10000 are allowed"):
        read_csv(b"," * (1 << 20) + b"\n1")


@pytest.mark.timeout(20)
def test_tables_of_very_many_columns_are_refused_quickly():
    names = [f"c{number}" for number in range(100_000)]
    with pytest.raises(PayloadError, match="100000 columns"):
        read_csv((",".join(names) + "\n" + "," * 99_999 + "\n").encode())
    with pytest.raises(PayloadError, match="100000 columns"):
        frame_from_json(dict.fromkeys(names, 1))
