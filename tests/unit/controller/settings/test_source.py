import os

from controller.settings import source
from controller.settings.source import read


def messages(path):
    return [problem.message for problem in read(path).problems]


def test_a_directory_gives_its_yaml_files_in_order_without_dotfiles(tmp_path):
    for name in ("b.yaml", "a.yml", ".hidden.yaml", "notes.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "c.yaml").mkdir()
    assert read(tmp_path).files == ((str(tmp_path / "a.yml"), b"a.yml"), (str(tmp_path / "b.yaml"), b"b.yaml"))
    assert read(tmp_path) == read(tmp_path), "what has not changed must compare equal"


def test_the_links_of_a_configmap_are_followed(tmp_path):
    (tmp_path / "..v1").mkdir()
    (tmp_path / "..v1" / "edge.yaml").write_text("x")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "edge.yaml").symlink_to("..data/edge.yaml")
    assert read(tmp_path).files == ((str(tmp_path / "edge.yaml"), b"x"),)


def test_what_cannot_be_read_is_a_problem_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "FILE_BYTES_MAX", 1024)
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_bytes(b"x" * 1025)
    (tmp_path / "c.yaml").symlink_to("nowhere")
    (tmp_path / "d.yaml").write_bytes(b"x" * 1024)
    assert messages(tmp_path) == [
        "This is not a regular file.",
        "The file is larger than 1 KiB.",
        "It cannot be read: No such file or directory.",
    ]
    assert [name for name, _ in read(tmp_path).files] == [str(tmp_path / "d.yaml")]


def test_an_empty_or_wrong_directory_is_a_problem(tmp_path, monkeypatch):
    assert messages(tmp_path) == ["The directory holds no *.yaml or *.yml file."]
    monkeypatch.setattr(source, "FILES_MAX", 1)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("x")
    assert messages(tmp_path) == ["The directory holds 2 YAML files; the most is 1."]
