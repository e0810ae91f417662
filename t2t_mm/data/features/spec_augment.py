"""SpecAugment: spectra warped in time, with masked bands of time and frequency (arXiv 1904.08779).

T frames, F frequencies. A mask writes 0, which is the mean of the spectra. Masks may overlap.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SpecAugmentPolicy:
    """The parameters of section 2, table 1 of the paper, with its letters."""

    warp: int  # W: the largest shift of a frame; 0 does not warp
    frequency: int  # F: the largest number of bins of a frequency mask
    frequency_masks: int  # m_F: the number of frequency masks
    time: int | None  # T: the largest number of frames of a time mask; None: only `share` limits it
    share: float  # p: the largest share of a clip's frames in one time mask
    time_masks: int  # m_T: the number of time masks


POLICIES = {
    "LB": SpecAugmentPolicy(80, 27, 1, 100, 1.0, 1),
    "LD": SpecAugmentPolicy(80, 27, 2, 100, 1.0, 2),
    "SM": SpecAugmentPolicy(40, 15, 2, 70, 0.2, 2),
    "SS": SpecAugmentPolicy(40, 27, 2, 70, 0.2, 2),
    # arXiv 2005.08100, section 3.1: F = 27, ten time masks of at most 5 % each. The paper gives neither the number of
    # frequency masks (here two, as in LD) nor says if it warps (here no, as in its sister paper with the same masks).
    "conformer": SpecAugmentPolicy(0, 27, 2, None, 0.05, 10),
}


def spec_augment(frames_TF: np.ndarray, policy: SpecAugmentPolicy, random: np.random.Generator) -> np.ndarray:
    """Return a copy of `frames_TF`, warped and masked by `policy` with random numbers of `random`."""
    frames_TF = time_warp(frames_TF, policy.warp, random)
    frames, frequencies = frames_TF.shape
    for _ in range(policy.frequency_masks):
        begin, end = random_band(frequencies, min(policy.frequency, frequencies), random)
        frames_TF[:, begin:end] = 0.0
    widest = int(policy.share * frames)
    for _ in range(policy.time_masks):
        begin, end = random_band(frames, widest if policy.time is None else min(policy.time, widest), random)
        frames_TF[begin:end] = 0.0
    return frames_TF


def random_band(size: int, widest: int, random: np.random.Generator) -> tuple[int, int]:
    """Return start and end of a mask within `size` positions: width ~ U[0, widest], start ~ U[0, size - width)."""
    width = int(random.integers(widest + 1))
    begin = int(random.integers(max(1, size - width)))
    return begin, begin + width


def time_warp(frames_TF: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Return a copy in which one random frame in (most, T - most) is moved by up to `most` frames.

    The first and the last frame stay in place, and the frames between are stretched evenly. The paper warps the
    spectrogram as an image with six fixed points on its border; along time that is nearly the same. Audio of at most 2
    * most + 1 frames has no such frame and is not warped.
    """
    frames = len(frames_TF)
    if most == 0 or frames <= 2 * most + 1:
        return frames_TF.copy()
    frame = int(random.integers(most + 1, frames - most))
    moved = frame + int(random.integers(-most, most + 1))
    last = frames - 1
    if not 0 < moved < last:
        return frames_TF.copy()
    source_T = np.interp(np.arange(frames), [0, moved, last], [0, frame, last])
    before_T = np.minimum(source_T.astype(int), last - 1)
    share_T1 = (source_T - before_T)[:, None].astype(frames_TF.dtype)
    return (1 - share_T1) * frames_TF[before_T] + share_T1 * frames_TF[before_T + 1]
