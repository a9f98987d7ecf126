import numpy as np
import pytest

from tests.oracle import assert_close, load_into_torch, torch_or_skip
from tinyllm import formulas, optim
from tinyllm.models import Decoder, Encoder, Seq2Seq
from tinyllm.ops.cross_entropy import IGNORE
from tinyllm.text import BOS, EOS, PAD, UNK

V, W = 11, 13  # of the target, of the source
SOURCE_VALID = np.arange(6) < np.array([[6], [2], [4]])
TARGET_VALID = np.arange(5) < np.array([[3], [5], [0]])


def seq2seq(dtype=np.float64, *, source_vocab=W, max_seq_len=20, share_embeddings=False, cell="gru",
            decoder=(), **encoder):
    sizes = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 3, "cell": cell, "rng": np.random.default_rng(0),
             "dtype": dtype}
    return Seq2Seq(Encoder(source_vocab, **{**sizes, **encoder}), Decoder(V, **{**sizes, **dict(decoder)}),
                   V, max_seq_len, share_embeddings=share_embeddings)


@pytest.fixture
def source(rng):
    return rng.integers(4, W, (3, 6))


@pytest.fixture
def target(rng):
    return rng.integers(4, V, (3, 5))


OPTIONS = [{}, {"cell": "lstm", "num_layers": 2, "decoder": {"tie_weights": True}},
           {"cell": "rnn", "bidirectional": False, "decoder": {"num_layers": 2, "num_attention_layers": 0}}]


@pytest.mark.parametrize("options", OPTIONS)
def test_loss_is_the_mean_over_tokens_and_ends(source, target, options):
    """By hand from the logits: y[0] ... y[n-1] EOS of each row, nothing of the padding."""
    model, nats, count = seq2seq(**options), 0.0, 0
    for b in range(3):
        n = TARGET_VALID[b].sum()
        whole = np.append(target[b, :n], EOS)
        x = model(source[b:b + 1, :SOURCE_VALID[b].sum()], whole[None], teacher_forcing_ratio=1).data[0]
        nats -= (x - np.log(np.exp(x).sum(axis=1, keepdims=True)))[np.arange(n + 1), whole].sum()
        count += n + 1
    loss = model.loss(source, target, SOURCE_VALID, TARGET_VALID)
    assert loss.item() == pytest.approx(nats / count, rel=1e-12)


def test_what_is_copied_is_of_the_same_vocabulary():
    with pytest.raises(ValueError, match="Seq2Seq: share_embeddings must be true with a decoder that copies"):
        seq2seq(decoder={"copies": True}, source_vocab=V)


def test_a_beam_of_what_is_copied_scores_as_the_loss_does(target):
    model = seq2seq(decoder={"copies": True}, source_vocab=V, share_embeddings=True)
    source = np.random.default_rng(0).integers(4, V, (3, 6))
    for parameter in model.parameters():
        parameter.data *= 2  # so that it is sure of itself, and ends a text
    texts, scores = model.translate(source, SOURCE_VALID, beam=3, max_tokens=9, return_scores=True)
    ended = [b for b, text in enumerate(texts) if len(text) < 9]
    assert max(len(texts[b]) for b in ended) >= 3
    for b in ended:
        nats = model.loss(source[b:b + 1], texts[b][None], SOURCE_VALID[b:b + 1]).item()
        assert scores[b] == pytest.approx(-nats, rel=1e-9)
    assert (model(source, target, SOURCE_VALID, 0.0).data <= 0).all()  # fed what it writes; logarithms


def test_features_reach_the_encoder(rng, source, target):
    """Those of padding do not, and whoever asks for the model's opinion has to give them."""
    model = seq2seq(num_features=5)
    features = rng.integers(-1, 5, (3, 6, 4))
    other = np.where(SOURCE_VALID[..., None], features, 3)
    losses = {model.loss(source, target, SOURCE_VALID, TARGET_VALID, source_features=each).item()
              for each in (features, other)}
    looks = [model.attention(source, SOURCE_VALID, target, source_features=each) for each in (features, other)]
    assert len(losses) == 1 and (looks[0] == looks[1]).all()
    changed = (features + 2) % 5
    assert (model(source, target, SOURCE_VALID, 1.0, source_features=features).data
            != model(source, target, SOURCE_VALID, 1.0, source_features=changed).data).any()
    scores = [model.translate(source, SOURCE_VALID, return_scores=True, source_features=each)[1]
              for each in (features, changed)]
    assert (scores[0] != scores[1]).any()
    for call in (lambda: model.loss(source, target), lambda: model(source, target, None, 1.0),
                 lambda: model.translate(source), lambda: model.attention(source, None, target)):
        with pytest.raises(ValueError, match="features must be given"):
            call()


@pytest.mark.parametrize("padding", [PAD, IGNORE, 7])
def test_padding_is_nothing(source, target, padding):
    model = seq2seq()
    expected = model.loss(source, target, SOURCE_VALID, TARGET_VALID).item()
    padded = np.where(TARGET_VALID, target, padding), np.where(SOURCE_VALID, source, abs(padding) % W)
    assert model.loss(padded[1], padded[0], SOURCE_VALID, TARGET_VALID).item() == expected


def test_logits_at_t_are_for_token_t(source, target):
    """They know what was before it, and neither it nor what follows."""
    model = seq2seq()
    changed = target.copy()
    changed[:, 2] = 4 + (changed[:, 2] - 3) % (V - 4)
    first, second = (model(source, t, teacher_forcing_ratio=1).data for t in (target, changed))
    assert first.shape == (3, 5, V)
    np.testing.assert_array_equal(first[:, :3], second[:, :3])
    assert (first[:, 3:] != second[:, 3:]).any()


def test_without_teacher_forcing_its_own_words_are_the_input(source, target):
    """The greedy text, one word after the other, is fed in place of the target."""
    model, own = seq2seq(), np.zeros((3, 0), int)
    for _ in range(4):
        x = model(source, np.pad(own, [(0, 0), (0, 1)]), SOURCE_VALID, teacher_forcing_ratio=1).data[:, -1]
        x[:, :4] = -np.inf
        own = np.append(own, x.argmax(axis=1)[:, None], axis=1)
    fed = np.append(own, target[:, -1:], axis=1)
    expected = model(source, fed, SOURCE_VALID, teacher_forcing_ratio=1).data
    np.testing.assert_array_equal(model(source, target, SOURCE_VALID, teacher_forcing_ratio=0).data, expected)
    loss = model.loss(source, target, SOURCE_VALID, TARGET_VALID, teacher_forcing_ratio=0)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_ratio_is_drawn_once_a_batch(source, target):
    model, rng = seq2seq(), np.random.default_rng(0)
    own, forced = (model(source, target, teacher_forcing_ratio=ratio).data for ratio in (0, 1))
    draws = []
    for _ in range(40):
        x = model(source, target, teacher_forcing_ratio=0.75, rng=rng).data
        draws.append((x == forced).all())
        assert draws[-1] or (x == own).all()
    assert 22 < sum(draws) < 38
    same, rng = model(source, target, rng=np.random.default_rng(1)).data, np.random.default_rng(1)
    np.testing.assert_array_equal(same, forced if rng.random() < 0.5 else own)  # 0.5 as in the text


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"decoder": {"dropout": 0.5}}])
def test_dropout_of_either_part_only_with_an_rng(source, target, options):
    model, drops = seq2seq(**options), np.random.default_rng(0)
    for run in (lambda rng: model(source, target, teacher_forcing_ratio=1, rng=rng).data,
                lambda rng: model.loss(source, target, rng=rng).data):
        np.testing.assert_array_equal(run(None), run(None))
        assert (run(drops) != run(drops)).any()


@pytest.mark.parametrize("options", OPTIONS)
def test_formulas_give_the_same(source, target, options):
    losses, gradients = [], []
    for on_formulas in (False, True):
        model = seq2seq(**options)
        with formulas() if on_formulas else np.errstate():
            loss = model.loss(source, target, SOURCE_VALID, TARGET_VALID, label_smoothing=0.1)
        loss.backward()
        losses.append(loss.item())
        gradients.append([p.grad for p in model.parameters()])
    assert_close(losses[0], losses[1], 1e-12)
    for ours, expected in zip(*gradients, strict=True):
        assert_close(ours, expected, 1e-12)


def torch_model(torch, heads=3, H=12, E=8):
    """The same in PyTorch: a GRU forwards, no attention in the encoder; its state_dict has our names."""
    nn, F = torch.nn, torch.nn.functional

    def part(**parts):
        module = nn.Module()
        for name, of in parts.items():
            module.add_module(name, of)
        return module

    model = part(
        encoder=part(embedding=nn.Embedding(W, E), rnn=nn.GRU(E, H, batch_first=True)),
        decoder=part(
            embedding=nn.Embedding(V, E), rnn=nn.GRU(E, H, batch_first=True),
            attention=nn.ModuleList([part(qkv=nn.Linear(H, 3 * H), out=nn.Linear(H, H))]),
            norm=nn.ModuleList([nn.LayerNorm(H)]), output=nn.Linear(H, V),
            cross=nn.ModuleList([part(q=nn.Linear(H, H), kv=nn.Linear(H, 2 * H), out=nn.Linear(H, H))]),
            cross_norm=nn.ModuleList([nn.LayerNorm(H)]), bridge=nn.Linear(H, H))).double()

    def attend(q, k, v, **mask):
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, **mask).transpose(1, 2).flatten(2)

    def loss(source, source_valid, inputs, targets):
        encoder, decoder = model.encoder, model.decoder
        memory, _ = encoder.rnn(encoder.embedding(source))
        end = memory[torch.arange(len(source)), source_valid.sum(1) - 1]
        h, _ = decoder.rnn(decoder.embedding(inputs), torch.tanh(decoder.bridge(end))[None])
        cross, own = decoder.cross[0], decoder.attention[0]
        mixed = attend(cross.q(h), *cross.kv(memory).chunk(2, dim=2), attn_mask=source_valid[:, None, None])
        h = decoder.cross_norm[0](h + cross.out(mixed))
        h = decoder.norm[0](h + own.out(attend(*own.qkv(h).chunk(3, dim=2), is_causal=True)))
        return F.cross_entropy(decoder.output(h).flatten(0, 1), targets.flatten(), label_smoothing=0.1)
    return model, loss


def test_loss_and_gradients_equal_torch(source, target):
    torch = torch_or_skip()
    ours = seq2seq(bidirectional=False, num_attention_layers=0)
    theirs, torch_loss = torch_model(torch)
    load_into_torch(ours.state_dict(), theirs)
    whole = np.where(TARGET_VALID, target, PAD)
    inputs = np.concatenate([np.full((3, 1), BOS), whole], axis=1)
    targets = np.array([[*whole[0, :3], EOS, IGNORE, IGNORE], [*whole[1], EOS], [EOS] + [IGNORE] * 5])
    loss = ours.loss(source, target, SOURCE_VALID, TARGET_VALID, label_smoothing=0.1)
    expected = torch_loss(*(torch.tensor(a) for a in (source, SOURCE_VALID, inputs, targets)))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    loss.backward()
    expected.backward()
    theirs = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert_close(parameter.grad, theirs[name].grad, 1e-10)


@pytest.mark.parametrize("options", [{}, {"share_embeddings": True, "source_vocab": V, "cell": "lstm"}])
def test_learns_to_reverse_a_batch(rng, options):
    model = seq2seq(dtype=np.float32, hidden_dim=24, num_attention_layers=0,
                    decoder={"hidden_dim": 24, "memory_dim": 24, "num_attention_layers": 0}, **options)
    ids, lengths = rng.integers(4, V, (8, 6)), np.array([6, 5, 4, 3, 2, 1, 6, 6])
    valid = np.arange(6) < lengths[:, None]
    target = np.array([np.pad(row[:n][::-1], (0, 6 - n)) for row, n in zip(ids, lengths)])
    optimizer = optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(60):
        loss = model.loss(ids, target, valid, valid)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.01
    for beam in (1, 3):
        for b, row in enumerate(model.translate(ids, valid, beam=beam)):
            assert row.tolist() == target[b, :lengths[b]].tolist()


def lively(model):
    """Weights so large that what it writes depends on the source and ends at times."""
    for parameter in model.parameters():
        parameter.data *= parameter.dtype.type(2)
    return model


@pytest.mark.parametrize("options", OPTIONS)
def test_beam_one_is_greedy_and_is_scored(rng, options):
    model, source = lively(seq2seq(**options)), rng.integers(4, W, (8, 6))
    valid = np.arange(6) < rng.integers(1, 7, (8, 1))
    found, scores = model.translate(source, valid, return_scores=True, max_tokens=8)
    for b, (row, score) in enumerate(zip(found, scores)):
        read = source[b:b + 1, :valid[b].sum()]
        whole = np.append(row, EOS)[:8]
        x = model(read, whole[None], teacher_forcing_ratio=1).data[0]
        log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        assert score == pytest.approx(log_p[np.arange(len(whole)), whole].mean(), rel=1e-9)
        x[:, [PAD, UNK, BOS]] = -np.inf
        np.testing.assert_array_equal(x.argmax(axis=1), whole)
    assert len({tuple(row) for row in found}) > 1


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sentence_in_a_batch_is_the_sentence_alone(rng, beam, dtype):
    model, source = lively(seq2seq(dtype=dtype, max_seq_len=13)), rng.integers(4, W, (9, 6))
    lengths = rng.integers(1, 7, 9)
    found, scores = model.translate(source, np.arange(6) < lengths[:, None], beam=beam, return_scores=True)
    assert len({len(row) for row in found}) > 1
    for row, score, ids, n in zip(found, scores, source, lengths):
        (alone,), its = model.translate(ids[None, :n], beam=beam, return_scores=True)
        assert alone.tolist() == row.tolist()
        assert_close(its[0], score, 1e-12 if dtype == np.float64 else 1e-6)
        assert not {PAD, UNK, BOS, EOS} & set(alone.tolist())


def test_how_long_a_target_may_be(rng):
    """It never ends by itself."""
    model, source = seq2seq(max_seq_len=15), rng.integers(4, W, (3, 4))
    model.decoder.output.bias.data[EOS] = -100
    valid = np.arange(4) < np.array([[1], [2], [4]])
    assert [len(row) for row in model.translate(source, valid)] == [15, 15, 15]
    assert [len(row) for row in model.translate(source, valid, max_tokens=3, beam=2)] == [3, 3, 3]
    assert [len(row) for row in model.translate(source, max_tokens=[2, 5, 9])] == [2, 5, 9]


def test_attention_is_where_the_last_layer_looks(source, target):
    model = seq2seq(decoder={"num_layers": 2})
    weights = model.attention(source, SOURCE_VALID, target, TARGET_VALID)
    assert weights.shape == (3, 3, 6, 6)
    assert_close(weights.sum(axis=-1), np.ones((3, 3, 6)), 1e-12)
    for b in range(3):  # a row alone looks at the same places
        n, m = SOURCE_VALID[b].sum(), TARGET_VALID[b].sum()
        assert (weights[b, :, :, n:] == 0).all()
        alone = model.attention(source[b:b + 1, :n], None, target[b:b + 1, :m])
        assert_close(weights[b:b + 1, :, :m + 1, :n], alone, 1e-12)


@pytest.mark.parametrize("tie_weights", [False, True])
def test_shared_embeddings_are_one_table_and_come_back(rng, source, target, tie_weights):
    model = seq2seq(share_embeddings=True, source_vocab=V, decoder={"tie_weights": tie_weights})
    assert model.encoder.embedding.weight is model.decoder.embedding.weight
    names = [name for name, _ in model.named_parameters()]
    assert "encoder.embedding.weight" in names and "decoder.embedding.weight" not in names
    again = Seq2Seq.from_config(model.config, rng=rng, dtype=np.float64)
    again.load_state_dict(model.state_dict())
    source = source % V
    assert again.loss(source, target).item() == model.loss(source, target).item()
    again.loss(source, target).backward()
    optim.SGD(again.parameters(), lr=0.1).step()
    assert again.encoder.embedding.weight is again.decoder.embedding.weight


def test_config_is_plain(rng):
    import json
    model = seq2seq(cell="lstm", decoder={"num_layers": 3, "tie_weights": True})
    config = json.loads(json.dumps(model.config))
    assert config["max_seq_len"] == 20 and config["encoder"]["cell"] == config["decoder"]["cell"] == "lstm"
    Seq2Seq.from_config(config, rng=rng, dtype=np.float64).load_state_dict(model.state_dict())


@pytest.mark.parametrize("options, message", [
    ({"decoder": {"memory_dim": 9}},
     "Seq2Seq: the decoder's memory_dim must be the encoder's hidden_dim, 12, got 9"),
    ({"decoder": {"cell": "lstm"}}, "the decoder's cell must be the encoder's cell, 'gru', got 'lstm'"),
    ({"share_embeddings": True}, "the decoder's vocab_size must be the encoder's vocab_size, 13, got 11"),
    ({"share_embeddings": True, "source_vocab": V, "decoder": {"embed_dim": 4}}, "embed_dim, 8, got 4"),
    ({"max_seq_len": 0}, "Seq2Seq: max_seq_len must be an integer of at least 1, got 0"),
])
def test_parts_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        seq2seq(**options)


def test_the_vocabulary_is_that_of_the_target():
    model = seq2seq()
    with pytest.raises(ValueError, match="the decoder's vocab_size must be the vocab_size, 12, got 11"):
        Seq2Seq(model.encoder, model.decoder, vocab_size=12, max_seq_len=5)
    with pytest.raises(ValueError, match="Seq2Seq: vocab_size must be above 4, the special tokens, got 4"):
        Seq2Seq(model.encoder, model.decoder, vocab_size=4, max_seq_len=5)


@pytest.mark.parametrize("call, message", [
    (lambda m, s, t: m(s, t), "Seq2Seq: rng must be given where teacher_forcing_ratio is 0.5, got None"),
    (lambda m, s, t: m(s, t, teacher_forcing_ratio=1.5), r"teacher_forcing_ratio must be in 0..1, got 1.5"),
    (lambda m, s, t: m(s, t[:2], teacher_forcing_ratio=1), r"target must be \(B, T\) with B = 3 as in sour"),
    (lambda m, s, t: m(s, t[:, :0], teacher_forcing_ratio=1), "target must have at least one token, got .*3, 0"),
    (lambda m, s, t: m.loss(s[0], t), r"Seq2Seq: source must be \(B, S\), got shape \(6,\)"),
    (lambda m, s, t: m.loss(s, t, None, TARGET_VALID[:, ::-1]), "target_valid must be boolean, True where a r"),
    (lambda m, s, t: m.loss(s, t, None, TARGET_VALID[:, :2]), r"target_valid must be \(B, T\) with T = 5"),
    (lambda m, s, t: m.loss(s, t + 4), r"embedding: ids must be in 0..10"),
    (lambda m, s, t: m.translate(s, beam=0), "beam_search: beam must be an integer of at least 1, got 0"),
])
def test_wrong_input_is_named(source, target, call, message):
    with pytest.raises(ValueError, match=message):
        call(seq2seq(), source, np.full_like(target, 8))
