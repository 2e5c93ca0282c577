"""Plain training loops as in tutorials: the baseline of the training benchmarks.

GANs follow PyTorch's DCGAN tutorial: images decoded by PIL in a DataLoader, float32, and separate
passes for real and generated samples. Other models follow train_unconditional.py of diffusers:
clipped gradients and an exponential moving average of the weights.
"""

import io
import itertools

import datasets
import numpy as np
import torch
from diffusers.training_utils import EMAModel
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from training.configs.config import Config
from training.core.batches import Batch
from training.objectives.adversarial import Adversarial


class ImageFiles(torch.utils.data.Dataset):
    """Encoded images in memory, decoded at each access."""

    def __init__(self) -> None:
        table = datasets.load_dataset("tests/data/fashion_mnist", split="train")
        encoded = table.cast_column("image", datasets.Image(decode=False))
        self.files = [row["bytes"] for row in encoded["image"]]
        self.labels = table["label"]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = np.array(Image.open(io.BytesIO(self.files[index])).convert("L"))
        sample = torch.from_numpy(pixels)[None].float().div(255).sub(0.5).div(0.5)
        return sample, self.labels[index]


class TutorialLoop:
    """Train the networks of a preset with a tutorial's loop."""

    def __init__(self, config: Config) -> None:
        self.config, self.objective = config, config.objective
        self.networks = config.architecture.networks(1, 28, 10 if config.conditional else None)
        optimizer = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}[config.optimizer]
        self.optimizers = {
            name: optimizer(network.train().parameters(), lr=config.learning_rate)
            for name, network in self.networks.items()
        }
        loader = DataLoader(
            ImageFiles(), config.train_batch_size, shuffle=True, num_workers=2, drop_last=True
        )
        self.batches = itertools.chain.from_iterable(itertools.repeat(loader))
        if not isinstance(self.objective, Adversarial):
            (network,) = self.networks.values()
            self.ema = EMAModel(network.parameters())

    def step(self) -> None:
        for name in self.objective.update_order(0):
            samples, labels = next(self.batches)
            batch = Batch(samples, labels if self.config.conditional else None, torch.Generator())
            if isinstance(self.objective, Adversarial):
                self.update_gan(name, batch)
            else:
                self.update(name, batch)

    def update_gan(self, name: str, batch: Batch) -> None:
        """Update the critic, or the generator with the samples of the last critic update."""
        generator, critic = self.networks["generator"], self.networks["critic"]
        self.networks[name].zero_grad()
        if name == "critic":
            real = critic(batch.samples, batch.labels)
            latents = torch.randn(len(batch.samples), generator.config.latent_dim)
            self.fake = generator(latents, batch.labels)
            fake = critic(self.fake.detach(), batch.labels)
            losses = self.objective.critic_losses(real, fake)
            losses |= self.objective.penalty_losses(
                critic, batch.samples, self.fake.detach(), batch
            )
        else:
            losses = self.objective.generator_losses(critic, self.fake, batch)
        sum(losses.values()).backward()
        self.optimizers[name].step()
        self.objective.constrain(name, self.networks[name])
        float(sum(losses.values()))  # tutorials print the loss

    def update(self, name: str, batch: Batch) -> None:
        network = self.networks[name]
        losses = self.objective.losses(name, network, self.networks, batch, 0)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        self.optimizers[name].step()
        self.optimizers[name].zero_grad()
        self.ema.step(network.parameters())
        float(sum(losses.values()))  # tutorials log the loss
