"""Any two folders of images: synthetic ones to refine, real ones to look like.

    python -m simgan_jax.main --config=configs/folder.py \
        --config.data.synthetic.path=DIR --config.data.real.path=DIR \
        --config.image.height=48 --config.image.width=64 --config.image.channels=1

Variants: `folder.py:tiny` for a first look in seconds. The other settings are those of gaze.py:pixels.
"""

from ml_collections import ConfigDict

from simgan_jax.configs import gaze


def get_config(variant: str = "") -> ConfigDict:
    """The configuration of a variant: "" or "tiny"."""
    c = gaze.get_config(variant or "pixels")
    c.name = "folder_tiny" if variant else "folder"
    c.task = "none"  # no labels: the report has realism, but no estimators
    c.loss.weight.label = ""
    folder = {
        "source": "folder",
        "path": "",
        "height": c.image.get_ref("height"),
        "width": c.image.get_ref("width"),
        "channels": c.image.get_ref("channels"),
        "fit": "cover",  # scaled, and cut in the middle; or resize (stretched), crop, none
        "on_error": "stop",  # at a damaged image; or skip
        "convert": False,  # colour to grey or grey to colour, where channels asks
        "dtype": "",  # uint8 or uint16 converts; the files' own otherwise
        "pattern": "*",  # only files whose path below the folder matches
        "count": 0,  # only the first so many
    }
    c.data.synthetic = ConfigDict(folder)
    c.data.real = ConfigDict(folder)
    c.data.test = ConfigDict()
    return c
