"""Tiny checkpoints with random weights, and what Hugging Face transformers computes from them.

    python tiny.py OUT_DIR [NAME...]

For each fixture OUT_DIR/NAME holds a checkpoint as the hub would: `config.json` in the spelling of transformers 5
(for some also `config.v4.json`, the same model in the spelling of 4.4x) and `model.safetensors` in f16. Beside it
`reference.safetensors` holds `input_ids`, `logits`, `greedy` (12 tokens, the whole text recomputed for each),
`hidden.i` (0 the first layer's input, the last after the final norm) and `attention.i`. All of that is f32 with eager
attention, from the weights as the file rounds them. Nothing of Minerva's is involved.

Every norm, bias, scale and flag is set to something a model could not get right by ignoring it. The first seed is
taken whose greedy tokens and expert choices are not near ties. Needs: pip install torch transformers safetensors
"""
import itertools
import json
import math
import re
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

TOKENS, GREEDY = 32, 12
MARGIN = 0.02  # of a greedy token's logit over the next best, and of the last chosen expert's over the best left out
SPECIAL = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)

# What most fixtures share; a fixture's own values come on top.
BASE = dict(
    vocab_size=160, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, **SPECIAL,
)
RMS, LAYER = dict(rms_norm_eps=1e-3), dict(layer_norm_eps=1e-3)  # an eps that shows when it is put in the wrong place


def rope(theta, kind="default", **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **more))


LLAMA = dict(BASE, **RMS, model_type="llama", head_dim=16, tie_word_embeddings=True)
MOE = dict(BASE, **RMS, moe_intermediate_size=32, num_experts=6, num_experts_per_tok=2)
FALCON = dict(
    model_type="falcon", vocab_size=160, hidden_size=32, ffn_hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=128, layer_norm_epsilon=1e-3, **SPECIAL,
)
NEOX = {k: v for k, v in dict(BASE, **LAYER, model_type="gpt_neox").items() if k != "num_key_value_heads"}
WINDOW_PATTERN = ["sliding_attention", "sliding_attention", "full_attention"]

CONFIGS = {
    # Llama and the ways its rope is stretched.
    "llama_linear": dict(LLAMA, **rope(1000.0, "linear", factor=2.5)),
    "llama_llama3": dict(
        LLAMA, tie_word_embeddings=False,
        **rope(1000.0, "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
    ),
    "llama_yarn": dict(
        LLAMA, max_position_embeddings=64,
        **rope(100.0, "yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=1.0, beta_slow=0.25),
    ),
    "llama_dynamic": dict(LLAMA, max_position_embeddings=16, **rope(1000.0, "dynamic", factor=2.0)),
    "llama_biases": dict(LLAMA, attention_bias=True, mlp_bias=True, tie_word_embeddings=False, **rope(10000.0)),
    # The other kinds that are Llama with a difference.
    "qwen2_window": dict(
        BASE, **RMS, model_type="qwen2", num_hidden_layers=3, intermediate_size=48, tie_word_embeddings=True,
        use_sliding_window=True, sliding_window=8, max_window_layers=1, **rope(5000.0),
    ),
    "granite": dict(
        BASE, **RMS, model_type="granite", tie_word_embeddings=True, embedding_multiplier=3.0, attention_multiplier=0.5,
        residual_multiplier=0.7, logits_scaling=0.5, **rope(10000.0),
    ),
    "smollm3": dict(
        BASE, **RMS, model_type="smollm3", num_hidden_layers=3, intermediate_size=48, no_rope_layers=[1, 0, 1],
        tie_word_embeddings=True, **rope(20000.0),
    ),
    "olmo": dict(BASE, model_type="olmo", clip_qkv=1.5, tie_word_embeddings=False, **rope(10000.0)),
    "olmo2": dict(BASE, **RMS, model_type="olmo2", tie_word_embeddings=False, **rope(50000.0)),
    "phi3_longrope": dict(
        BASE, **RMS, model_type="phi3", tie_word_embeddings=False, max_position_embeddings=96,
        original_max_position_embeddings=24, sliding_window=None,
        **rope(10000.0, "longrope", short_factor=[1.0, 1.1, 1.3, 1.6], long_factor=[1.5, 2.0, 3.5, 6.0]),
    ),
    "glm4": dict(
        BASE, **RMS, model_type="glm4", head_dim=16, attention_bias=True, tie_word_embeddings=False,
        **rope(10000.0, partial_rotary_factor=0.5),
    ),
    "gemma": dict(
        BASE, **RMS, model_type="gemma", head_dim=16, num_key_value_heads=1, hidden_act="gelu_pytorch_tanh", **rope(10000.0)
    ),
    "gemma3_text": dict(
        BASE, **RMS, model_type="gemma3_text", head_dim=16, query_pre_attn_scalar=24, sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters=dict(
            sliding_attention=dict(rope_type="default", rope_theta=1000.0),
            full_attention=dict(rope_type="linear", factor=4.0, rope_theta=50000.0),
        ),
    ),
    "cohere": dict(BASE, **LAYER, model_type="cohere", logit_scale=0.5, use_qk_norm=False, **rope(10000.0)),
    "cohere_qk": dict(BASE, **LAYER, model_type="cohere", logit_scale=0.25, use_qk_norm=True, **rope(10000.0)),
    "cohere2": dict(
        BASE, **LAYER, model_type="cohere2", num_hidden_layers=3, intermediate_size=48, logit_scale=0.5, sliding_window=8,
        layer_types=WINDOW_PATTERN, **rope(10000.0),
    ),
    # Layer norm, biases, partial rotary.
    "starcoder2": dict(
        BASE, model_type="starcoder2", norm_epsilon=1e-3, use_bias=True, sliding_window=8, tie_word_embeddings=True,
        hidden_act="gelu_pytorch_tanh", **rope(10000.0),
    ),
    "phi": dict(BASE, **LAYER, model_type="phi", tie_word_embeddings=False, **rope(10000.0, partial_rotary_factor=0.5)),
    "stablelm": dict(
        BASE, **LAYER, model_type="stablelm", use_qkv_bias=True, use_parallel_residual=False, qk_layernorm=False,
        tie_word_embeddings=False, **rope(10000.0, partial_rotary_factor=0.5),
    ),
    "stablelm_parallel": dict(
        BASE, **LAYER, model_type="stablelm", use_qkv_bias=False, use_parallel_residual=True, qk_layernorm=True,
        tie_word_embeddings=False, **rope(10000.0, partial_rotary_factor=0.75),
    ),
    "gpt_neox": dict(NEOX, use_parallel_residual=True, **rope(5000.0, partial_rotary_factor=0.5)),
    "gpt_neox_sequential": dict(NEOX, use_parallel_residual=False, hidden_act="gelu_new", **rope(10000.0, partial_rotary_factor=1.0)),
    # One tensor for queries, keys and values, laid out in four ways; positions by ALiBi.
    "falcon_7b": dict(FALCON, multi_query=True, parallel_attn=True, new_decoder_architecture=False, bias=False, **rope(10000.0)),
    "falcon_40b": dict(FALCON, num_kv_heads=2, parallel_attn=True, new_decoder_architecture=True, bias=False, **rope(10000.0)),
    "falcon_alibi": dict(
        FALCON, hidden_size=40, num_attention_heads=5, multi_query=False, parallel_attn=False, alibi=True, bias=True,
        new_decoder_architecture=False,
    ),
    "mpt": dict(
        model_type="mpt", vocab_size=160, d_model=32, n_heads=4, n_layers=2, max_seq_len=64, layer_norm_epsilon=1e-3,
        attn_config=dict(alibi=True, clip_qkv=1.5), **SPECIAL,
    ),
    "bloom": dict(
        model_type="bloom", vocab_size=160, hidden_size=36, n_head=3, n_layer=2, layer_norm_epsilon=1e-3,
        apply_residual_connection_post_layernorm=False, **SPECIAL,
    ),
    # Experts.
    "qwen2_moe": dict(
        MOE, model_type="qwen2_moe", shared_expert_intermediate_size=64, norm_topk_prob=False, tie_word_embeddings=True, **rope(10000.0)
    ),
    "qwen2_moe_sparse": dict(
        {**MOE, "moe_intermediate_size": 16, "num_experts": 4}, model_type="qwen2_moe", num_hidden_layers=4, intermediate_size=48,
        shared_expert_intermediate_size=32, decoder_sparse_step=2, mlp_only_layers=[1], norm_topk_prob=True,
        tie_word_embeddings=True, **rope(10000.0),
    ),
    "qwen3_moe": dict(MOE, model_type="qwen3_moe", head_dim=16, norm_topk_prob=True, tie_word_embeddings=True, **rope(10000.0)),
    "olmoe": dict(
        {k: v for k, v in MOE.items() if k != "moe_intermediate_size"}, model_type="olmoe", intermediate_size=32,
        norm_topk_prob=False, clip_qkv=2.0, tie_word_embeddings=True, **rope(10000.0),
    ),
}

# What transformers 4.4x said differently, beyond what `old_spelling` does for all: additions, and None for removals.
OLD_SPELLING = {
    "llama_yarn": {},
    "phi3_longrope": {},
    "gemma3_text": dict(sliding_window_pattern=2, cache_implementation="hybrid"),
    "gpt_neox": {},
    "phi": {},
    "qwen2_moe": dict(qkv_bias=None, sliding_window=None, max_window_layers=28),
    "qwen3_moe": dict(num_local_experts=None, num_experts=6),
    "cohere2": dict(sliding_window_pattern=3, cache_implementation="hybrid"),
    "gemma": dict(hidden_act="gelu"),  # and meant tanh's approximation
}

# Where tied embeddings would otherwise have each token predict itself: their size, and that of what blocks add.
EMBED_GAIN = {"cohere": 2.0, "cohere_qk": 2.0, "cohere2": 3.0, "gemma": 0.7, "gemma3_text": 0.5}
BLOCK_GAIN = {"granite": 2.0, "gemma": 2.0, "bloom": 3.0, "cohere": 2.0, "cohere_qk": 2.0, "mpt": 2.0, "qwen3_moe": 1.5, "olmoe": 2.0}


def weights(model, name, seed):
    """Fills the model: norms about 1 (less 1 where the code adds it), biases about 0, matrices that keep the scale."""
    random = torch.Generator().manual_seed(seed)
    offset = model.config.model_type.startswith("gemma")
    for key, p in model.named_parameters():
        x = torch.randn(p.shape, generator=random)
        if key.endswith("bias"):
            x = 0.1 * x
        elif re.search(r"norm|ln_", key):
            center = 1.5 if re.search(r"[qk]_(layer)?norm", key) else 1.0
            x = 0.2 * x + center - (1.0 if offset else 0.0)
        else:
            gain = 1.0
            if re.search(r"[qk]_proj|query_key_value|Wqkv|qkv_proj", key):
                gain = 1.5  # scores of a few units, so that attention is not flat
            elif re.search(r"mlp\.gate\.|shared_expert_gate", key):
                gain = 2.5
            elif re.search(r"o_proj|down_proj|dense\.|4h_to_h|out_proj", key):
                gain = BLOCK_GAIN.get(name, 1.0)
            elif re.search(r"lm_head", key):
                gain = 2.0
            elif re.search(r"embed|wte", key):
                gain = EMBED_GAIN.get(name, 1.0) if model.config.tie_word_embeddings else 3.0
            x = x * gain / math.sqrt(p.shape[-1])
        p.data = x.half().float()


def alibi_once(model):
    """The eager Falcon of transformers adds ALiBi to the mask and again to the scores; its sdpa adds it once."""
    def hook(_module, args, kwargs):
        return args, dict(kwargs, alibi=torch.zeros_like(kwargs["alibi"]))

    for layer in model.transformer.h:
        layer.self_attention.register_forward_pre_hook(hook, with_kwargs=True)


def greedy(model, ids):
    """The tokens, and the least distance of a token's logit from the runner-up's."""
    tokens, margin = [], math.inf
    for _ in range(GREEDY):
        best = model(ids, use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
        ids = torch.cat([ids, best.indices[:1].view(1, 1)], dim=1)
    return torch.tensor(tokens), margin


def expert_margin(model, ids):
    """The least distance, over layers and tokens, of the last chosen expert's logit from the best one left out."""
    routed, hooks = [], []
    k = getattr(model.config, "num_experts_per_tok", None)
    if k is None:
        return math.inf
    for key, module in model.named_modules():
        if key.endswith("mlp.gate"):
            hooks.append(module.register_forward_hook(lambda _m, _a, out: routed.append(out[0])))
    model(ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    best = torch.cat(routed).topk(k + 1).values
    return float((best[:, k - 1] - best[:, k]).min())


def reference(model, ids):
    out = model(ids, use_cache=False, output_hidden_states=True, output_attentions=True)
    layers = model.config.num_hidden_layers
    assert len(out.hidden_states) == layers + 1 and len(out.attentions) == layers
    tokens, margin = greedy(model, ids)
    saved = {"input_ids": ids, "logits": out.logits, "greedy": tokens}
    saved |= {f"hidden.{i}": x for i, x in enumerate(out.hidden_states)}
    saved |= {f"attention.{i}": x for i, x in enumerate(out.attentions)}
    return {k: x.contiguous().clone() for k, x in saved.items()}, margin


def old_spelling(name, config):
    config = dict(config, transformers_version="4.51.0", torch_dtype=config.pop("dtype"))
    scaling = config.pop("rope_parameters")
    if "full_attention" in scaling:
        config["rope_local_base_freq"] = scaling["sliding_attention"]["rope_theta"]
        scaling = scaling["full_attention"]
    theta, partial = scaling.pop("rope_theta"), scaling.pop("partial_rotary_factor", None)
    if name == "gpt_neox":
        config |= dict(rotary_emb_base=theta, rotary_pct=partial)
    else:
        config |= dict(rope_theta=theta) | ({} if partial in (None, 1.0) else dict(partial_rotary_factor=partial))
    kind = scaling.pop("rope_type")
    if "original_max_position_embeddings" in config:  # Phi-3 has it outside only
        scaling.pop("original_max_position_embeddings", None)
    # The hub's files say "type" for yarn and longrope, "rope_type" for what came later.
    config["rope_scaling"] = None if kind == "default" else {("type" if kind in ("yarn", "longrope") else "rope_type"): kind} | scaling
    for key in ("layer_types", "_sliding_window_pattern"):
        config.pop(key, None)
    for key, value in OLD_SPELLING[name].items():
        config.pop(key, None)
        if value is not None:
            config[key] = value
    return dict(sorted(config.items()))


def dump(path, config):
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(name, out):
    wanted = CONFIGS[name]
    config = AutoConfig.for_model(**{k: json.loads(json.dumps(v)) for k, v in wanted.items()})
    config._attn_implementation = "eager"
    build = lambda c: AutoModelForCausalLM.from_config(c, attn_implementation="eager").eval().to(torch.float32)
    for seed in itertools.count():
        assert seed < 500, f"{name}: no seed without near ties"
        model = build(config)
        weights(model, name, seed)
        if getattr(config, "alibi", False) and config.model_type == "falcon":
            alibi_once(model)
        ids = torch.randint(3, config.vocab_size, (1, TOKENS), generator=torch.Generator().manual_seed(1000 + seed))
        saved, margin = reference(model, ids)
        tokens = saved["greedy"].tolist()
        if margin < MARGIN or min(tokens) < 3 or len(set(tokens)) < 6:
            continue
        if expert_margin(model, torch.cat([ids, saved["greedy"].view(1, -1)], dim=1)) < MARGIN:
            continue
        extra = {}
        if name == "phi3_longrope":  # `reference` is beyond the original length, this one and its greedy tokens are not
            extra["reference.short"], margin = reference(model, ids[:, :12])
            if margin < MARGIN or min(extra["reference.short"]["greedy"]) < 3:
                continue
        break

    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if name == "bloom":  # the hub's are saved from the model without its head
        tensors = {k.removeprefix("transformer."): x for k, x in load_file(folder / "model.safetensors").items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    def again(path=folder):
        c = AutoConfig.from_pretrained(path)
        m = AutoModelForCausalLM.from_pretrained(folder, config=c, dtype=torch.float32, attn_implementation="eager").eval()
        if getattr(c, "alibi", False) and c.model_type == "falcon":
            alibi_once(m)
        return m

    # What is kept is computed by the model as it loads from the files.
    model = again()
    saved, margin = reference(model, ids)
    assert tokens == saved["greedy"].tolist()
    save_file(saved, folder / "reference.safetensors")
    for file in extra:
        save_file(reference(again(), ids[:, :12])[0], folder / f"{file}.safetensors")
    if name in OLD_SPELLING:
        dump(folder / "config.v4.json", old_spelling(name, json.loads((folder / "config.json").read_text())))
        assert torch.equal(again(folder / "config.v4.json")(ids, use_cache=False).logits, saved["logits"]), "config.v4.json means another model"
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: seed {seed}, least margin {margin:.3f}, {size} bytes, logits {saved['logits'].std():.2f}, greedy {tokens}", flush=True)


def main(out, *names):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with torch.no_grad():
        for name in names or CONFIGS:
            make(name, Path(out))


main(*sys.argv[1:])
