"""The FID Inception network (2015-12-05), whose features define FID, KID and IS.

Rethinking the Inception Architecture for Computer Vision (Szegedy et al., 2016)
https://arxiv.org/abs/1512.00567

The TensorFlow graph was published with Improved Techniques for Training GANs (Salimans et al.,
2016), https://arxiv.org/abs/1606.03498. Unlike torchvision's network, average pooling excludes the
padding and the last block uses max pooling. B batch, C channels, S side.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 299  # side in pixels of the network input


class Inception(nn.Module):
    """uint8 images (B, 3, S, S) of any side -> features (B, 2048) and logits (B, 1008) or None."""

    def __init__(self, head: bool = True, bf16: bool = False) -> None:
        super().__init__()
        self.bf16 = bf16
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(128)
        self.Mixed_6c = BlockC(160)
        self.Mixed_6d = BlockC(160)
        self.Mixed_6e = BlockC(192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, pool=average_pool)
        self.Mixed_7c = BlockE(2048, pool=max_pool)
        self.fc = nn.Linear(2048, 1008) if head else None  # some weight files lack it

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        hidden = (resize(pixels.float()) - 128) / 128
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.convolve(hidden).float().mean((2, 3))
        # Without the bias, as the reference implementation of the Inception Score.
        return features, None if self.fc is None else features @ self.fc.weight.T

    def convolve(self, hidden: Tensor) -> Tensor:
        """Map inputs (B, 3, 299, 299) in about [-1, 1] to features (B, 2048, 8, 8)."""
        hidden = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(hidden)))
        hidden = self.Conv2d_3b_1x1(F.max_pool2d(hidden, 3, 2))
        hidden = F.max_pool2d(self.Conv2d_4a_3x3(hidden), 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                hidden = block(hidden)
        return hidden


def resize(images: Tensor) -> Tensor:
    """Resize to (B, C, 299, 299) bilinearly as TensorFlow 1: top left pixel corners coincide."""
    side = images.shape[3]
    positions = torch.arange(SIDE, device=images.device) * (side / SIDE)
    lower = positions.floor().long()
    upper = (lower + 1).clamp(max=side - 1)
    weights = positions - lower
    rows = torch.lerp(images[:, :, lower], images[:, :, upper], weights[:, None])
    return torch.lerp(rows[..., lower], rows[..., upper], weights)


average_pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
max_pool = nn.MaxPool2d(3, 1, 1)


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation and ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(inputs)), inplace=True)


class BlockA(nn.Module):
    """Figure 5: two 3x3 convolutions instead of a 5x5 one."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 64, 1)
        self.branch5x5_1 = Convolution(inputs, 48, 1)
        self.branch5x5_2 = Convolution(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Convolution(inputs, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, padding=1)
        self.branch_pool = Convolution(inputs, pooled, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(inputs)))
        five = self.branch5x5_2(self.branch5x5_1(inputs))
        pooled = self.branch_pool(average_pool(inputs))
        return torch.cat([self.branch1x1(inputs), five, double, pooled], 1)


class BlockB(nn.Module):
    """Figure 10: downsampling by 2."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = Convolution(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = Convolution(inputs, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, stride=2)

    def forward(self, inputs: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(inputs)))
        return torch.cat([self.branch3x3(inputs), double, F.max_pool2d(inputs, 3, 2)], 1)


class BlockC(nn.Module):
    """Figure 6: 1x7 and 7x1 convolutions instead of a 7x7 one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide, tall = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = Convolution(768, 192, 1)
        self.branch7x7_1 = Convolution(768, width, 1)
        self.branch7x7_2 = Convolution(width, width, **wide)
        self.branch7x7_3 = Convolution(width, 192, **tall)
        self.branch7x7dbl_1 = Convolution(768, width, 1)
        self.branch7x7dbl_2 = Convolution(width, width, **tall)
        self.branch7x7dbl_3 = Convolution(width, width, **wide)
        self.branch7x7dbl_4 = Convolution(width, width, **tall)
        self.branch7x7dbl_5 = Convolution(width, 192, **wide)
        self.branch_pool = Convolution(768, 192, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(inputs)))
        double = self.branch7x7dbl_2(self.branch7x7dbl_1(inputs))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(self.branch7x7dbl_3(double)))
        pooled = self.branch_pool(average_pool(inputs))
        return torch.cat([self.branch1x1(inputs), seven, double, pooled], 1)


class BlockD(nn.Module):
    """Second downsampling by 2."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = Convolution(inputs, 192, 1)
        self.branch3x3_2 = Convolution(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Convolution(inputs, 192, 1)
        self.branch7x7x3_2 = Convolution(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Convolution(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Convolution(192, 192, 3, stride=2)

    def forward(self, inputs: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(inputs))
        seven = self.branch7x7x3_2(self.branch7x7x3_1(inputs))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        return torch.cat([three, seven, F.max_pool2d(inputs, 3, 2)], 1)


class BlockE(nn.Module):
    """Figure 7: branches that split into 1x3 and 3x1 convolutions."""

    def __init__(self, inputs: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        wide, tall = {"kernel": (1, 3), "padding": (0, 1)}, {"kernel": (3, 1), "padding": (1, 0)}
        self.branch1x1 = Convolution(inputs, 320, 1)
        self.branch3x3_1 = Convolution(inputs, 384, 1)
        self.branch3x3_2a = Convolution(384, 384, **wide)
        self.branch3x3_2b = Convolution(384, 384, **tall)
        self.branch3x3dbl_1 = Convolution(inputs, 448, 1)
        self.branch3x3dbl_2 = Convolution(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Convolution(384, 384, **wide)
        self.branch3x3dbl_3b = Convolution(384, 384, **tall)
        self.branch_pool = Convolution(inputs, 192, 1)
        self.pool = pool

    def forward(self, inputs: Tensor) -> Tensor:
        three = self.branch3x3_1(inputs)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(inputs))
        parts = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(inputs), *parts, self.branch_pool(self.pool(inputs))], 1)
