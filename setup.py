"""Shim for tools that still call setup.py; the metadata is in pyproject.toml.

`pip install .` and `python -m build` do not need it. `python setup.py --version`
answers without setuptools, because a fresh virtual environment has none (Python
3.12 and later) or one that is too old to read the metadata (Python 3.11).
"""

import re
import sys
from pathlib import Path

MINIMUM_SETUPTOOLS = 77  # the first to read `license = "Apache-2.0"` (PEP 639)


def version():
    """Return `__version__` as written in keras_mpat/version.py."""
    source = Path(__file__).with_name("keras_mpat").joinpath("version.py")
    pattern = r'^__version__ = "([^"]+)"$'
    return re.search(pattern, source.read_text(encoding="utf-8"), re.M).group(1)


def main():
    """Print the version, or hand over to setuptools."""
    if sys.argv[1:] == ["--version"]:
        print(version())
        return
    try:
        import setuptools

        found = setuptools.__version__
    except ImportError:
        found = "0"
    if int(found.split(".")[0]) < MINIMUM_SETUPTOOLS:
        sys.exit(
            f"setup.py needs setuptools >= {MINIMUM_SETUPTOOLS}. Received: "
            f"{found if found != '0' else 'none'}. Use `pip install .` instead, "
            "which fetches what the build needs."
        )
    setuptools.setup()


if __name__ == "__main__":
    main()
