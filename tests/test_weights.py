"""A file of weights is loaded whole and as it was, or not at all; nothing in it is ever run."""

import json
import pickle
import shutil
import struct
import sys
import zipfile

import jax
import numpy as np
import pytest
from refiners import make_run, random_images
from safetensors.numpy import save_file

from simgan_jax.errors import UserError
from simgan_jax.refinement import weights
from simgan_jax.refinement.loading import load_refiner


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def eyes():
    return random_images(3, 35, 55, 1)


def test_weights_come_back_whole_with_their_configuration(run, tmp_path):
    config, params, step = (getattr(load_refiner(run), x) for x in ("config", "params", "step"))
    for name in ("a.npz", "a.safetensors"):
        weights.write(tmp_path / name, config, params, step)
        config_again, params_again, step_again, histograms = weights.read(tmp_path / name)
        jax.tree.map(np.testing.assert_array_equal, params_again, params)
        assert config_again.to_dict() == config.to_dict()
        assert step_again == step
        assert histograms is None
        refined = load_refiner(tmp_path / name)(eyes())
        np.testing.assert_array_equal(refined, load_refiner(run)(eyes()))


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_histograms_that_come_first_come_back_with_the_weights(run, tmp_path, name):
    config, params, step, _ = weights.read(run)
    config.data.histogram_matching = True
    bright = np.linspace(200, 255, 512 * 512).reshape(512, 512, 1).astype(np.uint8)
    weights.write(tmp_path / name, config, params, step, bright)
    refine = load_refiner(tmp_path / name)
    np.testing.assert_array_equal(refine.histograms, bright)
    assert refine.match(eyes()).min() >= 200
    np.testing.assert_array_equal(refine(eyes()), load_refiner(run)(refine.match(eyes())))
    for other in (None, bright[:, :7], bright.astype(np.uint16)):
        weights.write(tmp_path / name, config, params, step, other)
        with pytest.raises(UserError, match="its weights are not those of its settings"):
            load_refiner(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_damaged_or_missing_weights_are_one_line(tmp_path, name):
    with pytest.raises(UserError, match="no such file"):
        load_refiner(tmp_path / name)
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="not a refiner's weights"):
        load_refiner(tmp_path / name)


def test_a_pretrained_refiner_is_found_by_its_name(run, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PRETRAINED", tmp_path)
    with pytest.raises(UserError, match="no pretrained refiner 'eyes'; there are: none"):
        weights.pretrained("eyes")
    weights.write(tmp_path / "eyes.safetensors", *weights.read(run))
    assert weights.pretrained("eyes") == tmp_path / "eyes.safetensors"
    with pytest.raises(UserError, match=r"no pretrained refiner '\.\./run'; there are: eyes"):
        weights.pretrained("../run")


@pytest.fixture
def file(run, tmp_path):
    weights.write(tmp_path / "a.safetensors", *weights.read(run))
    return tmp_path / "a.safetensors"


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_no_flipped_bit_and_no_cut_goes_unnoticed(run, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    weights.write(path, *weights.read(run))
    whole = path.read_bytes()
    config, params, step, _ = weights.read(path)
    random = np.random.default_rng(0)
    noticed = 0
    for place in random.integers(0, len(whole), 150):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            config_, params_, step_, _ = weights.read(path)
        except UserError:
            noticed += 1
            continue
        # Zip archives hold names and dates twice, and read them once.
        assert (config_.to_dict(), step_) == (config.to_dict(), step)
        jax.tree.map(np.testing.assert_array_equal, params_, params)
    assert noticed > 130
    for length in (0, 1, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a refiner's weights"):
            weights.read(path)


def rewritten(file, change, checksum=True):
    """The file with other settings, and their right checksum or none."""
    arrays, about = weights._read_safetensors(file)
    settings = json.loads(about)
    settings.pop("sha256")
    change(settings, arrays)
    if checksum:
        settings["sha256"] = weights._checksum(settings, arrays)
    save_file(arrays, file, {"about": json.dumps(settings)})


def set_to(key, value):
    def change(settings, _):
        tree = settings
        *path, last = key.split(".")
        for name in path:
            tree = tree[name]
        tree[last] = value

    return change


def spoil(value):
    def change(_, arrays):
        arrays["stem/bias"] = value(arrays["stem/bias"])

    return change


@pytest.mark.parametrize(
    "change, reason",
    [
        (set_to("version", 3), "of a newer version of simgan_jax; update the package"),
        (set_to("version", "2"), "not a refiner's weights"),
        (set_to("config", 3), "not a refiner's weights"),
        (set_to("step", None), "not a refiner's weights"),
        (set_to("config.refiner.features", 5), "its weights are not those of its settings"),
        (set_to("config.refiner.features", 10**9), "its weights are not those of its settings"),
        (set_to("config.refiner.kernel", "three"), "config.refiner.kernel is 'three'"),
        (set_to("config.refiner.padding", "os.system"), "config.refiner.padding is 'os.system'"),
        (set_to("config.refiner", {}), "its settings are no refiner's"),
        (spoil(lambda x: x[:-1]), "its weights are not those of its settings"),
        (spoil(lambda x: x.astype(np.float16)), "its weights are not those of its settings"),
        (spoil(lambda x: x * np.nan), "NaN or infinity"),
    ],
)
def test_settings_and_weights_that_do_not_belong_together_are_one_line(file, change, reason):
    rewritten(file, change)
    with pytest.raises(UserError, match=reason) as caught:
        load_refiner(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_file_of_before_checksums_still_opens(file, run):
    rewritten(file, lambda settings, _: settings.pop("version"), checksum=False)
    np.testing.assert_array_equal(load_refiner(file)(eyes()), load_refiner(run)(eyes()))


def test_safetensors_of_another_program_are_named(tmp_path):
    save_file({"layer.weight": np.zeros((3, 3), np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="no settings of a refiner in it"):
        load_refiner(tmp_path / "a.safetensors")


def test_an_archive_that_unpacks_to_too_much_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "LARGEST", 2**20)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(3):
            file.writestr(f"{i}.npy", bytes(2**19))
    with pytest.raises(UserError, match="too large"):
        load_refiner(tmp_path / "a.npz")
    load_refiner(run)


def test_a_folder_with_one_file_of_weights_stands_for_it(file, run):
    folder = file.parent
    (folder / "README.md").write_text("# a card")
    np.testing.assert_array_equal(load_refiner(folder)(eyes()), load_refiner(run)(eyes()))
    assert load_refiner(folder, step=7).step == 7
    with pytest.raises(UserError, match="is of step 7; leave the step out"):
        load_refiner(folder, step=8)
    shutil.copy(file, folder / "b.safetensors")
    with pytest.raises(UserError, match="2 files of weights; name one of them"):
        load_refiner(folder)


def test_the_folder_of_a_run_stands_for_the_run_whatever_was_exported_into_it(file):
    (file.parent / "checkpoints").mkdir()
    with pytest.raises(UserError, match=r"config\.json: no such file"):
        load_refiner(file.parent)


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07")
    with pytest.raises(
        UserError, match=r"a\.onnx: not a refiner's weights; name a run, or what was"
    ):
        load_refiner(tmp_path / "a.onnx")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return exec, ("import sys; sys.bombed = True",)


def hostile_files(folder, about):
    """Files that would run code in a careless reader."""
    bomb = np.array([Bomb()], dtype=object)
    np.savez(folder / "object.npz", about=np.array(about), **{"stem/kernel": bomb})
    np.savez(folder / "about.npz", about=np.array([Bomb()], dtype=object))
    (folder / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    (folder / "pickle.safetensors").write_bytes(pickle.dumps(Bomb()))
    header = json.dumps({"__metadata__": {"about": "__import__('sys')"}}).encode()
    (folder / "code.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    header = b"{'descr': __import__('sys').exit(3), 'fortran_order': False, 'shape': ()}"
    with zipfile.ZipFile(folder / "header.npz", "w") as file:
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        file.writestr("about.npy", start + header)
        file.writestr("../../above.npy", start + header)
    return sorted(folder.iterdir())


RUNS_CODE = {"exec", "import", "subprocess.Popen", "os.system", "os.exec", "pickle.find_class"}


def test_loading_runs_no_code(file, tmp_path_factory):
    _, about = weights._read_safetensors(file)
    folder = tmp_path_factory.mktemp("hostile")
    load_refiner(file)  # what is imported at first use
    with pytest.raises(UserError):
        weights.read(folder / "none.npz")
    seen, watching = [], True

    def hook(event, arguments):
        if watching and (event in RUNS_CODE or event.startswith("socket")):
            seen.append((event, str(arguments)[:200]))

    paths = hostile_files(folder, about)
    sys.addaudithook(hook)
    try:
        weights.read(file)
        for path in paths:
            with pytest.raises(UserError, match="not a refiner's weights"):
                weights.read(path)
    finally:
        watching = False
    assert seen == []
    assert not hasattr(sys, "bombed")
    assert sorted(folder.iterdir()) == paths
