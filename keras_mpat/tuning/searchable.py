"""What a search needs of a hyper-model: a model for a point, data, and an identity."""

from typing import Any

import keras_tuner
import numpy as np

from keras_mpat.tuning.space import SearchSpace


class SearchableHyperModel(keras_tuner.HyperModel):
    """Base class; a subclass says what is trained, `search` when and where.

    It must be picklable, because each trial runs in a process of its own.

    Args:
        space: what is searched.
        validation: (x, y), arrays on which trials are judged.
        epochs: passes over the training data in a trial.
    """

    def __init__(self, space: SearchSpace, validation, epochs: int):
        super().__init__()
        self.space, self.validation, self.epochs = space, validation, epochs

    @property
    def num_classes(self) -> int:
        """C, by the largest label of the validation images."""
        return int(np.max(self.validation[1])) + 1

    @property
    def majority(self) -> float:
        """Share of the largest class among the validation images."""
        labels = np.ravel(self.validation[1]).astype("int64")
        return float(np.bincount(labels).max() / len(labels))

    def model(self, values: dict[str, Any], *, seed: int):
        """The compiled model of a point: hyper-parameters by name, seed of weights."""
        raise NotImplementedError

    def stream(self, values: dict[str, Any], *, seed: int, epoch: int):
        """The training data from an epoch on, in the order of a seed."""
        raise NotImplementedError

    def callbacks(self, values: dict[str, Any]) -> list:
        """What a trial trains with besides its model."""
        return []

    def identity(self) -> dict[str, Any]:
        """JSON values that tell this search from another in the same folder."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """Facts for the reader of a report, by name."""
        return {}

    def command(self, values: dict[str, Any]) -> str | None:
        """What a shell would run to train a point again; `None`: there is no way."""
        return None

    def declare_hyperparameters(self, hp) -> None:
        """Declares the space on keras-tuner's container."""
        self.space.declare(hp, self.num_classes)

    def build(self, hp):
        """The compiled model of the values that keras-tuner drew; seed 0."""
        return self.model(self.space.declare(hp, self.num_classes), seed=0)

    def fit(self, hp, model, *args, **kwargs):
        """One trial for keras-tuner's own tuners, which pass their callbacks.

        `search` does not call it: there a trial survives a kill.
        """
        usual = {"epochs": self.epochs, "validation_data": self.validation}
        values = self.space.declare(hp, self.num_classes)
        data = args or (self.stream(values, seed=0, epoch=0),)
        return model.fit(*data, **usual | {"shuffle": False} | kwargs)
