"""How Docker joins what the user says of a container with what its image says, and the way back."""

from transship.spec.codec import Json

_TEXTS = ("User", "WorkingDir", "StopSignal")
_KEYED = ("Labels", "ExposedPorts", "Volumes")

IMAGE_FIELDS = (*_TEXTS, *_KEYED, "Env", "Cmd", "Entrypoint", "Healthcheck")
"""The fields of Config that a container takes over from its image."""


def merged(user: Json, image: Json) -> Json:
    """The Config that a container has in effect, when created with `user` from an image that says `image`."""
    result = dict(user)
    result |= {key: image[key] for key in _TEXTS if image.get(key) and not user.get(key)}
    result |= {key: {**image.get(key, {}), **user.get(key, {})} for key in _KEYED}
    result["Env"] = _merged_env(user.get("Env", []), image.get("Env", []))
    result["Entrypoint"], result["Cmd"] = _merged_command(user, image)
    result["Healthcheck"] = {**image.get("Healthcheck", {}), **user.get("Healthcheck", {})}
    return {key: value for key, value in result.items() if value or key not in IMAGE_FIELDS}


def said_by_user(effective: Json, image: Json) -> Json:
    """The smallest Config for which `merged` gives `effective` again.

    Where the user repeated what the image says anyway, that cannot be seen and is left to the image.
    """
    result = {key: value for key, value in effective.items() if key not in IMAGE_FIELDS}
    result |= {key: effective[key] for key in _TEXTS if effective.get(key) != image.get(key) and effective.get(key)}
    result |= {key: _without(effective.get(key, {}), image.get(key, {})) for key in (*_KEYED, "Healthcheck")}
    result["Env"] = _user_env(effective.get("Env", []), image.get("Env", []))
    result |= _user_command(effective, image)
    return {key: value for key, value in result.items() if value or key not in IMAGE_FIELDS}


def _without(effective: Json, image: Json) -> Json:
    return {key: value for key, value in effective.items() if key not in image or image[key] != value}


def _merged_env(user: list[str], image: list[str]) -> list[str]:
    said = {entry.partition("=")[0] for entry in user}
    return [*user, *(entry for entry in image if entry.partition("=")[0] not in said)]


def _user_env(effective: list[str], image: list[str]) -> list[str]:
    user = [entry for entry in effective if entry not in image]
    # The order is part of it: of a name that is given twice, the last one counts.
    return user if _merged_env(user, image) == effective else list(effective)


def _merged_command(user: Json, image: Json) -> tuple[list[str], list[str]]:
    """Entrypoint and Cmd: an entrypoint of the user's own makes Docker forget the image's command."""
    entrypoint: list[str] = user.get("Entrypoint") or []
    if entrypoint:
        return ([] if entrypoint == [""] else entrypoint), user.get("Cmd") or []
    return image.get("Entrypoint", []), user.get("Cmd") or image.get("Cmd", [])


def _user_command(effective: Json, image: Json) -> Json:
    entrypoint: list[str] = effective.get("Entrypoint") or []
    command: list[str] = effective.get("Cmd") or []
    same_entrypoint = entrypoint == image.get("Entrypoint", [])
    if same_entrypoint and command == image.get("Cmd", []):
        return {}
    if same_entrypoint and command:
        return {"Cmd": command}
    # An empty list would leave the image's entrypoint in force; a single empty string is Docker's word for none.
    return {"Entrypoint": entrypoint or [""], "Cmd": command}
