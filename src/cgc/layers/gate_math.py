"""The gate and its derivatives, from exponentials of the logits' two parts.

Supplement A.1: the modulated kernel is W[o,c] * sigmoid(G1[c] + G2[o]) at each kernel position.

    odds against the gate   E = exp(-(G1 + G2)) = exp(-G1) * exp(-G2)   (C + O exponentials)
    modulated kernel        M = W / (1 + E)
    with D = dL/dM          dL/dW = D / (1 + E)
                            dL/dG1, dL/dG2 = sums of D * W * gate * (1 - gate) = dL/dW * (W - M)

Operands broadcast to (n, G, O/G, C/G), followed by K if all positions are taken at once; n samples,
G conv groups, O output and C input channels, K kernel positions.
"""

from math import gcd
from typing import Literal

import torch
from torch import Tensor

OUTPUTS, INPUTS = 2, 3  # dimensions of such a tensor over which logit gradients are summed

# exp(-G1) * exp(-G2) is finite and not 0 while both exponents are within half the dtype's range;
# past that exp(-(G1 + G2)) is used, its exponent clamped where the gate is 0 or 1 to every digit.
HALF_RANGE = {torch.float32: 43.0, torch.float64: 350.0}
FULL_RANGE = {torch.float32: 85.0, torch.float64: 700.0}

MOST_COPIES = 16  # of the output part, side by side


def math_dtype(*operands: Tensor) -> torch.dtype:
    """Return the dtype for computing gates: float64 if any operand has it, else float32."""
    return torch.float64 if any(t.dtype == torch.float64 for t in operands) else torch.float32


class GateOdds:
    """The odds of one call's gates, computed one block of samples at a time.

    Args:
        input_logits, output_logits: G1 (B, C, K) and G2 (B, O, K).
        groups: conv groups G.
        dtype: of the computation, see `math_dtype`.
        layout: `sample` lets `odds` take all positions at once, in long rows; `position` puts the
            kernel positions first, to take them one at a time.
    """

    def __init__(
        self,
        input_logits: Tensor,
        output_logits: Tensor,
        groups: int,
        dtype: torch.dtype,
        *,
        layout: Literal["sample", "position"],
    ) -> None:
        self.inputs = input_logits.to(dtype).unflatten(1, (groups, 1, -1))  # (B,G,1,C/G,K)
        self.outputs = output_logits.to(dtype).unflatten(1, (groups, -1, 1))  # (B,G,O/G,1,K)
        self.cap = FULL_RANGE[dtype]
        # reading the largest logit would synchronise host and GPU
        self.factored = input_logits.device.type == "cpu" and all(
            _largest(logits) < HALF_RANGE[dtype] for logits in (input_logits, output_logits)
        )
        if self.factored:
            self.inputs, self.outputs = self.inputs.neg().exp_(), self.outputs.neg().exp_()
        if layout == "position":
            self.inputs = self.inputs.movedim(-1, 0).contiguous()
            self.outputs = self.outputs.movedim(-1, 0).contiguous()
        else:
            # PyTorch handles the rows of a broadcast one by one, and rows of K elements are short:
            # repeating the output part for several input channels made this 3 to 5 times faster.
            copies = gcd(self.inputs.shape[3], MOST_COPIES)
            self.inputs = self.inputs.unflatten(3, (-1, copies)).flatten(-2)  # (B,G,1,C/G/copies,.)
            self.outputs = self.outputs.repeat(1, 1, 1, 1, copies)  # (B,G,O/G,1,copies*K)

    def odds(self, at: tuple[slice | int, ...], out: Tensor) -> Tensor:
        """Write the odds at the index `at` into `out`."""
        inputs, outputs = self.inputs[at], self.outputs[at]
        rows = out.view(*out.shape[:INPUTS], *inputs.shape[INPUTS:])
        if self.factored:
            torch.mul(inputs, outputs, out=rows)
        else:
            torch.add(inputs, outputs, out=rows).clamp_(-self.cap, self.cap).neg_().exp_()
        return out


def modulate(weight: Tensor, odds: Tensor, out: Tensor) -> Tensor:
    """Write the modulated kernels, weight / (1 + odds), into `out`, which may be `odds` itself."""
    torch.add(odds, 1, out=out)
    return torch.div(weight, out, out=out)


def add_samples(total: Tensor, parts: Tensor) -> None:
    """Add the sum over samples to `total`; `torch.sum` over one sample costs an extra pass."""
    total += parts[0] if len(parts) == 1 else parts.sum(0)


def _largest(logits: Tensor) -> float:
    """Return the largest absolute value; NaN if any value is NaN."""
    return logits.abs().max().item()  # `vector_norm` was 10 times slower
