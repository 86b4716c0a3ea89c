"""Strategies: how a batch becomes an update.

    PGDTraining(keras_mpat.Linf("8/255"), steps=7)     strongest, 1 + steps passes
    FreeTraining(keras_mpat.Linf("8/255"), replays=8)  one pass per update
    FastTraining(keras_mpat.Linf("8/255"))             two passes per update
    NFGSMTraining(keras_mpat.Linf("8/255"))            two passes, stronger noise
    TRADESTraining(keras_mpat.Linf("8/255"), beta=6)   clean accuracy + beta * KL
    FeatureScatteringTraining(keras_mpat.Linf(0.1))    without labels, three passes
    MTLIBPTraining(keras_mpat.Linf(0.3))               PGD and interval bounds
    AWPTraining(PGDTraining(keras_mpat.Linf("8/255")))  against moved weights

`strategy.py` is the interface; one file per strategy.
"""

from keras_mpat.training.adversarial_training import (
    AdversarialTraining,
    FastTraining,
    PGDTraining,
)
from keras_mpat.training.atld import ATLDTraining
from keras_mpat.training.awp import AWPTraining
from keras_mpat.training.feature_scattering import FeatureScatteringTraining
from keras_mpat.training.free_training import FreeTraining
from keras_mpat.training.logit_pairing import LogitPairingTraining
from keras_mpat.training.mtl_ibp import MTLIBPTraining
from keras_mpat.training.n_fgsm import NFGSMTraining
from keras_mpat.training.standard_training import StandardTraining
from keras_mpat.training.strategy import AttackStrategy, Strategy, attacked
from keras_mpat.training.trades import TRADESTraining

__all__ = [
    "ATLDTraining",
    "AWPTraining",
    "AdversarialTraining",
    "AttackStrategy",
    "FastTraining",
    "FeatureScatteringTraining",
    "FreeTraining",
    "LogitPairingTraining",
    "MTLIBPTraining",
    "NFGSMTraining",
    "PGDTraining",
    "StandardTraining",
    "Strategy",
    "TRADESTraining",
    "attacked",
]
