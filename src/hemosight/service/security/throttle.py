"""How long a name or an address waits after wrong passwords: twice as long after each one too many."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """``tries`` wrong passwords are free; then one second, two, four ... up to ``longest`` seconds."""

    tries: int
    longest: float

    def pause(self, wrong: int) -> float:
        """Seconds between the last of so many wrong passwords and the next try."""
        if wrong < self.tries:
            return 0.0
        # 2**30 seconds are far beyond any `longest`; a larger power only overflows.
        return min(float(2 ** min(wrong - self.tries, 30)), self.longest)

    def wait(self, wrong: int, last: datetime.datetime | None, now: datetime.datetime) -> float:
        """Seconds still to wait at ``now`` when the last of ``wrong`` wrong passwords was given at ``last``."""
        if last is None:
            return 0.0
        return max(0.0, self.pause(wrong) - (now - last).total_seconds())
