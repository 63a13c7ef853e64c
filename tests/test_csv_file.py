"""Tables as spreadsheets, scripts and hands write them."""

import os

import numpy as np
import pytest
from PIL import Image

from simgan_jax.data import load
from simgan_jax.errors import UserError


@pytest.fixture
def table(tmp_path):
    """Reads the column `group` of a table of the given content, beside an image eyes/a.png."""
    (tmp_path / "eyes").mkdir()
    Image.fromarray(np.arange(32, dtype=np.uint8).reshape(4, 8) * 8).save(tmp_path / "eyes/a.png")
    path = tmp_path / "labels.csv"

    def groups(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load({"source": "table", "path": str(path)}).labels["group"].tolist()

    return groups


@pytest.mark.parametrize(
    "content",
    [
        "file,group\neyes/a.png,1\neyes/a.png,2\n",
        "file,group\r\neyes/a.png,1\r\neyes/a.png,2\r\n",
        "file,group\reyes/a.png,1\reyes/a.png,2",
        "\ufefffile,group\neyes/a.png,1\neyes/a.png,2\n",
        "\n\nfile,group\n\neyes/a.png,1\n,\n , \neyes/a.png,2\n,,,,\n\n",
        "file,group,,\neyes/a.png,1,,\neyes/a.png,2\n",
        "file,group\neyes/a.png,1,,,\neyes/a.png,2,\n",
        ",file,group\n0,eyes/a.png,1\n1,eyes/a.png,2\n",
        "file;group\neyes/a.png;1\neyes/a.png;2\n",
        "file\tgroup\neyes/a.png\t1\neyes/a.png\t2\n",
        " file , group \n eyes/a.png , 1 \neyes/a.png, 2\n",
        'file,note,group\neyes/a.png,"two\nlines, and a comma",1\neyes/a.png,"",2\n',
        "file,note,group\neyes/a.png,\u2028 \x85,1\neyes/a.png,ä,2\n",
        "file,group\neyes\\a.png,1\n.\\eyes\\a.png,2\n",
        "file,group\n./eyes/a.png,1\neyes/../eyes//a.png,2\n",
    ],
)
def test_the_same_table_however_it_is_written(table, content):
    assert table(content) == [1, 2]


def test_absolute_paths_below_the_table_are_read(table, tmp_path, monkeypatch):
    row = f"{tmp_path}/eyes/a.png,3\n"
    assert table(f"file,group\n{row}") == [3]
    monkeypatch.chdir(tmp_path)
    labels = load({"source": "table", "path": "labels.csv"}).labels
    assert labels["group"].tolist() == [3]


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "file,group\n\neyes/a.png,1\n\n\neyes/a.png,x\n",
            "row 6: group is 'x', expected a whole number",
        ),
        ('file,note,group\neyes/a.png,"a\nb\nc",1\neyes/a.png,,x\n', "row 5: group is 'x'"),
        ("file,group\neyes/a.png\n", "row 2: 1 values for 2 columns"),
        ("file,group\neyes/a.png,1,7\n", "row 2: 3 values for 2 columns"),
        ("file;group\neyes/a.png;1,5\n", "group is '1,5', expected a whole number"),
        ("file,group\neyes/a.png,1.5\n", "group is '1.5', expected a whole number"),
        (
            "file;head_pitch;head_yaw\neyes/a.png;0,5;0\n",
            "head_pitch is '0,5', expected a number, such as 3.5",
        ),
        ("file,head_pitch,head_yaw\neyes/a.png,1_0,0\n", "head_pitch is '1_0', expected a number"),
        ('file,group\neyes/a.png,1\n"eyes/a.png,2\n', "row 3: not readable as CSV"),
        ("file,group\neyes/../../a.png,1\n", "row 2: file .* is not below the folder of the table"),
        ("file,group\n..\\a.png,1\n", "row 2: file .* is not below the folder"),
        ("file,group\nC:\\eyes\\a.png,1\n", "row 2: file 'C:/eyes/a.png' is a path of Windows"),
        ("file,group\neyes/b.png,1\n", r"labels\.csv, row 2: .*eyes/b\.png: no such file"),
        ("file,group\n,1\n", "row 2: file '' is not below"),
        ("file,group\neyes,1\n", "row 2: .*eyes: a folder, where a file is expected"),
        ("file,group,group\n,,\n1,2,3\n", "a column name is there twice"),
        ("file,größe\n".encode("latin-1"), "not readable as CSV in UTF-8 .*; save it so"),
        ("file,group\n".encode("utf-16"), "not readable as CSV in UTF-8"),
        (b"\0" * 99, "no row below|not readable as CSV"),
        ("", "labels.csv: is empty; its first line names the columns"),
        ("\n\n", "labels.csv: is empty"),
        ("file,group\n\n", "labels.csv: no row below the names of the columns"),
    ],
)
def test_what_is_wrong_is_named_with_the_line_of_the_file(table, content, message):
    with pytest.raises(UserError, match=message) as caught:
        table(content)
    assert "\n" not in str(caught.value)


def test_a_link_that_leads_nowhere_is_named(table, tmp_path):
    (tmp_path / "eyes/b.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"eyes/b\.png: a link to .*gone\.png, which is not there"):
        table("file,group\neyes/b.png,1\n")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(UserError, match=r"labels\.csv: no file, but a pipe or a device"):
        load({"source": "table", "path": str(tmp_path / "labels.csv")})


@pytest.mark.parametrize("again, said", [(1, ""), (2, ", 1 of them with other labels")])
def test_an_image_that_is_named_again_is_told(table, tmp_path, capsys, again, said):
    assert table(f"file,group\neyes/a.png,1\n./eyes/a.png,{again}\n") == [1, again]
    assert capsys.readouterr().err == (
        f"simgan: warning: {tmp_path}/labels.csv: 1 of 2 rows name an image again{said}, which counts "
        f"again; first {tmp_path}/labels.csv, row 3\n"
    )
