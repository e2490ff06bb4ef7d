"""Says on stderr what is being done, when it takes longer than a second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_DELAY_SECONDS = 1.0


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """While the block runs, show what it is doing: on a terminal a line that changes and goes, else one line once.

    Yields a function to call with each new step, `reading`, `shapes` …
    """
    state = _State(what)
    timer = threading.Timer(_DELAY_SECONDS, state.start)
    timer.daemon = True
    timer.start()
    try:
        yield state.step
    finally:
        timer.cancel()
        state.stop()


class _State:
    def __init__(self, what: str) -> None:
        self._what = what
        self._step = ""
        self._shown = False
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()

    def start(self) -> None:
        with self._lock:
            self._shown = True
            if self._terminal:
                self._draw()
            else:
                print(f"irstat: {self._what} takes a while …", file=sys.stderr, flush=True)

    def step(self, name: str) -> None:
        """Show another step."""
        with self._lock:
            self._step = name
            if self._shown and self._terminal:
                self._draw()

    def stop(self) -> None:
        with self._lock:
            if self._shown and self._terminal:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        print(f"\r\x1b[Kirstat: {self._what} · {self._step} …", end="", file=sys.stderr, flush=True)
