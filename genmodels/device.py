"""In what numbers a device computes fast."""

import torch

# By any of these a processor computes in bfloat16 by itself. Without, torch is right but a hundred
# times slower than in float32.
BF16 = ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16")  # the last one of ARM


def supports_bf16() -> bool:
    """Whether the processor does, without torch imitating it."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in BF16)
