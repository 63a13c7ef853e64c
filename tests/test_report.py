import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from configs import gaze
from simgan_jax import data
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.reporting import run_folder
from simgan_jax.reporting.examples import (
    BUDGET,
    Samples,
    data_uri,
    draw_labels,
    heat_uri,
    show_examples,
    ungrid,
)
from simgan_jax.reporting.page import describe, render, write_report
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints

CHROMIUM = Path("/usr/bin/chromium")
LARGEST = 3_000_000


def config():
    c = gaze.get_config("tiny")
    c.refiner.features, c.history.size = 4, 8
    return c


def row(step, phase, **metrics):
    names = ("refiner/change", "refiner/adversarial", "discriminator/loss", "images_per_second")
    figures = dict.fromkeys(names, 0.5) | {"discriminator/gradient_norm": 1.0}
    return {"step": step, "phase": phase} | figures | metrics


CURVE = {"thresholds": [0.0, 7.0, 14.0], "curve": [0.0, 0.5, 1.0], "threshold": 7.0}
EVALUATION = {
    "estimators": {
        "refined": {
            "error": 6.0,
            "std": 0.1,
            "within": 0.625,
            "per_seed": [5.9, 6.0, 6.1],
            "interval": [5.0, 7.0],
            "participants": {"3": 5.0, "14": 7.25},
        },
        "mean_predictor": {"error": 9.0} | CURVE,
        "synthetic": {"error": 8.0, "std": 0.1, "within": 0.5, "per_seed": [7.9, 8.0, 8.1]} | CURVE,
    },
    "notes": ["The crops are <centred> on the true joints."],
    "gap_closed": 0.4,
    "label_shift": {"mean": 0.3, "std": 0.2},
    "realism": {"kid": 0.05, "discriminator_accuracy": {"synthetic": 0.95, "refined": 0.75}},
    "seeds": 3,
}


def write(workdir, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (workdir / name).write_text(text)


def write_samples(workdir, step, pictures):
    (workdir / "samples").mkdir(exist_ok=True)
    image_files.write_image(workdir / "samples" / f"{step:06d}.png", image_files.grid(pictures))


@pytest.fixture
def bare(tmp_path):
    """A run that has only just begun."""
    write(tmp_path, "config.json", config().to_dict())
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with everything; its synthetic images are the simulator's, so labels can be drawn."""
    workdir, c = tmp_path_factory.mktemp("finished"), config()
    write(workdir, "config.json", c.to_dict())
    write(workdir, "environment.json", {"command": ["main.py", "--config=<b>x</b>"], "seed": 0})
    steps = {5: "refiner", 10: "refiner", 15: "discriminator", 25: "adversarial"}
    rows = [row(step, phase) for step, phase in steps.items()] + [row(35, "adversarial")]
    write(workdir, "metrics.jsonl", "".join(json.dumps(x) + "\n" for x in rows))
    write(workdir, "evaluation.json", EVALUATION)
    synthetic = first_images(c)
    rng = np.random.default_rng(0)
    for step in (10, 35):
        other = rng.integers(0, 256, (8, 2, *synthetic.shape[1:]), dtype=np.uint8)
        write_samples(workdir, step, np.concatenate([synthetic[:, None], other], axis=1))
    setup = devices.distribute(make_setup(c), devices=1)
    state = create_train_state(jax.random.key(0), setup)
    Checkpoints(workdir).save(devices.place(state, setup), setup)
    write_report(workdir)
    return workdir


def first_images(c):
    return data.load(c.data.synthetic.to_dict() | {"count": 8}).images


class Page(HTMLParser):
    """Checks nesting, and collects tags with their attributes."""

    VOID = ("wbr", "meta", "link", "img", "input", "path", "circle", "ellipse", "line", "polygon")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read_page(workdir):
    return (workdir / "report.html").read_text()


def test_a_finished_run_has_every_section(finished):
    text = read_page(finished)
    assert 'class="missing"' not in text
    assert "Yes: 25% less error." in text
    assert "6.00 ± 0.10°" in text
    assert "62.5%" in text
    assert "Draw the simulator" in text
    assert len(text) < LARGEST


def test_the_estimators_come_with_their_curve_their_people_and_what_is_special(finished):
    text = read_page(finished)
    page = Page(text)
    titles = [svg["aria-label"] for svg in page.all("svg") if "aria-label" in svg]
    said = "Cumulative error; share of images within 7°: synthetic 50%"
    assert said in titles
    rows = [text.index(f"</svg>{x}</th>") for x in ("mean predictor", "synthetic", "refined")]
    assert rows == sorted(rows)
    assert "95% interval over people" in text
    assert '<th scope="row">14</th><td>7.25</td>' in text
    assert text.count("The crops are &lt;centred&gt; on the true joints.") == 2


def test_a_page_is_well_formed_and_loads_nothing(finished):
    page = Page(read_page(finished))
    links = [a.get("src") or a.get("href") for _, a in page.tags if "src" in a or "href" in a]
    assert {link.split(":")[0] for link in links if not link.startswith("#")} == {"data"}
    assert "url(" not in read_page(finished)
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= {attributes.get("id") for _, attributes in page.tags}


def test_everything_has_a_name_for_screen_readers(finished):
    page = Page(read_page(finished))
    thumbnails = len([b for b in page.all("button") if b["aria-label"]])
    assert len([i for i in page.all("img") if i["alt"] == ""]) == thumbnails == 8
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.all("svg"))
    assert page.all("html")[0]["lang"] == "en"


def test_text_from_files_is_escaped(finished):
    assert "<b>x</b>" not in read_page(finished)
    assert "&lt;b&gt;x&lt;/b&gt;" in read_page(finished)


def test_the_model_card_has_data_figures_and_limits(finished):
    card = (finished / "MODEL_CARD.md").read_text()
    for text in (
        "35 x 55 x 1",
        "procedural_eyes",
        "| refined | 6.00 ± 0.10° | 62.5% |",
        "The crops are <centred> on the true joints.",
        "## Limits",
    ):
        assert text in card


def test_the_model_card_promises_nothing_that_was_not_found(bare):
    evaluation = EVALUATION | {"label_shift": {"mean": 0.1, "followed": 0.2}}
    write(bare, "evaluation.json", evaluation)
    write_report(bare)
    card = (bare / "MODEL_CARD.md").read_text()
    assert "keeps their labels" not in card
    assert "**No: 80% of the images lost what the label describes.**" in card


def test_a_run_that_has_just_begun_says_what_is_missing(bare):
    page = read_page(write_report(bare).parent)
    assert "step 0 of 35" in page
    for text in ("No samples yet", "No curves yet", "No heat maps", "Not measured yet"):
        assert text in page


def test_a_resumed_run_shows_the_commands_of_all_its_parts(bare):
    parts = [{"command": ["main.py", "--workdir=x", f"--config.seed={i}"]} for i in (1, 2, 2)]
    write(bare, "environment.json", parts[0] | {"resumed": parts[1:], "device": "1 x cpu"})
    text = read_page(write_report(bare).parent)
    first, second = (text.rindex(f"simgan_jax.main --workdir=x --config.seed={i}") for i in (1, 2))
    assert first < text.index("Resumed by") < second
    assert text.count("<code>python -m simgan_jax.main --workdir=x --config.seed=2</code>") == 1
    assert '<th scope="row">resumed.<wbr>1.<wbr>command</th>' in text


def test_a_run_without_labels_asks_for_no_evaluation(bare):
    write(bare, "config.json", config().to_dict() | {"task": "none"})
    page = read_page(write_report(bare).parent)
    assert "This run has no labels" in page
    assert "simgan_jax.evaluate" not in page


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff", '{"data": NaN'])
def test_a_damaged_configuration_is_one_clear_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"config.json.*damaged"):
        write_report(tmp_path)


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"config.json: no such file; --workdir"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["environment.json", "evaluation.json", "metrics.jsonl"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a": [1]}\n7\n'])
def test_damaged_files_never_stop_the_report(bare, name, content):
    (bare / name).write_bytes(content)
    assert "simgan_jax report" in read_page(write_report(bare).parent)


def test_damaged_samples_are_named_and_the_others_shown(bare):
    write_samples(bare, 10, np.zeros((2, 3, 35, 55, 1), np.uint8))
    (bare / "samples" / "000020.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    page = read_page(write_report(bare).parent)
    assert "000020.png" in page
    assert "Example 2, refined at step 10" in page


def test_samples_of_another_size_are_shown_whole(bare):
    write_samples(bare, 10, np.zeros((2, 3, 20, 31, 1), np.uint8))
    assert "Samples at step 10" in read_page(write_report(bare).parent)


def test_a_damaged_checkpoint_leaves_the_report_without_heat_maps(bare):
    write_samples(bare, 10, np.zeros((2, 3, 35, 55, 1), np.uint8))
    (bare / "checkpoints" / "10").mkdir(parents=True)
    assert "No heat maps" in read_page(write_report(bare).parent)


@pytest.mark.parametrize("damaged", [False, True])
def test_the_report_changes_nothing_of_a_run_but_its_own_pages(finished, tmp_path, damaged):
    workdir = shutil.copytree(finished, tmp_path / "run")
    if damaged:
        files = [x for x in (workdir / "checkpoints").rglob("*") if x.is_file()]
        largest = max(files, key=lambda x: x.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    before = contents(workdir)
    text = read_page(write_report(workdir).parent)
    assert contents(workdir) == before
    assert ("No heat maps" in text) == damaged


def contents(workdir):
    """Every file's bytes, but for the pages."""
    files = [x for x in workdir.rglob("*") if x.is_file() and x.suffix not in (".html", ".md")]
    return {x: x.read_bytes() for x in files}


LEAF = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers()
NAMES = [
    "error",
    "std",
    "within",
    "refined",
    "synthetic_4x",
    "mean",
    "per_seed",
    "curve",
    "thresholds",
]
NAMES += ["participants", "difference", "row", "against", "over_seeds", "clear", "followed"]
TREE = st.recursive(
    LEAF,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(NAMES), x),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "estimators": TREE,
            "realism": TREE,
            "label_shift": TREE,
            "seeds": TREE,
            "gap_closed": TREE,
            "comparisons": TREE,
            "notes": TREE,
        }
    )
)
def test_any_evaluation_can_be_described(evaluation):
    run = run_folder.Run(Path("x"), config().to_dict(), {}, [], evaluation, [])
    assert render(describe(run))


@given(
    st.integers(1, 4),
    st.integers(3, 9),
    st.integers(3, 9),
    st.sampled_from([1, 3]),
    st.integers(1, 3),
)
def test_cutting_a_grid_undoes_it(rows, height, width, channels, scale):
    shape = (rows, 3, height, width, channels)
    pictures = np.random.default_rng(0).integers(0, 2**16, shape, dtype=np.uint16)
    grid = image_files.grid(pictures, scale=scale)
    np.testing.assert_array_equal(ungrid(grid, shape[2:]), pictures)


def test_heat_maps_are_blue_for_real_clear_for_undecided_orange_for_refined():
    uri = heat_uri(np.array([[0.0, 0.5, 1.0]]))
    pixels = decode(uri)
    assert pixels[0, 0].tolist() == [26, 133, 255, 255]
    assert pixels[0, 1, 3] == 0
    assert pixels[0, 2].tolist() == [230, 97, 0, 255]


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_16_bit_images_are_shown_by_their_high_bytes():
    picture = np.array([[[0], [256], [65535]]], np.uint16)
    assert decode(data_uri(picture)).tolist() == [[0, 1, 255]]


def test_large_images_stay_within_the_budget():
    noise = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    samples = Samples(list(range(9)), noise, np.stack([noise] * 9), noise)
    shown = show_examples(samples, [])
    assert len(json.dumps(shown, default=str)) < BUDGET
    assert shown["steps"][shown["opened"]] == 8
    shown = show_examples(samples, [], chosen=5)
    assert shown["steps"][shown["opened"]] == 5


def test_a_label_is_drawn_where_it_is():
    labels = {"pupil": np.array([10.0, 20]), "gaze": np.array([0.5, -0.25, -0.8])}
    assert 'x1="10.00" y1="20.00" x2="20.00" y2="15.00"' in draw_labels(labels)
    labels = {"iris_ellipse": np.array([1.0, 2, 3, 4, np.pi / 2])}
    assert 'rx="3.00" ry="4.00" transform="rotate(90.0 1.00 2.00)"' in draw_labels(labels)


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def phone(browser, finished):
    """The page on a phone without a network; fails on any message of the console."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("requestfailed", lambda request: messages.append(request.url))
    page.goto(f"file://{finished / 'report.html'}")
    yield page
    context.close()
    assert messages == []


def test_a_phone_shows_the_page_without_scrolling_sideways(phone):
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    broken = "[...document.images].filter((image) => !image.naturalWidth).length"
    assert phone.evaluate(broken) == 0
    assert phone.locator("h2").first.inner_text() == "Verdict"


def test_the_slider_uncovers_the_refined_image(phone):
    cut = "getComputedStyle(document.getElementById('after')).clipPath"
    assert phone.evaluate(cut) == "inset(0px 0px 0px 50%)"
    phone.get_by_label("Drag: synthetic to refined").fill("20")
    assert phone.evaluate(cut) == "inset(0px 0px 0px 20%)"
    stage = phone.locator("#stage")
    stage.click(position={"x": 0.75 * stage.bounding_box()["width"], "y": 10})
    assert float(re.search(r"([\d.]+)%", phone.evaluate(cut))[1]) == pytest.approx(75, abs=1)


def test_an_example_and_a_moment_can_be_chosen(phone):
    source = "document.getElementById('after').src"
    first = phone.evaluate(source)
    phone.get_by_role("button", name="Example 3").click()
    third = phone.evaluate(source)
    phone.get_by_label("Refined at step").fill("0")
    assert len({first, third, phone.evaluate(source)}) == 3
    assert phone.locator("#moment-name").inner_text() == "10"


def test_labels_are_drawn_on_request_for_the_chosen_example(phone):
    drawings = phone.locator(".drawing:visible")
    assert drawings.count() == 0
    phone.get_by_label("Draw the simulator's labels").check()
    phone.get_by_role("button", name="Example 2").click()
    assert drawings.count() == 1
    assert drawings.get_attribute("aria-label") == "Labels of example 2"
