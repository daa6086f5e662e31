"""Logits and greedy tokens of SmolLM2-135M-Instruct by Hugging Face transformers, for the weights of a GGUF file.

    python smollm2.py MODEL.gguf OUT.safetensors

The weights are read and dequantized by the `gguf` package (nothing of Minerva's), put into `LlamaForCausalLM` in f32
with eager attention, and run on five prompts. The file holds, for each prompt i, `ids.i`, `greedy.i` (32 tokens) and
`logits.i`: the last row, every STRIDE-th column. Needs: pip install torch transformers gguf safetensors
"""
import sys

import torch
from gguf import GGUFReader
from safetensors.torch import save_file
from gguf_llama import load

STRIDE = 4
# Token ids, so that no tokenizer is part of the comparison. In words: "The capital of France is", "Once upon a time,
# there was a", "def fibonacci(n):\n    return", four weekdays, and a chat that greets.
PROMPTS = [
    [504, 3575, 282, 4649, 314],
    [6403, 1980, 253, 655, 28, 665, 436, 253],
    [1604, 3987, 46477, 24, 94, 727, 472, 1003],
    [32210, 28, 14801, 28, 15083, 28, 14963, 28],
    [1, 4093, 198, 19556, 28, 638, 359, 346, 47, 2, 198, 1, 520, 9531, 198],
]


def main(path, out):
    reader = GGUFReader(path)
    model = load(reader)

    saved = {}
    with torch.no_grad():
        for i, prompt in enumerate(PROMPTS):
            ids = torch.tensor([prompt])
            saved[f"ids.{i}"] = ids[0].to(torch.int32)
            saved[f"logits.{i}"] = model(ids).logits[0, -1, ::STRIDE].contiguous().clone()
            greedy = []
            for _ in range(32):
                token = model(ids).logits[0, -1].argmax()
                greedy.append(int(token))
                ids = torch.cat([ids, token.view(1, 1)], dim=1)
            saved[f"greedy.{i}"] = torch.tensor(greedy, dtype=torch.int32)
    save_file(saved, out, metadata={"stride": str(STRIDE), "torch": torch.__version__})


main(*sys.argv[1:])
