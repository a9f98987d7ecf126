"""Files -> text.  UTF-8; a name that ends in .gz is gzip.  A bad file is answered by its name, the place and why."""
import gzip
import zlib
from pathlib import Path


def read_text(path, errors="strict"):
    """The text of one file, line ends as they are.

    errors  "strict", or "replace": bytes that are not UTF-8 become U+FFFD

    Raises ValueError for a file that is empty, not UTF-8 (the offset is named) or broken gzip; OSError as it comes.
    """
    data = Path(path).read_bytes()
    if str(path).endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: not a whole gzip file ({error})") from None
    if not data:
        raise ValueError(f"{path}: the file is empty")
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 at byte {error.start} (0x{data[error.start]:02x}); "
            "--errors replace goes on with U+FFFD in its place") from None
