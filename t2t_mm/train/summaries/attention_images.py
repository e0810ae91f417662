"""Images of attention maps: the attention from each piece of the output to each position of the source.

A row of a map is a piece of the output, a column is a position of the source. The darker a cell, the greater its share
of the row's attention. T output pieces, S source positions, F frequencies.
"""

from collections.abc import Mapping, Sequence
from math import ceil, isqrt

import numpy as np
from PIL import Image, ImageDraw

from t2t_mm.train.summaries.canvas import FAINT, INK, blank, shades, titled, write
from t2t_mm.train.summaries.lettering import lettered, line_height

CELL = 16  # pixels: the side of a cell in a map whose columns have names
MOST_ROWS, MOST_COLUMNS = 64, 80  # rows and columns of a map that are drawn
LONGEST = 18  # characters of a name; a longer one is cut
FAIR = 0.3  # the darkest shade stands for this weight or more, so that attention to everything is pale
GAP = 6  # pixels between names and map
MAP_WIDTH = 640  # pixels: the width of a map over an audio clip
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between two ticks: the first that leaves space is used
TILE, MOST_TILES, TILES_A_ROW = 80, 24, 8
DIM = 0.3  # brightness of squares without attention
COLOURS = 64  # of all tiles together, so that the files of photographs stay small
PANEL, PANELS_A_ROW = 200, 3  # pixels: the greatest side of a panel


def text_map(weights_TS: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> Image.Image:
    """Return an attention map over a text with the pieces of text along both edges.

    The map stands in the lower right corner, in cells of CELL pixels.

    Args:
        weights_TS: the attention of each output piece to each source position.
        rows: the output's pieces.
        columns: the source's pieces.
        title: the first line above the map.
    """
    cut_TS = weights_TS[:MOST_ROWS, :MOST_COLUMNS]
    names = [lettered(_short(name)).rotate(90, expand=True) for name in columns[: cut_TS.shape[1]]]
    above = blank(cut_TS.shape[1] * CELL, max(name.height for name in names) + GAP)
    for s, name in enumerate(names):
        above.paste(INK, (s * CELL + (CELL - name.width) // 2, above.height - GAP - name.height), name)
    return titled(_framed(rows, _cells(cut_TS, _most(weights_TS), CELL, CELL), above), _lines(title, weights_TS))


def audio_map(
    weights_TS: np.ndarray, rows: Sequence[str], mel_TF: np.ndarray, seconds: float, title: str
) -> Image.Image:
    """Return an attention map over an audio clip, below its spectrogram.

    Args:
        weights_TS: the attention of each output piece to each source position.
        rows: the output's pieces.
        mel_TF: the log-mel frames, float[frames, F]; low frequencies are drawn at the bottom.
        seconds: the length of the audio clip.
        title: the first line above the map.
    """
    folded_TS = _folded(weights_TS, MAP_WIDTH)
    cell = min(CELL, MAP_WIDTH // folded_TS.shape[1])
    cells = _cells(folded_TS[:MOST_ROWS], _most(folded_TS), cell, CELL)
    above = blank(cells.width, mel_TF.shape[1] + line_height() + GAP)
    above.paste(spectrogram(mel_TF, cells.width), (0, 0))
    draw = ImageDraw.Draw(above)
    step = next((tick for tick in TICKS if tick / seconds * cells.width >= 5 * GAP), seconds)
    for k in range(int(seconds / step) + 1):
        x = round(k * step / seconds * cells.width)
        draw.line([(x, mel_TF.shape[1]), (x, above.height)], fill=FAINT)
        label = f"{k * step:g} s"
        if x + 2 + lettered(label).width <= cells.width:
            write(above, x + 2, mel_TF.shape[1], label)
    return titled(_framed(rows, cells, above), _lines(title, folded_TS))


def tiles(weights_TS: np.ndarray, rows: Sequence[str], image_HWC: np.ndarray, title: str) -> Image.Image:
    """Return an attention map over an image: the image once for each piece of the output.

    A square of the image is the brighter, the more attention it got when the piece was generated. The source's
    positions are the squares of the image, row after row.
    """
    side, most = isqrt(weights_TS.shape[1]), _most(weights_TS)
    small_HWC = np.asarray(Image.fromarray(image_HWC).resize((TILE, TILE), Image.Resampling.BILINEAR), np.float32)
    square = np.arange(TILE) * side // TILE
    count = min(len(weights_TS), MOST_TILES)
    across, high = min(count, TILES_A_ROW), TILE + line_height() + GAP
    canvas = blank(across * (TILE + GAP) - GAP, ceil(count / across) * high - GAP)
    for t in range(count):
        light = np.clip(np.nan_to_num(weights_TS[t]) / most, 0, 1).reshape(side, side)[square][:, square]
        lit_HWC = small_HWC * (DIM + (1 - DIM) * light[..., None])
        x, y = t % across * (TILE + GAP), t // across * high
        canvas.paste(Image.fromarray(np.rint(lit_HWC).astype(np.uint8)), (x, y + line_height()))
        name = lettered(rows[t])
        canvas.paste(INK, (x, y), name.crop((0, 0, min(name.width, TILE), name.height)))
    [title, scale] = _lines(title, weights_TS, MOST_TILES)
    image = titled(canvas, [title, scale.replace("darkest", "brightest")])
    return image.quantize(COLOURS, dither=Image.Dither.NONE)


def panels(maps: Mapping[str, np.ndarray], title: str) -> Image.Image:
    """Return the attention map of each layer, small and without names of rows and columns.

    Rows are the output's pieces, columns are the source's positions.
    """
    drawn = {}
    for layer, weights_TS in maps.items():
        folded_TS = _folded(weights_TS, PANEL)[:PANEL]
        cell = max(1, min(8, PANEL // max(folded_TS.shape)))
        drawn[layer] = _cells(folded_TS, _most(folded_TS), cell, cell)
    names = [lettered(layer) for layer in drawn]
    wide = max(part.width for part in [*drawn.values(), *names]) + 2 * GAP
    high = max(cells.height for cells in drawn.values()) + line_height() + 2 * GAP
    across = min(len(drawn), PANELS_A_ROW)
    canvas = blank(wide * across, high * ceil(len(drawn) / across))
    for place, (name, cells) in enumerate(zip(names, drawn.values(), strict=True)):
        x, y = place % across * wide, place // across * high
        canvas.paste(INK, (x, y), name)
        canvas.paste(cells, (x, y + line_height()))
    return titled(canvas, [title])


def spectrogram(mel_TF: np.ndarray, width: int) -> Image.Image:
    """Return log-mel frames, float[frames, F], as a spectrogram `width` pixels wide and F pixels high: dark is loud."""
    low, high = (float(end) for end in np.percentile(mel_TF, (5, 99.5)))
    loud_FT = (mel_TF.T[::-1] - low) / max(high - low, 1e-6)
    return Image.fromarray(shades(loud_FT)).resize((width, mel_TF.shape[1]), Image.Resampling.BILINEAR)


def _cells(weights_TS: np.ndarray, most: float, width: int, height: int) -> Image.Image:
    shaded = shades(weights_TS / most).repeat(height, axis=0).repeat(width, axis=1)
    return Image.fromarray(np.ascontiguousarray(shaded))


def _framed(rows: Sequence[str], cells: Image.Image, above: Image.Image) -> Image.Image:
    """Return the map with names to its left, `above` on top of it, and a thin line along these two edges."""
    names = [lettered(_short(name)) for name in rows[: cells.height // CELL]]
    left = max(name.width for name in names) + GAP
    canvas = blank(left + cells.width, above.height + cells.height)
    canvas.paste(above, (left, 0))
    canvas.paste(cells, (left, above.height))
    for t, name in enumerate(names):
        canvas.paste(INK, (left - GAP - name.width, above.height + t * CELL + (CELL - name.height) // 2), name)
    edge = [(left - 1, canvas.height - 1), (left - 1, above.height - 1), (canvas.width - 1, above.height - 1)]
    ImageDraw.Draw(canvas).line(edge, fill=FAINT)
    return canvas


def _folded(weights_TS: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` columns: if there are more, neighbouring columns are added up."""
    columns = weights_TS.shape[1]
    if columns <= most:
        return weights_TS
    return np.add.reduceat(weights_TS, np.arange(most) * columns // most, axis=1)


def _most(weights: np.ndarray) -> float:
    """Return the weight that the darkest shade stands for."""
    return max(float(np.nan_to_num(weights).max()), FAIR)


def _lines(title: str, weights_TS: np.ndarray, shown: int = MOST_ROWS) -> list[str]:
    pieces = len(weights_TS)
    cut = f"; the first {shown} of {pieces} pieces" if pieces > shown else ""
    return [title, f"darkest: {_most(weights_TS):.2f}{cut}"]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 2] + ".."
