"""``faultmaven user``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.markup import escape

from adapters.cli.output import Json, console, print_json, print_table
from adapters.cli.runtime import Runtime
from domain.user import Role


def register(app: typer.Typer, runtime: Runtime) -> None:
    @app.command("create", help="Create an account.")
    def create(
        username: Annotated[str, typer.Argument(help="Name to sign in with.")],
        password: Annotated[
            str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="At least 8 characters.")
        ],
        email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
        display_name: Annotated[str | None, typer.Option(help="Name to show.")] = None,
        admin: Annotated[bool, typer.Option("--admin", help="May write the global knowledge.")] = False,
    ) -> None:
        async def run() -> str:
            async with runtime.records() as (users, _):
                user = await users.create_user(
                    username=username,
                    email=email,
                    display_name=display_name,
                    password=password,
                    roles=(Role.USER, Role.ADMIN) if admin else (Role.USER,),
                )
                return user.username

        console.print(f"Created the user {escape(asyncio.run(run()))}.")

    @app.command("password", help="Set the password of an account and sign it out everywhere.")
    def password(
        username: Annotated[str, typer.Argument(help="Name to sign in with.")],
        new: Annotated[
            str,
            typer.Option(
                "--password", prompt="Password", hide_input=True, confirmation_prompt=True, help="The new one."
            ),
        ],
    ) -> None:
        async def run() -> None:
            async with runtime.records() as (users, operations):
                user = await operations.user_named(username)
                await users.set_password(user.user_id, new)

        asyncio.run(run())
        console.print(f"Changed the password of {escape(username)}.")

    @app.command(
        "delete",
        help="Delete an account with its cases, their messages, files and knowledge, its own knowledge, sessions and "
        "sign-ins. This cannot be undone. With local stores, stop the server first. An interrupted deletion goes on "
        "when it is repeated.",
    )
    def delete(
        username: Annotated[str, typer.Argument(help="Name to sign in with.")],
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        if not yes:
            typer.confirm(f"Delete {username} with all cases and everything in them?", abort=True)
        done = asyncio.run(runtime.delete_user(username))
        console.print(
            f"Deleted {escape(done.user.username)}, {done.cases} cases, {done.files} files and "
            f"{done.documents} documents."
        )

    @app.command("list", help="List the accounts.")
    def list_users(as_json: Json = False) -> None:
        async def run() -> list[dict[str, Any]]:
            async with runtime.records() as (users, _):
                page = await users.list_users(limit=200)
                return [item.model_dump(mode="json", exclude={"password_hash"}) for item in page]

        found = asyncio.run(run())
        if as_json:
            print_json(found)
        else:
            rows = [
                (item["username"], escape(item["email"]), ", ".join(item["roles"]), item["created_at"])
                for item in found
            ]
            print_table(("user", "e-mail", "roles", "created"), rows)
