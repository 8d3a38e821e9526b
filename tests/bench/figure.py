"""What a measurement comes to: a figure, what it stands against, and what was aimed at."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """``value`` is in ``unit``. ``against`` names what was measured in the same run and ``ratio`` is value over it; ``aim`` is what was wanted."""

    topic: str
    what: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    aim: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def compared(
    topic: str,
    aims: Mapping[str, tuple[str, str, str]],
    sizes: Sequence[int],
    measure: Callable[[int], dict[str, float]],
) -> Iterator[Figure]:
    """What ``measure`` finds for each size, against the first one's; ``aims`` has what it is, its unit and the aim, by the key of the figure."""
    small: dict[str, float] = {}
    for size in sizes:
        measured = measure(size)
        for key, (what, unit, aim) in aims.items():
            ratio = measured[key] / small[key] if small.get(key) else None
            against = f"{sizes[0]:,} runs" if ratio is not None else ""
            yield Figure(topic, f"{size:,} waiting runs: {what}", measured[key], unit, against, ratio, aim)
        small = small or measured


def wall(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def children_cpu(action: Callable[[], object]) -> float:
    """Seconds of CPU that the children of this process needed during ``action``, which must wait for them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def paired(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """Medians of both, measured in turn so that a machine that slows down slows both, and the median of the ratios pair by pair."""
    pairs = [(ours(), theirs()) for dummy in range(rounds)]
    return (
        median(pair[0] for pair in pairs),
        median(pair[1] for pair in pairs),
        median(pair[0] / pair[1] for pair in pairs),
    )
