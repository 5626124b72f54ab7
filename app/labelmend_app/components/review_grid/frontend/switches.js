// Switches of the page's head: pressed or not, by a key or a click.

import { element } from "./elements.js";
import { keymap } from "./keymap.js";

export class Switch {
  // title: above it; label: on it; command: whose key does the same; onToggle(event).
  constructor(title, label, command, onToggle) {
    const what = [label, keymap.hint(command)];
    this.button = element("button", { type: "button", role: "switch", onclick: onToggle }, ...what);
    this.field = element("div", { className: "field" }, element("span", {}, title), this.button);
  }

  // problem: why it cannot be used; null where it can.
  paint(on, hint, problem = null) {
    this.button.setAttribute("aria-checked", String(on));
    this.button.setAttribute("aria-disabled", String(problem !== null));
    this.button.title = problem || hint;
  }
}
