// A heat map of a result's errors in the batch: sequences downwards, time to the right, padding hatched.

const ROW_HEIGHT = 26;
const LEFT = 96;
const TOP = 24;

/** `limit`: of an element, in noise floors; from there on, colours do not get deeper. */
function heatMap(map, result, limit) {
  const columns = map.rows.length ? map.rows[0].length : 0;
  if (!columns) return null;
  const columnWidth = columns <= 12 ? 46 : columns <= 24 ? 30 : 18;
  const worst = result.quantity === map.quantity ? result.worst_index : [];
  const [width, height] = [LEFT + columns * columnWidth + 2, TOP + map.rows.length * ROW_HEIGHT + 20];
  const plot = make("svg", {
    viewBox: `0 0 ${width} ${height}`,
    class: "heat-map",
    role: "img",
    "aria-label": `Errors of ${map.quantity} over the batch, in noise floors; padding is hatched.`,
    style: `width:${width}px`,
  });
  plot.append(hatch(), ...axes(map, columns, columnWidth));
  // scores are in hundredths of a noise floor
  map.rows.forEach((scores, row) =>
    scores.forEach((score, column) => plot.append(square(map, row, column, size(score) / 100, columnWidth, worst, limit))),
  );
  return plot;
}

function hatch() {
  const line = make("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" });
  const tile = { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return make("defs", {}, make("pattern", tile, line));
}

/** The row and length of each sequence, and the first step of as many columns as are legible. */
function axes(map, columns, columnWidth) {
  const text = (x, y, anchor, label) => make("text", { x, y, class: `axis ${anchor}` }, label);
  const every = Math.ceil(columns / 12);
  const labelled = [...Array(columns).keys()].filter(column => column % every === 0);
  return [
    text(LEFT - 8, TOP - 8, "end", "row · length"),
    ...map.lengths.map((length, row) => text(LEFT - 8, TOP + row * ROW_HEIGHT + 17, "end", `${row} · ${length}`)),
    ...labelled.map(column =>
      text(LEFT + (column + 0.5) * columnWidth - 1, TOP - 8, "middle", `${column * map.steps_per_column}`),
    ),
  ];
}

/** The worst error of one sequence in the steps of one column. */
function square(map, row, column, score, columnWidth, worst, limit) {
  const [x, y] = [LEFT + column * columnWidth, TOP + row * ROW_HEIGHT];
  const from = column * map.steps_per_column;
  const to = Math.min(map.steps, from + map.steps_per_column);
  const length = map.lengths[row];
  const padding = map.left ? to <= map.steps - length : from >= length;
  const steps = to - from > 1 ? `steps ${from} to ${to - 1}` : `step ${from}`;
  const isWorst = worst.length > 1 && worst[0] === row && from <= worst[1] && worst[1] < to;
  const box = (inset, attributes) =>
    make("rect", {
      x: x + inset,
      y: y + inset,
      width: columnWidth - 2 - 2 * inset,
      height: ROW_HEIGHT - 2 - 2 * inset,
      rx: 2,
      ...attributes,
    });
  const text = { x: x + columnWidth / 2 - 1, y: y + 16, class: padding ? "value haloed" : "value" };
  const numbered = columnWidth >= 30 && (score || !padding);
  return make(
    "g",
    { class: score > limit ? "over" : "error", style: `--depth:${depth(score, limit).toFixed(2)}` },
    make("title", {}, `row ${row}, ${steps}${padding ? ", padding" : ""}: ${number(score)} noise floors`),
    box(0, { class: "square" }),
    padding ? box(0, { fill: "url(#hatch)" }) : "",
    isWorst ? box(1, { class: "worst" }) : "",
    numbered ? make("text", text, brief(score)) : "",
  );
}

/** The depth of a colour: 0 for no error, 1 at the limit and above. */
function depth(score, limit) {
  if (score === 0) return 0;
  return Math.min(1, Math.max(0.06, (Math.log10(Math.min(score, limit)) + 1) / (Math.log10(limit) + 1)));
}

/** A score that fits into a square: 5e6 for five million. */
const brief = score =>
  score >= 1000 && Number.isFinite(score) ? score.toExponential(0).replace("e+", "e") : number(score);
