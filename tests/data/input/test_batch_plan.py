"""Batch plans: the examples of each batch."""

import itertools

import numpy as np
import pytest

from t2t_mm.data.input.batch_plan import BatchPlan


def same(length):
    return length


def image(length):
    return 16


def plan(lengths_NF, batch_size=64, buckets=4, key=("seed", "p", "train"), positions=None, kept=None):
    lengths_NF = np.array(lengths_NF)
    return BatchPlan(lengths_NF, positions or [same] * lengths_NF.shape[1], batch_size, buckets, key, kept)


def skewed(examples=2000, seed=0):
    """Lengths as sentences have them: most short, a long tail, targets near their inputs."""
    random = np.random.default_rng(seed)
    inputs_N = np.clip(random.lognormal(2.7, 0.5, examples), 2, 200).astype(int)
    targets_N = np.clip(inputs_N * random.uniform(0.8, 1.4, examples), 2, 220).astype(int)
    return np.stack([inputs_N, targets_N], axis=1)


def epoch(made, number):
    return [made.batch(position) for position in range(number * len(made), (number + 1) * len(made))]


def test_an_epoch_takes_every_example_exactly_once():
    made = plan(skewed())
    for number in (0, 1, 5):
        examples = np.concatenate([examples for _, _, examples in epoch(made, number)])
        assert sorted(examples) == list(range(2000))


def test_every_example_fits_its_batch_and_no_batch_is_over_the_budget():
    lengths_NF = skewed()
    made = plan(lengths_NF, batch_size=256)
    for _, bucket, examples in epoch(made, 0):
        assert (lengths_NF[examples] <= bucket.lengths).all()
        assert 1 <= len(examples) <= bucket.rows
        assert bucket.rows == max(1, 256 // max(bucket.lengths))


def test_the_shapes_are_few_and_the_same_in_every_epoch():
    made = plan(skewed(), buckets=4)
    shapes = [{(bucket.rows, bucket.lengths) for _, bucket, _ in epoch(made, number)} for number in (0, 3)]
    assert shapes[0] == shapes[1] and len(shapes[0]) <= 4
    assert all(length % 4 == 0 for _, lengths in shapes[0] for length in lengths)


def test_a_position_is_an_epoch_and_an_index_and_needs_no_history():
    made, again = plan(skewed()), plan(skewed())
    far = 3 * len(made) + 2
    walked = list(map(made.batch, range(far + 1)))[far]
    number, _, examples = again.batch(far)
    assert number == walked[0] == 3
    assert examples.tolist() == walked[2].tolist()


def test_epochs_differ_in_the_order_of_examples_and_of_batches():
    made = plan(skewed())
    first, second = epoch(made, 0), epoch(made, 1)
    assert [bucket.lengths for _, bucket, _ in first] != [bucket.lengths for _, bucket, _ in second]
    assert {tuple(sorted(examples)) for _, _, examples in first} != {
        tuple(sorted(examples)) for _, _, examples in second
    }


def test_another_seed_or_problem_gives_another_order():
    orders = [
        [examples.tolist() for _, _, examples in epoch(plan(skewed(), key=key), 0)]
        for key in ((1, "p", "train"), (2, "p", "train"), (1, "q", "train"))
    ]
    assert all(one != other for one, other in itertools.combinations(orders, 2))


def test_only_the_kept_examples_are_planned_and_keep_their_numbers():
    made = plan([[5], [900], [6], [7]], kept=np.array([0, 2, 3]))
    assert sorted(np.concatenate([examples for _, _, examples in epoch(made, 0)])) == [0, 2, 3]
    assert max(bucket.lengths for bucket in made.buckets) == (8,)


def test_lengths_that_do_not_vary_make_one_bucket_of_that_length():
    made = plan([[1, 1]] * 100, batch_size=160, positions=[image, same])
    (bucket,) = made.buckets
    assert bucket.lengths == (1, 1) and bucket.rows == 10 and len(made) == 10


def test_images_with_captions_are_bucketed_by_caption():
    made = plan([[1, 5]] * 40 + [[1, 30]] * 40, batch_size=64, buckets=2, positions=[image, same])
    assert [(bucket.lengths, bucket.rows) for bucket in made.buckets] == [((1, 8), 4), ((1, 32), 2)]


@pytest.mark.parametrize("examples", [1, 2, 5])
def test_a_handful_of_examples_works(examples):
    made = plan(skewed(examples), buckets=8)
    assert sorted(np.concatenate([taken for _, _, taken in epoch(made, 0)])) == list(range(examples))


def test_an_example_longer_than_the_budget_gets_a_batch_of_one_row():
    made = plan([[1000]], batch_size=64)
    assert made.buckets[0].rows == 1 and made.buckets[0].lengths == (1000,)


def test_the_ends_of_buckets_are_the_best_there_are():
    lengths_N1 = np.repeat([4, 8, 12, 28, 40], [30, 25, 9, 6, 2])[:, None]
    made = plan(lengths_N1, batch_size=80, buckets=3)

    def positions_computed(ends):
        total, before = 0, 0
        for end in ends:
            rows = 80 // end
            count = ((lengths_N1 > before) & (lengths_N1 <= end)).sum()
            total, before = total + -(-count // rows) * rows * end, end
        return total

    chains = [(*ends, 40) for k in range(3) for ends in itertools.combinations([4, 8, 12, 28], k)]
    assert positions_computed([bucket.lengths[0] for bucket in made.buckets]) == min(map(positions_computed, chains))
    assert sum(len(bucket.examples) for bucket in made.buckets) == len(lengths_N1)


def test_buckets_leave_less_padding_than_equal_shares_of_the_examples():
    lengths_NF = skewed()
    made = plan(lengths_NF, batch_size=1024, buckets=8)
    order = np.argsort(lengths_NF[:, 1], kind="stable")
    positions_available = 0
    for share in np.array_split(order, 8):
        ends = -(-lengths_NF[share].max(axis=0) // 4) * 4
        rows = 1024 // ends.max()
        positions_available += -(-len(share) // rows) * rows * ends.sum()
    planned = sum(bucket.batches * bucket.rows * sum(bucket.lengths) for bucket in made.buckets)
    assert lengths_NF.sum() / positions_available < lengths_NF.sum() / planned
    assert lengths_NF.sum() / planned > 0.7


def test_the_largest_batch_has_the_shape_that_takes_the_most_positions():
    made = plan(skewed(), batch_size=512, buckets=5)
    _, bucket, examples = made.batch(made.largest())
    assert bucket.rows * sum(bucket.lengths) == max(other.rows * sum(other.lengths) for other in made.buckets)
    assert made.largest() < len(made) and len(examples)
