"""A data set as the command line of refine names it."""

import pytest

from simgan_jax import data
from simgan_jax.errors import UserError
from simgan_jax.refinement.specifications import specification


def test_values_are_read_as_the_source_takes_them(tiny_config):
    found = specification("folder:path=7,count=3,convert=True,pattern=*.png,dtype=", tiny_config)
    assert found == {
        "source": "folder",
        "height": 24,
        "width": 24,
        "path": "7",
        "count": 3,
        "convert": True,
        "pattern": "*.png",
        "dtype": "",
    }
    data.check(found)


def test_a_set_of_the_run_can_have_other_values(tiny_config):
    whole, part = specification("real", tiny_config), specification("real:count=3", tiny_config)
    assert whole["count"] == 32
    assert part == whole | {"count": 3}


@pytest.mark.parametrize(
    "source, said",
    [
        ("folder:path", "'path' is not of the form key=value"),
        ("folder:path=x,count=many", "data source folder: count is 'many', must be a whole number"),
        ("folder:path=x,convert=1", "data source folder: convert is 1, must be True or False"),
        ("folder:pth=x", "there is no setting 'pth'; did you mean path"),
        ("synthetic:cuont=1", "there is no setting 'cuont'; did you mean count"),
        ("test", "--input=test: the run has no such set; it has synthetic, real"),
    ],
)
def test_what_a_set_does_not_take_is_one_line(tiny_config, source, said):
    tiny_config.data.test = {}
    with pytest.raises(UserError, match=said) as caught:
        data.load(specification(source, tiny_config))
    assert "\n" not in str(caught.value)
