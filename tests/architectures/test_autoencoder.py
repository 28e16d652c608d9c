"""Autoencoders on real digits: reconstruction, denoising, sparse codes, both halves."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

import pellucid as pel
from pellucid.architectures.by_name import build_by_name
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.functions.regularizers import KLActivity


@pytest.fixture(scope="module")
def digits():
    return pel.load_dataset("digits")


def train(specification, data, **options):
    options = {"optimizer": pel.Adam(3e-3), "epochs": 40, "progress": False} | options
    return pel.train(specification, data, **options)


def test_a_denoising_autoencoder_is_better_than_pca(digits):
    """With as many numbers a digit; and it gives back clean digits from spoilt ones."""
    trained = train({"name": "autoencoder", "hidden": [128], "code": 6, "noise": 0.1}, digits, epochs=100)
    x, clean = digits.train.x.reshape(-1, 64) / 16, digits.held_out.x.reshape(-1, 64) / 16
    pca = PCA(6).fit(x)
    of_pca = np.square(pca.inverse_transform(pca.transform(clean)) - clean).mean()
    assert trained.result["loss"] < of_pca
    assert trained.reconstruction_errors(digits.held_out.x).mean() == pytest.approx(trained.result["loss"], rel=1e-5)

    spoilt = digits.held_out.x * (np.random.default_rng(0).random(digits.held_out.x.shape) > 0.2)
    spoilt = spoilt.astype(np.uint8)
    mended = trained.predict(spoilt) / 16
    whole = digits.held_out.x / 16
    assert np.square(mended - whole).mean() < 0.5 * np.square(spoilt / 16 - whole).mean()


def test_both_halves_make_the_whole_and_survive_saving(digits, tmp_path):
    trained = train("autoencoder", digits, epochs=3)
    codes = trained.encode(digits.held_out.x)
    assert codes.shape == (360, 32)
    np.testing.assert_allclose(trained.decode(codes), trained.predict(digits.held_out.x), rtol=1e-5, atol=1e-4)
    trained.save(tmp_path / "run")
    again = pel.load(tmp_path / "run")
    np.testing.assert_array_equal(again.encode(digits.held_out.x), codes)
    assert again.evaluate() == trained.result
    assert again.evaluate(digits.held_out.x) == pytest.approx(trained.result)


def test_the_divergence_brings_the_mean_activity_to_its_target(digits):
    penalty = KLActivity(target=0.1, strength=0.01)
    specification = {"name": "autoencoder", "hidden": [64], "code": 64}
    sparse = train(specification | {"sparsity": penalty}, digits)
    free = train(specification | {"sparsity": KLActivity(target=0.1, strength=0.0)}, digits)
    activity, without = (run.encode(digits.train.x).mean() for run in (sparse, free))
    assert activity == pytest.approx(0.1, rel=0.2)
    assert without > 0.2


def test_l1_makes_activations_exactly_zero(digits):
    specification = {"name": "autoencoder", "hidden": [], "code": 64}
    shares = []
    for strength in (0.0, 1e-3):
        sparsity = {"name": "l1_activity", "strength": strength}
        shares.append((train(specification | {"sparsity": sparsity}, digits).encode(digits.train.x) == 0).mean())
    assert shares[1] > shares[0] + 0.1


def test_a_convolutional_one_learns_images_and_refuses_odd_sides(digits):
    trained = train({"name": "convolutional_autoencoder", "filters": [8, 16], "code": 16}, digits, epochs=20)
    assert trained.result["loss"] < 0.5 * np.var(digits.held_out.x / 16)
    assert trained.encode(digits.held_out.x).shape == (360, 16)
    with pytest.raises(ShapeError, match=r"16 divides.*\(8, 8\)"):
        build_by_name({"name": "convolutional_autoencoder", "filters": [4, 4, 4, 4]}, digits)


def test_tables_are_given_back_in_their_own_units():
    data = pel.load_dataset("wine")
    trained = train({"name": "autoencoder", "hidden": [32], "code": 6}, data, epochs=200)
    given_back = trained.predict(data.held_out.x)
    correlation = np.corrcoef(given_back[:, 12], data.held_out.x[:, 12])[0, 1]
    assert correlation > 0.8
    assert 0.5 < given_back[:, 12].mean() / data.held_out.x[:, 12].mean() < 1.5


def test_what_is_no_autoencoder_is_refused(digits):
    with pytest.raises(InvalidValue, match="no Code layer"):
        pel.train((4,), digits, epochs=1, progress=False).encode(digits.held_out.x)
    with pytest.raises(InvalidValue, match="units of a layer"):
        pel.train({"name": "autoencoder", "code": 0}, digits)
