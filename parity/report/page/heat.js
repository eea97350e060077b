// Where in the batch a result's errors are: sequences downwards, time to the right, padding hatched.

const HIGH = 26;
const LEFT = 96;
const TOP = 24;

/** `limit`: of an element, in noise floors; from there on, colours do not get deeper. */
function heatMap(heat, result, limit) {
  const columns = heat.rows.length ? heat.rows[0].length : 0;
  if (!columns) return null;
  const wide = columns <= 12 ? 46 : columns <= 24 ? 30 : 18;
  const worst = result.quantity === heat.quantity ? result.worst_index : [];
  const [width, height] = [LEFT + columns * wide + 2, TOP + heat.rows.length * HIGH + 20];
  const plotting = make("svg", {
    viewBox: `0 0 ${width} ${height}`,
    class: "heat",
    role: "img",
    "aria-label": `Errors of ${heat.quantity} over the batch, in noise floors; padding is hatched.`,
    style: `width:${width}px`,
  });
  plotting.append(hatch(), ...axes(heat, columns, wide));
  heat.rows.forEach((scores, row) =>
    scores.forEach((score, column) => plotting.append(square(heat, row, column, size(score), wide, worst, limit))),
  );
  return plotting;
}

function hatch() {
  const line = make("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" });
  const how = { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return make("defs", {}, make("pattern", how, line));
}

/** Row and length of each sequence, and the first step of so many columns as can be read. */
function axes(heat, columns, wide) {
  const text = (x, y, side, said) => make("text", { x, y, class: `axis ${side}` }, said);
  const every = Math.ceil(columns / 12);
  const steps = [...Array(columns).keys()].filter(column => column % every === 0);
  return [
    text(LEFT - 8, TOP - 8, "end", "row · length"),
    ...heat.lengths.map((length, row) => text(LEFT - 8, TOP + row * HIGH + 17, "end", `${row} · ${length}`)),
    ...steps.map(column => text(LEFT + (column + 0.5) * wide - 1, TOP - 8, "middle", `${column * heat.together}`)),
  ];
}

/** The worst error of one sequence in the steps of one column. */
function square(heat, row, column, score, wide, worst, limit) {
  const [x, y] = [LEFT + column * wide, TOP + row * HIGH];
  const [from, to] = [column * heat.together, Math.min(heat.steps, (column + 1) * heat.together)];
  const length = heat.lengths[row];
  const pad = heat.left ? to <= heat.steps - length : from >= length;
  const steps = to - from > 1 ? `steps ${from} to ${to - 1}` : `step ${from}`;
  const box = (inset, how) =>
    make("rect", {
      x: x + inset,
      y: y + inset,
      width: wide - 2 - 2 * inset,
      height: HIGH - 2 - 2 * inset,
      rx: 2,
      ...how,
    });
  const shade = depth(score, limit);
  const shown = { class: score > limit ? "over" : "error", style: `--depth:${shade.toFixed(2)}` };
  const numbered = wide >= 30 && (score || !pad);
  return make(
    "g",
    shown,
    make("title", {}, `row ${row}, ${steps}${pad ? ", padding" : ""}: ${number(score)} noise floors`),
    box(0, { class: "square" }),
    pad ? box(0, { fill: "url(#hatch)" }) : "",
    worst.length > 1 && worst[0] === row && from <= worst[1] && worst[1] < to ? box(1, { class: "worst" }) : "",
    numbered
      ? make("text", { x: x + wide / 2 - 1, y: y + 16, class: pad ? "value haloed" : "value" }, brief(score))
      : "",
  );
}

/** How deep a colour: 0 for no error, 1 at the limit and above. */
function depth(score, limit) {
  if (score === 0) return 0;
  return Math.min(1, Math.max(0.06, (Math.log10(Math.min(score, limit)) + 1) / (Math.log10(limit) + 1)));
}

/** A score that fits into a square: 5e6 for five million. */
const brief = score =>
  score >= 1000 && Number.isFinite(score) ? score.toExponential(0).replace("e+", "e") : number(score);
