// One result in full: its numbers, where its errors are, how large they are, and the command that reproduces it.

function inFull(data, row, column, result) {
  const { explanation, limit, heat_map: map, histogram: counts, scores, reproduce } = result;
  const elements = [heading(result)];
  if (explanation) elements.push(make("p", { class: "sentence" }, explanation));
  if (limit !== null) elements.push(measures(result));
  if (map) elements.push(...heatMapSection(map, result, data.limit));
  if (counts.length) elements.push(...histogramSection(data, row, column, result));
  if (Object.keys(scores).length > 1) elements.push(quantities(result));
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

function measures(result) {
  const of = limit => (limit ? ` of ${limit}` : ", where no error is allowed");
  const value = each => (each === null || each === undefined ? "not finite" : precise(each));
  const worst = worstElement(result);
  const rows = [
    ["nearest to its limit", result.quantity],
    ["elementwise score", `${precise(size(result.score))}${of(result.limit)}`],
    ["index", result.worst_index.length ? `(${result.worst_index.join(", ")})` : "a scalar"],
    ["value", `${value(result.observed)}, expected ${value(result.expected)}`],
    ["norm-wise score", `${precise(size(result.norm_score))}${of(result.norm_limit)}`],
    ["largest absolute error", precise(size(result.max_abs_error))],
    ["largest elementwise score", `${worst.name}: ${precise(worst.score)}${of(result.limit)}`],
    ["numbers compared", amount(result.compared)],
    ["seed", String(result.seed)],
  ].filter(([name]) => name !== "largest elementwise score" || worst.name !== result.quantity);
  return make("dl", {}, ...rows.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
}

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
    scrollable(() => histogram(data.bins, series), "Sizes of the errors"),
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

function quantities(result) {
  const rows = Object.entries(result.scores).sort(([, [one]], [, [other]]) => size(other) - size(one));
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
