"""TensorBoard summaries of a problem at an evaluation: its fixed example, attention maps and the load of experts.

`examples-<problem>/card` is text; `.../input`, `.../attention` and `.../attention_by_layer` are images;
`experts-<problem>/load` and `.../importance` are images; `experts-<problem>/<layer>/variation`,
`.../importance_variation` and `.../busiest` are scalars; `ordering-<problem>/scalings` is an image. Summaries that a
model does not have are left out, such as attention maps of a body without attention.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.evaluation.fixed_example import FixedExample, right_answers
from t2t_mm.feature import Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.train.summaries.activations import ActivationReader, GreedyOutput
from t2t_mm.train.summaries.attention_images import panels
from t2t_mm.train.summaries.events import Summaries
from t2t_mm.train.summaries.expert_images import bars, variation
from t2t_mm.train.summaries.ordering_images import ordering
from t2t_mm.train.summaries.source_views import View, pieces, view

CLASSES = 5  # likeliest classes that are named
CUT = " ..."  # after an output without an end symbol


def problem_summaries(reader: ActivationReader, ready: GeneratedProblem, example: FixedExample) -> Summaries:
    """Return all summaries of a problem, computed with the current weights."""
    shown = Summaries()
    name, target = ready.name, ready.codecs["targets"]
    card, source, value = [("example", example.id)], None, None
    if "inputs" in ready.codecs:
        codec, stored = ready.codecs["inputs"], example.stored["inputs"]
        source, value = view(codec, stored, reader.hparams), codec.value(stored)
        card.append(("input", source.words))
        if (image := source.image()) is not None:
            shown.images[f"examples-{name}/input"] = image
    if reader.generates(ready):
        output = reader.greedy_output(ready, example)
        card.append(("output", target.show(output.ids_T, value) + ("" if output.complete else CUT)))
        if source is not None:
            maps = attention_maps(source, target, output)
            shown.images.update({f"examples-{name}/{kind}": drawn for kind, drawn in maps.items()})
    else:
        windows = example.windows(ready.codecs, reader.hparams)
        probabilities = [reader.probabilities(ready, window) for window in windows]
        card.append(("output", likeliest(target, probabilities, value, reader.hparams)))
        for share_JK in reader.ordering(ready, windows[0]).values():
            title = f"{name}: how much of each layer goes in at each depth"
            shown.images[f"ordering-{name}/scalings"] = ordering(share_JK, title)
    card += [("right", text) for text in right_answers(target, example.stored["targets"], value)]
    shown.texts[f"examples-{name}/card"] = card
    shares = reader.expert_shares(ready)
    if shares.load:
        shown.images[f"experts-{name}/load"] = bars(shares.load, f"{name}: load, how often each expert is chosen")
        title = f"{name}: importance, each expert's share of the gate values"
        shown.images[f"experts-{name}/importance"] = bars(shares.importance, title)
    for layer, share_E in shares.importance.items():
        shown.scalars[f"experts-{name}/{layer}/importance_variation"] = variation(share_E)
    for layer, share_E in shares.load.items():
        shown.scalars[f"experts-{name}/{layer}/variation"] = variation(share_E)
        shown.scalars[f"experts-{name}/{layer}/busiest"] = float(share_E.max())
    return shown


def attention_maps(source: View, target: Codec, output: GreedyOutput) -> dict[str, Image.Image]:
    """Return images of the attention to the input: the mean over all layers, and each layer by itself.

    The dictionary is empty if no layer attends to more than one position.
    """
    maps = {layer: weights_TS for layer, weights_TS in output.attention.items() if weights_TS.shape[1] > 1}
    if len({weights_TS.shape for weights_TS in maps.values()}) != 1:
        return {}
    rows = pieces(target, output.ids_T.tolist())
    mean_TS = np.mean(list(maps.values()), axis=0)
    drawn = {
        "attention": source.map(mean_TS, rows, f"attention to the input, mean of {len(maps)} layers and all heads")
    }
    if len(maps) > 1:
        drawn["attention_by_layer"] = panels(maps, "attention by layer: rows are the output, columns the input")
    return drawn


def likeliest(target: Codec, probabilities: Sequence[np.ndarray], source: Any, hparams: DataHparams) -> str:
    """Return the names of the likeliest classes with their probabilities, the likeliest first.

    `probabilities` are those of each window of `source`, float[V].
    """
    best = target.joined(probabilities, source, hparams)[:CLASSES]
    return ", ".join(f"{name} {probability:.1%}" for name, probability in best)
