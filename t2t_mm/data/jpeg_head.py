"""What the head of a JPEG says, without decoding it (ISO/IEC 10918-1, annex B)."""

START = b"\xff\xd8"
END = b"\xff\xd9"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of frames: baseline, progressive, ...


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Height and width in pixels of a JPEG that reaches to its end marker; None for all else.

    The segments before the picture's frame are walked through: marker, length, content.
    """
    if not (data.startswith(START) and data.endswith(END)):
        return None
    place, last = 2, len(data) - 9
    while place < last and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in FRAMES:
            height, width = int.from_bytes(data[place + 5 : place + 7]), int.from_bytes(data[place + 7 : place + 9])
            return (height, width) if height and width else None
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None
