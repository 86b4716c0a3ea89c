"""TensorBoard of a run: scalars, and with --board attacked images and the Projector."""

import importlib.util

import keras
from run_directory import RunDirectory
from settings import Settings

import keras_mpat as mpat

_HELD_OUT = 256  # validation images that are attacked


def boards(
    run: RunDirectory, settings: Settings, validation, *, adversarial: bool
) -> list[keras.callbacks.Callback]:
    """The callbacks that write for TensorBoard; none where it, or TensorFlow, is not.

    Args:
        run: the folder.
        settings: of the run.
        validation: (x, y, modes) of images that are not trained on.
        adversarial: whether to attack some of them every fifth epoch, and show them.

    Raises:
        ImportError: `adversarial` without TensorBoard or TensorFlow.
    """
    folder = str(run.path / "tensorboard")
    needed = ("tensorboard", "tensorflow")  # Keras writes through both
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        if adversarial:
            raise ImportError(
                f"--board needs {' and '.join(missing)}: pip install "
                '"keras_mpat[tuning]" tensorflow.'
            )
        return []
    callbacks = [keras.callbacks.TensorBoard(folder, write_graph=False)]
    if adversarial:
        x, y, modes = (part[:_HELD_OUT] for part in validation)
        attack = mpat.attacks.PGD(mpat.Linf(settings.epsilon), steps=10)
        board = mpat.callbacks.AdversarialBoard(
            folder, x, y, modes=modes, attack=attack
        )
        callbacks.append(board)
    return callbacks
