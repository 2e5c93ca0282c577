"""Sensitivities of latent dimensions, and planes for maps of a latent space."""

import torch

from genmodels.latents import most_informative_plane, plane_grid, sensitivities


def test_sensitivities_rank_the_dimensions() -> None:
    weights = torch.tensor([0.0, 2.0, 1.0])
    scores = sensitivities(lambda z: (z * weights)[:, :, None, None], torch.zeros(3))
    assert scores.argsort(descending=True).tolist() == [1, 2, 0]


def test_the_plane_contains_the_class_means() -> None:
    latents = torch.randn(4000, 6, generator=torch.Generator().manual_seed(0))
    axis = torch.zeros(6)
    axis[3], axis[5] = 0.6, 0.8

    def classify(samples: torch.Tensor) -> torch.Tensor:
        side = 9 * (samples.flatten(1) @ axis)
        return torch.stack([side, -side, 9 * samples.flatten(1)[:, 0]], 1)

    directions = most_informative_plane(lambda z: z[:, :, None, None], latents, classify)
    assert torch.allclose(directions @ directions.T, torch.eye(2), atol=1e-5)
    for direction in (axis, torch.eye(6)[0]):
        assert (directions @ direction).norm() > 0.95


def test_the_plane_without_classes_spans_the_most_sensitive_dimensions() -> None:
    weights = torch.tensor([0.0, 2.0, 1.0])
    plane = most_informative_plane(lambda z: z * weights, torch.zeros(4, 3), None)
    assert torch.equal(plane, torch.eye(3)[[1, 2]])
    assert torch.equal(most_informative_plane(lambda z: z, torch.zeros(4, 2), None), torch.eye(2))


def test_a_grid_on_a_plane_is_ordered_row_by_row() -> None:
    latents = plane_grid(torch.eye(2), 4)
    assert latents.shape == (16, 2)
    assert latents[0].tolist() == [-2.25, -2.25]
    assert latents[1].tolist() == [-0.75, -2.25]
