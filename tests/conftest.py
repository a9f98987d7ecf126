"""What every test shares: one seeded generator, and Hypothesis without a deadline (a first example may compile)."""
import importlib
import os

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("tinyllm", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("tinyllm")

ORACLES = ("torch", "tokenizers", "sacrebleu", "seqeval", "matplotlib")


def pytest_configure(config):
    """With TINYLLM_ORACLES=1 a missing oracle is an error, where otherwise its tests are skipped."""
    if os.environ.get("TINYLLM_ORACLES") == "1":
        for name in ORACLES:
            importlib.import_module(name)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
