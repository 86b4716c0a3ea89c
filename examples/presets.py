"""Published recipes by name: `train.py --preset`. What is given beside it wins."""

from typing import Any

# A decay of w per step is a weight norm of w; here of kernels, there of all weights.
_WIDE = {"model": "wide_resnet", "depth": 28, "widen": 10}
_LATENT = {**_WIDE, "head": "none", "drops": [60, 90], "regularizer_weight": 2e-4}
_MPAT = {"strategy": "pgd", "head": "soft_triple", "schedule": "step"}
_PRETRAIN = {"pretrain_epochs": 1000, "pretrain_batch_size": 512}

PRESETS: dict[str, dict[str, Any]] = {
    # Khan et al., 2023, section 4.2.
    "mpat": _MPAT,
    "mpat-fast": {"strategy": "fast", "head": "soft_triple", "schedule": "cyclic"},
    "mpat-free": {"strategy": "free", "head": "soft_triple", "schedule": "step"},
    "rocl-mpat": {"pretrain": "rocl", **_PRETRAIN, **_MPAT},
    "acl-mpat": {"pretrain": "acl", **_PRETRAIN, **_MPAT},
    # Jiang et al., 2020: fine-tuned by TRADES.
    "acl-trades": {
        "pretrain": "acl",
        **_PRETRAIN,
        "strategy": "trades",
        "head": "none",
        "beta": 6.0,
        "steps": 10,
        "step_size": "2/255",
        "schedule": "step",
        "epochs": 25,
        "drops": [15, 20],
        "regularizer_weight": 2e-4,
    },
    # Zhang and Wang, 2019.
    "feature-scattering": {
        **_LATENT,
        "strategy": "feature_scattering",
        "schedule": "step",
        "epochs": 200,
        "batch_size": 60,
    },
    # Qian et al., 2021.
    "atld": {
        **_LATENT,
        "strategy": "atld",
        "schedule": "step",
        "epochs": 400,
        "batch_size": 50,
    },
}
