// Buttons that do what a key does, and say which one.

import { element } from "./elements.js";
import { keymap } from "./keymap.js";
import { ACTIONS } from "./wording.js";

// focus(): who takes the keys after a click, so that Enter is the page's again; after a key the focus stays.
export function button({ label, command, title, run, focus, className = "" }) {
  const onclick = (event) => {
    event.stopPropagation(); // a click elsewhere in the large picture closes it
    run();
    if (event.detail) focus();
  };
  return element("button", { type: "button", title, className, onclick }, label, keymap.hint(command));
}

// The answers to the chosen picture.
export function answerButtons({ by, kind }, act, focus) {
  return Object.entries(ACTIONS).map(([name, { label }]) =>
    button({
      label: label[by === "image" ? "any" : kind],
      command: name,
      title: "the chosen one",
      run: () => act.answer(name),
      focus,
      className: name,
    }),
  );
}

export const undoButton = (act, focus) =>
  button({ label: "Undo", command: "undo", title: "take the last step back", run: () => act.undo(), focus, className: "undo" });

export const toolbar = (label, buttons) =>
  element("div", { className: "toolbar", role: "toolbar", "aria-label": label }, ...buttons);
