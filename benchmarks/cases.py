"""What is measured: a gated layer, or a whole training step, by one contender."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.contenders import PLAIN, conv_of, use
from benchmarks.networks import Layer, Network
from cgc.layers.geometry import CHANNELS_LAST, store_channels_last

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Condition:
    """How a case is computed.

    Attributes:
        dtype: key of `DTYPES`: the type of all operands of a layer; steps run under autocast.
            "tf32" is float32 with products in tf32 on a GPU, "fp32" without.
        channels_last: whether maps and kernels are stored with the channels last.
        compiled: whether networks go through `torch.compile`, on a GPU with CUDA graphs.
    """

    dtype: str = "fp32"
    channels_last: bool = False
    compiled: bool = False

    def __str__(self) -> str:
        options = [name for name, given in asdict(self).items() if given is True]
        return "-".join([self.dtype, *options])

    def memory_format(self, dims: int) -> torch.memory_format:
        return CHANNELS_LAST[dims + 2] if self.channels_last else torch.contiguous_format

    def prepare(self, device: str) -> None:
        """Set PyTorch's process-wide options."""
        torch.backends.cudnn.benchmark = device == "cuda"
        torch.backends.cudnn.allow_tf32 = self.dtype != "fp32"
        torch.backends.cuda.matmul.allow_tf32 = self.dtype != "fp32"


class Work(NamedTuple):
    """One contender's work, ready to run repeatedly.

    Attributes:
        forward: returns what `backward` takes.
        backward: all that follows the forward pass, including the optimiser in a step.
        results: the output and the gradients of the last run; empty for a step.
    """

    forward: Callable[[], Tensor]
    backward: Callable[[Tensor], None]
    results: Callable[[], dict[str, Tensor]]

    def once(self) -> None:
        self.backward(self.forward())


@dataclass(frozen=True)
class LayerCase:
    """A gated layer by itself: the convolution, given the logits, and its gradients."""

    layer: Layer
    count: int = 1

    @property
    def name(self) -> str:
        return str(self.layer)

    def build(self, contender: str, condition: Condition, device: str) -> Work:
        """Make operands, the same for every contender, and return the work on them."""
        operands = {
            name: tensor.to(device, DTYPES[condition.dtype])
            for name, tensor in self.operands().items()
        }
        return self.work(contender, operands, condition.memory_format(len(self.layer.x) - 2))

    def reference(self, condition: Condition, device: str) -> dict[str, Tensor]:
        """Return the results in float64, from operands rounded to the condition's dtype."""
        dtype = DTYPES[condition.dtype]
        operands = {n: t.to(device, dtype).double() for n, t in self.operands().items()}
        work = self.work("loop", operands, torch.contiguous_format)
        work.once()
        return work.results()

    def work(
        self, contender: str, operands: dict[str, Tensor], memory_format: torch.memory_format
    ) -> Work:
        """Return the work on given operands."""
        for name in ("x", "weight"):
            operands[name] = operands[name].contiguous(memory_format=memory_format)
        grad = operands.pop("grad").contiguous(memory_format=memory_format)
        learnt = [name for name in operands if name != "x" or self.layer.needs_input_gradient]
        for name in learnt:
            operands[name].requires_grad_()
        conv = conv_of(contender, len(self.layer.x) - 2)
        geometry = (None, self.layer.stride, self.layer.padding, self.layer.dilation, 1)
        last: dict[str, Tensor] = {}

        def forward() -> Tensor:
            last.clear()
            for name in learnt:
                operands[name].grad = None
            return conv(*operands.values(), *geometry)

        def backward(y: Tensor) -> None:
            y.backward(grad)
            last["output"] = y.detach()

        def results() -> dict[str, Tensor]:
            grads = {f"gradient of {name}": operands[name].grad for name in learnt}
            return last | {name: grad for name, grad in grads.items() if grad is not None}

        return Work(forward, backward, results)

    def operands(self) -> dict[str, Tensor]:
        """Return random operands, in order, and the output's gradient."""
        generator = torch.Generator().manual_seed(0)
        B, K = self.layer.x[0], torch.Size(self.layer.weight[2:]).numel()
        O, C = self.layer.weight[:2]
        fan_in = C * K
        with torch.device("meta"):
            tensors = torch.empty(self.layer.x), torch.empty(self.layer.weight)
            nothing = (torch.empty(B, C, K), torch.empty(B, O, K), None)
            geometry = (self.layer.stride, self.layer.padding, self.layer.dilation)
            y = conv_of(PLAIN)(*tensors, *nothing, *geometry)
        shapes = {
            "x": self.layer.x,
            "weight": self.layer.weight,
            "input_logits": (B, C, K),
            "output_logits": (B, O, K),
            "grad": tuple(y.shape),
        }
        made = {name: torch.randn(s, generator=generator) for name, s in shapes.items()}
        made["weight"] *= (2 / fan_in) ** 0.5
        return made


@dataclass(frozen=True)
class StepCase:
    """A whole training step of a network: forward, loss, backward, SGD with momentum."""

    network: Network
    count: int = 1

    @property
    def name(self) -> str:
        sides = "x".join(str(side) for side in self.network.sample)
        return f"{self.network.model}, batch {self.network.batch} of {sides}"

    def build(self, contender: str, condition: Condition, device: str) -> Work:
        """Make the network, its optimiser and a batch, and return a training step."""
        torch.manual_seed(0)
        network, dims = self.network, len(self.network.sample) - 1
        model: nn.Module = network.build("plain" if contender == PLAIN else "cgc")
        if contender != PLAIN:
            use(contender, model)
        memory_format = condition.memory_format(dims)
        model = model.train().to(device)
        if condition.channels_last:
            store_channels_last(model)
        if condition.compiled:
            model.compile(mode="reduce-overhead" if device == "cuda" else "default")
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        x = torch.randn(network.batch, *network.sample).to(device)
        x = x.contiguous(memory_format=memory_format)
        labels = torch.randint(network.num_classes, (network.batch,)).to(device)
        autocast: dict[str, Any] = {
            "dtype": torch.bfloat16, "enabled": condition.dtype == "bf16"
        }  # fmt: skip

        def forward() -> Tensor:
            optimiser.zero_grad()
            with torch.autocast(device, **autocast):
                return cross_entropy(model(x), labels)

        def backward(loss: Tensor) -> None:
            loss.backward()
            optimiser.step()

        return Work(forward, backward, dict)


Case = LayerCase | StepCase
