"""SpecAugment: spectra warped in time, and masked in bands of time and of frequency (arXiv 1904.08779).

T frames, F frequencies. A mask writes 0, the mean of the spectra here. Masks may overlap.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Policy:
    """Section 2, table 1 of the paper, by its letters."""

    warp: int  # W: frames by which a moment moves at most; 0 does not warp
    frequency: int  # F: bins that a mask of frequencies has at most
    frequency_masks: int  # m_F
    time: int | None  # T: frames that a mask of time has at most; None: its share alone limits it
    share: float  # p: of a sound's frames that a mask of time has at most
    time_masks: int  # m_T


POLICIES = {
    "LB": Policy(80, 27, 1, 100, 1.0, 1),
    "LD": Policy(80, 27, 2, 100, 1.0, 2),
    "SM": Policy(40, 15, 2, 70, 0.2, 2),
    "SS": Policy(40, 27, 2, 70, 0.2, 2),
    # arXiv 2005.08100, section 3.1: F = 27, ten masks of time of at most 5 % each. It says neither how many masks of
    # frequencies there are (two, as in LD) nor whether it warps (no, as its sister paper with the same masks).
    "conformer": Policy(0, 27, 2, None, 0.05, 10),
}


def spec_augment(frames_TF: np.ndarray, policy: Policy, random: np.random.Generator) -> np.ndarray:
    """A copy of `frames_TF`, warped and masked as `random` says."""
    frames_TF = warped(frames_TF, policy.warp, random)
    moments, frequencies = frames_TF.shape
    for _ in range(policy.frequency_masks):
        begin, end = band(frequencies, min(policy.frequency, frequencies), random)
        frames_TF[:, begin:end] = 0.0
    widest = int(policy.share * moments)
    for _ in range(policy.time_masks):
        begin, end = band(moments, widest if policy.time is None else min(policy.time, widest), random)
        frames_TF[begin:end] = 0.0
    return frames_TF


def band(size: int, widest: int, random: np.random.Generator) -> tuple[int, int]:
    """Begin and end of a mask within `size` places: width ~ U[0, widest], begin ~ U[0, size - width)."""
    width = int(random.integers(widest + 1))
    begin = int(random.integers(max(1, size - width)))
    return begin, begin + width


def warped(frames_TF: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """A copy in which a moment in (most, T - most) stands up to `most` frames earlier or later, first and last frame
    where they were, and what is between them stretched evenly.

    The paper warps the spectrogram as a picture, six points of its border fixed; along time that is nearly the same. A
    sound of no more than 2 * most frames has no such moment and stays as it is.
    """
    moments = len(frames_TF)
    if most == 0 or moments <= 2 * most + 1:
        return frames_TF.copy()
    moment = int(random.integers(most + 1, moments - most))
    moved = moment + int(random.integers(-most, most + 1))
    last = moments - 1
    if not 0 < moved < last:
        return frames_TF.copy()
    source_T = np.interp(np.arange(moments), [0, moved, last], [0, moment, last])
    before_T = np.minimum(source_T.astype(int), last - 1)
    share_T1 = (source_T - before_T)[:, None].astype(frames_TF.dtype)
    return (1 - share_T1) * frames_TF[before_T] + share_T1 * frames_TF[before_T + 1]
