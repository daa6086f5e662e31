"""PyTorch checkpoints as real torch writes them, and the values in them.

    python pytorch.py ../fixtures

Writes FIXTURES/pytorch/*.pt, for the readable ones an X.safetensors beside X.pt with the same tensors in row-major order,
a sharded checkpoint, and the weights of FIXTURES/reference-models/llama as a pytorch_model.bin.
Needs: pip install torch safetensors
"""
import collections
import json
import os
import sys
import warnings
import zipfile

import torch
from safetensors.torch import load_file, save_file

warnings.simplefilter("ignore")


def numbers(*shape, start=0, dtype=torch.float32):
    count = torch.Size(shape).numel()
    return (torch.arange(start, start + count) % 100).to(dtype).reshape(shape)


def dtypes():
    kinds = {
        "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64, "i8": torch.int8,
        "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8, "bool": torch.bool,
        "c64": torch.complex64, "u16": torch.uint16, "u32": torch.uint32, "u64": torch.uint64,
        "f8_e4m3": torch.float8_e4m3fn, "f8_e5m2": torch.float8_e5m2,
    }
    tensors = {name: numbers(2, 3).to(kind) for name, kind in kinds.items()}
    return {**tensors, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4)}


def views():
    base = numbers(4, 6)
    cube = numbers(2, 3, 4, dtype=torch.float16)
    tied = numbers(3, 2, start=50)
    return collections.OrderedDict(
        base=base,
        rows=base[1:3],
        columns=base[:, 2:4],
        every_other=base[::2, ::3],
        transposed=base.t(),
        part_of_transposed=base.t()[1:4],
        permuted=cube.permute(2, 0, 1),
        swapped=cube.transpose(0, 1),
        one_column=base[:, 1:2],
        expanded=numbers(3)[None, :].expand(4, 3),
        embedding=tied,
        head=tied,
        head_transposed=tied.t(),
        head_transposed_too=tied.t(),
        parameter=torch.nn.Parameter(numbers(2, 2)),
    )


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never be printed",)


def main(fixtures):
    out = os.path.join(fixtures, "pytorch")
    os.makedirs(out, exist_ok=True)
    at = lambda name: os.path.join(out, name)

    def save(name, value, expected=None, **options):
        torch.save(value, at(name + ".pt"), **options)
        if expected is not None:
            dense = {k: v.detach().contiguous().clone() for k, v in expected.items()}
            save_file(dense, at(name + ".safetensors"))

    torch.manual_seed(0)
    save("dtypes", dtypes(), dtypes())
    save("protocol4", dtypes(), dtypes(), pickle_protocol=4)
    save("views", views(), views())
    linear = torch.nn.Linear(3, 2)
    state = linear.state_dict()
    adam = torch.optim.Adam(linear.parameters())
    linear(torch.ones(1, 3)).sum().backward()
    adam.step()
    training = {"model": state, "epoch": 3, "loss": 0.25, "name": "tiny", "best": True, "steps": 2**40, "scheduler": None,
                "shape": torch.Size([2, 3]), "optimizer": adam.state_dict()}
    save("nested", training, state)
    two = {"generator": {"w": numbers(2)}, "discriminator": {"w": numbers(3), "kind": "conv"}, "epoch": 1}
    save("two", two, {"generator.w": numbers(2), "discriminator.w": numbers(3)})

    # None of these is to be read.
    save("legacy", state, _use_new_zipfile_serialization=False)
    save("module", linear)
    save("evil", {"w": numbers(2), "x": Evil()})
    save("conjugate", {"w": torch.ones(2, dtype=torch.complex64).conj()})
    save("nameless", numbers(2))
    save("huge", {"w": torch.zeros(1).expand(1 << 40)})
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), at("script.pt"))
    with zipfile.ZipFile(at("two.pt")) as whole, zipfile.ZipFile(at("compressed.pt"), "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in whole.namelist():
            packed.writestr(entry, whole.read(entry))

    sharded = os.path.join(out, "sharded")
    os.makedirs(sharded, exist_ok=True)
    shards = [{"a": numbers(2, 2), "b": numbers(3)}, {"c": numbers(2, start=7)}]
    names = [f"pytorch_model-0000{i + 1}-of-00002.bin" for i in range(2)]
    for name, tensors in zip(names, shards):
        torch.save(tensors, os.path.join(sharded, name))
    with open(os.path.join(sharded, "pytorch_model.bin.index.json"), "w") as index:
        weight_map = {tensor: name for name, tensors in zip(names, shards) for tensor in tensors}
        json.dump({"metadata": {"total_size": 36}, "weight_map": weight_map}, index, indent=2)

    # Some weights transposed, as converters from other frameworks leave them.
    llama = load_file(os.path.join(fixtures, "reference-models/llama/model.safetensors"))
    llama = {k: v.t().contiguous().t() if k.endswith(("q_proj.weight", "up_proj.weight")) else v for k, v in llama.items()}
    torch.save(llama, at("llama.bin"))


main(*sys.argv[1:])
