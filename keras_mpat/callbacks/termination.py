"""SIGTERM, as a question that is asked between batches."""

import signal
import threading
from typing import Any

CODE = 128 + signal.SIGTERM  # what a shell reports of a process that it ended


class Termination:
    """Notes SIGTERM instead of ending, between `listen` and `release`.

    Attributes:
        asked: whether it has come.
    """

    def __init__(self) -> None:
        self.asked = False
        self._handler: Any = None

    def listen(self) -> None:
        """Begins; only the main thread gets signals, others notice nothing."""
        self.asked = False
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._note)

    def release(self) -> None:
        """Gives SIGTERM back to what had it before."""
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None

    def _note(self, *_) -> None:
        self.asked = True
