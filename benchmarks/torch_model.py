"""The same language model in PyTorch, the reference of every ratio; its state_dict has our names."""
import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.qkv, self.out = nn.Linear(features, 3 * features), nn.Linear(features, features)


class TorchLanguageModel(nn.Module):
    compiles = ("tail",)  # torch.compile does not take the GRU or the LSTM

    def __init__(self, vocab_size, embed_dim, hidden_dim, num_layers, num_heads, cell="gru", **_):
        super().__init__()
        self.num_heads = num_heads
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](embed_dim, hidden_dim, num_layers, batch_first=True)
        self.attention = nn.ModuleList([Attention(hidden_dim)])
        self.norm = nn.ModuleList([nn.LayerNorm(hidden_dim)])
        self.output = nn.Linear(hidden_dim, vocab_size)

    def heads(self, h):
        """q, k, v of h (B, T, H), each (B, A, T, D)."""
        B, T, H = h.shape
        return (part.view(B, T, self.num_heads, -1).transpose(1, 2)
                for part in self.attention[0].qkv(h).split(H, dim=2))

    def rest(self, h, mixed):
        """The logits after attention's result (B, A, T, D)."""
        mixed = mixed.transpose(1, 2).reshape(h.shape)
        return self.output(self.norm[0](h + self.attention[0].out(mixed)))

    def tail(self, h, targets):
        """Everything after the recurrent layers."""
        q, k, v = self.heads(h)
        logits = self.rest(h, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))

    def loss(self, ids, targets):
        return self.tail(self.rnn(self.embedding(ids))[0], targets)

    @torch.inference_mode()
    def generate(self, ids, tokens, uniform, temperature=0.8, top_k=40):
        """(B, tokens) ids after ids (B,): state and keys kept from token to token, drawn by inverse cumulative sum
        (temperature 0: the likeliest)."""
        B, H = len(ids), self.rnn.hidden_size
        keys, values = (torch.zeros(B, self.num_heads, tokens, H // self.num_heads) for _ in range(2))
        state, written = None, []
        for t in range(tokens):
            h, state = self.rnn(self.embedding(ids[:, None]), state)
            q, k, v = self.heads(h)
            keys[:, :, t:t + 1], values[:, :, t:t + 1] = k, v
            mixed = F.scaled_dot_product_attention(q, keys[:, :, :t + 1], values[:, :, :t + 1])
            logits = self.rest(h, mixed)[:, 0]
            if temperature == 0:
                ids = logits.argmax(-1)
            else:
                likeliest, places = torch.topk(logits / temperature, top_k)
                chances = torch.softmax(likeliest, -1)
                drawn = (chances.cumsum(-1) < uniform[t][:, None]).sum(-1).clamp(max=top_k - 1)
                ids = places.gather(1, drawn[:, None])[:, 0]
            written.append(ids)
        return torch.stack(written, 1)
