"""The problems: one file for each corpus, which reads as its data card."""

if __name__ != "t2t_mm.problems":
    raise ImportError(
        f"Import this folder as t2t_mm.problems, not as {__name__}: everything would be registered twice."
    )
