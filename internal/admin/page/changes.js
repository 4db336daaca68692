import { element } from "./dom.js";
import { clock } from "./format.js";

const kept = 30;
const kinds = { up: "good", standby: "plain" }; // of a state; others are bad

// Changes lists what changed from one look to the next, the latest first.
export class Changes {
  #parent;
  #status = null; // of the last look
  #backends = new Map(); // by service and address

  constructor(parent) {
    this.#parent = parent;
  }

  // update takes a look, and whether the ones before it failed.
  update(now, status, backends, back) {
    const at = clock(now);
    if (this.#status) {
      this.#compareStatus(at, status, back);
      this.#compareBackends(at, backends);
    }
    this.#status = status;
    this.#backends = new Map(backends.map((b) => [called(b), b]));
  }

  #compareStatus(at, status, back) {
    if (back) this.#tell(at, "good", "fourseven answers again");
    if (this.#status.started !== status.started) this.#tell(at, "warn", "fourseven was started anew");
    if (!this.#status.draining && status.draining) this.#tell(at, "warn", "fourseven drains");
  }

  #compareBackends(at, backends) {
    const gone = new Map(this.#backends);
    for (const b of backends) {
      gone.delete(called(b));
      this.#compareBackend(at, this.#backends.get(called(b)), b);
    }
    for (const one of gone.keys()) this.#tell(at, "warn", `${one} left`);
  }

  #compareBackend(at, before, b) {
    if (!before) {
      this.#tell(at, "good", `${called(b)} joined`);
      return;
    }
    const cause = b.probe?.error ? `: ${b.probe.error}` : "";
    if (before.state !== b.state) this.#tell(at, kinds[b.state] ?? "bad", `${called(b)} is ${b.state}${cause}`);
    if (!before.active && b.active) this.#tell(at, "warn", `${called(b)} takes all connections now`);
    if (before.mode !== b.mode) this.#tell(at, "warn", `${called(b)} was set to ${b.mode}`);
    if (before.weight !== b.weight) this.#tell(at, "plain", `${called(b)} has weight ${b.weight}, it had ${before.weight}`);
  }

  #tell(at, kind, text) {
    const item = element("li", kind, text);
    item.prepend(element("time", "", at), " ");
    this.#parent.prepend(item);
    while (this.#parent.children.length > kept) this.#parent.lastElementChild.remove();
  }
}

// called returns how a backend is called in the list.
function called(b) {
  return b.service ? `${b.service}: ${b.address}` : b.address;
}
