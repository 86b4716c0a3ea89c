"""One page about one run, or several side by side.

    report("runs/mnist_2", compare=["runs/plain"])  # runs/mnist_2/report.html

`runs.py` reads run directories, `sections` makes their chapters, `page.py` the page,
`tables.py` tables in four languages, `markup.py` escapes all text.
"""

from keras_mpat.evaluation.reporting.report import report

__all__ = ["report"]
