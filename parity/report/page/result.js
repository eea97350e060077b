// One result in full: its numbers, where its errors are, how large they are, and the command that reproduces it.

function inFull(data, row, column, result) {
  const { explanation, limit, heat_map: map, histogram: counts } = result;
  const reproduce = commandOf(data.rows[row], data.contracts[column], result);
  const elements = [heading(result)];
  if (explanation) elements.push(make("p", { class: "sentence" }, explanation));
  if (limit !== null) elements.push(measures(data, row, column, result));
  if (map) elements.push(...heatMapSection(map, result, data.limit));
  if (counts.length) elements.push(...histogramSection(data, row, column, result));
  if (result.quantities.length > 1) elements.push(quantities(result));
  if (reproduce) elements.push(make("h4", {}, "Reproduce"), command(reproduce));
  return elements;
}

function heading(result) {
  const run = [result.case, result.mode, result.dtype].filter(Boolean).join(" · ");
  const mark = make("span", { class: "mark" }, SYMBOLS[result.status]);
  return make("h3", { class: result.status, tabindex: -1 }, mark, ` ${run || result.status}`);
}

function heatMapSection(map, result, limit) {
  const same = map.quantity === result.quantity;
  const framed = same ? "; the worst element is framed" : "";
  const other = `The numbers above are of ${result.quantity}. Plotted is ${map.quantity}, which has the largest error of all quantities with sequences and steps.`;
  return [
    make("h4", {}, `Where in the batch: ${map.quantity}`),
    same ? "" : make("p", { class: "legend" }, other),
    scrollable(() => heatMap(map, result, limit), "Where in the batch"),
    make("p", { class: "legend" }, `The worst score of each step, in noise floors. Padding is hatched${framed}.`),
  ];
}

/** A plot in its own size: where it is wider than the window, its box scrolls. A sentence, if it cannot be drawn. */
function scrollable(draw, name) {
  try {
    const plot = draw();
    return plot ? make("div", { class: "plot-box", tabindex: 0, role: "region", "aria-label": name }, plot) : "";
  } catch (error) {
    return make("p", { class: "nothing" }, `This plot could not be drawn: ${error.message}`);
  }
}

/** The numbers of a result: the relative error and both values first. */
function measures(data, row, column, result) {
  const of = limit => (limit ? ` of ${limit}` : ", where no error is allowed");
  const worst = worstElement(result);
  const scored = !(result.status === "failed" && isWithinLimits(result)); // what failed is no score then
  const lengths = lengthsOf(data.cells[row], result);
  const rows = [
    ["relative error", relativeError(result)],
    ...values(data.rows[row], data.contracts[column], result),
    ["quantity", result.quantity],
    ["index", result.worst_index.length ? `(${result.worst_index.join(", ")})` : "a scalar"],
    ["lengths of the batch", lengths && several(lengths, 16)],
    ["elementwise score", scored && `${precise(size(result.score))}${of(result.limit)} noise floors`.replace(/(allowed) noise floors$/, "$1")],
    ["norm-wise score", scored && `${precise(size(result.norm_score))}${of(result.norm_limit)}`],
    ["largest absolute error", precise(size(result.max_abs_error))],
    ["largest elementwise score", worst.name !== result.quantity && `${worst.name}: ${precise(worst.score)}${of(result.limit)}`],
    ["numbers compared", amount(result.compared)],
    ["seed", String(result.seed)],
  ].filter(([, text]) => text);
  return make("dl", {}, ...rows.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
}

/** Both values, each with the name of where it is from. */
function values({ framework, subject }, { name, against }, { values: [observed, expected] }) {
  const text = each => (each === null || each === undefined ? "not finite" : precise(each));
  const other = { pytorch: "tensorflow", tensorflow: "pytorch" }[framework];
  const from = name === "frameworks_agree" && other ? other : against;
  return [[`value of ${subject}`, text(observed)], [`value of ${from}`.replace("value of what", "what"), text(expected)]];
}

/** The error at the worst element as a share of the value that is expected there. */
function relativeError({ values: [observed, expected] }) {
  if (!Number.isFinite(observed) || !Number.isFinite(expected)) return "";
  if (expected === 0) return observed === 0 ? "0" : "∞: the expected value is 0";
  return String(Number((Math.abs(observed - expected) / Math.abs(expected)).toPrecision(3)));
}

const isWithinLimits = ({ score, limit, norm_score: norm, norm_limit: normLimit }) =>
  size(score) <= limit && size(norm) <= normLimit;

/** The lengths of a batch, from the heat map of any result of the same case. */
function lengthsOf(cells, { case: name, seed, heat_map: own }) {
  const same = each => each.case === name && each.seed === seed && each.heat_map;
  const map = own || cells.flat().find(same)?.heat_map;
  return map && map.lengths;
}

const several = (values, most) => values.slice(0, most).join(", ") + (values.length > most ? ` and ${values.length - most} more` : "");

/** This variant's errors beside those of the other framework's first variant on the same case. */
function histogramSection(data, row, column, result) {
  const variant = data.rows[row];
  const own = { name: variant.subject, framework: variant.framework, counts: result.histogram };
  const series = [own, ...opposite(data, variant, column, result)];
  const key = ({ name, framework }) =>
    make("span", {}, make("span", { class: `key ${colourOf(framework)}`, "aria-hidden": "true" }), name);
  return [
    make("h4", {}, "Sizes of the errors"),
    make("p", { class: "legend symbols" }, ...series.map(key)),
    scrollable(() => histogram(data.bins, series, roomForPlots()), "Sizes of the errors"),
  ];
}

/** The same run by another framework: of its first variant that has one, in the same mode if possible. */
function opposite(data, variant, column, result) {
  const same = other => ["case", "dtype", "seed"].every(name => other[name] === result[name]);
  for (const [index, other] of data.rows.entries()) {
    if (other.operation !== variant.operation || other.framework === variant.framework) continue;
    const results = data.cells[index][column].filter(each => same(each) && each.histogram.length);
    const best = results.find(each => each.mode === result.mode) || results[0];
    if (best) return [{ name: other.subject, framework: other.framework, counts: best.histogram }];
  }
  return [];
}

/** The width of the column of a dialog that shows one result, in pixels. */
function roomForPlots() {
  const dialog = Math.min(84 * 16, innerWidth - 32);
  const column = innerWidth > 56 * 16 ? (dialog * 1.25) / 2.25 : dialog;
  return column - 44;
}

function quantities(result) {
  const rows = result.quantities.map((name, index) => [name, result.scores[index]]);
  rows.sort(([, [one]], [, [other]]) => size(other) - size(one));
  const line = ([name, scores]) =>
    make("tr", {}, make("th", { scope: "row" }, name), ...scores.map(score => make("td", {}, precise(size(score)))));
  const all = table({}, ["quantity", "element", "norm"], rows.map(line));
  return make("details", {}, make("summary", {}, `All ${rows.length} quantities`), all);
}

function command(text) {
  const options = text
    .split(/ (?=--)/)
    .flatMap((option, index) => (index ? [" ", make("span", {}, option)] : [option]));
  const box = make("div", { class: "command" }, make("pre", {}, ...options));
  addCopyButton(box);
  return box;
}

function addCopyButton(box) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText($("pre", box).textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren($("pre", box));
      button.textContent = "Selected";
    }
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1500);
  };
  const button = make("button", { type: "button", onclick: copy }, "Copy");
  box.append(button);
}
