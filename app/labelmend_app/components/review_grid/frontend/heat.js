// Where the network sees the class: asked of the server one picture at a time, drawn over the picture.

const KEPT = 60; // pictures whose map is remembered
const RETRY = 3_000;
const BLIND = "Blind mode shows nothing of what the model sees.";
const LONGER_SIDE = 512; // of the drawing, which the browser scales

// value, red, green, blue, opacity: what is cold is dimmed, what is hot keeps its own colours under a glow
const COLOURS = [
  [0, 10, 10, 60, 0.66],
  [0.35, 70, 15, 110, 0.56],
  [0.6, 200, 50, 70, 0.44],
  [0.8, 255, 140, 30, 0.34],
  [1, 255, 230, 90, 0.2],
];

export class HeatMaps {
  // queue: {workspace, run, class_index}; onChange(): something is known that was not.
  constructor({ workspace, run, class_index, blind }, onChange) {
    Object.assign(this, { query: { run, class_index, workspace }, onChange });
    this.records = new Map(); // image and class -> {found} or {problem}
    this.wanted = [];
    this.unavailable = blind ? BLIND : ""; // a sentence, null where the run has heat maps, "" while nobody knows
    if (!blind) this.askWhether(run);
  }

  async askWhether(run) {
    try {
      const response = await fetch(`/api/heat-map?${new URLSearchParams({ run })}`);
      const answer = await response.json();
      this.unavailable = response.ok ? answer.unavailable : answer.error;
      this.onChange();
    } catch (error) {
      setTimeout(() => this.askWhether(run), RETRY); // the server is away
    }
  }

  // The record of a picture that was asked for, null while nothing is known of it.
  of(item) {
    return this.records.get(this.nameOf(item)) ?? null;
  }

  nameOf({ image, class_index = this.query.class_index }) {
    return `${image} ${class_index}`;
  }

  // Ask for the maps of these pictures, in this order; one of another picture that is on its way is given up.
  want(items) {
    this.wanted = items;
    if (!items.some((item) => this.nameOf(item) === this.asked)) this.asking?.abort();
    if (!this.running) this.run();
  }

  // Ask again for what went wrong.
  retry(item) {
    if (this.of(item)?.problem) this.records.delete(this.nameOf(item));
  }

  async run() {
    this.running = true;
    for (let item; (item = this.wanted.find((one) => !this.of(one))); ) await this.load(item);
    this.running = false;
  }

  async load(item) {
    const { image, class_index = this.query.class_index } = item;
    this.asking = new AbortController();
    this.asked = this.nameOf(item);
    const { signal } = this.asking;
    let record;
    try {
      const response = await fetch(`/api/heat-map/${image}?${new URLSearchParams({ ...this.query, class_index })}`, { signal });
      const answer = await response.json();
      record = response.ok ? { found: answer } : { problem: answer.error };
    } catch (error) {
      if (signal.aborted) return;
      record = { problem: "The server does not answer; press H twice to ask again." };
    }
    this.records.set(this.nameOf(item), record);
    if (this.records.size > KEPT) this.records.delete(this.records.keys().next().value);
    this.onChange();
  }
}

// Draw a map onto a canvas that has the shape of the picture, so that both are laid out alike.
export function draw(canvas, found, width, height) {
  const scale = LONGER_SIDE / Math.max(width, height);
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const small = new OffscreenCanvas(found.width, found.height);
  const grey = new ImageData(found.width, found.height);
  found.values.forEach((value, i) => grey.data.set([value, value, value, 255], 4 * i));
  small.getContext("2d").putImageData(grey, 0, 0);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  const [left, top, right, bottom] = found.seen;
  const at = [left * canvas.width, top * canvas.height, (right - left) * canvas.width, (bottom - top) * canvas.height];
  context.drawImage(small, ...at);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const table = Array.from({ length: 256 }, (_, value) => colour(value / 255));
  for (let i = 0; i < image.data.length; i += 4) image.data.set(table[image.data[i]], i);
  context.putImageData(image, 0, 0);
}

function colour(value) {
  const above = Math.max(1, COLOURS.findIndex(([at]) => at >= value));
  const [low, high] = [COLOURS[above - 1], COLOURS[above]];
  const share = (value - low[0]) / (high[0] - low[0]);
  const mixed = low.map((number, i) => number + share * (high[i] - number));
  return [mixed[1], mixed[2], mixed[3], 255 * mixed[4]];
}
