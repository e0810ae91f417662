"""What every model must hold to, as checks that the author of one runs on their own: see docs/models.md.

from t2t_mm.testing import CHECKS, subject

@pytest.mark.parametrize("check", CHECKS)
def test_my_model(check):
    CHECKS[check](subject("my_model_tiny"))
"""

from t2t_mm.testing.checks import CHECKS
from t2t_mm.testing.promise import PromiseBroken
from t2t_mm.testing.subject import Subject, smallest_set, subject

__all__ = ["CHECKS", "PromiseBroken", "Subject", "smallest_set", "subject"]
