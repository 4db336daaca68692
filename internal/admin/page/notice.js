import { ask, forgetToken, keepToken, Refusal, token } from "./api.js";
import { setText } from "./dom.js";

const byId = (id) => document.getElementById(id);

// A Notice reports a change that was refused, and asks for the token where that was
// missing. done is called after each change that was made.
export class Notice {
  #done;
  #refused = null; // the change to try again with another token

  constructor(done) {
    this.#done = done;
    byId("dismiss").addEventListener("click", () => this.#hide());
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#tryAgain();
    });
    byId("forget").addEventListener("click", () => {
      forgetToken();
      this.#showToken();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#hide();
    });
    this.#showToken();
  }

  // change makes a change: {words, method, path, body}.
  async change(wanted) {
    try {
      await ask(wanted.path, wanted);
      this.#hide();
    } catch (err) {
      this.#tell(wanted, err);
    }
    this.#showToken();
    await this.#done();
  }

  #tell(wanted, err) {
    const asksForToken = err instanceof Refusal && err.status === 401;
    this.#refused = asksForToken ? wanted : null;
    setText(byId("notice-text"), `Could not ${wanted.words}: ${cause(err)}.`);
    byId("token-form").hidden = !asksForToken;
    byId("notice").hidden = false;
    if (asksForToken) {
      forgetToken();
      byId("token").value = "";
      byId("token").focus();
    }
  }

  async #tryAgain() {
    if (!this.#refused) return; // it is being tried
    keepToken(byId("token").value);
    await this.change(this.#refused);
  }

  #showToken() {
    byId("forget").hidden = token() === null;
  }

  #hide() {
    this.#refused = null;
    byId("token").value = "";
    byId("notice").hidden = true;
    setText(byId("notice-text"), "");
  }
}

// cause puts an error into words.
function cause(err) {
  if (!(err instanceof Refusal)) return "the program does not respond";
  if (err.status !== 401) return err.message;
  return token() === null ? "it needs the admin token" : "the admin token is wrong";
}
