"""Search spaces: which hyper-parameters are drawn, from what, under which conditions.

    SearchSpace()                                        # lambda_1 and K, as published
    SearchSpace(head_weight=[0.1, 0.5, 1], prototypes_per_class=5)
    SearchSpace(strategy=["pgd", "free"], steps=Range(3, 10), replays=[4, 8])

A `Range` or a list is searched, a single value holds for all trials. What only some
strategies or heads use is drawn for those only: a conditional space.
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_mpat.tuning.dimensions import DIMENSIONS, PARENTS, Range
from keras_mpat.tuning.space_checks import check_entry, checked_name, prototype_counts

DEFAULT = ("head_weight", "prototypes_per_class")


class SearchSpace:
    """Hyper-parameters by name: `Range` or list to search, anything else fixed.

    Args:
        entries: by name, see `DIMENSIONS`. `None`: the usual range of that name. Ints
            of `prototypes_per_class` hold for all classes, "3/4" has one per class.
            Nothing at all: the usual ranges of lambda_1 and K.

    Raises:
        ValueError: an unknown name, a value out of range, an empty list, or one that
            no strategy, head or regularizer of the space uses.
    """

    def __init__(self, **entries: Any):
        if not entries:
            entries = dict.fromkeys(DEFAULT)
        for name in entries:
            checked_name(name)
        entries = {
            name: DIMENSIONS[name].usual if value is None else value
            for name, value in entries.items()
        }
        ordered = sorted(entries, key=list(DIMENSIONS).index)
        self.entries = {name: check_entry(name, entries[name]) for name in ordered}
        for name in ordered:
            self._check_used(name)

    @classmethod
    def from_json(cls, path: str | os.PathLike) -> "SearchSpace":
        """A space from a file: `{"head_weight": {"low": 0.1, "high": 2}, ...}`.

        Raises:
            ValueError: the file is no such JSON, or its space is not as above.
            FileNotFoundError: there is no file.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError("it holds no object")
        except ValueError as error:
            raise ValueError(
                "`space` must be a JSON file with one object of hyper-parameters. "
                f'Received: {path}: {error}. Example: {{"head_weight": {{"low": 0.1, '
                '"high": 2, "sampling": "log"}, "prototypes_per_class": [1, 3, 5]}'
            ) from None
        return cls(**content)

    @property
    def tuned(self) -> tuple[str, ...]:
        """Names of what is searched."""
        return tuple(name for name, entry in self.entries.items() if _searched(entry))

    @property
    def fixed(self) -> dict[str, Any]:
        """What holds for all trials."""
        pairs = self.entries.items()
        return {n: _decoded(n, entry) for n, entry in pairs if not _searched(entry)}

    def declare(self, hp, num_classes: int | None = None) -> dict[str, Any]:
        """Declares the space on keras-tuner's container, and reads its values.

        Args:
            hp: a `keras_tuner.HyperParameters`.
            num_classes: C, for a range per class.

        Returns:
            The values of this trial by name; those that are not used are left out.
        """
        for name in self.tuned:
            parent, users = DIMENSIONS[name].needs or (None, ())
            condition = {}
            if parent in self.tuned:
                condition = {"parent_name": parent, "parent_values": list(users)}
            self._declare(hp, name, num_classes, condition)
        return self.values(hp.values)

    def first(self, num_classes: int | None = None) -> dict[str, Any]:
        """Values of the first point: the lowest of each range, the first of lists.

        Args:
            num_classes: C; a range per class then gives its lowest for each class.
        """
        values = dict(self.fixed)
        for name in self.tuned:
            entry = self.entries[name]
            value = entry.low if isinstance(entry, Range) else entry[0]
            values[name] = _decoded(name, value)
            if num_classes and getattr(entry, "per_class", False):
                values[name] = [value] * num_classes
        chosen = PARENTS | values
        return {name: v for name, v in values.items() if _used(name, chosen)}

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """All values of a trial by name, from those that keras-tuner drew."""
        values = dict(self.fixed)
        for name in self.tuned:
            found = {k: v for k, v in drawn.items() if k.partition("/")[0] == name}
            if found and getattr(self.entries[name], "per_class", False):
                # By class, in whatever order a chief's message held them.
                values[name] = [found[key] for key in sorted(found, key=_label)]
            elif found:
                values[name] = _decoded(name, found[name])
        chosen = PARENTS | values
        return {name: v for name, v in values.items() if _used(name, chosen)}

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination of the lists, as keras-tuner's values; for a grid.

        Raises:
            ValueError: a range that is not a list.
        """
        seen = set()
        for name in self.tuned:
            if isinstance(self.entries[name], Range):
                raise ValueError(
                    f"`{name}` must be a list for a grid. Received: {name}="
                    f"{self.entries[name]}. Pass for example --{name}=1,2,3."
                )
        lists = [self.entries[name] for name in self.tuned]
        for combination in itertools.product(*lists):
            drawn = dict(zip(self.tuned, combination, strict=True))
            chosen = PARENTS | self.fixed | drawn
            point = {name: v for name, v in drawn.items() if _used(name, chosen)}
            if (key := tuple(point.items())) not in seen:
                seen.add(key)
                yield point

    def to_dict(self) -> dict[str, Any]:
        """JSON values, as `from_json` reads them."""
        pairs = self.entries.items()
        return {n: vars(e) if isinstance(e, Range) else e for n, e in pairs}

    def __repr__(self) -> str:
        return f"SearchSpace({', '.join(f'{n}={e}' for n, e in self.entries.items())})"

    def _declare(self, hp, name: str, num_classes: int | None, condition) -> None:
        entry = self.entries[name]
        if isinstance(entry, list):
            hp.Choice(name, entry, **condition)
            return
        kind = hp.Int if DIMENSIONS[name].kind is int else hp.Float
        names = [name]
        if entry.per_class:
            if num_classes is None:
                raise ValueError(
                    "`num_classes` must be given for a range per class (an int). "
                    "Received: num_classes=None. Pass the number of classes."
                )
            names = [f"{name}/{label}" for label in range(num_classes)]
        for each in names:
            kind(each, entry.low, entry.high, sampling=entry.sampling, **condition)

    def _check_used(self, name: str) -> None:
        """Raises unless some trial uses the entry."""
        needs = DIMENSIONS[name].needs
        if needs is None:
            return
        parent, users = needs
        offered = self.entries.get(parent, PARENTS[parent])
        offered = offered if isinstance(offered, list) else [offered]
        if not set(offered) & set(users):
            raise ValueError(
                f"`{name}` has no effect with {parent}={', '.join(offered)}. Received: "
                f"{name}={self.entries[name]}. Remove it, or choose {parent} from: "
                f"{', '.join(users)}."
            )


def _label(key: str) -> int:
    """Class of "prototypes_per_class/3"."""
    return int(key.partition("/")[2])


def _searched(entry: Any) -> bool:
    return isinstance(entry, (Range, list))


def _used(name: str, chosen: Mapping[str, Any]) -> bool:
    needs = DIMENSIONS[name].needs
    return needs is None or chosen[needs[0]] in needs[1]


def _decoded(name: str, value: Any) -> Any:
    """The value as a model takes it: "3/4" becomes [3, 4]."""
    return prototype_counts(value) if name == "prototypes_per_class" else value
