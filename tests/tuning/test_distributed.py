"""A chief and two workers on loopback, one of which is killed."""

import os
import signal
import socket
import subprocess

import pytest

from keras_mpat import tuning
from keras_mpat.tuning import distributed
from tests.tuning import planted
from tests.tuning.scripts import finish, start, wait_for


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _children(pid: int) -> list[int]:
    text = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True
    ).stdout
    return [int(word) for word in text.split()]


def test_a_killed_worker_is_restarted_and_no_trial_is_lost_or_run_twice(tmp_path):
    address = f"oracle_address=127.0.0.1:{_free_port()}"
    chief = start(tmp_path, 0.5, "role=chief", address)
    workers = [
        start(tmp_path, 0.5, "role=worker", address, f"worker_id=w{number}")
        for number in range(2)
    ]
    try:
        listing = tmp_path / "ran.txt"
        wait_for(lambda: listing.exists() and listing.read_text().count("\n") >= 2)
        # The process below the supervisor: the worker itself; its trial dies with it.
        for pid in _children(workers[0].pid):
            os.kill(pid, signal.SIGKILL)
        told = [finish(process) for process in (*workers, chief)]
    finally:
        for process in (*workers, chief):
            process.kill()
    assert "Worker w0 died of SIGKILL; it is started again." in told[0]
    result = tuning.search(
        planted.Planted(tmp_path),
        search_dir=tmp_path / "search",
        tuner="grid",
        verbose=0,
    )
    assert sorted(t.values["learning_rate"] for t in result.trials) == sorted(
        planted.RATES
    )
    assert all(t.status == "completed" for t in result.trials)
    assert result.best.values["learning_rate"] == planted.GOOD
    ran = planted.epochs_run(tmp_path)
    assert len(set(ran)) == 9 and len(ran) <= 10  # the epoch that was running


@pytest.mark.parametrize("text", ["here", "host:", "host:0", "host:70000", ":x"])
def test_an_address_is_host_and_port(text):
    with pytest.raises(ValueError, match="`oracle_address` must be host:port"):
        distributed.address(text)


def test_a_port_alone_is_one_of_loopback():
    assert distributed.address("8000") == ("127.0.0.1", 8000)
    assert distributed.address("10.0.0.1:80") == ("10.0.0.1", 80)


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"free port(.|\n)*127.0.0.1:{port}"):
            distributed.check_free("127.0.0.1", port)


def test_a_worker_without_a_chief_says_so(tmp_path):
    port = _free_port()
    with pytest.raises(ValueError, match="that of a running chief"):
        tuning.search(
            planted.Planted(tmp_path),
            search_dir=tmp_path / "search",
            tuner="grid",
            role="worker",
            oracle_address=f"127.0.0.1:{port}",
            worker_patience=1,
        )


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_always_dies_at_once_is_given_up(monkeypatch):
    monkeypatch.setattr(distributed, "_DEATHS", 2)
    with pytest.raises(RuntimeError, match="Worker a died 2 times .* SIGKILL"):
        distributed.supervise(_die, (), "a")
