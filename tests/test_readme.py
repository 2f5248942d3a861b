"""README and docs: their commands parse, the things they name exist, and the numbers they promise
are those of the runs. tests/workflow/test_readme_commands.py plans the commands.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from cgc import cli, provenance
from cgc.config import load_config
from cgc.errors import UserError
from cgc.reference.kept import RECORD
from helpers.documents import (
    PAGES,
    PROGRAMS,
    ROOT,
    Block,
    Command,
    anchors,
    blocks,
    commands,
    inline_codes,
    links,
)

PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PRESETS = [None, *sorted((ROOT / "config/presets").glob("*.yaml"))]


def named(items: Iterable[Any]) -> list[Any]:
    return [pytest.param(item, id=str(item)) for item in items]


def commands_of(program: str) -> list[Any]:
    return named(command for command in commands() if command.words[0] == program)


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


# Commands


def test_every_command_is_of_a_program_that_is_checked() -> None:
    scripts = [c for c in commands() if c.words[0].endswith(".py") and (ROOT / c.words[0]).exists()]
    unknown = [str(c) for c in commands() if c.words[0] not in PROGRAMS and c not in scripts]
    assert unknown == []


@pytest.mark.parametrize("block", named(blocks("text", "")))
def test_block_of_text_holds_no_command_that_would_go_unchecked(block: Block) -> None:
    typed = [line for line in block.text.splitlines() if line.startswith(PROGRAMS)]
    assert typed == []


@pytest.mark.parametrize("block", named(blocks("bash")))
def test_block_of_commands_is_valid_bash(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("command", commands_of("cgc"))
def test_cgc_command_takes_these_arguments(command: Command) -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    name, *arguments = command.words[1:]
    if name.startswith("-"):  # an option of `cgc` itself; parsing would run it
        context = group.make_context("cgc", [], resilient_parsing=True)
        assert name in [option for each in group.get_params(context) for option in each.opts]
    else:
        assert group.commands[name].make_context(name, arguments).args == []


@pytest.mark.parametrize("command", commands_of("dvc"))
def test_dvc_command_takes_these_arguments(command: Command) -> None:
    from dvc.cli.parser import get_main_parser

    assert get_main_parser().parse_args(list(command.words[1:])).func


@pytest.mark.parametrize("command", commands_of("snakemake"))
def test_snakemake_command_takes_these_options(command: Command) -> None:
    from snakemake.cli import get_argument_parser

    assert get_argument_parser().parse_args(list(command.words[1:]))


@pytest.mark.parametrize("command", commands_of("torchrun"))
def test_torchrun_command_takes_these_arguments(command: Command) -> None:
    from torch.distributed.run import get_args_parser

    arguments = get_args_parser().parse_args(list(command.words[1:]))
    assert (arguments.training_script, *arguments.training_script_args[:1]) == (
        "cgc",
        "train-model",
    )


@pytest.mark.parametrize("command", commands_of("git"))
def test_git_command_exists(command: Command) -> None:
    done = subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True, check=True)
    assert command.words[1] in done.stdout.split()


@pytest.mark.parametrize("name", ["figure", "tests"])
def test_marked_command_is_run_word_for_word_by_ci(name: str) -> None:
    marked = rf"^<!-- command: {name} -->\n```bash\npython3 -m pip install .* && .uv/bin/uv run \w+"
    assert re.search(marked, (ROOT / "README.md").read_text(), re.MULTILINE)
    assert f"\nrun_readme_command {name}\n" in (ROOT / ".ci/run").read_text()


def config_options() -> list[Any]:
    """Inline code such as `--config data_root=FOLDER`, which is added to a command."""
    options = {c for page in PAGES for c in inline_codes(page) if c.startswith("--config ")}
    return named(sorted(options))


@pytest.mark.parametrize("option", config_options())
def test_config_option_is_valid_in_some_preset(option: str) -> None:
    pairs = [pair.partition("=") for pair in shlex.split(option)[1:] if "..." not in pair]
    overrides = {key: yaml.safe_load(value) for key, _, value in pairs}
    problems = []
    for preset in PRESETS:
        try:
            load_config([preset] if preset else [], overrides)
        except UserError as error:
            problems.append(str(error))
    assert len(problems) < len(PRESETS), problems


@pytest.mark.parametrize("block", named(blocks("python")))
def test_python_block_runs(block: Block) -> None:
    exec(compile(block.text, str(block.page), "exec"), {"__name__": "__main__"})


# Names


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_relative_link_leads_to_a_file_and_a_heading(name: str) -> None:
    page = ROOT / name
    inside = [link.partition("#") for link in links(page) if "://" not in link]
    places = [(path, (page.parent / path) if path else page, anchor) for path, _, anchor in inside]
    assert [path for path, file, _ in places if not file.exists()] == []
    assert [f"{p}#{a}" for p, file, a in places if a and a not in anchors(file)] == []


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_external_link_is_well_formed(name: str) -> None:
    outside = [link for link in links(ROOT / name) if "://" in link]
    well_formed = re.compile(r"https://(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[\w./~%+-]*)?")
    assert [link for link in outside if not well_formed.fullmatch(link)] == []


# A folder, a file in one, or a file of the root.
PATH = re.compile(
    r"(?:[\w.-]+/)+(?:[\w.-]+\.\w+)?|\w[\w.-]*\.(?:cff|json|lock|md|py|smk|toml|ya?ml)"
)
# Results and users' files; and runs, whose numbers are tested below.
MADE = ("results/", "data/", "logs/", "work/", "metrics/", "gates/", ".dvc/")


def named_files(page: Path) -> list[str]:
    """Files and folders that a page names and that a checkout must have."""
    artefacts = {
        path.name for artefact in provenance.artefacts(load_config()) for path in artefact.paths()
    }
    shown = {block.text.splitlines()[0].removeprefix("# ") for block in blocks("yaml")}
    return [
        code
        for code in inline_codes(page)
        if PATH.fullmatch(code)
        and not code.startswith(MADE)
        and code not in artefacts | shown | {RECORD}
    ]


@pytest.mark.parametrize("name", [name for name in PAGE_NAMES if name != "docs/readings.md"])
def test_named_file_exists(name: str) -> None:
    assert [path for path in named_files(ROOT / name) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_named_object_of_the_package_exists(name: str) -> None:
    from pydoc import locate

    dotted = {code for code in inline_codes(ROOT / name) if re.fullmatch(r"cgc(?:\.\w+)+", code)}
    assert [code for code in sorted(dotted) if locate(code) is None] == []


@pytest.mark.parametrize("preset", PRESETS[1:], ids=lambda preset: preset.stem)
def test_page_on_reproduction_says_where_the_data_of_a_preset_goes(preset: Path) -> None:
    text = (ROOT / "docs/reproduce.md").read_text()
    sources = [
        dataset.source
        for dataset in load_config([preset]).datasets.values()
        if hasattr(dataset, "source")
    ]
    assert sources
    assert [source for source in sources if f"data/raw/{source}" not in text] == []


# Promised numbers


def mean_scores(setting: str, preset: str = "tiny") -> dict[str, str]:
    """The mean top-1 accuracy of every variant of a setting, as in the README."""
    metrics = ROOT / f"results/reference/{preset}/metrics/{setting}"
    scores = {
        folder.name: [
            json.loads(file.read_text())["top1_percent"] for file in folder.glob("*/metrics.json")
        ]
        for folder in metrics.iterdir()
    }
    return {variant: f"{fmean(values):.1f}" for variant, values in scores.items()}


def test_numbers_of_the_readme_are_those_of_the_committed_runs() -> None:
    default, advanced = mean_scores("imagenet_default"), mean_scores("imagenet_advanced")
    ablation, video = mean_scores("cifar10_ablation").values(), mean_scores("p3d_a_video")
    real = mean_scores("cifar10_ablation", "cifar10_cpu")
    expected = [
        f"plain {default['plain']} and {advanced['plain']}, "
        f"CGC {default['cgc']} and {advanced['cgc']} %",
        f"{min(ablation)} to {max(ablation)} %",
        f"{video['plain']} and {video['cgc']} %; without time {video['plain_without_temporal']} %",
        f"plain {real['plain']}, CGC {real['cgc']} %: no difference shown; "
        f"literal zero start {real['gates_zero_relu']} %: lower; "
        f"gates at the full learning rate {real['gates_full_rate']} %: higher",
    ]
    text = (ROOT / "README.md").read_text()
    assert [each for each in expected if each not in text] == []


def gates_of_reference(preset: str, file: str) -> Any:
    """The committed gate analysis of a preset's analysed run."""
    config = load_config() if preset == "tiny" else load_config([f"config/presets/{preset}.yaml"])
    path = ROOT / f"results/reference/{preset}/gates/{config.gates.run}/{file}"
    return json.loads(path.read_text())


def test_line_to_expect_is_that_of_the_committed_run() -> None:
    *_, last = gates_of_reference("tiny", "gate_shares.json")["trained"]
    share, corrected = (f"{100 * last[name]:.2f} %" for name in ("share", "corrected_share"))
    expected = (
        f"Fig. 1 (preset tiny, layer {last['layer']}): inter > intra in {share} of 90 ordered "
        f"class pairs; corrected {corrected}, CDNV {last['median_cdnv']:.2f}"
    )
    assert expected in [block.text for block in blocks("text")]


@pytest.mark.parametrize("preset", ["tiny", "cifar10_cpu"])
def test_shares_of_the_readme_are_those_of_the_committed_runs(preset: str) -> None:
    text = (ROOT / "README.md").read_text()
    *_, last = layers = gates_of_reference(preset, "gate_shares.json")["trained"]
    share, corrected = (f"{100 * last[name]:.2f} %" for name in ("share", "corrected_share"))
    assert f"{share} of 90 pairs, corrected {corrected}" in text
    least, most = (100 * function(layer["share"] for layer in layers) for function in (min, max))
    assert f"layers {least:.1f} to {most:.1f} %" in text


@pytest.mark.parametrize(
    ("preset", "stated"),
    [
        ("tiny", "input of the last {pooled_context:.1f} %"),
        ("cifar10_cpu", "input of the last {pooled_context:.1f} %, features {features:.1f} %"),
    ],
)
def test_input_of_the_last_gates_is_separated_as_the_readme_says(preset: str, stated: str) -> None:
    rows = gates_of_reference(preset, "gate_controls.json")
    shares = {row["representation"]: 100 * row["share"] for row in rows}
    assert stated.format(**shares) in (ROOT / "README.md").read_text()


def test_readme_cites_the_paper_as_the_citation_file_does() -> None:
    (paper,) = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    text = " ".join((ROOT / "README.md").read_text().split())
    authors = [f"{a['family-names']}, {a['given-names'][0]}." for a in paper["authors"]]
    cited = [*authors, paper["title"], paper["doi"], str(paper["volume"]), str(paper["year"])]
    assert [part for part in cited if part not in text] == []
