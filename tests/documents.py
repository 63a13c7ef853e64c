"""The documents' code, as a reader would copy it."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def blocks(name, language):
    """The blocks of code of one language in a document, with the text that comes before each."""
    text = (ROOT / name).read_text()
    found = re.split(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    return list(zip(found[::2], found[1::2], strict=False))


def block(name, language, word):
    """The one block with this word in it."""
    (code,) = [code for _, code in blocks(name, language) if word in code]
    return code


def smaller(code, changes):
    """The code with sizes replaced; each must be there."""
    for old, new in changes.items():
        assert old in code, f"{old!r} is no longer in the document"
        code = code.replace(old, new)
    return code
