"""Ports on loopback that nobody listens on, for processes that tests start."""

import contextlib
import socket


def free(count: int) -> list[int]:
    """As many different ones; another process may take one before it is used."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
