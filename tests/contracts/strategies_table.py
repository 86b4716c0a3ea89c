"""Every strategy, one row each. A new strategy: add a row, and it is held to all of
the promises in `test_strategies.py`."""

import keras_mpat as mpat
from keras_mpat import backend, training

BALL = mpat.Linf(0.1)
BATCH = 16

STRATEGIES = {
    "standard": training.StandardTraining(),
    "bim": training.AdversarialTraining(mpat.attacks.BIM(BALL, steps=2)),
    "pgd": training.PGDTraining(BALL, steps=2),
    "pgd-l2": training.PGDTraining(mpat.L2(0.15), steps=2, norm_mode="batch_stats"),
    "pgd-warmup": training.PGDTraining(BALL, steps=2, clean_epochs=1, warmup_epochs=2),
    "pgd-bfloat16": training.PGDTraining(
        BALL, steps=2, warmup_epochs=1, attack_dtype="bfloat16"
    ),
    "fast": training.FastTraining(BALL),
    "n_fgsm": training.NFGSMTraining(BALL),
    "n_fgsm-l2": training.NFGSMTraining(
        mpat.L2(0.1), norm_mode="batch_stats", warmup_epochs=1
    ),
    "free": training.FreeTraining(BALL, replays=3, batch_size=BATCH),
    "free-warmup": training.FreeTraining(
        BALL, replays=2, batch_size=BATCH, clean_epochs=1, warmup_epochs=1
    ),
    "free-ce": training.FreeTraining(BALL, replays=2, batch_size=BATCH, ascent="ce"),
    "feature_scattering": training.FeatureScatteringTraining(
        BALL, label_smoothing=0.01
    ),
    "feature_scattering-l2": training.FeatureScatteringTraining(
        mpat.L2(0.15), steps=2, norm_mode="batch_stats", clean_epochs=1
    ),
    "trades": training.TRADESTraining(BALL, steps=2),
    "trades-l2": training.TRADESTraining(
        mpat.L2(0.15), beta=1, steps=2, norm_mode="batch_stats", warmup_epochs=1
    ),
    "awp": training.AWPTraining(training.PGDTraining(BALL, steps=2, warmup_epochs=1)),
    "awp-free": training.AWPTraining(
        training.FreeTraining(BALL, replays=2, batch_size=BATCH)
    ),
    "awp-trades": training.AWPTraining(training.TRADESTraining(BALL, steps=2), 0.005),
    "mtl_ibp": training.MTLIBPTraining(BALL, steps=2),
    "mtl_ibp-l2": training.MTLIBPTraining(
        mpat.L2(0.15), steps=2, bound_weight=0.5, warmup_epochs=1
    ),
    "logit_pairing": training.LogitPairingTraining(BALL, steps=2),
}
if backend.NAME == "tensorflow":  # refused on JAX
    STRATEGIES["fast-train"] = training.FastTraining(BALL, norm_mode="train")
    small = {"widths": (8,), "blocks": 1, "label_smoothing": 0.1}
    STRATEGIES["atld"] = training.ATLDTraining(BALL, **small)
# What one example adds to the update depends on the others in its batch.
_PERTURBED = tuple(name for name in STRATEGIES if name.startswith("awp"))
COUPLED = ("atld", "feature_scattering", "feature_scattering-l2", *_PERTURBED)
