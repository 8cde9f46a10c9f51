"""The folder of a model is found or said to be missing, and the hub is asked only if there is no other way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from adapters.sentence_transformers.files import ModelUnusable, model_folder

MODULES = """[
    {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
]"""
FILES = {"modules.json": MODULES, "1_Pooling/config.json": "{}", "pytorch_model.bin": "weights"}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes a folder of these files: those of a whole model without some."""

    def files(*without: str, name: str = "model", **more: str) -> Path:
        folder = tmp_path / name
        for path, content in {**FILES, **more}.items():
            if path not in without:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(content)
        return folder

    return files


class Hub:
    """Stands for the hub's library: what is in the cache, and what a download would bring."""

    def __init__(self, cached: Path | None, online: Path | Exception) -> None:
        self.cached = cached
        self.online = online
        self.calls: list[tuple[bool, str]] = []

    def snapshot_download(self, name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        """As in the library: the folder of the snapshot, whatever of it is there."""
        assert name == "BAAI/bge-m3"
        self.calls.append((local_files_only, allow_patterns[-1]))
        found = self.cached if local_files_only else self.online
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise LocalEntryNotFoundError("not here")
        return str(found)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Hub]:
    """Puts a hub in place of the real one."""

    def put(cached: Path | None = None, online: Path | Exception | None = None) -> Hub:
        hub = Hub(cached, online or LocalEntryNotFoundError("no network"))
        monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
        return hub

    return put


def test_a_folder(write: Write, hub: Callable[..., Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken as it is, from the home folder too; nobody asks the hub."""
    nobody = hub()
    folder = write()
    assert model_folder(str(folder)) == folder
    monkeypatch.setenv("HOME", str(folder.parent))
    assert model_folder("~/model") == folder
    assert nobody.calls == []


@pytest.mark.parametrize(
    ("without", "more", "message"),
    [
        ("modules.json", {}, "has no modules.json, so it is no model of sentence-transformers"),
        ("", {"modules.json": "{"}, "has no readable modules.json"),
        ("", {"modules.json": "[1]"}, "has no readable modules.json"),
        ("", {"modules.json": '[{"path": ""}]'}, "has no readable modules.json"),
        ("1_Pooling/config.json", {}, "has no 1_Pooling/config.json"),
        ("pytorch_model.bin", {}, "has no weights"),
    ],
)
@pytest.mark.quirk("sentence-transformers", "a folder that lacks files is loaded with defaults in their place")
def test_an_incomplete_folder(
    write: Write, hub: Callable[..., Hub], without: str, more: dict[str, str], message: str
) -> None:
    """It is refused, since the library would fill in its own defaults; the hub is not asked for the rest."""
    nobody = hub()
    folder = write(without, **more)
    with pytest.raises(
        ModelUnusable, match=rf"EMBEDDING_MODEL={folder}: the folder {message}.*hf download BAAI/bge-m3"
    ):
        model_folder(str(folder))
    assert nobody.calls == []


@pytest.mark.parametrize("model", ["", "bge-m3", "/no/such/folder", "./models/bge-m3", "a/b/c", "BAAI/bge m3"])
def test_neither_a_folder_nor_a_name(hub: Callable[..., Hub], model: str, tmp_path: Path) -> None:
    """A mistyped path is not looked for on the hub."""
    nobody = hub()
    with pytest.raises(ModelUnusable, match="there is no such folder, and the name of a model looks like BAAI/bge-m3"):
        model_folder(model or str(tmp_path / "nothing"))
    assert nobody.calls == []


def test_a_name_in_the_cache(write: Write, hub: Callable[..., Hub]) -> None:
    """The hub is not asked whether there is a newer one."""
    cache = hub(cached=write())
    assert model_folder("BAAI/bge-m3") == cache.cached
    assert {offline for offline, _ in cache.calls} == {True}


@pytest.mark.parametrize("missing", ["everything", "modules.json", "1_Pooling/config.json", "pytorch_model.bin"])
def test_a_name_that_is_not_all_in_the_cache(write: Write, hub: Callable[..., Hub], missing: str) -> None:
    """Then it is downloaded: what is missing of it, safe weights rather than the others."""
    complete = write(name="complete")
    network = hub(cached=None if missing == "everything" else write(missing), online=complete)
    assert model_folder("BAAI/bge-m3") == complete
    assert [patterns for offline, patterns in network.calls if not offline] == [
        "model*.safetensors",
        "pytorch_model*.bin",
    ]


def test_one_kind_of_weights_is_enough(write: Write, hub: Callable[..., Hub]) -> None:
    """Where there are safe weights, the others are not downloaded."""
    network = hub(online=write("pytorch_model.bin", **{"model.safetensors": "weights"}))
    model_folder("BAAI/bge-m3")
    assert network.calls == [(True, "model*.safetensors"), (False, "model*.safetensors")]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("x"), "it is not in the cache, and the Hugging Face hub cannot be reached"),
        (OSError("404\nand more"), r"the Hugging Face hub does not provide it \(OSError: 404\)"),
        (RuntimeError("x"), r"the Hugging Face hub does not provide it \(RuntimeError: x\)"),
    ],
)
def test_a_name_that_cannot_be_had(hub: Callable[..., Hub], error: Any, message: str) -> None:
    """The message says what to bring, and which setting to point there."""
    hub(online=error)
    with pytest.raises(ModelUnusable, match=rf"BAAI/bge-m3: {message}.*local-dir bge-m3.*set EMBEDDING_MODEL to"):
        model_folder("BAAI/bge-m3")


def test_a_name_of_something_else(write: Write, hub: Callable[..., Hub]) -> None:
    """What is on the hub but not in the format of sentence-transformers is refused too."""
    hub(online=write("modules.json"))
    with pytest.raises(ModelUnusable, match=r"the model has no modules\.json"):
        model_folder("BAAI/bge-m3")
