"""The same sequence-to-sequence model in PyTorch; its state_dict has our names.

One layer each, an encoder that reads both ways, and one table: of the sources, of the targets, of the output layer.
"""
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sizes import BOS, EOS
from benchmarks.torch_model import Attention


class CrossAttention(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.q, self.kv = nn.Linear(features, features), nn.Linear(features, 2 * features)
        self.out = nn.Linear(features, features)


class Encoder(nn.Module):
    def __init__(self, V, E, H):
        super().__init__()
        self.embedding = nn.Embedding(V, E)
        self.rnn = nn.GRU(E, H, batch_first=True, bidirectional=True)
        self.merge = nn.Linear(2 * H, H)
        self.attention = nn.ModuleList([Attention(H)])
        self.norm = nn.ModuleList([nn.LayerNorm(H)])


class Decoder(nn.Module):
    def __init__(self, V, E, H):
        super().__init__()
        self.rnn = nn.GRU(E, H, batch_first=True)
        self.cross = nn.ModuleList([CrossAttention(H)])
        self.cross_norm = nn.ModuleList([nn.LayerNorm(H)])
        self.bridge = nn.Linear(H, H)
        self.attention = nn.ModuleList([Attention(H)])
        self.norm = nn.ModuleList([nn.LayerNorm(H)])
        self.projection = nn.Linear(H, E)
        self.output_bias = nn.Parameter(torch.zeros(V))


class TorchSeq2Seq(nn.Module):
    compiles = ("encoder_tail", "decoder_tail")

    def __init__(self, vocab_size, embed_dim, hidden_dim, num_heads, **_):
        super().__init__()
        self.num_heads = num_heads
        self.encoder = Encoder(vocab_size, embed_dim, hidden_dim)
        self.decoder = Decoder(vocab_size, embed_dim, hidden_dim)

    def attend(self, q, k, v, causal=False):
        """q (B, T, H), k and v (B, S, H) -> (B, T, H)."""
        q, k, v = (each.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for each in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)

    def self_attention(self, part, h, causal):
        """h through the attention layer of a part."""
        own = part.attention[0]
        return part.norm[0](h + own.out(self.attend(*own.qkv(h).chunk(3, dim=2), causal)))

    def encoder_tail(self, h, ends):
        """Of the encoder's GRU the outputs (B, S, 2H) and last states (2, B, H) -> the memory (B, S, H), and the
        decoder's first state (1, B, H)."""
        memory = self.self_attention(self.encoder, self.encoder.merge(h), causal=False)
        return memory, torch.tanh(self.decoder.bridge(ends.mean(0)))[None]

    def decoder_tail(self, h, memory, targets):
        """The loss, from what the decoder's GRU gives (B, T, H)."""
        decoder, cross = self.decoder, self.decoder.cross[0]
        mixed = self.attend(cross.q(h), *cross.kv(memory).chunk(2, dim=2))
        h = self.self_attention(decoder, decoder.cross_norm[0](h + cross.out(mixed)), causal=True)
        logits = F.linear(decoder.projection(h), self.encoder.embedding.weight, decoder.output_bias)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def loss(self, source, target):
        """source (B, S), target (B, T) without BOS and EOS."""
        embedding, edge = self.encoder.embedding, target.new_ones(len(target), 1)
        memory, start = self.encoder_tail(*self.encoder.rnn(embedding(source)))
        h, _ = self.decoder.rnn(embedding(torch.cat([BOS * edge, target], dim=1)), start)
        return self.decoder_tail(h, memory, torch.cat([target, EOS * edge], dim=1))
