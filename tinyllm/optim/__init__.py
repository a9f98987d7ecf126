"""Optimizers: what moves the parameters, given their gradients; clipping before, schedules around."""
from tinyllm.optim.adam import Adam, AdamW
from tinyllm.optim.clipping import clip_grad_norm_
from tinyllm.optim.schedules import warmup_cosine
from tinyllm.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "clip_grad_norm_", "warmup_cosine"]
