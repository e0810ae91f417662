"""The decoder: one LSTM layer that attends to the memory (arXiv 2005.08100, section 3.2; 1508.01211, section 2).

B examples, L positions, D channels, H cells. In decoding, J beams for each example, R = B * J rows.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.attention import SourceAttention
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.lstm import Lstm
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.conformer.hparams import ConformerHparams


class Decoder(Layer):
    """h = LSTM(x);  q = LN(h W);  LN(q + SourceAttention(q, memory)): float[B, L, D] to float[B, L, D]."""

    def __init__(self, hparams: ConformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.dropout = hparams.dropout
        self.lstm = Lstm(hparams.decoder_size, batch_norm=False, name="lstm")
        self.query_norm = LayerNorm(name="query_norm")
        self.to_source = SourceAttention(
            heads=hparams.attention_heads, dropout=hparams.attention_dropout, name="source"
        )
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        self.lstm.build(width, ())
        self.query_HD = self.add_weight(shape=(self.lstm.size, width), initializer="glorot_uniform", name="query")
        for layer in (self.query_norm, self.to_source, self.norm):
            layer.build(width)

    def call(self, target: Seq, memory: Seq, forward: Forward) -> Any:
        h_BLH = self.lstm(target.values_BLD, target.real_BL, forward)
        return self._read(h_BLH, self.to_source.memory(memory), forward)

    def start(self, memory: Seq, beams: int) -> dict[str, Any]:
        """Return the memory's keys and values, and the LSTM's initial state of `beams` rows for each row of memory."""
        rows = ops.shape(memory.values_BLD)[0] * beams
        return {"memory": self.to_source.memory(memory), "lstm": self.lstm.initial_state(rows)}

    def step(self, state: dict[str, Any], x_RD: Any) -> tuple[Any, dict[str, Any]]:
        """Return (output float[R, D], next state) for one position."""
        h_RH, lstm = self.lstm.step(state["lstm"], x_RD, ops.zeros((), "int32"), "")
        examples = ops.shape(state["memory"][0])[0]
        h_BJH = ops.reshape(h_RH, (examples, -1, h_RH.shape[-1]))  # beams of an example read one memory
        y_BJD = self._read(h_BJH, state["memory"], Forward())
        return ops.reshape(y_BJD, ops.shape(x_RD)), {**state, "lstm": lstm}

    def select(self, state: dict[str, Any], rows_R: Any) -> dict[str, Any]:
        return {**state, "lstm": tuple(ops.take(x_RH, rows_R, axis=0) for x_RH in state["lstm"])}

    def _read(self, h_BLH: Any, memory: tuple[Any, Any, Any], forward: Forward) -> Any:
        h_BLH = dropout(h_BLH, self.dropout, forward, f"{self.path}/lstm")
        q_BLD = self.query_norm(ops.matmul(h_BLH, self.query_HD))
        y_BLD = self.to_source(q_BLD, memory, forward)
        return self.norm(q_BLD + dropout(y_BLD, self.dropout, forward, f"{self.path}/source/out"))
