"""Named arrays in a .safetensors file, written with checksums and read with suspicion.

    8 bytes    length of the header, little endian
    header     JSON: {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]},
               ..., "__metadata__": {string: string}}
    data       the arrays one after another

Three entries of the metadata are ours:

    sha256          of the data
    header_sha256   of the header, with zeros in the place of these 64 digits: a flipped bit in a name or
                    in a step number is found too
    writer          "tinyllm": such a file must have a header_sha256, so that damage switches no check off

The header is checked here before the safetensors library sees a byte.  A file of another program has no
checksums; it is accepted with a warning.
"""
import hashlib
import json
import math
import os
import warnings

import numpy as np
import safetensors

from tinyllm.checked_json import brief
from tinyllm.training.atomic_writing import RunFolderError
from tinyllm.training.checked_reading import open_file, parse_json, read_exactly

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1"}
MAX_HEADER = 1 << 20  # parsed, a header takes up to forty times its size
MAX_DIMENSIONS = 32
_ZEROS = "0" * 64


def encode(arrays, metadata):
    """sha256 of the data, and the chunks of bytes that make up the file; the arrays are not copied.

    arrays    {name: ndarray of numbers or bool}
    metadata  {str: str}, besides the checksums
    """
    arrays = {name: _storable(name, array) for name, array in arrays.items()}
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # each is aligned to its numbers
    codes = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
    digest, entries, end = hashlib.sha256(), {}, 0
    for name in names:
        array = arrays[name]
        begin, end = end, end + array.nbytes
        digest.update(_as_bytes(array))
        entries[name] = {"dtype": codes[array.dtype], "shape": array.shape,
                         "data_offsets": [begin, end]}
    checksum = digest.hexdigest()
    ours = {"header_sha256": _ZEROS, "sha256": checksum, "writer": "tinyllm"}
    text = json.dumps({"__metadata__": {**metadata, **ours}, **entries}, separators=(",", ":"))
    text += " " * (-len(text) % 8)
    seal = hashlib.sha256(text.encode()).hexdigest()
    header = text.replace(_seal_entry(_ZEROS), _seal_entry(seal)).encode()
    check_header(header, end, "these arrays")  # what is written can be read
    return checksum, [len(header).to_bytes(8, "little"), header, *(_as_bytes(arrays[name]) for name in names)]


def read_tensors(path):
    """({name: array}, metadata) of a file that passes every check.

    Raises RunFolderError that names the file and what is wrong.  Warns where the file has no sha256.
    """
    file, size = open_file(path)
    with file:
        prefix, header, metadata = _read_header(file, size, path)
        if 2 * size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):  # the file, and the arrays
            raise RunFolderError(f"{path}: {size / 1e9:.1f} GB do not fit into the memory of this machine")
        data = read_exactly(file, size - len(prefix), path)
    if "sha256" not in metadata:
        warnings.warn(f"{path}: has no sha256, so a damaged number in it would go unnoticed", stacklevel=3)
    elif hashlib.sha256(data).hexdigest() != metadata["sha256"]:
        raise RunFolderError(f"{path}: damaged (its numbers do not have the sha256 that the file names)")
    try:
        stored = safetensors.deserialize(prefix + data)
    except safetensors.SafetensorError as error:
        raise RunFolderError(f"{path}: not a safetensors file ({error})") from error
    arrays = {name: _array(entry, f"{path}: tensor {brief(name)}") for name, entry in stored}
    return {name: arrays[name] for name in header}, metadata


def read_metadata(path):
    """The metadata of a file whose header passes every check; its data are not read."""
    file, size = open_file(path)
    with file:
        return _read_header(file, size, path)[2]


def _read_header(file, size, path):
    """The bytes before the data, the entries by name, the metadata."""
    if size < 8:
        raise RunFolderError(f"{path}: ends early, {size} bytes are no safetensors file")
    prefix = read_exactly(file, 8, path)
    length = int.from_bytes(prefix, "little")
    if length > MAX_HEADER:
        raise RunFolderError(f"{path}: header of {length} bytes, at most {MAX_HEADER} are read")
    if length > size - 8:
        raise RunFolderError(f"{path}: ends early, its header alone has {length} bytes")
    text = read_exactly(file, length, path)
    return prefix + text, *check_header(text, size - 8 - length, path)


def check_header(text, data_size, path):
    """(entries by name, metadata) of a header that describes exactly data_size bytes."""
    if text[:1] != b"{":
        raise RunFolderError(f"{path}: not a safetensors file (the header must begin with '{{')")
    if len(text) > MAX_HEADER:
        raise RunFolderError(f"{path}: header of {len(text)} bytes, at most {MAX_HEADER} are read")
    header = parse_json(text, path)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise RunFolderError(f"{path}: __metadata__ must map strings to strings")
    _check_seal(text, metadata, path)
    position = 0
    for begin, end, name in sorted(_span(entry, name, path) for name, entry in header.items()):
        where = f"{path}: tensor {brief(name)}"
        if end > data_size:
            raise RunFolderError(f"{where} ends at byte {end}, but the file holds {data_size} bytes of data")
        if begin != position:
            what = "overlaps the one before" if begin < position else "leaves a hole before it"
            raise RunFolderError(f"{where} {what} (begins at byte {begin}, expected {position})")
        position = end
    if position != data_size:
        raise RunFolderError(f"{path}: {data_size - position} bytes after the last tensor belong to none")
    return header, metadata


def _check_seal(text, metadata, path):
    """Refuse a header of ours that was changed."""
    if not metadata.keys() & {"writer", "header_sha256"}:
        return  # a file of another program
    seal = metadata.get("header_sha256", "")
    plain = text.replace(_seal_entry(seal).encode("utf-8", "replace"), _seal_entry(_ZEROS).encode())
    if hashlib.sha256(plain).hexdigest() != seal:
        raise RunFolderError(f"{path}: damaged (its header does not have the sha256 that it names)")


def _seal_entry(digits):
    return f'"header_sha256":"{digits}"'


def _span(entry, name, path):
    """(begin, end, name) of one entry that is right in itself."""
    where = f"{path}: tensor {brief(name)}"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise RunFolderError(f"{where} must have dtype, shape and data_offsets, got {brief(entry)}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise RunFolderError(f"{where} has dtype {brief(dtype)}, known are {', '.join(DTYPES)}")
    if not _naturals(shape) or len(shape) > MAX_DIMENSIONS:
        raise RunFolderError(f"{where} has shape {brief(shape)}, expected at most {MAX_DIMENSIONS} "
                             "whole numbers from 0")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise RunFolderError(f"{where} has data_offsets {brief(offsets)}, expected [begin, end]")
    itemsize = np.dtype(DTYPES[dtype]).itemsize
    if math.prod(size for size in shape if size) * itemsize >= 2**63:
        raise RunFolderError(f"{where} has shape {brief(shape)}, more than any memory holds")
    begin, end = offsets
    if math.prod(shape) * itemsize != end - begin:
        raise RunFolderError(f"{where}: shape {brief(shape)} of {dtype} takes {math.prod(shape) * itemsize} "
                             f"bytes, data_offsets {brief(offsets)} hold {end - begin}")
    return begin, end, name


def _naturals(value):
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _storable(name, array):
    """The array as the file keeps it: row by row, little endian."""
    if not isinstance(name, str) or name == "__metadata__" or not name.isascii():
        raise RunFolderError("the name of an array must be an ASCII string other than '__metadata__', "
                             f"got {brief(name)}")
    array = np.asarray(array, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype not in map(np.dtype, DTYPES.values()):
        raise RunFolderError(f"array {brief(name)} must have one of the dtypes {', '.join(DTYPES)}, got "
                             f"{array.dtype}")
    return array


def _as_bytes(array):
    return array.reshape(-1).view(np.uint8)


def _array(entry, where):
    """The writable array of one entry that the library handed out."""
    array = np.frombuffer(entry["data"], dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    if array.dtype == bool and array.size and array.view(np.uint8).max() > 1:
        raise RunFolderError(f"{where}: a byte of BOOL must be 0 or 1")
    return array if array.flags.writeable else array.copy()
