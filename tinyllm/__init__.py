"""tinyllm: language models whose every formula is visible code, on an ordinary CPU.

    from tinyllm import Tensor, no_grad, formulas, gradcheck, nn, optim
    model = tinyllm.load(RUN)

Every name is loaded when it is first used; importing the package itself loads neither numpy nor numba.
"""
from tinyllm.lazy import load_on_first_use

__version__ = "0.1.0"
__all__ = ["Tensor", "no_grad", "formulas", "gradcheck", "load", "nn", "optim", "models", "ops"]

load_on_first_use(__name__, {
    "Tensor": "tinyllm.ops",  # not from autograd alone: ops gives it its operators
    "no_grad": "tinyllm.autograd",
    "formulas": "tinyllm.autograd",
    "gradcheck": "tinyllm.gradcheck",
    "load": "tinyllm.tasks",
}, submodules=("nn", "optim", "models", "ops"))
