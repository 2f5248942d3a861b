"""Real processes, each with a device of its own, against one process that takes their shares."""

import pytest
import torch
from safetensors.torch import load_file

# One step: rounding differs between the two, and training amplifies it step by step.
OVERRIDES = """
max_images: 32
max_epochs: 1
execution: {{devices: {devices}}}
settings:
  imagenet_default:
    train: {{batch_size: 32, micro_batch: 16, mixup_alpha: 0.4, mixup_weights: {weights}}}
"""
RUN = "imagenet_default/cgc/seed0"


@pytest.fixture
def trained(checkout):
    def train(devices, weights):
        overrides = OVERRIDES.format(devices=devices, weights=weights)
        (checkout.folder / "mine.yaml").write_text(overrides)
        for step, name in (("prepare-data", "digits"), ("train-model", RUN)):
            artefact = f"{step.replace('-', '_')}:{name}"
            spec = checkout.run("cgc", "spec", artefact, "--configfile", "mine.yaml")
            done = checkout.run("cgc", step, spec.stdout.strip())
            assert done.returncode == 0, done.stderr
        return load_file(
            checkout.folder / f"results/tiny-short/checkpoints/{RUN}/model.safetensors"
        )

    return train


@pytest.mark.parametrize("weights", ["batch", "micro_batch"])
def test_two_processes_give_the_weights_and_statistics_of_micro_batches_on_one(trained, weights):
    together, apart = trained(devices=1, weights=weights), trained(devices=2, weights=weights)
    assert together.keys() == apart.keys()
    for name, tensor in together.items():
        torch.testing.assert_close(
            apart[name], tensor, rtol=1e-4, atol=1e-6, msg=lambda told, name=name: f"{name}: {told}"
        )
