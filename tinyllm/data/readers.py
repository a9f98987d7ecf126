"""Files -> text, or lines.  UTF-8; gzip if the name ends in .gz.  A bad file: its name, the place and why."""
import gzip
import os
import zlib
from pathlib import Path


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
    try:
        text = data.decode("utf-8", errors).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 at byte {error.start} (0x{data[error.start]:02x}); "
            "--errors replace goes on with U+FFFD in its place") from None
    if not text:
        raise ValueError(f"{path}: the file is empty")
    return text


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
