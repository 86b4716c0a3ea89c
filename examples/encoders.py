"""Where a run's weights begin: `train.py --pretrain rocl|acl`, or `--pretrained`.

The pretraining is a stage of the run, in its folder: interrupted, it goes on. One that
was made before is shared between runs by `--pretrained runs/acl/pretraining`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
from building import build_classifier, is_published
from settings import Settings

import keras_mpat as mpat
from keras_mpat import datasets, pretraining

METHODS = {"rocl": pretraining.RoCL, "acl": pretraining.ACL}


def begin(
    classifier: keras.Model,
    settings: Settings,
    folder: Path,
    *,
    before: Callable[[], None] = lambda: None,
    **where,
) -> None:
    """Gives the classifier of a run its first weights, where they are not random.

    Args:
        classifier: of the run; changed in place. Before TRADES the layers after the
            embedding become zero, as in ACL's fine-tuning.
        settings: of the run.
        folder: where the pretraining is, or will be.
        before: called when nothing is left that could be refused, and training begins.
        where: what `datasets.arrays` needs besides the name.

    Raises:
        ValueError: no such file, weights of another architecture, or a batch of
            pretraining that is larger than the data.
    """
    zero = {"zero_last": settings.strategy == "trades"}
    if settings.pretrained is not None:
        path = Path(settings.pretrained)
        if is_published(settings):
            pretraining.load_published(classifier, path, **zero)
        else:
            pretraining.initialize(classifier, path, **zero)
    if settings.pretrain is not None:
        model = pretrain(settings, folder, before=before, **where)
        pretraining.initialize(classifier, model, **zero)


def pretrain(
    settings: Settings,
    folder: Path,
    *,
    before: Callable[[], None] = lambda: None,
    **where,
) -> pretraining.Contrastive:
    """Pretrains an encoder of the architecture of a run, or continues in its folder.

    Args:
        settings, folder, before, where: as of `begin`.
    """
    keras.utils.set_random_seed(settings.seed)
    images, _, _ = datasets.arrays(settings.dataset, "train", **where)
    images = images[: settings.train_examples]
    if not 2 <= settings.pretrain_batch_size <= len(images):
        raise ValueError(
            "`pretrain_batch_size` must be at least 2, and at most the number of "
            "training images. Received: pretrain_batch_size="
            f"{settings.pretrain_batch_size}, {len(images)} images. Pass for example "
            f"--pretrain_batch_size {min(len(images), 128)}."
        )
    method = METHODS[settings.pretrain](
        build_classifier(settings, datasets.info(settings.dataset, **where)),
        mpat.Linf(settings.epsilon),
        seed=settings.seed,
    )
    return pretraining.pretrain(
        method,
        images,
        epochs=settings.pretrain_epochs,
        batch_size=settings.pretrain_batch_size,
        run_dir=folder,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[keras.callbacks.LambdaCallback(on_train_begin=lambda _: before())],
    )


def probe(settings: Settings, folder: Path, *, tested: int = 2000, **where) -> dict:
    """How well a linear classifier reads the labels off frozen embeddings.

    Args:
        settings, where: as of `begin`.
        folder: of the finished pretraining.
        tested: first test images.

    Returns:
        Test accuracy `before`, with random weights, and `after` pretraining; `labels`,
        the number of training images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    name, limit = settings.dataset, settings.train_examples
    x, y, _ = (part[:limit] for part in datasets.arrays(name, "train", **where))
    seen, right, _ = (part[:tested] for part in datasets.arrays(name, "test", **where))
    keras.utils.set_random_seed(settings.seed)
    net = build_classifier(settings, datasets.info(name, **where))
    encoder = keras.Model(net.inputs[0], mpat.models.find_embedding(net))
    found = {"labels": len(y)}
    for moment in ("before", "after"):
        if moment == "after":
            pretraining.initialize(net, folder)
        known, unknown = (encoder.predict(part, verbose=0) for part in (x, seen))
        scaler = StandardScaler().fit(known)
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(known), y)
        found[moment] = float(model.score(scaler.transform(unknown), right))
    return found
