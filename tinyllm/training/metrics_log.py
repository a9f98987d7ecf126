"""metrics.jsonl: one JSON object a line, only ever appended to, and cut back when a run is resumed."""
import contextlib
import hashlib
import os

from tinyllm.training.atomic_writing import RunFolderError
from tinyllm.training.checked_reading import dump_json, parse_json, read_file

MAX_BYTES = 1 << 26  # some hundred thousand evaluations


class MetricsLog:
    """The log at a path; there is no file before the first line."""

    def __init__(self, path):
        self.path = path

    def append(self, record):
        """Add one record, a dict of JSON values; an error leaves no half line."""
        line = dump_json(record, self.path.name).encode() + b"\n"
        with self._opened(os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
            before = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, line) != len(line):
                    raise OSError(0, "only a part of the line could be written")
            except OSError:
                os.ftruncate(descriptor, before)
                raise

    def read(self):
        """The records, a list of dicts; a last line that a kill left unfinished is left out."""
        lines = self._content().split(b"\n")[:-1]
        return [parse_json(line, f"{self.path}, line {number}") for number, line in enumerate(lines, 1)]

    def seal(self):
        """Put the log on the disk: (its length in bytes, its sha256)."""
        if self.path.exists():
            with self._opened(os.O_WRONLY) as descriptor:
                os.fsync(descriptor)
        content = self._content()
        return len(content), hashlib.sha256(content).hexdigest()

    def truncate(self, length, sha256=None):
        """Cut the log back to its first `length` bytes, which must end a line and have this sha256."""
        content = self._content()
        kept = content[:length]
        if len(kept) < length:
            raise RunFolderError(f"{self.path}: has {len(kept)} bytes, cannot be cut back to {length}")
        if kept and not kept.endswith(b"\n"):
            raise RunFolderError(f"{self.path}: no line ends at byte {length}, where it has to be cut")
        if sha256 is not None and hashlib.sha256(kept).hexdigest() != sha256:
            raise RunFolderError(f"{self.path}: damaged or edited (the trainer file names the sha256 of its "
                                 f"first {length} bytes)")
        if len(content) > length:
            with self._opened(os.O_WRONLY) as descriptor:
                os.ftruncate(descriptor, length)

    def _content(self):
        return read_file(self.path, MAX_BYTES) if self.path.exists() else b""

    @contextlib.contextmanager
    def _opened(self, flags):
        """The file's descriptor for writing; errors name the file."""
        try:
            # O_NOFOLLOW: in a folder from somewhere else it may be a link to any file of the user's
            descriptor = os.open(self.path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RunFolderError(f"{self.path}: could not be written ({error.strerror}); the lines that were "
                                 "there before are unchanged") from error
