"""Models: what goes in, what comes out, the loss; no training code."""
from tinyllm.models.language_model import LanguageModel

__all__ = ["LanguageModel"]
