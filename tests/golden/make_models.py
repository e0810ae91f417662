"""Make the .npz files that tests of models compare with: outputs of torch's and transformers' models.

    pip install torch==2.13.0 transformers==5.23.0 && python tests/golden/make_models.py

(PyTorch's builds for CPUs will do; nothing is downloaded.) Each file holds weights and inputs drawn from a fixed seed,
outputs, and the gradients of a loss or of a weighted sum of outputs, in float32 and by the names that they have there:

    transformer_post.npz, transformer_pre.npz   torch.nn.TransformerEncoder and TransformerDecoder
    bert.npz         transformers' BertForPreTraining
    vit.npz          transformers' ViTModel, and a linear layer on it
    conformer.npz    transformers' ParakeetEncoderBlock: a Conformer's, with relative positions
    ctc.npz          torch.nn.CTCLoss
    lstm.npz         torch.nn.LSTM, of two layers, and of one layer in both directions

The models here have no biases in attention, so those of the others are zero. Theirs add 1e-5 to variances; it is set to
what is added here. Batch norm in an LSTM's recurrence, and shared layers in an order that is learnt, are in no library
that is kept: tests/layers/test_lstm.py and tests/models/test_soft_ordering.py hold these against their equations.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertForPreTraining, ParakeetEncoderConfig, ViTConfig, ViTModel
from transformers.models.parakeet.modeling_parakeet import ParakeetEncoderBlock, ParakeetEncoderRelPositionalEncoding

FOLDER = Path(__file__).parent
WIDTH, HIDDEN, HEADS, LAYERS = 8, 12, 2, 2
NORM_EPSILON, BATCH_NORM_EPSILON = 1e-6, 1e-3  # LayerNorm's and BatchNorm's here


def transformer(pre: bool) -> dict[str, Any]:
    """Return encoder and decoder, each behind the sum of vectors and sines; padded sources, padded causal targets."""
    sizes: dict[str, Any] = {"dropout": 0.0, "batch_first": True, "norm_first": pre, "layer_norm_eps": NORM_EPSILON}
    closing = [nn.LayerNorm(WIDTH, NORM_EPSILON) if pre else None for _ in range(2)]
    layers = (kind(WIDTH, HEADS, HIDDEN, **sizes) for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer))
    encoder = nn.TransformerEncoder(next(layers), LAYERS, closing[0], enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(next(layers), LAYERS, closing[1])
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    draw(model, zero=("in_proj_bias", "out_proj.bias"))
    source, target = drawn(3, 5, WIDTH), drawn(3, 6, WIDTH)
    real_source, real_target = real((5, 3, 1), 5), real((4, 6, 2), 6)
    memory = encoder(source + sines(5), src_key_padding_mask=~real_source)
    out = decoder(
        target + sines(6),
        memory,
        tgt_mask=~torch.tril(torch.ones(6, 6, dtype=torch.bool)),
        tgt_key_padding_mask=~real_target,
        memory_key_padding_mask=~real_source,
    )
    weighing = drawn(*out.shape) * real_target[..., None]
    (out * weighing).sum().backward()
    arrays = {"source": source, "target": target, "memory": memory, "out": out, "weighing": weighing}
    return with_weights(model, arrays | {"real_source": real_source, "real_target": real_target})


def sines(length: int) -> torch.Tensor:
    """Return the positional sines of PyTorch's tutorial on translation."""
    rates = torch.exp(-torch.arange(0, WIDTH, 2) * torch.log(torch.tensor(10000.0)) / WIDTH)
    signal = torch.zeros(length, WIDTH)
    signal[:, 0::2] = torch.sin(torch.arange(length)[:, None] * rates)
    signal[:, 1::2] = torch.cos(torch.arange(length)[:, None] * rates)
    return signal


def bert() -> dict[str, Any]:
    """Return the whole model, from ids to both losses: masked words and next sentence."""
    words, length = 20, 7
    config = BertConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        max_position_embeddings=9,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=NORM_EPSILON,
        pad_token_id=None,  # else row 0 of the embeddings has no gradient, wherever it is read
    )
    model = BertForPreTraining(config)
    draw(model, zero=("query.bias", "key.bias", "value.bias", "attention.output.dense.bias"))
    lengths = (7, 4, 6)
    mask = real(lengths, length)
    ids = torch.randint(0, words, (3, length)) * mask
    segments = (torch.arange(length) >= torch.tensor([[4], [2], [3]])) * mask
    labels = torch.full((3, length), -100)
    for row, place in ((0, 2), (0, 5), (1, 3), (2, 1), (2, 2), (2, 4)):
        labels[row, place] = torch.randint(0, words, ())
    follows = torch.tensor([0, 1, 1])  # 0: it is the next
    inputs = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": segments.long()}
    encoded = model.bert(**inputs)
    answer = model(**inputs, labels=labels, next_sentence_label=follows)
    answer.loss.backward()
    arrays = {
        "hidden": encoded.last_hidden_state,
        "pooled": encoded.pooler_output,
        "word_logits": answer.prediction_logits,
        "next_logits": answer.seq_relationship_logits,
        "loss": answer.loss,
    }
    return with_weights(
        model, inputs | {"labels": labels, "follows": follows, "lengths": torch.tensor(lengths)} | arrays
    )


def vit() -> dict[str, Any]:
    """Return all from pixels to classes, by a linear head on the class token and by an MLP head, with its loss."""
    side, patch, classes = 12, 4, 3
    config = ViTConfig(
        image_size=side,
        patch_size=patch,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=NORM_EPSILON,
        qkv_bias=False,
    )
    model = nn.ModuleDict({"vit": ViTModel(config), "classifier": nn.Linear(WIDTH, classes)})
    draw(model, zero=("projection.bias", "o_proj.bias"))
    pixels = torch.randint(0, 256, (4, 3, side, side))
    labels = torch.tensor([2, 0, 1, 1])
    seen = model["vit"](pixels / 127.5 - 1.0)
    linear, mlp = (model["classifier"](x) for x in (seen.last_hidden_state[:, 0], seen.pooler_output))
    loss = nn.functional.cross_entropy(mlp, labels)
    loss.backward()
    arrays = {"hidden": seen.last_hidden_state, "linear_logits": linear, "mlp_logits": mlp, "loss": loss}
    return with_weights(model, {"pixels": pixels.to(torch.uint8), "labels": labels} | arrays)


def conformer() -> dict[str, Any]:
    """Return blocks by batch norms' running statistics, on padded rows; and in training, on rows without pads.

    In training theirs count pads as part of the batch, which the ones here leave out.
    """
    config = ParakeetEncoderConfig(
        hidden_size=WIDTH,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN,
        conv_kernel_size=5,
        activation_dropout=0.0,
        attention_dropout=0.0,
        attn_implementation="eager",
    )
    positions = ParakeetEncoderRelPositionalEncoding(config)
    model = nn.ModuleList([ParakeetEncoderBlock(config, i) for i in range(LAYERS)])
    draw(model, zero=("q_proj.bias", "k_proj.bias", "v_proj.bias", "o_proj.bias", "depthwise_conv.bias"))
    for part in model.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = NORM_EPSILON
        if isinstance(part, nn.BatchNorm1d):
            part.eps = BATCH_NORM_EPSILON
            part.running_mean, part.running_var = drawn(WIDTH), drawn(WIDTH).abs() + 0.5
    running = {f"running/{name}": buffer.clone() for name, buffer in model.named_buffers() if "running" in name}

    def encode(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for block in model:
            x = block(x, attention_mask=mask, position_embeddings=positions(x))
        return x

    x, mask = drawn(3, 7, WIDTH), real((7, 4, 2), 7)
    both = mask[:, None] & mask[:, :, None]
    model.eval()
    served = encode(x, both[:, None])
    model.train()
    trained = encode(x, torch.ones(3, 1, 7, 7, dtype=torch.bool))
    weighing = drawn(*trained.shape)
    (trained * weighing).sum().backward()
    arrays = {"x": x, "real": mask, "served": served, "trained": trained, "weighing": weighing}
    return with_weights(model, running | arrays)


def ctc() -> dict[str, Any]:
    """Return lines of many kinds. Id 0 is the blank; no frame predicts id 1."""
    lines: tuple[list[int], ...] = ([2, 3, 4], [5, 5, 2, 2], [], [3], [4, 4, 4], [2, 3, 4, 5, 2])
    moments = (9, 8, 7, 1, 4, 5)  # the last has none to spare; the one before would need five
    logits = (3.0 * drawn(len(lines), max(moments), 6)).requires_grad_()
    shown = logits.masked_fill(torch.arange(6) == 1, -1e9)
    labels = torch.zeros(len(lines), max(map(len, lines)), dtype=torch.long)
    for row, line in enumerate(lines):
        labels[row, : len(line)] = torch.tensor(line)
    lengths = torch.tensor([len(line) for line in lines])
    inputs = (shown.log_softmax(-1).transpose(0, 1), labels, torch.tensor(moments), lengths)
    nats = nn.CTCLoss(blank=0, reduction="none", zero_infinity=True)(*inputs)
    weighing = drawn(len(lines))
    (nats * weighing).sum().backward()
    arrays = {"logits": logits, "moments": torch.tensor(moments), "labels": labels, "lengths": lengths}
    return arrays | {"nats": nats, "weighing": weighing, "gradient": logits.grad}


def lstm() -> dict[str, Any]:
    """Return rows of different lengths, from learned first states."""
    arrays: dict[str, Any] = {"x": drawn(3, 6, WIDTH), "real": real((6, 2, 4), 6)}
    for name, options in (("deep", {"num_layers": 2}), ("both", {"bidirectional": True})):
        model = nn.ModuleDict({"lstm": nn.LSTM(WIDTH, WIDTH, batch_first=True, **options)})
        first = nn.ParameterDict({state: nn.Parameter(torch.zeros(2, WIDTH)) for state in ("hidden", "cell")})
        model["first"] = first
        draw(model)
        packed = nn.utils.rnn.pack_padded_sequence(arrays["x"], arrays["real"].sum(1), True, enforce_sorted=False)
        states = tuple(first[state][:, None].repeat(1, 3, 1) for state in ("hidden", "cell"))
        packed_out, _ = model["lstm"](packed, states)
        out, _ = nn.utils.rnn.pad_packed_sequence(packed_out, True)
        weighing = drawn(*out.shape) * arrays["real"][..., None]
        (out * weighing).sum().backward()
        parts = with_weights(model, {"out": out, "weighing": weighing})
        arrays |= {f"{name}/{key}": value for key, value in parts.items()}
    return arrays


def draw(model: nn.Module, zero: tuple[str, ...] = ()) -> None:
    """Give every parameter random values, scales of norms around 1; those whose names end in `zero` are none."""
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, 0.0, 0.4)
        if "norm" in name.lower() and name.endswith("weight"):
            nn.init.normal_(parameter, 1.0, 0.3)
        if name.endswith(zero or ("\0",)):
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


def real(lengths: tuple[int, ...], most: int) -> torch.Tensor:
    """Return bool[B, L], true before each row's length."""
    return torch.arange(most) < torch.tensor(lengths)[:, None]


def with_weights(model: nn.Module, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return `arrays`, the parameters that were drawn and their gradients; an unused parameter has none."""
    own = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    weights = {f"weights/{name}": parameter for name, parameter in own.items()}
    gradients = {f"gradients/{name}": p.grad for name, p in own.items() if p.grad is not None}
    return arrays | weights | gradients


def main() -> None:
    makers = {
        "transformer_post": lambda: transformer(pre=False),
        "transformer_pre": lambda: transformer(pre=True),
        "bert": bert,
        "vit": vit,
        "conformer": conformer,
        "ctc": ctc,
        "lstm": lstm,
    }
    for seed, (name, make) in enumerate(makers.items()):
        torch.manual_seed(seed)
        arrays = {key: value.detach().numpy() for key, value in make().items()}
        np.savez_compressed(FOLDER / f"{name}.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
