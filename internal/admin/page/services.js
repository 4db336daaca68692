import { Backends } from "./backends.js";
import { keep, setPill, setText, stamp } from "./dom.js";
import { count } from "./format.js";
import { Frontends } from "./frontends.js";

// Services shows a section for each service: its frontends and its backends. A service
// that has no name is the only one, and its section has no heading. steer is that of
// Backends.
export class Services {
  #sections = new Map(); // by name
  #parent;
  #steer;

  constructor(parent, steer) {
    this.#parent = parent;
    this.#steer = steer;
  }

  update(now, status, backends) {
    const services = status.services ?? [{ name: "", http: status.http }];
    keep(this.#parent, this.#sections, services.map((s) => s.name), (name) => new Section(name, this.#steer));
    for (const s of services) {
      const own = (one) => (one.service ?? "") === s.name;
      this.#sections.get(s.name).update(now, s, status.frontends.filter(own), backends.filter(own));
    }
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

  constructor(name, steer) {
    const { root, head, frontends, backends, table } = this.#parts;
    root.dataset.service = name;
    head.hidden = name === "";
    setText(this.#parts.name, name);
    this.#label("frontends", "Frontends", name);
    this.#label("backends", "Backends", name);
    table.setAttribute("aria-label", name ? `Backends of ${name}` : "Backends");
    this.#frontends = new Frontends(frontends);
    this.#backends = new Backends(backends, name, steer);
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
    if (service.name) this.#updateHead(service, backends);
    this.#frontends.update(now, frontends, service.http);
    this.#backends.update(now, backends);
  }

  #updateHead(service, backends) {
    const { state, facts } = this.#parts;
    if (service.ready) setPill(state, "up", "Ready");
    else setPill(state, "down", "No backend is up");
    const available = backends.filter((b) => b.state === "up" && b.mode === "ready").length;
    const limit = service.connections_limit > 0 ? `, ${count(service.connections_limit)} connections at most` : "";
    setText(facts, `${count(available)} of ${count(backends.length)} available${limit}`);
  }

  interrupt() {
    this.#frontends.interrupt();
    this.#backends.interrupt();
  }
}
