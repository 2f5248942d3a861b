"""The Zenodo metadata agree with the citation; archives go only where they can."""

import errno
import json
import tarfile
from pathlib import Path

import pytest
import yaml

import cgc
from cgc import archive, provenance
from cgc.config import load_config
from cgc.errors import UserError
from cgc.paths import RESULTS
from cgc.provenance.publication import publish_record
from cgc.report.targets import targets
from helpers.artefact_samples import ROOT, make, narrowed_config, work_in

ZENODO = json.loads((ROOT / ".zenodo.json").read_text())
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def name_of(author):
    parts = [author[key] for key in ("family-names", "given-names") if key in author]
    return author.get("name") or ", ".join(parts)


@pytest.mark.parametrize("key", ["title", "version", "license", "keywords"])
def test_deposit_has_of_the_citation(key):
    assert ZENODO[key] == CITATION[key]


def test_deposit_has_the_version_of_the_package():
    assert ZENODO["version"] == cgc.__version__


def test_deposit_has_the_authors_of_the_citation():
    names = [creator["name"] for creator in ZENODO["creators"]]
    assert names == [name_of(author) for author in CITATION["authors"]]


def test_deposit_has_the_abstract_of_the_citation():
    assert ZENODO["description"].split() == CITATION["abstract"].split()


def test_deposit_is_related_to_the_paper():
    (paper,) = CITATION["references"]
    known = {paper["doi"], *(each["value"] for each in paper["identifiers"])}
    assert {each["identifier"] for each in ZENODO["related_identifiers"]} == known


@pytest.fixture
def entries():
    return [archive._Entry("file.txt", b"content")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("there.tar.gz", "there.tar.gz is there already: remove it, or name another file"),
        ("archive.zip", r"archive.zip must end in .tar.gz: name it .*archive.tar.gz"),
    ],
)
def test_target_is_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(ROOT)
    (tmp_path / "there.tar.gz").touch()
    with pytest.raises(UserError, match=message):
        archive.make_archive(tmp_path / name, load_config())


def test_archive_in_a_folder_that_cannot_be_made_is_refused(tmp_path, entries):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file cannot be written to"):
        archive._write(tmp_path / "file/a.tar.gz", entries, 0)


def test_full_disk_leaves_no_archive_and_is_told(tmp_path, entries, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", fail)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\): free"):
        archive._write(tmp_path / "a.tar.gz", entries, 0)
    assert list(Path(tmp_path).iterdir()) == []


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A preset with all its artefacts, figures and tables."""
    work_in(tmp_path, monkeypatch)
    config = narrowed_config()
    for name in provenance.stale(config):
        make(config, *name.split(":", 1))
    for name, sources in targets(config).items():
        RESULTS.joinpath(f"{name}.csv").write_text(name)
        publish_record(config, name, [RESULTS / f"{name}.csv"], sources)
    return config


MAKE_ALL = "make them with `snakemake --cores 2 all`"


def test_archive_holds_artefacts_figures_and_tables_and_their_records(config):
    names = set(archive._results(config))
    expected = [path for artefact in provenance.artefacts(config) for path in artefact.paths()]
    expected += RESULTS.glob("*.csv")
    expected += RESULTS.glob("*.provenance.json")
    assert names == {str(path) for path in expected}


def test_missing_table_is_refused_with_the_command_that_makes_it(config):
    RESULTS.joinpath("table_gates.provenance.json").unlink()
    with pytest.raises(UserError, match=rf"preset tiny in table_gates: {MAKE_ALL}"):
        archive._results(config)


def test_table_of_another_configuration_is_refused(config):
    path = RESULTS / "claims.provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": "another"}))
    with pytest.raises(UserError, match=rf"preset tiny in claims: {MAKE_ALL}"):
        archive._results(config)


def test_missing_artefact_is_refused_with_the_command_that_makes_it(config):
    Path("results/tiny/metrics/imagenet_default/cgc/seed0/metrics.json").unlink()
    message = rf"1 artefacts are stale or missing, first evaluate_model:.*: {MAKE_ALL}"
    with pytest.raises(UserError, match=message):
        archive._results(config)


def test_figure_with_other_bytes_is_refused(config):
    RESULTS.joinpath("fig1_gate_matrix.csv").write_text("edited")
    message = (
        "fig1_gate_matrix.csv is not the file that results/fig1_gate_matrix.prov.*: make it again"
    )
    with pytest.raises(UserError, match=message):
        archive._results(config)
