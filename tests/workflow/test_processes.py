"""Real processes, each with a device of its own, against one process that takes their shares."""

import pytest
import torch
from safetensors.torch import load_file

# One step: rounding differs between the two, and training amplifies it step by step.
OVERRIDES = """
max_images: 32
max_epochs: 1
execution: {{devices: {devices}}}
settings: {{imagenet_default: {{train: {{batch_size: 32, micro_batch: 16}}}}}}
"""
RUN = "imagenet_default/cgc/seed0"


@pytest.fixture
def trained(checkout):
    def train(devices):
        (checkout.folder / "mine.yaml").write_text(OVERRIDES.format(devices=devices))
        for step, name in (("prepare-data", "digits"), ("train-model", RUN)):
            artefact = f"{step.replace('-', '_')}:{name}"
            spec = checkout.run("cgc", "spec", artefact, "--configfile", "mine.yaml")
            done = checkout.run("cgc", step, spec.stdout.strip())
            assert done.returncode == 0, done.stderr
        return load_file(checkout.folder / f"results/tiny-short/runs/{RUN}/model.safetensors")

    return train


def test_two_processes_give_the_weights_and_statistics_of_micro_batches_on_one(trained):
    together, apart = trained(devices=1), trained(devices=2)
    assert together.keys() == apart.keys()
    for name, tensor in together.items():
        torch.testing.assert_close(
            apart[name], tensor, rtol=1e-4, atol=1e-6, msg=lambda told, name=name: f"{name}: {told}"
        )
