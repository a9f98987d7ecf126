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

COUNTERS = ("step", "steps_apart", "loss_sum", "loss_count", "train_loss", "best", "since_best",
            "evaluated_at")


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

    Raises ValueError for options that differ, a model of other shapes, another text.
    """
    trainer.options = trainer.options.resumed(meta["options"])
    groups = {"weights": {}, "optimizer": {}, "carried": {}, "average": {}}
    for name, array in arrays.items():
        group, _, name = name.partition("/")
        groups[group][name] = np.array(array, order="C")
    _check_weights(trainer, groups["weights"])
    if trainer.average is not None:
        _check_weights(trainer, groups["average"])
        trainer.average.arrays = [groups["average"][name] for name, _ in trainer.named]
    trainer.task.batches.load_state_dict(meta["batches"])
    trainer.optimizer.load_state_dict(groups["optimizer"])
    trainer.task.load_state_dict(groups["carried"])
    for name, p in trainer.named:
        p.data = groups["weights"][name]
    trainer.rng.bit_generator.state = meta["rng"]
    for name in COUNTERS:
        setattr(trainer, name, meta[name])
    trainer.seconds_before = meta["seconds"]
    trainer.run.truncate_log(meta["metrics_length"])


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
