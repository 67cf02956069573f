"""flags > REEDIT_* > ./reedit.yaml > the user's file > defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import config
from agent.batch import engine_ray
from agent.errors import ConfigError
from editor.builtin.ops import text as fonts


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_precedence(tmp_path: Path) -> None:
    def load(
        flags: dict[str, object] | None = None, environ: dict[str, str] | None = None
    ) -> config.Settings:
        return config.load(flags, environ=environ or {}, folder=tmp_path)

    assert load().rounds == 2
    write(config.user_file(), "rounds: 3\nseed: 5\n")
    assert load().rounds == 3
    write(tmp_path / "reedit.yaml", "rounds: 4\n")
    assert load().rounds == 4
    assert load(environ={"REEDIT_ROUNDS": "5"}).rounds == 5
    assert load({"rounds": 6}, {"REEDIT_ROUNDS": "5"}).rounds == 6
    assert load({"rounds": None}, {"REEDIT_ROUNDS": "5"}).rounds == 5
    assert load().seed == 5


def test_an_unknown_key_names_the_nearest_and_the_file(tmp_path: Path) -> None:
    write(tmp_path / "reedit.yaml", "roundz: 4\n")
    with pytest.raises(ConfigError, match=r"reedit\.yaml: unknown setting 'roundz'\. Did you mean 'rounds'"):
        config.load(environ={}, folder=tmp_path)


def test_an_unknown_variable_is_refused_but_keys_and_test_knobs_are_not_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="REEDIT_EDTOR"):
        config.load(environ={"REEDIT_EDTOR": "x"}, folder=tmp_path)
    config.load(environ={"REEDIT_VLM_API_KEY": "s", "REEDIT_TEST_X": "1"}, folder=tmp_path)


@pytest.mark.parametrize("text", ["rounds: -1", "rounds: many", "steps: sideways", "seed: 99999999999"])
def test_a_wrong_value_names_setting_and_source(tmp_path: Path, text: str) -> None:
    write(tmp_path / "reedit.yaml", text)
    with pytest.raises(ConfigError, match=rf"reedit\.yaml: {text.split(':')[0]}"):
        config.load(environ={}, folder=tmp_path)


@pytest.mark.parametrize(
    "text",
    ["- a list", "rounds: [", "just words", "\x00", "seed: 2026-13-01", "rounds: !!int many", "[" * 20_000],
    ids=range(7),
)
def test_a_broken_file_is_a_clear_error(tmp_path: Path, text: str) -> None:
    write(tmp_path / "reedit.yaml", text)
    with pytest.raises(ConfigError, match=r"reedit\.yaml"):
        config.load(environ={}, folder=tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "reedit.yaml")
    with pytest.raises(ConfigError, match="not a file"):
        config.load(environ={}, folder=tmp_path)


def test_a_user_without_a_home_has_no_file_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)  # as in a container that runs as any user
    monkeypatch.chdir(tmp_path)
    assert config.load(environ={}) == config.Settings()
    assert fonts._font_folders()
    assert not engine_ray._has_token()


def test_dashes_are_underscores_and_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    write(tmp_path / "reedit.yaml", "max-megapixels: 20\nruns: traces\n")
    settings = config.load(environ={}, folder=tmp_path)
    assert settings.max_megapixels == 20
    assert settings.runs == tmp_path / "traces"


def test_an_empty_file_means_defaults(tmp_path: Path) -> None:
    write(tmp_path / "reedit.yaml", "# nothing yet\n")
    assert config.load(environ={}, folder=tmp_path) == config.Settings()


@pytest.mark.parametrize(
    "text",
    [
        "runs: 5",
        "runs: [a]",
        "runs:",
        "seed: yes",
        "prompts: {a: b}",
        "lora: 5",
        "editor_timeout: .inf",
        'runs: "a\\0b"',
    ],
)
def test_a_value_of_another_type_is_refused_not_bent(tmp_path: Path, text: str) -> None:
    write(tmp_path / "reedit.yaml", text)
    with pytest.raises(ConfigError, match=rf"reedit\.yaml: {text.split(':')[0]}"):
        config.load(environ={}, folder=tmp_path)


def test_paths_in_a_file_are_relative_to_it_and_home_is_known_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(config.user_file(), "runs: traces\neditor-model: ./model\nlora: [~/a.safetensors:0.5, org/name]\n")
    home = config.user_file().parent
    settings = config.load(environ={}, folder=tmp_path)
    assert settings.runs == home / "traces"
    assert settings.editor_model == str(home / "model")
    assert settings.lora == (f"{tmp_path}/home/a.safetensors:0.5", "org/name")
    assert config.load(environ={"REEDIT_RUNS": "~/x"}, folder=tmp_path).runs == tmp_path / "home" / "x"
    assert config.load({"runs": "~/y"}, environ={}, folder=tmp_path).runs == tmp_path / "home" / "y"


@pytest.mark.parametrize("where", ["file", "variable"])
def test_a_home_that_is_not_there_is_an_error(tmp_path: Path, where: str) -> None:
    environ = {"REEDIT_RUNS": "~nobody-here/x"} if where == "variable" else {}
    if where == "file":
        write(tmp_path / "reedit.yaml", "runs: ~nobody-here/x")
    with pytest.raises(ConfigError, match="no such home"):
        config.load(environ=environ, folder=tmp_path)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    environ = {"REEDIT_ROUNDS": "", "REEDIT_EDITOR": "", "REEDIT_RUNS": ""}
    assert config.load(environ=environ, folder=tmp_path) == config.load(environ={}, folder=tmp_path)


def test_a_key_in_a_file_is_told_where_it_belongs_and_not_repeated(tmp_path: Path) -> None:
    write(tmp_path / "reedit.yaml", "vlm_api_key: sk-123\n")
    with pytest.raises(ConfigError, match="REEDIT_VLM_API_KEY") as raised:
        config.load(environ={}, folder=tmp_path)
    assert "sk-123" not in str(raised.value)


@pytest.mark.parametrize("text", ["rounds: 1\nrounds: 2\n", "max-megapixels: 5\nmax_megapixels: 6\n"])
def test_a_setting_that_stands_twice_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path / "reedit.yaml", text)
    with pytest.raises(ConfigError, match=r"reedit\.yaml: .* more than once"):
        config.load(environ={}, folder=tmp_path)
