"""Context-gated convolution (CGC): a convolution whose kernel is modulated, per image, by gates.

Lin, Ma, Liu, Chang: Context-Gated Convolution, ECCV 2020. In the supplement, A.1 analyses the
modulated kernels and A.2 gives initialisation and learning rates.

    x --pool--> (B,C,K) --context_encoder--> ctx (B,C,d)
    ctx --input_norm, ReLU, input_decoder------------------------------------> G1 (B,C,K)
    ctx --interaction_norm, ReLU, channel_interaction-->  (B,O,d)
                             --output_norm, ReLU, output_decoder-------------> G2 (B,O,K)
    y[b] = conv(x[b], sigmoid(G1[b,c,k] + G2[b,o,k]) * weight[o,c,k])

Shape letters: B batch, C input channels, O output channels, G conv groups, K kernel positions,
d = K // 2 + 1 latent size, N interaction groups, g = C / N channels in each.

READING(relu-at-zero): "zero-initialized ... to make the gates start from constants" with a ReLU
whose derivative at 0 is 0 keeps the gates constant forever; `gate_init="zero"` uses derivative 1.
READING(interaction-groups): 16 channels per interaction group where that divides evenly; else the
largest number of groups up to gcd(C // 16, O) that divides C and O.
READING(linear-init): linear maps start with PyTorch's `nn.Linear` default; the source names none.
READING(clip-context): on clips the context is pooled over the whole clip.
DEVIATION(released-layer): bias, conv groups, rectangular maps and kernels are supported; the
released layer ignores them, unfolds its input, and leaves every normalisation weight at 1.
"""

from collections.abc import Collection
from math import gcd, prod
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgc.layers.gated_conv import Size, gated_conv2d, gated_conv3d, modulated_kernels

GateInit = Literal["zero", "zero-relu", "ones"]
Branch = Literal["input", "output"]
CHANNELS_PER_GROUP = 16  # g of the main paper


class _ContextGatedConv(nn.modules.conv._ConvNd):
    """Shared code of the 2-D and 3-D layers; mixed in before `nn.Conv2d` or `nn.Conv3d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        gate_init: GateInit = "zero",
        branches: Collection[Branch] = ("input", "output"),
        interaction_groups: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _check_options(padding_mode, gate_init, branches)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        geometry: dict[str, Any] = {
            "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation
        }  # fmt: skip
        super().__init__(in_channels, out_channels, groups=groups, bias=bias, **geometry, **factory)
        self.gate_init = gate_init
        self.branches = tuple(branch for branch in get_args(Branch) if branch in branches)
        K = prod(self.kernel_size)
        self.is_gated = K > 1  # a 1x1 kernel is an ordinary convolution
        if not self.is_gated:
            return
        d, N = K // 2 + 1, _interaction_groups(in_channels, out_channels, interaction_groups)
        self.interaction_groups = N
        self.context_encoder = nn.Linear(K, d, bias=False, **factory)
        if "input" in self.branches:
            self.input_norm = nn.BatchNorm1d(in_channels, **factory)
            self.input_decoder = nn.Linear(d, K, bias=False, **factory)
        if "output" in self.branches:
            self.interaction_norm = nn.BatchNorm1d(in_channels, **factory)
            # one weight, shared by all N groups
            self.channel_interaction = nn.Linear(
                in_channels // N, out_channels // N, bias=False, **factory
            )
            self.output_norm = nn.BatchNorm1d(out_channels, **factory)
            self.output_decoder = nn.Linear(d, K, bias=False, **factory)
        self._reset_gates()

    def reset_parameters(self) -> None:
        """Initialise as `nn.Conv2d` does, and the gates according to `gate_init` (A.2)."""
        super().reset_parameters()
        if hasattr(self, "context_encoder"):  # nn.Conv2d's constructor calls this before it exists
            self._reset_gates()

    def _reset_gates(self) -> None:
        for child in self.children():
            child.reset_parameters()  # type: ignore[operator]
        if self.gate_init == "ones":
            return
        for branch in self.branches:  # "the last normalization layers ... are zero-initialized"
            nn.init.zeros_(getattr(self, f"{branch}_norm").weight)

    def _activation(self, x: Tensor) -> Tensor:
        if self.gate_init == "zero":  # same values as relu; the derivative at 0 is 1
            return torch.where(x < 0, 0, x)
        return F.relu(x)

    def gate_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gate's two summands from the context of each sample.

        A branch that is left out gives zeros.

        Args:
            x: a batch, as passed to the convolution.

        Shape:
            - x: (B, C, H, W), or (B, C, T, H, W) for the 3-D layer

        Returns:
            G1 (B, C, K) and G2 (B, O, K)

        Raises:
            ValueError: the kernel is 1x1, which has no gates.
        """
        if not self.is_gated:
            raise ValueError(f"a kernel of size {tuple(self.kernel_size)} has no gates")
        context_BdC = self.context_encoder(self._pool(x).flatten(2)).mT.contiguous()
        B, K = x.shape[0], prod(self.kernel_size)
        G1_BCK = context_BdC.new_zeros(B, self.in_channels, K)
        G2_BOK = context_BdC.new_zeros(B, self.out_channels, K)
        if "input" in self.branches:
            G1_BCK = self.input_decoder(self._normalise(self.input_norm, context_BdC).mT)
        if "output" in self.branches:
            mixed_BdO = self._interact(self._normalise(self.interaction_norm, context_BdC))
            G2_BOK = self.output_decoder(self._normalise(self.output_norm, mixed_BdO).mT)
        return G1_BCK, G2_BOK

    def _normalise(self, norm: nn.Module, context_BdC: Tensor) -> Tensor:
        """Normalise each channel over B and d, and activate; this layout is the fast one."""
        return self._activation(norm(context_BdC.flatten(0, 1))).view_as(context_BdC)

    def _interact(self, context_BdC: Tensor) -> Tensor:
        """Grouped linear map over channels, (B,d,C) -> (B,d,O)."""
        context_BdNg = context_BdC.unflatten(2, (self.interaction_groups, -1))
        return self.channel_interaction(context_BdNg).flatten(2)

    def modulated_kernels(self, x: Tensor) -> Tensor:
        """Return the kernel that each sample is convolved with (A.1), (B, O, C/G, kh, kw).

        Shape:
            - x: (B, C, H, W), or (B, C, T, H, W) for the 3-D layer
        """
        if not self.is_gated:
            return self.weight.expand(len(x), *self.weight.shape)
        return modulated_kernels(self.weight, *self.gate_logits(x), self.groups)

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_gated:
            return super().forward(x)
        if x.dim() == self.weight.dim() - 1:  # a sample without a batch axis, as nn.Conv2d allows
            return self.forward(x.unsqueeze(0)).squeeze(0)
        return self._gated_conv(
            x, self.weight, *self.gate_logits(x), self.bias, self.stride, self.padding,
            self.dilation, self.groups,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, gate_init={self.gate_init}, branches={self.branches}"

    def _pool(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    _gated_conv = staticmethod(gated_conv2d)


class ContextGatedConv2d(_ContextGatedConv, nn.Conv2d):
    """A 2-D convolution whose kernel is modulated, per image, by gates from its global context.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode: as in `nn.Conv2d`; `padding_mode` must be "zeros".
        gate_init: "zero" starts with constant gates that learn; "zero-relu" is the literal reading
            of A.2, whose gates stay constant; "ones" is the released code's.
        branches: which summands the gate has: "input", "output" or both.
        interaction_groups: groups of the channel interaction; by default 16 channels each;
            1 is one full linear map over channels.
        device, dtype: of the parameters.

    Shape:
        - input: (B, C, H, W) or (C, H, W)
        - output: (B, O, H', W') or (O, H', W')

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> conv = ContextGatedConv2d(16, 32, kernel_size=3, padding=1)
        >>> conv(torch.randn(8, 16, 28, 28)).shape
        torch.Size([8, 32, 28, 28])
    """

    def _pool(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.kernel_size)  # type: ignore[arg-type]


class ContextGatedConv3d(_ContextGatedConv, nn.Conv3d):
    """`ContextGatedConv2d` for clips, with (1, kh, kw) or (kt, kh, kw) kernels.

    The context is pooled to the kernel's size over the whole clip, so a (1, kh, kw) kernel has the
    same gates, and the same parameters, as its 2-D counterpart.

    Shape:
        - input: (B, C, T, H, W) or (C, T, H, W)
        - output: (B, O, T', H', W') or (O, T', H', W')

    Example:
        >>> conv = ContextGatedConv3d(16, 32, kernel_size=(1, 3, 3), padding=(0, 1, 1))
        >>> conv(torch.randn(2, 16, 4, 28, 28)).shape
        torch.Size([2, 32, 4, 28, 28])
    """

    def _pool(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(x, self.kernel_size)  # type: ignore[arg-type]

    _gated_conv = staticmethod(gated_conv3d)


def _check_options(padding_mode: str, gate_init: str, branches: Collection[str]) -> None:
    if padding_mode != "zeros":
        raise ValueError(f"padding_mode must be 'zeros': got {padding_mode!r}")
    if gate_init not in get_args(GateInit):
        raise ValueError(f"gate_init must be one of {get_args(GateInit)}: got {gate_init!r}")
    if isinstance(branches, str) or not branches or set(branches) - set(get_args(Branch)):
        raise ValueError(f"branches must hold one or both of {get_args(Branch)}: got {branches!r}")


def _interaction_groups(in_channels: int, out_channels: int, wanted: int | None) -> int:
    """Return the number of groups of the channel interaction; it divides both channel counts."""
    if wanted is None:
        start = gcd(max(1, in_channels // CHANNELS_PER_GROUP), out_channels)
        return next(n for n in range(start, 0, -1) if in_channels % n == out_channels % n == 0)
    if wanted < 1 or in_channels % wanted or out_channels % wanted:
        raise ValueError(
            "interaction_groups must divide in_channels and out_channels: got "
            f"interaction_groups={wanted}, in_channels={in_channels}, out_channels={out_channels}"
        )
    return wanted
