"""Models from files, without running what a stranger put into them.

    model = load_model("surrogate", "runs/plain/classifier.keras")

Keras refuses code in `.keras` files (Lambda layers) unless it is told otherwise, and
this package never tells it so. Older formats, such as `.h5`, lack that protection.
"""

import os
import zipfile

import keras


def load_model(name: str, path: str | os.PathLike) -> keras.Model:
    """The Keras model of a `.keras` file, not compiled.

    Args:
        name: of the argument that holds the path, for messages.
        path: of the file.

    Raises:
        ValueError: no such file, another kind of file, a damaged one, or one that
            Keras does not load: with Lambda layers, or classes it does not know.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise ValueError(
            f"`{name}` must be a Keras model or the path of a .keras file. Received: "
            f"{path!r}, where there is no file. Save one with model.save('net.keras')."
        )
    if os.path.splitext(path)[1] != ".keras":
        raise ValueError(
            f"`{name}` must be the path of a .keras file: others may hold code. "
            f"Received: {path!r}. Save it again with model.save('net.keras')."
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"`{name}` must be a .keras file that is whole. Received: {path!r}, which "
            "is damaged. Save or copy it again."
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise ValueError(
            f"`{name}` must be the path of a .keras file that Keras loads without "
            f"running code of the file. Received: {path!r}: {reason} Register your own "
            "classes with keras.saving.register_keras_serializable; put layers in the "
            "place of Lambdas."
        ) from error
