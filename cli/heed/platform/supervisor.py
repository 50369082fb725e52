"""Keeps processes running: whatever ends is started again, later and later while it keeps ending."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from heed.platform.errors import PlatformError
from heed.platform.process import Child

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
STEADY_AFTER = 30.0
POLL = 0.2

Make = Callable[[], Child]
Tell = Callable[[str], None]
Changed = Callable[[], None]


@dataclass
class _Watched:
    make: Make
    child: Child
    started: float
    pause: float = FIRST_PAUSE
    due: float | None = None
    held: bool = False


@dataclass
class Supervisor:
    """`tell` hears what happened to whom; `changed` is called whenever a process id is another one."""

    tell: Tell = lambda text: None
    changed: Changed = lambda: None
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, name: str, make: Make) -> Child:
        """Start a process and watch it from now on; does not wait until it is ready.

        Raises:
            PlatformError: everything is being stopped, or preparing the process failed.
        """
        child = make()
        with self._lock:
            if self._ending.is_set():
                raise PlatformError("Stopping.")
            child.start()
            self._watched[name] = _Watched(make, child, time.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
                self._thread.start()
        self.changed()
        return child

    def child(self, name: str) -> Child:
        """The present process of that name. Raises KeyError for a name never started."""
        with self._lock:
            return self._watched[name].child

    def children(self) -> dict[str, Child]:
        """All present processes by name."""
        with self._lock:
            return {name: watched.child for name, watched in self._watched.items()}

    def hold(self, name: str) -> None:
        """Stop a process and leave it stopped until `release`."""
        with self._lock:
            self._watched[name].held = True
        self.child(name).stop()

    def release(self, name: str) -> None:
        """Start a held process again."""
        with self._lock:
            watched = self._watched[name]
            watched.held, watched.due = False, time.monotonic()

    def stop(self, order: Iterable[Iterable[str]]) -> None:
        """Stop groups of processes one after the other, those of a group at once; then whatever is left."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        children = self.children()
        groups = [[children.pop(name) for name in group if name in children] for group in order]
        with ThreadPoolExecutor(16) as pool:
            for group in (*groups, list(children.values())):
                list(pool.map(Child.stop, group))

    def _watch(self) -> None:
        while not self._ending.wait(POLL):
            with self._lock:
                ended = [(n, w) for n, w in self._watched.items() if not w.child.is_running and not w.held]
                for name, watched in ended:
                    self._consider(name, watched)

    def _consider(self, name: str, watched: _Watched) -> None:
        now = time.monotonic()
        if watched.due is None:
            code = watched.child.exit_code
            watched.child.kill()  # what the dead process may have left in its group
            if code == 0 and not watched.child.program.restart_after_success:
                watched.held = True
                return
            if now - watched.started > STEADY_AFTER:
                watched.pause = FIRST_PAUSE
            watched.due = now + watched.pause
            self.tell(f"{name} ended with code {code}; starting it again in {watched.pause:g} s")
            watched.pause = min(watched.pause * 2, LONGEST_PAUSE)
        elif now >= watched.due:
            self._restart(name, watched)

    def _restart(self, name: str, watched: _Watched) -> None:
        watched.due = None
        watched.started = time.monotonic()
        try:
            watched.child = watched.make()
            watched.child.start()
        except (OSError, PlatformError) as error:
            watched.due = time.monotonic() + watched.pause
            self.tell(f"{name} could not be started: {error}")
        self.changed()
