"""simgan_jax.models.gaze_estimator in PyTorch."""

from torch import nn


def make_gaze_estimator(height: int, width: int, factor: float) -> nn.Module:
    """The gaze estimator for grey images [b, 1, height, width]; `factor` on every hidden width."""
    layers, before = [], 1
    for i, features in enumerate((32, 32, 64, 80, 192)):
        features = max(1, round(factor * features))
        layers += [nn.Conv2d(before, features, 3), nn.ReLU()]
        height, width, before = height - 2, width - 2, features
        window = {2: 3, 4: 2}.get(i)
        if window:
            layers.append(nn.MaxPool2d(window, stride=2))
            height, width = ((size - window) // 2 + 1 for size in (height, width))
    hidden = max(1, round(factor * 1000))
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(before * height * width, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 3),
    )
