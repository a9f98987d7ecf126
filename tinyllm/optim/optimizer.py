"""What every optimizer shares: groups of parameters, the step over all of them, what is saved.

An optimizer is a formula, a few lines of NumPy that run inside formulas(), and a kernel that does the same in
one pass over a parameter's memory, in place, over threads in chunks of fixed size: the result has the same
bits for any number of threads.  A parameter whose grad is None is skipped: neither it nor what is remembered
of it changes.
"""
import math

import numpy as np

from tinyllm.autograd import Tensor, on_formulas

CHUNK = 1 << 14  # numbers of a parameter that one thread takes at a time


class Optimizer:
    """Parameters in groups, each with its own options.

    params    Tensors, or groups: [{"params": Tensors, option: value, ...}, ...]; an option that a group does
              not name is the optimizer's own

    A subclass has MEMORY, the names of the arrays it remembers for each parameter, and two functions of a
    parameter, its gradient, those arrays, t (which step it is, 1, 2, ...) and the group's options: formula
    gives the new parameter and the new arrays; kernel writes both in place.
    """

    MEMORY = ()

    def __init__(self, params, **options):
        self._name, params = type(self).__name__, [params] if isinstance(params, Tensor) else list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.param_groups, self._state, seen = [], {}, set()
        for group in groups:
            if not isinstance(group, dict) or "params" not in group:
                raise ValueError(f'{self._name}: every group must be a dict with "params", got {group!r}')
            unknown = sorted(set(group) - set(options) - {"params"})
            if unknown:
                raise ValueError(f"{self._name}: options of a group must be among {', '.join(options)}, "
                                 f"got {', '.join(unknown)}")
            tensors = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
            group = {**options, **group, "params": tensors}
            self._check_options(group)
            for p in group["params"]:
                self._check_parameter(p, len(seen))
                if id(p) in seen:
                    raise ValueError(f"{self._name}: each parameter must be given once, got one again")
                seen.add(id(p))
            self.param_groups.append(group)
        if not seen:
            raise ValueError(f"{self._name}: params must hold at least one Tensor, got none")

    def _check_parameter(self, p, number):
        if not isinstance(p, Tensor):
            raise TypeError(f"{self._name}: parameter {number} must be a Tensor, got {type(p).__name__}")
        if not p.requires_grad or p._backward:
            came = "the result of an op" if p._backward else "one without"
            raise ValueError(
                f"{self._name}: parameter {number} must be a Tensor made with requires_grad=True, got {came}")
        if not p.data.flags.writeable:
            raise ValueError(f"{self._name}: parameter {number} must have an array that can be written to")

    def _check_options(self, group):
        for name, value in group.items():
            if name == "betas":
                if len(value) != 2 or not all(0 <= beta < 1 for beta in value):
                    raise ValueError(f"{self._name}: betas must be two numbers in 0..1, below 1, got {value}")
            elif name != "params" and not 0 <= value < math.inf:
                raise ValueError(f"{self._name}: {name} must be a number of at least 0, got {value}")

    def _numbered(self):
        """(number, parameter, group) of every parameter."""
        every = ((p, group) for group in self.param_groups for p in group["params"])
        return [(number, p, group) for number, (p, group) in enumerate(every)]

    def _options(self):
        """(number of the group, group, name) of every option."""
        return [(g, group, name) for g, group in enumerate(self.param_groups)
                for name in group if name != "params"]

    def zero_grad(self):
        """Forget the gradients, so that the next backward does not add to them."""
        for _, p, _ in self._numbered():
            p.grad = None

    def step(self):
        """Move every parameter that has a gradient, in place."""
        moving = [entry for entry in self._numbered() if entry[1].grad is not None]
        for number, p, _ in moving:  # before anything moves
            if p.grad.shape != p.shape or p.grad.dtype != p.dtype:
                raise ValueError(f"{self._name}: the gradient of parameter {number} must be "
                                 f"{p.shape} {p.dtype}, got {p.grad.shape} {p.grad.dtype}")
        for number, p, group in moving:
            t, memory = self._state.get(number) or (0, [np.zeros(p.shape, p.dtype) for _ in self.MEMORY])
            options = {name: value for name, value in group.items() if name != "params"}
            if on_formulas():
                p.data[...], *memory = self.formula(p.data, p.grad, *memory, t + 1, **options)
                memory = [np.asarray(a) for a in memory]  # NumPy makes scalars of 0-dimensional arrays
            else:
                data = np.require(p.data, requirements="C")  # a copy only where its memory has another order
                grad = np.require(p.grad, requirements="CW")
                self.kernel(*(a.reshape(-1) for a in (data, grad, *memory)), t + 1, **options)
                if data is not p.data:
                    p.data[...] = data
            self._state[number] = t + 1, memory

    def state_dict(self):
        """Name -> array, copies: 3.t, 3.m ... for the parameter number 3, group0.lr ... for the options.

        What load_state_dict of an optimizer over the same parameters continues from, to the last bit.
        """
        arrays = {f"group{g}.{name}": np.array(group[name], np.float64) for g, group, name in self._options()}
        for number, (t, memory) in sorted(self._state.items()):
            arrays[f"{number}.t"] = np.array(t, np.int64)
            arrays |= {f"{number}.{name}": a.copy() for name, a in zip(self.MEMORY, memory)}
        return arrays

    def load_state_dict(self, arrays):
        """Take over what state_dict gave.

        Raises ValueError that names every missing, extra and misshapen entry; nothing is taken over then.
        """
        expected = {f"group{g}.{name}": (np.shape(group[name]), np.dtype(np.float64))
                    for g, group, name in self._options()}
        shapes = {number: (p.shape, p.dtype) for number, p, _ in self._numbered()}
        moved = [number for number in shapes if f"{number}.t" in arrays]
        for number in moved:
            expected |= {f"{number}.t": ((), np.dtype(np.int64))}
            expected |= {f"{number}.{name}": shapes[number] for name in self.MEMORY}
        arrays = {name: np.asarray(a) for name, a in arrays.items()}
        wrong = [f"{name}: missing" for name in expected if name not in arrays]
        wrong += [f"{name}: not in this optimizer" for name in arrays if name not in expected]
        wrong += [f"{name}: expected {shape} {dtype}, got {arrays[name].shape} {arrays[name].dtype}"
                  for name, (shape, dtype) in expected.items()
                  if name in arrays and (arrays[name].shape, arrays[name].dtype) != (shape, dtype)]
        if wrong:
            raise ValueError(f"{self._name}.load_state_dict: " + "; ".join(wrong))
        for g, group, name in self._options():
            value = arrays[f"group{g}.{name}"].tolist()
            group[name] = tuple(value) if isinstance(value, list) else value
        self._state = {number: (int(arrays[f"{number}.t"]),
                                [np.array(arrays[f"{number}.{name}"], order="C") for name in self.MEMORY])
                       for number in moved}
