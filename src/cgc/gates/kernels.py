"""Gates from recorded logits, one output channel at a time (A.1).

    kernel_n = sigmoid(G1[n,c,k] + G2[n,o,k]) * weight[o,c,k]

sigmoid(a + b) = exp(b) / (exp(-a) + exp(b)) needs an exponential per logit instead of one per
element of the kernel; where an exponential could overflow, 1 / (1 + exp(-(a + b))) is used.

Gates of float32 logits, such as a record's, are float32, with errors of about 1e-7. Where that
could affect distances, because the logits hardly vary or are very large, gates are float64.

Shape letters: N images (n chosen ones), C input channels, O output channels, K kernel positions,
D = K * C/groups elements of a kernel per output channel, input channels innermost: PyTorch is fast
only along rows longer than the few kernel positions.
"""

from collections.abc import Iterator
from math import isfinite

import torch
from torch import Tensor

from cgc.errors import UserError

# exponentials of smaller logits neither overflow nor lose digits as subnormal numbers
_TOO_LARGE = {torch.float32: 80.0, torch.float64: 700.0}
# above this standard deviation over images, float32 gates give distances accurate to 1e-7
_VARIED = 0.05


class ChannelGates:
    """Computes gates from logits, one output channel at a time.

    They are relative to the gates of the first image, which leaves distances between kernels as is.

    Args:
        input_logits, output_logits, weight, groups: as for `gate_distances`.

    Attributes:
        dtype: of the gates; float32 or float64.
        are_constant: the same for every image, as those of an untrained layer can be.
        weight_OD: the factor that turns gates into kernels, float64.

    Raises:
        UserError: the shapes do not fit each other, or a logit is not finite.
    """

    def __init__(
        self, input_logits: Tensor, output_logits: Tensor, weight: Tensor, groups: int
    ) -> None:
        _check_shapes(input_logits, output_logits, weight, groups)
        _largest(weight)
        largest = max(_largest(input_logits), _largest(output_logits))
        self.dtype = torch.float64
        if input_logits.dtype == output_logits.dtype == torch.float32:
            varied = max(_variation(input_logits), _variation(output_logits)) > _VARIED
            if varied and largest < _TOO_LARGE[torch.float32]:
                self.dtype = torch.float32
        self._splits = largest < _TOO_LARGE[self.dtype]
        self.are_constant = _is_constant(input_logits) and _is_constant(output_logits)
        self.input_NCK, self.output_NOK = input_logits.detach(), output_logits.detach()
        weight_OCK = weight.detach().flatten(2).to(input_logits.device, torch.float64)
        self.weight_OD = weight_OCK.transpose(1, 2).flatten(1)
        self._groups = groups
        self._minus_first_OKC = torch.zeros_like(weight_OCK.transpose(1, 2), dtype=self.dtype)
        first_image, channels = torch.tensor([0]), range(len(weight))
        first = torch.cat([gates.clone() for gates in self.of(first_image, channels)])
        self._minus_first_OKC = -first.view(self._minus_first_OKC.shape)

    def of(self, images: Tensor, channels: range) -> Iterator[Tensor]:
        """Yield the gates of `images` (n,) for each of `channels`, (n, D).

        All are the same tensor, allocated once and small enough to stay in the cache. Callers may
        modify it; the next one overwrites it.
        """
        input_nKC = self.input_NCK[images].transpose(1, 2).contiguous().to(self.dtype)
        output_nOK = self.output_NOK[images, channels.start : channels.stop].to(self.dtype)
        if self._splits:
            input_nKC, output_nOK = input_nKC.neg_().exp_(), output_nOK.exp_()
        input_GnKC = input_nKC.chunk(self._groups, dim=2)
        outputs = len(self.weight_OD) // self._groups
        gates_nKC = torch.empty_like(input_GnKC[0], memory_format=torch.contiguous_format)
        gates_nD = gates_nKC.flatten(1)
        minus_first_OKC = self._minus_first_OKC[channels.start : channels.stop]
        for channel, output_nK1, minus_first_KC in zip(
            channels, output_nOK[..., None].unbind(1), minus_first_OKC, strict=True
        ):
            self._gate(input_GnKC[channel // outputs], output_nK1, minus_first_KC, gates_nKC)
            yield gates_nD

    def _gate(
        self, input_nKC: Tensor, output_nK1: Tensor, minus_first_KC: Tensor, gates_nKC: Tensor
    ) -> None:
        # neither addcmul nor sigmoid: in a tensor's last few elements they round differently, which
        # would make equal gates differ
        torch.add(input_nKC, output_nK1, out=gates_nKC)
        if not self._splits:  # inf is fine: the gate is 0
            gates_nKC.neg_().exp_().add_(1)
            output_nK1 = torch.ones_like(output_nK1)
        torch.addcdiv(minus_first_KC, output_nK1, gates_nKC, out=gates_nKC)


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


def _variation(logits: Tensor) -> float:
    """Return the standard deviation over about 1,000 images, averaged over all else."""
    return float(logits[:: max(1, len(logits) // 1000)].std(0, correction=0).mean())


def _is_constant(logits: Tensor) -> bool:
    first, last = logits[0], logits[-1]
    return torch.equal(first, last) and bool((logits == first).all())


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
