// One image at a time with all its suggestions, for many classes at once: digits turn answers round, Enter commits.

import { element, given } from "./elements.js";
import { Pictures } from "./pictures.js";
import { CONTRARY, Review, TAB } from "./review.js";
import { BY_IMAGE_HINT, CLAIM, count, percent, shownAnswer } from "./wording.js";
import { View } from "./view.js";

const IMAGES_AHEAD = 3;
const DIGITS = 10;
const SURE = 0.5;

// The suggestions of all classes in the order of their images; a page is one image.
export class ImageReview extends Review {
  restart() {
    this.after = 0;
    return super.restart();
  }

  // Whole images come, so the end of what is there is the end of an image.
  async fetchAhead() {
    while (!this.ended && this.imagesAhead() < 1 + IMAGES_AHEAD) {
      const { items, after } = this;
      const { run, blind, pick, reviewer } = this.queue;
      const query = new URLSearchParams({ ...pick, run, reviewer, tab: TAB, after, limit: 1 + IMAGES_AHEAD });
      if (blind) query.set("blind", 1);
      await this.fetched(`/api/images?${query}`, (page) => {
        if (items !== this.items) return; // restarted meanwhile
        if (after === 0) this.opened(page);
        this.arrived(page);
        [this.after, this.ended] = [page.after, page.ended];
      });
    }
  }

  imagesAhead() {
    return new Set(this.items.slice(this.pageStart).map((item) => item.image)).size;
  }

  get pageStart() {
    let start = Math.min(this.cursor, this.items.length);
    while (start > 0 && this.items[start - 1].image === this.items[this.cursor]?.image) start -= 1;
    return start;
  }

  pageAt(start) {
    let end = start;
    while (end < this.items.length && this.items[end].image === this.items[start].image) end += 1;
    return this.items.slice(start, end);
  }

  get page() {
    return this.pageAt(this.pageStart);
  }

  get ahead() {
    const next = this.items.slice(this.pageStart + this.page.length);
    const images = [...new Set(next.map((item) => item.image))].slice(0, IMAGES_AHEAD);
    return next.filter((item) => images.includes(item.image));
  }

  move(by) {
    const { pageStart, page } = this;
    const to = this.cursor + by;
    if (to >= pageStart && to < pageStart + page.length) this.cursor = to;
  }

  turn(by) {
    const { pageStart, page } = this;
    if (by > 0 && (pageStart + page.length < this.items.length || this.ended)) this.cursor = pageStart + page.length;
    if (by < 0 && pageStart > 0) {
      this.cursor = pageStart - 1;
      this.cursor = this.pageStart;
    }
    this.load();
  }

  // Of each class by itself; what is not said counts as likely.
  expected(item) {
    return (item.error_probability ?? 1) < SURE ? "reject" : "accept";
  }

  // The other answer than the one that stands, or than the one that Enter would give.
  turned(item) {
    return CONTRARY[this.answerOf(item)] ?? CONTRARY[this.expected(item)];
  }
}

export class ImageView extends View {
  constructor(root, data, act) {
    super(root, data, act);
    const { workspace } = data;
    this.pictures = new Pictures((record) => this.pictureReady(record), { route: "image", query: { workspace } });
    this.root.classList.add("by-image");
    this.pageSize.parentElement.hidden = this.standing.node.hidden = true; // of pages, and of one class
  }

  title() {
    return element("div", {}, element("h2", {}, "What is in this picture?"), element("p", {}, BY_IMAGE_HINT));
  }

  switches() {
    const all = super.switches();
    return all.filter((one) => one !== this.zoom); // one class's close-up is another's noise
  }

  get zoomed() {
    return false;
  }

  paintPage(page, shown) {
    this.shown = shown;
    this.shownAt = performance.now();
    this.frame = element("div", { className: "frame" });
    this.tiles = new Map(page.map((item, place) => [item.suggestion_id, this.row(item, place)]));
    const said = page.length ? count(page.length, "suggestion") : this.waitingSentence();
    const name = page.length ? [given(page[0].image_id), ` · ${said}`] : [said];
    const list = element("div", { className: "class-rows" }, element("p", { className: "image-name" }, ...name), ...this.tiles.values());
    this.grid.replaceChildren(this.frame, list);
    this.grid.setAttribute("aria-label", page.length ? `${page[0].image_id}: ${said}` : said);
    this.arrange();
  }

  row(item, place) {
    const digit = element("kbd", {}, place < DIGITS ? String((place + 1) % 10) : "·");
    const [before, after] = CLAIM[item.kind];
    const claim = element("span", { className: "claim" }, before, given(item.class_name), after);
    const likely = element("span", { className: "likely" }, this.data.blind ? "" : percent(item.error_probability));
    const row = element("div", { className: "class-row tile", role: "option", tabIndex: -1 }, digit, claim, likely, element("span", { className: "answer" }));
    row.dataset.suggestion = item.suggestion_id;
    return row;
  }

  paintTile(item) {
    const row = this.tiles.get(item.suggestion_id);
    const answer = this.review.answerOf(item);
    const current = item === this.review.current;
    row.dataset.answer = answer ?? "";
    row.classList.toggle("current", current);
    row.tabIndex = current ? 0 : -1;
    row.setAttribute("aria-selected", String(current));
    row.lastElementChild.textContent = shownAnswer(answer, this.review.expected(item), item.kind);
    const whole = this.pictures.of(item);
    if (!["ready", "broken"].includes(whole?.state)) return;
    whole.node ??= whole.problem ? document.createTextNode(whole.problem) : whole.element;
    if (this.frame.firstChild !== whole.node) this.frame.replaceChildren(whole.node);
  }

  // Every suggestion of the image waits for the same picture.
  pictureReady({ item: { image } }) {
    for (const item of this.review?.page ?? []) if (item.image === image) this.paintTile(item);
  }

  arrange() {
    const { review } = this;
    this.columns = 1;
    this.pictures.want([...review.page, ...review.ahead], this.data.sides[0]);
    for (const item of review.page) this.paintTile(item);
  }

  clicked(event) {
    const row = event.target.closest(".tile");
    if (!row) return;
    const item = this.itemOf(row);
    this.act.choose(item);
    this.act.answer(this.review.turned(item), false);
    this.focus();
  }
}
