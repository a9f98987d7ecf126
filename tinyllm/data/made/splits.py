"""Which part of the data a meaning belongs to: a matter of what it means, not of chance.

    part("number", 4512) -> "train"

The part is a hash (CRC-32) of the meaning, the same on every machine and for every seed: of ten meanings
about one is in the test part and one in the dev part.  What is drawn for one part is kept only if it belongs
there, so two parts never share a meaning, however much is drawn and from whatever seed.
"""
import zlib

import numpy as np

SPLITS = ("train", "dev", "test")
LANGUAGES = ("en", "zh")


def part(*meaning):
    """train, dev or test; the meaning is made of strings, integers and tuples of these."""
    return {0: "test", 1: "dev"}.get(zlib.crc32(repr(meaning).encode()) % 10, "train")


def pick(rng, items):
    """One of the items."""
    return items[int(rng.integers(len(items)))]


def generator(seed, split):
    """The generator of one split: the splits of a seed draw independently."""
    return np.random.default_rng([seed, SPLITS.index(split)])


def until(draw):
    """What draw() gives the first time that it does not give None."""
    while (found := draw()) is None:
        pass
    return found


def collect(name, count, draw):
    """count different things that draw() gives, in order.

    Raises ValueError where 10,000 draws on end bring nothing new.
    """
    found, fruitless = {}, 0
    while len(found) < count:
        thing = draw()
        if thing not in found:
            found[thing] = None
            fruitless = 0
        elif (fruitless := fruitless + 1) == 10_000:
            raise ValueError(
                f"{name}: count must be at most about {len(found)}, which is all there is, got {count}")
    return list(found)


def checked(name, argument, value, known):
    """The value, or ValueError that lists the known ones."""
    if value not in known:
        raise ValueError(f"{name}: {argument} must be one of {', '.join(map(str, known))}, got {value!r}")
    return value
