"""Perplexity of SmolLM2-135M-Instruct by Hugging Face transformers, for the weights of a GGUF file.

    python perplexity.py MODEL.gguf TEXT OUT.safetensors

The first BYTES bytes of the text become tokens by the file's own vocabulary and merges (`tokenizers`; no BOS), and the
tokens windows of WINDOW, one after another without overlap; the last may be shorter. Each window is run on its own
from position 0, and every token but its first is scored. The weights are read and dequantized by the `gguf` package
(nothing of Minerva's), put into `LlamaForCausalLM` in f32 with eager attention.

The file holds `ids` (i32), `nll` (f64, each window's total over its scored tokens, from log-softmax in f64 of the f32
logits), `nll.f32` (the same with log-softmax and sums in f32), `scored` (i32, how many tokens those are) and
`perplexity` (f64): exp of the total over the count, for all windows and for the full ones alone, in f64, then both in
f32. Needs: pip install torch transformers tokenizers gguf safetensors
"""
import sys

import torch
from gguf import GGUFReader
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from gguf_llama import load

BYTES, WINDOW = 20000, 512


def tokenizer(field):
    """SmolLM's: GPT-2's byte-level BPE with each digit on its own."""
    assert field("tokenizer.ggml.model") == "gpt2" and field("tokenizer.ggml.pre") == "smollm"
    tokens = field("tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    t = Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(tokens)}, merges=merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(s, special=True) for s, kind in zip(tokens, field("tokenizer.ggml.token_type")) if kind == 3])
    # What the published tokenizer makes of these.
    assert t.encode("The capital of France is").ids == [504, 3575, 282, 4649, 314]
    assert t.encode("def fibonacci(n):\n    return").ids == [1604, 3987, 46477, 24, 94, 727, 472, 1003]
    assert t.encode("<|im_start|>user\n").ids == [1, 4093, 198]
    return t


def main(path, text, out):
    torch.set_num_threads(1)
    reader = GGUFReader(path)
    field = lambda k: reader.fields[k].contents()
    t = tokenizer(field)
    with open(text, "rb") as f:
        head = f.read(BYTES).decode("utf-8")
    ids = torch.tensor(t.encode(head, add_special_tokens=False).ids)
    assert t.decode(ids.tolist(), skip_special_tokens=False) == head
    model = load(reader)
    nll, nll32, scored = [], [], []
    with torch.no_grad():
        for window in ids.split(WINDOW):
            if len(window) < 2:
                continue
            logits, targets = model(window[None], use_cache=False).logits[0, :-1], window[1:]
            nll.append(torch.nn.functional.cross_entropy(logits.double(), targets, reduction="sum"))
            nll32.append(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
            scored.append(len(targets))
            print(f"window {len(scored)}: {scored[-1]} tokens, perplexity {float((nll[-1] / scored[-1]).exp()):.6f}", flush=True)
    nll, nll32, scored = torch.stack(nll), torch.stack(nll32), torch.tensor(scored, dtype=torch.int32)
    full = scored == WINDOW - 1
    value = lambda x, which: (x[which].sum() / scored[which].sum()).exp().double()
    every = torch.ones_like(full)
    perplexity = torch.stack([value(nll, every), value(nll, full), value(nll32, every), value(nll32, full)])
    print(f"{len(ids)} tokens, {int(scored.sum())} scored: perplexity {perplexity[0]:.6f} (f32 sums {perplexity[2]:.6f})")
    print(f"full windows only, {int(scored[full].sum())} scored: {perplexity[1]:.6f} (f32 sums {perplexity[3]:.6f})")
    saved = {"ids": ids.to(torch.int32), "nll": nll, "nll.f32": nll32, "scored": scored, "perplexity": perplexity}
    save_file(saved, out, metadata={"window": str(WINDOW), "bytes": str(BYTES), "torch": torch.__version__})


main(*sys.argv[1:])
