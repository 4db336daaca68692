import { element } from "./dom.js";
import { clock } from "./format.js";

// Changes lists the events that the program has kept, and what this page has seen itself, the
// latest first.
export class Changes {
  #parent;
  #events = [];
  #own = []; // of this page: that the program was lost and came back

  constructor(parent) {
    this.#parent = parent;
  }

  // update takes the events, the latest first.
  update(events) {
    this.#events = events;
    this.#show();
  }

  // tell adds what the page has seen at a time.
  tell(now, level, text) {
    this.#own.unshift({ at: new Date(now).toISOString(), level, text });
    this.#own.length = Math.min(this.#own.length, 10);
    this.#show();
  }

  #show() {
    const all = [...this.#events, ...this.#own].toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
    this.#parent.replaceChildren(...all.map((event) => item(event)));
  }
}

function item({ at, level, service, backend, text, by, client }) {
  const subject = [service && `${service}:`, backend].filter(Boolean).join(" ");
  const node = element("li", level);
  const time = element("time", "", clock(Date.parse(at)));
  time.dateTime = at;
  time.title = new Date(at).toLocaleString("en-GB");
  node.append(time, " ", [subject, text].filter(Boolean).join(" "));
  if (by) node.append(" ", element("span", "by", `by ${by === "token" ? "the token" : by}${from(client)}`));
  return node;
}

// from returns where an operator's request came from, without the port.
function from(client) {
  const address = client?.replace(/:\d+$/, "");
  return address ? `, from ${address}` : "";
}
