"""HTML whose text is escaped wherever it comes from.

    element("p", name_from_a_user, class_="note")  # "<" in the name stays a "<"

Only `Markup` passes as it is: what `element` returns, and what a caller vouches for.
"""

import html
from typing import Any

_VOID = {"br", "img", "meta", "wbr"}


class Markup(str):
    """Text that is HTML already."""


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """An HTML element.

    Args:
        tag: its name.
        children: `Markup`, or anything whose `str` is text; `None` is left out.
        attributes: by name, a trailing underscore dropped and others turned into
            hyphens (`class_`, `data_value`); `None` and `False` are left out, `True`
            stands without a value.
    """
    opened = tag + "".join(
        f" {_attribute(name, value)}"
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{opened}>")
    return Markup(f"<{opened}>{joined(*children)}</{tag}>")


def joined(*children: Any) -> Markup:
    """Children one after the other; text is escaped."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: Any) -> str:
    return str(child) if isinstance(child, Markup) else html.escape(str(child))


def _attribute(name: str, value: Any) -> str:
    name = name.rstrip("_").replace("_", "-")
    return name if value is True else f'{name}="{html.escape(str(value))}"'
