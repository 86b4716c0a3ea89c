"""The scripts import each other as neighbors; so do their tests."""

import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
for _folder in ("examples", "tuning"):
    sys.path.insert(0, str(_REPOSITORY / _folder))
