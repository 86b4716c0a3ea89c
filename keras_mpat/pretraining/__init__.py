"""Self-supervised adversarial initialisations: an encoder before any label is seen.

    model = ACL(classifier, Linf("8/255"))      # or RoCL
    pretrain(model, images, epochs=1000, batch_size=512, run_dir="runs/acl")
    initialize(other_classifier, "runs/acl")

In reading order: `contrastive.py` is what both share, `rocl.py` and `acl.py` are the
methods; `views.py` and `colors.py` make random views, `lars.py` the steps; `running.py`
is a whole run, `initialize.py` what comes after; `published.py` reads ACL's weights.
"""

from keras_mpat.pretraining.acl import ACL
from keras_mpat.pretraining.contrastive import Contrastive
from keras_mpat.pretraining.initialize import initialize
from keras_mpat.pretraining.lars import LARS
from keras_mpat.pretraining.published import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    load_published,
)
from keras_mpat.pretraining.rocl import RoCL
from keras_mpat.pretraining.running import pretrain
from keras_mpat.pretraining.views import SimCLRViews

__all__ = [
    "ACL",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "LARS",
    "Contrastive",
    "RoCL",
    "SimCLRViews",
    "initialize",
    "load_published",
    "pretrain",
]
