"""Files that include others."""

from __future__ import annotations

from pathlib import Path

import pytest

from litebatch_asgi.config import load_config, parse_config
from litebatch_asgi.errors import ConfigError


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "main.yaml"


def entry(name: str, **params: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in params.items())
    return f"model_list: [{{model_name: {name}, params: {{model: openai/{name}, api_key: k{more}}}}}]\n"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_lists_are_appended_and_mappings_merged_from_the_file_on_down(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main="include: [sub/b.yaml, c.yaml]\n"
        + entry("a")
        + "litebatch_settings: {max_file_lines: 1, lease_seconds: 7}\n"
        + "general_settings: {database_url: 'sqlite:///main.db'}",
        c=entry("c") + "litebatch_settings: {max_file_lines: 3}",
        **{"sub/b": "include: d.yaml\n" + entry("b") + "general_settings:\n", "sub/d": entry("d")},
    )
    config = load_config(main)
    assert [each.model_name for each in config.deployments] == ["a", "b", "d", "c"]
    assert (config.settings.max_file_lines, config.settings.lease_seconds) == (3, 7)
    assert config.database_url == "sqlite:///main.db"


def test_the_model_list_may_stand_in_an_included_file_alone(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, main="include: a.yaml", a=entry("a")))
    assert [each.model_name for each in config.deployments] == ["a"]


def test_a_fault_is_told_where_it_stands(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main="include: [b.yaml]\n" + entry("a", api_bse="x"),
        b="include: [c.yaml]\n" + entry("b"),
        c=entry("c", api_bse="x") + "credential_list: [{credential_nam: x}]",
    )
    assert refusal(main) == (
        "main.yaml: 3 things are wrong:\n"
        "  c.yaml: credential_list[0].credential_nam: did you mean credential_name?\n"
        "  model_list[0].params.api_bse: did you mean api_base?\n"
        "  c.yaml: model_list[0].params.api_bse: did you mean api_base?"
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"main": "include: [b.yaml, nowhere.yaml]", "b": entry("b")},
            "main.yaml: include[1]: there is no nowhere.yaml: it is looked for beside this file",
        ),
        (
            {"main": "include: b.yaml", "b": "include: [c.yaml]", "c": "include: [main.yaml]"},
            "c.yaml: include[0]: a circle: main.yaml includes b.yaml includes c.yaml includes main.yaml",
        ),
        ({"main": "include: main.yaml"}, "main.yaml: include[0]: a circle: main.yaml includes main.yaml"),
        ({"main": "include: [7]"}, "main.yaml: include[0]: is to be the name of a file"),
        ({"main": "include: b.yaml", "b": "[1]"}, "b.yaml is to be a mapping of names to values"),
        ({"main": "include: b.yaml", "b": "a: [1"}, "b.yaml, line 1, column 6: not valid YAML"),
        ({"main": "include: .", "b": ""}, "cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_included_is_named(files: dict[str, str], message: str, tmp_path: Path) -> None:
    assert message in refusal(written(tmp_path, **files))


def test_an_included_file_may_be_empty_and_be_included_twice(tmp_path: Path) -> None:
    main = written(
        tmp_path,
        main="include: [b.yaml, c.yaml]\n" + entry("a"),
        b="include: d.yaml",
        c="include: d.yaml",
        d="",
    )
    assert [each.model_name for each in load_config(main).deployments] == ["a"]


def test_a_text_alone_includes_nothing() -> None:
    with pytest.raises(ConfigError, match="include: only a file can include others"):
        parse_config("include: [a.yaml]", {}, "c.yaml")
