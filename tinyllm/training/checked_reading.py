"""Files from outside, read as if an enemy had written them: nothing is believed before it is bounded.

Only regular files are opened (a pipe would block, a device never ends).  JSON is bounded in size and depth
before it is parsed; a key that stands twice, NaN, and a number too large for a float are errors, because two
readers could take them to mean different things.
"""
import itertools
import json
import math
import os
import re
import stat

import numpy as np

from tinyllm.training.atomic_writing import RunFolderError

MAX_DEPTH = 32
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKET = bytes(set(range(256)) - set(_STEP))


def open_file(path):
    """The file opened for reading in binary, and its size in bytes."""
    try:
        # O_NONBLOCK: opening a pipe would otherwise wait for its writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise RunFolderError(f"{path}: not a regular file")
    return open(descriptor, "rb"), status.st_size


def read_file(path, max_bytes):
    """The bytes of a file that has at most max_bytes."""
    file, size = open_file(path)
    with file:
        if size > max_bytes:
            raise RunFolderError(f"{path}: too large ({size} bytes, at most {max_bytes} are read)")
        return read_exactly(file, size, path)


def read_exactly(file, size, path):
    """The next `size` bytes of a file, or a RunFolderError if it ends before or the disk fails."""
    try:
        data = file.read(size)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) != size:
        raise RunFolderError(f"{path}: ends early, {len(data)} bytes of {size}")
    return data


def parse_json(data, name):
    """The object (a dict) that these bytes of JSON hold; name is what an error message begins with."""
    if _depth(data) > MAX_DEPTH:
        raise RunFolderError(f"{name}: JSON nested deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite,
                           parse_constant=_finite)
    except ValueError as error:
        raise RunFolderError(f"{name}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise RunFolderError(f"{name}: must hold a JSON object, got {type(value).__name__}")
    return value


def dump_json(value, name, indent=None):
    """The value as ASCII JSON that parse_json reads back; NumPy numbers become plain ones."""
    try:
        text = json.dumps(value, allow_nan=False, default=_plain, indent=indent)
    except (TypeError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{name}: cannot be stored as JSON ({error})") from None
    parse_json(text.encode(), name)  # what is written can be read
    return text


def short(value):
    """A value from a file, fit for an error message: on one line, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _depth(data):
    """How deep the brackets of JSON text nest; those inside strings do not count."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKET)
    return max(itertools.accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _unique(pairs):
    value = dict(pairs)
    if len(value) < len(pairs):
        seen = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"key {short(twice)} stands twice")
    return value


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{short(text)} is no finite number")
    return number


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON value")
