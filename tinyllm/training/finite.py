"""Where numbers that are not finite come from: what a stopped run tells its user."""
import numpy as np

from tinyllm.autograd import _parents_first


class NonFinite(ArithmeticError):
    """A loss, a gradient or a parameter is inf or nan: the message names the step and the place."""


def first_bad_value(loss, named_parameters):
    """Where in the graph below loss the first value that is not finite came out, in words.

    To be called before backward, which frees the graph.
    """
    names = {id(parameter): name for name, parameter in named_parameters}
    for node in _parents_first(loss):  # what is computed first comes first
        if not np.isfinite(node.data).all():
            if id(node) in names:
                return f"the parameter {names[id(node)]} is not finite"
            return f"it starts in {_op_name(node)}{_parameters(node, names)}"
    return "all that was computed before it is finite"


def _op_name(node):
    """The op that made the node: the function around its backward, or the file where that is a helper of it."""
    name = node._backward.__qualname__.split(".")[0]
    return node._backward.__module__.rpartition(".")[2] if name.startswith("_") else name


def _parameters(node, names):
    """Which layer that was: " with" the parameters it reads or, reading none, " after" the nearest ones below it."""
    word, level = "with", [node]
    while level:
        level = list({id(parent): parent for child in level for parent in child._parents}.values())
        found = [names[id(parent)] for parent in level if id(parent) in names]
        if found:
            return f" {word} {', '.join(found)}"
        word = "after"
    return ""


def first_bad_name(named_arrays):
    """The name of the first array with a number that is not finite, or None."""
    return next((name for name, array in named_arrays if not np.isfinite(array).all()), None)
