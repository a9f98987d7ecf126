import numpy as np
import pytest

from tests.oracle import DTYPES
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.ops import concatenate, flip, getitem, reshape, stack, swapaxes, transpose, where

MASK = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, False]])
OF_ONE = {  # x is (2, 3, 4)
    "reshape": (lambda x: x.reshape(4, -1), lambda x: x.reshape(4, -1)),
    "reshape to a tuple": (lambda x: reshape(x, (4, 6)), lambda x: x.reshape(4, 6)),
    "transpose": (lambda x: x.transpose(), lambda x: x.T),
    "T": (lambda x: x.T, lambda x: x.T),
    "transpose, another order": (lambda x: x.transpose(1, 2, 0), lambda x: x.transpose(1, 2, 0)),
    "transpose, from the end": (lambda x: transpose(x, (-1, 0, 1)), lambda x: x.transpose(2, 0, 1)),
    "swapaxes": (lambda x: x.swapaxes(-1, 0), lambda x: x.swapaxes(2, 0)),
    "flip": (lambda x: flip(x, 1), lambda x: x[:, ::-1]),
    "number": (lambda x: x[1], lambda x: x[1]),
    "slice": (lambda x: x[:, 1:, ::-2], lambda x: x[:, 1:, ::-2]),
    "new axis and rest": (lambda x: x[None, ..., -1], lambda x: x[None, ..., -1]),
    "mask": (lambda x: x[:, MASK], lambda x: x[:, MASK]),
    "ids": (lambda x: x[:, [2, 0, 2, 2]], lambda x: x[:, [2, 0, 2, 2]]),
    "ids from the end": (lambda x: x[:, np.array([2, -1])], lambda x: x[:, [2, 2]]),
    "pairs": (lambda x: x[np.array([1, 1, 0]), :, np.array([3, 3, 0])], lambda x: x[[1, 1, 0], :, [3, 3, 0]]),
    "no ids": (lambda x: x[[]], lambda x: x[:0]),
}


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_is_what_numpy_does(rng, name, dtype):
    ours, numpys = OF_ONE[name]
    x = rng.standard_normal((2, 3, 4)).astype(dtype)
    y = ours(Tensor(x))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.data, numpys(x))


@pytest.mark.parametrize("name", OF_ONE)
def test_gradient(rng, name):
    gradcheck(OF_ONE[name][0], rng.standard_normal((2, 3, 4)), rng=rng)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gradient_of_several(rng, axis):
    a, b, c = (rng.standard_normal((2, 3)) for _ in range(3))
    gradcheck(lambda *parts: stack(parts, axis), a, b, c, rng=rng)
    gradcheck(lambda *parts: concatenate(parts, axis), a, b, c, rng=rng)


def test_parts_may_differ_in_length_along_their_axis(rng):
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((2, 1))
    gradcheck(lambda a, b: concatenate([a, b], axis=-1), a, b, rng=rng)
    np.testing.assert_array_equal(concatenate([Tensor(a), b], 1).data, np.concatenate([a, b], 1))
    np.testing.assert_array_equal(stack([Tensor(a), a], -1).data, np.stack([a, a], -1))


@pytest.mark.parametrize("a, b", [((3, 4), (3, 4)), ((4,), (2, 3, 1)), ((), (3, 4))])
def test_gradient_of_where(rng, a, b):
    gradcheck(lambda a, b: where(MASK, a, b), rng.standard_normal(a), rng.standard_normal(b), rng=rng)


def test_where_keeps_the_dtype_and_stops_nan():
    """What was not taken has gradient 0 and not 0 times nan."""
    x = Tensor(np.array([1, np.nan], np.float32), requires_grad=True)
    y = where([True, False], x, -np.inf)
    y[:1].sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
    assert y.data.tolist() == [1, -np.inf]
    assert x.grad.tolist() == [1, 0]


def test_repeated_ids_add_up():
    x = Tensor(np.zeros((3, 2)), requires_grad=True)
    x[np.array([2, 0, 2])].backward(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    np.testing.assert_array_equal(x.grad, [[3, 4], [0, 0], [6, 8]])


def test_ids_may_be_a_tensor(rng):
    x = Tensor(rng.standard_normal((3, 2)))
    np.testing.assert_array_equal(x[Tensor([1, 1])].data, x.data[[1, 1]])


def test_rows_can_be_walked(rng):
    x = Tensor(rng.standard_normal((3, 2)))
    assert len(x) == 3
    np.testing.assert_array_equal([row.data for row in x], x.data)


X = np.zeros((2, 3))


@pytest.mark.parametrize("call, message", [
    (lambda x: reshape(x, 4, 2), r"reshape: shape must hold the 6 numbers of \(2, 3\), got \(4, 2\)"),
    (lambda x: transpose(x, 0, 0), r"transpose: axes must be 0..1 in some order, got \(0, 0\)"),
    (lambda x: transpose(x, 0), r"transpose: axes must be 0..1 in some order, got \(0,\)"),
    (lambda x: swapaxes(x, 0, 2), r"swapaxes: axis must be in -2..1 for shape \(2, 3\), got 2"),
    (lambda x: flip(x, -3), r"flip: axis must be in -2..1 for shape \(2, 3\), got -3"),
    (lambda x: concatenate([]), "concatenate: parts must be at least one tensor, got none"),
    (lambda x: concatenate([x, x[0]]), r"concatenate: part 1 must be of shape \(2, 3\) except along axis 0, "
                                       r"got shape \(3,\)"),
    (lambda x: concatenate([x, x.T], 0), r"part 1 must be of shape \(2, 3\) except along axis 0"),
    (lambda x: concatenate([x, X.astype("f")]), "concatenate: part 1 must be float64 as part 0, got float32"),
    (lambda x: stack([x, x.T]), r"stack: part 1 must be of shape \(2, 3\), got shape \(3, 2\)"),
    (lambda x: stack([x, x], 3), "stack: axis must be in -3..2, got 3"),
    (lambda x: where(X, x, x), "where: condition must be boolean, got float64"),
    (lambda x: where(X[:, :2] == 0, x, x), r"where: condition must broadcast .* got shape \(2, 2\)"),
    (lambda x: where(X == 0, x, x.T), r"where: b must broadcast with a of shape \(2, 3\)"),
])
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(X))


def test_an_index_outside_is_named():
    with pytest.raises(IndexError, match=r"getitem: index 3 is out of bounds .* with x of shape \(2, 3\)"):
        getitem(Tensor(X), (slice(None), 3))
