"""Schedules: pure functions from how far training is to a factor for the learning rate."""
import math


def warmup_cosine(progress, warmup_fraction, floor):
    """A factor that rises from 0 to 1 in a straight line, then falls to floor along half a cosine.

        warming up:    progress / warmup_fraction
        after it:      floor + (1 - floor) (1 + cos(pi u)) / 2,    u = how far through the rest, 0..1

    progress         how much of the training is done, 0..1; more counts as 1 (a time budget may be overrun)
    warmup_fraction  the part of the training that warms up, 0..1
    floor            what is left of the learning rate at the end, 0..1

    Raises ValueError for an argument outside its range.
    """
    if not progress >= 0:
        raise ValueError(f"warmup_cosine: progress must be at least 0, got {progress}")
    for name, value in (("warmup_fraction", warmup_fraction), ("floor", floor)):
        if not 0 <= value <= 1:
            raise ValueError(f"warmup_cosine: {name} must be in 0..1, got {value}")
    if progress < warmup_fraction:
        return progress / warmup_fraction
    if warmup_fraction == 1:
        return 1.0
    u = (min(progress, 1) - warmup_fraction) / (1 - warmup_fraction)
    return floor + (1 - floor) * (1 + math.cos(math.pi * u)) / 2
