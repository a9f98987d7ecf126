import gc
import weakref

import numpy as np
import pytest

from tests.oracle import DTYPES
from tinyllm.autograd import Tensor, formulas, no_grad, on_formulas, recorded, recording
from tinyllm.ops import exp


def test_worked_example():
    """y = x^2 z + z: dy/dx = 2 x z, dy/dz = x^2 + 1."""
    x, z = Tensor(3.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    y = x * x * z + z
    y.backward()
    assert (y.item(), x.grad, z.grad) == (20, 12, 10)


def test_a_value_used_twice_receives_both_gradients():
    x = Tensor(3.0, requires_grad=True)
    y = x * 2
    (y * y + y).backward()  # 4 x^2 + 2 x
    assert x.grad == 8 * 3 + 2


def test_every_tensor_comes_after_all_of_its_uses():
    """A ladder whose rungs use the two before: a walk that is too early counts some paths and not others."""
    x = Tensor(1.0, requires_grad=True)
    a, b = x, x
    for _ in range(60):
        a, b = b, a + b
    b.backward()
    assert x.grad == b.item()  # b is a Fibonacci number times x


def test_gradients_add_up_over_calls():
    x = Tensor(3.0, requires_grad=True)
    for times in (1, 2):
        (x * x).backward()
        assert x.grad == 6 * times


def test_a_chain_of_100000_ops():
    """Walking it is a loop, and so is giving it back, whether it was walked or not."""
    x = Tensor(np.ones(1), requires_grad=True)
    for walked in (True, False):
        y = x
        for _ in range(100_000):
            y = -y
        if walked:
            y.backward()
            assert x.grad == 1
        del y


def test_a_second_backward_says_that_the_graph_is_freed():
    x, w = Tensor(3.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    shared = x * x
    first, second = shared * 2, w * 5 + shared
    first.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward; .* retain_graph=True"):
        first.backward()
    with pytest.raises(RuntimeError, match="freed"):
        second.backward()
    assert w.grad is None  # nothing is half-done
    assert x.grad == 12


def test_retain_graph_allows_a_second_backward():
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == 12


def test_backward_gives_memory_back():
    """Neither the graph nor an inner value outlives the walk."""
    x = Tensor(np.ones(3), requires_grad=True)
    saved = np.ones(3)
    alive = weakref.ref(saved)
    inner = exp(x)
    inner_alive = weakref.ref(inner.data)
    y = Tensor.from_op(inner.data * saved, (inner,), lambda dy, saved=saved: (dy * saved,)).sum()
    del saved, inner
    gc.disable()  # by reference counts alone: nothing has to wait for the collector
    try:
        y.backward()
        assert alive() is None and inner_alive() is None
    finally:
        gc.enable()


def test_no_grad_remembers_nothing():
    x = Tensor(3.0, requires_grad=True)
    with no_grad():
        y = x * x
        assert not recorded(x)
    assert recorded(x)
    assert not y.requires_grad and y._parents == ()
    with pytest.raises(RuntimeError, match=r"backward: this tensor does not require a gradient \(no_grad"):
        y.backward()


def test_a_gradient_within_no_grad():
    with no_grad():
        with recording():
            assert recorded(X)
        assert not recorded(X)
    assert recorded(X)


@pytest.mark.parametrize("switch, is_on", [(no_grad, lambda: not recorded(X)), (formulas, on_formulas)])
def test_a_switch_is_put_back_after_an_error(switch, is_on):
    with pytest.raises(ZeroDivisionError), switch():
        assert is_on()
        with switch():
            assert is_on()
        assert is_on()
        1 / 0
    assert not is_on()


X = Tensor(1.0, requires_grad=True)


def test_only_what_requires_a_gradient_is_walked():
    x, constant = Tensor(3.0, requires_grad=True), Tensor(2.0)
    (x * constant).backward()
    assert constant.grad is None
    assert x.grad == 2


def test_a_leaf_keeps_a_gradient_of_its_own():
    """a + b hands the same array to both; writing into one's gradient reaches neither the other nor dout."""
    a, b = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    dout = np.ones(2)
    (a + b).backward(dout)
    for leaf in (a, b):
        leaf.grad *= 3
    np.testing.assert_array_equal([a.grad, b.grad, dout], [[3, 3], [3, 3], [1, 1]])
    c = Tensor(np.ones((2, 3)), requires_grad=True)
    c.T.backward(np.arange(6.0).reshape(3, 2))
    assert c.grad.flags.c_contiguous and c.grad.flags.owndata  # kernels take it as it is


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_follows_the_input(dtype):
    x = Tensor(np.full(2, 2, dtype), requires_grad=True)
    y = ((x * 2 + 1) / 3).tanh().sum() - 0.5
    y.backward()
    assert y.dtype == x.grad.dtype == dtype
    assert isinstance(x.grad, np.ndarray)
    z = Tensor(np.array(2, dtype), requires_grad=True)
    for _ in range(2):
        (z * z).backward()
    assert isinstance(z.grad, np.ndarray) and z.grad.dtype == dtype


@pytest.mark.parametrize("gradient, message", [
    (np.ones(3), "gradient of another shape"),
    (np.ones(2, np.float32), "gradient of another dtype"),
    (None, "no gradient for a parent that requires one"),
])
def test_a_wrong_backward_is_noticed(gradient, message):
    x = Tensor(np.ones(2), requires_grad=True)
    y = Tensor.from_op(x.data, (x,), lambda dy: (gradient,))
    with pytest.raises(AssertionError, match=message):
        y.backward(np.ones(2))


def test_one_gradient_per_parent():
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ValueError, match="zip"):
        Tensor.from_op(x.data, (x,), lambda dy: (dy, dy)).backward(np.ones(2))


@pytest.mark.parametrize("dout, message", [
    (None, r"dout is needed for a tensor of shape \(2,\)"),
    (np.ones(3), r"dout must have shape \(2,\), got \(3,\)"),
    (1.0, r"dout must have shape \(2,\), got \(\)"),
])
def test_wrong_dout_is_named(dout, message):
    with pytest.raises(ValueError, match="backward: " + message):
        (Tensor(np.ones(2), requires_grad=True) * 2).backward(dout)


@pytest.mark.parametrize("arguments, message", [
    (("text",), "data must be numbers, got dtype <U4"),
    ((Tensor(1.0),), r"data must be an array, got a Tensor \(use .data or .detach\(\)\)"),
    (([1, 2], True), "only floating point has a gradient, got dtype int64"),
])
def test_wrong_data_is_named(arguments, message):
    with pytest.raises(TypeError, match="Tensor: " + message):
        Tensor(*arguments)


def test_what_a_tensor_tells():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    assert (x.shape, x.dtype, x.ndim, len(x)) == ((2, 3), np.float32, 2, 2)
    assert x.numpy() is x.data
    assert x.detach().data is x.data and not x.detach().requires_grad
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(x).endswith(", requires_grad=True)")


def test_numpy_reads_a_tensor_without_history():
    assert np.asarray(Tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="would lose the history"):
        np.asarray(Tensor([1.0], requires_grad=True))
