// Two drawings of one finding: where in the batch its errors are, and how many errors are how large.

const LIMIT = 64;

/** How deep a colour: 0 for no error, 1 at the limit and above. */
const depth = score =>
  score === 0 ? 0 : Math.min(1, Math.max(0.06, (Math.log10(Math.min(score, 1e6)) + 1) / (Math.log10(LIMIT) + 1)));

/** A score that fits into a square: 5e6 for five million. */
const brief = score =>
  score >= 1000 && Number.isFinite(score) ? score.toExponential(0).replace("e+", "e") : number(score);

function padded(heat, row, column) {
  const from = column * heat.together,
    to = Math.min(heat.steps, from + heat.together),
    length = heat.lengths[row];
  return heat.left ? to <= heat.steps - length : from >= length;
}

/** Batch downwards, time to the right; padding hatched; a number in every cell where there is room. */
function heatMap(heat, finding) {
  const columns = heat.rows.length ? heat.rows[0].length : 0;
  if (!columns) return null;
  const wide = columns <= 12 ? 46 : columns <= 24 ? 30 : 18,
    high = 26,
    left = 96,
    top = 24;
  const width = left + columns * wide + 2,
    height = top + heat.rows.length * high + 20;
  const told = `Errors of ${heat.quantity} over the batch, in noise floors; padding is hatched.`;
  const drawing = make("svg", {
    viewBox: `0 0 ${width} ${height}`,
    class: "heat",
    role: "img",
    "aria-label": told,
    style: `max-width:${Math.max(width, 220)}px`,
  });
  drawing.append(
    make(
      "defs",
      {},
      make(
        "pattern",
        { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        make("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" }),
      ),
    ),
  );
  const at = finding.quantity === heat.quantity ? finding.worst_index : [];
  heat.rows.forEach((scores, row) => {
    drawing.append(
      make("text", { x: left - 8, y: top + row * high + 17, class: "axis end" }, `${row} · ${heat.lengths[row]}`),
    );
    scores.forEach((value, column) => {
      const score = size(value),
        x = left + column * wide,
        y = top + row * high,
        pad = padded(heat, row, column);
      const step =
        heat.together > 1
          ? `steps ${column * heat.together} to ${Math.min(heat.steps, (column + 1) * heat.together) - 1}`
          : `step ${column}`;
      const worst = at.length > 1 && at[0] === row && Math.floor(at[1] / heat.together) === column;
      drawing.append(
        make(
          "g",
          {},
          make("title", {}, `row ${row}, ${step}${pad ? ", padding" : ""}: ${number(score)} noise floors`),
          make("rect", {
            x,
            y,
            width: wide - 2,
            height: high - 2,
            rx: 2,
            class: score > LIMIT ? "over" : "error",
            style: `--depth:${depth(score).toFixed(2)}`,
          }),
          pad ? make("rect", { x, y, width: wide - 2, height: high - 2, rx: 2, fill: "url(#hatch)" }) : "",
          worst ? make("rect", { x: x + 1, y: y + 1, width: wide - 4, height: high - 4, rx: 2, class: "worst" }) : "",
          wide >= 30 && (score || !pad)
            ? make(
                "text",
                { x: x + wide / 2 - 1, y: y + 16, class: depth(score) > 0.6 ? "value deep" : "value" },
                brief(score),
              )
            : "",
        ),
      );
    });
  });
  const every = Math.ceil(columns / 12);
  for (let column = 0; column < columns; column += every)
    drawing.append(
      make(
        "text",
        { x: left + column * wide + wide / 2 - 1, y: top - 8, class: "axis middle" },
        String(column * heat.together),
      ),
    );
  drawing.append(make("text", { x: left - 8, y: top - 8, class: "axis end" }, "row · length"));
  return drawing;
}

/** For each bin of scores, what share of all numbers falls into it: this variant, and the other framework's. */
function histogram(names, series) {
  const last = Math.max(4, ...series.map(({ spread }) => spread.findLastIndex(count => count > 0)));
  const bins = names.slice(0, last + 1);
  const left = 8,
    wide = 62,
    bottom = 34,
    high = 120,
    top = 18,
    width = left + bins.length * wide + 8,
    height = top + high + bottom;
  const shares = series.map(({ spread }) => {
    const all = spread.reduce((sum, one) => sum + one, 0) || 1;
    return spread.map(one => one / all);
  });
  const most = Math.max(...shares.flat(), 1e-9);
  const told = `How large the errors are, in noise floors: ${series.map(({ name }) => name).join(" and ")}.`;
  const drawing = make("svg", { viewBox: `0 0 ${width} ${height}`, class: "spread", role: "img", "aria-label": told });
  const bar = (wide - 10) / series.length;
  bins.forEach((name, bin) => {
    const x = left + bin * wide;
    drawing.append(make("text", { x: x + wide / 2 - 3, y: top + high + 16, class: "axis middle" }, name));
    series.forEach(({ name: who, spread }, place) => {
      if (!spread[bin]) return;
      const tall = Math.max(1.5, (high * shares[place][bin]) / most),
        at = x + 2 + place * bar,
        y = top + high - tall;
      drawing.append(
        make(
          "g",
          {},
          make("title", {}, `${who}: ${spread[bin]} of ${spread.reduce((sum, one) => sum + one, 0)} errors`),
          make("rect", { x: at, y, width: bar - 2, height: tall, rx: 1.5, class: `series-${place}` }),
          make("text", { x: at + bar / 2 - 1, y: y - 4, class: "count" }, String(spread[bin])),
        ),
      );
    });
  });
  drawing.append(make("line", { x1: left, x2: width - 8, y1: top + high + 0.5, y2: top + high + 0.5, class: "base" }));
  drawing.append(make("text", { x: left + 2, y: height - 3, class: "axis" }, "error, in noise floors"));
  return drawing;
}
