"""The Vision Transformer (Dosovitskiy et al. 2020, arXiv 2010.11929).

B examples, L patches, D channels.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.activations import gelu
from t2t_mm.layers.attention import SelfAttention
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.feed_forward import FeedForward
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.residual import Residual
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import EncoderBody
from t2t_mm.models.vit.hparams import VitHparams


class EncoderLayer(Layer):
    """z' = MSA(LN(z)) + z;  z = MLP(LN(z')) + z' (equations 2 and 3)."""

    def __init__(self, hparams: VitHparams, *, name: str) -> None:
        super().__init__(name=name)
        rate = hparams.dropout
        self.attention = SelfAttention(
            heads=hparams.attention_heads, dropout=hparams.attention_dropout, causal=False, name="attention"
        )
        self.mlp = FeedForward(hparams.filter_size, dropout=rate, activation=gelu, name="mlp")
        self.around_attention = Residual(dropout=rate, norm_first=True, name="attention_residual")
        self.around_mlp = Residual(dropout=rate, norm_first=True, name="mlp_residual")

    def build(self, width: int) -> None:
        for part in (self.attention, self.around_attention, self.mlp, self.around_mlp):
            part.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]."""
        y_BLD = self.attention(self.around_attention.enter(x_BLD), forward, real_BL)
        x_BLD = self.around_attention.leave(x_BLD, y_BLD, forward)
        y_BLD = self.mlp(self.around_mlp.enter(x_BLD), forward)
        return self.around_mlp.leave(x_BLD, y_BLD, forward)


class Vit(EncoderBody):
    """A class token before the patches of an image, encoder layers with the norm first, and a closing norm.

    The paper's equation 1 adds the class token and its position. Here their sum is one weight.
    """

    reads = ("image",)
    writes = ("label",)
    modality_nets = {"image": "image_patches", "label": "label_token"}

    def __init__(self, hparams: VitHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams
        self.stack = [EncoderLayer(hparams, name=f"layer_{i}") for i in range(1, hparams.encoder_layers + 1)]
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.token_D = self.add_weight(shape=(width,), initializer=start, autocast=False, name="class_token")
        for part in [*self.stack, self.norm]:
            part.build(width)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        """Turn Seq[B, L, D] into Seq[B, 1 + L, D]: the class token, then the patches."""
        patches_BLD = source.values_BLD
        token_B1D = ops.zeros_like(patches_BLD[:, :1]) + ops.cast(self.token_D, patches_BLD.dtype)
        x_BLD = ops.concatenate([token_B1D, patches_BLD], axis=1)
        x_BLD = dropout(x_BLD, self.hparams.dropout, forward, self.path)
        real_BL = ops.concatenate([ops.ones_like(source.real_BL[:, :1]), source.real_BL], axis=1)
        for layer in self.stack:
            x_BLD = layer(x_BLD, real_BL, forward)
        return Seq(self.norm(x_BLD), real_BL)
