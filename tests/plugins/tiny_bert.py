"""A model of the shape of the package's, with a few pieces and random numbers: what the code does is seen without 90 MB."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "ball",
    "soup",
    "song",
    "cook",
    "##ing",
    "##s",
    "un",
    "##believ",
    "##able",
    "cafe",
    "!",
    "中",
    "文",
]
WIDTH, HEADS, LAYERS, INNER, PLACES = 8, 2, 2, 16, 256


def write_model(folder: Path) -> Path:
    """Write the files of a model and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    arrays = {
        name: np.random.default_rng(number).normal(0, 0.5, shape) for number, (name, shape) in enumerate(_shapes().items())
    }
    write_weights(folder / "model.safetensors", arrays)
    return folder


def write_weights(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as a safetensors file, beside one of whole numbers, as the package's file has one."""
    about: dict[str, object] = {"__metadata__": {"format": "pt"}}
    content = np.arange(4, dtype=np.int64).tobytes()
    about["embeddings.position_ids"] = {"dtype": "I64", "shape": [1, 4], "data_offsets": [0, len(content)]}
    for name, array in arrays.items():
        more = array.astype(np.float32).tobytes()
        about[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(content), len(content) + len(more)]}
        content += more
    header = json.dumps(about).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + content)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(PIECES), WIDTH),
        "embeddings.position_embeddings.weight": (PLACES, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        **_normal("embeddings"),
    }
    for number in range(LAYERS):
        name = f"encoder.layer.{number}"
        for each in ("query", "key", "value"):
            shapes |= _linear(f"{name}.attention.self.{each}", WIDTH, WIDTH)
        shapes |= _linear(f"{name}.attention.output.dense", WIDTH, WIDTH) | _normal(f"{name}.attention.output")
        shapes |= _linear(f"{name}.intermediate.dense", INNER, WIDTH) | _linear(f"{name}.output.dense", WIDTH, INNER)
        shapes |= _normal(f"{name}.output")
    return shapes


def _linear(name: str, to: int, of: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (to, of), f"{name}.bias": (to,)}


def _normal(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.LayerNorm.weight": (WIDTH,), f"{name}.LayerNorm.bias": (WIDTH,)}
