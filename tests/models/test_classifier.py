import json

import numpy as np
import pytest

from tests.oracle import assert_close
from tinyllm import Tensor, formulas, optim
from tinyllm.models import Classifier
from tinyllm.models.classifier import pooled

V, C, F = 11, 4, 6
LENGTHS = [6, 1, 4]
VALID = np.arange(6) < np.array(LENGTHS)[:, None]
LABELS = np.array([3, 0, 1])
OPTIONS = [{}, {"cell": "lstm", "num_features": F},
           {"cell": "rnn", "bidirectional": False, "num_attention_layers": 0}]


def classifier(dtype=np.float64, num_classes=C, **options):
    sizes = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 3, "dtype": dtype}
    return Classifier(V, num_classes, **{**sizes, **options}, rng=np.random.default_rng(0))


@pytest.fixture
def ids(rng):
    return rng.integers(0, V, (3, 6))


def features(rng, model):
    return rng.integers(-1, F, (3, 6, 3)) if model.config["num_features"] else None


def test_pooling_by_hand():
    """Mean and maximum of the real positions: the 9 and the 5 behind them are not looked at."""
    h = Tensor(np.array([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]], [[-1.0, -2.0], [5.0, 5.0], [5.0, 5.0]]]))
    valid = np.array([[True, True, False], [True, False, False]])
    np.testing.assert_array_equal(pooled(h, valid).data, [[2, -3, 3, -2], [-1, -2, -1, -2]])
    np.testing.assert_array_equal(pooled(h[:, :2]).data, pooled(h[:, :2], np.ones((2, 2), bool)).data)


def test_overfits_one_batch(rng, ids):
    model = classifier(np.float32)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        loss = model.loss(ids, LABELS, VALID)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.05
    p = model.probabilities(ids, VALID)
    np.testing.assert_array_equal(p.argmax(axis=1), LABELS)
    assert_close(p.sum(axis=1), np.ones(3), 1e-6)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_padded_batch_equals_its_rows_alone(rng, ids, options):
    model = classifier(**options)
    given = features(rng, model)
    logits = model(ids, VALID, given).data
    assert logits.shape == (3, C)
    for b, n in enumerate(LENGTHS):
        alone = model(ids[b:b + 1, :n], None, None if given is None else given[b:b + 1, :n])
        assert_close(logits[b], alone.data[0], 1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_padding_is_nothing(rng, ids, options):
    """Its ids do not matter, nor have they a gradient."""
    model = classifier(**options)
    given, ids = features(rng, model), ids % (V - 1)
    padded = np.where(VALID, ids, V - 1)
    loss = model.loss(padded, LABELS, VALID, given)
    assert loss.item() == model.loss(ids, LABELS, VALID, given).item()
    loss.backward()
    assert (model.encoder.embedding.weight.grad[V - 1] == 0).all()
    assert all(parameter.grad.any() for parameter in model.parameters())


def test_loss_is_the_mean_over_texts(ids):
    """-log p by hand; with label smoothing s, (1 - s) of it and s of its mean over the labels."""
    model = classifier()
    log_p = np.log(model.probabilities(ids, VALID))
    gold = -log_p[np.arange(3), LABELS].mean()
    assert model.loss(ids, LABELS, VALID).item() == pytest.approx(gold, rel=1e-12)
    smoothed = model.loss(ids, LABELS, VALID, label_smoothing=0.1).item()
    assert smoothed == pytest.approx(0.9 * gold - 0.1 * log_p.mean(), rel=1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_training_on_formulas_gives_the_same_losses(rng, ids, options):
    losses, given = {True: [], False: []}, features(rng, classifier(**options))
    for way in losses:
        model, drops = classifier(dropout=0.1, **options), np.random.default_rng(1)
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(3):
            with formulas() if way else np.errstate():
                loss = model.loss(ids, LABELS, VALID, given, rng=drops)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses[way].append(loss.item())
    assert_close(losses[False], losses[True], 1e-12)


def test_dropout_only_with_an_rng(rng, ids):
    """On what is pooled too: a bare encoder in front of it drops nothing after its last layer."""
    model = classifier(dropout=0.5)
    np.testing.assert_array_equal(model(ids).data, model(ids).data)
    assert (model(ids, rng=rng).data != model(ids).data).any()
    model.encoder.dropout.p = 0.0
    assert (model(ids, rng=rng).data != model(ids).data).any()


def test_config_is_what_makes_it_again(rng):
    model = classifier(num_features=F, num_layers=2)
    assert model.config["num_classes"] == C
    again = Classifier(**json.loads(json.dumps(model.config)), rng=rng, dtype=np.float64)
    again.load_state_dict(model.state_dict())


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="Classifier: num_classes must be an integer of at least 1, got 0"):
        classifier(num_classes=0)
    with pytest.raises(ValueError, match="Encoder: cell must be one of gru, lstm, rnn, got 'cnn'"):
        classifier(cell="cnn")


@pytest.mark.parametrize("targets, message", [
    ([0, 1, 4], "cross_entropy: targets must be in 0..3 or -100, got 4"),
    ([0, 1], r"cross_entropy: targets must be \(N,\) with N = 3 as in logits, got shape \(2,\)"),
])
def test_wrong_labels_are_named(ids, targets, message):
    with pytest.raises(ValueError, match=message):
        classifier().loss(ids, targets)
