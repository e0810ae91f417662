"""Questions about paragraphs of Wikipedia whose answer is a span of the paragraph: SQuAD 1.1.

What: questions that people asked about a paragraph, and the words of it that answer (Rajpurkar et al. 2016, arXiv
    1606.05250). Dev questions were answered by several people.
Splits: train 87,599 questions; dev 10,570. The test set is not published.
Layout: `squad/{train,dev}-v1.1.json` below --tmp_dir, as published.
Licence: CC BY-SA 4.0.
Quirks: a paragraph that is longer than `max_length` ids, including its question, is read in windows, each
    `window_stride` ids after the one before; its question still gets one answer.
"""

from t2t_mm.data.features.question_text import QuestionText
from t2t_mm.data.features.span import Span
from t2t_mm.data.sources.squad_json import SquadJson
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS


@PROBLEMS.register
class QaSquad(Problem):
    """Paragraphs of Wikipedia with a question to the words that answer it: SQuAD 1.1."""

    source = SquadJson("squad", homepage="https://rajpurkar.github.io/SQuAD-explorer")
    inputs = QuestionText()
    targets = Span()
    command = "to-span"
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_per_sequence")
