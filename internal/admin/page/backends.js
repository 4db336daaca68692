import { keep } from "./dom.js";
import { sorted, takesTraffic } from "./rank.js";
import { Row } from "./row.js";

// many is from how many backends on each is one line until it is opened.
const many = 13;

// steady is for how long the order stays while it merely follows the figures, in
// milliseconds.
const steady = 5000;

// Backends shows the chosen backends of a service, in the chosen order. context has what
// its rows need: {service, http, past, steer, choice}.
export class Backends {
  #rows = new Map(); // by address, also those that are not shown
  #table;
  #context;
  #order = []; // addresses of those that are shown
  #ordered = 0; // when
  #by = ""; // which order that was

  constructor(table, context) {
    this.#table = table;
    this.#context = context;
  }

  // update returns how many backends are shown.
  update(now, backends) {
    const { choice } = this.#context;
    const shown = backends.filter((b) => choice.takes(b));
    const order = this.#arrange(shown);
    keep(this.#table, this.#rows, order, (address) => new Row(address, this.#context));
    this.#table.classList.toggle("compact", shown.length >= many);
    const available = backends.filter(takesTraffic);
    for (const b of shown) {
      this.#rows.get(b.address).update(now, b, available.length === 1 && available[0] === b);
    }
    return shown.length;
  }

  // arrange returns the addresses in their order. Rows do not jump away from under a
  // pointer or while one is being edited.
  #arrange(shown) {
    const { order } = this.#context.choice;
    const wanted = sorted(shown, order).map((b) => b.address);
    const same = wanted.length === this.#order.length && this.#order.every((address) => wanted.includes(address));
    const used = this.#table.matches(":hover") || this.#table.contains(document.activeElement);
    const early = order !== "trouble" && performance.now() - this.#ordered < steady;
    if (this.#by === order && same && (used || early)) return this.#order;
    this.#order = wanted;
    this.#by = order;
    this.#ordered = performance.now();
    return wanted;
  }

  interrupt() {
    for (const row of this.#rows.values()) row.interrupt();
  }
}
