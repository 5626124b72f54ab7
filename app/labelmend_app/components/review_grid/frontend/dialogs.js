// What lies over the page: one picture large, and the list of keys.

import { element, given, key } from "./elements.js";
import { ACTIONS, certainty, KEYS, reasons } from "./wording.js";

export class LargePicture {
  constructor(workspace, act) {
    this.workspace = workspace;
    this.image = element("img", { alt: "" });
    this.caption = element("div", { className: "caption" });
    this.dialog = element("dialog", { className: "large" }, this.image, this.caption);
    this.dialog.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => act.focus());
  }

  get open() {
    return this.dialog.open;
  }

  toggle(item) {
    if (this.dialog.open) this.dialog.close();
    else if (item) this.dialog.showModal();
  }

  paint(item, review, kind) {
    if (!this.dialog.open) return;
    if (!item) {
      this.dialog.close();
      return;
    }
    if (this.item !== item) {
      this.item = item;
      this.image.removeAttribute("src"); // never the last picture over the next one's name
      this.image.src = `/api/image/${item.image}?workspace=${this.workspace}`;
    }
    const answer = review.answerOf(item);
    this.dialog.dataset.answer = answer ?? "";
    this.caption.replaceChildren(
      element("b", {}, answer ? ACTIONS[answer].done : "undecided"),
      " · ",
      given(item.image_id),
      ` · ${certainty(item, kind)}${reasons(item) ? ` · ${reasons(item)}` : ""}`,
    );
  }
}

export function keysDialog() {
  const rows = KEYS.map(([name, meaning]) =>
    element("tr", {}, element("th", { scope: "row" }, key(name)), element("td", {}, meaning)),
  );
  const body = [element("h3", {}, "Keys"), element("table", {}, ...rows)];
  const dialog = element("dialog", { className: "keys", "aria-label": "Keys" }, ...body);
  dialog.addEventListener("click", () => dialog.close());
  return dialog;
}
