"""Logits and greedy tokens of SmolLM2-135M-Instruct by Hugging Face transformers, for the weights of a GGUF file.

    python smollm2.py MODEL.gguf OUT.safetensors

The weights are read and dequantized by the `gguf` package (nothing of Minerva's), put into `LlamaForCausalLM` in f32
with eager attention, and run on five prompts. The file holds, for each prompt i, `ids.i`, `greedy.i` (32 tokens) and
`logits.i`: the last row, every STRIDE-th column. Needs: pip install torch transformers gguf safetensors
"""
import sys

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

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
    field = lambda k: reader.fields[k].contents()
    heads, kv = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    tensors = {t.name: torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), dtype=np.float32)).reshape(tuple(int(x) for x in reversed(t.shape))) for t in reader.tensors}
    hidden = field("llama.embedding_length")
    vocab = tensors["token_embd.weight"].shape[0]
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=field("llama.feed_forward_length"),
        num_hidden_layers=field("llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv,
        rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=field("llama.rope.freq_base"),
        rope_parameters={"rope_type": "default", "rope_theta": field("llama.rope.freq_base")},
        max_position_embeddings=field("llama.context_length"),
        tie_word_embeddings="output.weight" not in tensors,
        attn_implementation="eager",
    )

    def unpermute(w, n):
        # GGUF llama files interleave the two halves of each head for their rope; undo it.
        return w.reshape(n, w.shape[0] // n // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)

    state = {"model.embed_tokens.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"]}
    state["lm_head.weight"] = tensors.get("output.weight", tensors["token_embd.weight"])
    names = {
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }
    for i in range(config.num_hidden_layers):
        for ours, theirs in names.items():
            w = tensors[f"blk.{i}.{ours}.weight"]
            if ours == "attn_q":
                w = unpermute(w, heads)
            if ours == "attn_k":
                w = unpermute(w, kv)
            state[f"model.layers.{i}.{theirs}.weight"] = w
    model = LlamaForCausalLM(config).eval().to(torch.float32)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)

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
