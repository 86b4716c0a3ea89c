"""Who still stands after which attack: the work on one chunk of examples.

The examples of a chunk go through attack after attack, part after part of an attack
that is a sequence, run after run. What a run has fooled is not attacked by the next
one, nor is what is certified, nor, by a `NearMiss`, what is far from fooled. Batches of
one fixed size hold those that are left; the last one is filled up with copies. Every
success is checked again from the array that is kept: in the ball, in the box,
misclassified in float32.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import Attack
from keras_mpat.attacks.attack import check_logits
from keras_mpat.evaluation.certification import Certifier
from keras_mpat.evaluation.state import Chunk
from keras_mpat.evaluation.verdicts import answer, check_example
from keras_mpat.objectives import CrossEntropy

_LONG = 1000  # passes of an attack
_SMALLEST = 16  # examples


@dataclass(frozen=True)
class Part:
    """One attack of the plan.

    Attributes:
        attack: number of the caller's attack that it belongs to.
        name: its name within that attack.
        value: the attack itself.
        key: number folded into the noise keys; `None`: the caller's attack itself.
        runs: its number of runs.
    """

    attack: int
    name: str
    value: Attack
    key: int | None
    runs: int


def plan(named: Mapping[str, Attack], num_classes: int) -> list[Part]:
    """The parts of all attacks, in the order in which they run."""
    parts = []
    for number, attack in enumerate(named.values()):
        for key, (name, value) in enumerate(attack.stages(num_classes).items()):
            own = None if value is attack else key
            parts.append(Part(number, name, value, own, value.runs(num_classes)))
    return parts


class Driver:
    """The compiled functions of one evaluation.

    Args:
        classifier: a Keras model with logits.
        parts: from `plan`.
        seed: of the attacks' noise.
        batch_size: examples per compiled batch.
        keep: whether chunks hold the adversarial examples.
        certifiers: one for each threat model; what one proves, no attack in its threat
            model is run on.
        everyone: attack what is wrong without an attack, too, and keep what came
            nearest to fooling where nothing fooled.
    """

    def __init__(
        self,
        classifier,
        parts,
        *,
        seed: int,
        batch_size: int,
        keep: bool,
        certifiers: Sequence[Certifier] = (),
        everyone: bool = False,
    ):
        self._classifier, self._parts, self._seed = classifier, parts, seed
        self._certifiers = certifiers
        self._size, self._keep, self._everyone = batch_size, keep, everyone
        self._clean = backend.function(self._clean_pass)
        self._verdict = backend.function(self._verdict_pass)
        self._runs = [backend.function(self._run_of(part)) for part in parts]

    def _logits(self, x):
        return ops.cast(self._classifier(x, training=False), "float32")

    def _clean_pass(self, x, y):
        def goal(z):
            logits = self._logits(z)
            return CrossEntropy()(y, logits), logits

        gradient, _, logits = backend.input_gradient(goal, x)
        size = ops.max(ops.abs(ops.reshape(gradient, (x.shape[0], -1))), axis=-1)
        return ~CrossEntropy().fooled(y, logits), size == 0, logits, *answer(y, logits)

    def _verdict_pass(self, x_adv, y):
        logits = self._logits(x_adv)
        return CrossEntropy().fooled(y, logits), *answer(y, logits)

    def _run_of(self, part: Part) -> Callable:
        def run(x, y, keys, number):
            part.value.threat_model.check_example(tuple(x.shape[1:]))
            if part.key is not None:
                keys = noise.fold(keys, part.key)
            x_adv = part.value.run(self._logits, x, y, keys, number)
            x_adv = ops.stop_gradient(x_adv)
            return x_adv, part.value.threat_model.project(x_adv, x)

        return run

    def work(self, chunk: Chunk, x, y, first: int, step: Callable) -> None:
        """Continues a chunk to its end.

        Args:
            chunk: is changed in place.
            x, y: its examples, (N, ...) float32 and (N,) int32.
            first: index of the first of them in the data set.
            step: called as `step(part, runs)` after each batch, with the number of the
                part and how many of its runs are done.
        """
        rows = chunk.rows
        if "clean" not in rows:
            self._look(chunk, x, y)
        for number, part in enumerate(self._parts):
            begun = rows["clean"] | self._everyone
            alive = rows.setdefault(f"alive {part.attack}", begun)
            rows.setdefault(f"lead {part.attack}", rows["clean margin"].copy())
            for run in range(part.runs):
                if (number, run) >= chunk.position[:2]:
                    self._run(chunk, number, run, alive, (x, y, first), step)
                step(number, run + 1)
            rows.setdefault(f"part {number}", alive.copy())
        rows.pop("left", None)
        chunk.finished = True

    def _look(self, chunk: Chunk, x, y) -> None:
        """The clean pass: right or wrong, and zero gradients."""
        found = {
            "clean": np.zeros(len(x), "bool"),
            "zero gradient": np.zeros(len(x), "bool"),
            "predicted": np.zeros(len(x), "int32"),
            "margin": np.zeros(len(x), "float32"),
        }
        for rows, count in _batches(np.arange(len(x)), self._size):
            parts = self._clean(*map(ops.convert_to_tensor, (x[rows], y[rows])))
            right, flat, logits, *said = map(ops.convert_to_numpy, parts)
            check_logits(logits)
            values = (right, flat, *said)
            for name, value in zip(found, values, strict=True):
                found[name][rows[:count]] = value[:count]
        chunk.rows |= found | {"clean margin": found["margin"].copy()}
        chunk.rows["broken by"] = np.full(len(x), -1, "int32")
        if self._keep:
            chunk.rows["adversarial"] = x.copy()
        if self._everyone:
            chunk.rows["clean predicted"] = found["predicted"].copy()
            chunk.rows["margin"][:] = -np.inf
        clean = found["clean"]
        for number, certifier in enumerate(self._certifiers):
            proven = np.zeros(len(x), "bool")
            proven[clean] = certifier(x[clean], y[clean])
            chunk.rows[f"certified {number}"] = proven

    def _run(self, chunk: Chunk, number: int, run: int, alive, data, step) -> None:
        start = chunk.position[2] if chunk.position[:2] == (number, run) else 0
        if not start:
            spared = self._proven(chunk, number) | self._far(chunk, number)
            chunk.rows["left"] = alive & ~spared
        left, begun = np.flatnonzero(chunk.rows["left"]), time.perf_counter()
        for taken in range(start, len(left), self._size):
            size = self._size_for(number, len(left) - taken)
            filled, count = next(_batches(left[taken:], size))
            fooled, found = self._attack(number, run, filled, data)
            filled, fooled = filled[:count], fooled[:count]  # without copies
            found = {name: rows[:count] for name, rows in found.items()}
            self._enter(chunk, number, filled, fooled, found)
            lead = chunk.rows[f"lead {self._parts[number].attack}"]
            np.maximum.at(lead, filled, found["margin"])
            alive[filled[fooled]] = False
            chunk.position = (number, run, taken + count)
            begun, last = time.perf_counter(), begun
            chunk.spent(number, begun - last)
            step(number, run + (taken + count) / len(left))
        chunk.position = (number, run + 1, 0)

    def _size_for(self, part: int, left: int) -> int:
        """The batch size, or a quarter of it for what is left to a long attack.

        A second size is a second graph, which pays from about a thousand passes; those
        for near misses seldom need the first.
        """
        quarter, attack = self._size // 4, self._parts[part].value
        pays = (attack.passes >= _LONG or attack.near < 1) and quarter >= _SMALLEST
        return quarter if pays and left <= 3 * quarter else self._size

    def _proven(self, chunk: Chunk, part: int) -> np.ndarray:
        """Which examples are certified in the threat model of a part."""
        proven = np.zeros(len(chunk.rows["clean"]), "bool")
        for number, certifier in enumerate(self._certifiers):
            if certifier.threat_model == self._parts[part].value.threat_model:
                proven |= chunk.rows[f"certified {number}"]
        return proven

    def _far(self, chunk: Chunk, part: int) -> np.ndarray:
        """Which examples a part leaves out, because nothing came near fooling them."""
        own, before = self._parts[part], self._parts[:part]
        if all(earlier.attack != own.attack for earlier in before):
            return np.zeros(len(chunk.rows["clean"]), "bool")  # nothing tried yet
        lead = chunk.rows[f"lead {self._parts[part].attack}"]
        return lead < own.value.near * chunk.rows["clean margin"]

    def _enter(self, chunk: Chunk, number: int, examples, fooled, found) -> None:
        """Notes which part was the first to fool an example, and how."""
        free = chunk.rows["broken by"][examples] < 0
        new = free & fooled
        chunk.rows["broken by"][examples[new]] = number
        if self._everyone:
            new |= free & (found["margin"] > chunk.rows["margin"][examples])
        for name in found.keys() & chunk.rows.keys():
            chunk.rows[name][examples[new]] = found[name][new]

    def _attack(self, number: int, run: int, filled, data):
        """(fooled (B,), rows of the chunk (B, ...)) of one run on `filled`."""
        x, y, first = data
        x, y = ops.convert_to_tensor(x[filled]), ops.convert_to_tensor(y[filled])
        keys = noise.of_indices(self._seed, first + filled)
        found, inside = self._runs[number](x, y, keys, ops.convert_to_tensor(run))
        check_example(found, inside, self._parts[number].value)
        with backend.full_precision():
            verdict = self._verdict(inside, y)
        fooled, *found = map(ops.convert_to_numpy, (*verdict, inside))
        names = ("predicted", "margin", "adversarial")
        return np.array(fooled), dict(zip(names, found, strict=True))


def _batches(indices: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (indices (size,), count): the last batch repeats its first one."""
    for start in range(0, len(indices), size):
        batch = indices[start : start + size]
        filled = np.full(size, batch[0])
        filled[: len(batch)] = batch
        yield filled, len(batch)
