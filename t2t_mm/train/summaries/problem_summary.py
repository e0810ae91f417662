"""What TensorBoard shows of a problem at an evaluation: its fixed example, where the net looked, who did the work.

`examples-<problem>/card` is text; `.../input`, `.../attention` and `.../attention_by_layer` are pictures;
`experts-<problem>/load` and `.../importance` are pictures, `experts-<problem>/<layer>/variation`,
`.../importance_variation` and `.../busiest` are scalars; `ordering-<problem>/scalings` is a picture. What there is not,
such as attention in a body without any, is left out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.evaluation.fixed_example import FixedExample, right_answers
from t2t_mm.feature import Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.train.summaries.activations import ActivationReader, Written
from t2t_mm.train.summaries.attention_images import panels
from t2t_mm.train.summaries.events import Exhibit
from t2t_mm.train.summaries.expert_images import bars, variation
from t2t_mm.train.summaries.ordering_images import ordering
from t2t_mm.train.summaries.source_views import View, pieces, view

CLASSES = 5  # likeliest classes that are named
CUT = " ..."  # behind an output that came to no end


def exhibit(looker: ActivationReader, ready: GeneratedProblem, example: FixedExample) -> Exhibit:
    """Everything there is to see of a problem, with the weights as they stand."""
    shown = Exhibit()
    name, target = ready.name, ready.codecs["targets"]
    card, source, value = [("example", example.id)], None, None
    if "inputs" in ready.codecs:
        codec, stored = ready.codecs["inputs"], example.stored["inputs"]
        source, value = view(codec, stored, looker.hparams), codec.value(stored)
        card.append(("input", source.words))
        if (picture := source.picture()) is not None:
            shown.pictures[f"examples-{name}/input"] = picture
    if looker.generates(ready):
        written = looker.written(ready, example)
        card.append(("output", target.show(written.ids_T, value) + ("" if written.whole else CUT)))
        if source is not None:
            maps = attention_maps(source, target, written)
            shown.pictures.update({f"examples-{name}/{kind}": drawn for kind, drawn in maps.items()})
    else:
        windows = example.windows(ready.codecs, looker.hparams)
        said = [looker.probabilities(ready, window) for window in windows]
        card.append(("output", likeliest(target, said, value, looker.hparams)))
        for share_JK in looker.ordering(ready, windows[0]).values():
            title = f"{name}: how much of each layer goes in at each depth"
            shown.pictures[f"ordering-{name}/scalings"] = ordering(share_JK, title)
    card += [("right", text) for text in right_answers(target, example.stored["targets"], value)]
    shown.texts[f"examples-{name}/card"] = card
    work = looker.work(ready)
    if work.load:
        shown.pictures[f"experts-{name}/load"] = bars(work.load, f"{name}: how often each expert is chosen")
        shown.pictures[f"experts-{name}/importance"] = bars(work.importance, f"{name}: what each expert's word weighs")
    for layer, share_E in work.importance.items():
        shown.scalars[f"experts-{name}/{layer}/importance_variation"] = variation(share_E)
    for layer, share_E in work.load.items():
        shown.scalars[f"experts-{name}/{layer}/variation"] = variation(share_E)
        shown.scalars[f"experts-{name}/{layer}/busiest"] = float(share_E.max())
    return shown


def attention_maps(source: View, target: Codec, written: Written) -> dict[str, Image.Image]:
    """The mean of all layers over the input, and each layer by itself; none where there is no choice where to look."""
    maps = {layer: weights_TS for layer, weights_TS in written.attention.items() if weights_TS.shape[1] > 1}
    if len({weights_TS.shape for weights_TS in maps.values()}) != 1:
        return {}
    rows = pieces(target, written.ids_T.tolist())
    mean_TS = np.mean(list(maps.values()), axis=0)
    drawn = {
        "attention": source.map(mean_TS, rows, f"attention to the input, mean of {len(maps)} layers and all heads")
    }
    if len(maps) > 1:
        drawn["attention_by_layer"] = panels(maps, "attention by layer: rows are the output, columns the input")
    return drawn


def likeliest(target: Codec, said: Sequence[np.ndarray], source: Any, hparams: DataHparams) -> str:
    """The likeliest classes by name, best first, with what the net gives them: float[V] of each window of `source`."""
    best = target.joined(said, source, hparams)[:CLASSES]
    return ", ".join(f"{name} {probability:.1%}" for name, probability in best)
