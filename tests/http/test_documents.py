"""Knowledge documents of the dashboard, and the search over them."""

import pytest

from tests.http.world import Person, World, assert_error

RUNBOOK = b"# Disk full\n\nWhen PostgreSQL says `No space left on device`, find what grows with `du -xh /var`.\n"
NINE = (
    "guide",
    "article",
    "troubleshooting",
    "faq",
    "other",
    "playbook",
    "troubleshooting_guide",
    "reference",
    "how_to",
)
OWN, GLOBAL = "/api/v1/documents", "/api/v1/admin/kb/documents"


async def upload(
    person: Person, *, path: str = f"{OWN}/upload", name: str = "disk.md", content: bytes = RUNBOOK, **fields
):
    data = {"title": "Disk full runbook", "document_type": "guide", **fields}
    return await person.http.post(path, data=data, files={"file": (name, content, "application/octet-stream")})


async def test_an_own_document_comes_and_goes(ada: Person, bob: Person) -> None:
    answer = await upload(ada, tags="disk, db,, disk ", description="How to", source_url="https://wiki.example/disk")
    assert answer.status_code == 201
    document = answer.json()
    assert document["title"] == "Disk full runbook"
    assert document["document_type"] == "guide"
    assert document["tags"] == ["disk", "db"]
    assert document["user_id"] == ada.user_id
    assert (document["description"], document["source_url"]) == ("How to", "https://wiki.example/disk")
    assert document["content"] == RUNBOOK.decode()
    listed = (await ada.http.get(OWN, params={"limit": 20, "offset": 0})).json()
    assert (listed["total_count"], listed["limit"], listed["offset"]) == (1, 20, 0)
    assert listed["documents"][0]["document_id"] == document["document_id"]
    assert (await ada.http.get(OWN, params={"document_type": "faq"})).json()["total_count"] == 0
    shown = (await ada.http.get(f"/api/v1/knowledge/documents/{document['document_id']}")).json()
    assert shown["content"] == RUNBOOK.decode()
    assert (shown["status"], shown["category"]) == ("processed", "guide")
    for path in (f"{OWN}/{document['document_id']}", f"/api/v1/knowledge/documents/{document['document_id']}"):
        method = "DELETE" if path.startswith(OWN) else "GET"
        foreign = assert_error(await bob.http.request(method, path), 404, "DOCUMENT_NOT_FOUND")
        unknown = path.replace(document["document_id"], "kb_0000000000000000")
        missing = assert_error(await bob.http.request(method, unknown), 404)
        assert foreign["detail"].replace(document["document_id"], "kb_0000000000000000") == missing["detail"]
    assert (await bob.http.get(OWN)).json()["documents"] == []
    assert (await ada.http.delete(f"{OWN}/{document['document_id']}")).status_code == 204
    assert (await ada.http.get(OWN)).json()["total_count"] == 0


async def test_global_documents_are_kept_by_admins_and_read_by_all(ada: Person, admin: Person) -> None:
    assert_error(await upload(ada, path=GLOBAL), 403, "FORBIDDEN")
    document = (await upload(admin, path=GLOBAL, category="storage")).json()
    assert (document["scope"], document["category"]) == ("global", "storage")
    assert (await admin.http.get(GLOBAL)).json()["total_count"] == 1
    assert (await ada.http.get(f"/api/v1/knowledge/documents/{document['document_id']}")).status_code == 200
    # Neither route deletes what belongs to the other.
    assert_error(await admin.http.delete(f"{OWN}/{document['document_id']}"), 404)
    own = (await upload(admin)).json()
    assert_error(await admin.http.delete(f"{GLOBAL}/{own['document_id']}"), 404)
    assert (await admin.http.delete(f"{GLOBAL}/{document['document_id']}")).status_code == 204


@pytest.mark.parametrize("kind", NINE)
async def test_the_nine_types_of_the_forms_are_taken(ada: Person, kind: str) -> None:
    assert (await upload(ada, document_type=kind)).json()["document_type"] == kind


@pytest.mark.parametrize("kind", ["evidence", "solution_pattern", "poem"])
async def test_other_types_are_refused(ada: Person, kind: str) -> None:
    assert "accepted" in assert_error(await upload(ada, document_type=kind), 422)["detail"]


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("a.md", RUNBOOK, 201),
        ("a.TXT", "Ümläut".encode("utf-16"), 201),
        ("a.json", b'{"a": 1}', 201),
        ("a.csv", b"a,b\n1,2\n", 201),
        ("a.pdf", b"%PDF-1.7", 415),
        ("a.doc", b"\xd0\xcf\x11\xe0", 415),
        ("a.docx", b"PK\x03\x04", 415),
        ("a.md", b"PK\x03\x04\0\0", 415),
        ("a.md", b"", 422),
        ("a.md", b"   \n", 422),
        ("a.md", b"x" * 2_000_001, 422),
        ("a.md", b"x" * (10 * 1024 * 1024 + 1), 413),
    ],
)
async def test_files_that_cannot_be_read_are_told_apart(ada: Person, name: str, content: bytes, status: int) -> None:
    answer = await upload(ada, name=name, content=content)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert_error(answer, status)


async def test_the_title_may_be_left_out_and_a_file_may_not(ada: Person) -> None:
    files = {"file": ("disk-full.md", RUNBOOK, "text/markdown")}
    assert (await ada.http.post(f"{OWN}/upload", files=files)).json()["title"] == "disk-full"
    assert_error(await ada.http.post(f"{OWN}/upload", files={"title": (None, "x")}), 422)
    two = [("file", ("a.md", b"x", "text/plain")), ("file", ("b.md", b"x", "text/plain"))]
    assert_error(await ada.http.post(f"{OWN}/upload", files=two), 422)
    assert_error(await upload(ada, title="x" * 501), 422)
    assert_error(await upload(ada, tags=",".join(f"t{number}" for number in range(51))), 422)
    assert_error(await ada.http.post(f"{OWN}/upload", json={}), 415)


async def test_search_finds_what_the_caller_may_read_and_says_why(ada: Person, bob: Person, admin: Person) -> None:
    await upload(admin, path=GLOBAL, title="Global disk runbook")
    own = (await upload(ada, title="Secret disk runbook of Ada")).json()
    query = {"query": "no space left on device postgresql"}
    found = (await ada.http.get("/api/v1/knowledge/search", params=query)).json()
    titles = {hit["title"] for hit in found["results"]}
    assert titles == {"Global disk runbook", "Secret disk runbook of Ada"}
    assert all(0 < hit["relevance"] <= 1 and hit["why"] and hit["passage"] for hit in found["results"])
    assert found["total_count"] == 2
    assert found["degraded"] is False
    theirs = (await bob.http.get("/api/v1/knowledge/search", params=query)).json()
    assert {hit["title"] for hit in theirs["results"]} == {"Global disk runbook"}
    await ada.http.delete(f"{OWN}/{own['document_id']}")
    after = (await ada.http.get("/api/v1/knowledge/search", params=query)).json()
    assert {hit["title"] for hit in after["results"]} == {"Global disk runbook"}
    nothing = (await ada.http.get("/api/v1/knowledge/search", params={"query": "zebra crossing etiquette"})).json()
    assert nothing["results"] == []
    assert_error(await ada.http.get("/api/v1/knowledge/search", params={"query": ""}), 422)
    case_id = await ada.open_case()
    assert (await ada.http.get("/api/v1/knowledge/search", params={**query, "case_id": case_id})).status_code == 200


async def test_lists_show_excerpts(world: World, ada: Person) -> None:
    await upload(ada, content=b"word " * 10_000)
    (row,) = (await ada.http.get(OWN)).json()["documents"]
    assert len(row["content"]) <= 300
