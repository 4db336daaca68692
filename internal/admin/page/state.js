import { setPill } from "./dom.js";
import { count, plural } from "./format.js";

const icons = {
  up: "page/icon.svg",
  degraded: "page/icon-degraded.svg",
  down: "page/icon-down.svg",
};

const byId = (id) => document.getElementById(id);

// State is the one word on how all is, in the page, its title and its icon. follow is
// called when the operator wants to see what is wrong.
export class State {
  constructor(follow) {
    byId("state").addEventListener("click", (event) => {
      event.preventDefault();
      if (byId("state").hasAttribute("href")) follow();
    });
  }

  show(status) {
    const { state, available, backends, down, without_backend: without = [] } = status.availability;
    const some = `${count(down)} of ${count(backends)} down`;
    this.#link(down > 0);
    if (status.draining) this.#set("drain", "degraded", "Draining", "draining");
    else if (!status.ready) this.#set("down", "down", "Not ready: no backend is up", "no backend is up");
    else if (without.length > 0) this.#set("down", "down", `Degraded: ${names(without)} without a backend`, some);
    else if (state === "degraded") this.#set("degraded", "degraded", `Degraded: ${some}`, some);
    else this.#set("up", "up", "Ready", `${count(available)} of ${count(backends)} available`);
  }

  // lost is for when the program does not answer.
  lost() {
    this.#link(false);
    this.#set("lost", "down", "Unreachable", "unreachable");
  }

  #set(pill, icon, text, title) {
    setPill(byId("state"), pill, text);
    if (document.title !== `${title} · fourseven`) document.title = `${title} · fourseven`;
    if (byId("icon").getAttribute("href") !== icons[icon]) byId("icon").setAttribute("href", icons[icon]);
  }

  // link makes the word lead to the backends that are down.
  #link(leads) {
    if (leads) byId("state").setAttribute("href", "#services");
    else byId("state").removeAttribute("href");
  }
}

function names(all) {
  return all.length > 3 ? plural(all.length, "service") : all.join(", ");
}
