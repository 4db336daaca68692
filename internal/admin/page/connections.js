import { ask } from "./api.js";
import { keep, setAddress, setText, stamp } from "./dom.js";
import { bytes, bytesPerSecond, duration } from "./format.js";

const period = 2000; // milliseconds between two lists
const frontends = { l4: "L4", l7: "L7" };

const byId = (id) => document.getElementById(id);

// Connections lists open connections as long as its section is open: their list costs the
// program a look at all of them. steer is that of Backends.
export class Connections {
  #rows = new Map(); // by ID
  #section = byId("connections-section");
  #table = byId("connections-table");
  #order = "busiest";
  #lists = { busiest: [], longest: [] };
  #steer;

  constructor(steer) {
    this.#steer = steer;
    this.#section.addEventListener("toggle", () => this.#section.open && this.#watch());
    byId("connections-order").addEventListener("click", (event) => {
      const order = event.target.dataset.order;
      if (!order) return;
      this.#order = order;
      this.#show();
    });
    this.#show();
  }

  async #watch() {
    while (this.#section.open) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, period));
    }
  }

  async #look() {
    if (document.hidden) return;
    try {
      this.#lists = await ask("api/connections");
    } catch {
      return; // that there is no news is said elsewhere
    }
    this.#show();
  }

  #show() {
    for (const button of byId("connections-order").children) {
      button.setAttribute("aria-pressed", String(button.dataset.order === this.#order));
    }
    const list = this.#lists[this.#order];
    keep(this.#table, this.#rows, list.map((c) => c.id), (id) => new Row(id, (wanted) => this.#close(wanted)));
    for (const c of list) this.#rows.get(c.id).update(c);
    byId("connections-none").hidden = list.length > 0;
  }

  async #close(wanted) {
    await this.#steer(wanted);
    await this.#look();
  }
}

class Row {
  #parts = stamp("connection");
  #shown;

  constructor(id, steer) {
    this.root.dataset.connection = id;
    this.#parts.close.addEventListener("click", () => {
      const called = `the connection of ${this.#shown.client || "a local client"}`;
      if (!window.confirm(`Reset ${called}?`)) return;
      steer({ words: `close ${called}`, method: "POST", path: `api/connections/${encodeURIComponent(id)}/close` });
    });
  }

  get root() {
    return this.#parts.root;
  }

  update(c) {
    this.#shown = c;
    const { client, backend, frontend, state, age, received, sent, rate, close } = this.#parts;
    if (c.client) setAddress(client, c.client);
    else setText(client, "local");
    if (c.backend) setAddress(backend, c.backend);
    else setText(backend, "none");
    setText(frontend, [c.service, frontends[c.frontend] ?? c.frontend].filter(Boolean).join(" "));
    setText(state, c.state);
    setText(age, duration(c.age_seconds * 1000));
    setText(received, bytes(c.received_bytes));
    setText(sent, bytes(c.sent_bytes));
    setText(rate, bytesPerSecond(c.bytes_per_second));
    close.setAttribute("aria-label", `Close the connection of ${c.client || "a local client"}`);
  }
}
