"""The training loop: one for every task.

A step:  batch -> loss -> backward (accumulate times) -> clip -> rate by the schedule -> optimizer.
Now and then: evaluate, one line to metrics.jsonl, the best weights to model.safetensors, and all that is
needed to go on to trainer.safetensors.  A run that was broken off and resumed equals, to the bit, one that
was not.
"""
import contextlib
import math
import os
import signal
import threading
import time

import numpy as np

from tinyllm.optim import clip_grad_norm_, warmup_cosine
from tinyllm.training import checkpoint
from tinyllm.training.average import WeightAverage
from tinyllm.training.finite import NonFinite, first_bad_name, first_bad_value
from tinyllm.training.options import TrainingOptions

__all__ = ["train", "TrainingOptions", "Interrupted", "NonFinite"]

EVALUATION_SHARE = 0.05  # of the time, where evaluate_every is left to the loop
EVALUATIONS = 50  # in a whole budget at most, likewise: where there is nothing to evaluate on it costs no time
SAVE_SECONDS = 60  # so much work is lost in a crash, where save_every is left to the loop


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended the run, which was saved: the message says how to go on, the caller exits 130."""


def train(task, optimizer, run, options, *, progress, resume=False):
    """Train until the budget is used, patience ends or Ctrl-C comes; the result is a dict.

    task       what is learnt:
                   named_parameters()      (dotted name, Tensor) pairs
                   batches                 iterator without end; steps_per_epoch, state_dict, load_state_dict
                   loss(batch, rng)        scalar Tensor, the mean over the batch's targets
                   targets_in(batch)       how many those are
                   evaluate()              dict of numbers, valid_loss among them; changes nothing; {} where
                                           there is nothing to evaluate on: the last weights are the best then
                   criterion(fields)       of such a dict: the smaller, the better the weights; a number, or a
                                           tuple of them, of which the next decides where the first are equal
                   decides                 the field that criterion goes by, which is shown beside valid_loss
                   valid_targets           how many targets evaluate() scores: decides how often it is called
                   state_dict()            name -> array: what is carried from batch to batch, or {}
                   load_state_dict(arrays) the way back
    optimizer  over the task's parameters
    run        RunFolder
    progress   Progress
    resume     go on from the run's trainer file; without a budget in options, with that of the run

    Result: steps, epochs, seconds, train_loss and the fields of the best evaluation.
    Raises Interrupted (after saving), NonFinite (the last checkpoint stays as it is), and ValueError where
    there is no budget or where options differ from those of the run that is resumed.
    """
    with progress, _Interruption() as interruption:
        trainer = _Trainer(task, optimizer, run, options, progress)
        if resume:
            trainer.resume()
        trainer.start_clock()
        if trainer.evaluation_is_due():  # an interruption came before it
            trainer.evaluate()
        while not trainer.finished():
            trainer.take_step()
            if interruption.requested:
                trainer.break_off()
            if trainer.evaluation_is_due():
                trainer.evaluate()
            elif trainer.saving_is_due():
                trainer.save()
        if trainer.evaluated_at != trainer.step:
            trainer.evaluate()
        if trainer.saved_step != trainer.step:
            trainer.save()
        return trainer.result()


class _Interruption:
    """While entered, Ctrl-C sets a flag: the step in hand, or the file being written, comes to its end."""

    def __enter__(self):
        self.requested, self.handles = False, False
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            self.before, self.handles = signal.signal(signal.SIGINT, self._request), True
        return self

    def _request(self, number, frame):
        if not self.requested:
            os.write(2, b"\nstopping after this step, then saving\n")  # print may be what was interrupted
        self.requested = True

    def __exit__(self, *exception):
        if self.handles:
            signal.signal(signal.SIGINT, self.before or signal.SIG_DFL)


class _Trainer:
    """Where a run stands, what is due, and what is saved."""

    def __init__(self, task, optimizer, run, options, progress):
        self.task, self.optimizer, self.run = task, optimizer, run
        self.options, self.progress = options, progress
        self.named = list(task.named_parameters())
        self.parameters = [parameter for _, parameter in self.named]
        self.rates = [options.lr or group["lr"] for group in optimizer.param_groups]
        self.rng = np.random.default_rng([options.seed, 1])  # not what the same seed drew weights from
        self.average = WeightAverage(self.parameters, options.average) if options.average else None
        self.step = 0
        self.loss_sum, self.loss_count = 0.0, 0  # since the last evaluation
        self.train_loss = None  # the mean up to the last evaluation
        self.best = None  # the fields of the best evaluation
        self.since_best = 0  # evaluations
        self.targets = 0  # learnt from since then
        self.evaluated_at = self.saved_step = None
        self.seconds_before = 0.0  # in the parts of the run before this one

    # ---- how much of the budget is used

    def start_clock(self):
        """Fix the horizon and begin to count the time."""
        if not self.options.budget():
            raise ValueError("train: a budget of steps, epochs or minutes is needed, got none")
        self.total = self.options.steps
        if self.options.epochs is not None:
            batches = self.options.epochs * self.task.batches.steps_per_epoch
            self.total = max(1, math.ceil(batches / self.options.accumulate))
        self.started = time.monotonic()
        if self.total is None and not self.finished():
            self._warm_up()
        self.started = self.saved_at = self.evaluation_ended = time.monotonic()
        self.evaluation_seconds = self.save_seconds = 0.0

    def _warm_up(self):
        """A whole step that is taken back: what it has to compile does not count against the minutes."""
        stateful = (self.task.batches, self.task, self.optimizer)
        states = [each.state_dict() for each in stateful]
        weights = [p.data.copy() for p in self.parameters]
        self.task.loss(next(self.task.batches), np.random.default_rng(0)).backward()
        clip_grad_norm_(self.parameters, 1e-9)  # so short that every gradient is scaled
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            WeightAverage(self.parameters[:1], 0.5).move(1)  # the same kernel, on a copy
        for p, data in zip(self.parameters, weights):
            p.data = data
        for each, state in zip(stateful, states):
            each.load_state_dict(state)

    def seconds(self):
        """Of training, with evaluating and saving, in all parts of the run."""
        return self.seconds_before + time.monotonic() - self.started

    def used(self):
        """The share of the budget that is used, 0..1."""
        if self.total is not None:
            return min(1.0, self.step / self.total)
        return min(1.0, self.seconds() / (60 * self.options.minutes))

    def finished(self):
        patience = self.options.patience
        return self.step > 0 and (self.used() >= 1 or (patience is not None and self.since_best >= patience))

    # ---- a step

    def take_step(self):
        began, mean = time.monotonic(), 0.0
        batches = [next(self.task.batches) for _ in range(self.options.accumulate)]
        counts = [self.task.targets_in(batch) for batch in batches]
        targets = sum(counts)
        for batch, count in zip(batches, counts):
            loss = self.task.loss(batch, self.rng)
            value = loss.item()
            if not math.isfinite(value):
                self._stop(self.step + 1, f"the loss is {value}: {first_bad_value(loss, self.named)}")
            loss.backward(np.asarray(count / targets, loss.dtype))  # gradient of the mean over all their targets
            mean += value * (count / targets)
        norm = clip_grad_norm_(self.parameters, math.inf if self.options.clip is None else self.options.clip)
        if not math.isfinite(norm):  # it left the gradients as they are
            bad = first_bad_name((name, p.grad) for name, p in self.named if p.grad is not None)
            self._stop(self.step + 1, f"the gradient of {bad} is not finite" if bad else
                       "the norm of the gradient is not finite")
        # by the middle of the step, so that neither the first nor the last has a rate of 0
        middle = self.used() if self.total is None else (self.step + 0.5) / self.total
        factor = warmup_cosine(middle, self.options.warmup, self.options.lr_floor)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        if self.average is not None:
            self.average.move(self.step)
        self.loss_sum, self.loss_count, self.targets = self.loss_sum + mean, self.loss_count + 1, self.targets + targets
        now = time.monotonic()
        self.progress.step(self.step, self.total, used=self.used(), loss=mean, targets=targets,
                           step_seconds=now - began, seconds=self.seconds())

    def _stop(self, step, what):
        kept = "nothing was saved yet" if self.saved_step is None else f"the run keeps step {self.saved_step}"
        raise NonFinite(f"step {step}: {what}; {kept}, and a smaller learning rate may help")

    # ---- evaluation

    def evaluation_is_due(self):
        if self.step in (0, self.evaluated_at) or self.finished():
            return False  # at the end train() evaluates
        if self.options.evaluate_every is not None:
            return self.step % self.options.evaluate_every == 0
        if self.total is not None:  # by the work, so that the log is the same every time
            # for each target training takes three products (forward, two backward) where evaluation takes one
            worked = 3 * self.targets * EVALUATION_SHARE >= self.task.valid_targets
            return worked and self.step - (self.evaluated_at or 0) >= self.total / EVALUATIONS
        pause = max(self.evaluation_seconds / EVALUATION_SHARE, 60 * self.options.minutes / EVALUATIONS)
        return time.monotonic() - self.evaluation_ended >= pause

    def evaluate(self):
        """Score, write a line of the log, save the weights if they are the best so far.

        Where they are not, only the log is written: after a crash this evaluation is made again.
        """
        began = time.monotonic()
        if self.loss_count:
            self.train_loss = self.loss_sum / self.loss_count
        self._check_parameters()
        with self._evaluated_weights():
            fields = {name: np.asarray(value).tolist() for name, value in self.task.evaluate().items()}
            valid_loss = fields.get("valid_loss")
            if valid_loss is not None and not math.isfinite(valid_loss):
                self._stop(self.step, f"the validation loss is {valid_loss}")
            better = not (fields and self.best) or self.task.criterion(fields) < self.task.criterion(self.best)
            model = self._weights() if better else None
        self.best, self.since_best = (fields, 0) if better else (self.best, self.since_best + 1)
        self.loss_sum, self.loss_count, self.targets, self.evaluated_at = 0.0, 0, 0, self.step
        record = {"step": self.step, "epoch": self._epochs(), "seconds": round(self.seconds(), 3),
                  "lr": self.optimizer.param_groups[0]["lr"], "train_loss": self.train_loss, **fields}
        self.run.log(record)
        self.progress.evaluated(record, better, self.task.decides)
        self.evaluation_ended = time.monotonic()
        self.evaluation_seconds = self.evaluation_ended - began
        if better or self.saving_is_due():
            self.save(model)

    def _epochs(self):
        return round(self.step * self.options.accumulate / self.task.batches.steps_per_epoch, 4)

    def _evaluated_weights(self):
        return contextlib.nullcontext() if self.average is None else self.average.in_place()

    def _weights(self):
        return {name: p.data for name, p in self.named}

    # ---- saving, and going on

    def saving_is_due(self):
        if self.options.save_every is not None:
            return self.step % self.options.save_every == 0
        return time.monotonic() - self.saved_at >= max(SAVE_SECONDS, self.save_seconds / EVALUATION_SHARE)

    def _check_parameters(self):
        bad = first_bad_name((name, p.data) for name, p in self.named)
        if bad is not None:
            self._stop(self.step, f"the parameter {bad} is not finite")

    def save(self, model=None):
        """All that is needed to go on from here, and with it the best weights where they are new."""
        began = time.monotonic()
        self._check_parameters()
        self.run.save_trainer(*checkpoint.capture(self), model=model)
        self.saved_step, self.saved_at = self.step, time.monotonic()
        self.save_seconds = self.saved_at - began

    def resume(self):
        """Stand where the run's trainer file was written."""
        checkpoint.restore(self, *self.run.load_trainer())
        self.saved_step = self.step
        self.progress.message(f"going on after step {self.step}")

    def break_off(self):
        """Save and raise Interrupted."""
        with self._evaluated_weights():
            model = self._weights() if self.best is None else None  # so that the run can be used even so
        self.save(model)
        raise Interrupted(f"stopped after step {self.step} and saved; --out {self.run.path} --resume goes on there")

    def result(self):
        return {"steps": self.step, "epochs": self._epochs(), "seconds": round(self.seconds(), 3),
                "train_loss": self.train_loss, **self.best}
