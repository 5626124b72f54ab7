"""The cosine head: angles around the mean of the features, and logits made of them."""

import torch
import torch.nn.functional as F  # noqa: N812

from labelmend_core.models.heads import CosineHead


def _relu_features() -> torch.Tensor:
    """Features as a backbone gives them: none below 0, all in one cone."""
    return torch.randn(300, 32, generator=torch.Generator().manual_seed(0)).abs() + 1


def test_cosines_are_those_of_standardised_features_and_weights() -> None:
    head, features = CosineHead(32, torch.full((4,), 0.2), outputs="cosines"), _relu_features()
    head.fit_scale(features)
    standard = (features - features.mean(dim=0)) / features.std(dim=0)
    expected = F.cosine_similarity(standard[:, None], head.angle.weight[None], dim=2)
    torch.testing.assert_close(head(features), expected)


def test_without_standardisation_all_images_would_look_alike() -> None:
    features = _relu_features()
    raw = CosineHead(32, torch.full((4,), 0.2), outputs="cosines")
    fitted = CosineHead(32, torch.full((4,), 0.2), outputs="cosines")
    fitted.fit_scale(features)
    assert raw(features).std(dim=0).max() < 0.1
    assert fitted(features).std(dim=0).min() > 0.1


def test_logits_are_scaled_cosines_and_a_bias_that_learns() -> None:
    torch.manual_seed(0)
    head = CosineHead(32, torch.full((4,), 0.2), scale=7.0)
    cosines = head.angle(head.standardised(_relu_features()))
    torch.testing.assert_close(head(_relu_features()), 7 * cosines + torch.logit(torch.tensor(0.2)))
    assert head.bias.requires_grad


def test_a_feature_of_zeros_has_no_angle() -> None:
    head = CosineHead(32, torch.full((4,), 0.2), outputs="cosines")
    assert torch.equal(head(torch.zeros(2, 32)), torch.zeros(2, 4))


def test_the_size_of_the_weights_does_not_matter() -> None:
    head, features = CosineHead(32, torch.full((4,), 0.2), outputs="cosines"), _relu_features()
    before = head(features)
    with torch.no_grad():
        head.angle.weight.mul_(50)
    torch.testing.assert_close(head(features), before)


def test_rounding_takes_no_cosine_beyond_one() -> None:
    features = _relu_features()
    head = CosineHead(32, torch.full((300,), 0.2), outputs="cosines")
    with torch.no_grad():
        head.angle.weight.copy_(features)
    cosines = head(features).diagonal()
    assert cosines.max() == 1
    torch.testing.assert_close(cosines, torch.ones(300))
