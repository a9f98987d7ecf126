"""Files -> text, or lines.  UTF-8; gzip if the name ends in .gz.  A bad file: its name, the place and why."""
import gzip
import os
import zlib
from pathlib import Path

ARRIVING = 1 << 16  # bytes that are taken from a stream at once: what a pipe holds


def read_text(path, errors="strict"):
    """The text of one file, line ends as they are; a byte-order mark at its start is no part of it.

    errors  "strict", or "replace": bytes that are not UTF-8 become U+FFFD

    Raises ValueError for a file that is empty, not UTF-8 (the offset is named) or broken gzip; OSError as it
    comes.
    """
    data = Path(path).read_bytes()
    if str(path).endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: not a whole gzip file ({error})") from None
    text = _decoded(data, path, errors).removeprefix("\ufeff")
    if not text:
        raise ValueError(f"{path}: the file is empty")
    return text


BEGINNINGS = {  # of what is never UTF-8, and which nothing would be left of with U+FFFD in place of every bad byte
    b"\xff\xfe": "UTF-16 (it begins with ff fe), expected UTF-8",
    b"\xfe\xff": "UTF-16 (it begins with fe ff), expected UTF-8",
    b"\x1f\x8b": "gzip (it begins with 1f 8b), expected a name that ends in .gz, or UTF-8"}


def _decoded(data, where, errors):
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        if kind := BEGINNINGS.get(data[:2]):
            raise ValueError(f"{where}: is {kind}") from None
        raise ValueError(
            f"{where}: not UTF-8 at byte {error.start} (0x{data[error.start]:02x}); "
            "--errors replace goes on with U+FFFD in its place") from None


def arriving_lines(stream, name, errors="strict"):
    """Lists of the lines of a binary stream, without their ends: those that are there, one of what a person types and
    many of a pipe that is full.  errors and Raises as read_text, but that nothing at all is no error; the place is
    "name:line" and a byte of that line."""
    number, rest, ended = 0, b"", False
    while not ended:
        block = stream.read1(ARRIVING)
        ended = not block
        *lines, rest = (rest + block).split(b"\n")
        lines += [rest] if ended and rest else []
        texts = [_decoded(line, f"{name}:{i}", errors).removesuffix("\r") for i, line in enumerate(lines, number + 1)]
        if texts and not number:
            texts[0] = texts[0].removeprefix("\ufeff")
        number += len(lines)
        if texts:
            yield texts


def read_lines(path, errors="strict"):
    """The lines of one file without their ends (LF or CR LF), as a list; errors and Raises as read_text."""
    lines = read_text(path, errors).replace("\r\n", "\n").split("\n")  # splitlines also cuts at U+2028
    return lines if lines[-1] else lines[:-1]


def read_record_lines(path, errors="strict"):
    """The same without empty lines at the end.  Raises ValueError also where no line is left."""
    lines = read_lines(path, errors)
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError(f"{path}: the file has no records, only empty lines")
    return lines


def file_list(function, files):
    """One file, or several, as a list.  Raises ValueError where there is none."""
    files = [files] if isinstance(files, str | os.PathLike) else list(files)
    if not files:
        raise ValueError(f"{function}: files must be at least one, got none")
    return files
