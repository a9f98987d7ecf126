"""Model files made to crash, to fill the memory or to run code: each is refused quickly and cheaply.

    python -m tests.training.hostile

writes the files, lets a process that has done nothing but import the run folder load each one (in a child of
its own, the quickest of three), and prints what was said, the seconds and the memory above the bare import.
Exit 1 where a file is accepted, where loading ends in anything but a RunFolderError that names the file, or
where it takes more than SECONDS or MEGABYTES.
"""
import io
import json
import os
import pickle
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from tinyllm.training.run_folder import RunFolder, RunFolderError

SECONDS, MEGABYTES = 1.0, 50.0
FULL = 1 << 20  # the longest header that is read at all


class Bomb:
    """Unpickled, it makes a folder: the proof that code was run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def framed(header, data=b""):
    """A safetensors file with this header, as text or as what JSON makes of it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def one(shape, begin, end, dtype="F32", data=b"", **metadata):
    return framed({"__metadata__": metadata, "w": entry(shape, begin, end, dtype)}, data)


def filled(head, piece, tail):
    """As many pieces as a header may hold."""
    return framed(head + piece * ((FULL - len(head) - len(tail)) // len(piece)) + tail)


def hostile_files(proof):
    """{what is wrong with it: its bytes}; `proof` is what a pickle would make if it were loaded."""
    objects = io.BytesIO()
    np.save(objects, np.array([Bomb(proof)], dtype=object), allow_pickle=True)
    twice = b'{"w":%b,"w":%b}' % ((json.dumps(entry([1], 0, 4)).encode(),) * 2)
    return {
        "empty": b"",
        "shorter than the length of its header": b"\x10\0\0\0",
        "header of 2^63 bytes": (2**63).to_bytes(8, "little") + b"{}",
        "header longer than the file": (1000).to_bytes(8, "little") + b"{}",
        "header that is no JSON": framed(b"{]"),
        "header that is no UTF-8": framed(b'{"\xff\xfe":1}'),
        "header that is a list": framed([]),
        "brackets half a million deep": framed(b'{"w":' + b"[" * (FULL // 2 - 5) + b"]" * (FULL // 2 - 5)),
        "half a million brackets left open": filled(b"{", b"[", b""),
        "half a million quotes left open": filled(b'{"', b'\\"', b""),
        "number of a million digits": filled(b'{"w":', b"9", b"}"),
        "a hundred thousand empty objects": filled(b'{"w":[', b"{},", b"{}]}"),
        "a hundred thousand small objects": filled(b'{"w":[', b'{"":0},', b"{}]}"),
        "a hundred thousand empty lists": filled(b'{"w":[', b"[],", b"[]]}"),
        "metadata with a list of a million bytes": filled(b'{"__metadata__":{"a":[', b"[0],", b"0]}}"),
        "a tensor twice": framed(twice, bytes(8)),
        "a size twice": framed(b'{"w":{"dtype":"F32","shape":[9],"shape":[1],"data_offsets":[0,4]}}'),
        "two tensors that overlap": framed({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
        "a hole between two tensors": framed({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
        "bytes after the last tensor": one([1], 0, 4, data=bytes(4000)),
        "a tensor beyond the end of the file": one([1 << 20], 0, 4 << 20, data=bytes(100)),
        "a shape whose product overflows to 0": one([2**32, 2**32], 0, 0),
        "a shape whose product overflows with a 0": one([2**62, 2**62, 0], 0, 0),
        "a negative size": one([-1, -4], 0, 16, data=bytes(16)),
        "a size that is a fraction": one([1.5], 0, 6, data=bytes(6)),
        "a size that is true": one([True], 0, 4, data=bytes(4)),
        "a size of 4000 digits": one([10**4000], 0, 4, data=bytes(4)),
        "three hundred thousand sizes": one([1] * 300_000, 0, 4, data=bytes(4)),
        "an end before its beginning": one([1], 4, 0, data=bytes(4)),
        "offsets below 0": one([1], -4, 0, data=bytes(4)),
        "dtype object": one([1], 0, 8, "O", data=bytes(8)),
        "dtype that is a list": one([1], 0, 4, ["F32"], data=bytes(4)),
        "BOOL that is neither": one([2], 0, 2, "BOOL", data=b"\x01\x07"),
        "a checksum that is no text at all": one([1], 0, 4, data=bytes(4), header_sha256="\ud800"),
        "metadata that are numbers": one([1], 0, 4, data=bytes(4), step=3),
        "a wrong sha256": one([1], 0, 4, data=bytes(4), sha256="0" * 64),
        "ours, without its sha256": one([1], 0, 4, data=bytes(4), writer="tinyllm"),
        "a pickle": pickle.dumps(Bomb(proof)),
        "a pickle as data": one([1], 0, 4, "object", data=pickle.dumps(Bomb(proof))),
        "an array file of pickled objects": objects.getvalue(),
    }


def peak_megabytes():
    """The most memory that this process has had."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # macOS counts bytes, and knows no other way
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def load(path, bare):
    """(what loading the run's model said, seconds, megabytes above the bare import); "" where it loads."""
    start = time.perf_counter()
    try:
        RunFolder(path, {}, None).load_model()
        said = ""
    except RunFolderError as error:
        said = str(error)
    return said, time.perf_counter() - start, peak_megabytes() - bare


def in_a_child(function, *arguments):
    """function(*arguments) in a forked process; what it raises, or how the child died, comes back as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = function(*arguments)
        except BaseException as error:
            result = [f"{type(error).__name__}: {error}", 0.0, 0.0]
        os.write(writing, json.dumps(result).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    status = os.waitpid(child, 0)[1]
    return json.loads(answer) if answer else [f"died ({status})", 0.0, 0.0]


def main():
    warnings.simplefilter("ignore")  # that a file of another program has no sha256
    bare, failures = peak_megabytes(), 0
    with tempfile.TemporaryDirectory() as folder:
        proof = Path(folder, "proof")
        files = hostile_files(proof)
        paths = []
        for number, (what, content) in enumerate(files.items()):
            paths.append((what, Path(folder, f"run{number}")))
            paths[-1][1].mkdir()
            (paths[-1][1] / "model.safetensors").write_bytes(content)
        for what, start, size in [
                ("a terabyte, all of it there", one([1 << 38], 0, 1 << 40), 1 << 40),
                ("a header of 200 MB, all of it there", (2 * 10**8).to_bytes(8, "little") + b"{", 2 * 10**8)]:
            paths.append((what, Path(folder, f"run{len(paths)}")))
            paths[-1][1].mkdir()
            with open(paths[-1][1] / "model.safetensors", "wb") as file:  # sparse: takes no room on the disk
                file.write(start)
                file.truncate(len(start) + size)
        paths.append(("a pipe that nobody writes to", Path(folder, "pipe")))
        paths[-1][1].mkdir()
        os.mkfifo(paths[-1][1] / "model.safetensors")
        for what, path in paths:
            said, seconds, megabytes = min((in_a_child(load, path, bare) for _ in range(3)),
                                           key=lambda result: result[1])
            fine = (said.startswith(str(path / "model.safetensors")) and "\n" not in said and len(said) < 500
                    and seconds < SECONDS and megabytes < MEGABYTES and not proof.exists())
            failures += not fine
            print(f"{'refused' if fine else 'FAILED'}  {seconds:5.2f} s {megabytes:5.1f} MB  {what}: "
                  f"{said.removeprefix(str(path) + '/')[:200] or 'accepted'}")
    print(f"{len(paths) - failures} of {len(paths)} refused within {SECONDS:.0f} s and {MEGABYTES:.0f} MB "
          "above the bare import")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
