import numpy as np
import pytest

from tests.oracle import DTYPES, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.ops import matmul

SHAPES = [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((1, 1), (1, 1)),
    ((5, 2, 3), (3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)),
]


def test_worked_example():
    a, b = Tensor([[1.0, 2.0]], requires_grad=True), Tensor([[3.0], [4.0]], requires_grad=True)
    y = a @ b
    y.backward(np.array([[10.0]]))
    assert y.data.tolist() == [[11]]
    assert a.grad.tolist() == [[30, 40]]
    assert b.grad.tolist() == [[10], [20]]


@pytest.mark.parametrize("a, b", SHAPES)
def test_gradient(rng, a, b):
    gradcheck(matmul, rng.standard_normal(a), rng.standard_normal(b), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("a, b", SHAPES)
def test_matches_torch(rng, a, b, dtype):
    torch = torch_or_skip()
    ours = [Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in (a, b)]
    theirs = [torch.tensor(x.data, requires_grad=True) for x in ours]
    y, expected = ours[0] @ ours[1], theirs[0] @ theirs[1]
    dout = rng.standard_normal(y.shape).astype(dtype)
    y.backward(dout)
    expected.backward(torch.tensor(dout))
    assert y.dtype == dtype
    assert_close(y.data, expected.detach(), TORCH_TOLERANCE[dtype])
    for x, z in zip(ours, theirs):
        assert_close(x.grad, z.grad, TORCH_TOLERANCE[dtype])


@pytest.mark.parametrize("which", [0, 1])
def test_only_the_gradient_that_is_wanted_is_computed(rng, which):
    tensors = [Tensor(rng.standard_normal((3, 3)), requires_grad=i == which) for i in range(2)]
    y = matmul(*tensors)
    gradients = y._backward(np.ones((3, 3)))
    assert [g is not None for g in gradients] == [i == which for i in range(2)]


def test_an_array_may_stand_on_either_side(rng):
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    for y in (a @ Tensor(b), Tensor(a) @ b):
        assert isinstance(y, Tensor)
        assert_close(y.data, a @ b, 1e-15)


@pytest.mark.parametrize("a, b, message", [
    (np.zeros((2, 3)), np.zeros((4, 5)), r"K = 3 as in a \(..., M, K\), got shapes \(2, 3\) and \(4, 5\)"),
    (np.zeros((2, 2, 3)), np.zeros((5, 3, 4)), r"must broadcast, got shapes \(2, 2, 3\) and \(5, 3, 4\)"),
    (np.zeros(()), np.zeros(3), r"must have an axis, got shapes \(\) and \(3,\)"),
    (np.zeros(3), np.zeros(3, np.float32), "b must be float64 as a, got float32"),
])
def test_wrong_input_is_named(a, b, message):
    with pytest.raises(ValueError, match="matmul: .*" + message):
        matmul(Tensor(a), Tensor(b))
