"""Kong's database, which every node of it shares, or the memory of one node without a database."""

import json
import uuid
from pathlib import Path

import yaml

from . import schema
from .declarative import KINDS, Loading


class RefusedError(Exception):
    """Kong's no."""

    def __init__(self, status, body):
        super().__init__(str(body))
        self.status = status
        self.body = body


def not_found():
    return RefusedError(404, {"message": "Not found"})


def violation(faults):
    told = ", ".join(f"{name}: {words}" for name, words in faults.items())
    body = {"code": 2, "name": "schema violation", "fields": faults, "message": f"schema violation ({told})"}
    return RefusedError(400, body)


def lua(value):
    """A value as Kong writes tables into its messages."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}={lua(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(lua, value)) + "}"
    return json.dumps(value)


class Store:
    """Entities by kind and id.

    Args:
        now_s: the time, in seconds since the epoch.
        path: where they are kept, so that a killed program finds them again; None keeps them in memory.

    Attributes:
        is_reachable: whether the database answers.
        changed: called after every write.
        new_id: makes the id of an entity.
    """

    def __init__(self, now_s, path=None):
        self.now_s = now_s
        self.is_reachable = True
        self.rows = {kind: {} for kind in KINDS}
        self.changed = lambda: None
        self.new_id = lambda: str(uuid.uuid4())
        self._path = Path(path) if path else None
        if self._path and self._path.is_file():
            self.rows = json.loads(self._path.read_text())

    def save(self):
        if self._path:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(self.rows))
            fresh.replace(self._path)
        self.changed()

    def listed(self, kind, **where):
        rows = [row for row in self.rows[kind].values() if all(row.get(key) == value for key, value in where.items())]
        return sorted(rows, key=lambda row: row["id"])

    def find(self, kind, key, **where):
        """By id, name or address; RefusedError (404) if there is none."""
        for row in self.listed(kind, **where):
            if key in {row["id"], row.get("name"), row.get("target")}:
                return row
        raise not_found()

    def create(self, kind, fields, **fixed):
        fields = schema.service_of(fields) if kind == "services" else fields
        if faults := schema.faults(kind, fields):
            raise violation(faults)
        row = {**schema.defaulted(kind, {**fields, **fixed}), "id": self.new_id(), **self._stamps(kind)}
        if kind == "targets":
            row["target"] = schema.address(row["target"])
        self._check_unique(kind, row)
        self.rows[kind][row["id"]] = row
        self.save()
        return row

    def update(self, kind, row, fields):
        if fields.get("weight", 0) is None:  # null means "the default", which Kong takes for an empty primary key here
            words = f"primary key violation on key '{{id=\"{row['id']}\"}}'"
            raise RefusedError(
                400, {"code": 3, "name": "primary key violation", "fields": {"id": row["id"]}, "message": words}
            )
        if faults := schema.faults(kind, fields, partial=True):
            raise violation(faults)
        whole = {**row, **fields}
        if kind == "targets":
            whole["target"] = schema.address(whole["target"])
        self._check_unique(kind, whole)
        whole["updated_at"] = self._stamps(kind)["updated_at"]
        self.rows[kind][row["id"]] = whole
        self.save()
        return whole

    def delete(self, kind, row):
        del self.rows[kind][row["id"]]
        if kind == "upstreams":
            for target in self.listed("targets", upstream={"id": row["id"]}):
                del self.rows["targets"][target["id"]]
        self.save()

    def _stamps(self, kind):
        now_s = round(self.now_s(), 3) if kind == "targets" else int(self.now_s())
        return {"created_at": now_s, "updated_at": now_s}

    def _check_unique(self, kind, row):
        keys = {"targets": ("target", "upstream")}.get(kind, ("name",))
        for other in self.listed(kind):
            if other["id"] != row["id"] and all(other[key] == row[key] for key in keys) and row[keys[0]] is not None:
                fields = {key: row[key] for key in keys}
                words = f"UNIQUE violation detected on '{lua(fields)}'"
                raise RefusedError(
                    409, {"code": 5, "name": "unique constraint violation", "fields": fields, "message": words}
                )

    # --- without a database -------------------------------------------------------------------------------------------

    def load(self, document, *, flatten):
        """Replace everything by a declarative configuration. Raises RefusedError, and changes nothing."""
        if isinstance(document.get("config"), str):
            document = _parsed(document["config"])
        loading = Loading(document, self._stamps)
        if loading.faults and flatten:
            body = {"message": "declarative config is invalid: {}", "fields": {}, "flattened_errors": loading.flattened}
            raise RefusedError(400, {"code": 14, "name": "invalid declarative configuration", **body})
        if loading.faults:
            raise invalid(loading.faults)
        rows = loading.rows
        self.rows = rows
        self.save()
        return {kind: entities for kind, entities in rows.items() if entities}

    def exported(self):
        """``GET /config``: everything, flat, references by id."""
        whole = {"_format_version": "3.0", "_transform": False}
        for kind, link in (("services", ""), ("routes", "service"), ("upstreams", ""), ("targets", "upstream")):
            rows = [{**row, **({link: row[link]["id"]} if link else {})} for row in self.listed(kind)]
            if rows:
                whole[kind] = rows
        if self.rows["plugins"]:
            whole["plugins"] = self.listed("plugins")
        return yaml.safe_dump(whole, sort_keys=False)


def invalid(faults):
    words = f"declarative config is invalid: {lua(faults)}"
    body = {"code": 14, "name": "invalid declarative configuration", "message": words, "fields": faults}
    return RefusedError(400, body)


def _parsed(text):
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{mark.line + 1}:{mark.column}" if mark else "1:0"
        expected = "did not find expected ',' or ']'" if "']'" in str(error.problem) else error.problem
        raise invalid({"error": f"failed parsing declarative configuration: {place}: {expected}"}) from error
