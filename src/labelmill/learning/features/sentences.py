"""A small BERT model that makes one vector of a text: read from the files of its package, and computed with numpy alone.

The package asks for a library of some gigabytes, of which this is the part that is needed. Nothing of the package is run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelmill.errors import BadFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

#: Pieces of words that go through the model at once.
_PIECES: Final = 4_096
_EPSILON: Final = 1e-12


class SentenceModel:
    """The encoder of a folder with ``config.json`` and ``model.safetensors``: the mean over a text's pieces, of length 1."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_bytes())
        self._weights = read_weights(folder / "model.safetensors")
        self._heads = int(config["num_attention_heads"])
        self._layers = int(config["num_hidden_layers"])
        self.width = int(config["hidden_size"])
        places, kinds = (self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("position", "token_type"))
        self._places = np.asarray(places + kinds[0])

    def vectors(self, texts: Sequence[Sequence[int]]) -> Floats:
        """Return texts x width; each text is the numbers of its pieces."""
        out = np.zeros((len(texts), self.width), dtype=np.float32)
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        # Texts of the same length need no padding, which would be most of the work.
        for length in np.unique(lengths):
            places = np.flatnonzero(lengths == length)
            step = max(1, _PIECES // int(length))
            for start in range(0, len(places), step):
                some = places[start : start + step]
                out[some] = self._pooled(np.array([texts[place] for place in some], dtype=np.int64))
        return out

    def _pooled(self, pieces: npt.NDArray[np.int64]) -> Floats:
        hidden = self._weights["embeddings.word_embeddings.weight"][pieces] + self._places[: pieces.shape[1]]
        hidden = self._normal(hidden, "embeddings")
        for number in range(self._layers):
            name = f"encoder.layer.{number}"
            hidden = self._normal(hidden + self._attended(hidden, f"{name}.attention"), f"{name}.attention.output")
            inner = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
            hidden = self._normal(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output")
        mean = hidden.mean(axis=1)
        made: Floats = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return made

    def _attended(self, hidden: Floats, name: str) -> Floats:
        count, length, width = hidden.shape
        query, key, value = (
            self._linear(hidden, f"{name}.self.{each}").reshape(count, length, self._heads, -1).transpose(0, 2, 1, 3)
            for each in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width / self._heads))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        heads = (scores @ value).transpose(0, 2, 1, 3).reshape(count, length, width)
        return self._linear(heads, f"{name}.output.dense")

    def _linear(self, values: Floats, name: str) -> Floats:
        # As one product of two matrices, which is several times quicker than one for each text.
        flat = values.reshape(-1, values.shape[-1]) @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        made: Floats = flat.reshape(*values.shape[:-1], -1)
        return made

    def _normal(self, values: Floats, name: str) -> Floats:
        left = values - values.mean(axis=-1, keepdims=True)
        left /= np.sqrt(np.square(left).mean(axis=-1, keepdims=True) + _EPSILON)
        made: Floats = left * self._weights[f"{name}.LayerNorm.weight"] + self._weights[f"{name}.LayerNorm.bias"]
        return made


def read_weights(path: Path) -> dict[str, Any]:
    """Return the arrays of a safetensors file by name, mapped into memory; raises BadFile. The file holds numbers and no code."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            begin = file.tell()
        about = {name: each for name, each in header.items() if name != "__metadata__" and each["dtype"] == "F32"}
        return {
            name: np.memmap(path, np.float32, "r", begin + each["data_offsets"][0], tuple(each["shape"]))
            for name, each in about.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise BadFile("This is no file of a model's weights.", where=path.name) from error


def _gelu(values: Floats) -> Floats:
    from scipy.special import erf

    made: Floats = values * np.float32(0.5) * (1 + erf(values / np.float32(np.sqrt(2))))
    return made
