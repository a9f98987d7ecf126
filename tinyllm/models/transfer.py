"""From a pretrained language model into an encoder or a decoder: what fits is taken over, the rest stays new.

    embedding                          as it is
    forward recurrent layers           as they are; a layer above the first of a bidirectional encoder reads
                                       2H numbers, of which the pretrained one knew the first H: the others
                                       begin with weight 0
    backward recurrent layers          from a second model, pretrained on reversed text, or new
    merge (2H -> H)                    begins as the forward half plus its own weights for the new backward
                                       half, or as the mean of both halves where both are pretrained: the
                                       encoder starts from what the language model knew
    attention, norm                    as they are
    features                           0: a token begins as what the language model knew of it
    output, projection, output_bias    of a decoder, as they are

Cross-attention, bridge and whatever a task puts on top are new.
"""
import numpy as np


def take_over(model, arrays, reversed_arrays=None):
    """Put a language model's arrays into an Encoder or a Decoder; the names taken over and the names new.

    arrays           name -> ndarray, LanguageModel.state_dict()
    reversed_arrays  those of a second one, of reversed text, for the direction back in time, if there is one

    Raises ValueError, with nothing changed, that names each parameter that has another shape than the
    pretrained one, or that the new model lacks.
    """
    own, taken = dict(model.named_parameters()), {}
    both = model.config.get("bidirectional", False)
    for name in own:
        source, original = arrays, name
        if name.endswith("_reverse"):
            source, original = reversed_arrays or {}, name.removesuffix("_reverse")
        if original in source:
            array = np.asarray(source[original])
            if both and original.startswith("rnn.weight_ih") and not original.endswith("_l0"):
                array = _widened(array, own[name].shape, first=not name.endswith("_reverse"))
            taken[name] = array
    wrong = [f"{name}: expected {own[name].shape}, the pretrained one is {array.shape}"
             for name, array in taken.items() if own[name].shape != array.shape]
    missing = [name for name in arrays
               if name not in own and name.split(".")[0] in ("rnn", "attention", "norm")]
    missing += [f"{name}_reverse" for name in (reversed_arrays or {} if both else {})
                if name.startswith("rnn.") and f"{name}_reverse" not in own]
    wrong += [f"{name}: the new model has none" for name in missing]
    if wrong:
        raise ValueError("take_over: " + "; ".join(wrong))
    for name, array in taken.items():
        own[name].data = np.array(array, own[name].dtype, order="C")
    if "features" in own and "embedding.weight" in taken:
        own["features"].data = np.zeros_like(own["features"].data)
    if both:
        _start_merge(model, reversed_arrays is not None)
    return list(taken), [name for name in own if name not in taken]


def _widened(array, shape, first):
    """weight (gates H, H) in its half of (gates H, 2H), 0 in the other; as it is where that does not fit."""
    if array.ndim != 2 or shape != (array.shape[0], 2 * array.shape[1]):
        return array
    zeros = np.zeros_like(array)
    return np.concatenate([array, zeros] if first else [zeros, array], axis=1)


def _start_merge(model, both_known):
    """The merged state begins as the forward state, or as the mean of both."""
    weight, H = model.merge.weight, model.config["hidden_dim"]
    half = np.eye(H, dtype=weight.dtype) * weight.dtype.type(0.5 if both_known else 1)
    other = half if both_known else weight.data[:, H:]
    weight.data = np.concatenate([half, other], axis=1)
    model.merge.bias.data = np.zeros_like(model.merge.bias.data)
