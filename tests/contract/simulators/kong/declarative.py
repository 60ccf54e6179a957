"""A declarative configuration, as rows: nested entities and flat ones, with the ids that Kong derives from names."""

import uuid

from . import schema

KINDS = ("upstreams", "targets", "services", "routes", "plugins")
FAMILIES = (("services", "routes", "service"), ("upstreams", "targets", "upstream"))
NAMESPACE = uuid.UUID("0b6cbf5f-4f0c-5b8e-a2b7-7d5a6f3f9a10")


class Loading:
    """One document.

    Attributes:
        rows: entities by kind and id.
        faults: what is wrong, as Kong nests it; empty if nothing.
        flattened: the same as ``flatten_errors`` tells it.
    """

    def __init__(self, document, stamps):
        self._stamps = stamps
        self.rows = {kind: {} for kind in KINDS}
        self.flattened = []
        self.faults = {name: "unknown field" for name in document if name not in KINDS and not name.startswith("_")}
        if "_format_version" not in document:
            self.faults = {"_format_version": "required field missing"}
        for parents, children, link in FAMILIES:
            for parent in document.get(parents) or []:
                self._nested(parents, children, link, parent)
            for fields in document.get(children) or []:
                self._flat(parents, children, link, fields)
        for fields in document.get("plugins") or []:
            self._put("plugins", fields)
        for target in self.rows["targets"].values():
            target["target"] = schema.address(target["target"]) or target["target"]

    def _nested(self, parents, children, link, parent):
        own = {name: value for name, value in parent.items() if name != children}
        parent_id = self._put(parents, own)
        below = parent.get(children) or []
        wrong = [fault for fields in below if (fault := self._check(children, fields))]
        if wrong:
            self.faults.setdefault(parents, []).append({children: wrong})
        for fields in below:
            self._put(children, fields, **{link: {"id": parent_id}})

    def _flat(self, parents, children, link, fields):
        named = {row.get("name"): row_id for row_id, row in self.rows[parents].items()}
        parent_id = named.get(fields.get(link), fields.get(link))
        wrong = self._check(children, fields)
        if parent_id not in self.rows[parents]:
            wrong = {**wrong, link: "invalid reference"}
        if wrong:
            self.faults.setdefault(children, []).append(wrong)
        self._put(children, fields, **{link: {"id": parent_id}})

    def _put(self, kind, fields, **fixed):
        fields = schema.service_of(fields) if kind == "services" else fields
        key = fields.get("name") or f"{fields.get('target')}@{fixed.get('upstream')}"
        row_id = fields.get("id") or str(uuid.uuid5(NAMESPACE, f"{kind}/{key}"))
        whole = {**fields, **fixed}
        if kind in schema.DEFAULTS:
            whole = schema.defaulted(kind, whole)
        self.rows[kind][row_id] = {**self._stamps(kind), **whole, "id": row_id}
        return row_id

    def _check(self, kind, fields):
        wrong = schema.faults(kind, fields)
        if wrong:
            errors = [{"type": "field", "field": name, "message": words} for name, words in wrong.items()]
            self.flattened.append({"entity": fields, "entity_type": kind.removesuffix("s"), "errors": errors})
        return wrong
