"""TF_CONFIG lists the workers of a run."""

import json

import pytest

from t2t_mm.errors import UserError
from t2t_mm.train.distributed.cluster_spec import ClusterSpec, parse_cluster_spec

WORKERS = ["host1:2222", "host2:2222"]


def config(cluster, **task):
    return json.dumps({"cluster": cluster, "task": task})


@pytest.mark.parametrize("text", [None, "", "{}", config({"worker": ["host1:2222"]}, type="worker", index=0)])
def test_without_a_second_worker_there_is_no_cluster(text):
    assert parse_cluster_spec(text) is None


def test_a_worker_is_one_of_those_listed():
    assert parse_cluster_spec(config({"worker": WORKERS}, type="worker", index=1)) == ClusterSpec(tuple(WORKERS), 1)


def test_a_chief_comes_before_the_workers():
    cluster = {"worker": ["b:1"], "chief": ["a:1"]}
    assert parse_cluster_spec(config(cluster, type="chief", index=0)) == ClusterSpec(("a:1", "b:1"), 0)
    assert parse_cluster_spec(config(cluster, type="worker", index=0)) == ClusterSpec(("a:1", "b:1"), 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("workers", "is not a JSON object of the expected form"),
        ("[]", "is not a JSON object of the expected form"),
        (config({"worker": WORKERS, "ps": ["c:1"]}, type="worker", index=0), "tasks of type ps"),
        (config({"worker": WORKERS}, type="worker", index=2), "worker 2, but its cluster does not list that one"),
        (config({"worker": WORKERS}, type="evaluator", index=0), "evaluator 0"),
    ],
)
def test_a_text_of_another_form_is_refused(text, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_cluster_spec(text)


def test_with_two_workers_the_other_one_is_named_as_lost():
    assert "worker 1 (host2:2222) has ended" in ClusterSpec(tuple(WORKERS), 0).worker_lost([])


def test_with_more_workers_the_one_that_did_not_answer_is_named_if_it_is_known():
    three = ClusterSpec(("a:1", "b:1", "c:1"), 0)
    assert "stops: worker 2 (c:1) has" in three.worker_lost([0, 2])
    assert "one of worker 1 (b:1) and worker 2 (c:1)" in three.worker_lost([])
