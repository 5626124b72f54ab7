// What counts as the class, beside the pictures: a text that reviewers write, and images that show it.

import { element, given } from "./elements.js";
import { keymap } from "./keymap.js";
import { rendered } from "./markdown.js";

const SHOWN = "labelmend.guidelines";
const THUMBNAIL = 160;
const LONGEST = 20_000;

export class GuidelinesPanel {
  // data: what Python sent; onChange(): the panel came, went or was written to.
  constructor({ workspace }, onChange) {
    Object.assign(this, { workspace, onChange, shown: localStorage.getItem(SHOWN) === "on", known: new Map() });
    this.node = element("aside", { className: "guidelines", "aria-label": "Guidelines" });
    this.note = element("p", { className: "note", role: "status" });
  }

  toggle() {
    this.shown = !this.shown;
    localStorage.setItem(SHOWN, this.shown ? "on" : "off");
    this.class_index = null;
    this.onChange();
  }

  // Show those of a class, as they are by now.
  paint(class_index, name) {
    this.node.hidden = !this.shown;
    if (!this.shown || this.class_index === class_index) return;
    Object.assign(this, { class_index, name, editing: false });
    this.note.textContent = "";
    this.draw();
    this.ask(class_index);
  }

  async ask(class_index, message) {
    const options = message && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ workspace: this.workspace, ...message }),
    };
    let problem = "";
    try {
      const response = await fetch(`/api/guidelines/${class_index}`, options);
      const answer = await response.json();
      if (response.ok) this.known.set(class_index, answer);
      else problem = answer.error;
    } catch (error) {
      problem = "The server does not answer; nothing was saved.";
    }
    if (class_index !== this.class_index) return !problem;
    this.note.textContent = problem;
    if (!problem) {
      this.editing = false;
      this.draw();
    }
    return !problem;
  }

  isExample(class_index, image) {
    return Boolean(this.known.get(class_index)?.examples.some((one) => one.image === image));
  }

  // Make an image an example of its class, or none any more; resolves to what was done.
  async example(class_index, item) {
    if (!this.known.has(class_index)) await this.fetchOnly(class_index);
    const shown = !this.isExample(class_index, item.image);
    const done = await this.ask(class_index, { image: item.image, shown });
    if (!done) return "That could not be saved.";
    return shown ? "Now an example in the guidelines" : "No example any more";
  }

  async fetchOnly(class_index) {
    const response = await fetch(`/api/guidelines/${class_index}`);
    if (response.ok) this.known.set(class_index, await response.json());
  }

  draw() {
    const found = this.known.get(this.class_index);
    const head = element("h4", {}, "Guidelines: ", given(this.name));
    const body = !found ? [element("p", {}, "Loading …")] : this.editing ? this.editor(found) : this.reading(found);
    this.node.replaceChildren(head, ...body, this.note);
  }

  reading({ text, examples }) {
    const written = text.trim() ? rendered(text) : [element("p", { className: "note" }, "Nobody has written down yet what counts. Edit to do so.")];
    const edit = element("button", { type: "button", onclick: () => this.edit() }, "Edit");
    const tip = element("p", { className: "note" }, "In the large picture ", keymap.hint("example"), " makes it an example.");
    return [element("div", { className: "text" }, ...written), edit, element("h4", {}, "Examples"), this.pictures(examples), tip];
  }

  pictures(examples) {
    const shown = examples.map(({ image, image_id }) => {
      const src = `/api/thumbnail/${image}?side=${THUMBNAIL}&workspace=${this.workspace}`;
      const remove = element("button", { type: "button", title: "no example any more", onclick: () => this.ask(this.class_index, { image, shown: false }) }, "×");
      remove.setAttribute("aria-label", `${image_id} is no example any more`);
      return element("div", { className: "example" }, element("img", { src, alt: image_id, title: image_id }), remove);
    });
    return element("div", { className: "alike" }, ...shown);
  }

  edit() {
    this.editing = true;
    this.draw();
    this.node.querySelector("textarea").focus();
  }

  editor({ text }) {
    const field = element("textarea", { value: text, maxLength: LONGEST, rows: 14, spellcheck: true });
    field.setAttribute("aria-label", "Guidelines as Markdown");
    const button = (label, run, className = "") => element("button", { type: "button", className, onclick: run }, label);
    const save = button("Save", () => this.ask(this.class_index, { text: field.value, before: text }), "commit");
    const leave = button("Cancel", () => {
      this.editing = false;
      this.note.textContent = "";
      this.draw();
    });
    const help = element("p", { className: "note" }, "# heading, - list, **bold**, *italic*, [link](https://…)");
    return [field, help, element("div", { className: "toolbar" }, save, leave)];
  }
}
