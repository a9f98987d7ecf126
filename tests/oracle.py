"""How tests compare: the tolerances by dtype, and what carries our arrays into PyTorch and back.

Formula against kernel differs by the order of sums only; PyTorch differs by its own exp and tanh as well.
"""
import numpy as np
import pytest

FORMULA_TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
TORCH_TOLERANCE = {np.float64: 1e-10, np.float32: 1e-5}
DTYPES = [np.float64, np.float32]


def assert_close(ours, expected, tol):
    """|ours - expected| <= tol * the largest expected value (at least 1) of the array."""
    ours, expected = np.asarray(ours), np.asarray(expected)
    assert ours.shape == expected.shape
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tol * scale)


def torch_or_skip():
    """The torch module; a test without it is skipped (CI installs it and forbids the skip)."""
    return pytest.importorskip("torch")


def load_into_torch(state_dict, module):
    """Put our arrays (name -> ndarray) into a torch module of the same names: a plain copy."""
    torch = torch_or_skip()
    module.load_state_dict({name: torch.tensor(np.asarray(a)) for name, a in state_dict.items()})
    return module
