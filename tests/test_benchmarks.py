"""The benchmarks: they measure what the networks do, and their output is complete."""

from collections import Counter
from math import prod
from pathlib import Path

import pytest
import torch
from benchmarks import __main__ as command_line
from benchmarks import suites
from benchmarks.cases import Condition, LayerCase, StepCase, Work
from benchmarks.contenders import OURS, PLAIN, RELEASED, conv_of, use
from benchmarks.networks import Network, gated_layers
from benchmarks.results import TORCH_DEVICES, keep_section, make_section, read_sections
from benchmarks.suites import SUITES, Row, measure, not_run
from benchmarks.timing import Passes, Times, time_in_turn, weighted_sum
from torch import nn
from typer.testing import CliRunner

from cgc.errors import UserError
from cgc.models import build_model

ROOT = Path(__file__).resolve().parents[1]
CONDITION = Condition()
CONTENDERS = [PLAIN, OURS]
TINY = Network("cifar_resnet8", 4, (3, 8, 8), 10)


# What is measured


def convolutions(model: nn.Module, x: torch.Tensor) -> Counter:
    """Input and kernel of every convolution of a plain network with a kernel larger than 1."""
    shapes: Counter = Counter()

    def note(layer, inputs):
        shapes[tuple(inputs[0].shape), tuple(layer.weight.shape), tuple(layer.stride)] += 1

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and prod(layer.kernel_size) > 1:
            layer.register_forward_pre_hook(note)
    model(x)
    return shapes


@pytest.mark.parametrize(
    ("suite", "device"),
    [("resnet50_layers", "cpu"), ("resnet50_layers", "cuda"), ("cifar_layers", "cpu")],
)
def test_layer_suite_has_every_convolution_of_the_plain_network(suite, device):
    network = SUITES[suite].networks[device]
    with torch.device("meta"):
        plain = build_model(network.model, network.num_classes)
        of_plain = convolutions(plain, torch.empty(network.batch, *network.sample))
    cases = SUITES[suite].cases(network)
    assert of_plain == {(c.layer.x, c.layer.weight, c.layer.stride): c.count for c in cases}


def test_resnet50_has_17_gated_layers_the_first_without_input_gradient():
    layers = gated_layers(SUITES["resnet50_layers"].networks["cpu"])
    stem, *others = layers
    assert layers.total() == 17
    assert (stem.weight, stem.needs_input_gradient) == ((64, 3, 7, 7), False)
    assert all(layer.needs_input_gradient for layer in others)


# The contenders


@pytest.mark.parametrize("case", SUITES["resnet50_layers"].cases(TINY), ids=str)
def test_released_formulation_of_a_layer_equals_float64(case):
    work = case.build(RELEASED, CONDITION, "cpu")
    work.once()
    reference = case.reference(CONDITION, "cpu")
    assert work.results().keys() == reference.keys()
    for name, got in work.results().items():
        scale = reference[name].abs().max()
        assert (got - reference[name]).abs().max() < 1e-5 * scale, name


@pytest.mark.parametrize(
    ("model", "sample"), [("cifar_resnet8", (3, 9, 7)), ("p3d_a_resnet11", (3, 4, 16, 16))]
)
def test_released_formulation_of_a_network_equals_ours(model, sample):
    torch.manual_seed(0)
    network = build_model(model, 10, conv="cgc", gate_init="ones").eval()
    x = torch.randn(2, *sample)
    with torch.no_grad():
        ours = network(x)
        released = use(RELEASED, network)(x)
    torch.testing.assert_close(released, ours, rtol=1e-5, atol=1e-5 * ours.abs().max().item())


def test_released_formulation_knows_bias_dilation_and_rectangles():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 2), torch.randn(4)
    logits = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    operands = (x, weight, *logits, bias, (2, 1), (1, 2), (1, 2), 1)
    torch.testing.assert_close(conv_of(RELEASED)(*operands), conv_of(OURS)(*operands))


def test_network_of_a_contender_convolves_as_the_contender_does(monkeypatch):
    inputs = []
    monkeypatch.setattr("benchmarks.contenders.released_conv", lambda x, *_: inputs.append(x) or x)
    case = StepCase(TINY)
    with pytest.raises(RuntimeError):  # the batch norm after it sees the wrong number of channels
        case.build(RELEASED, CONDITION, "cpu").once()
    assert inputs[0].shape == (4, 3, 8, 8)


# The measurement


def test_contenders_are_timed_in_turn():
    order = []

    def work(name):
        return Work(lambda: order.append(name), lambda y: None, dict)

    times = time_in_turn({"a": work("a"), "b": work("b")}, repeats=3, device="cpu")
    assert "".join(order) == "ab" + "ab" * 3  # the first round warms up
    assert [len(times[name].forward.samples) for name in "ab"] == [3, 3]


def test_time_is_the_median_of_both_passes_together():
    passes = Passes(Times((1.0, 5.0, 3.0)), Times((1.0, 1.0, 9.0)))
    assert passes.total.to_json() == {
        "median": 6.0,
        "least": 2.0,
        "greatest": 12.0,
        "samples": [2.0, 6.0, 12.0],
    }


def test_sum_counts_every_layer_of_a_shape():
    passes = Passes(Times((1.0, 2.0)), Times((3.0, 4.0)))
    total = weighted_sum([(3, passes), (1, passes)]).total
    assert total.samples == (16.0, 24.0)


@pytest.mark.slow
def test_peak_memory_holds_at_least_operands_output_and_gradients(peak):
    weight_bytes = 4 * 64 * 64 * 9
    assert peak(PLAIN) > 2 * weight_bytes  # the kernel and its gradient
    assert peak(PLAIN) < 100 * weight_bytes


@pytest.mark.slow
def test_released_formulation_takes_the_memory_of_its_kernels(peak):
    assert peak(RELEASED) > peak(PLAIN) + 16 * 4 * 64 * 64 * 9  # one for each of 16 images


@pytest.fixture(scope="module")
def peak():
    if not suites.peak_bytes.__globals__["CLEAR"].exists():
        pytest.skip("this system does not tell the peak of a process's memory")
    last = list(gated_layers(Network("cifar_resnet8", 16, (3, 16, 16), 10)))[-1]
    case = LayerCase(last)
    peaks = {n: suites.peak_bytes(case, n, CONDITION, "cpu") for n in (PLAIN, RELEASED)}
    return peaks.__getitem__


def test_what_a_contender_refuses_is_not_run_and_says_why(monkeypatch):
    def refuse(case, contender, condition, device):
        if contender == OURS:
            raise ValueError("no such numbers\nhere")
        return 1

    monkeypatch.setattr(suites, "peak_bytes", refuse)
    rows = list(measure([StepCase(TINY)], [PLAIN, OURS, "triton"], CONDITION, "cpu", 1))
    assert [row.reason for row in rows] == [None, "no such numbers", "needs a GPU"]
    assert [row.passes is None for row in rows] == [False, True, True]


# The results


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The output of a quick run of two suites, and its folder."""
    folder = tmp_path_factory.mktemp("benchmarks")
    names = ["resnet50_layers", "p3d_a_step"]
    options = ["--quick", "--contenders", ",".join(CONTENDERS), "--output", str(folder)]
    result = CliRunner().invoke(command_line.app, ["run", *names, *options])
    assert result.exit_code == 0, result.output
    return result.stdout, folder


@pytest.mark.slow
def test_run_writes_every_field(quick):
    _, folder = quick
    (section,) = (
        s for s in read_sections(folder, "cpu").values() if s["suite"] == "resnet50_layers"
    )
    assert section.keys() == {
        "suite", "device", "condition", "status", "quick", "network", "repeats", "threads",
        "machine", "date", "commit", "python", "system", "versions", "rows",
    }  # fmt: skip
    assert section["machine"].keys() == {
        "processor", "cores", "memory_bytes", "instructions", "gpu", "cuda", "load_average",
    }  # fmt: skip
    for row in section["rows"]:
        assert row["status"] == "measured"
        for name in ("forward_seconds", "backward_seconds", "total_seconds"):
            assert len(row[name]["samples"]) == section["repeats"]
            assert 0 < row[name]["least"] <= row[name]["median"] <= row[name]["greatest"]
        assert (row["relative_error"] is None) == (row["contender"] == PLAIN)
        assert row["relative_error"] is None or row["relative_error"] < 1e-5


@pytest.mark.slow
def test_run_of_layers_ends_with_their_sum(quick):
    _, folder = quick
    rows = read_sections(folder, "cpu")["resnet50_layers/fp32"]["rows"]
    sums, layers = rows[-len(CONTENDERS) :], rows[: -len(CONTENDERS)]
    assert [row["contender"] for row in sums] == CONTENDERS
    for row in sums:
        own = [layer for layer in layers if layer["contender"] == row["contender"]]
        first = sum(r["count"] * r["total_seconds"]["samples"][0] for r in own)
        assert row["total_seconds"]["samples"][0] == pytest.approx(first)
        assert row["count"] == sum(layer["count"] for layer in own)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.slow
def test_rows_of_a_gpu_that_is_not_there_are_not_run(quick):
    output, folder = quick
    sections = read_sections(folder, "gpu")
    rows = [row for section in sections.values() for row in section["rows"]]
    assert {(row["status"], row["reason"]) for row in rows} == {("not run", "no CUDA GPU")}
    assert "p3d_a_step of p3d_a_resnet11, gpu, fp32, quick (small sizes): not run" in output


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_steps_that_wait_for_python_are_compiled_on_a_gpu(tmp_path):
    options = ["--device", "gpu", "--quick", "--output", str(tmp_path)]
    assert CliRunner().invoke(command_line.app, ["run", *options]).exit_code == 0
    names = read_sections(tmp_path, "gpu").keys()
    assert len(names) == 2 * len(SUITES) + 1
    compiled = [name for name in names if name.endswith("compiled")]
    assert compiled == ["cifar_step/bf16-channels_last-compiled"]


def section(status="measured", **changes):
    """A section of the ResNet-50 layers, in which ours takes 2 s, plain 1 s and released 8 s."""
    seconds = {PLAIN: 1.0, RELEASED: 8.0, OURS: 2.0}
    rows = [
        Row("sum", 17, name, None, Passes(Times((s / 2,)), Times((s / 2,))), 10**6, 1e-6)
        for name, s in seconds.items()
    ]
    if status == "not run":
        rows = not_run([StepCase(TINY)], CONTENDERS, "no GPU")
    arguments = {"repeats": 1, "is_quick": False}
    return make_section("resnet50_layers", "cpu", CONDITION, TINY, rows, **arguments) | changes


def test_section_that_was_not_run_replaces_nothing_measured(tmp_path):
    keep_section(tmp_path, section())
    keep_section(tmp_path, section("not run"))
    (kept,) = read_sections(tmp_path, "cpu").values()
    assert kept["status"] == "measured"


def test_section_replaces_only_its_own(tmp_path):
    keep_section(tmp_path, section(commit="first"))
    keep_section(tmp_path, section(suite="cifar_layers"))
    keep_section(tmp_path, section(commit="second"))
    assert list(read_sections(tmp_path, "cpu")) == ["resnet50_layers/fp32", "cifar_layers/fp32"]
    assert read_sections(tmp_path, "cpu")["resnet50_layers/fp32"]["commit"] == "second"


def test_command_that_is_gone_says_what_to_type():
    result = CliRunner().invoke(command_line.app, ["targets"])
    assert isinstance(result.exception, UserError)
    assert "python -m benchmarks show" in str(result.exception)


def test_unknown_suite_is_named():
    with pytest.raises(UserError, match="unknown: layers; there are resnet50_layers, cifar_layers"):
        CliRunner().invoke(command_line.app, ["run", "layers"], catch_exceptions=False)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_committed_results_are_of_suites_in_full_size(device):
    sections = read_sections(ROOT / command_line.RESULTS, device)
    if not sections:
        pytest.skip(f"nothing was measured: python -m benchmarks run --device {device}")
    assert {section["suite"] for section in sections.values()} <= SUITES.keys()
    for section in sections.values():
        network = SUITES[section["suite"]].networks[TORCH_DEVICES[device]]
        assert (section["network"]["model"], section["quick"]) == (network.model, False)
