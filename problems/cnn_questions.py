"""CNN questions: news articles, and a sentence about each with one name to fill in.

What: articles whose highlights are made into questions by taking a name out (Hermann et al. 2015, arXiv 1506.03340).
    Names are replaced by `@entity12` and the like, numbered anew in every article, so that the answer is in the article
    and nowhere else; the question holds `@placeholder`.
Splits: their own: training 380,298, validation (dev here) 3,924, test 3,198.
Layout: `cnn/questions/{training,validation,test}/*.question` below --tmp_dir, as the authors' archive unpacks. A file
    holds an address, the article, the question, the answer and the entities, with empty lines between them.
Licence: none stated; the articles are CNN's.
Quirks: articles have 760 words on average and up to 2,000; `qa_cnn_short` keeps the four sentences that share the most
    words with the question (arXiv 1603.09025, appendix), which sometimes lack the answer. Entities keep the
    numbers of their file; the authors draw others for every batch.
"""

from t2t_mm.data.features.label import Label
from t2t_mm.data.features.passage import Passage
from t2t_mm.data.sources.question_files import QuestionFiles
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

FOLDER, HOMEPAGE = "cnn/questions", "cs.nyu.edu/~kcho/DMQA, cnn.tgz"
WORDS = 65_829
ENTITIES = tuple(f"@entity{number}" for number in range(1000))


@PROBLEMS.register
class QaCnn(Problem):
    """News articles with a question to the entity that answers it: CNN."""

    source = QuestionFiles(FOLDER, homepage=HOMEPAGE)
    inputs = Passage("cnn", size=WORDS)
    targets = Label(classes="entities", names=ENTITIES)
    command = "to-label"
    metrics = ("neg_log_perplexity", "accuracy", "accuracy_top5")


@PROBLEMS.register
class QaCnnShort(QaCnn):
    """The same, with the four sentences of the article that share the most words with the question."""

    source = QuestionFiles(FOLDER, sentences=4, homepage=HOMEPAGE)
