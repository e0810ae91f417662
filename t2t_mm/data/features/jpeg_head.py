"""What the head of a JPEG says, without decoding it (ISO/IEC 10918-1, annex B)."""

START = b"\xff\xd8"
END = b"\xff\xd9"
FRAMES = (0xC0, 0xC1, 0xC2)  # markers of what is met with: baseline, extended, progressive
SCAN = 0xDA  # the marker that the picture itself begins with
BITS, COMPONENTS = 8, (1, 3, 4)  # of a sample, and grey, colours or those of print


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Height and width in pixels of a usual JPEG that reaches to its end marker; None for all else.

    The segments of the head are walked through: marker, length, content.
    """
    if not (data.startswith(START) and data.endswith(END)):
        return None
    size, place, last = None, len(START), len(data) - 10
    while place < last and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == SCAN:
            return size
        if marker in FRAMES and data[place + 4] == BITS and data[place + 9] in COMPONENTS:
            height, width = int.from_bytes(data[place + 5 : place + 7]), int.from_bytes(data[place + 7 : place + 9])
            size = (height, width) if height and width else None
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None
