"""Which examples a pass shows, in which order, and the noise of each: NumPy tables.

A plan is a function of (seed, epoch): any process can ask for any epoch, and every
backend gets the same one.
"""

import dataclasses
from typing import Protocol

import numpy as np

from keras_mpat.datasets import splits


class Plan(Protocol):
    """What `Passes` needs to know of an epoch."""

    def tables(self, epoch: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of the examples to show, and their noise (n, draws)."""


@dataclasses.dataclass(frozen=True, eq=False)
class EachOnce:
    """Shows each of `rows` once; the noise belongs to the example, not to its place.

    Args:
        rows: Indices (n,) of the examples in use.
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of order and noise.
    """

    rows: np.ndarray
    shuffle: bool
    seed: int

    def tables(self, epoch: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows in the order of the epoch; see `Plan`."""
        count = len(self.rows)
        order = np.arange(count)
        if self.shuffle:
            order = splits.order(count, self.seed, epoch)
        noise = splits.uniform(
            (count, draws), splits.AUGMENT, seed=self.seed, epoch=epoch, dtype="f4"
        )
        return self.rows[order], noise[order]


@dataclasses.dataclass(frozen=True, eq=False)
class Balanced:
    """Batches of `classes` different classes with `examples` different examples each.

    Classes take turns: at any time two classes differ by one turn at most. A class
    goes through its examples in a random order, in groups of `examples`; before an
    example comes back, all full groups of its class were shown. An example that is
    shown twice in an epoch gets new noise.

    Args:
        labels: (N,) int; each class has at least `examples` members.
        classes: Classes per batch, at most the number of classes.
        examples: Examples of each of them.
        steps: Batches per epoch.
        seed: Seed of all choices.
    """

    labels: np.ndarray
    classes: int
    examples: int
    steps: int
    seed: int

    def tables(self, epoch: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows, batch after batch and class after class; see `Plan`."""
        turns = self._turns(epoch)
        rows = np.empty((turns.size, self.examples), dtype="int64")
        for label, members in enumerate(class_members(self.labels)):
            places = np.flatnonzero(turns.ravel() == label)
            rows[places] = self._groups(members, len(places), epoch)
        noise = splits.uniform(
            (rows.size, draws), splits.AUGMENT, seed=self.seed, epoch=epoch, dtype="f4"
        )
        return rows.ravel(), noise

    def _turns(self, epoch: int) -> np.ndarray:
        """The classes of each batch, (steps, classes): those with the fewest turns."""
        count = len(np.unique(self.labels))
        keys = splits.uniform(
            (self.steps, count), splits.CLASSES, seed=self.seed, epoch=epoch
        )
        taken = np.zeros(count)
        turns = np.empty((self.steps, self.classes), dtype="int64")
        for step in range(self.steps):
            turns[step] = np.argsort(taken + keys[step], kind="stable")[: self.classes]
            taken[turns[step]] += 1
        return turns

    def _groups(self, members: np.ndarray, count: int, epoch: int) -> np.ndarray:
        """`count` groups of members, (count, examples), none with a member twice."""
        per_round = len(members) // self.examples
        rounds = -(-count // per_round)
        keys = splits.uniform(
            (rounds, len(members)),
            splits.EXAMPLES,
            seed=self.seed,
            epoch=epoch,
            stream=int(self.labels[members[0]]),
        )
        order = np.argsort(keys, axis=1, kind="stable")
        order = order[:, : per_round * self.examples].reshape(-1, self.examples)
        return members[order[:count]]


def class_members(labels: np.ndarray) -> list[np.ndarray]:
    """The sorted rows of each class that occurs, in the order of the labels."""
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    return np.split(order, starts[1:])
