"""Checks that every model must pass. Authors of models run them on their own: see docs/models.md.

from t2t_mm.testing import CHECKS, subject

@pytest.mark.parametrize("check", CHECKS)
def test_my_model(check):
    CHECKS[check](subject("my_model_tiny"))
"""

from t2t_mm.testing.checks import CHECKS, PromiseBroken
from t2t_mm.testing.subject import Subject, smallest_set, subject

__all__ = ["CHECKS", "PromiseBroken", "Subject", "smallest_set", "subject"]
