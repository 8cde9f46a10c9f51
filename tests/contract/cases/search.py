"""Searching cases by pieces of words."""

import pytest

from domain.errors import InvalidInput
from domain.status import CaseStatus
from ports.cases import MAX_QUERY_LENGTH, MAX_QUERY_TERMS, CaseFilter, CaseRepository
from tests.builders import a_case, a_closed_case, a_message, an_id, later
from tests.contract.data import COMPOSED, DECOMPOSED, LEGAL_TEXTS


async def found(repository: CaseRepository, query: str) -> list[int]:
    """The numbers of the cases that the query finds, in order."""
    page = await repository.search(query)
    assert page.total == len(page.items)
    return [int(case.case_id.removeprefix("case_"), 16) for case in page]


async def save_texts(repository: CaseRepository, *descriptions: str) -> None:
    """Cases 1, 2, ... with these descriptions and titles that say nothing."""
    for number, description in enumerate(descriptions, start=1):
        await repository.save(a_case(number, title="-", description=description))


class CaseSearchTests:
    """A case is found when each word of the query is a piece of its title, its description or a message."""

    async def test_search_looks_everywhere(self, repository: CaseRepository) -> None:
        """Title, description and messages count alike for being found."""
        await repository.save(a_case(1, title="Gateway timeout"))
        await repository.save(a_case(2, title="-", description="the gateway restarts"))
        await repository.save(a_case(3, title="-"))
        await repository.add_message(a_message(an_id("case", 3), content="I blame the gateway", created_at=later(0)))
        await repository.save(a_case(4, title="-", description="nothing"))
        assert await found(repository, "gateway") == [1, 2, 3]

    async def test_search_needs_every_term(self, repository: CaseRepository) -> None:
        """The terms may stand anywhere and in any order, but none may be missing."""
        await repository.save(a_case(1, title="Redis is slow", description="since the failover"))
        await repository.add_message(a_message(an_id("case", 1), content="evictions rise"))
        assert await found(repository, "evictions failover redis") == [1]
        assert await found(repository, "evictions failover postgres") == []

    async def test_search_finds_pieces_of_words(self, repository: CaseRepository) -> None:
        """A term may begin and end inside of a word."""
        await save_texts(repository, "KubePodCrashLooping fired", "the pod is fine")
        assert await found(repository, "podcrash") == [1]
        assert await found(repository, "ooping") == [1]
        assert await found(repository, "pod") == [1, 2]

    @pytest.mark.parametrize("query", ["x", "é", "ß", "7", "\U0001f525", "障", "q9"])
    async def test_search_finds_short_terms(self, repository: CaseRepository, query: str) -> None:
        """One or two characters are enough."""
        await save_texts(repository, f"before{query}after", "----")
        assert await found(repository, query) == [1]

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("Checkout FAILS", "cHECKOUT fails"),
            ("ÉCHEC", "échec"),
            ("Straße", "STRASSE"),
            ("STRASSE", "straße"),
            ("ΟΔΟΣ", "οδος"),
            ("ΟΔΟΣ", "οδοσ"),
            ("ЁЛКА", "ёлка"),
            (f"caf{COMPOSED}", f"CAF{DECOMPOSED}"),
            (f"caf{DECOMPOSED}", f"caf{COMPOSED.upper()}"),
            ("İstanbul", "i̇STANBUL"),
        ],
    )
    @pytest.mark.quirk("SQLite", "LIKE and lower() know upper and lower case of ASCII only")
    async def test_search_ignores_case_in_every_script(self, repository: CaseRepository, text: str, query: str) -> None:
        """Upper and lower case and the two ways to compose a letter do not matter, in texts and messages."""
        await save_texts(repository, text, "other", "")
        await repository.add_message(a_message(an_id("case", 3), content=text, created_at=later(0)))
        assert await found(repository, query) == [1, 3]

    async def test_search_keeps_accents_apart(self, repository: CaseRepository) -> None:
        """A letter with an accent is another letter."""
        await save_texts(repository, "resume", "résumé")
        assert await found(repository, "resume") == [1]
        assert await found(repository, "résumé") == [2]

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_search_takes_hostile_text_as_text(self, repository: CaseRepository, text: str) -> None:
        """A text finds itself and nothing else, in a description and in a message, whatever it means to some engine."""
        await save_texts(repository, text, "something else", "")
        await repository.add_message(a_message(an_id("case", 3), content=f"say {text}!", created_at=later(0)))
        assert await found(repository, text) == [1, 3]

    @pytest.mark.parametrize(
        ("query", "foil"),
        [
            ("%", "a"),
            ("_", "a"),
            ("a%c", "abc"),
            ("a_c", "abc"),
            ("a*", "abc"),
            ("a?c", "abc"),
            ("[abc]", "abc"),
            ("a.c", "abc"),
            ("a\\_c", "a_c"),
            ('"abc"', "abc"),
            ("'abc'", "abc"),
            ("abc)", "abc"),
            ("abc:*", "abc"),
            ("^abc", "abc"),
            ("-abc", "abc"),
            ("description:abc", "abc"),
            ("abc OR xyz", "abc"),
            ("abc NOT xyz", "abc"),
            ("NEAR(abc)", "abc"),
            ("abc & xyz", "abc xyz"),
            ("\\", "abc"),
            ("--", "abc"),
        ],
    )
    @pytest.mark.quirk("SQLite", "`%` and `_` are wildcards of LIKE; quotes, `*`, OR and NEAR are the language of FTS5")
    @pytest.mark.quirk("PostgreSQL", "`%`, `_` and the backslash mean something to LIKE, `:*`, `&` and `!` to tsquery")
    async def test_search_has_no_syntax(self, repository: CaseRepository, query: str, foil: str) -> None:
        """Wildcards, quotes and operators of query languages stand for themselves."""
        await repository.save(a_case(1, title="case", description=foil))
        await repository.save(a_case(2, title="case", description=f"<{query}>"))
        assert await found(repository, query) == [2]

    async def test_search_does_not_run_texts_together(self, repository: CaseRepository) -> None:
        """A term does not begin in one text and end in the next."""
        await repository.save(a_case(1, title="over", description="flow"))
        await repository.add_message(a_message(an_id("case", 1), 1, content="time"))
        await repository.add_message(a_message(an_id("case", 1), 2, content="out"))
        for query in ("overflow", "flowtime", "timeout"):
            assert await found(repository, query) == []

    async def test_search_orders_by_terms_in_the_title(self, repository: CaseRepository) -> None:
        """More terms in the title come first, then the latest activity, then the id."""
        for number, (title, activity) in enumerate(
            [("-", 9), ("disk", 1), ("disk full", 0), ("full", 5), ("full", 5), ("-", 8)], start=1
        ):
            await repository.save(
                a_case(number, title=title, description="disk full", last_activity_at=later(activity))
            )
        assert await found(repository, "full disk") == [3, 4, 5, 2, 1, 6]

    async def test_search_counts_a_repeated_term_once(self, repository: CaseRepository) -> None:
        """Repeating a word changes neither what is found nor the order."""
        await repository.save(a_case(1, title="disk", description="full"))
        await repository.save(a_case(2, title="full", description="disk", last_activity_at=later(1)))
        assert await found(repository, "disk DISK disk full") == [2, 1]
        assert await found(repository, "disk " * 20) == [1, 2]

    async def test_search_pages_fit_together(self, repository: CaseRepository) -> None:
        """Pages meet each match once, in order; the total counts all matches."""
        for number in range(1, 11):
            await repository.save(a_case(number, last_activity_at=later(number % 2)))
        await repository.save(a_case(11, title="other"))
        whole = await repository.search("checkout", limit=200)
        pages = [await repository.search("checkout", limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert [case for page in pages for case in page] == list(whole)
        assert {page.total for page in pages} == {10}
        assert (await repository.search("checkout", limit=0)).total == 10
        assert (await repository.search("checkout", offset=10)).items == ()

    async def test_search_within_a_filter(self, repository: CaseRepository) -> None:
        """The filter bounds the matches and the total."""
        await repository.save(a_case(1))
        await repository.save(a_case(2, user_id="somebody"))
        await repository.save(a_closed_case(3))
        page = await repository.search("checkout", CaseFilter(user_id=a_case().user_id, status=CaseStatus.CONSULTING))
        assert ([case.case_id for case in page], page.total) == ([an_id("case", 1)], 1)
        assert (await repository.search("checkout", CaseFilter(user_id="%"))).total == 0

    async def test_search_follows_changes(self, repository: CaseRepository) -> None:
        """What is written is found when the write has returned, and what is gone is not found any more."""
        saved = await repository.save(a_case(title="first words"))
        renamed = await repository.save(saved.rename("second words", later(1)))
        assert await found(repository, "first") == []
        assert await found(repository, "second") == [1]
        await repository.add_message(a_message(saved.case_id, content="third"))
        assert await found(repository, "third second") == [1]
        await repository.save(renamed.rename("fourth words", later(2)))
        assert await found(repository, "third fourth") == [1]
        await repository.delete(saved.case_id)
        assert await found(repository, "third") == []

    async def test_search_gives_whole_cases(self, repository: CaseRepository) -> None:
        """A found case is the same as one that is read by its id."""
        saved = await repository.save(a_case())
        await repository.add_message(a_message(saved.case_id))
        assert (await repository.search("checkout")).items == (await repository.get(saved.case_id),)

    @pytest.mark.parametrize(
        "query",
        [
            "",
            " \t\n",
            "x" * (MAX_QUERY_LENGTH + 1),
            " ".join(f"w{number}" for number in range(MAX_QUERY_TERMS + 1)),
            "a\0b",
            "a\ud800",
        ],
        ids=["empty", "blank", "long", "many-words", "nul", "surrogate"],
    )
    async def test_search_refuses_bad_queries(self, repository: CaseRepository, query: str) -> None:
        """A query that is blank, too long or no text is refused, never answered with everything."""
        await repository.save(a_case())
        with pytest.raises(InvalidInput):
            await repository.search(query)

    async def test_search_takes_the_longest_queries(self, repository: CaseRepository) -> None:
        """The bounds themselves are accepted."""
        await save_texts(repository, "y" * 600, " ".join(f"w{number}" for number in range(MAX_QUERY_TERMS)))
        assert await found(repository, "y" * MAX_QUERY_LENGTH) == [1]
        assert await found(repository, " ".join(f"w{number}" for number in range(MAX_QUERY_TERMS))) == [2]
