"""A runbook in parts: what it looks like, why it happens, how to find out, what to do, and how to tell that it helped.

Two shapes are read. The one has the sections Symptoms, Likely causes, Diagnose, Mitigate, Fix and Verify. The other,
known from alert catalogues, has Meaning, Impact, Diagnosis and Mitigation; there the points to check that are not
commands are taken for possible causes. Unknown sections are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

MAX_CAUSES = 6


@dataclass(frozen=True, slots=True)
class Point:
    """One entry of a section: its text in Markdown, the inline code in it, the commands below it, what follows them."""

    text: str
    name: str = ""
    literals: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    notes: str = ""

    @property
    def detail(self) -> str:
        """The text without the bold name at its beginning."""
        return self.text.removeprefix(f"**{self.name}**").lstrip(" :.") if self.name else self.text


@dataclass(frozen=True, slots=True)
class Runbook:
    """The parts of one document. ``signatures`` are the lines that a reader would meet in a log or on a screen."""

    title: str
    symptoms: str = ""
    signatures: tuple[str, ...] = ()
    causes: tuple[Point, ...] = ()
    steps: tuple[Point, ...] = ()
    mitigations: tuple[Point, ...] = ()
    fixes: tuple[Point, ...] = ()
    checks: tuple[Point, ...] = ()

    @property
    def is_usable(self) -> bool:
        """True if it says anything about causes, diagnosis or remedies."""
        return bool(self.causes or self.steps or self.mitigations or self.fixes)


_SECTIONS = {
    "symptoms": ("symptoms", "symptom", "meaning", "impact", "overview", "description", "problem"),
    "causes": ("likely causes", "causes", "possible causes", "common causes", "root causes", "root cause", "cause"),
    "steps": ("diagnose", "diagnosis", "investigation", "troubleshooting", "debugging", "triage"),
    "mitigations": ("mitigate", "mitigation", "mitigations", "workaround", "remediation"),
    "fixes": ("fix", "fixes", "resolution", "solution", "permanent fix"),
    "checks": ("verify", "verification", "validation"),
}
_PARTS = {name: part for part, names in _SECTIONS.items() for name in names}
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_COMMAND = re.compile(
    r"(?:sudo )?(?:kubectl|psql|redis-cli|journalctl|systemctl|curl|df|du|ps|ss|dig|openssl|docker|crictl|etcdctl|grep"
    r"|cat|tail|top|free|vmstat|iostat|lsof|dmesg|nginx|helm|promtool|aws|gcloud|az|ip|ping|promql|select|show) ",
    re.IGNORECASE,
)
_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(slots=True)
class _Draft:
    text: str
    name: str = ""
    literals: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_entry: bool = False
    """From a list or below a heading of its own, as opposed to running text."""

    def point(self) -> Point:
        return Point(self.text, self.name, tuple(self.literals), tuple(self.commands), "\n".join(self.notes))

    @property
    def is_command(self) -> bool:
        return bool(self.commands) or any(_COMMAND.match(f"{literal} ") for literal in self.literals)


@lru_cache(maxsize=512)
def parse_runbook(title: str, content: str) -> Runbook:
    """The parts of the document; those that it does not have are empty."""
    tree = SyntaxTreeNode(_PARSER.parse(_FRONT_MATTER.sub("", content)))
    drafts: dict[str, list[_Draft]] = {part: [] for part in _SECTIONS}
    signatures: list[str] = []
    for part, nodes in _sections(tree):
        found = list(_drafts(nodes))
        drafts[part] += found
        if part == "symptoms":
            signatures += [line for draft in found for block in draft.commands for line in block.splitlines()]
            signatures += [literal for draft in found for literal in draft.literals if " " in literal]
    steps, causes = drafts["steps"], [draft for draft in drafts["causes"] if draft.is_entry or draft.name]
    if not causes:
        causes = [draft for draft in steps if draft.is_entry and not draft.is_command and _names_a_cause(draft.text)]
        steps = [draft for draft in steps if draft not in causes]
    return Runbook(
        title=title,
        symptoms="\n".join(draft.text for draft in drafts["symptoms"] if draft.text),
        signatures=tuple(line.strip() for line in signatures if line.strip()),
        causes=tuple(draft.point() for draft in causes[:MAX_CAUSES]),
        steps=_points(steps),
        mitigations=_points(drafts["mitigations"]),
        fixes=_points(drafts["fixes"]),
        checks=_points(drafts["checks"]),
    )


def _points(drafts: Sequence[_Draft]) -> tuple[Point, ...]:
    return tuple(draft.point() for draft in drafts if draft.text or draft.commands)


def _names_a_cause(text: str) -> bool:
    words = text.split()
    return 3 <= len(words) <= 40 and not text.rstrip().endswith(("?", ":")) and "http" not in words[0]


def _sections(tree: SyntaxTreeNode) -> Iterator[tuple[str, list[SyntaxTreeNode]]]:
    """The known sections with the blocks in them; headings of a lower level stay inside."""
    part, depth, nodes = "", 7, list[SyntaxTreeNode]()
    for node in tree.children:
        level = int(node.tag[1]) if node.type == "heading" else 7
        known = _PARTS.get(_inline(node).casefold().rstrip(":")) if node.type == "heading" else None
        if known or level <= depth < 7:
            if part:
                yield part, nodes
            part, depth, nodes = known or "", level, []
        else:
            nodes.append(node)
    if part:
        yield part, nodes


def _drafts(nodes: Sequence[SyntaxTreeNode]) -> Iterator[_Draft]:
    """The entries of a section: each list item, each paragraph, each heading with what stands below it."""
    drafts: list[_Draft] = []
    below_heading = False
    for node in nodes:
        if node.type in {"bullet_list", "ordered_list"}:
            drafts += [_item(item) for item in node.children]
            below_heading = False
        elif node.type == "heading":
            drafts.append(_Draft(_inline(node), name=_inline(node), is_entry=True))
            below_heading = True
        elif node.type in {"fence", "code_block"}:
            if not drafts:
                drafts.append(_Draft(""))
            drafts[-1].commands += _commands(node)
        elif node.type == "paragraph" and below_heading:
            drafts[-1].text = f"**{drafts[-1].name}**: {_inline(node)}"
            drafts[-1].literals += _literals(node)
            below_heading = False
        elif node.type == "paragraph":
            drafts.append(_Draft(_inline(node), literals=_literals(node)))
    yield from drafts


def _item(item: SyntaxTreeNode) -> _Draft:
    draft = _Draft("", is_entry=True)
    for node in item.children:
        if node.type in {"fence", "code_block"}:
            draft.commands += _commands(node)
        elif node.type == "paragraph" and not draft.text:
            draft.text, draft.name, draft.literals = _inline(node), _bold_start(node), _literals(node)
        elif node.type == "paragraph":
            draft.notes.append(_inline(node))
        elif node.type in {"bullet_list", "ordered_list"}:
            draft.notes += [_item(child).text for child in node.children]
    return draft


def _commands(node: SyntaxTreeNode) -> list[str]:
    return [node.content.strip()] if node.content.strip() else []


def _inline(node: SyntaxTreeNode) -> str:
    """The text of a block as Markdown, in one line."""
    return " ".join(child.content.replace("\n", " ") for child in node.children if child.type == "inline").strip()


def _bold_start(node: SyntaxTreeNode) -> str:
    inline = next((child for child in node.children if child.type == "inline"), None)
    visible = [child for child in inline.children if child.content or child.children] if inline else []
    first = visible[0] if visible else None
    return "".join(child.content for child in first.children) if first is not None and first.type == "strong" else ""


def _literals(node: SyntaxTreeNode) -> list[str]:
    return [" ".join(child.content.split()) for child in node.walk() if child.type == "code_inline"]
