"""JSON from outside, read as if an enemy had written it: the files of a run and of a tokenizer.

Its depth is bounded before it is parsed; a key that stands twice, NaN, and a number too large for a float are
errors, because two readers could take them to mean different things.
"""
import itertools
import json
import math
import re
import reprlib

MAX_DEPTH = 32
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKET = bytes(set(range(256)) - set(_STEP))


def parse(data, name):
    """The object (a dict) that these bytes of JSON hold.  Raises ValueError, which begins with name."""
    if _depth(data) > MAX_DEPTH:
        raise ValueError(f"{name}: JSON nested deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite,
                           parse_constant=_finite)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError) and b"\n" not in data:  # JSON Lines: the name has a line already
            error = f"{error.msg} at column {error.colno}"
        raise ValueError(f"{name}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must hold a JSON object, got {type(value).__name__}")
    return value


def brief(value):
    """A value from a file, fit for an error message: on one line, at most 60 characters, however large it is."""
    text = "nothing" if value is None else reprlib.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def first_of(values, shown=8):
    """Values for an error message, however many there are: the first few, each brief, and how many more."""
    rest = len(values) - shown
    return ", ".join(map(brief, values[:shown])) + (f" and {rest:,} more" if rest > 0 else "")


def _depth(data):
    """How deep the brackets of JSON text nest; those inside strings do not count."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKET)
    return max(itertools.accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _unique(pairs):
    value = dict(pairs)
    if len(value) < len(pairs):
        seen = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"key {brief(twice)} stands twice")
    return value


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{brief(text)} is no finite number")
    return number
