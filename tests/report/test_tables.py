"""The tables, from made-up runs with true provenance."""

import re
from pathlib import Path

import pytest

from cgc.config import Config, load_config, load_preset
from cgc.errors import UserError
from cgc.provenance import artefact_of
from cgc.report.tables import TABLES, table_caption, table_origin, tables_of
from cgc.report.tables.accuracy import (
    ablation_table,
    accuracy_table,
    video_table,
)
from cgc.report.tables.gates import gates_table, layers_of
from cgc.report.tables.p3d_architecture import p3d_architecture_table
from cgc.report.tables.settings import SUPPLEMENT, settings_table
from helpers.fake_runs import control, layer_share, make_controls, make_metrics, make_shares

pytestmark = pytest.mark.usefixtures("empty_checkout")
DEFAULT = "imagenet_default/cgc/seed0"
ANALYSED = "cifar10_ablation/cgc/seed0"


def changed(setting: str, **train: object) -> Config:
    return load_config(overrides={"settings": {setting: {"train": train}}})


def row_of_cgc(config: Config) -> dict:
    """The row of CGC in the default setting."""
    return accuracy_table(config, "imagenet_default").to_dict("records")[1]


def test_accuracy_is_that_of_the_run_with_device_preset_and_n() -> None:
    config = load_config()
    make_metrics(config, DEFAULT, top1_percent=91.5)
    row = row_of_cgc(config)
    assert (row["setting"], row["network"], row["convolution"]) == (
        "ImageNet default", "resnet11", "CGC"
    )  # fmt: skip
    assert (row["top1_percent_mean"], row["top5_percent_mean"]) == (91.5, 80)
    assert row["loss_mean"] == 1.25
    assert (row["num_images"], row["num_parameters"], row["num_macs"]) == (450, 1234567, 89012345)
    assert (row["n"], row["device"], row["preset"]) == (1, "Test GPU", "tiny")


def test_one_run_has_no_standard_deviation() -> None:
    config = load_config()
    make_metrics(config, DEFAULT)
    assert row_of_cgc(config)["top1_percent_std"] is None


def test_accuracy_has_a_row_per_convolution_of_both_settings() -> None:
    table = accuracy_table(load_config(), "imagenet")
    assert table[["setting", "convolution"]].to_numpy().tolist() == [
        [f"ImageNet {name}", convolution]
        for name in ("default", "advanced")
        for convolution in ("plain", "CGC")
    ]


@pytest.mark.parametrize("name", ["table_imagenet", "table_cifar10_ablation", "table_video"])
def test_numbers_without_a_run_are_said_to_be_not_run(name: str) -> None:
    config = load_config()
    table = TABLES[name].frame(config)
    known = {"setting", "network", "convolution", "variant", "description", "num_frames"}
    measured = table.drop(columns=[*known & set(table.columns), "n", "preset"])
    assert (measured == "not run").all(axis=None)
    assert (table["n"] == 0).all()


def test_stale_number_is_not_shown() -> None:
    make_metrics(load_config(), DEFAULT, top1_percent=91.5)
    row = row_of_cgc(changed("imagenet_default", momentum=0.8))
    assert (row["top1_percent_mean"], row["n"], row["device"]) == ("not run", 0, "not run")


def test_device_of_metrics_without_their_run_is_not_guessed() -> None:
    config = load_config()
    make_metrics(config, DEFAULT)
    artefact_of("train_model", DEFAULT, config.results_name).path("run.json").unlink()
    assert row_of_cgc(config)["device"] == "not recorded"


def test_ablation_gives_mean_and_sample_deviation_over_the_seeds() -> None:
    config = load_config()
    for seed, top1 in enumerate([90.0, 92.0, 97.0]):
        make_metrics(config, f"cifar10_ablation/cgc/seed{seed}", top1_percent=top1)
    row = ablation_table(config).set_index("variant").loc["cgc"]
    assert row["top1_percent_mean"] == 93
    assert row["top1_percent_std"] == pytest.approx(13**0.5)
    assert row["n"] == 3


def test_ablation_compares_every_row_with_cgc() -> None:
    config = load_config()
    make_metrics(config, "cifar10_ablation/cgc/seed0", top1_percent=90.0)
    make_metrics(config, "cifar10_ablation/plain/seed0", top1_percent=88.5)
    column = ablation_table(config).set_index("variant")["top1_percent_minus_cgc"]
    assert column[["plain", "cgc", "input_branch"]].tolist() == [-1.5, 0, "not run"]


def test_ablation_describes_every_variant_differently() -> None:
    descriptions = ablation_table(load_config())["description"]
    assert descriptions.nunique() == len(descriptions) == 8


def test_valid_runs_that_were_left_out_are_shown() -> None:
    for seed in (0, 1):
        make_metrics(load_config(), f"cifar10_ablation/cgc/seed{seed}")
    narrowed = load_config(overrides={"only_variants": ["plain"], "only_seeds": [0]})
    assert ablation_table(narrowed)["n"].tolist() == [0, 2, 0, 0, 0, 0, 0, 0]


def test_sources_are_the_asked_for_runs_of_the_table_alone() -> None:
    narrowed = load_config(overrides={"only_seeds": [0], "only_variants": ["plain", "cgc"]})
    sources = {
        name: [str(artefact) for artefact in TABLES[name].sources(narrowed)] for name in TABLES
    }
    runs = [f"evaluate_model:cifar10_ablation/{v}/seed0" for v in ("plain", "cgc")]
    assert sources["table_cifar10_ablation"] == runs
    measured = [f"{stage}:{ANALYSED}" for stage in ("measure_all_gates", "measure_controls")]
    assert sources["table_gates"] == measured
    config = load_config()
    seeds = [f"measure_all_gates:{run}" for run in config.gate_runs(config.all_runs())]
    of_all = [str(source) for source in TABLES["table_gates"].sources(config)]
    assert of_all == [*seeds, f"measure_controls:{ANALYSED}"]
    assert len(seeds) == 3
    assert sources["table_settings"] == sources["table_p3d_architecture"] == []


def test_preset_has_the_tables_of_its_settings() -> None:
    config = load_config([Path("config/presets/cifar10.yaml")])
    expected = {"table_settings", "table_cifar10_ablation", "table_gates", "claims"}
    assert set(tables_of(config)) == expected
    assert tables_of(load_config()) == list(TABLES)


def test_video_has_one_view_and_six() -> None:
    config = load_config()
    make_metrics(config, "p3d_a_video/cgc/seed0", top1_percent=70.0, top1_percent_6_views=72.0)
    row = video_table(config).set_index("variant").loc["cgc"]
    assert (row["top1_percent_mean"], row["top1_percent_6_views_mean"]) == (70, 72)
    assert (row["num_frames"], row["network"]) == (8, "p3d_a_resnet11")


def test_preset_without_the_setting_is_named() -> None:
    with pytest.raises(UserError, match=r"tiny has no setting something\.\.\., only imagenet"):
        accuracy_table(load_config(), "something")


@pytest.mark.parametrize("setting", ["imagenet_default", "imagenet_advanced", "p3d_a_video"])
def test_settings_have_every_key_of_the_recipe(setting: str) -> None:
    config = load_config()
    train = config.settings[setting].train.model_dump()
    nested = {f"{part}.{key}" for part in ("schedule", "augment") for key in train.pop(part)}
    expected = {f"train.{key}" for key in train.keys() | nested}
    assert expected <= set(settings_table(config)["item"])


def cell(config: Config, item: str, setting: str, column: str = "this_preset") -> object:
    """A setting's value of an item."""
    table = settings_table(config).set_index("item").loc[[item]]
    title = config.settings[setting].title
    (value,) = table.loc[[x == "all" or title in x.split(", ") for x in table["settings"]], column]
    return value


def test_settings_are_those_of_the_configuration() -> None:
    config = changed("imagenet_advanced", mixup_alpha=0.7)
    assert cell(config, "train.mixup_alpha", "imagenet_advanced") == 0.7
    assert cell(config, "train.schedule.milestones", "cifar10_ablation") == "4, 5"


def test_settings_say_what_a_variant_changes() -> None:
    text = cell(load_config(), "train.gate_learning_rate_factor", "cifar10_ablation")
    assert text == "0.1 (gates_full_rate: 1.0)"


def test_settings_of_a_shortened_preset_are_the_shortened_ones() -> None:
    config = load_config(overrides={"max_epochs": 2})
    assert cell(config, "train.epochs", "imagenet_default") == 2


def test_settings_are_compared_with_the_supplement_and_the_paper_preset() -> None:
    columns = ("supplement", "paper_preset", "this_preset")
    row = [cell(load_config(), "train.epochs", "imagenet_default", column) for column in columns]
    assert row == [100, 100, 10]


def test_paper_preset_has_what_the_supplement_says() -> None:
    paper = load_preset("paper")
    known = settings_table(paper).dropna(subset="supplement")
    assert known["this_preset"].tolist() == known["supplement"].tolist()
    assert set(known["item"]) == {item for values in SUPPLEMENT.values() for item in values}


def test_settings_keep_the_keys_of_a_schedule_together() -> None:
    items = settings_table(load_config())["item"].tolist()
    positions = [i for i, item in enumerate(items) if item.startswith("train.schedule.")]
    assert positions == list(range(positions[0], positions[-1] + 1))


def test_architecture_shows_where_the_temporal_convolutions_are() -> None:
    table = p3d_architecture_table(load_config()).set_index("layer")
    assert table.index[table["temporal"].astype(bool)].tolist() == [
        "temporal.conv", "layer2.0.temporal.conv"
    ]  # fmt: skip
    assert table.loc["temporal.conv", ["kernel", "stride", "output_shape"]].tolist() == [
        "5x1x1", "2x1x1", "16x4x16x16"
    ]  # fmt: skip
    assert table.loc["conv1", "gated"]


def test_architecture_leaves_out_pointwise_convolutions() -> None:
    assert "1x1x1" not in p3d_architecture_table(load_config())["kernel"].tolist()


def test_gates_are_shares_in_percent_by_depth() -> None:
    config = load_config()
    make_shares(config, [layer_share("conv1", 0.5), layer_share("conv2", 0.75)], untrained=0.25)
    table = layers_of(gates_table(config))
    assert table["depth"].tolist() == [1, 2]
    assert table["layer"].tolist() == ["conv1", "conv2"]
    last = table.loc[1]
    assert (last["share_percent"], last["untrained_share_percent"]) == (75, 25)
    assert (last["share_low_percent"], last["share_high_percent"]) == pytest.approx((73, 77))
    assert (last["shuffled_share_percent"], last["level_percent"]) == (1, 95)
    assert (last["num_images"], last["run"], last["n"]) == (450, ANALYSED, 1)
    assert (last["device"], last["preset"]) == ("Test GPU", "tiny")


def test_gates_without_a_run_are_said_to_be_not_run() -> None:
    rows = gates_table(load_config()).to_dict("records")
    assert {row[name] for row in rows for name in ("share_percent", "device")} == {"not run"}
    runs = [(row["representation"], row["run"], row["n"]) for row in rows]
    others = [("kernels", ANALYSED.replace("seed0", seed), 0) for seed in ("seed1", "seed2")]
    assert runs == [("kernels", ANALYSED, 0), ("controls", ANALYSED, 0), *others]


def test_gates_are_followed_by_controls_and_by_the_last_layer_of_other_seeds() -> None:
    config = load_config()
    make_shares(config, [layer_share("conv1", 0.5), layer_share("conv2", 0.75)])
    refused = control("features", None, refused="x")
    make_controls(config, [control("kernels", 0.75), control("pixels", 0.4), refused])
    other = layer_share("conv2", 0.65, corrected_share=None, refused="1 image")
    other_run = ANALYSED.replace("seed0", "seed1")
    make_shares(config, [layer_share("conv1", 0.2), other], run=other_run)
    table = gates_table(config)
    kernels = ["kernels", "kernels"]
    assert table["representation"].tolist() == [*kernels, "pixels", "features", *kernels]
    assert table["share_percent"].tolist() == [50, 75, 40, "not run", 65, "not run"]
    corrected = pytest.approx(39), "not run", "not measured"
    assert tuple(table["corrected_share_percent"][2:5]) == corrected
    assert table["note"].tolist()[2:5] == [None, "x", "1 image"]


def test_table_has_the_commit_and_date_of_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config()
    about: dict[str, object] = {"date": "2021-02-03T04:05:06+00:00", "commit": "abc123"}
    about["versions"] = {"torch": "2.15.0"}
    with monkeypatch.context() as patched:
        patched.setattr("cgc.provenance.job.environment", lambda: about)
        make_metrics(config, DEFAULT)
    caption = table_caption(TABLES["table_imagenet"], config)
    assert "Preset tiny: scikit-learn's handwritten digits" in caption
    assert caption.endswith("This is not the paper's setting.")
    origin = table_origin(TABLES["table_imagenet"], config)
    assert origin.startswith("Commit abc123; 2021-02-03; config ")


def test_table_without_runs_has_the_present_commit_and_day() -> None:
    origin = table_origin(TABLES["table_settings"], load_config())
    assert re.search(r"Commit [\w-]+; 20\d\d-\d\d-\d\d; config \w{12}\.$", origin)


def test_caption_of_the_paper_preset_does_not_disown_it() -> None:
    config = load_config([Path("config/presets/paper.yaml")])
    assert "not the paper's" not in table_caption(TABLES["table_settings"], config)
