"""Hardware support for bfloat16."""

import torch

# CPU features with bfloat16 arithmetic ("bf16" on ARM). Without one, torch emulates bfloat16
# correctly but about a hundred times slower than float32.
BF16_FEATURES = ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16")


def supports_bf16() -> bool:
    """Return whether the CPU computes in bfloat16 natively."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(feature) for feature in BF16_FEATURES)
