"""Proofs of robustness: what no attack in a threat model can change.

`certified.py` is the door, `network.py` takes bounds through a classifier, `rules.py`
through one layer, `layers.py` says which layers have rules, `rounding.py` keeps bounds
true in float32.
"""

from keras_mpat.evaluation.certification.certified import (
    Certifier,
    can_certify,
    certified,
    contradictions,
)

__all__ = ["Certifier", "can_certify", "certified", "contradictions"]
