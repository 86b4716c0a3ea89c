"""Every wrong input that the package names: one row each, as a user would write it.

`test_wrong_inputs.py` runs each row and holds its message to the house form;
`write_errors.py` writes rows and messages to ERRORS.md. A new check is a new row in
`wrong_arguments.py` or `wrong_data.py`.
"""

import contextlib
import functools
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import toy
from tests.contracts import wrong_arguments, wrong_data

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# What the code of the rows may use. ERRORS.md shows it as it stands.
NAMES = """\
import keras, numpy as np
from keras import layers
import keras_mpat as mpat
from keras_mpat import AdversarialModel, L2, Linf, SoftTripleHead
from keras_mpat import attacks, callbacks, datasets, losses, metrics, models, training
from keras_mpat import pretraining
from keras_mpat.evaluation import evaluate_robustness
from tests import toy

x, y = toy.data(16)  # x: float32 (16, 4) in [0, 1]; y: classes 0 and 1
images = np.zeros((16, 8, 8, 3), "float32")
ball, attack = Linf(0.1), attacks.FGSM(Linf(0.1))
pgd = training.PGDTraining(ball, steps=1)
net = toy.named()  # Dense layers: inputs (B, 4), then "hidden", "relu", "logits" (B, 2)
model = toy.model(pgd, classifier=net, validation_attack=attack, eager=False)
free = toy.model(training.FreeTraining(ball, replays=2, batch_size=8))
modes = toy.head()
modes(x)  # its prototypes have the shape (2, 3, 4)
one_hot = toy.model(pgd)
one_hot.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
squared = toy.model(pgd)
squared.compile("sgd", "mse")
vision = toy.model(pgd, classifier=models.lenet(2, input_shape=(8, 8, 3)))
"""
# The scripts of examples/ import each other as neighbors; so do the rows.
_SCRIPTS = "import evaluate, settings, train"
_TRAINED = ("model", "free", "one_hot", "squared", "vision")


@dataclass(frozen=True)
class Row:
    """One mistake.

    Args:
        mistake: what is wrong, in words.
        code: the statement that makes it.
        late: it is in a later batch of a stream, so that training has begun.
    """

    mistake: str
    code: str
    late: bool = False


@functools.cache
def names() -> dict:
    """What the rows' code sees: built once, because no row may change it."""
    if str(_EXAMPLES) not in sys.path:
        sys.path.insert(0, str(_EXAMPLES))
    scope: dict = {}
    exec(f"{_SCRIPTS}\n{NAMES}", scope)
    return scope


def message(row: Row) -> str:
    """What the user is told.

    Raises:
        AssertionError: nothing was wrong, or no `ValueError` said so.
    """
    trained = state() if row.late else []
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a progress bar
            exec(row.code, dict(names()))
    except ValueError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"{row.code}: {type(error).__name__}: {error}") from error
    finally:  # the next row finds the nets as this one did
        for variable, value in zip(_variables(), trained, strict=False):
            variable.assign(value)
    raise AssertionError(f"{row.code}: no error")


def state() -> list:
    """The values of all that training could move."""
    return toy.values(_variables())


def _variables() -> list:
    return [v for name in _TRAINED for v in names()[name].variables]


_LATE = "Streams: a later batch, named when the epoch ends"
TABLES = {
    title: [Row(*row, late=title == _LATE) for row in rows.items()]
    for title, rows in {
        "Threat models": wrong_arguments.THREAT_MODELS,
        "Attacks": wrong_arguments.ATTACKS,
        "Strategies": wrong_arguments.STRATEGIES,
        "Heads and their loss": wrong_arguments.HEADS,
        "Callbacks": wrong_arguments.CALLBACKS,
        "Classifiers and AdversarialModel": wrong_arguments.MODELS,
        "compile": wrong_arguments.COMPILE,
        "fit, evaluate and train_on_batch": wrong_data.DATA,
        "Streams: the first batch": wrong_data.STREAMS,
        _LATE: wrong_data.LATER_BATCHES,
        "Evaluation": wrong_data.EVALUATION,
        "Detection": wrong_data.DETECTION,
        "Latent analyses": wrong_data.LATENT,
        "Curves and surfaces": wrong_data.FIGURES,
        "Model cards and verification": wrong_data.CARDS,
        "Pretraining": wrong_arguments.PRETRAINING,
        "Searches": wrong_arguments.TUNING,
        "Data sets": wrong_data.DATASETS,
        "Command line": wrong_data.COMMANDS,
    }.items()
}
