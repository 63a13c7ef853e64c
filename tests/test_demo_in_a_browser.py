"""The page to try a refiner on, as a person uses it."""

import threading

import numpy as np
import pytest
from PIL import Image
from refiners import random_images, random_refine

pytest.importorskip("flask", reason="the extra simgan_jax[demo] is not installed")
from simgan_jax.serving.app import server

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PIXELS = """id => [...document.getElementById(id).getContext("2d")
    .getImageData(0, 0, 30, 20).data].filter((_, i) => i % 4 == 0)"""


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


@pytest.fixture
def page(browser, refiner):
    """The page on a small telephone; fails on any error but that the server refused a call."""
    served = server(refiner, "127.0.0.1", 0)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    context = browser.new_context(viewport={"width": 375, "height": 700})
    page, messages = context.new_page(), []
    page.on("console", lambda x: x.type == "error" and messages.append(x.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(f"http://127.0.0.1:{served.port}/")
    yield page
    context.close()
    served.shutdown()
    thread.join()
    served.server_close()
    assert [x for x in messages if "status of 400" not in x] == []


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        Image.fromarray(random_images(20, 30, seed=number)).save(tmp_path / f"{number}.png")
    (tmp_path / "labels.csv").write_text("0.png,1\n")
    return tmp_path


def test_a_picture_is_seen_before_and_after_at_any_strength_and_comes_back(page, folder, refiner):
    page.locator("#files").set_input_files(folder / "0.png")
    page.locator("#result").wait_for()
    api.expect(page.locator("#after")).to_have_attribute("width", "30")
    image = random_images(20, 30, seed=0)
    for strength in (1.0, 0.5, 0.0, 1.5):
        page.get_by_label("Strength").fill(str(strength))
        assert page.evaluate(PIXELS, "before") == image.ravel().tolist()
        expected = refiner.at(strength)(image[None, ..., None]).ravel()
        np.testing.assert_allclose(page.evaluate(PIXELS, "after"), expected, atol=1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "0.png"
    got = np.asarray(Image.open(download.value.path()))
    np.testing.assert_array_equal(got, expected.reshape(20, 30))
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_a_folder_is_looked_through_and_comes_back_as_an_archive(page, folder):
    page.locator("#folder").set_input_files(folder)
    names = page.locator("#list button")
    names.nth(1).click()
    api.expect(page.get_by_role("status")).to_have_text("")
    api.expect(page.locator("#after")).to_have_attribute("width", "30")
    assert names.nth(1).get_attribute("aria-pressed") == "true"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all (3 files)").click()
    assert download.value.suggested_filename == "refined.zip"


def test_what_is_no_picture_is_said_on_the_page(page, folder):
    page.locator("#files").set_input_files(folder / "labels.csv")
    assert page.get_by_role("status").inner_text().startswith("There is no picture")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:200])
    page.locator("#files").set_input_files(folder / "cut.png")
    api.expect(page.get_by_role("status")).to_contain_text("cut.png: not readable as an image")
