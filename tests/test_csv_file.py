"""Tables as spreadsheets, scripts and hands write them."""

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
            "row 6: group is 'x', expected a number",
        ),
        ('file,note,group\neyes/a.png,"a\nb\nc",1\neyes/a.png,,x\n', "row 5: group is 'x'"),
        ("file,group\neyes/a.png\n", "row 2: 1 values for 2 columns"),
        ("file,group\neyes/a.png,1,7\n", "row 2: 3 values for 2 columns"),
        ("file;group\neyes/a.png;1,5\n", "group is '1,5', expected a number, such as 3.5"),
        ('file,group\neyes/a.png,1\n"eyes/a.png,2\n', "row 3: not readable as CSV"),
        ("file,group\neyes/../../a.png,1\n", "row 2: file .* is not below the folder of the table"),
        ("file,group\n..\\a.png,1\n", "row 2: file .* is not below the folder"),
        ("file,group\nC:\\eyes\\a.png,1\n", "C:/eyes/a.png: no such file"),
        ("file,group\n,1\n", "row 2: file '' is not below"),
        ("file,group\neyes,1\n", "eyes: not readable as an image"),
        ("file,group,group\n", "a column name is there twice"),
        ("file,größe\n".encode("latin-1"), "not readable as CSV in UTF-8 .*; save it so"),
        ("file,group\n".encode("utf-16"), "not readable as CSV in UTF-8"),
        (b"\0" * 99, "no column 'file'|not readable as CSV"),
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
