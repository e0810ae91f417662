"""Draw the synthetic images: coloured shapes on grey, with noise over all of it."""

import io

import numpy as np

SIDE = 32  # pixels
TINT = 25.0  # how far each of a colour's three parts may be from its name's
GREYS = (80.0, 180.0)  # of what is behind the shapes
COLOURS = {"red": (205, 50, 50), "green": (50, 190, 60), "blue": (55, 70, 210)}
SHAPES = {  # corners of a shape of radius 1 about its centre, x to the right and y down; none: a circle
    "circle": (),
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "triangle": ((0.0, -1.0), (1.0, 0.9), (-1.0, 0.9)),
}


def tint(colour: str, rng: np.random.Generator) -> np.ndarray:
    """Return float[3]: a random tint of red, green or blue."""
    return np.array(COLOURS[colour]) + rng.uniform(-TINT, TINT, size=3)


def coverage(shape: str, centre_2: np.ndarray, radius: float) -> np.ndarray:
    """Return float[H, W] in 0..1: the share of each pixel that the shape covers, measured at 4x4 points."""
    from PIL import Image as Images
    from PIL import ImageDraw

    canvas = Images.new("L", (4 * SIDE, 4 * SIDE))
    pen = ImageDraw.Draw(canvas)
    if SHAPES[shape]:
        pen.polygon([tuple(4 * (centre_2 + radius * np.array(corner))) for corner in SHAPES[shape]], fill=255)
    else:
        pen.ellipse([*4 * (centre_2 - radius), *4 * (centre_2 + radius)], fill=255)
    fine_HW = np.asarray(canvas, dtype=np.float64) / 255
    return fine_HW.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))


def over(inside_HW: np.ndarray, tint_3: np.ndarray, behind: np.ndarray | float) -> np.ndarray:
    """Return float[H, W, 3]: the tint where the shape covers, `behind` elsewhere."""
    return inside_HW[..., None] * tint_3 + (1 - inside_HW[..., None]) * behind


def noisy_png(clean_HW3: np.ndarray, noise: float, rng: np.random.Generator) -> bytes:
    """Return the image with Gaussian noise as the bytes of a PNG. `noise` is in grey levels of 256."""
    from PIL import Image as Images

    pixels_HW3 = np.clip(clean_HW3 + rng.normal(0, noise, clean_HW3.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Images.fromarray(pixels_HW3).save(file, "png")
    return file.getvalue()
