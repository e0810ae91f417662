"""The commands, one a file."""

if __name__ != "t2t_mm.bin":
    raise ImportError(f"import this folder as t2t_mm.bin, not as {__name__}: one folder has one name")
