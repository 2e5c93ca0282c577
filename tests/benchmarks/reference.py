"""Plain training loops as tutorials write them: what a practitioner would otherwise run.

The game of two players is that of PyTorch's DCGAN tutorial: images decoded by PIL in a DataLoader,
float32, and separate passes for real and generated samples. One player alone is trained as in
train_unconditional.py of diffusers: clipped gradients, and averages of the weights.
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


class Pictures(torch.utils.data.Dataset):
    """Files in memory, decoded each time that they are asked for."""

    def __init__(self) -> None:
        table = datasets.load_dataset("tests/data/fashion_mnist", split="train")
        undecoded = table.cast_column("image", datasets.Image(decode=False))
        self.files = [row["bytes"] for row in undecoded["image"]]
        self.labels = table["label"]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        pixels = np.array(Image.open(io.BytesIO(self.files[place])).convert("L"))
        sample = torch.from_numpy(pixels)[None].float().div(255).sub(0.5).div(0.5)
        return sample, self.labels[place]


class Loop:
    """A preset's objective and networks in a loop as tutorials write it."""

    def __init__(self, config: Config) -> None:
        self.config, self.objective = config, config.objective
        self.networks = config.architecture.networks(1, 28, 10 if config.conditional else None)
        kind = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}[config.optimizer]
        self.optimizers = {
            name: kind(network.train().parameters(), lr=config.learning_rate)
            for name, network in self.networks.items()
        }
        loader = DataLoader(
            Pictures(), config.train_batch_size, shuffle=True, num_workers=2, drop_last=True
        )
        self.batches = itertools.chain.from_iterable(itertools.repeat(loader))
        if not isinstance(self.objective, Adversarial):
            (network,) = self.networks.values()
            self.average = EMAModel(network.parameters())

    def step(self) -> None:
        for player in self.objective.update_order(0):
            samples, labels = next(self.batches)
            batch = Batch(samples, labels if self.config.conditional else None, torch.Generator())
            if isinstance(self.objective, Adversarial):
                self.play(player, batch)
            else:
                self.train(player, batch)

    def play(self, player: str, batch: Batch) -> None:
        """A turn of the critic, or of the generator on the samples that it was last shown."""
        generator, critic = self.networks["generator"], self.networks["critic"]
        self.networks[player].zero_grad()
        if player == "critic":
            real = critic(batch.samples, batch.labels)
            latents = torch.randn(len(batch.samples), generator.config.latent_dim)
            self.fake = generator(latents, batch.labels)
            fake = critic(self.fake.detach(), batch.labels)
            terms = self.objective.critic_losses(real, fake)
            terms |= self.objective.penalty_losses(critic, batch.samples, self.fake.detach(), batch)
        else:
            terms = self.objective.generator_losses(critic, self.fake, batch)
        sum(terms.values()).backward()
        self.optimizers[player].step()
        self.objective.constrain(player, self.networks[player])
        float(sum(terms.values()))  # as it is printed

    def train(self, player: str, batch: Batch) -> None:
        network = self.networks[player]
        terms = self.objective.losses(player, network, self.networks, batch, 0)
        sum(terms.values()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        self.optimizers[player].step()
        self.optimizers[player].zero_grad()
        self.average.step(network.parameters())
        float(sum(terms.values()))  # as it is logged
