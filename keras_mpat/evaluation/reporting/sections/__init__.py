"""The chapters of a report: each turns runs and data into a `Section`, or `None`."""

from keras_mpat.evaluation.reporting.sections import (
    attacks,
    classes,
    curves,
    detection,
    latent,
    prototypes,
    recipe,
    retrieval,
)

CHAPTERS = (
    recipe.section,
    attacks.section,
    curves.section,
    classes.section,
    latent.section,
    retrieval.section,
    detection.section,
    prototypes.section,
)
