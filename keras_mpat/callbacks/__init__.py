"""Callbacks for `fit`: what is watched, and answered, while a model trains.

    guard = CatastrophicOverfittingGuard(x_held_out, y_held_out, action="roll_back")
    model.fit(train, epochs=30, callbacks=[guard])

`overfitting_guard.py` watches robust accuracy; `probe.py` measures it on a batch that
is held out, `snapshot.py` remembers a model. `prototype_merging.py` merges prototypes
that have come close; `chance.py` says when that is premature, `slots.py` tells the
optimizer. `adversarial_board.py` shows attacked examples in TensorBoard, `projector.py`
writes what its Projector reads. `full_state.py` makes a run survive a kill, with
`kept_states.py`, `training_state.py`, `callback_state.py`, `company.py`,
`passed_batches.py` and `termination.py`.
"""

from keras_mpat.callbacks.adversarial_board import AdversarialBoard
from keras_mpat.callbacks.full_state import FullState
from keras_mpat.callbacks.overfitting_guard import CatastrophicOverfittingGuard
from keras_mpat.callbacks.probe import Check
from keras_mpat.callbacks.prototype_merging import MergeRecord, PrototypeMerging

__all__ = [
    "AdversarialBoard",
    "CatastrophicOverfittingGuard",
    "Check",
    "FullState",
    "MergeRecord",
    "PrototypeMerging",
]
