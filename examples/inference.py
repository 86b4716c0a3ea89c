"""`evaluate.py --inference`: a run of ATLD behind its manifold transformation.

That inference is dynamic: a figure of attacks which do not go through it says nothing.
Those that are asked for do, and are run on the classifier inside as well.
"""

from collections.abc import Mapping
from pathlib import Path

import keras
from run_directory import finished

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.choices import check_choice

# The paper's names are ATLD-, ATLD and ATLD+.
KINDS = ("plain", "imt", "imt_plus")


def predictor(run_dir, kind: str = "plain"):
    """What predicts: the path of classifier.keras, or a model around model.keras.

    Args:
        run_dir: the folder of a finished run.
        kind: one of `KINDS`.

    Raises:
        ValueError: an unknown kind, or a run without a discriminator.
    """
    check_choice("inference", kind, KINDS)
    record, classifier = finished(run_dir)
    if kind == "plain":
        return classifier
    strategy = record["settings"]["strategy"]
    path = Path(run_dir) / "model.keras"
    if strategy != "atld" or not path.exists():
        raise ValueError(
            f"`inference` {kind} needs model.keras of a run with --strategy atld: it "
            f"has the discriminator. Received: run_dir={run_dir}, strategy={strategy}. "
            "Leave --inference out."
        )
    model = keras.saving.load_model(path, compile=False)
    return mpat.models.InferenceManifoldTransformation(
        model, adaptive=kind == "imt_plus"
    )


def adapted(chosen: Mapping[str, attacks.Attack], model) -> dict[str, attacks.Attack]:
    """The attacks of a dynamic model: through it, then those on the net inside.

    Args:
        chosen: attacks by title.
        model: what `predictor` returned; for a path the attacks are as they were.
    """
    if not isinstance(model, mpat.models.InferenceManifoldTransformation):
        return dict(chosen)
    inside = model.inner.classifier
    transferred = {
        f"{title}, transferred": attacks.Transfer(attack, surrogate=inside)
        for title, attack in chosen.items()
    }
    return {**chosen, **transferred}
