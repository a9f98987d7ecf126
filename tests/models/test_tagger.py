import itertools
import json

import numpy as np
import pytest

from tests.oracle import assert_close
from tinyllm import formulas, optim
from tinyllm.metrics.entity_f1 import bio_constraints
from tinyllm.models import Tagger

V, F = 11, 6
NAMES = ["O", "B-PER", "I-PER", "B-LOC"]
C = len(NAMES)
LENGTHS = [5, 1, 3]
VALID = np.arange(5) < np.array(LENGTHS)[:, None]
TAGS = np.array([[1, 2, 0, 3, 0], [0, 0, 0, 0, 0], [3, 1, 2, 0, 0]])
OPTIONS = [{}, {"cell": "lstm", "num_features": F},
           {"crf": False, "num_attention_layers": 0, "bidirectional": False}]


def tagger(dtype=np.float64, num_tags=C, **options):
    """With transitions that are not the zeros it starts from."""
    sizes = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 3, "dtype": dtype}
    model = Tagger(V, num_tags, **{**sizes, **options}, rng=np.random.default_rng(0))
    if model.config["crf"]:
        for parameter in (model.transitions, model.start, model.end):
            parameter.data = np.random.default_rng(1).standard_normal(parameter.shape).astype(dtype)
    return model


@pytest.fixture
def ids(rng):
    return rng.integers(0, V, (3, 5))


def features(rng, model):
    return rng.integers(-1, F, (3, 5, 3)) if model.config["num_features"] else None


def joint(model):
    """transitions, start and end: zeros without a CRF."""
    if model.config["crf"]:
        return model.transitions.data, model.start.data, model.end.data
    return np.zeros((C, C)), np.zeros(C), np.zeros(C)


def score(model, x, path):
    """s(path) for the scores x (T, C), as the module's text has it."""
    w, start, end = joint(model)
    pairs = sum(w[a, b] for a, b in zip(path, path[1:]))
    return start[path[0]] + x[np.arange(len(path)), list(path)].sum() + pairs + end[path[-1]]


@pytest.mark.parametrize("crf", [True, False])
def test_overfits_one_batch(ids, crf):
    model = tagger(np.float32, crf=crf)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = model.loss(ids, TAGS, VALID)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.05
    for path, tags, n in zip(model.decode(ids, VALID), TAGS, LENGTHS, strict=True):
        np.testing.assert_array_equal(path, tags[:n])


@pytest.mark.parametrize("options", OPTIONS)
def test_loss_is_over_all_paths_of_each_row(rng, ids, options):
    """Every path of tags by hand; a mean over the tokens, not over the sentences."""
    model = tagger(**options)
    given = features(rng, model)
    x, nats = model(ids, VALID, given).data, 0.0
    for b, n in enumerate(LENGTHS):
        scores = [score(model, x[b], path) for path in itertools.product(range(C), repeat=n)]
        nats += np.log(np.exp(scores).sum()) - score(model, x[b], TAGS[b, :n])
    loss = model.loss(ids, TAGS, VALID, given)
    assert loss.item() == pytest.approx(nats / sum(LENGTHS), rel=1e-12)


@pytest.mark.parametrize("options", OPTIONS)
def test_without_a_mask_every_token_counts(rng, ids, options):
    model = tagger(**options)
    given = features(rng, model)
    whole = model.loss(ids, TAGS, None, given).item()
    assert whole == pytest.approx(model.loss(ids, TAGS, np.ones((3, 5), bool), given).item(), rel=1e-12)
    paths = zip(model.decode(ids, None, given), model.decode(ids, np.ones((3, 5), bool), given), strict=True)
    assert all(a.tolist() == b.tolist() and len(a) == 5 for a, b in paths)


@pytest.mark.parametrize("options", OPTIONS)
def test_decode_is_the_best_path_that_is_allowed(rng, ids, options):
    model = tagger(**options)
    given, (begins, follows) = features(rng, model), bio_constraints(NAMES)
    x = model(ids, VALID, given).data
    free = model.decode(ids, VALID, given)
    bound = model.decode(ids, VALID, given, allowed=(begins, follows))
    for b, n in enumerate(LENGTHS):
        paths = list(itertools.product(range(C), repeat=n))
        bio = [path for path in paths
               if begins[path[0]] and all(follows[a, b] for a, b in zip(path, path[1:]))]
        assert tuple(free[b]) == max(paths, key=lambda path: score(model, x[b], path))
        assert tuple(bound[b]) == max(bio, key=lambda path: score(model, x[b], path))


@pytest.mark.parametrize("options", OPTIONS)
def test_marginals_are_over_all_paths_of_each_row(rng, ids, options):
    """Of all paths that there are, the share of those with this tag at this place."""
    model = tagger(**options)
    given = features(rng, model)
    x, p = model(ids, VALID, given).data, model.marginals(ids, VALID, given)
    assert p.shape == (3, 5, C) and (p[~VALID] == 0).all()
    for b, n in enumerate(LENGTHS):
        paths = np.array(list(itertools.product(range(C), repeat=n)))
        weights = np.exp([score(model, x[b], path) for path in paths])
        for t, c in itertools.product(range(n), range(C)):
            assert p[b, t, c] == pytest.approx(weights[paths[:, t] == c].sum() / weights.sum(), rel=1e-9)
    assert_close(model.marginals(ids[:1], None, None if given is None else given[:1]), p[:1], 1e-12)


@pytest.mark.parametrize("crf", [True, False])
def test_an_inside_tag_never_stands_alone(ids, crf):
    """However much the model wants I-PER everywhere: with the constraints it begins with B-PER."""
    model = tagger(crf=crf)
    model.output.bias.data[2] += 20
    assert all((path == 2).all() for path in model.decode(ids, VALID))
    for path, n in zip(model.decode(ids, VALID, allowed=bio_constraints(NAMES)), LENGTHS, strict=True):
        assert path[0] != 2 and (n == 1 or path.tolist() == [1] + [2] * (n - 1))


@pytest.mark.parametrize("options", OPTIONS)
def test_a_padded_batch_equals_its_rows_alone(rng, ids, options):
    model = tagger(**options)
    given = features(rng, model)
    scores, paths = model(ids, VALID, given).data, model.decode(ids, VALID, given)
    for b, n in enumerate(LENGTHS):
        its = ids[b:b + 1, :n], None, None if given is None else given[b:b + 1, :n]
        assert_close(scores[b, :n], model(*its).data[0], 1e-12)
        assert paths[b].tolist() == model.decode(*its)[0].tolist()


@pytest.mark.parametrize("options", OPTIONS)
def test_padding_is_nothing(rng, ids, options):
    """Neither its ids nor its tags matter, and it has no gradient."""
    model = tagger(**options)
    given, ids = features(rng, model), ids % (V - 1)
    loss = model.loss(np.where(VALID, ids, V - 1), np.where(VALID, TAGS, -7), VALID, given)
    assert loss.item() == model.loss(ids, TAGS, VALID, given).item()
    loss.backward()
    assert (model.encoder.embedding.weight.grad[V - 1] == 0).all()
    assert all(parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("options", OPTIONS)
def test_training_on_formulas_gives_the_same_losses(rng, ids, options):
    losses, given = {True: [], False: []}, features(rng, tagger(**options))
    for way in losses:
        model, drops = tagger(dropout=0.1, **options), np.random.default_rng(1)
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(3):
            with formulas() if way else np.errstate():
                loss = model.loss(ids, TAGS, VALID, given, rng=drops)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses[way].append(loss.item())
    assert_close(losses[False], losses[True], 1e-12)


def test_dropout_only_with_an_rng(rng, ids):
    model = tagger(dropout=0.5)
    np.testing.assert_array_equal(model(ids).data, model(ids).data)
    assert (model(ids, rng=rng).data != model(ids).data).any()
    model.encoder.dropout.p = 0.0  # what the output layer reads has its own
    assert (model(ids, rng=rng).data != model(ids).data).any()


@pytest.mark.parametrize("crf", [True, False])
def test_config_is_what_makes_it_again(rng, crf):
    model = tagger(crf=crf, num_features=F)
    assert ("transitions" in model.state_dict()) == crf
    again = Tagger(**json.loads(json.dumps(model.config)), rng=rng, dtype=np.float64)
    again.load_state_dict(model.state_dict())


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="Tagger: num_tags must be an integer of at least 1, got 0"):
        tagger(num_tags=0)
    with pytest.raises(ValueError, match="Encoder: num_layers must be an integer of at least 1, got 0"):
        tagger(num_layers=0)


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("tags, valid, message", [
    (TAGS[:, :4], None, r"Tagger: tags must be \(B, T\) with T = 5 as in ids, got shape \(3, 4\)"),
    (TAGS.ravel(), None, r"Tagger: tags must be \(B, T\), got shape \(15,\)"),
    (TAGS + 1, VALID, "targets must be in 0..3 or -100, got 4|tags must be in 0..3 where valid, got 4"),
])
def test_wrong_tags_are_named(ids, crf, tags, valid, message):
    with pytest.raises(ValueError, match=message):
        tagger(crf=crf).loss(ids, tags, valid)


def test_a_mask_with_a_gap_is_named(ids):
    with pytest.raises(ValueError, match="viterbi: valid must begin every row with .* got a gap in row 1"):
        tagger().decode(ids, VALID[:, ::-1] | (np.arange(5) == 0))
