"""Controls of A.1: what the modulated kernels inherit, and what the gates add (beyond the paper).

That kernels cluster by class says nothing about gates if the input of the gates clusters too.
So the same quantities are measured, with the same formulas and on the same images, for

    kernels          the modulated kernels of the analysed layer, as in A.1
    pixels           the images as the network sees them
    pooled_context   the layer's input averaged to the kernel's positions: all that its gates see
    features         the layer's input averaged over all positions
    plain_features   the same in the plain network of the same recipe and seed
    redrawn_gates    kernels with the layer's gates redrawn: not trained, but with the same input
    untrained        kernels of the network before training; constant gates give exactly 0

The kernels' result is evidence that gates add class structure only as far as it exceeds the others.
With 5 or more images per class, shuffled labels, the null of every row, are uninformative.

READING(redrawn-gates): the norms of redrawn gates have weight 1, as 0 would make the gates
constant, and, like those of trained gates, running statistics, here of the same images.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cgc.gates.classes import sampled_classes
from cgc.gates.images import image_distances, point_image_distances
from cgc.gates.layer_inputs import LayerInputs, record_inputs
from cgc.gates.nulls import too_few_images
from cgc.gates.points import point_distances
from cgc.gates.record import GateRecord, gate_layers
from cgc.gates.shares import measure_separation

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
DRAWS = 3  # of redrawn gates
HELD_BYTES = 2**29
_CHUNK = 1000  # images whose gates are computed at a time


@dataclass(frozen=True)
class Measure:
    """How every representation is measured.

    Attributes:
        num_classes: M.
        repeats: resamples behind each interval, and shuffles of the labels.
        max_images: above this number intervals and null come from a sample of whole classes;
            None leaves them out.
        seed: of samples, resamples and shuffles.
    """

    num_classes: int
    repeats: int
    max_images: int | None
    seed: int = 0

    def points(self, points: Tensor, labels: Tensor) -> dict[str, Any]:
        """Return the statistics of plain vectors (N, *shape) with labels (N,)."""
        return self.streamed(lambda: [(points, labels)])

    def streamed(self, batches: Batches) -> dict[str, Any]:
        """Return the statistics of plain vectors (B, *shape) in batches, the same at each call.

        Only one batch, the class centres and at most `max_images` images are in memory.
        """
        distances = point_distances(batches, self.num_classes)
        images = None
        if self.max_images and not too_few_images(distances.counts):
            images = point_image_distances(*self._sample(batches, self.max_images))
        return measure_separation(distances, images, repeats=self.repeats, seed=self.seed)

    def kernels(self, record: GateRecord) -> dict[str, Any]:
        """Return the statistics of a layer's modulated kernels."""
        distances = record.distances()
        images = None
        if self.max_images and not too_few_images(distances.counts):
            images = image_distances(record, max_images=self.max_images, seed=self.seed)
        return measure_separation(distances, images, repeats=self.repeats, seed=self.seed)

    def _sample(self, batches: Batches, max_images: int) -> tuple[Tensor, Tensor]:
        """Return the points and labels of classes sampled to fit `max_images`."""
        labels_N = torch.cat([labels_B.cpu() for _, labels_B in batches()])
        classes = sampled_classes(labels_N, max_images, self.seed)
        chosen = [
            (points_B[keep_B], labels_B[keep_B])
            for points_B, labels_B in batches()
            if (keep_B := torch.isin(labels_B, classes)).any()
        ]
        points, labels = zip(*chosen, strict=True)
        return torch.cat(points), torch.cat(labels)


def hold_batches(batches: Batches, num_images: int, *, max_bytes: int = HELD_BYTES) -> Batches:
    """Return batches decoded once instead of at each pass, if all fit into `max_bytes`."""
    x_B, _ = next(iter(batches()))
    if x_B[0].nbytes * num_images > max_bytes:
        return batches
    held = list(batches())
    return lambda: held


def measure_controls(
    model: nn.Module,
    untrained: nn.Module,
    plain: nn.Module | str,
    batches: Batches,
    measure: Measure,
    *,
    device: torch.device | str = "cpu",
) -> Iterator[dict[str, Any]]:
    """Measure the kernels of a network's last gated layer, and every control; yield a row for each.

    Args:
        model: the trained context-gated network.
        untrained: the same network with initial weights.
        plain: the trained plain network of the same recipe and seed, or why it is missing.
        batches: called for each pass over the data; returns inputs and labels, the same each time.
        measure: classes, resamples, samples.
        device: where networks run.

    Yields:
        `representation`, one of those above, `layer` and what `measure_separation` returns; several
        rows, with `draw`, for redrawn gates. A row that cannot be measured has None in place of its
        statistics, and the reason in `refused`.
    """
    layer_name, layer = list(gate_layers(model).items())[-1]

    def row(
        representation: str, statistics: Mapping[str, Any], draw: int | None = None
    ) -> dict[str, Any]:
        return {"representation": representation, "layer": layer_name, "draw": draw, **statistics}

    inputs = record_inputs(model, batches(), layer_name, device=device)
    kernels = measure.kernels(gates_of_inputs(layer, inputs, layer_name))
    yield row("kernels", kernels)
    yield row("pixels", measure.streamed(batches))
    yield row("pooled_context", measure.points(inputs.context, inputs.labels))
    yield row("features", measure.points(inputs.features, inputs.labels))
    if isinstance(plain, str):
        yield row("plain_features", dict.fromkeys(kernels) | {"refused": plain})
    else:
        of_plain = record_inputs(plain, batches(), layer_name, device=device)
        yield row("plain_features", measure.points(of_plain.features, of_plain.labels))
    for draw in range(DRAWS):
        redrawn = redraw_gates(layer, inputs, seed=draw)
        record = gates_of_inputs(redrawn, inputs, layer_name)
        yield row("redrawn_gates", measure.kernels(record), draw)
    before = record_inputs(untrained, batches(), layer_name, device=device)
    new_layer = gate_layers(untrained)[layer_name]
    yield row("untrained", measure.kernels(gates_of_inputs(new_layer, before, layer_name)))


@torch.no_grad()
def gates_of_inputs(layer: nn.Module, inputs: LayerInputs, name: str) -> GateRecord:
    """Compute a gated layer's record from the pooled inputs, in eval mode, on the CPU."""
    gated: Any = layer.cpu().eval()
    logits = [gated.gate_logits(chunk) for chunk in inputs.context.split(_CHUNK)]
    input_logits, output_logits = (torch.cat(parts) for parts in zip(*logits, strict=True))
    num_classes = int(inputs.labels.max()) + 1
    return GateRecord(
        layer=name,
        input_logits=input_logits,
        output_logits=output_logits,
        weight=gated.weight.detach().float().contiguous(),
        labels=inputs.labels,
        groups=gated.groups,
        classes=tuple(map(str, range(num_classes))),
    )


@torch.no_grad()
def redraw_gates(layer: nn.Module, inputs: LayerInputs, *, seed: int) -> nn.Module:
    """Return a copy of a gated layer with its kernel but new gates, as released: norms of weight 1.

    The norms' running statistics are computed from the inputs.
    """
    redrawn: Any = copy.deepcopy(layer).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for child in redrawn.children():
            child.reset_parameters()
    norms = [child for child in redrawn.children() if isinstance(child, nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = None  # the mean over all chunks
    redrawn.train()
    for chunk in inputs.context.split(_CHUNK):
        redrawn.gate_logits(chunk)
    return redrawn.eval()


def measure_snapshots(
    networks: Mapping[int, nn.Module],
    plain_networks: Mapping[int, nn.Module],
    batches: Batches,
    measure: Measure,
    *,
    device: torch.device | str = "cpu",
) -> Iterator[dict[str, Any]]:
    """Measure kernels, pooled context and features after each epoch, and plain features.

    Nothing compares pairs of images, so there is no null, and intervals are over classes only.

    Args:
        networks: the context-gated network after each epoch, in order.
        plain_networks: the plain one; epochs may be missing.
        batches, measure, device: as for `measure_controls`.

    Yields:
        `epoch`, `representation`, `layer` and what `measure_separation` returns.
    """
    measure = replace(measure, max_images=None)
    for epoch, model in networks.items():
        layer_name, layer = list(gate_layers(model).items())[-1]
        inputs = record_inputs(model, batches(), layer_name, device=device)
        statistics = {
            "kernels": measure.kernels(gates_of_inputs(layer, inputs, layer_name)),
            "pooled_context": measure.points(inputs.context, inputs.labels),
            "features": measure.points(inputs.features, inputs.labels),
        }
        if plain := plain_networks.get(epoch):
            of_plain = record_inputs(plain, batches(), layer_name, device=device)
            statistics["plain_features"] = measure.points(of_plain.features, of_plain.labels)
        for name, values in statistics.items():
            yield {"epoch": epoch, "representation": name, "layer": layer_name, **values}
