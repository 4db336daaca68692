import { element, keep, setText } from "./dom.js";
import { count } from "./format.js";
import { kindOf, kinds, orders } from "./rank.js";

// few is how many backends need no search.
const few = 5;

const byId = (id) => document.getElementById(id);

// Choice is which backends the operator wants to see, and in which order. changed is
// called when that changes.
export class Choice {
  order = "trouble";
  #kind = "all";
  #words = [];
  #filters = new Map(); // buttons by kind
  #changed;

  constructor(changed) {
    this.#changed = changed;
    for (const [name, { words }] of Object.entries(orders)) {
      const option = element("option", "", words);
      option.value = name;
      byId("sort").append(option);
    }
    byId("sort").addEventListener("change", () => {
      this.order = byId("sort").value;
      changed();
    });
    byId("search").addEventListener("input", () => {
      this.#words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      changed();
    });
    byId("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.show("all");
    });
    byId("filters").addEventListener("click", (event) => {
      const kind = event.target.closest("button")?.dataset.kind;
      if (kind) this.#choose(kind === this.#kind ? "all" : kind);
    });
  }

  // narrow reports whether some backends are left out.
  get narrow() {
    return this.#kind !== "all" || this.#words.length > 0;
  }

  // show shows all backends of a kind, whatever was searched for.
  show(kind) {
    byId("search").value = "";
    this.#words = [];
    this.#choose(kind);
  }

  #choose(kind) {
    this.#kind = kind;
    this.#changed();
  }

  // takes reports whether a backend is to be seen.
  takes(b) {
    if (this.#kind !== "all" && kindOf(b) !== this.#kind) return false;
    if (this.#words.length === 0) return true;
    const text = `${b.address} ${b.service ?? ""} ${b.probe?.error ?? ""}`.toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  // update shows how many backends there are of each kind.
  update(backends) {
    const counts = { all: backends.length };
    for (const b of backends) counts[kindOf(b)] = (counts[kindOf(b)] ?? 0) + 1;
    const shown = ["all", ...Object.keys(kinds)].filter((kind) => counts[kind] > 0 || kind === this.#kind);
    keep(byId("filters"), this.#filters, shown, (kind) => new Filter(kind));
    for (const kind of shown) this.#filters.get(kind).update(counts[kind] ?? 0, kind === this.#kind);
    byId("choice").hidden = backends.length <= few && !this.narrow;
  }
}

class Filter {
  root = element("button");
  #count = element("b");

  constructor(kind) {
    this.root.type = "button";
    this.root.dataset.kind = kind;
    this.root.append(kinds[kind] ?? "All", " ", this.#count);
  }

  update(n, chosen) {
    setText(this.#count, count(n));
    this.root.setAttribute("aria-pressed", String(chosen));
  }
}
