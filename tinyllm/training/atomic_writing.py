"""Files that are replaced whole or not at all, several of one folder together.

    write    every new file under a temporary name in the same folder, flushed and fsynced
    keep     a second name (a hard link) for every old file
    rename   each temporary name to the real one, in the order given; each rename is atomic
    fsync    the folder, so that the renames outlive a power cut

An error anywhere (no space left, read-only, a failing disk, Ctrl-C) puts every old file back and removes the
temporary names.  A kill at any moment leaves each single file old or new, never in between; a leftover
temporary name is overwritten by the next save.
"""
import contextlib
import os
import shutil


class RunFolderError(ValueError):
    """One sentence for the user: which file, what is wrong with it."""


def temporary_name(name):
    """What the file `name` is called while it is being written."""
    return f".{name}.tmp"


def kept_name(name):
    """The second name of the old file while the new one takes its place."""
    return f".{name}.old"


def replace_files(folder, contents):
    """Replace files of the folder; after an error all of them are what they were.

    contents  {name: an iterable of bytes-like chunks, or None to remove the file}, in the order in which they
              take effect: after a kill the first ones may be new and the others old

    Raises RunFolderError that names the folder, the files and the reason.
    """
    renamed = []
    try:
        for name, chunks in contents.items():
            if chunks is not None:
                _write(folder / temporary_name(name), chunks)
        for name in contents:
            _keep(folder, name)
        for name, chunks in contents.items():
            renamed.append(name)
            if chunks is None:
                (folder / name).unlink(missing_ok=True)
            else:
                os.replace(folder / temporary_name(name), folder / name)
        sync_folder(folder)
    except BaseException as error:
        for name in renamed:
            _put_back(folder, name)
        if isinstance(error, OSError):
            written = " and ".join(name for name, chunks in contents.items() if chunks is not None)
            raise RunFolderError(f"{folder}: {written} could not be written ({error.strerror or error}); "
                                 "what was there before is unchanged") from error
        raise
    finally:
        for name in contents:
            for leftover in (temporary_name(name), kept_name(name)):
                with contextlib.suppress(OSError):
                    os.unlink(folder / leftover)


def _write(path, chunks):
    """A new file of these chunks, on the disk when this returns."""
    path.unlink(missing_ok=True)
    # O_EXCL: a link that somebody left under this name is not followed
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest.nbytes:
                rest = rest[os.write(descriptor, rest):]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep(folder, name):
    """Give the old file, if there is one, a second name."""
    kept = folder / kept_name(name)
    kept.unlink(missing_ok=True)
    if os.path.lexists(folder / name):
        try:
            os.link(folder / name, kept, follow_symlinks=False)
        except OSError:  # a file system without hard links
            shutil.copyfile(folder / name, kept)


def _put_back(folder, name):
    """Undo the rename of one file as far as a failing disk allows."""
    with contextlib.suppress(OSError):
        if os.path.lexists(folder / kept_name(name)):
            os.replace(folder / kept_name(name), folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def sync_folder(folder):
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
