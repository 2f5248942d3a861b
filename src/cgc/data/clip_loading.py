"""Batches of clips, with the discipline of `loading`: all randomness comes from the sampler."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor
from torch.utils.data import Dataset, Subset

from cgc.data.clip_sampling import evaluation_frames, training_frames
from cgc.data.clip_table import ClipTable
from cgc.data.clip_transforms import ClipTransform, EvaluationViews, train_clip_transform
from cgc.data.loading import EpochSampler, ImageLoader, loader_options, seeded
from cgc.errors import UserError


class SampledClips(Dataset[tuple[Tensor, int]]):
    """Clips as tensors.

    Args:
        table: the clips.
        choose: from the number of frames of a clip to the indices of those to decode.
        transform: from these frames to a tensor.
    """

    def __init__(
        self, table: ClipTable, choose: Callable[[int], list[int]], transform: ClipTransform
    ) -> None:
        self.table, self.choose, self.transform = table, choose, transform

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        frames = self.choose(self.table.num_frames(index))
        return self.transform(self.table.decode(index, frames)), int(self.table.labels[index])


class AugmentedClips(Dataset[tuple[Tensor, int]]):
    """Clips sampled and augmented as the seed that comes with their index says.

    Args:
        clips: random by torch's default generator.
    """

    def __init__(self, clips: SampledClips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index_and_seed: tuple[int, int]) -> tuple[Tensor, int]:
        index, seed = index_and_seed
        with seeded(seed):
            return self.clips[index]


def clip_train_loader(
    table: ClipTable,
    *,
    segments: int,
    size: int,
    batch_size: int,
    seed: int,
    workers: int,
    mean: Sequence[float],
    std: Sequence[float],
    rank: int = 0,
    world_size: int = 1,
) -> ImageLoader[tuple[Tensor, int]]:
    """Shuffled, sampled and cropped clips; call `loader.batch_sampler.set_epoch` before each epoch.

    Args:
        table: the training clips.
        segments: frames of a clip that the network sees.
        size: side of a frame in px.
        batch_size: clips per batch over all processes.
        seed: seed of the run; it alone decides order, frames and crops.
        workers: processes that decode and crop; 0: in this process.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.
        rank: this process among `world_size`.
        world_size: number of training processes.

    Returns:
        A loader of (clips (B / world_size, 3, segments, size, size) float32, labels
        (B / world_size,) int64).

    Raises:
        UserError: the set has fewer clips than one batch, or the processes do not share it evenly;
            while iterating, a clip cannot be decoded.
    """
    sampler = EpochSampler(len(table), batch_size, seed=seed, rank=rank, world_size=world_size)
    transform = train_clip_transform(size=size, mean=mean, std=std)
    clips = SampledClips(table, partial(training_frames, segments=segments), transform)
    return ImageLoader(AugmentedClips(clips), batch_sampler=sampler, **loader_options(workers))


def clip_evaluation_loader(
    table: ClipTable,
    *,
    segments: int,
    resize: int | None,
    size: int,
    clips: int = 1,
    crops: int = 1,
    batch_size: int,
    workers: int,
    mean: Sequence[float],
    std: Sequence[float],
    rank: int = 0,
    world_size: int = 1,
) -> ImageLoader[tuple[Tensor, int]]:
    """Every clip once in V = clips * crops views, in the order of the table.

    The score of a clip is the mean over its views; the last batch is as short as it is.

    Args:
        table: the clips.
        segments: frames of a clip that the network sees.
        resize: short side in px before the crop; None: frames stay as they are.
        size: side of the centre crop in px.
        clips: 1: the middle frame of each segment; 2: its first frame, too.
        crops: 1: the centre crop; 3: squares of the full short side `resize` (None: `size`), along
            the long side.
        batch_size: clips per batch; a batch holds V times as many views.
        workers: processes that decode; 0: in this process.
        mean: per channel, pixel values in [0, 1].
        std: as `mean`.
        rank: this process among `world_size`, each of which takes every `world_size`-th clip.
        world_size: number of processes that share the set.

    Returns:
        A loader of (views (B, V, 3, segments, H, W) float32, labels (B,) int64).

    Raises:
        UserError: there is no such number of clips or crops; while iterating, a clip cannot be
            decoded.
    """
    if clips not in (1, 2) or crops not in (1, 3):
        raise UserError(f"clips must be 1 or 2 and crops 1 or 3: got clips={clips}, crops={crops}")
    views = EvaluationViews(
        segments=segments, resize=resize, size=size, crops=crops, mean=mean, std=std
    )
    choose = partial(evaluation_frames, segments=segments, clips=clips)
    dataset: Dataset[tuple[Tensor, int]] = SampledClips(table, choose, views)
    if world_size > 1:
        dataset = Subset(dataset, range(rank, len(table), world_size))
    return ImageLoader(dataset, batch_size=batch_size, **loader_options(workers))


def count_short_clips(table: ClipTable, segments: int) -> int:
    """Count the clips with fewer frames than segments, whose frames are repeated."""
    return int((table.lengths < segments).sum())
