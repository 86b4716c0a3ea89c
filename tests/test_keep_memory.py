"""keep_memory: freed blocks are taken again without asking the system for pages."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from keras_mpat import memory

# In a process of its own: what it does cannot be undone. Without keras, for speed.
PROGRAM = """
import ctypes, resource, runpy, sys

kept = sys.argv[2] == "keep" and runpy.run_path(sys.argv[1])["keep_memory"]()
library = ctypes.CDLL(None)
library.malloc.restype = library.memset.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def batch(size=2**26):
    block = library.malloc(size)
    library.memset(block, 1, size)
    library.free(block)

batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    batch()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str) -> tuple[str, int]:
    """What keep_memory said, and the pages that ten batches of 64 MiB asked for."""
    command = [sys.executable, "-c", PROGRAM, memory.__file__, word]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, pages = found.stdout.split()
    return kept, int(pages)


def is_glibc() -> bool:
    return hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(sys.platform == "win32", reason="has no ctypes.CDLL(None)")
def test_pages_are_asked_for_once():
    if not is_glibc():
        assert faults("keep")[0] == "False"
        return
    kept, pages = faults("keep")
    assert kept == "True" and pages < 20
    assert faults("leave")[1] > 200  # 320 at least, if all of them are huge ones


def test_other_c_libraries(monkeypatch):
    class Musl:
        """Has mallopt, which does nothing."""

        @staticmethod
        def mallopt(option, value):
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Musl)
    assert memory.keep_memory() is False
    monkeypatch.setattr(ctypes, "CDLL", _missing)
    assert memory.keep_memory() is False


def _missing(name):
    raise TypeError("bad argument type for built-in operation")  # Windows


def test_the_programs_call_it():
    """What trains or attacks for long keeps its memory."""
    root = Path(memory.__file__).parent.parent
    programs = ("examples/train.py", "examples/evaluate.py", "examples/cells.py")
    for name in (*programs, "keras_mpat/tuning/trial.py"):
        text = (root / name).read_text(encoding="utf-8")
        assert "    keep_memory()\n" in text or "    mpat.keep_memory()\n" in text, name
