"""The page to try a refiner on, asked as a browser asks, in this process."""

import base64
import io
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from refiners import random_images, random_refine

from simgan_jax import demo
from simgan_jax.errors import UserError
from simgan_jax.io import image_files

pytest.importorskip("flask", reason="the extra simgan_jax[demo] is not installed")
from simgan_jax.serving import uploads
from simgan_jax.serving.app import MOST_BYTES, create_app, server


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


@pytest.fixture(scope="module")
def client(refiner):
    return create_app(refiner).test_client()


def file(name, content):
    return io.BytesIO(content), name


def encoded(array, form="PNG", **about):
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **about)
    return content.getvalue()


GREY = random_images(20, 30)


def post(client, path, *files, **more):
    return client.post(path, data={"file": list(files)} | more.pop("form", {}), **more)


def test_the_page_is_whole_and_allows_nothing_from_elsewhere(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in ("/static/demo.js", "/static/demo.css"):
        assert path in page.text
        assert client.get(path).status_code == 200
    assert "http" not in page.text


def test_a_preview_is_the_picture_before_and_after(client, refiner):
    answer = post(client, "/preview", file("a.png", encoded(GREY))).json
    images = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(answer[x].partition(",")[2]))))
        for x in ("before", "after")
    ]
    np.testing.assert_array_equal(images[0], GREY)
    np.testing.assert_array_equal(images[1], refiner(GREY[None, ..., None])[0, ..., 0])
    assert answer["note"] == ""


def test_a_preview_shows_the_middle_of_a_large_picture_of_any_depth(client, monkeypatch):
    monkeypatch.setattr(uploads, "SHOWN", 20)
    deep = random_images(24, 40, dtype=np.uint16)
    answer = post(client, "/preview", file("a.png", encoded(deep))).json
    shown = Image.open(io.BytesIO(base64.b64decode(answer["before"].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(shown), deep[2:22, 10:30] >> 8)
    assert answer["note"] == "40 x 24 pixels, of which the middle is shown"


def test_one_file_comes_back_refined_with_its_name_kind_and_texts(client, refiner, tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "left eye")
    answer = post(
        client,
        "/refined",
        file("eyes/left eye.png", encoded(GREY, pnginfo=texts)),
        form={"strength": "0.5"},
    )
    assert answer.headers["Content-Disposition"].endswith('filename="left eye.png"')
    (tmp_path / "a.png").write_bytes(answer.data)
    picture = image_files.read(tmp_path / "a.png")
    expected = refiner.at(0.5)(GREY[None, ..., None])
    np.testing.assert_array_equal(picture.pixels, expected)
    assert Image.open(tmp_path / "a.png").text == {"Title": "left eye"}


def test_a_folder_comes_back_as_an_archive_with_labels_as_they_were(client):
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:25] = 1
    sent = {
        "in/a.png": encoded(GREY),
        "in/deep/b.tif": encoded(random_images(20, 30, dtype=np.uint16), "TIFF"),
        "in/masks/a.png": encoded(mask),
        "in/labels.csv": b"a.png,1",
        "in/photo.heic": b"\0\0\0 ftypheic",
        "in/.DS_Store": b"hidden",
    }
    answer = post(client, "/refined", *(file(*pair) for pair in sent.items()))
    assert answer.headers["Content-Disposition"] == "attachment; filename=refined.zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        got = {name: archive.read(name) for name in archive.namelist()}
    assert got.keys() == {*sent, "left_out.txt"} - {"in/.DS_Store", "in/photo.heic"}
    for name in ("in/masks/a.png", "in/labels.csv"):
        assert got[name] == sent[name]
    assert got["left_out.txt"].startswith(b"in/photo.heic: HEIC is not read; convert")
    assert Image.open(io.BytesIO(got["in/deep/b.tif"])).mode == "I;16"


@pytest.mark.parametrize("path", ["/preview", "/refined"])
@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("a.png", b"no image", "a.png: not readable as an image"),
        ("a.gif", encoded(GREY, "GIF"), "a.gif: not readable as an image"),
        ("a.png", encoded(GREY)[:300], "a.png: not readable as an image"),
        ("../a.png", encoded(GREY), "'../a.png': no name of a file"),
        ("/etc/a.png", encoded(GREY), "'/etc/a.png': no name of a file"),
        (".a.png", encoded(GREY), "no file came"),
        (f"{'a' * 300}.png", encoded(GREY), "cannot be stored (File name too long)"),
    ],
)
def test_what_cannot_be_refined_is_one_line(client, path, name, content, reason):
    answer = post(client, path, file(name, content))
    assert answer.status_code == 400
    assert reason in answer.json["error"]
    assert "\n" not in answer.json["error"]
    assert "/tmp" not in answer.json["error"]


def test_mistakes_of_a_program_are_told_apart(client):
    twice = post(client, "/refined", file("a.png", encoded(GREY)), file("a.png", b"x"))
    assert twice.json["error"] == "a.png: twice"
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:25] = 255
    answer = post(client, "/refined", file("a.png", encoded(mask)))
    assert answer.json["error"] == "this looks like labels, which a refiner would spoil"
    for strength in ("much", "nan", "-1", "3"):
        answer = post(client, "/refined", file("a.png", encoded(GREY)), form={"strength": strength})
        assert "strength is" in answer.json["error"]
    assert client.post("/preview").status_code == 400
    assert client.get("/refined").status_code == 405
    assert client.get("/nothing").status_code == 404


def test_too_many_pixels_and_bytes_are_refused_before_they_are_read(client, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 700)
    for path in ("/preview", "/refined"):
        answer = post(client, path, *[file(x, encoded(GREY)) for x in ("a.png", "b.png")])
        assert path == "/preview" or "1,200 pixels, more than 700" in answer.json["error"]
    monkeypatch.setattr(uploads, "MOST_PIXELS", 599)
    answer = post(client, "/preview", file("a.png", encoded(GREY)))
    assert "600 pixels, more than 599" in answer.json["error"]
    size = {"CONTENT_LENGTH": str(MOST_BYTES + 1)}
    answer = post(client, "/preview", file("a.png", encoded(GREY)), environ_overrides=size)
    assert answer.status_code == 413
    assert "more than 256 MiB" in answer.json["error"]


@pytest.mark.parametrize("path", ["/", "/preview", "/static/demo.js"])
def test_pages_from_elsewhere_reach_nothing(client, path):
    ask = client.post if path == "/preview" else client.get
    assert ask(path, headers={"Host": "evil.example"}).status_code == 403
    assert ask(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert ask(path, headers={"Origin": "null"}).status_code == 403
    for host in ("127.0.0.1:8017", "localhost:8017", "[::1]:8017"):
        answer = ask(path, headers={"Host": host, "Origin": f"http://{host}"})
        assert answer.status_code == (400 if path == "/preview" else 200)


def test_an_address_on_purpose_is_answered_under_any_name(refiner):
    client = create_app(refiner, "0.0.0.0").test_client()
    assert client.get("/", headers={"Host": "lab.example"}).status_code == 200


def test_it_listens_on_this_machine_and_says_if_it_cannot(refiner):
    page = server(refiner, "127.0.0.1", 0)
    try:
        assert page.server_address[0] == "127.0.0.1"
        with pytest.raises(UserError, match=r"cannot listen at 127\.0\.0\.1:"):
            server(refiner, "127.0.0.1", page.port)
    finally:
        page.server_close()


def test_without_its_extra_the_command_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "flask", None)
    monkeypatch.delitem(sys.modules, "simgan_jax.serving.app")
    with pytest.raises(UserError, match=r"^demo needs flask: pip install 'simgan_jax\[demo\]'$"):
        demo.main([])
