import io

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simgan_jax.data.mat5 import read_mat
from simgan_jax.errors import UserError

KINDS = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
numeric = st.sampled_from(KINDS).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=2, max_dims=4, max_side=4))
)


def round_trip(folder, value, **keywords):
    path = folder / "x.mat"
    scipy.io.savemat(path, {"other": np.ones((3, 3)), "x": value}, **keywords)
    return read_mat(path, ["x"])["x"]


@given(value=numeric, packed=st.booleans())
def test_arrays_come_back_as_scipy_wrote_them(tmp_path_factory, value, packed):
    back = round_trip(tmp_path_factory.getbasetemp(), value, do_compression=packed)
    assert back.dtype == value.dtype
    np.testing.assert_array_equal(back, value)


def test_structs_cells_and_texts(tmp_path):
    cell = np.array([["ab", "cde"], ["ä", ""]], object)
    value = {"inner": {"numbers": np.arange(6.0).reshape(2, 3)}, "cell": cell, "text": "day01"}
    back = round_trip(tmp_path, value)
    np.testing.assert_array_equal(back["inner"]["numbers"], [[0, 1, 2], [3, 4, 5]])
    assert back["text"] == "day01"
    assert [x if isinstance(x, str) else "" for x in back["cell"]] == ["ab", "ä", "cde", ""]
    structs = np.array([(1.0, "a"), (2.0, "b")], dtype=[("n", "f8"), ("t", object)])
    back = round_trip(tmp_path, structs)
    assert [float(x["n"][0, 0]) for x in back] == [1, 2]
    assert [x["t"] for x in back] == ["a", "b"]


def test_rows_of_text_are_a_list(tmp_path):
    assert round_trip(tmp_path, np.array(["one", "two"])) == ["one", "two"]


def test_unpacking_is_bounded(tmp_path):
    bomb = tmp_path / "bomb.mat"
    scipy.io.savemat(bomb, {"x": np.zeros((2000, 2000))}, do_compression=True)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UserError, match="unpacks to more than is read"):
        read_mat(bomb, ["x"], max_bytes=1_000_000)
    with pytest.raises(UserError, match="larger than 1,000 bytes"):
        read_mat(bomb, ["x"], max_bytes=1000)


@pytest.mark.parametrize(
    "value,message",
    [
        (np.array([[1 + 2j]]), "x is complex"),
        (scipy.sparse.eye(3).tocsc(), "x is of class 5"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, value, message):
    with pytest.raises(UserError, match=message):
        round_trip(tmp_path, value)


def test_other_files_are_named(tmp_path):
    path = tmp_path / "x.mat"
    with pytest.raises(UserError, match=r"x\.mat: no such file"):
        read_mat(path, ["x"])
    path.write_bytes(b"\x89HDF\r\n" + bytes(200))
    with pytest.raises(UserError, match="not a MATLAB file of version 5 to 7"):
        read_mat(path, ["x"])
    file = io.BytesIO()
    scipy.io.savemat(file, {"y": 1.0})
    path.write_bytes(file.getvalue())
    with pytest.raises(UserError, match="no variable 'x'"):
        read_mat(path, ["x"])
    path.write_bytes(file.getvalue()[:-3])
    with pytest.raises(UserError, match="damaged MATLAB file, cut short"):
        read_mat(path, ["y"])
