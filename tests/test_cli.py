"""The command line: help with examples, exit codes, data on stdout, messages on stderr."""

import errno
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError
from typer.main import get_command
from typer.testing import CliRunner

from cgc import __version__, display, provenance
from cgc.cli import PANELS, app, main
from cgc.config import load_config
from cgc.errors import UserError
from cgc.report.tables import TABLES
from helpers.artefact_samples import NARROWED, ROOT, RUN, make_chain, narrowed_config, work_in

COMMANDS = {n: each for n, each in get_command(app).commands.items() if not each.hidden}
NOTEBOOKS = [path.stem for path in (ROOT / "notebooks").glob("*.py")]
EXAMPLES = {
    name: re.findall(r"Example: (cgc .+)", " ".join(command.help.split("\n")))
    for name, command in COMMANDS.items()
}


def run(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def cgc(monkeypatch, capsys):
    """Runs `cgc` from its entry point, in the repository; returns code, stdout and stderr."""

    def call(*arguments, **variables):
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", ["cgc", *arguments])
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as done:
            main()
        return (done.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def config(tmp_path, monkeypatch):
    work_in(tmp_path, monkeypatch)
    return narrowed_config()


# Help.


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_of(name):
    (example,) = EXAMPLES[name]
    assert example.startswith(f"cgc {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_example_names_things_that_are_there(name):
    (example,) = EXAMPLES[name]
    known = {
        str(artefact)
        for artefact in provenance.artefacts(load_config([ROOT / "config/config.yaml"]))
    }
    known |= {"publication", *TABLES, *NOTEBOOKS, *provenance.STAGES}
    words = re.sub(r"[$()]", " ", example).split()
    files = [word for word in words if word.startswith("config/")]
    assert all((ROOT / file).exists() for file in files)
    named = [word for word in words if "_" in word and "/fig1" not in word]
    assert set(named) - set(files) <= known
    called = re.findall(r"cgc ([a-z-]+)", example)
    assert set(called) <= set(COMMANDS)


def test_help_shows_every_command_in_one_group():
    output = run("--help").stdout
    assert all(panel in output for panel in PANELS)
    assert sorted(COMMANDS) == sorted(
        command.__name__.replace("_", "-") for commands in PANELS.values() for command in commands
    )


def test_help_says_what_the_exit_codes_mean():
    assert "0 fine; 1 a problem that you can mend" in " ".join(run("--help").stdout.split())


def test_version_is_printed():
    assert run("--version").stdout == f"cgc {__version__}\n"


# Exit codes, stdout and stderr.


def test_mistyped_command_is_wrong_usage_and_gets_a_suggestion():
    done = run("statsu")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Did you mean 'status'?" in done.stderr


def test_problem_of_the_user_is_one_line_on_stderr(cgc):
    message = "cgc: nowhere.yaml cannot be read (No such file or directory)\n"
    assert cgc("status", "--configfile", "nowhere.yaml") == (1, "", message)


def test_interrupted_command_says_so_in_one_line():
    code = (
        "import os, signal, cgc.cli as cli\n"
        # when tests run in the background, the signal is ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli.artefacts.load_config = lambda files: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.main()\n"
    )
    command = [sys.executable, "-c", code, "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        128 + signal.SIGINT,
        "",
        "cgc: interrupted\n",
    )


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("two\nlines"), 1, "two lines"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 1, "a/b: Permission denied; c"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), 1, "a: Is a directory; move the"),
        (MemoryError(), 1, "out of memory: lower batch_size"),
        (SafetensorError("I/O error: full (os error 28)"), 1, "No space left on device; free some"),
        (
            type("InductorError", (Exception,), {})("no g++"),
            1,
            "torch.compile failed (no g++): set",
        ),
        (UnicodeDecodeError("utf-8", b"a\xe9", 1, 2, ""), 1, "text is not UTF-8: byte 0xe9 at 1"),
        (UserError("x" * 10**6), 1, "x" * 2000 + " [...]"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyError("key"), 70, "unexpected KeyError: 'key'; `cgc --debug ...` shows the traceback"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("debug", ["", "1"])
def test_failure_is_one_line_with_a_traceback_on_request_only(
    cgc, monkeypatch, error, code, message, debug
):
    def fail(files):
        raise error

    monkeypatch.setattr("cgc.cli.artefacts.load_config", fail)
    done, out, messages = cgc("status", CGC_DEBUG=debug)
    *before, last = messages.splitlines()
    assert (done, out) == (code, "")
    assert last.startswith(f"cgc: {message}")
    assert ("Traceback" in messages) == bool(before) == (bool(debug) and code != 130)


def test_debug_option_shows_the_traceback(cgc, monkeypatch):
    monkeypatch.setenv("CGC_DEBUG", "")  # restored afterwards
    assert "Traceback" in cgc("--debug", "status", "--configfile", "nowhere.yaml")[2]


def test_full_disk_behind_stdout_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "cgc", "status", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "cgc: No space left on device; free some room there, then run the same command again"
    ]


@pytest.mark.parametrize("options", [["status"], ["--help"]])
def test_closed_pipe_is_no_error_to_tell_of(options):
    code = "import sys, runpy; sys.stdin.read(); from cgc.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()  # before anything is written
    process.stdin.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1


# JSON for scripts.


def test_verify_tells_a_script_what_differs(config):
    artefact = make_chain(config)["train_model"]
    assert json.loads(run("verify", str(artefact), "--json").stdout) == {
        "different": [],
        "missing": [],
        "num_artefacts": 2,
    }
    (artefact.folder / "model.safetensors").write_bytes(b"other")
    done = run("verify", str(artefact), "--json")
    assert done.exit_code == 1
    assert "model.safetensors is not the file" in json.loads(done.stdout)["different"][0]


def test_verify_passes_where_a_part_was_pulled_and_says_so(config):
    chain = make_chain(config)
    for path in chain["prepare_data"].paths():
        path.unlink()
    done = run("verify", str(chain["train_model"]))
    assert done.exit_code == 0
    assert "1 artefacts, and what was published from them, are as recorded" in done.stdout
    assert "1 recorded files are not here and were not read, such as data/prepared" in done.stdout


@pytest.mark.parametrize("made_with", ["1.2.3", None])
def test_status_tells_a_script_of_another_version_of_torch(config, made_with):
    artefact = make_chain(config)["train_model"]
    recorded = json.loads(artefact.provenance.read_text())
    if made_with:
        recorded["made"]["versions"]["torch"] = made_with
        artefact.provenance.write_text(json.dumps(recorded))
    preset = ["--configfile", str(Path("narrowed.yaml"))]
    Path("narrowed.yaml").write_text(json.dumps(NARROWED))
    about = json.loads(run("status", "--json", *preset).stdout)[str(artefact)]
    assert about["state"] == "valid"
    assert ["made with torch 1.2.3" in note for note in about["notes"]] == [True] * bool(made_with)
    assert ("made with torch 1.2.3" in run("status", *preset).stdout) == bool(made_with)


def test_status_counts_and_names_each_reason_once(config):
    chain = make_chain(config)
    config_file = ["--configfile", "narrowed.yaml"]
    Path("narrowed.yaml").write_text(json.dumps(NARROWED))
    chain["evaluate_model"].paths()[0].unlink()
    text = run("status", *config_file).stdout
    (row,) = [line.split() for line in text.splitlines() if "prepare_data " in line]
    assert row == ["prepare_data", "1", "0", "1"]
    assert "missing prepare_data:moving_digits" in text
    assert text.count("metrics.json (made before: `dvc pull` may have it)") == 1
    everything = run("status", "--all", *config_file).stdout.splitlines()
    assert f"valid   {chain['train_model']}" in everything
    assert len(everything) == len(provenance.artefacts(load_config(["narrowed.yaml"])))


@pytest.mark.parametrize("options", [[], ["train_model", "--downstream", "--json"]])
def test_accept_of_earlier_versions_says_what_to_type_instead(cgc, options):
    code, out, stderr = cgc("accept", *options)
    assert (code, out) == (1, "")
    assert stderr.startswith("cgc: there is no `accept` any more: ")
    assert "`snakemake all`" in stderr
    assert stderr.count("\n") == 1


def test_spec_of_the_publication_is_what_tables_are_made_from(config):
    path = Path(run("spec", "publication").stdout.strip())
    assert provenance.read_publication(path).settings == load_config().settings


# Completion.


@pytest.fixture
def completed_in_bash(cgc):
    """Returns bash's completions of the last word; words are as bash splits them."""

    def ask(*words):
        asked = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
        code, offered, stderr = cgc(_CGC_COMPLETE="complete_bash", **asked)
        assert (code, stderr) == (0, "")
        return offered.splitlines()

    return ask


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["spec", "prep"], "prepare_data:digits"),
        (["verify", "train_model", ":", "imagenet_default/c"], RUN),
        (["verify", "evaluate_model", ":"], RUN),
        (["make-table", "a_file", "table_v"], "table_video"),
        (["render-notebook", "a_file", "gate_s"], "gate_shares"),
        (["status", "--configfile", ""], "config/presets/paper.yaml"),
        (
            ["spec", "--configfile", "config/presets/cifar10.yaml", "prepare"],
            "prepare_data:cifar10",
        ),
    ],
)
def test_bash_is_offered(completed_in_bash, words, offered):
    assert offered in completed_in_bash("cgc", *words)


def test_zsh_is_offered_whole_names(cgc):
    asked = {"_CGC_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "cgc spec prepare_data:"}
    assert r"prepare_data\\:digits" in cgc(**asked)[1]


def test_broken_preset_offers_nothing_and_tells_nothing(tmp_path, completed_in_bash):
    (tmp_path / "broken.yaml").write_text("preset: 3")
    broken = str(tmp_path / "broken.yaml")
    assert completed_in_bash("cgc", "spec", "--configfile", broken, "prepare") == []


# Progress.


def test_items_pass_the_display_unchanged():
    assert list(display.progress_bar(iter("abc"), 3, "letters")) == ["a", "b", "c"]


def test_log_gets_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    list(display.progress_bar("ab", 2, "letters"))
    assert capsys.readouterr() == ("", "letters: 1 of 2\nletters: 2 of 2\n")


def test_log_of_a_short_step_gets_no_line(capsys):
    list(display.progress_bar("ab", 2, "letters"))
    assert capsys.readouterr() == ("", "")


def test_terminal_gets_a_bar_on_stderr_only(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert list(display.progress_bar("ab", 2, "letters")) == ["a", "b"]
    with display.spinner("thinking"):
        pass
    out, stderr = capsys.readouterr()
    assert out == ""
    assert "letters" in stderr
    assert "thinking" in stderr


@pytest.mark.parametrize("watched", [True, False])
def test_training_in_the_workflow_shows_the_time_left_where_a_person_watches(
    tmp_path, monkeypatch, capsys, watched
):
    opened = []

    def open_terminal(path, *arguments, **options):
        opened.append(path)
        return (tmp_path / "terminal").open("w")

    clock = iter(range(0, 1000, 6))  # seconds
    monkeypatch.setattr(display.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(display, "open", open_terminal, raising=False)
    monkeypatch.setenv(display.WATCHED, "1" if watched else "")
    with display.TrainingDisplay("a/b/seed0", 2, 5, start_epoch=1, quiet=False) as shown:
        shown.steps(6, loss=1.0, top1_percent=50.0, images_per_second=10.0)
        shown.steps(7, loss=0.5, top1_percent=75.0, images_per_second=10.0)
    assert capsys.readouterr() == ("", "")  # nothing in the log
    assert opened == ["/dev/tty"] * watched
    if watched:
        (line,) = (tmp_path / "terminal").read_text().splitlines()
        # 18 s for 2 steps, 3 are left
        assert line == "a/b/seed0: step 7 of 10, loss 0.500, top-1 75.0 %, 27 s left"


def test_training_without_a_terminal_writes_to_none(monkeypatch):
    def no_terminal(*arguments, **options):
        raise OSError(errno.ENXIO, "No such device or address", "/dev/tty")

    monkeypatch.setattr(display, "open", no_terminal, raising=False)
    monkeypatch.setenv(display.WATCHED, "1")
    assert display.TrainingDisplay("a", 1, 1, 0, quiet=False).terminal is None
