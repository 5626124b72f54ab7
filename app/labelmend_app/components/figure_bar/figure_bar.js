// Streamlit runs the default export again whenever Python sends data; handlers are properties, so none doubles.
const PER_EPOCH = 500; // ms, but a whole training in
const WHOLE = 12000;
const players = new WeakMap();

export default ({ parentElement, data, setStateValue }) => {
  const find = (selector) => parentElement.querySelector(selector);
  const plot = () => document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
  const play = find(".play"), range = find("input"), output = find("output");
  const last = data.frames.length - 1;

  const show = (place, ms) => {
    range.value = place;
    output.textContent = `epoch ${data.frames[place]} of ${data.frames[last]}`;
    return window.Plotly.animate(plot(), [String(data.frames[place])], {
      mode: "immediate",
      frame: { duration: ms, redraw: false },
      transition: { duration: ms },
    });
  };
  const rest = () => {
    clearTimeout(players.get(parentElement));
    players.delete(parentElement);
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play the epochs");
  };
  const report = () => setStateValue("epoch", data.frames[Number(range.value)]);

  rest();
  find(".player").hidden = last < 1;
  if (last >= 1) {
    range.max = last;
    range.value = data.frames.indexOf(data.frame);
    range.setAttribute("aria-label", "Epoch");
    output.textContent = `epoch ${data.frame} of ${data.frames[last]}`;
  }
  range.oninput = () => { rest(); show(Number(range.value), 0); };
  range.onchange = report;
  play.onclick = () => {
    if (players.has(parentElement)) { rest(); report(); return; }
    const every = Math.min(PER_EPOCH, WHOLE / data.frames.length);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let place = Number(range.value) === last ? 0 : Number(range.value);
    const next = async () => {
      const begun = performance.now();
      await show(place, still ? 0 : every / 2);
      if (!players.has(parentElement)) return;
      if (place === last) { rest(); report(); return; }
      place += 1;
      players.set(parentElement, setTimeout(next, every - (performance.now() - begun)));
    };
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    players.set(parentElement, setTimeout(next));
  };

  for (const button of parentElement.querySelectorAll(".picture")) {
    const format = button.dataset.format;
    button.title = `Download the chart as ${format.toUpperCase()}, as it is seen now`;
    button.onclick = () => {
      const chart = plot();
      window.Plotly.downloadImage(chart, {
        format,
        filename: data.file,
        width: chart.clientWidth,
        height: chart.clientHeight,
        scale: 2,
      });
    };
  }
};
