// Why a cell is suggested, beside the large picture: its other labels, p by epoch, the scores, the look-alikes.

import { drawing, element, given } from "./elements.js";
import { certainty, curveSentence, facts, labelledSentence, percent, scoreName, signed, weight } from "./wording.js";

const KEPT = 200; // suggestions whose evidence is remembered
const THUMBNAIL = 160;
const CURVE = { width: 280, height: 84, left: 22, right: 6, top: 6, bottom: 18 };
const FULL_BAR = 3; // log-odds

export class Evidence {
  // queue: {run, class_index, kind, blind}; onChange(): something is known that was not.
  constructor({ run, class_index, kind, blind }, onChange) {
    Object.assign(this, { query: { run, class_index, kind, ...(blind && { blind: 1 }) }, onChange });
    this.records = new Map(); // suggestion_id -> {found} or {problem}
    this.wanted = [];
  }

  of(item) {
    return this.records.get(item.suggestion_id) ?? null;
  }

  // Ask about these, in this order, one after another.
  want(items) {
    this.wanted = items;
    if (!this.running) this.run();
  }

  async run() {
    this.running = true;
    for (let item; (item = this.wanted.find((one) => !this.of(one))); ) await this.load(item);
    this.running = false;
  }

  async load({ suggestion_id, image, class_index = this.query.class_index, kind = this.query.kind }) {
    let record;
    try {
      const query = new URLSearchParams({ ...this.query, class_index, kind, image });
      const response = await fetch(`/api/why/${suggestion_id}?${query}`);
      const answer = await response.json();
      record = response.ok ? { found: answer } : { problem: answer.error };
    } catch (error) {
      record = { problem: "The server does not answer." };
    }
    this.records.set(suggestion_id, record);
    if (this.records.size > KEPT) this.records.delete(this.records.keys().next().value);
    this.onChange();
  }

  // Ask again the next time what went wrong.
  retry(item) {
    if (this.of(item)?.problem) this.records.delete(item.suggestion_id);
  }
}

export class EvidencePanel {
  constructor(workspace) {
    this.workspace = workspace;
    this.node = element("aside", { className: "why", "aria-label": "Why it is suggested" });
  }

  // record: what the server said, null while it has not; name: of the class.
  paint(item, kind, name, record) {
    if (this.item === item && this.record === record) return;
    Object.assign(this, { item, record });
    const found = record?.found;
    const parts = [this.numbers(item, kind), this.scores(item), found ? this.curve(found, name) : null];
    const asked = found ? [this.labels(found), ...this.lookAlikes(found, name)] : [this.waiting(record)];
    this.node.replaceChildren(...[...parts, ...asked].filter(Boolean));
  }

  waiting(record) {
    return element("p", { className: "note" }, record ? record.problem : "Looking for its labels and look-alikes …");
  }

  // Nothing where the server says no number.
  numbers(item, kind) {
    if ((item.error_probability ?? null) === null) return null; // blind, or selected by hand
    const low = item.low === null ? "" : ` (90 %: ${percent(item.low)} to ${percent(item.high)})`;
    const more = facts(item) ? [element("p", { className: "note" }, facts(item))] : [];
    return section("How likely", element("p", {}, `${certainty(item, kind)}${low}`), ...more);
  }

  scores({ reason }) {
    const scores = Object.entries(reason?.scores ?? {}).sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
    if (!scores.length) return null;
    const rows = scores.map(([name, value]) => {
      const share = Math.min(1, Math.abs(value) / FULL_BAR);
      const bar = element("span", { className: `bar ${value < 0 ? "against" : "for"}`, "aria-hidden": "true" });
      bar.style.setProperty("--share", share);
      const said = element("span", { className: "said" }, weight(value));
      return element("li", { title: `${signed(value)} log-odds` }, element("span", { className: "name" }, scoreName(name, reason.p_source)), bar, said);
    });
    return section("What speaks for an error", element("ul", { className: "scores" }, ...rows));
  }

  curve({ p_by_epoch: p }, name) {
    if (!p?.length) return null;
    const sentence = curveSentence(p);
    const title = element("h4", {}, "p of ", given(name), " by epoch of the training");
    return element("section", {}, title, drawCurve(p, sentence), element("p", { className: "note", "aria-hidden": "true" }, sentence));
  }

  labels({ labels }) {
    const shown = labels.map(({ name, state }) => element("li", { className: state }, given(name), labelledSentence(state)));
    const list = shown.length ? element("ul", { className: "labels" }, ...shown) : element("p", {}, "No other label.");
    return section("Its other labels", list);
  }

  lookAlikes({ look_alikes: sides }, name) {
    if (!sides) return [section("Most similar images", element("p", { className: "note" }, "This run kept no features to compare images by."))];
    const row = (title, images, none) => {
      const pictures = images.map(({ image, image_id }) => {
        const src = `/api/thumbnail/${image}?side=${THUMBNAIL}&workspace=${this.workspace}`;
        return element("img", { src, alt: image_id, title: image_id, loading: "lazy" });
      });
      const shown = pictures.length ? element("div", { className: "alike" }, ...pictures) : element("p", { className: "note" }, none);
      return element("section", {}, element("h4", {}, ...title, given(name)), shown);
    };
    return [
      row(["Most similar, labelled "], sides.labelled, "No other image is."),
      row(["Most similar, not labelled "], sides.others, "Every image is."),
    ];
  }
}

const section = (title, ...content) => element("section", {}, element("h4", {}, title), ...content);

// A line from the first epoch to the last between p = 0 and p = 1; the sentence is for who cannot see it.
function drawCurve(p, sentence) {
  const { width, height, left, right, top, bottom } = CURVE;
  const x = (i) => left + (p.length > 1 ? (i / (p.length - 1)) * (width - left - right) : (width - left - right) / 2);
  const y = (value) => top + (1 - value) * (height - top - bottom);
  const line = p.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const rule = (value) => drawing("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "rule" });
  const text = (at, y_, anchor, said) => drawing("text", { x: at, y: y_, "text-anchor": anchor }, said);
  const axes = [
    text(left - 4, y(1) + 4, "end", "1"),
    text(left - 4, y(0) + 4, "end", "0"),
    text(left, height - 3, "start", "epoch 1"),
    text(width - right, height - 3, "end", String(p.length)),
  ];
  const last = drawing("circle", { cx: x(p.length - 1), cy: y(p[p.length - 1]), r: 3 });
  const parts = [drawing("title", {}, sentence), rule(0), rule(0.5), rule(1), ...axes, drawing("polyline", { points: line }), last];
  return drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "curve", "aria-label": sentence }, ...parts);
}
