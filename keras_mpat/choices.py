"""One of several names, or an error that says which one was probably meant.

check_choice("dataset", "mnits", ("mnist", "cifar10"))   # ... Did you mean 'mnist'?
"""

import difflib
from collections.abc import Iterable


def check_choice(name: str, value, choices: Iterable[str], fix: str = "") -> None:
    """Raises unless `value` is one of the names `choices`.

    Args:
        name: the argument, for the message.
        value: what was given.
        choices: the names there are.
        fix: what to do if none of them is meant. Default: nothing is said.

    Raises:
        ValueError: the message lists the names and says which one is nearest.
    """
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return
    found = nearest(value, choices)
    advice = [] if found is None else [f"Did you mean {found!r}?"]
    if fix or not advice:
        advice.append(fix or f"Pass {choices[0]!r}.")
    raise ValueError(
        f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}. "
        + " ".join(advice)
    )


def nearest(value, choices: Iterable[str]) -> str | None:
    """The choice most like `value`; case, "-" and "_" do not count. None: none is."""
    plain = {_plain(choice): choice for choice in choices}
    found = difflib.get_close_matches(_plain(str(value)), plain, n=1, cutoff=0.5)
    return plain[found[0]] if found else None


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
