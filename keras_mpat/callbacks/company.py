"""The other callbacks of a `fit` whose state is kept: which, and in what order."""

import warnings
from collections.abc import Sequence

import keras

from keras_mpat.callbacks.prototype_merging import PrototypeMerging


def check_of(of) -> None:
    """Raises if these are no callbacks to remember."""
    if not isinstance(of, (list, tuple)) or not all(
        isinstance(each, keras.callbacks.Callback) for each in of
    ):
        raise ValueError(
            f"`of` must be a list of callbacks. Received: of={_in_words(of)}. Pass "
            "[stopping, merging]."
        )


def check_same_fit(of: Sequence, model) -> None:
    """Raises if a callback to remember is not called."""
    strangers = [callback for callback in of if callback.model is not model]
    if strangers:
        raise ValueError(
            "`of` must hold callbacks of the same `fit`. Received: "
            f"{type(strangers[0]).__name__}, which is not among its callbacks. "
            "Pass callbacks=[*others, state]."
        )


def check(state, callbacks: Sequence) -> None:
    """Raises if others come after FullState; warns of those that it does not keep."""
    behind = callbacks[callbacks.index(state) + 1 :]
    if behind:
        raise ValueError(
            "`callbacks` must end with FullState, which keeps what the others have "
            f"done. Received: {_in_words(behind)} after it. Pass "
            "callbacks=[*others, state]."
        )
    forgetful = [c for c in callbacks if _remembers(c) and c not in state.of]
    if forgetful:
        warnings.warn(
            f"What {_in_words(forgetful)} remembers is not kept: it begins anew when "
            "this run goes on. Pass FullState(folder, of=[...]) with it.",
            stacklevel=2,
        )


def _remembers(callback) -> bool:
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return callback.save_best_only
    kinds = (
        keras.callbacks.EarlyStopping,
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.SwapEMAWeights,
        PrototypeMerging,
    )
    return isinstance(callback, kinds)


def _in_words(value) -> str:
    """What was given, without addresses."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(type(each).__name__ for each in value)}]"
    return type(value).__name__
