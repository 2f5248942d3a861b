"""A whole preset: data sets, settings, and what is analysed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from cgc.config.datasets import KINDS_OF_CLIPS, WHERE_DATA_LIES, Dataset
from cgc.config.section import FilePath, Name, PositiveInt, Section
from cgc.config.settings import Setting, Train, Variant
from cgc.errors import UserError
from cgc.networks import MODELS, find_network
from cgc.paths import REFERENCE

SEEDS_OF_A_SPREAD = 3  # with fewer trainings, no spread over seeds is shown


class Gates(Section):
    """The gate analysis of A.1."""

    run: str = Field(description="setting/variant/seedN of the network that Fig. 1 shows")
    max_images: PositiveInt = Field(
        2000,
        description="for shuffled labels and the interval over images, which compare every two "
        "images: with more, whole classes are sampled",
    )
    repeats: PositiveInt = Field(200, description="shuffled labellings, and resamples")


class Execution(Section):
    """How runs are executed on this machine; never part of a result's identity."""

    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="auto: a CUDA GPU if there is one, else the CPU"
    )
    threads: PositiveInt = Field(1, description="processor cores for one computing step")
    devices: PositiveInt = Field(
        1,
        description="devices that one run may use at most. With 1, 2 or more a step draws the same "
        "random numbers and takes the same batch statistics, so its gradient is equal up to the "
        "order of floating-point sums. A whole training is not equal: rounding is amplified from "
        "step to step, and two trainings may end as far apart as two seeds",
    )
    runs_per_gpu: PositiveInt = Field(1, description="runs that may share a GPU at a time")
    precision: Literal["32-true", "bf16-mixed"] = Field(
        "32-true", description="float32, or products in bfloat16 with float32 weights"
    )
    channels_last: bool = Field(False, description="store maps and kernels with channels last")
    compile: bool = Field(False, description="train by torch.compile; on a GPU with CUDA graphs")
    workers: int = Field(0, ge=0, le=1024, description="processes that load data, per device")
    run_hours: dict[Name, dict[Literal["plain", "cgc"], Annotated[float, Field(gt=0)]]] = Field(
        {},
        description="device-hours of one training, by setting and kind of convolution, measured or "
        "estimated; `cgc plan` adds them up",
    )

    def device(self) -> Literal["cuda", "cpu"]:
        """Return where to compute: on a CUDA GPU if there is one and `accelerator` allows it.

        Raises:
            UserError: a GPU was asked for and there is none.
        """
        from torch.cuda import is_available  # only where something is computed

        if self.accelerator == "gpu" and not is_available():
            raise UserError(
                "execution.accelerator is gpu, but PyTorch finds no CUDA GPU: choose auto or cpu"
            )
        return "cuda" if self.accelerator != "cpu" and is_available() else "cpu"


@dataclass(frozen=True, order=True)
class Run:
    """One training run."""

    setting: str
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.setting}/{self.variant}/seed{self.seed}"


class Config(Section):
    """Everything that a preset says."""

    preset: Name = Field(pattern=r"^[a-z0-9_-]+$", description="names the folder of its results")
    description: str = Field(description="one sentence for captions")
    data_root: FilePath = Field(
        "data/raw", description="folder of data sets that cannot be embedded; ~ is your home"
    )
    max_images: PositiveInt | None = Field(None, description="shortens: images per split")
    max_epochs: PositiveInt | None = Field(None, description="shortens: epochs per run")
    only_variants: list[str] | None = Field(None, description="narrows what runs: these variants")
    only_seeds: list[int] | None = Field(None, description="narrows what runs: these seeds")
    force: list[str] = Field([], description="artefacts to make again, e.g. train_model:...")
    datasets: dict[Name, Dataset] = Field(description="by name")
    variants: dict[Name, Variant] = Field(description="kinds of convolution, by name")
    settings: dict[Name, Setting] = Field(min_length=1, description="trainings, by name")
    gates: Gates = Field(description="what is analysed")
    execution: Execution = Field(Execution(), description="how to compute on this machine")
    _is_changed: bool = PrivateAttr(False)  # from what the preset's file says; see `load`
    _is_reference: bool = PrivateAttr(False)  # see `as_reference`

    @property
    def results_name(self) -> str:
        """The preset's name in paths.

        A preset's name is a promise: a preset that was shortened, or whose settings differ from
        its file, gets another one.
        """
        if self._is_reference:
            return f"{REFERENCE}/{self.preset}"
        if self.max_images or self.max_epochs:
            return f"{self.preset}-short"
        return f"{self.preset}-changed" if self._is_changed else self.preset

    @property
    def name(self) -> str:
        """The preset's name in captions and tables, which mark references in words."""
        return self.preset if self._is_reference else self.results_name

    @property
    def is_reference(self) -> bool:
        """Whether results are those kept in results/reference, which never go stale."""
        return self._is_reference

    def as_reference(self) -> "Config":
        """Return the whole preset with its reference results instead of this machine's.

        Every path, table and figure is then that of `results/reference/<preset>`.
        """
        reference = self.model_copy(update={"only_variants": None, "only_seeds": None})
        reference._is_reference = True
        return reference

    def defining(self) -> dict[str, Any]:
        """Return the settings that every result depends on: what the preset's name stands for."""
        parts = self.model_dump(mode="json", include={"datasets", "variants", "settings"})
        for dataset in parts["datasets"].values():
            for place in WHERE_DATA_LIES & dataset.keys():
                del dataset[place]
        return parts

    def all_runs(self) -> list[Run]:
        """Return every training run of the preset."""
        return [
            Run(name, variant, seed)
            for name, setting in self.settings.items()
            for variant in setting.variants
            for seed in setting.seeds
        ]

    def runs(self) -> list[Run]:
        """Return the requested runs: all, or those that `only_...` selects."""
        return [
            run
            for run in self.all_runs()
            if (self.only_variants is None or run.variant in self.only_variants)
            and (self.only_seeds is None or run.seed in self.only_seeds)
        ]

    def gate_runs(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs whose gates are measured in every layer, the analysed one first.

        The others, taken from `runs`, show the spread over seeds: trainings of the same variant in
        image settings that have several.
        """
        analysed = next(run for run in self.all_runs() if str(run) == self.gates.run)
        others = [
            run
            for run in runs
            if run.variant == analysed.variant
            and self.settings[run.setting].clips is None
            and len(self.settings[run.setting].seeds) >= SEEDS_OF_A_SPREAD
            and run != analysed
        ]
        return [analysed, *others]

    def plain_run(self) -> Run | None:
        """Return the plain run of the analysed run's setting and seed, if the preset has it."""
        (analysed,) = self.gate_runs([])
        return next(
            (
                run
                for run in self.all_runs()
                if (run.setting, run.seed) == (analysed.setting, analysed.seed)
                and self.variants[run.variant] == Variant(conv="plain")
            ),
            None,
        )

    def train_settings(self, run: Run) -> Train:
        """Return the training recipe of `run`: the setting's, changed by the variant, shortened.

        Only the runs whose gates are measured during training keep weights of other epochs.
        """
        train, variant = self.settings[run.setting].train, self.variants[run.variant]
        epochs = min(train.epochs, self.max_epochs or train.epochs)
        is_measured = run in (*self.gate_runs([]), self.plain_run())
        kept = [epoch for epoch in train.snapshot_epochs if epoch < epochs and is_measured]
        changes: dict[str, Any] = {"epochs": epochs, "snapshot_epochs": kept}
        if variant.gate_learning_rate_factor is not None:
            changes["gate_learning_rate_factor"] = variant.gate_learning_rate_factor
        return train.model_copy(update=changes)

    def initial_run(self, run: Run) -> Run | None:
        """Return the image run whose weights `run` starts from, if any."""
        clips = self.settings[run.setting].clips
        if clips is None or clips.initialise_from is None:
            return None
        image_setting = self.settings[clips.initialise_from]
        return Run(clips.initialise_from, self.variants[run.variant].conv, image_setting.seeds[0])

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "Config":
        if problems := [*self._problems(), *self._problems_of_the_analysis()]:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if self.preset == REFERENCE:
            yield f"preset: {REFERENCE} is the folder of reference results, choose another name"
        for name, setting in self.settings.items():
            place = f"settings.{name}"
            if setting.dataset not in self.datasets:
                yield _unknown(f"{place}.dataset", setting.dataset, self.datasets)
            for variant in setting.variants:
                if variant not in self.variants:
                    yield _unknown(f"{place}.variants", variant, self.variants)
            yield from self._problems_of_clips(place, setting)
            yield from self._problems_of_variants(place, setting)
            if setting.clips and setting.clips.initialise_from:
                yield from self._problems_of_weights(place, setting, setting.clips.initialise_from)

    def _problems_of_the_analysis(self) -> Iterator[str]:
        for variant in self.only_variants or []:
            if variant not in self.variants:
                yield _unknown("only_variants", variant, self.variants)
        runs = {str(run): run for run in self.all_runs()}
        run = runs.get(self.gates.run)
        if run is None:
            yield _unknown("gates.run", self.gates.run, runs)
        elif run.variant in self.variants and self.variants[run.variant].conv == "plain":
            yield f"gates.run: {run} has plain convolutions, name a run with gates"

    def _problems_of_clips(self, place: str, setting: Setting) -> Iterator[str]:
        has_clips, train = setting.clips is not None, setting.train
        if has_clips != (find_network(setting.model).kind == "clip"):
            known = ", ".join(name for name, network in MODELS.items() if network.kind == "clip")
            yield f"{place}.clips: is for {known}, which need it; the model is {setting.model}"
        dataset = self.datasets.get(setting.dataset)
        if dataset and has_clips != (dataset.kind in KINDS_OF_CLIPS):
            kind = "clips" if dataset.kind in KINDS_OF_CLIPS else "images"
            yield f"{place}.dataset: {setting.dataset} holds {kind}, the model {setting.model} not"
        if has_clips != (train.augment.crop == "multi_scale"):
            yield f"{place}.train.augment.crop: multi_scale is for clips, and clips need it"
        if has_clips and train.augment.flip:
            yield f"{place}.train.augment.flip: clips are never flipped, say false"
        if has_clips and train.mixup_alpha is not None:
            yield f"{place}.train.mixup_alpha: mixup is for images, say null"

    def _problems_of_variants(self, place: str, setting: Setting) -> Iterator[str]:
        is_ours = setting.model in MODELS
        for name in setting.variants:
            variant = self.variants.get(name, Variant())
            if setting.clips is None and variant.temporal is not None:
                yield f"{place}.variants: {name} sets temporal, which is for clips"
            if is_ours and variant.interaction_groups not in (None, 1):
                yield (
                    f"{place}.variants: {name} has interaction_groups={variant.interaction_groups},"
                    f" but the first convolution of {setting.model} takes 1 only"
                )

    def _problems_of_weights(self, place: str, setting: Setting, name: str) -> Iterator[str]:
        place, source = f"{place}.clips.initialise_from", self.settings.get(name)
        if source is None:
            yield _unknown(place, name, self.settings)
            return
        for conv in {self.variants[v].conv for v in setting.variants if v in self.variants}:
            if conv not in source.variants:
                yield f"{place}: {name} has no {conv} run"


def _unknown(place: str, name: str, known: Iterable[str]) -> str:
    return f"{place}: {name!r} is not defined; there are {', '.join(known)}"
