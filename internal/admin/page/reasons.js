import { element, keep, setText } from "./dom.js";
import { count, plural, reason } from "./format.js";
import { Series } from "./series.js";

// The endings and errors that need a look.
const troubles = ["backend_reset", "connect_failed", "no_backend", "backend_down", "proxy_header", "refused", "timeout", "unreachable", "no_source_port", "no_fd"];

// Reasons shows how often something ended for each reason, and how often of late.
export class Reasons {
  #items = new Map(); // by reason
  #parent;

  constructor(parent) {
    this.#parent = parent;
    parent.dataset.empty = "none";
  }

  update(now, counts = {}) {
    const reasons = Object.keys(counts).filter((name) => counts[name] > 0);
    keep(this.#parent, this.#items, reasons, (name) => new Reason(name));
    for (const name of reasons) this.#items.get(name).update(now, counts[name]);
  }
}

class Reason {
  root = element("li");
  #series = new Series();
  #total = element("b");
  #late = element("span", "late");

  constructor(name) {
    if (troubles.includes(name)) this.root.className = "trouble";
    this.root.append(reason(name), " ", this.#total, " ", this.#late);
  }

  update(now, total) {
    this.#series.add(now, total);
    const grown = Math.round(this.#series.grown());
    setText(this.#total, count(total));
    setText(this.#late, grown > 0 ? `+${count(grown)}` : "");
    this.#late.title = grown > 0 ? `${plural(grown, "time")} in the last 5 minutes` : "";
  }
}
