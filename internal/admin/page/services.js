import { Backends } from "./backends.js";
import { keep, setPill, setText, stamp } from "./dom.js";
import { count } from "./format.js";
import { Frontends } from "./frontends.js";

// Services shows a section for each service: its frontends and its backends. A service
// that has no name is the only one, and its section has no heading. context is that of
// Backends, without what is of one service.
export class Services {
  #sections = new Map(); // by name
  #parent;
  #context;

  constructor(parent, context) {
    this.#parent = parent;
    this.#context = context;
  }

  // update returns how many backends are shown.
  update(now, status, backends) {
    const services = status.services ?? [{ name: "", http: status.http }];
    keep(this.#parent, this.#sections, services.map((s) => s.name), (name) => new Section(name, status, this.#context));
    let shown = 0;
    for (const s of services) {
      const own = (one) => (one.service ?? "") === s.name;
      shown += this.#sections.get(s.name).update(now, s, status.frontends.filter(own), backends.filter(own));
    }
    this.#parent.classList.toggle("narrow", this.#context.choice.narrow);
    return shown;
  }

  interrupt() {
    for (const section of this.#sections.values()) section.interrupt();
  }
}

// A Section shows one service.
class Section {
  #parts = stamp("service");
  #frontends;
  #backends;
  #choice;

  constructor(name, status, context) {
    const { root, head, frontends, table } = this.#parts;
    const names = status.frontends.filter((f) => (f.service ?? "") === name).map((f) => f.name);
    root.dataset.service = name;
    head.hidden = name === "";
    setText(this.#parts.name, name);
    this.#label("frontends", "Frontends", name);
    this.#label("backends", "Backends", name);
    table.setAttribute("aria-label", name ? `Backends of ${name}` : "Backends");
    const shows = { l4: names.includes("l4"), http: names.includes("l7") };
    table.classList.toggle("no-l4", !shows.l4);
    table.classList.toggle("no-http", !shows.http);
    this.#choice = context.choice;
    this.#frontends = new Frontends(frontends, name, context.past);
    this.#backends = new Backends(table, { ...context, ...shows, service: name });
  }

  get root() {
    return this.#parts.root;
  }

  // label names a part of the section, below the service's name if it has one.
  #label(part, title, name) {
    this.#parts[`${part}Section`].setAttribute("aria-label", name ? `${title} of ${name}` : title);
    if (name) this.#parts[`${part}Title`].setAttribute("aria-level", "3");
  }

  update(now, service, frontends, backends) {
    if (service.name) this.#updateHead(service);
    this.#frontends.update(now, frontends, service.http);
    const shown = this.#backends.update(now, backends);
    this.#parts.none.hidden = backends.length > 0;
    this.root.hidden = this.#choice.narrow && shown === 0;
    return shown;
  }

  #updateHead(service) {
    const { state, facts } = this.#parts;
    const { state: word, available, backends, down } = service.availability;
    if (word === "not_ready") setPill(state, "down", "No backend is up");
    else if (word === "degraded") setPill(state, "degraded", `Degraded: ${count(down)} of ${count(backends)} down`);
    else setPill(state, "up", "Ready");
    const limit = service.connections_limit > 0 ? `, ${count(service.connections_limit)} connections at most` : "";
    setText(facts, `${count(available)} of ${count(backends)} available${limit}`);
  }

  interrupt() {
    this.#frontends.interrupt();
    this.#backends.interrupt();
  }
}
