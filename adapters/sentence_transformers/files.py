"""Where the files of a model are, and what to do if they are not there."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from ports.errors import PortError

DESCRIPTIONS = ("*.json", "*.txt", "*.model")
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
"""In the order of preference: one kind is enough."""

_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class ModelUnusable(PortError):
    """Something that the embedding model needs is missing or does not fit."""


def unusable(model: str, problem: str) -> ModelUnusable:
    """The error for a model that cannot be loaded, with the way out."""
    name = model if _NAME.fullmatch(model) else "BAAI/bge-m3"
    return ModelUnusable(
        f"EMBEDDING_MODEL={model}: {problem}. Where the network can be reached, run `hf download {name} --exclude "
        f"'onnx/*' --local-dir {name.rpartition('/')[2]}`, bring that folder to this machine and set EMBEDDING_MODEL "
        "to its path"
    )


def model_folder(model: str) -> Path:
    """The folder with the files of a model: the given one, or that of a name in the cache of the Hugging Face hub. The
    hub is asked only for a name whose files are not all in the cache.

    Raises:
        ModelUnusable: files are missing, and cannot be had.
    """
    given = Path(model).expanduser()
    if given.is_dir():
        if missing := _missing(given):
            raise unusable(model, f"the folder has no {missing}")
        return given
    if not _NAME.fullmatch(model):
        raise unusable(model, "there is no such folder, and the name of a model looks like BAAI/bge-m3")
    cached = _snapshot(model, offline=True)
    if cached is not None and not _missing(cached):
        return cached
    downloaded = _snapshot(model, offline=False)
    if downloaded is None or (missing := _missing(downloaded)):
        raise unusable(model, f"the model has no {missing if downloaded else 'files'}")
    return downloaded


def _snapshot(model: str, *, offline: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    folder = None
    for weights in WEIGHTS:
        try:
            folder = Path(snapshot_download(model, allow_patterns=[*DESCRIPTIONS, weights], local_files_only=offline))
        except LocalEntryNotFoundError as error:
            if offline:
                return None
            raise unusable(model, "it is not in the cache, and the Hugging Face hub cannot be reached") from error
        except Exception as error:
            raise unusable(model, f"the Hugging Face hub does not provide it ({_first_line(error)})") from error
        if any(folder.rglob(weights)):
            break
    return folder


def _missing(folder: Path) -> str | None:
    """What a folder lacks to be a complete model. Without this, an incomplete one would be completed by guesses."""
    try:
        modules = orjson.loads((folder / "modules.json").read_bytes())
        places = {str(module["type"]).rpartition(".")[2]: folder / module["path"] for module in modules}
    except FileNotFoundError:
        return "modules.json, so it is no model of sentence-transformers"
    except (OSError, ValueError, TypeError, KeyError):
        return "readable modules.json"
    if "Pooling" in places and not (places["Pooling"] / "config.json").is_file():
        return f"{places['Pooling'].name}/config.json"
    if "Transformer" in places and not any(any(places["Transformer"].glob(weights)) for weights in WEIGHTS):
        return "weights (model.safetensors or pytorch_model.bin)"
    return None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
