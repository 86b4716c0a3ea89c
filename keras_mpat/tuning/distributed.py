"""Several workers and a chief: keras-tuner's own distributed mode, supervised.

The chief keeps the oracle and serves it by gRPC; a worker asks it for trials. Between
them stand the environment variables that keras-tuner reads. The port has no password:
it belongs on a private network, and on loopback unless another address is given.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from keras_mpat.tuning.trial import die_with

ROLES = ("chief", "worker")
_DEATHS = 5  # of a worker in a row, each within a minute of its start
_QUICK = 60.0


def address(text: str) -> tuple[str, int]:
    """Host and port of "host:port"; a port alone is one of loopback.

    Raises:
        ValueError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(
            "`oracle_address` must be host:port, with a port from 1 to 65535. "
            f"Received: oracle_address={text!r}. Pass for example 127.0.0.1:8000."
        )
    return host or "127.0.0.1", int(port)


def check_worker(worker_id: str) -> None:
    """Raises unless a worker can be called so."""
    if "chief" in worker_id or "/" in worker_id or not worker_id:
        raise ValueError(
            "`worker_id` must be a name without / and without the word chief, which "
            f"keras-tuner keeps for itself. Received: worker_id={worker_id!r}. Pass "
            "for example worker1."
        )


@contextlib.contextmanager
def environment(tuner_id: str, host: str, port: int) -> Iterator[None]:
    """Sets what keras-tuner reads, for as long as the search lasts."""
    values = {
        "KERASTUNER_TUNER_ID": tuner_id,
        "KERASTUNER_ORACLE_IP": host,
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]


def check_free(host: str, port: int) -> None:
    """Raises unless a chief can listen there.

    Raises:
        ValueError: the port is taken, or the host is not this machine.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                "`oracle_address` must be a free port of this machine. Received: "
                f"oracle_address={host}:{port} ({error.strerror or error}). Pass "
                "another port, or the address of this machine."
            ) from None


def wait_for_chief(host: str, port: int, seconds: float) -> None:
    """Waits until somebody listens there.

    Raises:
        ValueError: nobody does.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((host, port), timeout=2):
                return
        except OSError:
            if time.monotonic() > end:
                raise ValueError(
                    "`oracle_address` must be that of a running chief. Received: "
                    f"oracle_address={host}:{port}, where nobody answered for "
                    f"{seconds:.0f} s. Start the chief first, with the same address."
                ) from None
            time.sleep(0.5)


@contextlib.contextmanager
def housekeeping(oracle, ended: Callable[[str], None]) -> Iterator[None]:
    """Beside a chief: fails the trials of silent workers, and tells what has ended.

    Args:
        oracle: that of the chief.
        ended: called with the number of each trial that has ended.
    """
    over = threading.Event()
    told = len(oracle.end_order)

    def tell():
        nonlocal told
        for trial_id in oracle.end_order[told:]:
            ended(trial_id)
            told += 1

    def look():
        while not over.wait(1.0):
            with contextlib.suppress(OSError):  # a full disk: again in a second
                oracle.release()
            tell()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        tell()  # what ended since the last look


def supervise(work: Callable, arguments: tuple[Any, ...], name: str) -> None:
    """Runs a worker in a process, and starts it again if it dies.

    Args:
        work: called with `arguments` in the process.
        arguments: picklable.
        name: of the worker: it keeps it, so that it gets its trial again.

    Raises:
        RuntimeError: it died again and again, right after it began.
    """
    context = multiprocessing.get_context("spawn")
    deaths = 0
    while True:
        process = context.Process(target=_worker, args=(work, arguments, os.getpid()))
        begun = time.monotonic()
        process.start()
        try:
            process.join()
        finally:
            process.terminate()
        code = process.exitcode
        if code == 0:
            return
        deaths = deaths + 1 if time.monotonic() < begun + _QUICK else 1
        how = f"code {code}" if code >= 0 else signal.Signals(-code).name
        if deaths == _DEATHS:
            raise RuntimeError(
                f"Worker {name} died {deaths} times within a minute of its start, the "
                f"last time of {how}. What it wrote stands above."
            )
        print(f"Worker {name} died of {how}; it is started again.", flush=True)


def _worker(work: Callable, arguments: tuple[Any, ...], parent: int) -> None:
    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    work(*arguments)
