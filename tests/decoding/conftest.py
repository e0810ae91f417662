"""A net small enough to decode by hand: the next id depends on the source, the last id and the one before it."""

import keras
import numpy as np
import pytest
from keras import ops

from t2t_mm.data.features.label import LabelCodec
from t2t_mm.errors import UserError
from t2t_mm.feature import ArraySpec, Codec, Port, Signature
from t2t_mm.layers.sequence import Seq

SYMBOLS = 5  # 0 pad (also what decoding starts from; "spell_too" starts from "a"), 1 end, and three letters
LETTERS = "_.abc"


class ChainNet(keras.layers.Layer):
    """A net that decodes by a table probability[source, before, last, next]; inputs from "a" on are source 0, 1, 2."""

    longest = None

    def __init__(self, probability_SVVV):
        super().__init__()
        self.table = self.add_weight(shape=probability_SVVV.shape, initializer="zeros", name="table")
        with np.errstate(divide="ignore"):
            self.table.assign(np.log(probability_SVVV))
        text = Port("text", "letters", SYMBOLS)
        self.signatures = {
            "spell": Signature(text, text, "generic"),
            "spell_too": Signature(text, text, "other"),
            "name": Signature(text, Port("label", "label_size", 3), "generic"),
            "write": Signature(None, text, "generic"),
        }
        self.built = True

    def kind(self, problem):
        return self.signatures[problem].inputs, self.signatures[problem].targets

    def generates(self, problem):
        return problem != "name"

    def encode(self, problem, inputs, forward, rows=None):
        if inputs is None:  # source 0
            return Seq(ops.zeros((rows, 1, 1)), ops.ones((rows, 1), "bool"))
        source_BL = ops.cast(ops.maximum(inputs["ids"] - 2, 0), "float32")
        real_BL = ops.arange(ops.shape(source_BL)[1])[None, :] < inputs["lengths"][:, None]
        return Seq(source_BL[:, :, None], real_BL)

    def start(self, problem, memory, positions):
        source_B = ops.cast(memory.values_BLD[:, 0, 0], "int32")
        return {"source": source_B, "before": ops.zeros_like(source_B)}

    def start_beams(self, problem, memory, positions, beams):
        return self.start(problem, memory.repeated(beams), positions)

    def select(self, problem, state, rows_B):
        return {"source": state["source"], "before": ops.take(state["before"], rows_B)}

    def first(self, problem, rows):
        return self.embed(problem, ops.full((rows, 1), 2 if problem == "spell_too" else 0, "int32"))

    def embed(self, problem, ids_B1):
        return ops.cast(ids_B1[:, :, None], "float32")

    def step(self, problem, state, x_B1D):
        last_B = ops.cast(x_B1D[:, 0, 0], "int32")
        row_B = (state["source"] * SYMBOLS + state["before"]) * SYMBOLS + last_B
        logits_BV = ops.take(ops.reshape(self.table, (-1, SYMBOLS)), row_B, axis=0)
        return logits_BV, {"source": state["source"], "before": last_B}

    def classify(self, problem, memory):
        return memory.values_BLD[:, 0] * np.log([[1.0, 2.0, 5.0]]).astype("float32")


class LettersCodec(Codec):
    """The codec of lines of the letters a, b, c; an end is added, as to any text."""

    port = Port("text", "letters", SYMBOLS)

    def store(self, value):
        if set(value) - set("abc"):
            raise UserError(f"{value!r} holds other letters than a, b and c.")
        return bytes([*(LETTERS.index(letter) for letter in value), 1])

    def store_beginning(self, value):
        return self.store(value)[:-1]

    def length(self, stored):
        return len(stored)

    def load(self, stored, hparams, augment):
        return np.frombuffer(stored, np.uint8).astype(np.int32)

    def batch(self, values, rows, length):
        ids_BL, lengths_B = np.zeros((rows, length), np.int32), np.zeros(rows, np.int32)
        for row, ids in enumerate(values):
            ids_BL[row, : len(ids)], lengths_B[row] = ids, len(ids)
        return {"ids": ids_BL, "lengths": lengths_B}

    def spec(self, hparams):
        return {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}

    def value(self, stored):
        raise NotImplementedError

    def symbols(self, stored):
        raise NotImplementedError

    def positions(self, length, hparams):
        return length

    def parse(self, line, folder):
        return line

    def show(self, output, source=None):
        return "".join(LETTERS[id] for id in output) + f" from {source}"


@pytest.fixture(scope="session")
def letters():
    """Return the codecs for the problems of a ChainNet."""
    text = {"inputs": LettersCodec(), "targets": LettersCodec()}
    sizes = {"inputs": LettersCodec(), "targets": LabelCodec("size", ("small", "middle", "large"))}
    return {"spell": text, "spell_too": text, "name": sizes, "write": {"targets": LettersCodec()}}


def table(*sources):
    """Return the table of sources, each {last id: {next id: probability}}; END follows an id that is not named."""
    probability_SVVV = np.zeros((len(sources), SYMBOLS, SYMBOLS, SYMBOLS))
    probability_SVVV[..., 1] = 1.0
    for source, rows in enumerate(sources):
        for last, nexts in rows.items():
            probability_SVVV[source, :, last] = [nexts.get(id, 0.0) for id in range(SYMBOLS)]
    return probability_SVVV


@pytest.fixture
def chain_net():
    """Make a net from tables of the first order, one for each source."""
    return lambda *sources: ChainNet(table(*sources))


@pytest.fixture
def random_net():
    """Make a net with random second-order tables, for `sources` sources; return it and the tables."""

    def make(seed, sources=1):
        probability_SVVV = np.random.default_rng(seed).dirichlet([0.7] * (SYMBOLS - 1), (sources, SYMBOLS, SYMBOLS))
        probability_SVVV = np.pad(probability_SVVV, [(0, 0), (0, 0), (0, 0), (1, 0)])
        return ChainNet(probability_SVVV), probability_SVVV

    return make


@pytest.fixture
def memory_of():
    """Make a memory whose row b is source `sources[b]`."""
    return lambda *sources: Seq(np.array(sources, "float32")[:, None, None], np.ones((len(sources), 1), bool))
