"""A model and its optimizer at one moment, bit for bit."""

from keras_mpat import backend


class Snapshot:
    """Copies weights, averages, random states and the optimizer; `restore` puts them
    back.

    What is counted for the logs, and the number of bad inputs seen, stay as they are:
    they say what happened, not what the model is.
    """

    def __init__(self, model):
        counted = {id(variable) for variable in model.metrics_variables}
        counted.add(id(model.violations))
        self._values = [
            (variable, backend.value(variable))
            for variable in [*model.variables, *model.optimizer.variables]
            if id(variable) not in counted
        ]

    def restore(self) -> None:
        """Gives every variable the value it had."""
        for variable, value in self._values:
            variable.assign(value)
