"""How a run is trained: how long, how fast, how often it is looked at."""
import dataclasses

BUDGETS = ("steps", "epochs", "minutes")
MAY_CHANGE = {*BUDGETS, "evaluate_every", "patience", "save_every"}  # when a run is resumed


def _at_least_1(value):
    return value >= 1


def _above_0(value):
    return value > 0


def _share(value):
    return 0 <= value < 1


CHECKS = {"at least 1": (_at_least_1, ("steps", "accumulate", "evaluate_every", "patience", "save_every")),
          "above 0": (_above_0, ("epochs", "minutes", "lr", "clip")),
          "in [0, 1)": (_share, ("warmup", "lr_floor", "average"))}


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The options of training.loop.train.  Raises ValueError for a value that makes no sense."""

    steps: int | None = None           # the budget: one of these three
    epochs: float | None = None
    minutes: float | None = None
    lr: float | None = None            # the highest rate; None: each group's of the optimizer
    warmup: float = 0.0                # share of the budget in which the rate rises from 0
    lr_floor: float = 0.0              # share of lr that is left at the end of the cosine
    clip: float | None = 1.0           # global norm of the gradient; None: as it is
    accumulate: int = 1                # batches a step
    evaluate_every: int | None = None  # steps; None: under 5 % of the time and at most 50 times
    patience: int | None = None        # evaluations without a new best after which to stop; None: never
    seed: int = 0                      # of dropout
    save_every: int | None = None      # steps; None: every minute.  The best and the last weights are always saved
    average: float = 0.0               # decay of the average of the weights that is evaluated; 0: none

    def __post_init__(self):
        given = [f"{name}={getattr(self, name)}" for name in BUDGETS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"TrainingOptions: one of {', '.join(BUDGETS)}, got {' and '.join(given)}")
        for expected, (fits, names) in CHECKS.items():
            for name in names:
                value = getattr(self, name)
                if value is not None and not fits(value):
                    raise ValueError(f"TrainingOptions: {name} must be {expected}, got {value}")

    @classmethod
    def of(cls, settings):
        """The options among the entries of a dict."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in names})

    def budget(self):
        """The one that is given, as {name: value}; empty where none is."""
        return {name: getattr(self, name) for name in BUDGETS if getattr(self, name) is not None}

    def resumed(self, before):
        """These options for a run begun with `before` (a dict), with that run's budget unless one is given.

        An option that `before` does not name, because there was none then, had its default.
        Raises ValueError that names every option under which the run would not be the same any more.
        """
        own = dataclasses.asdict(self)
        before = {**dataclasses.asdict(TrainingOptions()), **before}
        wrong = [f"{name} was {before[name]}, got {own[name]}" for name in own
                 if name not in MAY_CHANGE and own[name] != before[name]]
        if wrong:
            raise ValueError(f"resume: the run was started with other options: {'; '.join(wrong)}")
        budget = self.budget() or {name: before[name] for name in BUDGETS}
        return dataclasses.replace(self, **{**dict.fromkeys(BUDGETS), **budget})
