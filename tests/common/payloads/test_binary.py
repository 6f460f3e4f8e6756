from __future__ import annotations

import bz2
import struct
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common.errors import EmptyPayloadError, PayloadError, UnsupportedTypeError
from packages.common.payloads import binary
from packages.common.payloads.binary import Bounds, inspect, read_dataset, read_table, stored_encoding
from packages.common.payloads.binary_limits import RefusedError
from packages.common.payloads.binary_netcdf3 import Header
from tests.hypothesis_profiles import examples

from .binary_files import GRIB, HDF5, NETCDF, PARQUET, VALUES, grib, hdf5, netcdf3, netcdf4, parquet

HOURS = np.array(["2026-10-01T00", "2026-10-01T01", "2026-10-01T02"], "datetime64[ns]")
SMALL = Bounds(max_bytes=1 << 20, max_variables=20, memory_bytes=256 << 20, time_s=60)


def refused(data: bytes, content_type: str, bounds: Bounds = SMALL) -> str:
    with pytest.raises(PayloadError) as error:
        inspect(data, content_type, bounds)
    return str(error.value)


def test_parquet_is_read_as_it_is():
    frame = pl.DataFrame({"n": [1, 2], "t": ["x", None], "b": [True, None], "l": [[1], []]})
    assert read_table(parquet(frame), PARQUET).equals(frame)
    contents = inspect(parquet(frame), PARQUET)
    assert (contents.rows, contents.columns) == (2, ["n", "t", "b", "l"])
    assert contents.sample is not None
    assert contents.sample.equals(frame)


def test_sample_of_a_long_parquet_is_its_beginning(tmp_path: Path):
    frame = pl.DataFrame({"n": range(200_000)})
    path = tmp_path / "rows"
    path.write_bytes(parquet(frame))
    contents = inspect(path, PARQUET)
    assert contents.rows == 200_000
    assert contents.sample is not None
    assert contents.sample.equals(frame.head(1000))
    assert read_table(path, PARQUET).equals(frame)


@pytest.mark.parametrize(("make", "content_type"), [(netcdf4, NETCDF), (netcdf4, HDF5)])
def test_netcdf_is_read_with_its_times_and_texts(make, content_type):
    dataset = read_dataset(make(), content_type)
    assert dataset["temperature"].dims == ("time", "name")
    assert np.array_equal(dataset["temperature"], VALUES)
    assert np.array_equal(dataset["time"], HOURS)
    assert dataset["name"].values.tolist() == ["east", "west"]
    assert set(inspect(make(), content_type).dims or ()) == {"time", "name", "temperature"}


@pytest.mark.parametrize("version", [1, 2, 5])
def test_classic_netcdf_is_read_too(version):
    dataset = read_dataset(netcdf3(version), NETCDF)
    assert np.array_equal(dataset["temperature"], VALUES)
    assert np.array_equal(dataset["time"], HOURS)
    assert dataset["name"].values.tolist() == [10.0, 20.0]


def test_classic_netcdf_still_being_written_has_as_many_records_as_are_there():
    assert read_dataset(netcdf3(declared=0xFFFFFFFF), NETCDF).sizes["time"] == 3


def test_packed_values_are_unpacked(tmp_path: Path):
    def build(file):
        file["time"] = [0, 1]
        file["time"].make_scale()
        packed = file.create_dataset("v", data=np.array([1, -9], "i2"))
        packed.dims[0].attach_scale(file["time"])
        packed.attrs.update({"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": np.int16(-9)})

    values = read_dataset(hdf5(tmp_path / "f", build), HDF5)["v"].values
    assert values[0] == 10.5
    assert np.isnan(values[1])


@pytest.mark.parametrize("pack", [bytes, bz2.compress])
def test_grib_is_read_plain_and_packed(pack):
    dataset = read_dataset(pack(grib()), GRIB)
    assert dataset["t2m"].dims == ("time", "latitude", "longitude")
    assert dataset["t2m"].values[1, -1, -1] == pytest.approx(301, abs=0.1)


def test_grib_of_several_cubes_is_left_to_a_function():
    mixed = (
        grib(1) + grib(1, shortName="10u") + grib(1, shortName="t", typeOfLevel="isobaricInhPa", level=500)
    )
    assert "no single cube" in (inspect(mixed, GRIB).problem or "")
    with pytest.raises(PayloadError, match="no single cube"):
        read_dataset(mixed, GRIB)


def test_packed_grib_keeps_its_encoding():
    assert stored_encoding(GRIB, b"BZh9") == "bzip2"
    assert stored_encoding(GRIB, b"GRIB") is None
    assert stored_encoding(NETCDF, b"BZh9") is None


@pytest.mark.parametrize("content_type", [PARQUET, NETCDF, HDF5, GRIB])
def test_wrong_beginning_is_refused_without_a_process(content_type, monkeypatch):
    monkeypatch.setattr(binary, "run", lambda *_: pytest.fail("a process was started"))
    assert "does not begin like" in refused(b"time,name\n1,2\n", content_type)
    with pytest.raises(EmptyPayloadError):
        inspect(b"", content_type)


@pytest.mark.parametrize(
    ("make", "content_type"), [(parquet, PARQUET), (netcdf4, NETCDF), (netcdf3, NETCDF), (grib, GRIB)]
)
def test_truncated_files_are_refused(make, content_type):
    data = make()
    for length in (len(data) // 2 - 8, len(data) - 4):
        assert refused(data[:length], content_type)


def test_damaged_values_are_found():
    data = bytearray(netcdf4(compression="gzip", chunks=(3, 2), fletcher32=True))
    at = bytes(data).index(b"\x78\x5e") if b"\x78\x5e" in data else bytes(data).index(b"\x78")
    data[at + 4 : at + 12] = bytes(8)
    assert refused(bytes(data), NETCDF)


@pytest.mark.parametrize("kind", ["link", "nested", "storage", "virtual"])
def test_hdf5_that_reaches_for_other_files_is_refused(tmp_path: Path, kind: str):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["time"] = [1.0]

    def build(file):
        file["time"] = [1.0]
        if kind == "link":
            file["stolen"] = h5py.ExternalLink(str(secret), "/time")
        if kind == "nested":
            file.create_group("a/b")["stolen"] = h5py.ExternalLink(str(secret), "/time")
        if kind == "storage":
            file.create_dataset("stolen", (1,), "f8", external=[("/etc/passwd", 0, 8)])
        if kind == "virtual":
            layout = h5py.VirtualLayout((1,), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "time", (1,))
            file.create_virtual_dataset("stolen", layout)

    said = refused(hdf5(tmp_path / "f", build), HDF5)
    assert "another file" in said or "elsewhere" in said


def test_a_process_that_reads_hdf5_cannot_open_other_files(tmp_path: Path, monkeypatch):
    """Should the look at all objects ever miss one, the library still gets no file."""
    import subprocess
    import sys

    secret = tmp_path / "secret.h5"
    hdf5(secret, lambda file: file.create_dataset("time", data=[1.0]))
    hdf5(tmp_path / "f", lambda file: file.__setitem__("stolen", h5py.ExternalLink(str(secret), "/time")))
    program = (
        "import h5py, sys\n"
        "from packages.common.payloads.binary_limits import open_no_more_files\n"
        "file = h5py.File(sys.argv[1]); open_no_more_files(); print(file['stolen'][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "f")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "1.0" not in done.stdout


def test_links_in_a_circle_end(tmp_path: Path):
    def build(file):
        file["time"] = [1.0]
        file.create_group("a")["up"] = file["/"]

    assert refused(hdf5(tmp_path / "f", build), HDF5)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda file: file.create_dataset("v", (1 << 40,), "f8", chunks=(1024,)), "unpacks to more than"),
        (lambda file: file.create_dataset("v", data=np.zeros(1 << 20), compression=9), "unpacks to more"),
        (lambda file: [file.create_dataset(f"v{n}", data=[n]) for n in range(30)], "30 variables"),
        (
            lambda file: file.create_dataset("v", (4,), h5py.string_dtype()).__setitem__(
                slice(None), ["x" * (1 << 19)] * 4
            ),
            "unpacks to more",
        ),
    ],
)
def test_hdf5_that_unpacks_to_too_much_is_refused(tmp_path: Path, build, said):
    assert said in refused(hdf5(tmp_path / "f", build), HDF5)


def test_hdf5_filters_that_are_not_here_are_refused(tmp_path: Path):
    data = hdf5(tmp_path / "f", lambda file: file.create_dataset("v", data=[1.0], chunks=(1,), shuffle=True))
    message = data.index(struct.pack("<HHHH", 2, 8, 1, 1)) if struct.pack("<HHHH", 2, 8, 1, 1) in data else -1
    if message < 0:
        pytest.skip("this HDF5 library writes its filters in another form")
    damaged = data[:message] + struct.pack("<H", 32015) + data[message + 2 :]
    assert refused(damaged, HDF5)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pl.DataFrame({"n": np.zeros(1 << 20)}), "unpacks to more"),
        (pl.DataFrame({f"c{number}": [1] for number in range(30)}), "30 columns"),
        (pl.DataFrame({"t": ["x" * 100_000] * 100}), "unpacks to more"),
    ],
)
def test_parquet_that_unpacks_to_too_much_is_refused(frame, said):
    assert said in refused(parquet(frame, compression="zstd"), PARQUET)


def test_parquet_without_rows_is_empty():
    with pytest.raises(EmptyPayloadError):
        inspect(parquet(pl.DataFrame({"a": []}, schema={"a": pl.Int64})), PARQUET)


def test_grib_that_unpacks_to_too_much_is_refused():
    assert "unpacks to more" in refused(grib(1), GRIB, Bounds(max_bytes=2000))
    assert "unpacks to more" in refused(bz2.compress(b"GRIB" + bytes(4 << 20)), GRIB)


@pytest.mark.parametrize("records", [1 << 20, 0xFFFFFFF0])
def test_classic_netcdf_with_more_records_than_bytes_is_refused(records):
    assert "ends within" in refused(netcdf3(declared=records), NETCDF)


@given(st.integers(4, 300), st.binary(min_size=1, max_size=8), st.sampled_from([1, 2, 5]))
@settings(max_examples=examples(200))
def test_classic_netcdf_with_a_broken_header_is_refused_or_read(position, change, version):
    data = netcdf3(version)
    broken = (data[:position] + change + data[position + len(change) :])[: len(data)]
    with suppress(RefusedError):
        Header(broken, 20).read()


def test_a_reader_that_takes_too_long_or_dies_is_a_refusal(monkeypatch, tmp_path: Path):
    assert "longer than" in refused(grib(), GRIB, Bounds(time_s=0))
    assert refused(netcdf4(), NETCDF, Bounds(memory_bytes=-(64 << 20)))


def test_type_whose_libraries_are_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(binary.NEEDS, "grib", ("no_such_module",))
    with pytest.raises(UnsupportedTypeError, match=r"zarr-fuse-ingress\[formats\]"):
        inspect(b"GRIB", GRIB)
    binary.require_support(PARQUET)


def test_secrets_of_the_service_are_not_in_the_environment_of_the_reader(monkeypatch):
    from packages.common.payloads import binary_process

    monkeypatch.setenv("S3_SECRET_KEY", "hidden")
    assert "hidden" not in binary_process._environment().values()
