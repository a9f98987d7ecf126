"""Compare backward() with central differences, entry by entry."""
import numpy as np

from tinyllm.autograd import Tensor, no_grad


def gradcheck(f, *arrays, rng, parameters=(), entries=None, eps=1e-6, rtol=1e-6, atol=1e-8):
    """The largest error found, as a part of that gradient's largest entry; AssertionError where one is wrong.

    L(x) = sum(dout * f(x)) with a random dout: a plain sum would give softmax, whose
    outputs add up to 1, a gradient of zero and let a wrong one pass.

        dL/dx[i]  ~  (L(x + eps e_i) - L(x - eps e_i)) / (2 eps)      error O(eps^2)

    eps 1e-6 weighs that error against the rounding error (~1e-16 / eps) of float64.

    f           takes one Tensor per array and gives a Tensor, the same at every call
    arrays      the points at which f's arguments are checked; calculated in float64
    rng         np.random.Generator, for dout and for the choice of entries
    parameters  what f uses beside its arguments and is checked as well: a Module, Tensors, or a dict of
                names and Tensors; all of dtype float64
    entries     check no more than so many entries of each tensor, drawn at random; None: all
    rtol, atol  an error may reach rtol times the largest entry of the gradient, plus atol

        gradcheck(softmax, rng.standard_normal((2, 3)), rng=rng)
        gradcheck(layer, x, parameters=layer, rng=rng)
        gradcheck(lambda: model.loss(ids, targets), parameters=model, entries=20, rng=rng)

    Raises AssertionError that names the argument or parameter and shows both gradients; TypeError and
    ValueError where f or a parameter cannot be checked.
    """
    inputs = [Tensor(np.array(a, np.float64), requires_grad=True) for a in arrays]
    checked = {f"argument {number}": x for number, x in enumerate(inputs)}
    checked |= {f"parameter {name}": x for name, x in _named(parameters).items()}
    grads_before = {name: x.grad for name, x in checked.items()}
    try:
        for x in checked.values():
            x.grad = None
        dout = _walk_backward(f, inputs, rng)
        return max((_compare(lambda: f(*inputs).data, dout, name, x, rng, entries, eps, rtol, atol)
                    for name, x in checked.items()), default=0.0)
    finally:
        for name, x in checked.items():
            x.grad = grads_before[name]


def _named(parameters):
    """name -> Tensor of a Module, a dict or Tensors; each must be one that can be checked."""
    if hasattr(parameters, "named_parameters"):
        parameters = dict(parameters.named_parameters())
    elif not isinstance(parameters, dict):
        parameters = {str(number): x for number, x in enumerate(parameters)}
    for name, x in parameters.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"gradcheck: parameter {name} must be a Tensor, got {type(x).__name__}")
        if x.dtype != np.float64 or not x.requires_grad:
            raise ValueError(f"gradcheck: parameter {name} must be float64 with requires_grad=True, "
                             f"got {x.dtype} with requires_grad={x.requires_grad}")
    return parameters


def _walk_backward(f, inputs, rng):
    """Fill the gradients for a random dout, and return it."""
    out = f(*inputs)
    if not isinstance(out, Tensor):
        raise TypeError(f"gradcheck: f must give a Tensor, got {type(out).__name__}")
    if not np.isfinite(out.data).all():
        raise ValueError("gradcheck: f must give finite numbers, got nan or inf")
    if not out.requires_grad:
        raise ValueError("gradcheck: what f gives does not depend on anything that is checked")
    with no_grad():
        if not np.allclose(out.data, f(*inputs).data, rtol=1e-9, atol=1e-12):
            raise ValueError("gradcheck: f must give the same at every call (seed anew what it draws)")
    dout = rng.standard_normal(out.shape)
    out.backward(dout)
    return dout


def _compare(value, dout, name, x, rng, entries, eps, rtol, atol):
    """The largest error of x.grad against differences of value() as a part of the largest entry."""
    chosen = np.arange(x.data.size)
    if entries is not None and entries < x.data.size:
        chosen = np.sort(rng.choice(x.data.size, entries, replace=False))
    grad = np.zeros_like(x.data) if x.grad is None else x.grad  # None: nothing of x reaches f
    backward, numeric = np.empty(len(chosen)), np.empty(len(chosen))
    for n, i in enumerate(chosen):
        place = np.unravel_index(i, x.data.shape)
        middle = x.data[place]
        try:
            with no_grad():
                x.data[place] = middle + eps
                above = value().copy()  # f may give a view of x
                x.data[place] = middle - eps
                below = value().copy()
        finally:  # a parameter must not stay moved where f raises
            x.data[place] = middle
        numeric[n] = np.sum(dout * (above - below)) / (2 * eps)  # before the sum, where fewer digits cancel
        backward[n] = grad[place]
    largest = np.abs(numeric).max(initial=0.0)
    if len(chosen) == x.data.size:
        numeric, backward = numeric.reshape(x.shape), backward.reshape(x.shape)
    np.testing.assert_allclose(
        backward, numeric, rtol=0, atol=rtol * largest + atol, equal_nan=False,
        err_msg=f"gradient of {name} (backward vs central difference)")
    error = np.abs(backward - numeric).max(initial=0.0)
    return float(error / largest) if largest > atol else 0.0
