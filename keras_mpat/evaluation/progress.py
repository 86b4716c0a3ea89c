"""A progress bar of passes through the model, with the time left."""

from collections.abc import Sequence

import keras

from keras_mpat.evaluation.driver import Part


class Progress:
    """Counts what attacks cost, roughly; what they no longer need to do counts as done.

    Args:
        parts: of the plan.
        chunks: number of chunks; `None`: unknown.
        verbose: whether to show it.
    """

    def __init__(self, parts: Sequence[Part], chunks: int | None, verbose: bool):
        self._passes = [part.value.passes for part in parts]
        self._before = [0]
        for part, passes in zip(parts, self._passes, strict=True):
            self._before.append(self._before[-1] + part.runs * passes)
        self._done = 0
        self._total = None if chunks is None else chunks * self._before[-1]
        self._bar = keras.utils.Progbar(
            self._total, unit_name="pass", verbose=int(verbose)
        )

    def step(self, part: int, runs: float) -> None:
        """In the current chunk, so many runs of a part are done, fractions included."""
        now = self._before[part] + int(runs * self._passes[part])
        self._bar.update(self._done + now, finalize=False)

    def end_chunk(self) -> None:
        """The current chunk is finished."""
        self._done += self._before[-1]
        self._bar.update(self._done, finalize=self._done == self._total)
