"""Twenty architectures as they come from torchvision, timm and transformers, built from configuration, checked as they are.

    python benches/architectures.py [NAME ...] > table.md

Each runs in a process of its own, for its peak of memory. "times" is the time of the check over that of as many forward and
backward passes of the model itself on the same batch, measured in the same process.
"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Tuple

DRAWS = 4

#: A model, its batch, and the labels of the batch where there are any.
Case = Tuple[Any, Any, Any]


def images(size: int) -> Tuple[Any, Any]:
    """Sixteen images of noise, and labels that have nothing to do with them."""
    import torch

    return torch.randn(16, 3, size, size), torch.arange(16) % 10


def vision(name: str, size: int = 64, **options: Any) -> Callable[[], Case]:
    def make() -> Case:
        import torchvision

        return (torchvision.models.get_model(name, weights=None, num_classes=10, **options), *images(size))

    return make


def timm(name: str, size: int = 64, **options: Any) -> Callable[[], Case]:
    def make() -> Case:
        import timm

        return (timm.create_model(name, pretrained=False, num_classes=10, **options), *images(size))

    return make


def hugging(config: str, model: str, ids: int, **options: Any) -> Callable[[], Case]:
    def make() -> Case:
        import torch
        import transformers

        settings = getattr(transformers, config)(**options)
        batch: Dict[str, Any] = {"input_ids": torch.randint(0, ids, (8, 32))}
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        return getattr(transformers, model)(settings), batch, None

    return make


SMALL_TEXT = {"num_hidden_layers": 4, "hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 256}

ARCHITECTURES: Dict[str, Callable[[], Case]] = {
    "torchvision resnet18": vision("resnet18"),
    "torchvision resnet50": vision("resnet50"),
    "torchvision vgg11": vision("vgg11"),
    "torchvision mobilenet_v2": vision("mobilenet_v2"),
    "torchvision densenet121": vision("densenet121"),
    "torchvision squeezenet1_1": vision("squeezenet1_1"),
    "torchvision efficientnet_b0": vision("efficientnet_b0"),
    "torchvision googlenet": vision("googlenet", aux_logits=False, init_weights=False),
    "torchvision convnext_tiny": vision("convnext_tiny"),
    "torchvision swin_t": vision("swin_t"),
    "timm vit_tiny_patch16_224": timm("vit_tiny_patch16_224", img_size=64),
    "timm deit_tiny_patch16_224": timm("deit_tiny_patch16_224", img_size=64),
    "timm mixer_s32_224": timm("mixer_s32_224", img_size=64),
    "timm regnety_002": timm("regnety_002"),
    "timm resmlp_12_224": timm("resmlp_12_224", img_size=64),
    "transformers bert": hugging(
        "BertConfig", "BertForSequenceClassification", 1000, vocab_size=1000, num_labels=4, **SMALL_TEXT
    ),
    "transformers distilbert": hugging(
        "DistilBertConfig", "DistilBertForSequenceClassification", 1000,
        vocab_size=1000, n_layers=4, dim=128, n_heads=4, hidden_dim=256,
    ),
    "transformers gpt2": hugging(
        "GPT2Config", "GPT2LMHeadModel", 1000, vocab_size=1000, n_layer=4, n_embd=128, n_head=4, n_positions=64
    ),
    "transformers llama": hugging(
        "LlamaConfig", "LlamaForCausalLM", 1000, vocab_size=1000, num_key_value_heads=2, **SMALL_TEXT
    ),
    "transformers t5 encoder": hugging(
        "T5Config", "T5EncoderModel", 1000, vocab_size=1000, d_model=128, d_ff=256, num_layers=4, num_heads=4, d_kv=32
    ),
}  # fmt: skip


def fingerprint(model: Any) -> str:
    """Tensors, gradients, modes, hooks and generators in one hash."""
    import numpy as np
    import torch

    total = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        total.update(name.encode() + tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        total.update(str((tensor.requires_grad, getattr(tensor, "grad", None) is None)).encode())
    for module in model.modules():
        total.update(str((module.training, list(module._forward_hooks), list(module._forward_pre_hooks))).encode())
    total.update(torch.get_rng_state().numpy().tobytes())
    total.update(str(np.random.get_state()).encode() + str(random.getstate()).encode())
    return total.hexdigest()


def own_passes(model: Any, x: Any, count: int) -> float:
    """Seconds of so many forward and backward passes of the model itself."""
    import torch

    def once() -> None:
        result = model(**x) if isinstance(x, dict) else model(x)
        if not isinstance(result, torch.Tensor):
            result = result["logits"] if "logits" in result else result[0]
        result.float().square().mean().backward()
        model.zero_grad()

    once()
    start = time.perf_counter()
    for _ in range(count):
        once()
    return time.perf_counter() - start


def one(name: str) -> Dict[str, Any]:
    import torch

    import firstguess as fg

    torch.manual_seed(0)
    model, x, y = ARCHITECTURES[name]()
    before = fingerprint(model)
    start = time.perf_counter()
    try:
        report = fg.check(model, x, y, draws=DRAWS)
    except Exception as error:  # the table says why
        return {"name": name, "refused": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - start
    identical = fingerprint(model) == before
    fields = report.to_dict()
    layers, modules = fields["measurement"]["layers"], fields["model"]["modules"]
    import copy

    passes = own_passes(copy.deepcopy(model), x, DRAWS)
    first_reason = next((m["no_theory"] for m in modules if m.get("no_theory")), "")
    gradient = layers[0]["ln_cotangent_gradient"]["value"]
    return {
        "name": name,
        "layers": len(layers),
        "missing": sum(layer["cotangent_gradient"]["value"] is None for layer in layers),
        "theory": sum("no_theory" not in m for m in modules),
        "why": first_reason,
        "worst": report.worst or "fine",
        "findings": [finding.id for finding in report.findings],
        "share": fields["measurement"]["prejudice"]["largest_share"]["value"],
        "classes": fields["measurement"]["classes"],
        "gradient": gradient,
        "redraw": fields["model"]["redraw"],
        "seconds": seconds,
        "times": seconds / passes,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "identical": identical,
    }


def main() -> None:
    names = sys.argv[1:] or list(ARCHITECTURES)
    if names[0] == "--one":
        print(json.dumps(one(" ".join(names[1:]))))
        return
    print("| architecture | layers (with theory) | verdict | largest share | ln gradient, first layer | time | times own passes | peak memory | bit-identical |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"| {name} | failed: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode} | | | | | | | |", flush=True)
            continue
        row = json.loads(done.stdout.strip().splitlines()[-1])
        if "refused" in row:
            print(f"| {name} | refused: {row['refused']} | | | | | | | |", flush=True)
            continue
        found = ", ".join(row["findings"]) or "none"
        gradient = "none" if row["gradient"] is None else f"{row['gradient']:.1f}"
        print(
            f"| {name} | {row['layers']} ({row['theory']}) | {row['worst']}: {found} "
            f"| {row['share']:.2f} of {row['classes']} | {gradient} "
            f"| {row['seconds']:.1f} s | {row['times']:.2f} | {row['megabytes']:.0f} MB "
            f"| {'yes' if row['identical'] else 'NO'} |",
            flush=True,
        )
        print(f"  {name}: {row['redraw']}; {row['missing']} layers without gradient; {row['why']}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
