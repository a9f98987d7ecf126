"""The folder that a training run lives in.

    config.json          format version, task, model and its sizes, training options; checksums of itself and
                         of the tokenizer, so that a changed digit is not taken for another setting
    tokenizer.json       how text becomes ids
    model.safetensors    the best weights
    metrics.jsonl        one line an evaluation
    trainer.safetensors  everything that is needed to go on: arrays, and numbers as JSON in its metadata

Every file but the log is replaced whole (atomic_writing.py); all are checked when they are read
(checked_reading.py, safe_tensors.py).

Which files belong together.  trainer.safetensors is the one that counts: it records the length and the sha256
of metrics.jsonl and the sha256 of the model.safetensors that belongs to it.

  - save_trainer(arrays, meta, model=weights) writes both files under temporary names, then moves the trainer,
    then the model.  A kill before the first move leaves the old pair.  A kill between the two leaves the new
    trainer, and the new model under its temporary name: it is recognised by the sha256 that the trainer
    records, load_model reads it there, and load_trainer moves it into place.
  - After a kill between save_model and save_trainer as two calls, the model is the newer: complete, and what
    load_model should give.  Going on from the trainer comes to that evaluation again.
  - Lines of metrics.jsonl after the recorded length belong to steps that will be taken again: truncate_log
    cuts them off.

create() writes config.json before tokenizer.json.  A folder with the first but not the second that it names,
and without weights, is half created: open() says so.  A folder with neither model nor trainer, half created or
left by a run that ended before its first checkpoint, has nothing to lose: create() starts it anew without being
forced.
"""
import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path

from tinyllm.checked_json import brief
from tinyllm.training.atomic_writing import (RunFolderError, kept_name, replace_files, sync_folder,
                                             temporary_name)
from tinyllm.training.checked_reading import dump_json, parse_json, read_file
from tinyllm.training.metrics_log import MetricsLog
from tinyllm.training.safe_tensors import encode, read_metadata, read_tensors

__all__ = ["RunFolder", "RunFolderError"]

FORMAT = 1
CONFIG, TOKENIZER, MODEL = "config.json", "tokenizer.json", "model.safetensors"
METRICS, TRAINER = "metrics.jsonl", "trainer.safetensors"
CURVES = "curves.png"  # drawn beside them where matplotlib is installed
FILES = (CONFIG, TOKENIZER, MODEL, METRICS, TRAINER)
MAX_CONFIG, MAX_TOKENIZER = 1 << 22, 1 << 25  # bytes; far more than an honest one has


class RunFolder:
    """A run on disk; made by create() or open().

    path            Path of the folder
    config          dict, as it was given to create()
    tokenizer_json  str, or None where the run has none

    Every method raises RunFolderError, one sentence that names the file, where it cannot do its work.
    """

    def __init__(self, path, config, tokenizer_json):
        self.path, self.config, self.tokenizer_json = path, config, tokenizer_json
        self._metrics = MetricsLog(path / METRICS)

    @classmethod
    def create(cls, path, config, tokenizer_json=None, force=False):
        """A new run folder; its parent must exist.

        force  replace a run folder that is there already: its weights and its log go.  One that has no
               weights yet is replaced without it.  A path that is anything else, an empty folder excepted,
               is never touched
        """
        path = Path(path)
        config = parse_json(dump_json({"format": FORMAT, **config}, "config").encode(), "config")
        _check_config(config, "config")
        encoded = None if tokenizer_json is None else tokenizer_json.encode()
        if encoded is not None:
            parse_json(encoded, "tokenizer_json")
        if os.path.lexists(path):
            _check_replaceable(path, force)
        elif not path.parent.is_dir():
            raise RunFolderError(f"{path}: cannot be made, there is no folder {path.parent}")
        checksums = {"config": _digest(config), "tokenizer": _sha256(encoded)}
        text = (json.dumps({**config, "checksums": checksums}, indent=2) + "\n").encode()
        if len(text) > MAX_CONFIG or len(encoded or b"") > MAX_TOKENIZER:
            raise RunFolderError(f"{path}: {CONFIG} may have {MAX_CONFIG} bytes and {TOKENIZER} "
                                 f"{MAX_TOKENIZER}, got {len(text)} and {len(encoded or b'')}")
        made = not os.path.exists(path)
        try:
            if made:
                path.mkdir()
                sync_folder(path.parent)
            replace_files(path, {
                TRAINER: None, MODEL: None, METRICS: None, CURVES: None,  # old ones go before the configuration changes
                CONFIG: [text], TOKENIZER: None if encoded is None else [encoded]})
        except BaseException as error:
            if made:
                with contextlib.suppress(OSError):
                    path.rmdir()
            if isinstance(error, OSError):
                raise RunFolderError(f"{path}: the folder cannot be made ({error.strerror})") from error
            raise
        return cls(path, config, tokenizer_json)

    @classmethod
    def open(cls, path):
        """The run folder at this path; reads and checks its configuration and its tokenizer."""
        path = Path(path)
        try:
            is_folder = stat.S_ISDIR(os.stat(path).st_mode)
        except OSError as error:
            raise RunFolderError(f"{path}: there is no such run folder ({error.strerror})") from error
        if not is_folder:
            raise RunFolderError(f"{path}: is a file, not a run folder")
        if not os.path.lexists(path / CONFIG):
            if _holds_nothing(path) and os.listdir(path):
                raise RunFolderError(f"{path}: was only half created, start this run again")
            raise RunFolderError(f"{path}: is not a run folder (it has no {CONFIG})")
        config, checksums = _read_config(path / CONFIG)
        encoded = _read_tokenizer(path)
        if checksums is not None and checksums["tokenizer"] != _sha256(encoded):
            if not _has_weights(path):  # create() was killed before the tokenizer was there
                raise RunFolderError(f"{path}: was only half created, start this run again")
            what = "is missing" if encoded is None else "damaged or not the one this run was trained with"
            raise RunFolderError(f"{path / TOKENIZER}: {what} ({CONFIG} names its sha256)")
        if encoded is not None:
            parse_json(encoded, path / TOKENIZER)
        return cls(path, config, None if encoded is None else encoded.decode())

    # ---- the weights

    def save_model(self, arrays):
        """Replace the best weights, {name: ndarray}."""
        replace_files(self.path, {MODEL: encode(arrays, {})[1]})

    def load_model(self):
        """The best weights, {name: ndarray}.  Warns where the file is not ours and has no sha256."""
        path = self.path / (temporary_name(MODEL) if self._model_is_staged() else MODEL)
        if not path.exists():
            raise RunFolderError(f"{self.path}: has no {MODEL}, training ended before it was saved")
        return read_tensors(path)[0]

    def _model_is_staged(self):
        """Whether a kill came between the two moves of save_trainer: the model has its temporary name."""
        staged = self.path / temporary_name(MODEL)
        if not staged.exists():
            return False
        try:
            wanted = self._trainer_meta()["model_sha256"]
            return wanted is not None and read_metadata(staged).get("sha256") == wanted
        except RunFolderError:
            return False  # a half-written model, or no trainer that could want it

    # ---- the trainer's state

    def _trainer_meta(self):
        return _trainer_meta(read_metadata(self.path / TRAINER), self.path / TRAINER)

    @property
    def has_trainer(self):
        """Whether there is something to resume from."""
        return (self.path / TRAINER).exists()

    def save_trainer(self, arrays, meta, model=None):
        """Replace all that is needed to go on, as one file.

        arrays  {name: ndarray}
        meta    dict of JSON values; metrics_length, metrics_sha256 and model_sha256 are added
        model   {name: ndarray}: the best weights where these are new, replaced together with the trainer
        """
        contents, model_sha256 = {}, None
        if model is not None:
            model_sha256, contents[MODEL] = encode(model, {})
        elif (self.path / MODEL).exists():
            model_sha256 = read_metadata(self.path / MODEL).get("sha256")
        length, sha256 = self._metrics.seal()
        meta = {**meta, "metrics_length": length, "metrics_sha256": sha256, "model_sha256": model_sha256}
        chunks = encode(arrays, {"meta": dump_json(meta, "meta")})[1]
        replace_files(self.path, {TRAINER: chunks, **contents})

    def load_trainer(self):
        """(arrays, meta) as they were saved; whoever goes on calls truncate_log(meta["metrics_length"])."""
        path = self.path / TRAINER
        if not path.exists():
            raise RunFolderError(f"{self.path}: has no {TRAINER}, so there is nothing to resume: start this run again")
        arrays, metadata = read_tensors(path)
        meta = _trainer_meta(metadata, path)
        if self._model_is_staged():
            try:
                os.replace(self.path / temporary_name(MODEL), self.path / MODEL)
                sync_folder(self.path)
            except OSError as error:
                raise RunFolderError(f"{self.path / MODEL}: cannot be written ({error.strerror})") from error
        elif meta["model_sha256"] is not None and not (self.path / MODEL).exists():
            raise RunFolderError(f"{self.path / MODEL}: is missing, {TRAINER} belongs to it")
        return arrays, meta

    # ---- the log

    def log(self, record):
        """Append one record (a dict of JSON values) as a line to metrics.jsonl."""
        self._metrics.append(record)

    def truncate_log(self, length):
        """Cut metrics.jsonl back to its first `length` bytes, checked where the trainer recorded them."""
        meta = self._trainer_meta() if self.has_trainer else {}
        recorded = meta.get("metrics_length") == length
        self._metrics.truncate(length, meta["metrics_sha256"] if recorded else None)

    def read_log(self):
        """The records of metrics.jsonl, a list of dicts, without a last line that a kill left unfinished."""
        return self._metrics.read()


def _sha256(data):
    return None if data is None else hashlib.sha256(data).hexdigest()


def _digest(config):
    """sha256 of the configuration, whatever its layout and the order of its keys."""
    return _sha256(json.dumps(config, sort_keys=True).encode())


def _check_config(config, name):
    """Refuse a configuration that this version cannot know how to read."""
    version = config.get("format")
    if type(version) is not int or version < 1:
        raise RunFolderError(f"{name}: not the configuration of a run (format must be 1 or more, got "
                             f"{brief(version)})")
    if version > FORMAT:
        raise RunFolderError(f"{name}: was written by a newer tinyllm (format {brief(version)}, this one "
                             f"reads up to {FORMAT})")
    for key, kind, what in (("task", str, "a string"), ("model", dict, "an object")):
        if not isinstance(config.get(key), kind):
            raise RunFolderError(f"{name}: {key} must be {what}, got {brief(config.get(key))}")


def _read_config(path):
    """(config, checksums or None) of a config.json; one written by hand has no checksums."""
    config = parse_json(read_file(path, MAX_CONFIG), path)
    _check_config(config, path)
    checksums = config.pop("checksums", None)
    if checksums is None:
        return config, None
    if (not isinstance(checksums, dict) or checksums.keys() != {"config", "tokenizer"}
            or checksums["config"] != _digest(config)):
        raise RunFolderError(f"{path}: damaged or edited (its content does not have the sha256 under "
                             "checksums; without that entry it is used as it is)")
    return config, checksums


def _check_replaceable(path, force):
    """Refuse what create() must not touch."""
    if not os.path.isdir(path):
        raise RunFolderError(f"{path}: exists and is not a run folder; it was not touched")
    if _holds_nothing(path):
        return
    try:
        _read_config(path / CONFIG)
    except RunFolderError as error:
        raise RunFolderError(f"{path}: exists and is not a run folder that can be replaced ({error}); it was "
                             "not touched") from error
    if not force and _has_weights(path):
        raise RunFolderError(f"{path}: is a run folder already; resume it (--resume), replace it (--force) "
                             "or choose another name")


def _holds_nothing(path):
    """Whether a folder is empty but for the temporary names of files that were never finished."""
    try:
        return set(os.listdir(path)) <= {of(name) for name in (*FILES, CURVES) for of in (temporary_name, kept_name)}
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error


def _read_tokenizer(path):
    """The bytes of the run's tokenizer.json, or None where it has none."""
    path = path / TOKENIZER
    return read_file(path, MAX_TOKENIZER) if os.path.lexists(path) else None


def _has_weights(path):
    """Whether a run came to its first checkpoint."""
    return (path / MODEL).exists() or (path / TRAINER).exists()


def _trainer_meta(metadata, path):
    """The JSON values in the metadata of a trainer file."""
    if "meta" not in metadata:
        raise RunFolderError(f"{path}: not the trainer file of a run (its metadata have no meta)")
    meta = parse_json(metadata["meta"].encode("utf-8", "surrogatepass"), f"{path}, meta")
    length, log, model = (meta.get(key) for key in ("metrics_length", "metrics_sha256", "model_sha256"))
    if type(length) is not int or length < 0 or not isinstance(log, str) or not isinstance(model, str | None):
        raise RunFolderError(f"{path}: not the trainer file of a run (it does not say what it belongs to)")
    return meta
