"""Generated batches for any port: seven examples of different lengths and an empty row, with noise in the pads.

B rows, L and T positions.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from t2t_mm.feature import Arrays, Port, Signature
from t2t_mm.hparam_set import DataHparams

LENGTHS_B = np.array([5, 3, 1, 5, 4, 5, 2, 0], "int32")  # enough for batch norms to have a variance at every position
ROWS = len(LENGTHS_B)
POSITIONS = 6  # of a text
FRAMES, SAMPLES = 48, 10240  # of an audio clip: about ten positions of a body
BINS = 80  # of a spectrum

Make = Callable[[Port, DataHparams, np.random.Generator], Arrays]
Features = Mapping[str, Arrays]  # "inputs", if the problem has any, and "targets"


def text(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    """Return ids of which no two neighbours are equal."""
    first_B1 = np.resize(rng.permutation(port.size - 2), (ROWS, 1))
    ids_BL = 2 + (first_B1 + np.arange(POSITIONS) * rng.integers(1, 3, (ROWS, 1))) % (port.size - 2)
    return {"ids": ids_BL.astype("int32"), "lengths": LENGTHS_B}


def passage(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    """Return texts, each with a question about it."""
    question = text(port, data, rng)
    lengths_B = np.array([2, 4, 1, 3, 4, 2, 1, 0], "int32")
    return text(port, data, rng) | {"question": question["ids"][:, :4], "question_lengths": lengths_B}


def sentences(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    """Return lines of ids of two sentences each."""
    arrays = text(port, data, rng)
    return arrays | {"segments": np.sort(rng.integers(0, 2, (ROWS, POSITIONS)), axis=1).astype("int32")}


def masked_words(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    """Return targets of BERT: first, whether the second sentence is the next; then the masked words."""
    places_BT = np.minimum(np.array([0, 2, 4], "int32"), np.maximum(LENGTHS_B - 1, 0)[:, None])
    ids_BT = rng.integers(2, port.size - 2, places_BT.shape).astype("int32")
    ids_BT[:, 0] = port.size - 1 - np.arange(ROWS) % 2
    return {"places": places_BT, "ids": ids_BT, "lengths": (LENGTHS_B + 1) // 2}


def label(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    classes_B = rng.integers(0, port.size, ROWS).astype("int32")
    classes_B[-1] = -1
    return {"class": classes_B}


def image(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    side = data.image_size
    return {"pixels": rng.integers(0, 256, (ROWS, side, side, 3)).astype("uint8")}


def spectrum(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    lengths_B = LENGTHS_B * (FRAMES // 5)
    return {"frames": rng.normal(size=(ROWS, FRAMES, BINS)).astype("float32"), "lengths": lengths_B}


def waveform(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    lengths_B = LENGTHS_B * (SAMPLES // 5)
    return {"samples": rng.normal(0, 0.1, (ROWS, SAMPLES)).astype("float32"), "lengths": lengths_B}


def scan(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    return {"values": rng.integers(0, 256, (ROWS, POSITIONS, port.size)).astype("uint8"), "lengths": LENGTHS_B}


def vector(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    return {"values": rng.normal(size=(ROWS, port.size)).astype("float32")}


def span(port: Port, data: DataHparams, rng: np.random.Generator) -> Arrays:
    """Return the first and the last position of a span of the inputs; the last is never before the first."""
    first_B = np.minimum(np.arange(ROWS) % 3, LENGTHS_B - 1)
    return {"places": np.stack([first_B, np.where(LENGTHS_B > 0, LENGTHS_B - 1, -1)], axis=1).astype("int32")}


INPUTS: dict[str, Make] = {
    "text": text,
    "image": image,
    "audio_spectral": spectrum,
    "audio_waveform": waveform,
    "scan": scan,
    "passage": passage,
    "vector": vector,
    "sentences": sentences,
}
TARGETS: dict[str, Make] = {"text": text, "label": label, "sentences": masked_words, "span": span}

WORDS, SENTENCES = Port("text", "text_words", 11), Port("sentences", "sentences_words", 20)
IMAGE, ROW = Port("image", "image", 0), Port("vector", "vector_row", 3)
AUDIO = Port("audio_spectral", "audio", 0)
SIZE, TONE = Port("label", "label_size", 3), Port("label", "label_tone", 4)

COMMON_INPUTS = ("text",)  # tried on a body that reads any modality, besides those that it names nets for
PROBLEMS = {  # of every kind; a model is tried on those that it can learn
    "translate": Signature(WORDS, WORDS, "to-german"),
    "write": Signature(None, WORDS, "generic"),
    "transcribe": Signature(AUDIO, WORDS, "to-english"),
    "tone": Signature(WORDS, TONE, "to-label"),
    "name": Signature(IMAGE, SIZE, "to-label"),
    "speaker": Signature(AUDIO, SIZE, "to-label"),
    "digits": Signature(Port("scan", "scan_4", 4), SIZE, "to-label"),
    "ask": Signature(Port("passage", "passage_news", 11), SIZE, "to-label"),
    "table": Signature(ROW, SIZE, "to-label"),
    "other_table": Signature(Port("vector", "vector_other", 4), TONE, "to-label"),
    "hidden": Signature(SENTENCES, SENTENCES, "to-words"),
    "order": Signature(SENTENCES, SIZE, "to-label"),
    "answer": Signature(SENTENCES, Port("span", "span", 0), "to-span"),
}


def make_batch(signature: Signature, data: DataHparams) -> Features:
    """Return the batch of a problem, the same at each call. Raises KeyError for a modality without examples."""
    batch = {"targets": TARGETS[signature.targets.modality](signature.targets, data, np.random.default_rng(1))}
    if signature.inputs is not None:
        batch["inputs"] = INPUTS[signature.inputs.modality](signature.inputs, data, np.random.default_rng(0))
    return batch


def with_more_pads(features: Features, more: int) -> Features:
    """Return the same examples with `more` pads at the end, and noise in all pads."""
    rng = np.random.default_rng(2)
    return {name: {key: _pad(arrays, key, more, rng) for key in arrays} for name, arrays in features.items()}


def take_rows(features: Features, rows: Sequence[int] | np.ndarray) -> Features:
    """Return the examples of `rows`, in that order."""
    rows_N = np.asarray(rows)
    return {name: {key: array[rows_N] for key, array in arrays.items()} for name, arrays in features.items()}


def lengths_of(arrays: Arrays, key: str) -> np.ndarray | None:
    """Return the length of the array `key` in each row, int32[B]; None for an array without lengths."""
    if arrays[key].ndim < 2:
        return None
    return arrays.get(f"{key}_lengths", arrays.get("lengths"))


def _pad(arrays: Arrays, key: str, more: int, rng: np.random.Generator) -> np.ndarray:
    array, lengths_B = arrays[key], lengths_of(arrays, key)
    if lengths_B is None:
        return array
    shape = (array.shape[0], array.shape[1] + more, *array.shape[2:])
    noise = rng.choice(array.reshape(-1), shape)  # of the array's own values
    if array.dtype.kind == "f":
        noise = 50 * noise
    real = np.arange(shape[1])[None] < lengths_B[:, None]
    longer = np.concatenate([array, noise[:, : shape[1] - array.shape[1]]], axis=1)
    return np.where(real.reshape(real.shape + (1,) * (array.ndim - 2)), longer, noise).astype(array.dtype)
