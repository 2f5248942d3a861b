"""Modulated kernels from recorded gate logits, one output channel at a time (A.1).

    kernel_n = sigmoid(G1[n,c,k] + G2[n,o,k]) * weight[o,c,k]

sigmoid(a + b) = 1 / (1 + exp(-a)exp(-b)) needs an exponential per logit instead of one per number
of the kernel; where that product could overflow, exp(-(a + b)) is taken.

Shape letters: N images (n chosen ones), C input channels, O output channels, K kernel positions,
D = C/groups * K numbers of a kernel per output channel.
"""

from collections.abc import Iterator
from math import isfinite

import torch
from torch import Tensor

from cgc.errors import UserError

# exp(-a)exp(-b) neither overflows nor loses digits to subnormal numbers below this sum
_LARGEST_EXPONENT = 700.0


class ChannelKernels:
    """Makes modulated kernels from gate logits, one output channel at a time, in float64.

    They are relative to the kernel of the first image: distances do not change.

    Args:
        input_logits, output_logits, weight, groups: as for `gate_distances`.

    Raises:
        UserError: the shapes do not fit each other, or a logit is not finite.
    """

    def __init__(
        self, input_logits: Tensor, output_logits: Tensor, weight: Tensor, groups: int
    ) -> None:
        _check_shapes(input_logits, output_logits, weight, groups)
        self.input_NCK, self.output_NOK = input_logits.detach(), output_logits.detach()
        self.device, self.num_images = input_logits.device, len(input_logits)
        self.weight_OCK = weight.detach().flatten(2).to(self.device, torch.float64)
        self._groups = groups
        _largest(weight)
        self._splits = _largest(input_logits) + _largest(output_logits) < _LARGEST_EXPONENT
        self._first_OD = torch.zeros_like(self.weight_OCK).flatten(1)
        first_image, channels = torch.tensor([0]), range(len(self.weight_OCK))
        self._first_OD = torch.cat([kernel.clone() for kernel in self.of(first_image, channels)])

    def of(self, images: Tensor, channels: range) -> Iterator[Tensor]:
        """Yield the kernels of `images` (n,) for each of `channels`, (n, D).

        All are the same tensor, which may be changed and is overwritten by the next: small enough
        to stay in the cache, it is never allocated anew.
        """
        input_nCK = self._prepare(self.input_NCK[images])
        output_nOK = self._prepare(self.output_NOK[images, channels.start : channels.stop])
        O, C, K = self.weight_OCK.shape
        kernels_nCK = input_nCK.new_empty(len(images), C, K)
        for index, channel in enumerate(channels):
            first = channel * self._groups // O * C
            self._modulate(
                input_nCK[:, first : first + C], output_nOK[:, index, None], channel, kernels_nCK
            )
            yield kernels_nCK.flatten(1).sub_(self._first_OD[channel])

    def _prepare(self, logits: Tensor) -> Tensor:
        logits = logits.double()
        return logits.neg_().exp_() if self._splits else logits

    def _modulate(
        self, input_nCK: Tensor, output_n1K: Tensor, channel: int, kernels_nCK: Tensor
    ) -> None:
        # neither addcmul nor sigmoid: in a tensor's last few numbers they round differently, which
        # would tell equal gates apart
        if self._splits:
            torch.mul(input_nCK, output_n1K, out=kernels_nCK)
        else:  # inf is right: the gate is 0
            torch.add(input_nCK, output_n1K, out=kernels_nCK).neg_().exp_()
        torch.div(self.weight_OCK[channel], kernels_nCK.add_(1), out=kernels_nCK)


def _largest(values: Tensor) -> float:
    """Return the largest magnitude of the values.

    Raises:
        UserError: it is not finite.
    """
    largest = float(torch.stack(torch.aminmax(values)).abs().max())
    if not isfinite(largest):
        raise UserError(
            "gate logits and weight must be finite: found NaN or infinity, so the network has "
            "diverged; record the gates of a sound checkpoint"
        )
    return largest


def _check_shapes(input_logits: Tensor, output_logits: Tensor, weight: Tensor, groups: int) -> None:
    fits = input_logits.dim() == output_logits.dim() == 3 and weight.dim() > 2 and groups > 0
    if fits:
        N, C, K = input_logits.shape
        O, seen = weight.shape[:2]
        fits = output_logits.shape == (N, O, K) and weight[0, 0].numel() == K
        fits = fits and seen * groups == C and O % groups == 0
    if not fits:
        raise UserError(
            "gate logits must be (N,C,K) and (N,O,K) for a weight (O,C/groups,*kernel_size): got "
            f"{tuple(input_logits.shape)}, {tuple(output_logits.shape)}, {tuple(weight.shape)}, "
            f"groups={groups}; they must come from one layer"
        )
