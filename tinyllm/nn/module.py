"""Module: named parameters, and what goes in and out of a file."""
import numpy as np

from tinyllm.autograd import Tensor


class Module:
    """A part of a model.  Its attributes that are Tensors are its parameters, those that are Modules (or lists of
    Modules) its parts; names are the attributes' names joined by dots, in the order in which they were set.

        class Classifier(Module):
            def __init__(self, *, rng):
                self.output = Linear(4, 2, rng=rng)          # parameters output.weight and output.bias

            def forward(self, x):
                return self.output(x)
    """

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def named_parameters(self, prefix=""):
        """(name, Tensor) of every parameter, each once even where two parts share it."""
        seen = set()
        for name, parameter in self._all_parameters(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _all_parameters(self, prefix):
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                yield prefix + name, value
            elif isinstance(value, Module):
                yield from value._all_parameters(f"{prefix}{name}.")
            elif isinstance(value, (list, tuple)):
                for number, part in enumerate(value):
                    if isinstance(part, Module):
                        yield from part._all_parameters(f"{prefix}{name}.{number}.")

    def parameters(self):
        """The parameters as a list: what an optimizer takes."""
        return [parameter for _, parameter in self.named_parameters()]

    def num_parameters(self):
        """How many numbers the model learns."""
        return sum(parameter.data.size for parameter in self.parameters())

    def state_dict(self):
        """Name -> ndarray, copies; torch.nn modules of the same kind read it as it is."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, arrays):
        """Take over the arrays, in the dtype that the parameters have.

        Raises ValueError that names every missing, extra and misshapen entry; nothing is taken over then.
        """
        own = dict(self.named_parameters())
        wrong = [f"{name}: expected {own[name].shape}, file has {np.shape(array)}" if name in own
                 else f"{name}: not in this model" for name, array in arrays.items()
                 if name not in own or own[name].shape != np.shape(array)]
        wrong += [f"{name}: missing" for name in own if name not in arrays]
        if wrong:
            raise ValueError("load_state_dict: " + "; ".join(wrong))
        for name, parameter in own.items():
            parameter.data = np.array(arrays[name], parameter.dtype, order="C")


def uniform(shape, bound, rng, dtype):
    """A parameter drawn from U(-bound, bound): PyTorch's start for linear and recurrent layers."""
    return Tensor(rng.uniform(-bound, bound, shape).astype(dtype), requires_grad=True)


def check_size(layer, **sizes):
    """Raise ValueError unless every size is an integer of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{layer}: {name} must be an integer of at least 1, got {size!r}")
