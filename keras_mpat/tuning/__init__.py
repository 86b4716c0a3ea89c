"""Hyper-parameter search under attack: lambda_1, prototypes per class and the rest.

    from keras_mpat import tuning

    hyper_model = tuning.RobustHyperModel(build, train, validation, mpat.Linf("8/255"))
    result = tuning.search(hyper_model, search_dir="runs/search", max_trials=20)

Needs keras-tuner: `pip install "keras_mpat[tuning]"`. Reading order: `dimensions` says
what can be searched, `space` is a choice of it, `hyper_model` makes a model of a point.
`search` leads: `oracles` draw, `tuner` runs each trial by `process` in `trial`, which
keeps it by `kept_epochs`; `distributed` adds workers. `reading`, `results` and `report`
say what came of it.
"""

from keras_mpat.tuning.dimensions import DIMENSIONS, Dimension, Range
from keras_mpat.tuning.hyper_model import RobustHyperModel
from keras_mpat.tuning.report import write_report
from keras_mpat.tuning.results import SearchResult, TrialResult
from keras_mpat.tuning.search import OBJECTIVE, search
from keras_mpat.tuning.searchable import SearchableHyperModel
from keras_mpat.tuning.space import SearchSpace
from keras_mpat.tuning.space_checks import parse

__all__ = [
    "DIMENSIONS",
    "OBJECTIVE",
    "Dimension",
    "Range",
    "RobustHyperModel",
    "SearchResult",
    "SearchSpace",
    "SearchableHyperModel",
    "TrialResult",
    "parse",
    "search",
    "write_report",
]
