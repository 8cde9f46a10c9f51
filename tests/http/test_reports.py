"""Reports of a case over HTTP."""

import pytest

from tests.http.world import Person, assert_error


async def test_a_report_is_written_listed_and_downloaded(ada: Person) -> None:
    case_id = await ada.open_case(title="Disk full on db-1", description="db-1 refuses writes")
    url = f"/api/v1/cases/{case_id}/reports"
    assert (await ada.http.get(url)).json() == {"reports": [], "total_count": 0}
    made = await ada.http.post(url, json={"report_type": "timeline"})
    assert made.status_code == 201
    report = made.json()
    assert (report["report_type"], report["format"]) == ("timeline", "markdown")
    default = (await ada.http.post(url, headers={"Content-Type": "application/json"})).json()
    assert default["report_type"] == "incident_report"
    listed = (await ada.http.get(url)).json()
    assert {row["report_id"] for row in listed["reports"]} == {report["report_id"], default["report_id"]}
    text = await ada.http.get(report["download_url"])
    assert text.status_code == 200
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.headers["content-disposition"] == f'attachment; filename="{case_id}-timeline.md"'
    assert "Disk full on db-1" in text.text
    assert len(text.content) == report["size_bytes"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"report_type": "poem"}, 422), ({"report_type": "other"}, 422), ({"report_type": "post_mortem"}, 409)],
)
async def test_other_reports_are_refused(ada: Person, body: dict[str, str], status: int) -> None:
    case_id = await ada.open_case()
    assert_error(await ada.http.post(f"/api/v1/cases/{case_id}/reports", json=body), status)


async def test_an_unknown_report_is_not_found(ada: Person) -> None:
    case_id = await ada.open_case()
    for report_id in ("doc_000000000000", "..%2f..", "x y"):
        assert_error(await ada.http.get(f"/api/v1/cases/{case_id}/reports/{report_id}"), 404)
