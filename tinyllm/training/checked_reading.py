"""Files from outside, read as if an enemy had written them: nothing is believed before it is bounded.

Only regular files are opened (a pipe would block, a device never ends), and no more is read than was bounded.
What JSON may hold: checked_json.py.
"""
import json
import os
import stat

import numpy as np

from tinyllm import checked_json
from tinyllm.training.atomic_writing import RunFolderError


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
    try:
        return checked_json.parse(data, name)
    except ValueError as error:
        raise RunFolderError(str(error)) from None


def dump_json(value, name, indent=None):
    """The value as ASCII JSON that parse_json reads back; NumPy numbers become plain ones."""
    try:
        text = json.dumps(value, allow_nan=False, default=_plain, indent=indent)
    except (TypeError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{name}: cannot be stored as JSON ({error})") from None
    parse_json(text.encode(), name)  # what is written can be read
    return text


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON value")
