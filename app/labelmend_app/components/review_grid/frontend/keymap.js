// Which key does what. A reviewer may choose other keys; this browser remembers them.

import { element } from "./elements.js";

const KEPT = "labelmend.keys";
const SIGNS = { Backspace: "⌫", "Shift+Enter": "⇧ Enter", PageDown: "Page down", PageUp: "Page up" };
const TAKEN = /^(Arrow.*|Tab|Escape|F\d+|[0-9]|Dead|Process|Unidentified|CapsLock|Control|Alt|AltGraph|Meta|Shift|ContextMenu)$/;

// command -> [its own key, what it does]
const COMMANDS = {
  accept: ["a", "accept the suggestion"],
  reject: ["r", "reject the suggestion"],
  unsure: ["u", "unsure: somebody else may know"],
  skip: ["s", "skip: ask again later"],
  commit: ["Enter", "accept what is undecided on this page, and go on; reject it where most are expected to be wrong"],
  contrary: ["Shift+Enter", "the contrary for what is undecided on this page, and go on"],
  undo: ["Backspace", "take the last step back, as often as you like (Ctrl + Z, too)"],
  large: ["Space", "large picture and why it is suggested, and back"],
  where: ["h", "where is it? A heat map over the large picture, and off"],
  zoom: ["z", "zoom in on it in all pictures of the page, and back"],
  byImage: ["i", "one image at a time with all its suggestions, and back"],
  blind: ["b", "blind: hide what the model thinks, and show it again"],
  guidelines: ["g", "guidelines of the class beside the pictures, and away"],
  example: ["e", "in the large picture: make it an example in the guidelines, or none any more"],
  next: ["PageDown", "look at the next page without answering"],
  previous: ["PageUp", "look at the page before"],
  help: ["?", "this list"],
};

export const FIXED = [
  ["← ↑ → ↓", "choose a picture (or point at it)"],
  ["1 … 9, 0", "one image at a time: turn the answer to that class round"],
  ["Click", "accept; again: reject"],
];

const shownKey = (name) => SIGNS[name] ?? (name.length === 1 ? name.toUpperCase() : name.replace("+", " + "));

class Keymap {
  constructor() {
    this.chosen = this.read();
  }

  // What was chosen before, if it is what this page would have stored.
  read() {
    try {
      const stored = Object.entries(JSON.parse(localStorage.getItem(KEPT) ?? "{}"));
      const known = stored.filter(([command, key]) => command in COMMANDS && typeof key === "string" && !TAKEN.test(key));
      const chosen = Object.fromEntries(known);
      const keys = Object.keys(COMMANDS).map((command) => chosen[command] ?? COMMANDS[command][0]);
      return new Set(keys).size === keys.length ? chosen : {};
    } catch (error) {
      return {}; // not JSON, or the storage is forbidden
    }
  }

  keyOf(command) {
    return this.chosen[command] ?? COMMANDS[command][0];
  }

  commandOf(name) {
    return Object.keys(COMMANDS).find((command) => this.keyOf(command) === name) ?? null;
  }

  // The name of the key of an event: "a", "?", "Shift+Enter". A letter of another alphabet is that of its place.
  nameOf({ key, code, shiftKey }) {
    if (key === " ") return shiftKey ? "Shift+Space" : "Space";
    if (key.length > 1) return shiftKey ? `Shift+${key}` : key;
    if (/[a-z]/i.test(key)) return key.toLowerCase();
    return /\p{L}/u.test(key) && code.startsWith("Key") ? code.slice(3).toLowerCase() : key;
  }

  // Give a command another key and return why not, "" when it has it.
  choose(command, event) {
    const name = this.nameOf(event);
    const plain = event.ctrlKey || event.metaKey || event.altKey ? "" : name.replace("Shift+", "");
    if (!plain || TAKEN.test(plain)) return `${plain ? shownKey(name) : "A key with Ctrl, Alt or Cmd"} cannot be chosen; press another key.`;
    const other = this.commandOf(name);
    if (other && other !== command) return `${shownKey(name)} already does this: ${COMMANDS[other][1]}. Give that another key first.`;
    this.chosen = { ...this.chosen, [command]: name };
    this.store();
    return "";
  }

  reset() {
    this.chosen = {};
    this.store();
  }

  store() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.chosen));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error; // storage is full or forbidden: they last as long as the page
    }
  }

  // A sign of a command's key that `renew` keeps true.
  hint(command) {
    const sign = element("kbd", {}, shownKey(this.keyOf(command)));
    sign.dataset.command = command;
    return sign;
  }

  renew(root) {
    for (const sign of root.querySelectorAll("kbd[data-command]")) {
      sign.textContent = shownKey(this.keyOf(sign.dataset.command));
    }
  }
}

export const keymap = new Keymap();

// The list of keys, in which each can be given another one.
export class KeysDialog {
  // onChange(): a key was chosen.
  constructor(onChange) {
    this.onChange = onChange;
    this.note = element("p", { className: "note", role: "status" });
    const rows = Object.keys(COMMANDS).map((command) => this.row(command));
    const fixed = FIXED.map(([name, meaning]) =>
      element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, name)), element("td", {}, meaning)),
    );
    const reset = element("button", { type: "button", onclick: () => this.reset() }, "Reset to defaults");
    const close = element("button", { type: "button", onclick: () => this.node.close() }, "Close");
    const body = [element("h3", {}, "Keys"), element("p", { className: "note" }, "Click a key to choose another one; this browser remembers it."), element("table", {}, ...rows, ...fixed), this.note, element("div", { className: "toolbar" }, reset, close)];
    this.node = element("dialog", { className: "keys", "aria-label": "Keys" }, ...body);
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close()); // beside it
    this.node.addEventListener("close", () => this.wait(null));
  }

  get open() {
    return this.node.open;
  }

  // Whether the next key is to be chosen.
  get waiting() {
    return this.open && Boolean(this.command);
  }

  toggle() {
    if (this.open) this.node.close();
    else this.node.showModal();
  }

  row(command) {
    const meaning = COMMANDS[command][1];
    const button = element("button", { type: "button", className: "rebind", onclick: () => this.wait(command) }, keymap.hint(command));
    button.setAttribute("aria-label", `Choose another key for: ${meaning}`);
    button.dataset.rebinds = command;
    return element("tr", {}, element("th", { scope: "row" }, button), element("td", {}, meaning));
  }

  wait(command) {
    this.command = command;
    for (const button of this.node.querySelectorAll(".rebind")) {
      button.setAttribute("aria-pressed", String(button.dataset.rebinds === command));
    }
    this.note.textContent = command ? `Press the key for: ${COMMANDS[command][1]}. Escape leaves it as it is.` : "";
  }

  pressed(event) {
    if (["Shift", "Control", "Alt", "Meta", "AltGraph"].includes(event.key)) return; // the other key of the two is still to come
    if (event.key === "Escape") {
      this.wait(null);
      return;
    }
    const problem = keymap.choose(this.command, event);
    if (problem) {
      this.note.textContent = problem;
      return;
    }
    this.wait(null);
    this.onChange();
  }

  reset() {
    keymap.reset();
    this.wait(null);
    this.note.textContent = "All keys are as they were in the beginning.";
    this.onChange();
  }
}
