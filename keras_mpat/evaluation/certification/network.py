"""A classifier as a list of rules, and lower bounds of what it computes in a box.

    network = Network(classifier)
    boxes = network.boxes(Box(low, high), refined=True)
    network.margins(boxes, y, relaxed=True)    # (B, C): z_y - z_j is not below

A bound of a linear function of the logits goes backward through the linear layers at
the end, so that differences of logits are bounded and not logits; `relaxed` goes on
through the activations down to the input. `refined` tightens the boxes of hidden layers
in the same way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keras import layers, ops

from keras_mpat.evaluation.certification.activations import refuse
from keras_mpat.evaluation.certification.layers import rules_of
from keras_mpat.evaluation.certification.rounding import (
    TINY,
    Box,
    flat_rows,
    relative,
    total,
)
from keras_mpat.evaluation.certification.rules import Rule, concretize
from keras_mpat.models import _graph as graph

_REFINED = 256  # units of a layer whose boxes may be refined: a backward pass for each
_FEW = relative(16)


@dataclass(frozen=True)
class Step:
    """One rule, and the steps whose outputs it takes; step 0 is the input."""

    rule: Rule
    sources: tuple[int, ...]


class Network:
    """The rules of a classifier, nested models included, in an order of evaluation.

    Args:
        classifier: functional or built Sequential model with one input and one output.

    Raises:
        ValueError: a layer without a rule.
    """

    def __init__(self, classifier):
        if not graph.is_readable(classifier):
            refuse(f"a {type(classifier).__name__}, whose layers cannot be read")
        self._steps: list[Step | None] = [None]
        self._end = self._read(graph.functional(classifier), 0)
        self._bent = self._behind_a_bend()
        bends = [step for step in self._steps[1:] if step.rule.bends]
        self._kinks = {source for step in bends for source in step.sources}

    def _read(self, view, start: int) -> int:
        """Adds the steps of a model whose input is step `start`; where it ends."""
        places = {}
        for tensor, call in graph.in_order(view):
            inputs, layer = graph.sources(call), call.operation
            sources = tuple(places[id(source)] for source in inputs)
            if isinstance(layer, layers.InputLayer):
                places[id(tensor)] = start
            elif graph.is_readable(layer):
                place = self._read(graph.functional(layer), sources[0])
                places[id(tensor)] = place
            else:
                for rule in rules_of(layer, inputs):
                    self._steps.append(Step(rule, sources))
                    sources = (len(self._steps) - 1,)
                (places[id(tensor)],) = sources
        return places[id(view.outputs[0])]

    def _behind_a_bend(self) -> list[bool]:
        """By step, whether its output is not linear in the input."""
        bent = [False]
        for step in self._steps[1:]:
            bent.append(step.rule.bends or any(bent[s] for s in step.sources))
        return bent

    def boxes(self, box: Box, *, refined: bool = False) -> list[Box]:
        """The boxes of all steps; the last one is that of the logits."""
        boxes = [box]
        for place, step in enumerate(self._steps[1:], start=1):
            boxes.append(step.rule.forward([boxes[s] for s in step.sources]))
            if refined and self._units(boxes, place):
                boxes[place] = self._refine(boxes, place)
        return boxes

    def _units(self, boxes: Sequence[Box], place: int) -> int:
        """Number of outputs of a step, 0 if it is not to be refined."""
        units = math.prod(boxes[place].low.shape[1:])
        refined = place in self._kinks and self._bent[place] and units <= _REFINED
        return units if refined else 0

    def work(self, boxes: Sequence[Box]) -> int:
        """Numbers that the widest backward pass holds for one example."""
        widths = [math.prod(box.low.shape[1:]) for box in boxes]
        rows = [2 * self._units(boxes, place) for place in range(len(boxes))]
        return max(widths) * max(widths[self._end], *rows)

    def _refine(self, boxes: Sequence[Box], place: int) -> Box:
        box, units = boxes[place], self._units(boxes, place)
        batch, *shape = box.low.shape
        one = ops.reshape(ops.eye(units), (1, units, *shape))
        rows = ops.repeat(ops.concatenate([one, -one], axis=1), batch, axis=0)
        bounds = self._lower_bounds(boxes, place, rows, relaxed=True)
        low, high = ops.split(ops.reshape(bounds, (batch, 2, *shape)), 2, axis=1)
        return Box(
            ops.maximum(box.low, low[:, 0]),
            ops.minimum(box.high, -high[:, 0]),
            box.gain,
        )

    def margins(self, boxes: Sequence[Box], y, *, relaxed: bool = False):
        """Lower bounds (B, C) of z_y - z_j for all inputs in the box; infinity at y."""
        classes = boxes[self._end].low.shape[-1]
        own = ops.one_hot(y, classes)
        rows = own[:, None] - ops.eye(classes)[None]
        bounds = self._lower_bounds(boxes, self._end, rows, relaxed=relaxed)
        return ops.where(own > 0, float("inf"), bounds)

    def finite(self, boxes: Sequence[Box]):
        """Whether all bounds are numbers, (B,): NaN or infinity prove nothing."""
        flags = [
            ops.all(ops.isfinite(flat_rows((box.high - box.low)[:, None])), axis=(1, 2))
            for box in boxes
        ]
        return ops.all(ops.stack(flags), axis=0)

    def _lower_bounds(self, boxes, start: int, rows, *, relaxed: bool):
        """Lower bounds (B, R) of rows (B, R, ...) times the outputs of a step."""
        pending = {start: rows}
        value, slack = ops.zeros(rows.shape[:2]), TINY
        for place in range(start, -1, -1):
            if place not in pending:
                continue
            rows, box = pending.pop(place), boxes[place]
            parts, gained, lost = self._pull(rows, boxes, place, relaxed)
            value = value + gained
            slack = slack + lost + _FEW * total(ops.abs(rows) * box.size()[:, None])
            slack = slack + _FEW * ops.abs(value)
            for source, part in parts:
                pending[source] = pending[source] + part if source in pending else part
        return value - slack * (1 + _FEW)

    def _pull(self, rows, boxes, place: int, relaxed: bool):
        """(rows for each source, gained, lost) of one step."""
        step, found = self._steps[place], None
        if step is not None and (relaxed or not step.rule.bends):
            inputs = [boxes[source] for source in step.sources]
            found = step.rule.pull(rows, inputs, boxes[place])
        if found is None:
            return [], *concretize(rows, boxes[place])
        parts, gained, lost = found
        return list(zip(step.sources, parts, strict=True)), gained, lost
