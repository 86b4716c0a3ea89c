"""Attacks: frozen values that map (logits_fn, x, targets, seed) to x_adv.

    attack = PGD(keras_mpat.Linf("8/255"), steps=10)
    x_adv = attack(classifier, x, y, seed=0)

The same objects train, validate and evaluate. In reading order: `attack.py` (the
interface), `pgd.py` (the loop), one file per attack, `targets.py` (whom a targeted
attack aims at).
"""

from keras_mpat.attacks.apgd import APGD
from keras_mpat.attacks.attack import Attack, GradientAttack
from keras_mpat.attacks.auto_attack import AutoAttack
from keras_mpat.attacks.bim import BIM
from keras_mpat.attacks.constraint_relaxation import ConstraintRelaxation
from keras_mpat.attacks.cw import CW
from keras_mpat.attacks.cwl2 import CWL2
from keras_mpat.attacks.fab import FAB
from keras_mpat.attacks.feature_matching import FeatureMatching
from keras_mpat.attacks.fgsm import FGSM, RFGSM
from keras_mpat.attacks.fmn import FMN
from keras_mpat.attacks.latent_attack import LatentAttack
from keras_mpat.attacks.latent_objectives import (
    LatentObjective,
    SimilarityMargin,
    TowardPrototype,
    UnnormalizedMargin,
)
from keras_mpat.attacks.margin_decomposition import MarginDecomposition
from keras_mpat.attacks.mim import MIM
from keras_mpat.attacks.multi_targeted import MultiTargeted
from keras_mpat.attacks.near_miss import NearMiss
from keras_mpat.attacks.pgd import PGD
from keras_mpat.attacks.random_noise import RandomNoise
from keras_mpat.attacks.square import Square
from keras_mpat.attacks.targets import LeastLikely, NextLabel, RandomLabel, TargetRule
from keras_mpat.attacks.transfer import Transfer
from keras_mpat.attacks.worst_case import WorstCase

__all__ = [
    "APGD",
    "BIM",
    "CW",
    "CWL2",
    "FAB",
    "FGSM",
    "FMN",
    "MIM",
    "PGD",
    "RFGSM",
    "Attack",
    "AutoAttack",
    "FeatureMatching",
    "ConstraintRelaxation",
    "GradientAttack",
    "LatentAttack",
    "LatentObjective",
    "LeastLikely",
    "MarginDecomposition",
    "MultiTargeted",
    "NearMiss",
    "NextLabel",
    "RandomLabel",
    "RandomNoise",
    "SimilarityMargin",
    "Square",
    "TargetRule",
    "TowardPrototype",
    "Transfer",
    "UnnormalizedMargin",
    "WorstCase",
]
