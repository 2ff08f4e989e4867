"""Breaks one thing after another, by a seed, and mends what does not mend itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.fault_harness.blows import STRIKES, Scene, impossible
from benchmarks.fault_harness.recording import Fault

# How often of each, once every kind has had its turn: the crashes that a service sees most, most.
_WEIGHTS = {
    "kill training": 8.0,
    "kill worker": 3.0,
    "stop worker": 2.0,
    "freeze worker": 2.0,
    "kill api": 1.5,
    "kill keeper": 1.5,
    "kill broker": 1.0,
    "restart database": 1.0,
    "lock database": 0.5,
    "fill disk": 0.7,
}
_TICK_SECONDS = 0.02
_LONGEST, _LEAST_SECONDS = 5.0, 120.0  #: of the time asked for, and in any case
_NOTHING_TO_BREAK_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """What the nemesis is to do."""

    count: int
    within: timedelta
    seed: int
    left_out: frozenset[str] = frozenset()


class Nemesis:
    """Makes faults and remembers them; a fault that is not mended yet is not made again."""

    def __init__(self, scene: Scene, plan: Plan, *, say: Callable[[str], None]) -> None:
        self.faults: list[Fault] = []
        self.skipped = impossible(scene.cluster) | dict.fromkeys(plan.left_out, "nobody asked for it")
        self._scene = scene
        self._plan = plan
        self._say = say
        self._kinds = [kind for kind in _WEIGHTS if kind not in self.skipped]
        self._first = scene.choose.sample(self._kinds, len(self._kinds))
        self._open: dict[str, tuple[float, Callable[[], object]]] = {}

    def rage(self) -> None:
        """Make as many faults as planned, evenly spread but for chance; mend all in the end.

        Where that takes much longer, because there is often nothing to break, it ends with fewer.
        """
        seconds = self._plan.within.total_seconds()
        pace, deadline = seconds / self._plan.count, time.monotonic() + max(_LONGEST * seconds, _LEAST_SECONDS)
        try:
            while len(self.faults) < self._plan.count and time.monotonic() < deadline:
                self._strike_soon(self._next_kind())
                self._rest(self._scene.choose.uniform(0.5, 1.5) * pace)
        finally:
            self._mend(even_if_early=True)

    def _next_kind(self) -> str | None:
        """What to break next; None while everything that may be broken is."""
        free = [kind for kind in self._kinds if kind not in self._open]
        untried = [kind for kind in self._first if kind in free]
        if untried:
            return untried[0]
        return self._scene.choose.choices(free, weights=[_WEIGHTS[kind] for kind in free])[0] if free else None

    def _strike_soon(self, kind: str | None) -> None:
        """Wait for something of the kind to be there: to break others instead would change how often they break."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while kind is not None and not self._strike(kind) and time.monotonic() < until:
            self._rest(_NOTHING_TO_BREAK_SECONDS)

    def _strike(self, kind: str) -> bool:
        began = time.time()
        blow = STRIKES[kind](self._scene)
        if blow is None:
            return False
        self._first = [other for other in self._first if other != kind]
        self.faults.append(Fault(kind, began, blow.hit, blow.ends_attempts))
        self._say(f"{len(self.faults):4}  {kind}  {' '.join(f'{id}:{fence}' for id, fence in blow.hit.items())}")
        if blow.mend_after:
            self._open[kind] = time.monotonic() + blow.mend_after.total_seconds(), blow.mend
        return True

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._mend()
            time.sleep(_TICK_SECONDS)

    def _mend(self, *, even_if_early: bool = False) -> None:
        due = [kind for kind, (when, _) in self._open.items() if even_if_early or time.monotonic() >= when]
        for kind in due:
            _, mend = self._open.pop(kind)
            mend()
            self._say(f"      mended: {kind}")
