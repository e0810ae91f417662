"""Layers built without some of their weights."""

from t2t_mm.layers.layer import Layer, without_weights


class Pair(Layer):
    def build(self):
        self.one = self.add_weight(shape=(2,), name="one")
        self.other = self.add_weight(shape=(3,), name="other")


class Outer(Layer):
    def build(self):
        self.near, self.nearer = Pair(name="near"), Pair(name="nearer")
        self.near.build()
        self.nearer.build()


def built(*omitted):
    layer = Outer(name="net")
    with without_weights(omitted):
        layer.build()
    return {weight.path for weight in layer.weights}


ALL = {f"net/{pair}/{name}" for pair in ("near", "nearer") for name in ("one", "other")}


def test_without_weights_omits_a_weight_or_a_layer_and_no_layer_whose_name_only_begins_the_same():
    assert built() == ALL
    assert built("net/near/one") == ALL - {"net/near/one"}
    assert built("net/near") == {"net/nearer/one", "net/nearer/other"}
    assert built() == ALL  # outside, all weights are made again
