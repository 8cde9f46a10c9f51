"""Users, sessions, knowledge documents, and who may do what."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from domain.access import Action, Actor, Protected, allowed
from domain.knowledge import GLOBAL, Chunk, KnowledgeDocument, Scope, ScopeKind
from domain.session import Session
from domain.user import Role, User, fold_name
from tests import strategies
from tests.builders import AT, OWNER, a_case, a_closed_case, a_user, an_id, later


def a_session(**values: Any) -> Session:
    known = {
        "session_id": an_id("sess", 1, 32),
        "user_id": OWNER,
        "client_id": "browser",
        "created_at": AT,
        "last_activity_at": AT,
        "expires_at": later(30),
    }
    return Session.model_validate({**known, **values})


def a_document(**values: Any) -> KnowledgeDocument:
    known = {
        "document_id": an_id("kb", 1, 16),
        "scope": GLOBAL,
        "title": "Disk full",
        "content": "Delete old logs.",
        "content_sha256": "0" * 64,
        "document_type": "playbook",
        "origin": "starter",
        "created_by": "system",
        "created_at": AT,
        "updated_at": AT,
    }
    return KnowledgeDocument.model_validate({**known, **values})


class TestUser:
    @given(strategies.users())
    def test_a_legal_user_survives_storage(self, user: User) -> None:
        assert User.model_validate_json(user.model_dump_json()) == user

    @pytest.mark.parametrize("name", ["ab", "a" * 101, "a b", "-abc", ".abc", "", "a\0bc", 7])
    def test_a_malformed_name_is_refused(self, name: object) -> None:
        with pytest.raises(ValidationError):
            a_user(username=name)

    @pytest.mark.parametrize("name", ["abc", "a.b@c+d-e_f", "\u00e9milie", "a" * 100, "  abc "])
    def test_names_of_letters_digits_and_some_signs_are_legal(self, name: str) -> None:
        assert a_user(username=name).username == name.strip()

    @pytest.mark.parametrize(
        "email", ["", "x", "@", "a@", "@b", "a b@c", "a@b c", "a@b@c", f"{'a' * 250}@b.cd", "a\0@b", 7]
    )
    def test_a_malformed_address_is_refused(self, email: object) -> None:
        with pytest.raises(ValidationError):
            a_user(email=email)

    def test_names_are_compared_without_regard_to_case_and_form(self) -> None:
        assert fold_name(" E\u0301milie ") == fold_name("\u00e9MILIE")
        assert fold_name("STRASSE@x") == fold_name("straße@X")
        assert a_user(email=" Ann@Example.ORG ").email == "Ann@Example.ORG"

    @pytest.mark.parametrize("values", [{"roles": ()}, {"roles": (Role.USER, Role.USER)}, {"updated_at": later(-1)}])
    def test_a_user_is_consistent(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            a_user(**values)

    def test_administrators_have_the_role(self) -> None:
        assert not a_user().is_admin
        assert a_user(roles=(Role.USER, Role.ADMIN)).is_admin


class TestSession:
    def test_it_is_over_at_its_expiry(self) -> None:
        session = a_session()
        assert session.is_active(AT)
        assert session.is_active(later(30) - timedelta(microseconds=1))
        assert not session.is_active(later(30))

    @pytest.mark.parametrize(
        "values",
        [
            {"last_activity_at": later(-1)},
            {"expires_at": later(-1)},
            {"last_activity_at": later(31)},
            {"session_id": "x"},
        ],
    )
    def test_it_is_consistent(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            a_session(**values)


class TestKnowledge:
    @pytest.mark.parametrize(
        ("scope", "key"),
        [
            (GLOBAL, "global"),
            (Scope.for_user(OWNER), f"user:{OWNER}"),
            (Scope.for_case(an_id("case", 1)), f"case:{an_id('case', 1)}"),
        ],
    )
    def test_a_scope_has_one_key(self, scope: Scope, key: str) -> None:
        assert scope.key == key

    @pytest.mark.parametrize(
        "values",
        [{"kind": "global", "owner_id": "x"}, {"kind": "user"}, {"kind": "case"}, {"kind": "user", "owner_id": " "}],
    )
    def test_an_owner_fits_the_kind(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Scope.model_validate(values)

    @pytest.mark.parametrize(
        "values",
        [
            {"document_id": "kb_1"},
            {"content": ""},
            {"content_sha256": "x"},
            {"tags": ("",)},
            {"tags": ("x" * 51,)},
            {"tags": tuple(f"t{number}" for number in range(51))},
            {"title": " "},
        ],
    )
    def test_a_malformed_document_is_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            a_document(**values)

    def test_a_document_survives_storage(self) -> None:
        document = a_document(tags=(" disk ",), metadata={"a": 1}, description="d")
        assert document.tags == ("disk",)
        assert KnowledgeDocument.model_validate_json(document.model_dump_json()) == document

    def test_a_chunk_belongs_to_a_document(self) -> None:
        chunk = Chunk(chunk_id="kb_0000000000000001:12", document_id=an_id("kb", 1, 16), position=12, text="x")
        assert chunk.heading == ""
        with pytest.raises(ValidationError):
            chunk.replace(chunk_id="kb_1:2")


OWNER_, STRANGER, ADMIN = "owner", "stranger", "admin"
READ, WRITE, DELETE = Action
ALL, NONE = {READ, WRITE, DELETE}, set[Action]()


@pytest.mark.parametrize(
    ("target", "owner", "stranger", "admin"),
    [
        (a_case(user_id=an_id("user", 1)), ALL, NONE, NONE),
        (a_closed_case(), ALL, NONE, NONE),
        (a_session(), ALL, NONE, NONE),
        (a_user(1), ALL, NONE, ALL),
        (GLOBAL, {READ}, {READ}, ALL),
        (a_document(), {READ}, {READ}, ALL),
        (Scope.for_user(an_id("user", 1)), ALL, NONE, NONE),
        (a_document(scope=Scope.for_user(an_id("user", 1))), ALL, NONE, NONE),
        (Scope.for_case(an_id("case", 1)), NONE, NONE, NONE),
        (a_document(scope=Scope.for_case(an_id("case", 1))), NONE, NONE, NONE),
    ],
)
def test_who_may_do_what(target: Protected, owner: set[Action], stranger: set[Action], admin: set[Action]) -> None:
    actors = {
        OWNER_: Actor.of(a_user(1)),
        STRANGER: Actor.of(a_user(2)),
        ADMIN: Actor.of(a_user(3, roles=(Role.USER, Role.ADMIN))),
    }
    rights = {name: {action for action in Action if allowed(actor, action, target)} for name, actor in actors.items()}
    assert rights == {OWNER_: owner, STRANGER: stranger, ADMIN: admin}


def test_an_actor_is_its_user() -> None:
    actor = Actor.of(a_user(3, roles=(Role.ADMIN,)))
    assert (actor.user_id, actor.username, actor.is_admin) == (an_id("user", 3), "user3", True)
    assert ScopeKind("global") is ScopeKind.GLOBAL
