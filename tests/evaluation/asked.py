"""One check of an audit, asked about one classifier."""

from keras_mpat import attacks
from keras_mpat.evaluation.checks import CHECKS, Subject
from keras_mpat.evaluation.loading import load_classifier
from tests.evaluation import planted

BY_NUMBER = {check.number: check for check in CHECKS}


def answer(number, classifier, *, given=None, xy=None, ball=None, folder, **fields):
    """What one check says of a classifier.

    Args:
        number: of the check.
        classifier, given, xy, ball: as of `audit`; default: those of `planted`.
        folder: where evaluations keep their work.
        fields: `attack` of the evaluation, or its `result`, made up.
    """
    xy, ball = xy or planted.data(), ball or planted.BALL
    subject = Subject(
        classifier,
        load_classifier(classifier, softmax=True),
        xy,
        ball,
        attack=fields.get("attack") or attacks.FGSM(ball),
        examples=500,
        state_dir=str(folder),
        given={"twins": None, "runs": None, **(given or {})},
        options={"seed": 0, "batch_size": len(xy[0]), "verbose": False},
    )
    if "result" in fields:  # made up: attacks do not break what is proven
        subject.__dict__["result"] = fields["result"]
    return BY_NUMBER[number].run(subject)
