"""Callbacks that hold something while `fit` runs, such as a folder: they let it go.

Such a callback has `fit_begins(callbacks)`, told before training which callbacks there
are, and `fit_ends()`, called however training ends. `callbacks.FullState` is one.
"""

import contextlib
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def held(model, callbacks: Sequence) -> Iterator[None]:
    """Around a `fit` with these callbacks."""
    keepers = [callback for callback in callbacks if hasattr(callback, "fit_ends")]
    for keeper in keepers:
        keeper.fit_begins(callbacks)
    # Where a resumed `fit` began; Keras would begin every later one there, too.
    model._initial_epoch = None
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.fit_ends()
