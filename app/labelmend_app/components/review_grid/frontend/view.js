// The page of thumbnails as DOM: built once, then painted from the review's state.

import { element, given, key } from "./elements.js";
import { arrange, CAPTION, GAP, thumbnailSide } from "./layout.js";
import { Pictures } from "./pictures.js";
import { keysDialog, LargePicture } from "./dialogs.js";
import { ACTIONS, certainty, count, HINT, minutes, percent, QUESTION, reasons, savedSentence } from "./wording.js";

const PAGE_SIZES = [12, 24, 48];
const BELOW = 64; // room for the line under the pictures

export class View {
  // root: an empty element; data: what Python sent; act: {answer, commit, undo, ...}, what the buttons do.
  constructor(root, data, act) {
    Object.assign(this, { root, data, act, tiles: new Map(), columns: 1 });
    this.pictures = new Pictures(data.workspace, (record) => this.pictureReady(record));
    this.large = new LargePicture(data.workspace, act);
    this.keys = keysDialog();
    this.grid = element("div", { className: "pictures", role: "listbox", "aria-orientation": "horizontal" });
    this.detail = element("p", { className: "detail" });
    this.finished = element("div", { className: "finished", hidden: true });
    this.spoken = element("div", { className: "spoken", "aria-live": "polite" });
    const body = [this.heading(), this.progress(), this.toolbar(), this.grid, this.detail, this.finished];
    root.replaceChildren(...body, this.spoken, this.large.dialog, this.keys);
    this.grid.addEventListener("pointermove", (event) => this.pointed(event));
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.resized = new ResizeObserver(() => this.review && this.arrange());
    this.resized.observe(root);
    addEventListener("resize", () => this.review && this.root.isConnected && this.arrange());
  }

  heading() {
    const { kind, class_name: name } = this.data;
    const [before, after] = QUESTION[kind](name);
    this.reviewer = element("input", { maxLength: 100, size: 12, spellcheck: false, autocomplete: "off" });
    this.reviewer.addEventListener("change", () => this.act.rename(this.reviewer.value));
    this.pageSize = element("select", {}, ...PAGE_SIZES.map((n) => element("option", { value: n }, String(n))));
    this.pageSize.addEventListener("change", () => this.act.resize(Number(this.pageSize.value)));
    return element(
      "header",
      {},
      element("div", {}, element("h2", {}, before, given(name, "class-name"), after), element("p", {}, HINT[kind])),
      element("label", {}, "Reviewer", this.reviewer),
      element("label", {}, "Pictures a page", this.pageSize),
    );
  }

  progress() {
    this.bar = element("progress", { max: 1, value: 0, "aria-label": "answered in this queue" });
    this.numbers = element("span", { className: "numbers" });
    this.saved = element("span", { className: "saved", role: "status" });
    return element("div", { className: "progress" }, this.bar, this.numbers, this.saved);
  }

  toolbar() {
    const button = (label, shortcut, title, run, className = "") => {
      const onclick = (event) => {
        run();
        if (event.detail) this.focus(); // after a click Enter is the page's again; after a key the focus stays
      };
      return element("button", { type: "button", title, className, onclick }, label, key(shortcut));
    };
    const answers = Object.entries(ACTIONS).map(([name, { key: shortcut, label }]) =>
      button(label[this.data.kind], shortcut, "the chosen picture", () => this.act.answer(name), name),
    );
    const go = [
      button("Accept the rest", "Enter", "and go to the next page", () => this.act.commit("accept"), "commit"),
      button("Reject the rest", "⇧ Enter", "and go to the next page", () => this.act.commit("reject")),
      button("Undo", "⌫", "take the last step back", () => this.act.undo(), "undo"),
      button("Large", "Space", "show the chosen picture large", () => this.act.enlarge()),
      button("Keys", "?", "list all keys", () => this.act.help()),
    ];
    return element("div", { className: "toolbar", role: "toolbar", "aria-label": "Answers" }, ...answers, ...go);
  }

  // Paint the review's state; cheap enough for every key press.
  paint(review, status) {
    this.review = review;
    this.pageSize.value = String(review.pageSize);
    this.paintSaved(status);
    this.paintProgress(review.progress);
    const page = review.page;
    const done = review.finished;
    this.finished.hidden = !done;
    this.grid.hidden = this.detail.hidden = done;
    if (done) this.paintFinished(review.progress);
    const shown = page.map((item) => item.suggestion_id).join();
    if (shown !== this.shown || !page.length) this.paintPage(page, shown);
    for (const item of page) this.paintTile(item);
    this.paintDetail(review.current);
    this.large.paint(review.current, review, this.data.kind);
  }

  paintPage(page, shown) {
    this.shown = shown;
    this.shownAt = performance.now();
    this.tiles = new Map(page.map((item) => [item.suggestion_id, this.tile(item)]));
    const waiting = element(
      "p",
      { className: "waiting" },
      this.review.unreachable ? "Waiting for the server; what you answered is kept." : "Loading …",
    );
    this.grid.replaceChildren(...(page.length ? this.tiles.values() : [waiting]));
    this.grid.setAttribute("aria-label", `Page of ${count(page.length, "picture")}`);
    this.arrange();
  }

  tile(item) {
    const quick = Object.entries({ accept: "✓", reject: "✗", unsure: "?" }).map(([name, sign]) => {
      const title = ACTIONS[name].label[this.data.kind];
      const mouseOnly = { tabIndex: -1, "aria-hidden": "true" }; // keys and the toolbar do the same
      return element("button", { type: "button", className: name, title, "data-answer": name, ...mouseOnly }, sign);
    });
    const probability = element("b", {}, percent(item.error_probability));
    const caption = element("span", { className: "caption" }, given(item.image_id), probability);
    const tile = element("div", { className: "tile", role: "option", tabIndex: -1 });
    tile.append(element("div", { className: "frame" }), element("div", { className: "quick" }, ...quick), caption);
    tile.dataset.suggestion = item.suggestion_id;
    return tile;
  }

  paintTile(item) {
    const tile = this.tiles.get(item.suggestion_id);
    const answer = this.review.answerOf(item);
    const current = item === this.review.current;
    tile.dataset.answer = answer ?? "";
    tile.classList.toggle("current", current);
    tile.tabIndex = current ? 0 : -1;
    tile.setAttribute("aria-selected", String(current));
    const state = answer ? ACTIONS[answer].done : "undecided";
    tile.setAttribute("aria-label", `${item.image_id}, ${certainty(item, this.data.kind)}, ${state}`);
    const record = this.pictures.of(item);
    const frame = tile.firstElementChild;
    if (record && record.state !== "waiting" && record.state !== "loading" && !frame.firstChild) {
      frame.append(record.problem || record.element);
    }
  }

  pictureReady(record) {
    const item = this.review?.page.find((candidate) => candidate === record.item);
    if (item) this.paintTile(item);
  }

  // Whether the reviewer could see the picture.
  sees(item) {
    return this.pictures.of(item)?.state === "ready";
  }

  // Whether the picture is still on its way.
  awaits(item) {
    return ["waiting", "loading"].includes(this.pictures.of(item)?.state);
  }

  paintSaved(status) {
    this.saved.classList.toggle("unsaved", status.failing);
    this.saved.textContent = savedSentence(status);
  }

  paintProgress(progress) {
    const { accept, reject, answered, suggested, open, perMinute, minutesLeft } = progress;
    if (!this.review.loaded) {
      this.bar.removeAttribute("value");
      this.numbers.textContent = "";
      return;
    }
    this.bar.value = suggested ? answered / suggested : 1;
    const whole = (n) => n.toLocaleString("en");
    const parts = [`${whole(answered)} of ${count(suggested, "suggestion")} answered, ${whole(open)} open`];
    if (accept + reject) parts.push(`${percent(accept / (accept + reject))} accepted`);
    if (perMinute) parts.push(`${Math.round(perMinute)} a minute`);
    if (minutesLeft && open > 0) parts.push(minutes(minutesLeft));
    this.numbers.textContent = parts.join(" · ");
  }

  paintDetail(item) {
    if (!item) return this.detail.replaceChildren();
    const labels = item.given_labels.flatMap((name, i) => [i ? ", " : "", given(name)]);
    const interval = item.low === null || item.high === null ? "" : ` (${percent(item.low)} to ${percent(item.high)})`;
    return this.detail.replaceChildren(
      given(item.image_id),
      ` · ${certainty(item, this.data.kind)}${interval} · labelled: `,
      ...(labels.length ? labels : ["nothing"]),
      reasons(item) ? ` · ${reasons(item)}` : "",
    );
  }

  paintFinished({ suggested, accept, reject, unsure, skip, open }) {
    const { next } = this.data;
    const lines = suggested
      ? `Since this page was opened: ${accept} accepted, ${reject} rejected, ${unsure} unsure, ${skip} skipped.`
      : "There are no suggestions of this kind for this class.";
    const buttons = [];
    const button = (run, className, ...label) =>
      buttons.push(element("button", { type: "button", className, onclick: run }, ...label));
    if (next) {
      const label = ["Next: ", given(next.class_name), ` (${next.open} open)`, key("Enter")];
      button(() => this.act.next(), "commit", ...label);
    }
    if (open > 0) button(() => this.act.restart(), "", `Look at the ${open} still open`);
    this.finished.replaceChildren(
      element("h3", {}, open > 0 ? "The end of this queue" : "Nothing is left in this queue"),
      element("p", {}, lines),
      element("div", { className: "toolbar" }, ...buttons),
    );
  }

  // Make the pictures as large as the window allows and fetch the next ones in that size.
  arrange() {
    const { review } = this;
    const width = this.grid.clientWidth || this.root.clientWidth;
    const height = innerHeight - (this.grid.getBoundingClientRect().top + scrollTop(this.root)) - BELOW;
    const { columns, side } = arrange(review.pageSize, width, height);
    this.columns = columns;
    this.grid.style.cssText = `--columns:${columns};--side:${side}px;--gap:${GAP}px;--caption:${CAPTION}px`;
    this.pictures.want([...review.page, ...review.ahead], thumbnailSide(side, this.data.sides));
    for (const item of review.page) this.paintTile(item);
  }

  pointed(event) {
    if (!event.movementX && !event.movementY) return; // the page changed under a resting pointer
    const tile = event.target.closest(".tile");
    if (tile) this.act.choose(this.itemOf(tile));
  }

  clicked(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const item = this.itemOf(tile);
    this.act.choose(item);
    const { answer } = event.target.closest("button")?.dataset ?? {};
    this.act.answer(answer ?? (this.review.answerOf(item) === "accept" ? "reject" : "accept"), false);
    this.focus();
  }

  itemOf(tile) {
    return this.review.page.find((item) => String(item.suggestion_id) === tile.dataset.suggestion);
  }

  // Whether the focus is nowhere else: not in one of Streamlit's fields, not on a button that was tabbed to.
  get mayFocus() {
    const { activeElement, host } = this.root.getRootNode();
    const outside = document.activeElement;
    return outside === document.body || (outside === host && (!activeElement || activeElement.matches(".tile")));
  }

  // Put the focus on the chosen picture.
  focus() {
    const tile = this.review.current && this.tiles.get(this.review.current.suggestion_id);
    if (!tile || tile === this.root.getRootNode().activeElement) return;
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest" });
  }

  say(sentence) {
    this.spoken.textContent = sentence;
  }
}

// How far the page around the grid is scrolled, so that the size of the pictures does not depend on it.
function scrollTop(root) {
  let scrolled = 0;
  for (let at = root.getRootNode().host ?? root; at; at = at.parentElement) scrolled += at.scrollTop;
  return scrolled;
}
