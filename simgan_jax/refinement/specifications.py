"""What a command line names as input: a folder, or a data set with its keyword arguments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from simgan_jax import data
from simgan_jax.data.specification import describe, read
from simgan_jax.errors import UserError

SETS = ("synthetic", "real", "test")


def is_folder(source: str) -> bool:
    """Whether an input is a folder and not a data set.

    Raises:
        UserError: neither.
    """
    if Path(source).is_dir():
        return True
    if source.partition(":")[0] in (*data.SOURCES, *SETS):
        return False
    if Path(source).exists():
        raise UserError(f"{source}: is a file; name the folder of the images")
    raise UserError(
        f"{source}: no such folder, and no data source: {', '.join(sorted(data.SOURCES))}, "
        f"{', '.join(SETS)}"
    )


def specification(source: str, config: ConfigDict) -> dict[str, Any]:
    """Keyword arguments for `data.load`.

    Args:
        source: `name:key=value,key=value`, a name in `data.SOURCES`, whose height and width are those
            of the run by default; or a set of the run, some of whose arguments may be other ones.
        config: of the run.

    Raises:
        UserError: another form, or a set that the run does not have.
    """
    name, _, arguments = source.partition(":")
    if name in data.SOURCES:
        spec: dict[str, Any] = {"source": name}
        known = describe(data.SOURCES[name])
        spec |= {key: config.image[key] for key in ("height", "width") if key in known}
    else:
        spec = config.data[name].to_dict() if config.data.get(name) else {}
        if spec.get("source") not in data.SOURCES:
            raise UserError(f"--input={name}: the run has no such set; it has {_sets(config)}")
        known = describe(data.SOURCES[spec["source"]])
    for argument in filter(None, arguments.split(",")):
        key, found, text = argument.partition("=")
        if not found:
            raise UserError(f"--input: {argument!r} is not of the form key=value")
        spec[key] = read(text, known.get(key))
    return spec


def _sets(config: ConfigDict) -> str:
    return ", ".join(name for name in SETS if config.data.get(name))


def check_apart(output: Path, *folders: Path) -> None:
    """Keeps the folders that are read apart from the one that is written.

    Raises:
        UserError: one lies in the other.
    """
    written = output.resolve()
    for folder in folders:
        read = folder.resolve()
        if written.is_relative_to(read):
            raise UserError(f"{output}: lies in the input folder {folder}; name another one")
        if read.is_relative_to(written):
            raise UserError(f"{output}: the input folder {folder} lies in it; name another one")


def folders_of(spec: Any) -> Iterator[Path]:
    """The folders that a specification names, however deep in it."""
    if isinstance(spec, dict):
        spec = list(spec.values())
    if isinstance(spec, list | tuple):
        for part in spec:
            yield from folders_of(part)
    elif isinstance(spec, str) and Path(spec).is_dir():
        yield Path(spec)
