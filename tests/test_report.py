"""The page and the model card of a run, finished or not."""

from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from run_folders import EVALUATION, config, read_page, write

from simgan_jax.reporting import run_folder
from simgan_jax.reporting.page import describe, render, write_report

LARGEST = 3_000_000


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


def test_a_finished_run_has_every_section(finished):
    text = read_page(finished)
    assert 'class="missing"' not in text
    assert "Yes: 25% less error." in text
    assert "6.00 ± 0.10°" in text
    assert "62.5%" in text
    assert "Draw the simulator" in text
    assert "at most by 0.02 (black to white is 2). Images are laid over each other" in text
    assert '<td class="n">4.50°</td>' in text
    assert '<th scope="row">seed</th><td>0</td>' in text
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
        "| refined | 6.00 ± 0.10° | 5.00 to 7.00° | 62.5% |",
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


def test_the_model_card_says_that_weights_hold_grey_values_of_real_images(bare):
    write_report(bare)
    assert "hold the sorted values" not in (bare / "MODEL_CARD.md").read_text()
    matching = config()
    matching.data.histogram_matching = True
    write(bare, "config.json", matching.to_dict())
    write_report(bare)
    assert "hold the sorted values of some hundreds of real" in (bare / "MODEL_CARD.md").read_text()


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
NAMES += ["estimate", "axes", "yaw", "bias", "interval", "own_error", "beyond_tone", "share"]
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
            "artefacts": TREE,
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
