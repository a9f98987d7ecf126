import numpy as np
import pytest

from tests.oracle import assert_close
from tinyllm.models import Classifier, Decoder, Encoder, LanguageModel
from tinyllm.models.transfer import take_over

V, H = 11, 12
SIZES = {"embed_dim": 8, "hidden_dim": H, "num_heads": 3, "dtype": np.float64}
CELLS = ["gru", "lstm", "rnn"]


def make(model, seed, vocab_size=V, **options):
    return model(vocab_size, **{**SIZES, **options}, rng=np.random.default_rng(seed))


@pytest.fixture
def ids(rng):
    return rng.integers(0, V, (3, 6))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_an_encoder_starts_from_the_hidden_states(ids, cell, layers):
    """Without attention, and with the backward half of merge, which is still noise, at 0."""
    lm = make(LanguageModel, 1, cell=cell, num_layers=layers, num_attention_layers=0)
    encoder = make(Encoder, 2, cell=cell, num_layers=layers, num_attention_layers=0)
    backward_half = encoder.merge.weight.data[:, H:].copy()
    take_over(encoder, lm.state_dict())
    np.testing.assert_array_equal(encoder.merge.weight.data, np.hstack([np.eye(H), backward_half]))
    np.testing.assert_array_equal(encoder.merge.bias.data, np.zeros(H))
    encoder.merge.weight.data[:, H:] = 0
    assert_close(encoder(ids)[0].data, lm.hidden(ids).data, 1e-12)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_model_of_reversed_text_reads_backwards(ids, cell, layers):
    """The encoder starts from the mean of what the two know, the second of the text from its end."""
    lm, of_reversed = (make(LanguageModel, seed, cell=cell, num_layers=layers, num_attention_layers=0)
                       for seed in (1, 3))
    of_reversed.embedding.weight.data = lm.embedding.weight.data.copy()
    encoder = make(Encoder, 2, cell=cell, num_layers=layers, num_attention_layers=0)
    taken, new = take_over(encoder, lm.state_dict(), of_reversed.state_dict())
    backwards = of_reversed.hidden(ids[:, ::-1]).data[:, ::-1]
    assert_close(encoder(ids)[0].data, (lm.hidden(ids).data + backwards) / 2, 1e-12)
    assert new == ["merge.weight", "merge.bias"]
    assert taken == [name for name, _ in encoder.named_parameters() if not name.startswith("merge")]


def test_one_direction_is_the_language_model_but_for_its_mask(ids):
    """The last position sees what a causal one sees."""
    lm, encoder = make(LanguageModel, 1), make(Encoder, 2, bidirectional=False)
    taken, new = take_over(encoder, lm.state_dict())
    assert_close(encoder(ids)[0].data[:, -1], lm.hidden(ids).data[:, -1], 1e-12)
    assert taken == [name for name, _ in encoder.named_parameters()] and new == []


def test_what_is_taken_and_what_is_new_is_said_in_order():
    lm = make(LanguageModel, 1)
    encoder = make(Encoder, 2, num_features=5, num_attention_layers=2)
    before = encoder.state_dict()
    taken, new = take_over(encoder, lm.state_dict())
    assert taken == [
        "embedding.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0",
        "attention.0.qkv.weight", "attention.0.qkv.bias", "attention.0.out.weight", "attention.0.out.bias",
        "norm.0.weight", "norm.0.bias"]
    assert new == [name for name, _ in encoder.named_parameters() if name not in taken]
    after = encoder.state_dict()
    for name in taken:
        np.testing.assert_array_equal(after[name], lm.state_dict()[name])
    for name in new:
        assert name.startswith("merge") or name == "features" or (after[name] == before[name]).all()


def test_features_say_nothing_at_first(ids, rng):
    lm, encoder, without = make(LanguageModel, 1), make(Encoder, 2, num_features=5), make(Encoder, 2)
    take_over(encoder, lm.state_dict())
    without.load_state_dict({name: array for name, array in encoder.state_dict().items() if name != "features"})
    features = rng.integers(-1, 5, (*ids.shape, 3))
    np.testing.assert_array_equal(encoder(ids, features=features)[0].data, without(ids)[0].data)


def test_a_layer_above_the_first_reads_the_forward_half():
    lm, of_reversed = make(LanguageModel, 1, num_layers=2), make(LanguageModel, 3, num_layers=2)
    encoder = make(Encoder, 2, num_layers=2)
    take_over(encoder, lm.state_dict(), of_reversed.state_dict())
    zeros = np.zeros((3 * H, H))
    for suffix, halves in [("", [lm.rnn.weight_ih_l1.data, zeros]),
                           ("_reverse", [zeros, of_reversed.rnn.weight_ih_l1.data])]:
        ours = getattr(encoder.rnn, f"weight_ih_l1{suffix}").data
        np.testing.assert_array_equal(ours, np.hstack(halves))
        assert ours.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("options", [{}, {"tie_weights": True}, {"cell": "lstm", "num_layers": 2}])
def test_a_decoder_takes_all_of_it(options):
    lm, decoder = make(LanguageModel, 1, **options), make(Decoder, 2, **options)
    taken, new = take_over(decoder, lm.state_dict())
    assert taken == [name for name, _ in lm.named_parameters()]
    assert new == [name for name, _ in decoder.named_parameters() if name.split(".")[0] in (
        "cross", "cross_norm", "bridge", "bridge_c")]
    for name in taken:
        np.testing.assert_array_equal(decoder.state_dict()[name], lm.state_dict()[name])


def test_what_was_taken_over_is_its_own_and_of_its_dtype(ids):
    lm = make(LanguageModel, 1)
    model = make(Classifier, 2, num_classes=3, dtype=np.float32)
    arrays = lm.state_dict()
    take_over(model.encoder, arrays)
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float32)}
    before = model(ids).data
    for array in arrays.values():
        array += 1
    np.testing.assert_array_equal(model(ids).data, before)


@pytest.mark.parametrize("pretrained, new, message", [
    ({"vocab_size": 9}, {}, r"embedding.weight: expected \(11, 8\), the pretrained one is \(9, 8\)$"),
    ({"embed_dim": 6}, {},
     r"embedding.weight: .* \(11, 6\); rnn.weight_ih_l0: expected \(36, 8\), .* \(36, 6\)$"),
    ({"hidden_dim": 9}, {}, r"rnn.weight_hh_l0: expected \(36, 12\), the pretrained one is \(27, 9\)"),
    ({"hidden_dim": 9, "num_layers": 2}, {"num_layers": 2},
     r"rnn.weight_ih_l1: expected \(36, 24\), the pretrained one is \(27, 9\)"),
    ({"cell": "lstm"}, {}, r"rnn.bias_ih_l0: expected \(36,\), the pretrained one is \(48,\)"),
    ({"num_layers": 2}, {}, "rnn.weight_ih_l1: the new model has none"),
    ({"num_attention_layers": 2}, {}, "attention.1.qkv.weight: the new model has none"),
])
def test_what_does_not_fit_is_named_and_nothing_is_changed(pretrained, new, message):
    lm, encoder = make(LanguageModel, 1, **pretrained), make(Encoder, 2, **new)
    before = encoder.state_dict()
    with pytest.raises(ValueError, match="^take_over: .*" + message if message[-1] == "$" else message):
        take_over(encoder, lm.state_dict())
    for name, array in encoder.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_model_of_reversed_text_has_to_fit_as_well():
    lm, of_reversed = make(LanguageModel, 1), make(LanguageModel, 3, hidden_dim=9)
    with pytest.raises(ValueError, match=r"rnn.weight_hh_l0_reverse: expected \(36, 12\), .* \(27, 9\)"):
        take_over(make(Encoder, 2), lm.state_dict(), of_reversed.state_dict())


def test_layers_of_reversed_text_that_the_encoder_lacks_are_named():
    lm, of_reversed = make(LanguageModel, 1), make(LanguageModel, 3, num_layers=2)
    with pytest.raises(ValueError, match="rnn.weight_ih_l1_reverse: the new model has none"):
        take_over(make(Encoder, 2), lm.state_dict(), of_reversed.state_dict())


def test_where_nothing_reads_backwards_reversed_text_is_left_out():
    lm, of_reversed = make(LanguageModel, 1), make(LanguageModel, 3, num_layers=2)
    for model in (make(Encoder, 2, bidirectional=False), make(Decoder, 2)):
        taken, _ = take_over(model, lm.state_dict(), of_reversed.state_dict())
        assert taken == [name for name, _ in model.named_parameters() if name in lm.state_dict()]


def test_a_model_around_an_encoder_is_not_one():
    with pytest.raises(ValueError, match="rnn.weight_ih_l0: the new model has none"):
        take_over(make(Classifier, 2, num_classes=3), make(LanguageModel, 1).state_dict())
