// What lies over the page: one picture large, with why it is suggested.

import { element, given } from "./elements.js";
import { Evidence, EvidencePanel } from "./evidence.js";
import { draw } from "./heat.js";
import { answerButtons, button, toolbar, undoButton } from "./toolbar.js";
import { ACTIONS, certainty, whereSentence } from "./wording.js";

export class LargePicture {
  // data: what Python sent; act: what the buttons do.
  constructor(data, act) {
    const { workspace } = data;
    Object.assign(this, { workspace, data });
    this.evidence = new Evidence(data, () => this.paintWhy());
    this.why = new EvidencePanel(workspace);
    this.image = element("img", { alt: "" });
    this.heat = element("canvas", { hidden: true, "aria-hidden": "true" });
    this.caption = element("div", { className: "caption" });
    const focus = () => this.dialog.focus();
    this.where = button({ label: "Where is it?", command: "where", title: "", run: () => act.where(), focus });
    const answers = toolbar("Answers to this picture", [...answerButtons(data, act, focus), undoButton(act, focus)]);
    this.note = element("span", { className: "note", role: "status" });
    const picture = element("div", { className: "picture" }, this.image, this.heat);
    const tools = element("div", { className: "where" }, this.where, this.note);
    const shown = element("div", { className: "shown" }, picture, this.caption, answers, tools);
    const parts = [shown, this.why.node];
    this.dialog = element("dialog", { className: "large", tabIndex: -1, "aria-label": "Large picture" }, ...parts);
    this.image.addEventListener("load", () => this.paintHeat());
    this.dialog.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => act.focus());
  }

  get open() {
    return this.dialog.open;
  }

  toggle(item) {
    if (this.dialog.open) this.dialog.close();
    else if (item) {
      this.evidence.retry(item);
      this.dialog.showModal();
      this.dialog.focus(); // and not the button, which would take Space and Enter
    }
  }

  // heat: the maps of this queue; where: whether they are to be seen.
  paint(item, review, kind, heat, where) {
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
      ...(item.class_name === undefined ? [] : [" · ", given(item.class_name)]),
      (item.error_probability ?? null) === null ? "" : ` · ${certainty(item, item.kind ?? kind)}`,
    );
    const next = review.items[review.cursor + 1];
    this.evidence.want(next ? [item, next] : [item]);
    this.paintWhy();
    this.paintWhere(item, next, heat, where);
  }

  // Only what the server says of the picture: a note under it stays.
  paintWhy() {
    const { item, data } = this;
    if (!this.dialog.open || !item) return;
    this.why.paint(item, item.kind ?? data.kind, item.class_name ?? data.class_name, this.evidence.of(item));
  }

  // The next picture's map is fetched ahead.
  paintWhere(item, next, heat, where) {
    const { unavailable } = heat;
    const usable = unavailable === null;
    this.where.setAttribute("aria-pressed", String(usable && where));
    this.where.setAttribute("aria-disabled", String(!usable));
    this.where.title = unavailable || "show where the network sees it";
    const shown = usable && where;
    if (shown) heat.want(next ? [item, next] : [item]);
    const record = shown ? heat.of(item) : null;
    this.dialog.classList.toggle("looking", shown && !record);
    this.found = record?.found ?? null;
    if (shown) this.note.textContent = whereSentence(record);
    else this.note.textContent = where && unavailable ? unavailable : "";
    this.paintHeat();
  }

  // Only when both are there: the map, and the picture, whose shape it takes.
  paintHeat() {
    const { found, image, heat } = this;
    const ready = Boolean(found && image.complete && image.naturalWidth);
    heat.hidden = !ready;
    if (!ready || (this.drawn?.found === found && this.drawn.src === image.src)) return;
    draw(heat, found, image.naturalWidth, image.naturalHeight);
    this.drawn = { found, src: image.src };
  }
}
