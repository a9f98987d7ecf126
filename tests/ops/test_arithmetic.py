import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import broadcastable_shapes

from tests.oracle import DTYPES, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.ops import add, div, exp, log, maximum, mul, neg, sqrt, sub
from tinyllm.ops.arithmetic import unbroadcast

BINARY = {"add": add, "sub": sub, "mul": mul, "div": div, "maximum": maximum}
UNARY = {"exp": exp, "log": log, "sqrt": sqrt, "neg": neg}
SHAPES = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)), ((4, 1, 3), (2, 1))]


def numbers(rng, shape, dtype=np.float64):
    """Away from 0, where log, sqrt and a quotient are steep, and no two equal, where maximum has a corner."""
    return rng.uniform(0.5, 2.0, shape).astype(dtype)


def test_worked_example():
    a, b = Tensor([6.0, 1.0], requires_grad=True), Tensor([2.0, 4.0], requires_grad=True)
    y = a * b - a / b + 3
    y.backward(np.ones(2))
    np.testing.assert_array_equal(y.data, [12, 6.75])
    np.testing.assert_array_equal(a.grad, [2 - 1 / 2, 4 - 1 / 4])
    np.testing.assert_array_equal(b.grad, [6 + 6 / 4, 1 + 1 / 16])


@pytest.mark.parametrize("a, b", SHAPES)
@pytest.mark.parametrize("op", BINARY)
def test_gradient_of_two(rng, op, a, b):
    gradcheck(BINARY[op], numbers(rng, a), numbers(rng, b), rng=rng)
    gradcheck(BINARY[op], numbers(rng, b), numbers(rng, a), rng=rng)


@pytest.mark.parametrize("op", UNARY)
def test_gradient_of_one(rng, op):
    gradcheck(UNARY[op], numbers(rng, (2, 3)), rng=rng)


@pytest.mark.parametrize("n", [-2, -0.5, 0, 1, 2, 3.5])
def test_gradient_of_power(rng, n):
    gradcheck(lambda x: x ** n, numbers(rng, (2, 3)), rng=rng)


@pytest.mark.parametrize("n, expected", [(0, [0, 0]), (1, [1, 1]), (2, [0, -2]), (3, [0, 3])])
def test_power_at_zero_and_below(n, expected):
    x = Tensor([0.0, -1.0], requires_grad=True)
    (x ** n).sum().backward()
    np.testing.assert_array_equal(x.grad, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", [*BINARY, *UNARY])
def test_matches_torch(rng, op, dtype):
    torch = torch_or_skip()
    ours = [Tensor(numbers(rng, shape, dtype), requires_grad=True) for shape in ((4, 1, 3), (2, 1))]
    theirs = [torch.tensor(x.data, requires_grad=True) for x in ours]
    if op in UNARY:
        ours, theirs = ours[:1], theirs[:1]
    y = (BINARY | UNARY)[op](*ours)
    expected = getattr(torch, op)(*theirs)
    dout = rng.standard_normal(y.shape).astype(dtype)
    y.backward(dout)
    expected.backward(torch.tensor(dout))
    assert y.dtype == dtype
    assert_close(y.data, expected.detach(), TORCH_TOLERANCE[dtype])
    for x, z in zip(ours, theirs):
        assert_close(x.grad, z.grad, TORCH_TOLERANCE[dtype])


def test_equal_numbers_share_the_gradient_of_their_maximum():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 3.0], requires_grad=True)
    maximum(a, b).backward(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(a.grad, [0.5, 0])
    np.testing.assert_array_equal(b.grad, [0.5, 1])


@given(shape=broadcastable_shapes((3, 1, 2), max_dims=5, max_side=4), seed=st.integers(0, 99))
def test_unbroadcast_is_the_transpose_of_broadcasting(shape, seed):
    """<broadcast(x), dy> = <x, unbroadcast(dy)> for every x and dy."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 1, 2))
    dy = rng.standard_normal(np.broadcast_shapes(shape, x.shape))
    dx = unbroadcast(dy, x.shape)
    assert dx.shape == x.shape
    assert np.sum(np.broadcast_to(x, dy.shape) * dy) == pytest.approx(np.sum(x * dx))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), np.array(2.0)])
def test_a_number_does_not_change_the_dtype(dtype, number):
    x = Tensor(np.ones(3, dtype), requires_grad=True)
    for y in (x + number, number + x, x - number, number - x, x * number, number * x, x / number, number / x,
              maximum(x, number), maximum(number, x)):
        assert y.dtype == dtype
    assert (x ** 2).dtype == (x ** np.float64(2)).dtype == dtype
    (number / x ** np.float64(0.5)).sum().backward()
    assert x.grad.dtype == dtype


def test_operators_read_from_left_to_right():
    x = Tensor([4.0])
    values = [(x - 1), (1 - x), (x / 2), (2 / x), (-x), (np.ones(1) - x), (np.ones(1) / x)]
    assert [y.item() for y in values] == [3, -3, 2, 0.5, -4, -3, 0.25]


def test_integers_take_the_dtype_of_the_floats_they_meet():
    x = Tensor(np.ones(3, np.float32))
    assert (x * np.arange(3)).dtype == (x * np.array([True, False, True])).dtype == np.float32
    assert (Tensor([1, 2]) * 0.5).data.tolist() == [0.5, 1.0]
    assert (Tensor([1, 2]) + 1).dtype.kind == "i"


@pytest.mark.parametrize("op", BINARY)
def test_wrong_input_is_named(op):
    with pytest.raises(ValueError, match=rf"{op}: b must broadcast with a of shape \(2,\), got shape \(3,\)"):
        BINARY[op](Tensor(np.zeros(2)), Tensor(np.zeros(3)))
    with pytest.raises(ValueError, match=f"{op}: b must be float32 as a, got float64"):
        BINARY[op](Tensor(np.zeros(2, np.float32)), Tensor(np.zeros(2)))
    with pytest.raises(TypeError, match="data must be numbers"):
        BINARY[op](Tensor([1.0]), "two")


def test_an_exponent_is_a_number():
    with pytest.raises(TypeError, match="power: n must be a number, got Tensor"):
        Tensor([1.0]) ** Tensor([2.0])
