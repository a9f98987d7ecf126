"""The counts of sizes.py are those of the models."""
import pytest

from tinyllm.models import Classifier, LanguageModel, Tagger
from tinyllm.tasks import seq2seq
from tinyllm.training import sizes

COMMON = {"vocab_size": 65, "embed_dim": 6, "hidden_dim": 8, "num_layers": 1, "num_attention_layers": 1, "num_heads": 2,
          "cell": "gru", "dropout": 0.2}
CHANGES = [{}, {"cell": "lstm", "num_layers": 3}, {"num_attention_layers": 0}, {"cell": "rnn", "embed_dim": 8}]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("tie_weights", [False, True])
def test_language_model(rng, change, tie_weights):
    config = {**COMMON, **change, "tie_weights": tie_weights}
    assert sizes.language_model(config) == LanguageModel(**config, rng=rng).num_parameters()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("bidirectional, num_features", [(True, 0), (True, 5), (False, 5)])
def test_classifier_and_tagger(rng, change, bidirectional, num_features):
    config = {**COMMON, **change, "bidirectional": bidirectional, "num_features": num_features}
    classifier = {**config, "num_classes": 3}
    assert sizes.classifier(classifier) == Classifier(**classifier, rng=rng).num_parameters()
    for crf in (True, False):
        tagger = {**config, "num_tags": 5, "crf": crf}
        assert sizes.tagger(tagger) == Tagger(**tagger, rng=rng).num_parameters()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("tie_weights, more", [(False, {}), (True, {"copies": False}), (True, {"copies": True})])
def test_seq2seq(rng, change, tie_weights, more):
    config = {"encoder": {**COMMON, **change, "bidirectional": True, "num_features": 0},
              "decoder": {**COMMON, **change, "memory_dim": 8, "tie_weights": tie_weights, **more}, "max_seq_len": 20,
              "share_embeddings": True}
    assert sizes.seq2seq(config) == seq2seq.make_model(config, rng).num_parameters()
