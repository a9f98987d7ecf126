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
            op = node._backward.__qualname__.split(".")[0]
            parameters = [names[id(parent)] for parent in node._parents if id(parent) in names]
            return f"it starts in {op}" + (f" with {parameters[0]}" if parameters else "")
    return "all that was computed before it is finite"


def first_bad_name(named_arrays):
    """The name of the first array with a number that is not finite, or None."""
    return next((name for name, array in named_arrays if not np.isfinite(array).all()), None)
