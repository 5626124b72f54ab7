// Where the reviewer stands in the queue: asked of the server after each page, never waited for.

import { standingSentences } from "./wording.js";

export class Standing {
  // queue: {run, class_index, kind, blind}; node: a line that is there from the start, so that nothing moves.
  constructor({ run, class_index, kind, blind, by }, node) {
    this.query = new URLSearchParams({ run, class_index, kind, ...(blind && { blind: 1 }) });
    Object.assign(this, { by, kind, node, due: true, numbers: null, left: null });
  }

  // Something was decided that changes the numbers.
  changed() {
    this.due = true;
  }

  // Ask if there is something new to hear, once all is saved.
  settle(saved) {
    if (this.by === "image") return; // one image at a time: of no one queue
    if (!this.due || !saved || this.asking) return;
    this.due = false;
    this.asking = Promise.all([this.ask("standing", "numbers"), this.ask("remaining", "left")]);
    this.asking.finally(() => (this.asking = null));
  }

  async ask(route, name) {
    try {
      const response = await fetch(`/api/${route}?${this.query}`);
      if (response.ok) this[name] = await response.json();
    } catch (error) {
      this.due = true; // the server is away: with the next page
    }
    this.paint();
  }

  paint() {
    const sentence = standingSentences(this.numbers, this.left, this.kind).join(" · ");
    this.node.textContent = sentence;
    this.node.title = sentence;
  }
}
