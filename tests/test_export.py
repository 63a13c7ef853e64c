import jax
import numpy as np
import pytest
from documents import block
from jax.export import deserialize
from refiners import make_run

from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.refinement import weights
from simgan_jax.refinement.exports import export, largest_difference, sample_images, snippet
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.refiner import Refine


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def noisy_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("noisy"), noise_channels=2, padding="SAME")


def eyes(count=3, size=(35, 55)):
    return np.random.default_rng(0).integers(0, 255, (count, *size, 1), np.uint8)


FORMATS = ["stablehlo", "onnx", "npz", "safetensors"]


def need(form):
    if form == "onnx":
        pytest.importorskip("jax2onnx", reason="the extra simgan_jax[onnx] is not installed")


@pytest.mark.parametrize("form", FORMATS)
def test_the_printed_snippet_refines_like_the_run(run, tmp_path, capsys, form):
    need(form)
    path = tmp_path / f"refiner.{form}"
    error = export(run, form, path)
    assert error <= (0 if form in ("npz", "safetensors") else 1e-5)
    printed = capsys.readouterr().out
    assert f"{path}: differs from the model by {error:.1e} at most" in printed
    code = printed.split("to load it:\n\n")[1]
    assert code.strip() == snippet(load_refiner(run), form, path)
    lines = [line for line in code.splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 11
    names = {"images": eyes()}
    exec(code, names)
    expected = load_refiner(run)(names["images"])
    assert names["refined"].dtype == np.uint8
    assert np.abs(names["refined"].astype(int) - expected).max() <= 1
    assert (names["refined"] != names["images"]).mean() > 0.5


@pytest.mark.parametrize("form", FORMATS)
def test_a_refiner_with_noise_takes_it_as_second_input(noisy_run, tmp_path, form):
    need(form)
    path = tmp_path / f"refiner.{form}"
    assert export(noisy_run, form, path) < 1e-5
    names = {"images": eyes(2, (40, 61))}
    exec(snippet(load_refiner(noisy_run), form, path), names)
    assert names["refined"].shape == (2, 40, 61, 1)


@pytest.mark.parametrize("residual", [False, True])
def test_the_snippet_for_numpy_writes_out_every_kind_of_refiner(tmp_path, residual):
    settings = {"kernel": 5, "blocks": 2, "padding": "SAME", "background": 1.0}
    settings["residual"] = residual
    config, params, step, _ = weights.read(make_run(tmp_path, **settings))
    config.image.dtype = "uint16"
    weights.write(tmp_path / "depth.npz", config, params, step)
    refiner = load_refiner(tmp_path / "depth.npz")
    images = eyes().astype(np.uint16) * 257
    images[:, :9] = 65535
    names = {"images": images}
    exec(snippet(refiner, "npz", tmp_path / "depth.npz"), names)
    assert np.abs(names["refined"].astype(int) - refiner(images)).max() <= 1
    np.testing.assert_array_equal(names["refined"][:, :9], 65535)
    assert (names["refined"][:, 9:] != images[:, 9:]).mean() > 0.5


@pytest.mark.parametrize("form", ["stablehlo", "npz", "onnx"])
def test_the_document_shows_the_snippets_of_the_embedded_eyes(tmp_path, monkeypatch, form):
    need(form)
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path, blocks=4)
    export(run, form, f"refiner.{form}")
    code = block("docs/export.md", "python", f"refiner.{form}")
    assert code.strip() == snippet(load_refiner(run), form, f"refiner.{form}")
    names = {"images": eyes()}
    exec(code, names)
    assert np.abs(names["refined"].astype(int) - load_refiner(run)(names["images"])).max() <= 1


def test_the_document_matches_grey_values_like_the_refiner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, params, step, _ = weights.read(make_run(tmp_path))
    config.data.histogram_matching = True
    # All alike, so that it does not matter which an image gets.
    values = np.sort(np.random.default_rng(1).integers(0, 256, 512)).astype(np.uint8)
    histograms = np.broadcast_to(values[:, None], (512, 512, 1))
    weights.write("eyes.npz", config, params, step, histograms)
    refiner = load_refiner("eyes.npz")
    names = {"images": eyes()}
    exec(block("docs/export.md", "python", "histograms"), names)
    np.testing.assert_array_equal(names["images"], refiner.match(eyes()))
    code = snippet(refiner, "npz", "eyes.npz")
    assert "# images with the grey values of real ones" in code
    exec(code, names)
    assert np.abs(names["refined"].astype(int) - refiner(eyes())).max() <= 1


def test_stablehlo_is_for_all_platforms_any_batch_and_any_size(run, tmp_path):
    export(run, "stablehlo", tmp_path / "refiner")
    exported = deserialize(bytearray((tmp_path / "refiner").read_bytes()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    assert [str(size) for size in exported.in_avals[0].shape] == ["b", "h", "w", "1"]


def test_onnx_says_that_batch_and_size_are_free(run, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra simgan_jax[onnx] is not installed")
    export(run, "onnx", tmp_path / "refiner.onnx")
    model = onnx.load(tmp_path / "refiner.onnx")
    onnx.checker.check_model(model)
    for value in (*model.graph.input, *model.graph.output):
        sizes = [x.dim_param or x.dim_value for x in value.type.tensor_type.shape.dim]
        assert sizes == ["b", "h", "w", 1]


def test_a_file_that_differs_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr("simgan_jax.refinement.exports.largest_difference", lambda *_: float("nan"))
    with pytest.raises(UserError, match="not written: it differs from the model by nan"):
        export(run, "npz", tmp_path / "refiner.npz")
    assert list(tmp_path.iterdir()) == []


def test_largest_difference_sees_a_small_change(run):
    refiner = load_refiner(run)

    @jax.jit
    def exported(x):
        return refiner.refiner.apply({"params": refiner.params}, x) + 0.001

    difference = largest_difference(refiner, exported, sample_images(refiner)[:2])
    assert difference == pytest.approx(0.001, rel=0.01)


def test_images_to_compare_on_may_be_the_users(run, tmp_path):
    picture = np.zeros((70, 110, 1), np.uint8)
    picture[:, :55] = 255
    image_files.write_image(tmp_path / "a.png", picture)
    sample = sample_images(load_refiner(run), str(tmp_path))
    assert sample.shape == (1, 35, 55, 1)
    assert (sample.min(), sample.max()) == (-1, 1)


def test_embedded_eyes_stand_in_for_data_that_is_not_at_hand(run):
    refiner = load_refiner(run)
    config = refiner.config.copy_and_resolve_references()
    config.data.synthetic = {"source": "folder", "path": "nowhere"}
    elsewhere = Refine(refiner.refiner, refiner.params, config=config)
    assert sample_images(elsewhere).shape == (8, 35, 55, 1)


@pytest.mark.parametrize(
    "form, output, reason",
    [
        ("torch", "a.pt", "--format=torch: unknown; one of hub, stablehlo, onnx, npz, safetensors"),
        ("npz", "a.weights", r"the name must end in \.npz"),
        ("npz", "folder.npz", "is a folder; name a file"),
        ("npz", "file.txt/a.npz", "cannot be written"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, form, output, reason):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(UserError, match=reason) as caught:
        export(run, form, tmp_path / output)
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jax2onnx", None)
    with pytest.raises(UserError, match=r"needs jax2onnx: pip install 'simgan_jax\[onnx\]'"):
        export(run, "onnx", tmp_path / "a.onnx")
