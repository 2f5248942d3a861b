"""The report, from a few made-up results."""

import base64
import dataclasses
import json
import re
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from cgc.cli.publish import make_report
from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.provenance import artefact_of, file_hash, write_publication
from cgc.provenance.publication import origin, publish_record, read_record
from cgc.reference.compare import Compared
from cgc.reference.numbers import Number
from cgc.report.cells import displayed
from cgc.report.drawing import captioned_figure
from cgc.report.figures import FIGURES, figures_of
from cgc.report.page import render
from cgc.report.page.contents import embedded_image, read_csv, read_figure
from cgc.report.page.render import Commands, readings_html, render_report
from cgc.report.page.runs import describe_seconds, list_environments, list_runs
from cgc.report.style import FigureMetadata, print_style, save_figure
from cgc.report.tables import tables_of
from cgc.report.tables.files import write_table
from helpers.fake_report import HOSTILE, MADE_RUN, RUN_FILE, Reported, publish_items

LARGEST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def page(reported: Reported) -> BeautifulSoup:
    return BeautifulSoup(reported.html, "html.parser")


def words(element: BeautifulSoup) -> str:
    return " ".join(element.get_text(" ").split())


def rows_of(page: BeautifulSoup, section: str) -> list[list[str]]:
    rows = page.select(f"#{section} tbody tr")
    return [[words(cell) for cell in row.find_all(["td", "th"])] for row in rows]


def test_claims_come_first_and_the_rest_in_order(page: BeautifulSoup) -> None:
    sections = [section["id"] for section in page.select("main > section")]
    assert sections == [
        "claims", "questions", "expected", "figures", "tables", "runs", "environment", "readings"
    ]  # fmt: skip


def test_first_screen_is_question_answer_and_fig_1(page: BeautifulSoup) -> None:
    header = page.header
    assert words(header.h1).startswith("A.1: Do modulated kernels cluster by class")
    answer = words(header.select_one(".answer"))
    assert answer.startswith(f"the controls of {MADE_RUN} of preset tiny: not run; make it with")
    assert [article["id"] for article in header.select("article")] == ["fig1_gate_matrix"]
    assert len(page.select("#fig1_gate_matrix")) == 1


def test_page_says_that_numbers_are_not_the_paper_s(page: BeautifulSoup) -> None:
    notice = "These numbers are not the paper's. Preset tiny: scikit-learn's handwritten digits"
    assert notice in words(page.header)


def test_page_names_settings_data_and_checkpoints_in_its_metadata(page: BeautifulSoup) -> None:
    keywords = page.select_one('meta[name="keywords"]')
    assert keywords is not None
    kinds = [word.split("=")[0] for word in str(keywords["content"]).split(", ")]
    assert [kinds[0], *kinds[-4:]] == ["preset", "date", "config", "data", "checkpoint"]


def test_paper_preset_carries_no_such_notice(own_config: Config) -> None:
    paper = own_config.model_copy(update={"preset": "paper"})
    publish_items(paper)
    assert "not the paper" not in render_report(paper)


def test_claims_are_counted_by_verdict(page: BeautifulSoup) -> None:
    counts = {label["for"]: words(label.strong) for label in page.select("#claims label")}
    assert counts == {
        "show-all": "5 + 1",
        "show-reproduced": "1",
        "show-not-reproduced": "1",
        "show-not-comparable": "2",
        "show-not-run": "1",
        "show-implemented": "1",
        "show-not-implemented": "0",
    }


def test_results_come_before_settings_and_are_counted_apart(page: BeautifulSoup) -> None:
    groups = page.select("#claims tbody")
    assert [words(group.select_one(".group")) for group in groups] == [
        "Empirical claims: 5",
        "Settings: 1",
    ]
    results, settings = ([row["id"] for row in group.select("[id]")] for group in groups)
    assert results == [
        f"claim-{name}" for name in ("made-up", "again", "hostile", "wrong", "undone")
    ]
    assert settings == ["claim-built"]


def test_claim_has_the_paper_s_value_and_ours(page: BeautifulSoup) -> None:
    cells = [words(cell) for cell in page.select("#claim-made-up td")]
    found_with = "preset tiny, CPU results/fig1_gate_matrix.pdf"
    assert cells == ["≈ not comparable A.1", "93.99", "95.5", found_with]


def test_missing_run_says_not_run(page: BeautifulSoup) -> None:
    assert rows_of(page, "runs")[0] == ["ImageNet default plain, seed 0", *["not run"] * 8]


def made_row(config: Config) -> int:
    """Return the index of the only run that was made."""
    return [str(run) for run in config.all_runs()].index(MADE_RUN)


def test_every_run_is_listed(page: BeautifulSoup, reported: Reported) -> None:
    assert len(rows_of(page, "runs")) == len(reported.config.all_runs())


def test_run_is_told_with_score_time_device_commit_and_checkpoint(
    page: BeautifulSoup, reported: Reported
) -> None:
    folder = artefact_of("train_model", MADE_RUN, reported.config.results_name).folder
    checkpoint = file_hash(reported.folder / folder / "model.safetensors")[:12]
    measured = ["10", "3.2 min", "Test GPU", "abc123def456", checkpoint]
    assert rows_of(page, "runs")[made_row(reported.config)] == [
        "CIFAR-10 CGC, seed 0", "trained here", "91.2", "450", *measured
    ]  # fmt: skip


def test_run_without_its_checkpoint_is_told_all_the_same(own_config: Config) -> None:
    before = list_runs(own_config)
    artefact_of("train_model", MADE_RUN, own_config.results_name).path("model.safetensors").unlink()
    assert list_runs(own_config).equals(before)


def test_run_without_evaluation_has_a_time_and_no_score(own_config: Config) -> None:
    (
        artefact_of("evaluate_model", MADE_RUN, own_config.results_name).folder / "metrics.json"
    ).unlink()
    row = list_runs(own_config).loc[made_row(own_config)]
    cells = row[["origin", "top1_percent", "time"]].tolist()
    assert cells == ["trained here", "not run", "3.2 min"]


def test_run_with_the_records_of_the_reference_is_shipped(own_config: Config) -> None:
    for name, content in {"run.json": json.dumps(RUN_FILE), "history.csv": "epoch\n1\n"}.items():
        for label in (own_config.results_name, own_config.as_reference().results_name):
            path = artefact_of("train_model", MADE_RUN, label).path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    position = made_row(own_config)
    assert list_runs(own_config).loc[position, "origin"] == "shipped"
    path.write_text(content + "2\n")
    assert list_runs(own_config).loc[position, "origin"] == "trained here"


def test_stale_run_is_not_run(own_config: Config) -> None:
    changes = {"settings": {"cifar10_ablation": {"train": {"momentum": 0.8}}}}
    assert set(list_runs(load_config(overrides=changes))["origin"]) == {"not run"}


def test_training_that_left_no_record_is_not_recorded(own_config: Config) -> None:
    artefact_of("train_model", MADE_RUN, own_config.results_name).path("run.json").unlink()
    row = list_runs(own_config).loc[made_row(own_config)]
    assert (row["top1_percent"], row["time"], row["commit"]) == (91.25, *["not recorded"] * 2)


@pytest.mark.parametrize(
    ("seconds", "text"), [(48.4, "48 s"), (59.9, "60 s"), (192.5, "3.2 min"), (18360, "5.1 h")]
)
def test_duration_is_told_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text


def test_environments_are_those_of_the_runs_and_of_the_report(own_config: Config) -> None:
    environments = list_environments(own_config)
    assert environments["what"].tolist() == ["training, 1 runs", "this report"]
    trained = environments.loc[0, ["device", "processes", "precision", "python", "torch"]].tolist()
    assert trained == ["Test GPU", 1, "32-true", "3.11.0", "2.11.0"]


def test_markup_in_results_is_shown_as_text(page: BeautifulSoup, reported: Reported) -> None:
    assert page.select("script") == []
    assert HOSTILE in page.select_one("#claim-hostile").get_text()
    assert "<script" not in reported.html


def test_markup_in_captions_and_texts_of_figures_is_escaped(
    own_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = '"><script>'
    figure = dataclasses.replace(
        FIGURES["fig1_gate_matrix"], title=hostile, caption=hostile, alt_text=hostile
    )
    monkeypatch.setitem(FIGURES, "fig1_gate_matrix", figure)
    page = BeautifulSoup(render_report(own_config), "html.parser")
    assert page.select("script") == []
    assert page.select_one("#fig1_gate_matrix img")["alt"] == hostile


def test_every_figure_is_an_embedded_image_with_its_text(page: BeautifulSoup) -> None:
    images = {image["alt"]: image["src"] for image in page.select("img")}
    assert set(images) == {figure.alt_text for figure in FIGURES.values()}
    assert all(source.startswith("data:image/") for source in images.values())


def test_picture_is_embedded_on_white_and_not_too_wide(tmp_path: Path) -> None:
    Image.new("RGBA", (2800, 700), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    address, size = embedded_image(tmp_path / "clear.png")
    assert size == (1400, 350)
    content = base64.b64decode(address.removeprefix("data:image/webp;base64,"))
    with Image.open(BytesIO(content)) as picture:
        assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_caption_of_a_figure_is_text_and_not_picture(own_config: Config) -> None:
    with print_style():
        figure = captioned_figure(4, 2, "Its own caption. " * 9, "constrained")
    about = FigureMetadata("Title", "tiny", origin(own_config, []))
    _, path = save_figure(figure, Path("results/fig_schedules"), about)
    publish_record(own_config, "fig_schedules", [path], [])
    shown = read_figure("fig_schedules", own_config)
    assert shown.caption == ("Its own caption. " * 9).strip()
    with Image.open(path) as whole:
        assert shown.size[1] / shown.size[0] == pytest.approx(0.5, abs=0.03)
        assert whole.height / whole.width > 0.55


def test_numbers_are_expected_allowed_and_yours(
    own_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = Number("a setting", "cgc", "top1_percent")
    rows = [Compared(number, (90.0, 92.0), (95.0,), 1.5), Compared(number, (), (95.0,), None)]
    reference = SimpleNamespace(config=own_config)
    monkeypatch.setattr(render, "read_reference", lambda preset: reference)
    monkeypatch.setattr(render, "compare", lambda ours, theirs: rows)
    page = BeautifulSoup(render_report(own_config), "html.parser")
    label = "CGC a setting, top-1, %"
    assert rows_of(page, "expected") == [
        [label, "95.0", "± 1.5", "91.0", "differs"],
        [label, "95.00", "unknown", "not run", "not run"],
    ]


def test_preset_without_a_reference_says_so(page: BeautifulSoup) -> None:
    assert "No comparison: preset tiny has no reference results" in words(
        page.select_one("#expected")
    )


def test_every_table_of_the_preset_has_a_caption_and_headers(
    page: BeautifulSoup, reported: Reported
) -> None:
    tables = page.select("#tables article")
    assert [table["id"] for table in tables] + ["claims"] == tables_of(reported.config)
    for table in page.select("table:not(#readings table)"):
        assert words(table.caption)
    assert page.select("th:not([scope])") == []


def test_everything_that_scrolls_can_be_focused_and_has_a_name(page: BeautifulSoup) -> None:
    ids = {element["id"] for element in page.select("[id]")}
    for region in page.select("table"):
        assert region.parent["tabindex"] == "0"
        assert region.parent["aria-labelledby"] in ids


def test_identifiers_are_unique(page: BeautifulSoup) -> None:
    ids = [element["id"] for element in page.select("[id]")]
    assert sorted(set(ids)) == sorted(ids)


def test_every_link_leads_to_a_place_in_the_page(page: BeautifulSoup) -> None:
    ids = {element["id"] for element in page.select("[id]")}
    links = [link["href"] for link in page.select("a")]
    assert links[0] == "#main"  # the skip link
    assert {link.removeprefix("#") for link in links} <= ids


def test_nothing_is_loaded_from_elsewhere(page: BeautifulSoup, reported: Reported) -> None:
    loaded = [e[a] for a in ("src", "srcset") for e in page.select(f"[{a}]")]
    loaded += [link["href"] for link in page.select("link")]
    assert [address[:40] for address in loaded if not address.startswith("data:")] == []
    assert re.findall(r"@import|url\(", reported.html) == []


def test_policy_of_the_page_forbids_requests(page: BeautifulSoup) -> None:
    policy = page.select_one("meta[http-equiv=Content-Security-Policy]")["content"]
    allowed = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert policy.startswith(allowed)


def test_report_is_small(reported: Reported) -> None:
    assert len(reported.html.encode()) < LARGEST_BYTES


def test_every_figure_and_table_has_its_command(page: BeautifulSoup, reported: Reported) -> None:
    commands = {words(command) for command in page.select("pre")}
    targets = [f"results/{name}.pdf" for name in figures_of(reported.config)]
    targets += [f"results/{name}.csv" for name in tables_of(reported.config)]
    assert commands == {f"snakemake --cores 2 {target}" for target in targets}


def test_command_says_preset_and_what_was_narrowed(empty_checkout: Path) -> None:
    files = [Path("config/presets/cifar10.yaml")]
    config = load_config(files, {"max_epochs": 2, "only_variants": ["plain", "cgc"]})
    commands = Commands(config)
    assert commands.make(Path("results/claims.csv")) == (
        "snakemake --cores 2 results/claims.csv --configfile config/presets/cifar10.yaml "
        '--config "max_epochs=2" "only_variants=[plain,cgc]"'
    )
    assert commands.are_complete()


@pytest.mark.parametrize(
    "changes",
    [{"settings": {"cifar10_ablation": {"train": {"epochs": 3}}}}, {"preset": "my-own"}],
)
def test_command_that_lacks_settings_is_not_complete(empty_checkout: Path, changes: dict) -> None:
    assert not Commands(load_config(overrides=changes)).are_complete()


def test_csv_is_read_with_the_types_that_it_was_written_with(tmp_path: Path) -> None:
    columns = {"num_macs": [89012345, "not run"], "top1_percent": [91.25, None]}
    columns |= {"kernel": ["1x3x3", "5"], "gated": [True, None]}
    frame = pd.DataFrame(columns, dtype=object)
    write_table(frame, tmp_path / "table", caption="of a test")
    pd.testing.assert_frame_equal(displayed(read_csv(tmp_path / "table.csv")), displayed(frame))


def test_readings_are_one_level_down_without_their_title() -> None:
    html = readings_html("# Title\n\n## Part\n\n| a | b |\n|---|---|\n| `x` | <i>y</i> |\n")
    assert "Title" not in html
    assert '<h3 id="readings-1">Part</h3>' in html
    assert 'aria-labelledby="readings-1"' in html
    assert "<td>&lt;i&gt;y&lt;/i&gt;</td>" in html


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: Path("results/claims.csv").unlink(), "results/claims.csv is missing: make it"),
        (lambda: Path("results/claims.csv").write_text("id\n"), "is not the file that its prov"),
        (
            lambda: Path("results/fig1_gate_matrix.provenance.json").unlink(),
            "results/fig1_gate_matrix.provenance.json is missing: make it with snakemake",
        ),
    ],
)
def test_file_that_is_not_as_published_is_named(own_config: Config, spoil, message: str) -> None:
    spoil()
    with pytest.raises(UserError, match=message):
        render_report(own_config)


def test_table_of_another_preset_is_refused(own_config: Config) -> None:
    other = own_config.model_copy(update={"preset": "other"})
    with pytest.raises(UserError, match=r"is of preset tiny with other settings than the report's"):
        render_report(other)


def test_step_writes_the_report_and_its_record(
    own_config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    make_report(write_publication(own_config))
    record = read_record(Path("results/report.provenance.json"))
    path = Path("results/report.html")
    assert record["files"] == {"results/report.html": file_hash(path)}
    assert f"evaluate_model:{MADE_RUN}" in record["artefacts"]
    assert capsys.readouterr().out.startswith("results/report.html (preset tiny, ")
