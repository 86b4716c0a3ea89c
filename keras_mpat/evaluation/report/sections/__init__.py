"""The chapters of a report: each turns runs into a `Section`, or `None`."""

from keras_mpat.evaluation.report.sections import attacks, prototypes, recipe

CHAPTERS = (attacks.section, recipe.section, prototypes.section)
