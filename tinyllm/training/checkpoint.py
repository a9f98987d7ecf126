"""What a trainer file holds, so that going on from it equals, to the bit, not having stopped.

    weights/NAME     the last weights
    average/NAME     their moving average, where one is kept
    optimizer/NAME   moments, step numbers, rates
    carried/NAME     what the task carries from batch to batch
    meta, JSON       the counters of the loop, seconds, the random generator, where the batches stand, the
                     options; the run folder adds the length of metrics.jsonl
"""
import dataclasses

import numpy as np

from tinyllm.training.options import BUDGETS
from tinyllm.training.run_folder import TRAINER, RunFolderError

NUMBER = int | float
COUNTERS = {"step": int, "targets": int, "loss_sum": NUMBER, "loss_count": int, "train_loss": NUMBER | None,
            "best": dict | None, "since_best": int, "evaluated_at": int | None}
META = {**COUNTERS, "seconds": NUMBER, "rng": dict, "batches": dict, "options": dict}
GROUPS = ("weights", "average", "optimizer", "carried")


def capture(trainer):
    """The trainer of loop.py as arrays and meta."""
    groups = {"weights": {name: p.data for name, p in trainer.named},
              "optimizer": trainer.optimizer.state_dict(),
              "carried": trainer.task.state_dict()}
    if trainer.average is not None:
        groups["average"] = {name: a for (name, _), a in zip(trainer.named, trainer.average.arrays)}
    arrays = {f"{group}/{name}": np.asarray(array) for group, arrays in groups.items()
              for name, array in arrays.items()}
    return arrays, {**{name: getattr(trainer, name) for name in COUNTERS},
                    "seconds": trainer.seconds(),
                    "rng": trainer.rng.bit_generator.state,
                    "batches": trainer.task.batches.state_dict(),
                    "options": dataclasses.asdict(trainer.options)}


def restore(trainer, arrays, meta):
    """Put a trainer where capture() found one; what was logged after that is cut off.

    Raises ValueError for options that differ and a model of other shapes, RunFolderError for a file that does not
    hold what capture() gives, or not for this task, this optimizer, this text.
    """
    file = trainer.run.path / TRAINER
    meta = {"targets": 0, **meta}  # runs older than this counter
    _check_meta(meta, file)
    groups = _grouped(arrays, file)
    trainer.options = trainer.options.resumed(meta["options"])
    _check_weights(trainer, groups["weights"])
    if trainer.average is not None:
        _check_weights(trainer, groups["average"])
        trainer.average.arrays = [groups["average"][name] for name, _ in trainer.named]
    try:
        trainer.task.batches.load_state_dict(meta["batches"])
        trainer.optimizer.load_state_dict(groups["optimizer"])
        trainer.task.load_state_dict(groups["carried"])
        trainer.rng.bit_generator.state = meta["rng"]
    except (ValueError, LookupError, TypeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise RunFolderError(f"{file}: does not fit this run ({what})") from error
    for name, p in trainer.named:
        p.data = groups["weights"][name]
    for name in COUNTERS:
        setattr(trainer, name, meta[name])
    trainer.seconds_before = meta["seconds"]
    trainer.run.truncate_log(meta["metrics_length"])


def _check_meta(meta, file):
    """Raise RunFolderError that names every entry that is missing or of another kind."""
    wrong = [name for name, kind in META.items() if name not in meta or not isinstance(meta[name], kind)]
    if "options" not in wrong:
        wrong += [name for name in BUDGETS if not isinstance(meta["options"].get(name), NUMBER | None)]
    if wrong:
        raise RunFolderError(f"{file}: was not written by this tinyllm (missing or of another kind: "
                             f"{', '.join(wrong)})")


def _grouped(arrays, file):
    """{group: {name: array}} of arrays named group/name."""
    groups = {group: {} for group in GROUPS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups:
            raise RunFolderError(f"{file}: was not written by this tinyllm (an array {name!r}, expected names that "
                                 f"begin with {', '.join(GROUPS)})")
        groups[group][rest] = np.array(array, order="C")
    return groups


def _check_weights(trainer, arrays):
    """Raise ValueError that names every parameter for which the file has no array, or one of another kind."""
    wrong = []
    for name, p in trainer.named:
        array = arrays.get(name)
        if array is None or (array.shape, array.dtype) != (p.shape, p.dtype):
            found = "nothing" if array is None else f"{array.shape} {array.dtype}"
            wrong.append(f"{name}: expected {p.shape} {p.dtype}, file has {found}")
    if wrong:
        raise ValueError(f"resume: the trainer file does not fit the model: {'; '.join(wrong)}")
