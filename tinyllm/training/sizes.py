"""How many numbers a model learns, counted from its config before it is made.

A config from a file may ask for more than any memory holds: whoever reads it compares these counts with the
weights that are there.
"""
GATES = {"gru": 3, "lstm": 4, "rnn": 1}  # gates of a cell, each with H outputs


def language_model(config):
    """Of a LanguageModel."""
    return (config["vocab_size"] * config["embed_dim"] + _recurrent(config) + _attention(config) + _output(config))


def encoder(config):
    """Of an Encoder."""
    E, H, both = config["embed_dim"], config["hidden_dim"], config["bidirectional"]
    merge = 2 * H * H + H if both else 0
    return ((config["vocab_size"] + config["num_features"]) * E + _recurrent(config, 1 + both) + merge
            + _attention(config))


def classifier(config):
    """Of a Classifier: its output layer reads the mean and the maximum."""
    C = config["num_classes"]
    return encoder(config) + 2 * config["hidden_dim"] * C + C


def tagger(config):
    """Of a Tagger: with a CRF also transitions, starts and ends."""
    C = config["num_tags"]
    return encoder(config) + config["hidden_dim"] * C + C + (C * C + 2 * C if config["crf"] else 0)


def seq2seq(config):
    """Of a Seq2Seq whose encoder and decoder share their embeddings."""
    config_of_encoder, config = config["encoder"], config["decoder"]
    H, M, layers = config["hidden_dim"], config["memory_dim"], config["num_layers"]
    cross = layers * (2 * (H * H + H) + 2 * (M * H + H) + 2 * H)  # q and out, k and v, layer norm
    states = 2 if config["cell"] == "lstm" else 1
    bridge = states * layers * H * (M + 1)
    pointer = H * (H + 1) + H * (M + 1) + H + 1 if config.get("copies") else 0
    return (encoder(config_of_encoder) + _recurrent(config) + cross + bridge + pointer + _attention(config)
            + _output(config))


def _recurrent(config, directions=1):
    """Of the recurrent layers."""
    E, H, gates = config["embed_dim"], config["hidden_dim"], GATES[config["cell"]]
    first, later = gates * H * (E + H + 2), gates * H * (directions * H + H + 2)
    return directions * (first + (config["num_layers"] - 1) * later)


def _attention(config):
    """Of the attention layers: qkv and out with biases, gain and bias of the layer norm."""
    H = config["hidden_dim"]
    return config["num_attention_layers"] * (4 * H * H + 6 * H)


def _output(config):
    """Of the output layer: a bias and a projection where it uses the embedding's matrix."""
    V, E, H = (config[name] for name in ("vocab_size", "embed_dim", "hidden_dim"))
    return V + (E * H + E if E != H else 0) if config["tie_weights"] else V * H + V
