import numpy as np

from tests.oracle import assert_close
from tinyllm import Tensor
from tinyllm.nn import Pointer

VALID = np.array([[True] * 5, [True, True, False, False, False]])


def test_is_the_formula(rng):
    pointer = Pointer(6, 4, rng=rng, dtype=np.float64)
    h, memory = rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 4))
    weights, gate = pointer(Tensor(h), pointer.keys(Tensor(memory)), VALID)
    q, k = (x @ part.weight.data.T + part.bias.data for x, part in ((h, pointer.q), (memory, pointer.k)))
    e = np.where(VALID[:, None], np.exp(q @ k.swapaxes(1, 2) / np.sqrt(6)), 0)
    assert_close(weights.data, e / e.sum(axis=-1, keepdims=True), 1e-12)
    assert_close(gate.data, (h @ pointer.gate.weight.data.T + pointer.gate.bias.data)[..., 0], 1e-12)
    assert (weights.data[1, :, 2:] == 0).all() and gate.shape == (2, 3)


def test_without_a_mask_everything_may_be_copied(rng):
    pointer = Pointer(6, 4, rng=rng)
    h, memory = (Tensor(rng.standard_normal(shape).astype(np.float32)) for shape in ((2, 3, 6), (2, 5, 4)))
    keys = pointer.keys(memory)
    np.testing.assert_array_equal(pointer(h, keys)[0].data, pointer(h, keys, np.ones((2, 5), bool))[0].data)
