"""Figures of this folder as text, to stand inside a page.

    inline.svg(lambda file: prototype_history(history, file), name="history")

`svg` suits lines: it is sharp, small, and takes its ink from the page. `png` suits
photographs and many points.
"""

import base64
import io
import re
from collections.abc import Callable

import matplotlib

_TEXT = {"text.parse_math": False}  # names of users may hold two dollars
_VECTOR = {
    **_TEXT,
    "savefig.format": "svg",
    "savefig.transparent": True,
    "svg.fonttype": "none",  # text stays text: it can be read aloud, and found
    "font.family": "sans-serif",
}


def svg(draw: Callable, *, name: str) -> str:
    """An `<svg>` element.

    Args:
        draw: called with a file; draws into it, as the functions of this folder do.
        name: unique on the page: ids inside the picture are made from it.
    """
    file = io.BytesIO()
    with matplotlib.rc_context(_VECTOR | {"svg.hashsalt": name}):
        draw(file)
    # Without the date in it, equal figures make equal pages.
    text = re.sub(r"<metadata>.*?</metadata>", "", file.getvalue().decode(), flags=re.S)
    return text[text.index("<svg") :].strip()


def png(draw: Callable) -> str:
    """A PNG as a `data:` address.

    Args:
        draw: as of `svg`.
    """
    file = io.BytesIO()
    with matplotlib.rc_context(_TEXT):
        draw(file)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
