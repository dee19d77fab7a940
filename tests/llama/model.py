"""A language model of random weights, which says nothing, but quickly: `python -m tests.llama.model FILE`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.llama.server import CONTEXT

gguf: Any = import_module("gguf")  # not installed where types are checked
np: Any = import_module("numpy")
WIDTH, HEADS, LAYERS, INNER = 64, 4, 2, 128
_CONTROLS = (b"<unk>", b"<s>", b"</s>")
_TEMPLATE = "{% for each in messages %}{{ each['role'] }}: {{ each['content'] }}\n{% endfor %}assistant: "


def write(path: Path) -> None:
    """Write it as a GGUF file, the same each time."""
    writer = gguf.GGUFWriter(str(path), "llama")
    tokens = [*_CONTROLS, *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(_TEMPLATE)
    _add_weights(writer, len(tokens))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_weights(writer: Any, tokens: int) -> None:
    chance, ones = np.random.default_rng(7), np.ones(WIDTH, np.float32)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", chance.normal(0, 0.2, shape).astype(np.float32))

    add("token_embd", tokens, WIDTH)
    add("output", tokens, WIDTH)
    writer.add_tensor("output_norm.weight", ones)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{name}.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(block + name, WIDTH, WIDTH)
        add(f"{block}ffn_gate", INNER, WIDTH)
        add(f"{block}ffn_up", INNER, WIDTH)
        add(f"{block}ffn_down", WIDTH, INNER)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
