"""A script that searches the planted space; tests start it, kill it, start it again.

python -m tests.tuning.planted_search FOLDER PAUSE [name=value ...]
"""

import sys
from pathlib import Path

from keras_mpat import tuning
from tests.tuning.planted import Planted


def main(folder: str, pause: str, *options: str) -> None:
    """Searches, and prints the result."""
    given = dict(option.split("=") for option in options)
    given = {name: int(v) if v.isdigit() else v for name, v in given.items()}
    result = tuning.search(
        Planted(folder, pause=float(pause)),
        search_dir=Path(folder) / "search",
        **{"tuner": "grid"} | given,
    )
    if given.get("role") != "worker":
        print([(trial.values["learning_rate"], trial.score) for trial in result.trials])


if __name__ == "__main__":
    main(*sys.argv[1:])
