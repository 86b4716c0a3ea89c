"""The chapters of a report: each turns runs and data into a `Section`, or `None`."""

from keras_mpat.evaluation.reporting.sections import (
    attacks,
    classes,
    latent,
    prototypes,
    recipe,
    retrieval,
)

CHAPTERS = (
    attacks.section,
    classes.section,
    latent.section,
    retrieval.section,
    prototypes.section,
    recipe.section,
)
