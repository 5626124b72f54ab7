// Times what a reviewer waits for, inside the page: from the event of a key to the frame after the last picture is there.

(() => {
  let grid = null; // the review grid, inside the shadow of its component
  const events = new Map(); // "client seq" -> [client, seq] of every answer that the page took
  let pressed = 0; // when, in ms
  let started = () => {}; // what to do at the next key or click

  function find(root) {
    const found = root.querySelector(".review-grid");
    if (found) return found;
    for (const child of root.querySelectorAll("*")) {
      const inside = child.shadowRoot && find(child.shadowRoot);
      if (inside) return inside;
    }
    return null;
  }

  function tiles() {
    if (!grid?.isConnected) grid = find(document);
    return grid ? [...grid.querySelectorAll(".tile")] : [];
  }

  const first = () => tiles()[0]?.dataset.suggestion ?? null;
  const shows = (tile) => {
    const picture = tile.querySelector(".frame img");
    return Boolean(picture?.complete && picture.naturalWidth);
  };
  const logs = () => Object.keys(localStorage).filter((key) => key.startsWith("labelmend.log."));

  // Before the page's own listeners, which let no key through to later ones.
  for (const name of ["keydown", "pointerdown"]) {
    const run = (event) => {
      const next = started;
      started = () => {};
      next(event);
    };
    addEventListener(name, run, { capture: true });
  }

  window.stopwatch = {
    painted: null,
    committed: null,
    ready: () => tiles().length > 0 && tiles().every(shows),

    answered: () => tiles().length > 0 && tiles().every((tile) => tile.dataset.answer),

    // Time the next key or click until what it answers is committed.
    start() {
      this.committed = this.painted = null;
      pressed = 0;
      started = (event) => (pressed = event.timeStamp);
    },

    // The same, and until another page is painted.
    startPage() {
      this.start();
      const before = first();
      started = ({ timeStamp }) => {
        pressed = timeStamp;
        const look = () => {
          const now = first();
          if (now === null || now === before || !this.ready()) return requestAnimationFrame(look);
          // This frame is drawn after this callback; the next one begins when it is on the screen.
          return requestAnimationFrame(() => (this.painted = performance.now() - timeStamp));
        };
        requestAnimationFrame(look);
      };
    },

    unsaved: () => logs().reduce((sum, key) => sum + JSON.parse(localStorage.getItem(key)).log.length, 0),
    given() {
      for (const key of logs()) {
        const client = key.split(".").at(-1);
        for (const { seq } of JSON.parse(localStorage.getItem(key)).log) events.set(`${client} ${seq}`, [client, seq]);
      }
      return [...events.values()];
    },
  };

  const fetched = window.fetch;
  window.fetch = async (...request) => {
    if (!String(request[0]).includes("/api/decisions")) return fetched(...request);
    const { client, decisions } = JSON.parse(request[1].body);
    for (const { seq } of decisions) events.set(`${client} ${seq}`, [client, seq]);
    const response = await fetched(...request);
    if (response.ok) {
      await response.clone().json();
      if (pressed) window.stopwatch.committed = performance.now() - pressed;
    }
    return response;
  };
})();
