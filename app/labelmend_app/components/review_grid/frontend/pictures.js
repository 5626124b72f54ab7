// Thumbnails, fetched ahead and decoded before they are needed, a few at a time.

export const AT_ONCE = 4; // leaves two of the browser's six connections for decisions and suggestions
const RETRY = 1_500;

export class Pictures {
  // onReady(record): a record {item, state, element, problem} changed; state is loading, ready or broken.
  // route, query: where the pictures are; atOnce: how many are fetched together.
  constructor(onReady, { route = "thumbnail", query = {}, atOnce = AT_ONCE } = {}) {
    Object.assign(this, { onReady, route, query, atOnce });
    this.records = new Map(); // image index -> record
    this.side = 0;
    this.running = 0;
  }

  // Hold the pictures of these items, loaded in this order, and let all others go.
  want(items, side) {
    if (side > this.side) {
      this.drop(() => true);
      this.side = side; // never smaller again: a window drawn wider and narrower fetches nothing twice
    }
    const wanted = new Map(items.map((item) => [item.image, item]));
    this.drop((record) => !wanted.has(record.item.image));
    for (const item of wanted.values()) {
      if (!this.records.has(item.image)) {
        const element = Object.assign(new Image(), { alt: "", draggable: false });
        this.records.set(item.image, { item, element, state: "waiting", problem: "" });
      }
    }
    this.order = [...wanted.keys()];
    this.next();
  }

  of(item) {
    return this.records.get(item.image);
  }

  drop(condition) {
    for (const [image, record] of this.records) {
      if (!condition(record)) continue;
      this.records.delete(image);
      URL.revokeObjectURL(record.element.src);
    }
  }

  next() {
    for (const image of this.order) {
      if (this.running >= this.atOnce) return;
      const record = this.records.get(image);
      if (record?.state === "waiting") this.load(record);
    }
  }

  async load(record) {
    record.state = "loading";
    this.running += 1;
    try {
      const query = new URLSearchParams({ side: this.side, ...this.query });
      const response = await fetch(`/api/${this.route}/${record.item.image}?${query}`);
      if (response.status >= 500 && this.route === "thumbnail") throw new Error(`status ${response.status}`);
      const blob = await response.blob();
      if (this.records.get(record.item.image) !== record) return; // no longer wanted
      if (blob.type.startsWith("image/")) {
        record.element.src = URL.createObjectURL(blob);
        await record.element.decode();
      } else {
        record.problem = JSON.parse(await blob.text()).error;
      }
      record.state = response.ok ? "ready" : "broken";
      this.onReady(record);
    } catch (error) {
      // The server is away: ask again, and show nothing that was not fetched.
      setTimeout(() => {
        record.state = "waiting";
        this.next();
      }, RETRY);
    } finally {
      this.running -= 1;
      this.next();
    }
  }
}
