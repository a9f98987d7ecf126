"""The ops by name, and the one table that binds operators and methods to Tensor.

Letters for sizes, the same in every docstring, check and message:

    B batch      T time (target)    S source time    E embedding    H hidden     A attention heads
    D per head   V vocabulary       N rows in all    C classes      K, M inner and outer sizes of a product

The primitives are NumPy and loaded at once; a composite (formula and kernel in one file) is loaded when its
name is first used, so that arithmetic alone needs no compiler.
"""
from tinyllm.autograd import Tensor
from tinyllm.lazy import load_on_first_use
from tinyllm.ops.activations import relu, sigmoid, tanh
from tinyllm.ops.arithmetic import add, div, exp, log, maximum, mul, neg, power, sqrt, sub
from tinyllm.ops.arrangement import concatenate, flip, getitem, reshape, stack, swapaxes, transpose, where
from tinyllm.ops.matmul import matmul
from tinyllm.ops.reductions import max, mean, sum

PRIMITIVES = {op.__name__: op for op in (
    add, sub, mul, div, neg, power, maximum, exp, log, sqrt, tanh, sigmoid, relu,
    reshape, transpose, swapaxes, getitem, concatenate, stack, where, flip, sum, mean, max, matmul)}

COMPOSITES = {  # op: the file of its formula
    "linear": "linear",
    "embedding": "embedding",
    "embedding_bag": "embedding_bag",
    "rnn": "rnn",
    "lstm": "lstm",
    "gru": "gru",
    "softmax": "softmax",
    "attention": "attention",
    "self_attention": "attention",
    "cross_attention": "attention",
    "attention_weights": "attention",
    "layer_norm": "layer_norm",
    "dropout": "dropout",
    "cross_entropy": "cross_entropy",
    "linear_cross_entropy": "linear_cross_entropy",
    "copy_mixture": "copy_mixture",
    "crf_nll": "crf",
}


def _reflected(op):
    """The method that Python asks when the tensor stands on the right: 1 - x."""
    return lambda x, other: op(other, x)


METHODS = {
    "__add__": add, "__radd__": _reflected(add),
    "__sub__": sub, "__rsub__": _reflected(sub),
    "__mul__": mul, "__rmul__": _reflected(mul),
    "__truediv__": div, "__rtruediv__": _reflected(div),
    "__matmul__": matmul, "__rmatmul__": _reflected(matmul),
    "__neg__": neg, "__pow__": power, "__getitem__": getitem,
    "exp": exp, "log": log, "sqrt": sqrt, "tanh": tanh, "sigmoid": sigmoid, "relu": relu,
    "sum": sum, "mean": mean, "max": max,
    "reshape": reshape, "transpose": transpose, "swapaxes": swapaxes, "T": property(transpose),
}

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)

__all__ = [*PRIMITIVES, *COMPOSITES]

load_on_first_use(__name__, {op: f"{__name__}.{file}" for op, file in COMPOSITES.items()})
