// The page of thumbnails as DOM: built once, then painted from the review's state.

import { element, given } from "./elements.js";
import { arrange, CAPTION, GAP, scrollTop, thumbnailSide } from "./layout.js";
import { AT_ONCE, Pictures } from "./pictures.js";
import { LargePicture } from "./dialogs.js";
import { GuidelinesPanel } from "./guidelines.js";
import { HeatMaps } from "./heat.js";
import { keymap, KeysDialog } from "./keymap.js";
import { answerButtons, button, toolbar, undoButton } from "./toolbar.js";
import { ACTIONS, certainty, count, heldSentence, HINT, minutes, NOTHING, percent, PICKED_DONE, QUESTION, reasons, savedSentence } from "./wording.js";
import { Standing } from "./standing.js";
import { Switch } from "./switches.js";

const PAGE_SIZES = [12, 24, 48];
const BELOW = 64; // room for the line under the pictures

export class View {
  // root: an empty element; data: what Python sent; act: {answer, commit, undo, ...}, what the buttons do.
  constructor(root, data, act) {
    Object.assign(this, { root, data, act, tiles: new Map(), columns: 1 });
    const { workspace, run, class_index } = data;
    const ready = (record) => this.pictureReady(record);
    this.pictures = new Pictures(ready, { query: { workspace } });
    this.closeUps = new Pictures(ready, { route: "close-up", query: { workspace, run, class_index }, atOnce: 1 });
    this.heat = new HeatMaps(data, () => this.heatKnown());
    this.large = new LargePicture(data, act);
    this.keys = new KeysDialog(() => keymap.renew(this.root));
    this.grid = element("div", { className: "pictures", role: "listbox", "aria-orientation": "horizontal" });
    this.detail = element("p", { className: "detail" });
    this.guidelines = new GuidelinesPanel(data, () => this.guidelinesChanged());
    const beside = element("div", { className: "beside" }, this.grid, this.guidelines.node);
    this.standing = new Standing(data, element("p", { className: "standing" }));
    this.finished = element("div", { className: "finished", hidden: true });
    this.spoken = element("div", { className: "spoken", "aria-live": "polite" });
    const body = [this.heading(), this.progress(), this.standing.node, this.toolbar(), beside, this.detail, this.finished];
    root.classList.remove("by-image");
    root.replaceChildren(...body, this.spoken, this.large.dialog, this.keys.node);
    this.grid.addEventListener("pointermove", (event) => this.pointed(event));
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.resized = new ResizeObserver(() => this.review && this.arrange());
    this.resized.observe(root);
    addEventListener("resize", () => this.review && this.root.isConnected && this.arrange());
  }

  heading() {
    this.pageSize = element("select", {}, ...PAGE_SIZES.map((n) => element("option", { value: n }, String(n))));
    this.pageSize.addEventListener("change", () => this.act.resize(Number(this.pageSize.value)));
    return element(
      "header",
      {},
      this.title(),
      element("label", {}, "Pictures a page", this.pageSize),
      ...this.switches().map(({ field }) => field),
    );
  }

  title() {
    const { kind, class_name: name } = this.data;
    const [before, after] = QUESTION[kind](name);
    return element("div", {}, element("h2", {}, before, given(name, "class-name"), after), element("p", {}, HINT[kind]));
  }

  switches() {
    const press = (run) => (event) => {
      run();
      if (event.detail) this.focus();
    };
    const { act } = this;
    this.zoom = new Switch("Small objects", "Zoom in on it", "zoom", press(() => act.zoom()));
    this.byImage = new Switch("One at a time", "By image", "byImage", press(() => act.byImage()));
    this.blind = new Switch("Model", "Blind", "blind", press(() => act.blind()));
    this.byImage.paint(this.data.by === "image", "one image with all its suggestions");
    this.blind.paint(this.data.blind, "hide what the model thinks");
    this.guided = new Switch("What counts", "Guidelines", "guidelines", press(() => act.guidelines()));
    return [this.zoom, this.byImage, this.blind, this.guided];
  }

  progress() {
    this.bar = element("progress", { max: 1, value: 0, "aria-label": "answered in this queue" });
    this.numbers = element("span", { className: "numbers" });
    this.picked = element("span", { className: "picked" });
    this.saved = element("span", { className: "saved", role: "status" });
    return element("div", { className: "progress" }, this.bar, this.numbers, this.picked, this.saved);
  }

  toolbar() {
    const { act, data } = this;
    const make = (label, command, title, run, className) => button({ label, command, title, run, className, focus: () => this.focus() });
    const [expected, contrary] = this.rest();
    const go = [
      make(expected, "commit", "and go to the next page", () => act.commit(), "commit"),
      make(contrary, "contrary", "and go to the next page", () => act.commit(true)),
      undoButton(act, () => this.focus()),
      make("Large", "large", "show the chosen picture large, and why it is suggested", () => act.enlarge()),
      make("Keys", "help", "list all keys and choose others", () => act.help()),
    ];
    return toolbar("Answers", [...answerButtons(data, act, () => this.focus()), ...go]);
  }

  // What Enter and its contrary do with what is undecided.
  rest() {
    const labels = ["Accept the rest", "Reject the rest"];
    return this.data.expects === "reject" ? labels.reverse() : labels;
  }

  // Paint the review's state; cheap enough for every key press.
  paint(review, status) {
    this.review = review;
    this.pageSize.value = String(review.pageSize);
    this.paintSaved(status);
    this.paintProgress(review.progress);
    this.standing.settle(!status.unsaved);
    const page = review.page;
    const done = review.finished;
    this.finished.hidden = !done;
    this.grid.hidden = this.detail.hidden = done;
    if (done) this.paintFinished(review.progress);
    const shown = page.map((item) => item.suggestion_id).join();
    if (shown !== this.shown || !page.length) this.paintPage(page, shown);
    for (const item of page) this.paintTile(item);
    this.paintDetail(review.current);
    this.paintGuidelines();
    this.paintHeat();
  }

  paintGuidelines() {
    const { class_index, class_name } = { ...this.data, ...this.review.current };
    this.guidelines.paint(class_index, class_name);
    this.guided.paint(this.guidelines.shown, "what counts as the class, in words and examples");
  }

  // The panel takes from the pictures' room.
  guidelinesChanged() {
    if (!this.review || !this.root.isConnected) return;
    this.paintGuidelines();
    this.arrange();
  }

  // What depends on heat maps: the switch, and the large picture.
  paintHeat() {
    const hint = this.zoomed ? "show the whole pictures" : "show each picture where it is hottest, and small as a whole";
    this.zoom.paint(this.zoomed, hint, this.heat.unavailable);
    this.large.paint(this.review.current, this.review, this.data.kind, this.heat, this.act.looks.where);
  }

  heatKnown() {
    if (!this.review || !this.root.isConnected) return;
    if (this.zoomed && !this.closeUps.side) this.arrange();
    this.paintHeat();
  }

  get zoomed() {
    return this.act.looks.zoom && this.heat.unavailable === null;
  }

  paintPage(page, shown) {
    this.shown = shown;
    this.shownAt = performance.now();
    this.tiles = new Map(page.map((item) => [item.suggestion_id, this.tile(item)]));
    const waiting = element("p", { className: "waiting" }, this.waitingSentence());
    this.grid.replaceChildren(...(page.length ? this.tiles.values() : [waiting]));
    this.grid.setAttribute("aria-label", `Page of ${count(page.length, "picture")}`);
    this.arrange();
  }

  waitingSentence() {
    return this.review.unreachable ? "Waiting for the server; what you answered is kept." : "Loading …";
  }

  tile(item) {
    const quick = Object.entries({ accept: "✓", reject: "✗", unsure: "?" }).map(([name, sign]) => {
      const title = ACTIONS[name].label[this.data.kind];
      const mouseOnly = { tabIndex: -1, "aria-hidden": "true" }; // keys and the toolbar do the same
      return element("button", { type: "button", className: name, title, "data-answer": name, ...mouseOnly }, sign);
    });
    const caption = element("span", { className: "caption" }, given(item.image_id));
    if (!this.data.blind) caption.append(element("b", {}, percent(item.error_probability)));
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
    const likely = this.data.blind ? [] : [certainty(item, this.data.kind)];
    tile.setAttribute("aria-label", [item.image_id, ...likely, state].join(", "));
    const whole = this.pictures.of(item);
    const closeUp = this.zoomed ? this.closeUps.of(item) : null;
    const frame = tile.firstElementChild;
    frame.classList.toggle("looking", Boolean(closeUp) && !settled(closeUp) && settled(whole));
    if (!settled(whole)) return;
    whole.node ??= whole.problem ? document.createTextNode(whole.problem) : whole.element;
    // Beside a close-up the whole picture stays, small: what the network missed may lie elsewhere in it.
    const shown = closeUp?.state === "ready" && this.sees(item) ? [closeUp.element, whole.node] : [whole.node];
    if (frame.firstChild !== shown[0]) frame.replaceChildren(...shown);
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
    const { answered, suggested, open, perMinute, minutesLeft } = progress;
    if (!this.review.loaded) {
      this.bar.removeAttribute("value");
      this.numbers.textContent = "";
      return;
    }
    this.bar.value = suggested ? answered / suggested : 1;
    const whole = (n) => n.toLocaleString("en");
    const { picked } = this.data;
    if (picked) this.picked.textContent = `${picked.sentence}; ${whole(picked.elsewhere + answered)} answered`;
    const parts = [`${whole(answered)} of ${count(suggested, "suggestion")} answered, ${whole(open)} open`];
    if (perMinute) parts.push(`${count(Math.round(perMinute), this.data.by === "image" ? "answer" : "picture")} a minute`);
    if (minutesLeft && open > 0) parts.push(minutes(minutesLeft));
    this.numbers.textContent = parts.join(" · ");
  }

  paintDetail(item) {
    if (!item) return this.detail.replaceChildren();
    const labels = item.given_labels.flatMap((name, i) => [i ? ", " : "", given(name)]);
    const said = [];
    if (!this.data.blind) {
      const interval = item.low === null || item.high === null ? "" : ` (${percent(item.low)} to ${percent(item.high)})`;
      said.push(` · ${certainty(item, item.kind ?? this.data.kind)}${interval}`);
    }
    const why = reasons(item) ? [` · ${reasons(item)}`] : [];
    const named = [" · labelled: ", ...(labels.length ? labels : ["nothing"])];
    return this.detail.replaceChildren(given(item.image_id), ...said, ...named, ...why);
  }

  paintFinished({ suggested, accept, reject, unsure, skip, open, held }) {
    const { next } = this.data;
    const lines = suggested
      ? `Since this page was opened: ${accept} accepted, ${reject} rejected, ${unsure} unsure, ${skip} skipped.`
      : NOTHING[this.data.by];
    const buttons = [];
    const button = (run, className, ...label) =>
      buttons.push(element("button", { type: "button", className, onclick: run }, ...label));
    if (next) {
      const label = ["Next: ", given(next.class_name), ` (${next.open} open)`, keymap.hint("commit")];
      button(() => this.act.next(), "commit", ...label);
    }
    if (open > held) button(() => this.act.restart(), "", `Look at the ${open} still open`);
    else if (open > 0) button(() => this.act.restart(), "", "Look again");
    const all = this.data.picked && !next && open <= 0;
    this.finished.replaceChildren(
      element("h3", {}, all ? PICKED_DONE : open > 0 ? "The end of this queue" : "Nothing is left in this queue"),
      element("p", {}, lines),
      ...(held ? [element("p", {}, heldSentence(held))] : []),
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
    this.pictures.atOnce = this.zoomed ? AT_ONCE - 1 : AT_ONCE; // one connection for close-ups, one for decisions
    if (this.zoomed) {
      const nextPage = review.ahead.slice(0, review.pageSize);
      this.closeUps.want([...review.page, ...nextPage], thumbnailSide(side, this.data.sides));
    }
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

  // Whether the focus is nowhere else: not in one of Streamlit's fields, not on a button that was tabbed to. Where it was
  // when there was no picture yet to put it on is no other place: in the field that chose this queue.
  get mayFocus() {
    const { activeElement, host } = this.root.getRootNode();
    const outside = document.activeElement;
    return outside === document.body || outside === this.leaving || (outside === host && (!activeElement || activeElement.matches(".tile")));
  }

  // Put the focus on the chosen picture.
  focus() {
    const tile = this.review.current && this.tiles.get(this.review.current.suggestion_id);
    this.leaving = tile ? null : document.activeElement;
    if (!tile || tile === this.root.getRootNode().activeElement) return;
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest" });
  }

  say(sentence) {
    this.spoken.textContent = sentence;
  }
}

const settled = (record) => ["ready", "broken"].includes(record?.state);
