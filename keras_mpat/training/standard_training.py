"""Training on clean data: the baseline, and metric learning without an adversary."""

from dataclasses import dataclass

import keras

from keras_mpat.training.strategy import Strategy


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class StandardTraining(Strategy):
    """The update sees the clean batch."""

    def perturb(self, model, x, y):
        return {"clean": x}
