"""Layers: what holds the parameters that the ops need, under PyTorch's names."""
from tinyllm.nn.attention import SelfAttention
from tinyllm.nn.cross_attention import CrossAttention
from tinyllm.nn.layers import Dropout, Embedding, LayerNorm, Linear
from tinyllm.nn.module import Module
from tinyllm.nn.pointer import Pointer
from tinyllm.nn.recurrent import GRU, LSTM, RNN

__all__ = ["Module", "Linear", "Embedding", "LayerNorm", "Dropout", "RNN", "LSTM", "GRU", "SelfAttention",
           "CrossAttention", "Pointer"]
