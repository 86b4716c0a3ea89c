"""What several tests of data sets share."""

import pytest


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty TFDS_DATA_DIR that stays empty, and no network."""

    def refuse(*args, **kwargs):
        raise OSError("a connection was tried")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    yield tmp_path
    assert not list(tmp_path.iterdir())
