"""The hyper-model of the command line: what examples/train.py trains, at a point.

A trial and `python examples/train.py` with the same settings go through the same
functions, so the command that a search ends with trains what the search measured.
"""

import shlex
from pathlib import Path
from typing import Any

import keras
import settings as run_settings
from building import build, stream_options
from encoders import begin
from merging import merging_callbacks
from refinements import watching

from keras_mpat import datasets
from keras_mpat.tuning import SearchSpace
from keras_mpat.tuning.searchable import SearchableHyperModel

TRAIN = "examples/train.py"


class RecipeHyperModel(SearchableHyperModel):
    """Settings of examples/train.py, some of which are searched.

    Args:
        given: settings by flag name that hold for all trials; `None`: not given.
        space: what is searched.
        data_dir: folder of prepared data sets.

    Raises:
        ValueError: settings that do not fit together, or have no effect.
        FileNotFoundError: the data is not there.
    """

    def __init__(self, given: dict[str, Any], space: SearchSpace, data_dir=None):
        given = {name: value for name, value in given.items() if value is not None}
        for strategy in _offered(space, "strategy", given.get("strategy")):
            # Refuses what only some of them use: norm_mode.
            run_settings.resolve(given | {"strategy": strategy})
        first = run_settings.resolve(given | space.first())
        if first.pretrain is not None:
            raise ValueError(
                "`pretrain` is a stage of one run; trials would repeat it. Received: "
                f"pretrain={first.pretrain}. Make it once with examples/train.py, and "
                "pass --pretrained runs/<name>/pretraining."
            )
        where = {"data_dir": data_dir, "image_size": first.image_size}
        x, y, _ = datasets.arrays(first.dataset, "validation", **where)
        count = first.validation_examples
        super().__init__(space, (x[:count], y[:count]), first.epochs)
        self.given, self.where, self.first = given, where, first

    @property
    def num_classes(self) -> int:
        """C of the data set."""
        return datasets.info(self.first.dataset, **self.where).num_classes

    def settings(self, values: dict[str, Any], *, seed: int) -> run_settings.Settings:
        """The settings of a point."""
        # Free's default divides the epochs; those of a search hold for all strategies.
        fixed = {"epochs": self.epochs, "seed": seed}
        return run_settings.resolve(self.given | values | fixed)

    def model(self, values: dict[str, Any], *, seed: int) -> keras.Model:
        settings = self.settings(values, seed=seed)
        steps = len(self.stream(values, seed=seed, epoch=0))
        model = build(settings, steps, **self.where)
        begin(model.classifier, settings, Path(), **self.where)
        return model

    def stream(self, values: dict[str, Any], *, seed: int, epoch: int):
        settings = self.settings(values, seed=seed)
        options = stream_options(settings) | self.where
        return datasets.load(settings.dataset, "train", epoch=epoch, **options)

    def callbacks(self, values: dict[str, Any]) -> list[keras.callbacks.Callback]:
        settings = self.settings(values, seed=0)
        return [*merging_callbacks(settings), *watching(settings, Path())]

    def identity(self) -> dict[str, Any]:
        every, tuned = self.first.to_dict(), self.space.tuned
        fixed = {name: value for name, value in every.items() if name not in tuned}
        return fixed | {"space": self.space.to_dict()}

    def about(self) -> dict[str, Any]:
        first = self.first
        images = "all" if first.train_examples is None else first.train_examples
        return {
            "data set": first.dataset,
            "network": first.model if first.width is None else self._network(),
            "strategy": ", ".join(_offered(self.space, "strategy", first.strategy)),
            "head": ", ".join(_offered(self.space, "head", first.head)),
            "epsilon": first.epsilon,
            "training images": images,
            "validation images": len(self.validation[1]),
            "validation attack": f"PGD-{first.validation_steps}, Linf {first.epsilon}",
        }

    def command(self, values: dict[str, Any]) -> str:
        """Trains a point as its trial with seed 0 did."""
        chosen = self.given | values | {"epochs": self.epochs, "seed": 0}
        if self.where["data_dir"] is not None:
            chosen["data_dir"] = self.where["data_dir"]
        chosen["run_dir"] = f"runs/{self.first.dataset}_best".replace(":", "_")
        words = ["python", TRAIN]
        words += [f"--{name}={_text(value)}" for name, value in chosen.items()]
        return " ".join(map(shlex.quote, words))

    def _network(self) -> str:
        return f"{self.first.model}, width {self.first.width}"


def _offered(space: SearchSpace, name: str, otherwise: str | None) -> list:
    entry = space.entries.get(name, otherwise)
    return entry if isinstance(entry, list) else [entry]


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)
