"""Prototypes that merge while a head trains, so that the data say how many are left.

merging = PrototypeMerging(threshold=0.2)
model.fit(train, epochs=30, callbacks=[merging])
print(merging.history[-1])    # prototypes per class after the last epoch: [3, 4]
"""

import warnings
from typing import NamedTuple

import keras
import numpy as np

from keras_mpat import backend
from keras_mpat.callbacks.chance import at_chance
from keras_mpat.callbacks.slots import forget_rows
from keras_mpat.configurable import check_count, check_switch, numbers
from keras_mpat.layers.merging import merge_prototypes
from keras_mpat.layers.prototypes import directions
from keras_mpat.layers.soft_triple_head import SoftTripleHead

_NAMED_CLASSES = 10  # up to here each class has a key of its own in the logs


class MergeRecord(NamedTuple):
    """One merging: epoch (from 0), class, surviving and absorbed slot, distance."""

    epoch: int
    label: int
    kept: int
    absorbed: int
    distance: float


class PrototypeMerging(keras.callbacks.Callback):
    """Merges the prototypes of a class that have come close, at the end of epochs.

    Per class, the closest pair of active prototypes becomes one until none is closer
    than `threshold`: its direction is the mean of both, weighted by how many of the
    first prototypes each stands for. No shape changes and nothing is traced again: the
    head's mask says which prototypes are left. What the optimizer remembers of both is
    forgotten; its moving average (`use_ema`) is set to the merged value.

    Merging before the features say anything is final: prototypes that were pulled
    together by the regulariser alone stay one. So by default it begins late, and an
    epoch in which the head was no better than chance merges nothing and warns, once.

    All state lives in weights of the head, so it is saved and loaded with them. Put it
    in front of `ModelCheckpoint`, `BackupAndRestore` and `SwapEMAWeights`, and behind
    what puts weights back at the end (`EarlyStopping(restore_best_weights=True)`,
    `CatastrophicOverfittingGuard`), so that the summary is about the model you get.

    Args:
        threshold: chord distance of unit vectors, in [0, 2]; 0.2 is 11.5 degrees.
        start_epoch: first epoch, from 0, at whose end prototypes merge; `None`: the
            last third of the `epochs` of this `fit`, also if it resumes in between.
        period: epochs from one merging to the next, >= 1.
        min_prototypes: of each class that are always left, >= 1.
        max_merges_per_epoch: of all classes together, the closest first; `None`: any
            number.
        guard: whether to wait while the head is at chance.

    Logs: `prototypes_min` and `prototypes_mean` over the classes, and up to ten
    classes `prototypes_per_class_0` …, at the end of each epoch; seen by callbacks
    further down the list.

    Attributes:
        history: prototypes left per class, one list for each epoch of the last `fit`.
        merges: a `MergeRecord` for each merging of it.
        similarities_before: cosines (C, K, K) within each class before the first
            merging; NaN where a prototype is inactive. `None`: it did not come to it.
        similarities_after: the same when this callback saw training end.

    Raises:
        ValueError: an argument out of range, or, before training starts, a model
            without exactly one `SoftTripleHead`.

    References:
        Khan et al. (MPAT), Sensors 23(13):6173, sections 3.2 and 4.2, which leave
        threshold, time and weights open.
    """

    def __init__(
        self,
        threshold: float = 0.2,
        *,
        start_epoch: int | None = None,
        period: int = 1,
        min_prototypes: int = 1,
        max_merges_per_epoch: int | None = None,
        guard: bool = True,
    ):
        super().__init__()
        _check_threshold(threshold)
        if start_epoch is not None:
            fix = "None is the last third of the epochs."
            check_count("start_epoch", start_epoch, fix, minimum=0)
        check_count("period", period, "1 is every epoch.")
        check_count("min_prototypes", min_prototypes, "A class needs one.")
        if max_merges_per_epoch is not None:
            fix = "None is no limit."
            check_count("max_merges_per_epoch", max_merges_per_epoch, fix)
        check_switch("guard", guard)
        self.threshold = threshold
        self.start_epoch = start_epoch
        self.period = period
        self.min_prototypes = min_prototypes
        self.max_merges_per_epoch = max_merges_per_epoch
        self.guard = guard
        self._begin()

    def _begin(self) -> None:
        self.history: list[list[int]] = []
        self.merges: list[MergeRecord] = []
        self.similarities_before: np.ndarray | None = None
        self.similarities_after: np.ndarray | None = None
        self._warned = False

    def set_model(self, model):
        """Finds the head of the model; raises if there is none."""
        found = {id(head): head for head in _heads(model)}
        if len(found) != 1:
            raise ValueError(
                "`PrototypeMerging` must be a callback of a model with one "
                f"SoftTripleHead. Received: {type(model).__name__} with {len(found)}. "
                "Pass head=SoftTripleHead(...) to the AdversarialModel."
            )
        (self._head,) = found.values()
        super().set_model(model)

    def on_train_begin(self, logs=None):
        self._begin()
        self._start = self.start_epoch
        if self._start is None:
            self._start = 2 * self.params["epochs"] // 3
        most = max(self._left())
        if self.min_prototypes > most:
            warnings.warn(
                f"PrototypeMerging(min_prototypes={self.min_prototypes}) will merge "
                f"nothing: no class has more than {most} prototypes.",
                stacklevel=2,
            )

    def on_epoch_end(self, epoch, logs=None):
        model = self.model  # on JAX this brings the weights up to date
        if epoch >= self._start and (epoch - self._start) % self.period == 0:
            self._merge(model, epoch, logs)
        left = self._left()
        self.history.append(left)
        if logs is None:
            return
        logs["prototypes_min"] = float(min(left))
        logs["prototypes_mean"] = float(np.mean(left))
        if len(left) <= _NAMED_CLASSES:
            for label, count in enumerate(left):
                logs[f"prototypes_per_class_{label}"] = float(count)

    def on_train_end(self, logs=None):
        self.similarities_after = self._similarities()
        if self.params["verbose"]:
            print(f"prototypes left per class: {self._left()}")

    def _merge(self, model, epoch: int, logs) -> None:
        head = self._head
        if self.similarities_before is None:
            self.similarities_before = self._similarities()
        weights = (head.prototypes, head.active, head.counts)
        merged = merge_prototypes(
            *map(_value, weights),
            threshold=self.threshold,
            min_prototypes=self.min_prototypes,
            max_merges=self.max_merges_per_epoch,
        )
        if not merged.merges:
            return
        if self.guard and at_chance(model, head, logs):
            self._warn(epoch, len(merged.merges))
            return
        touched = np.zeros(merged.active.shape, bool)
        for merge in merged.merges:
            touched[merge.label, [merge.kept, merge.absorbed]] = True
            self.merges.append(MergeRecord(epoch, *merge))
        for weight, value in zip(weights, merged[:3], strict=True):
            weight.assign(value.astype("float32"))
        forget_rows(model.optimizer, head.prototypes, touched)

    def _warn(self, epoch: int, count: int) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"No prototypes were merged in epoch {epoch + 1}, although {count} lie "
            f"closer than {self.threshold}: the head tells the classes apart no "
            "better than chance, so that their places say nothing of the data. It is "
            f"tried again every {self.period} epochs. Pass a later `start_epoch`, or "
            "guard=False to merge all the same.",
            stacklevel=2,
        )

    def _left(self) -> list[int]:
        return [int(count) for count in (_value(self._head.active) > 0).sum(-1)]

    def _similarities(self) -> np.ndarray:
        units = directions(_value(self._head.prototypes))
        active = _value(self._head.active) > 0
        pairs = active[:, :, None] & active[:, None, :]
        return np.where(pairs, np.einsum("ckd,cld->ckl", units, units), np.nan)


def _heads(model):
    for layer in model.layers:
        if isinstance(layer, SoftTripleHead):
            yield layer
        elif isinstance(layer, keras.Model):
            yield from _heads(layer)


def _value(weight) -> np.ndarray:
    return backend.value(weight)


def _check_threshold(threshold) -> None:
    value = numbers(threshold)
    if value.ndim or not 0 <= value <= 2:
        raise ValueError(
            "`threshold` must lie between 0 and 2 (chord distance of unit vectors). "
            f"Received: threshold={threshold!r}. For 11.5 degrees pass 0.2."
        )
