"""Models: what goes in, what comes out, the loss; no training code."""
from tinyllm.models.classifier import Classifier
from tinyllm.models.decoder import Decoder
from tinyllm.models.encoder import Encoder
from tinyllm.models.language_model import LanguageModel
from tinyllm.models.seq2seq import Seq2Seq
from tinyllm.models.tagger import Tagger

__all__ = ["LanguageModel", "Encoder", "Decoder", "Seq2Seq", "Classifier", "Tagger"]
