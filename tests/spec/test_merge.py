from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship.spec.merge import merged, said_by_user

IMAGE = {"Env": ["PATH=/bin", "LANG=C"], "Cmd": ["serve"], "Entrypoint": ["/entry"], "Labels": {"by": "image"}}


def test_what_only_the_image_says_is_not_said_by_the_user() -> None:
    assert said_by_user(merged({}, IMAGE), IMAGE) == {}


@pytest.mark.parametrize(
    ("user", "entrypoint", "command"),
    [
        ({}, ["/entry"], ["serve"]),
        ({"Cmd": ["other"]}, ["/entry"], ["other"]),
        ({"Entrypoint": ["/mine"]}, ["/mine"], None),
        ({"Entrypoint": ["/mine"], "Cmd": ["serve"]}, ["/mine"], ["serve"]),
        ({"Entrypoint": [""], "Cmd": ["sh"]}, None, ["sh"]),
    ],
)
def test_an_entrypoint_of_the_users_own_resets_the_command(user: Any, entrypoint: Any, command: Any) -> None:
    effective = merged(user, IMAGE)
    assert effective.get("Entrypoint") == entrypoint
    assert effective.get("Cmd") == command
    assert said_by_user(effective, IMAGE) == user


def test_an_image_entrypoint_kept_without_the_images_command_is_said_again() -> None:
    effective = {"Entrypoint": ["/entry"]}
    assert merged(said_by_user(effective, IMAGE), IMAGE)["Entrypoint"] == ["/entry"]
    assert "Cmd" not in merged(said_by_user(effective, IMAGE), IMAGE)


def test_environment_of_the_user_comes_first_and_wins() -> None:
    effective = merged({"Env": ["LANG=de", "X=1"]}, IMAGE)
    assert effective["Env"] == ["LANG=de", "X=1", "PATH=/bin"]
    assert said_by_user(effective, IMAGE)["Env"] == ["LANG=de", "X=1"]


def test_an_order_that_the_image_would_not_give_is_said_in_full() -> None:
    effective = {"Env": ["LANG=C", "PATH=/bin"], "Cmd": ["serve"], "Entrypoint": ["/entry"]}
    assert said_by_user(effective, IMAGE)["Env"] == ["LANG=C", "PATH=/bin"]


def test_part_of_a_health_check_is_the_users() -> None:
    image = {"Healthcheck": {"Test": ["CMD", "probe"], "Interval": 5}}
    assert said_by_user({"Healthcheck": {"Test": ["CMD", "probe"], "Interval": 9}}, image) == {
        "Healthcheck": {"Interval": 9}
    }


words = st.sampled_from(["", "a", "b", "/entry"])
lists = st.lists(words.filter(bool), max_size=3)
objects = st.dictionaries(st.sampled_from("abc"), words, max_size=3)
environments = st.lists(st.sampled_from(["A", "A=", "A=1", "A=2", "B=1", "C=a=b"]), max_size=5)
configs = st.fixed_dictionaries(
    {},
    optional={
        "User": words,
        "WorkingDir": words,
        "StopSignal": words,
        "Labels": objects,
        "ExposedPorts": st.dictionaries(st.sampled_from(["80/tcp", "53/udp"]), st.just({})),
        "Env": environments,
        "Cmd": lists,
        "Entrypoint": st.one_of(lists, st.just([""])),
        "Healthcheck": st.fixed_dictionaries(
            {}, optional={"Test": st.just(["NONE"]), "Interval": st.integers(1, 3), "Retries": st.integers(1, 3)}
        ),
        "Domainname": words,
    },
)
image_configs = configs.map(
    lambda config: {**config, "Entrypoint": [word for word in config.get("Entrypoint", []) if word]}
)


@given(user=configs, image=image_configs)
def test_user_and_image_together_give_the_same_effective_config_again(user: Any, image: Any) -> None:
    effective = merged(user, image)
    if not effective.get("Cmd") and not effective.get("Entrypoint"):
        return  # Docker refuses to create this: nothing to run
    assert merged(said_by_user(effective, image), image) == effective
