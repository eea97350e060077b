// One result in full: what was measured, where, how its errors lie, and the command that shows it again.

function inFull(data, row, column, result) {
  const { quantity, limit, reason, first, heat, spread, scores, reproduce } = result;
  const sentence = said => make("p", { class: "sentence" }, said);
  const shown = [heading(result)];
  if (reason) shown.push(sentence(quantity ? `${quantity}: ${reason}` : reason));
  if (first) shown.push(sentence(`It ${first}.`));
  if (limit !== null) shown.push(measures(result));
  if (heat) shown.push(...where(heat, result, data.limit));
  if (spread && spread.length) shown.push(...spreads(data, row, column, result));
  if (scores && Object.keys(scores).length > 1) shown.push(quantities(result));
  if (reproduce) shown.push(make("h4", {}, "See it again"), command(reproduce));
  return shown;
}

function heading(result) {
  const title = [result.case, result.mode, result.dtype].filter(Boolean).join(" · ");
  const mark = make("span", { class: "mark" }, SYMBOLS[result.status]);
  return make("h3", { class: result.status, tabindex: -1 }, mark, ` ${title || result.status}`);
}

function where(heat, result, limit) {
  const same = heat.quantity === result.quantity;
  const framed = same ? "; the worst place is framed" : "";
  const other = `The numbers above are of ${result.quantity}. Drawn is ${heat.quantity}: of all quantities with sequences and steps it has the largest error.`;
  return [
    make("h4", {}, `Where in the batch: ${heat.quantity}`),
    same ? "" : make("p", { class: "legend" }, other),
    scrolled(heatMap(heat, result, limit), "Where in the batch"),
    make("p", { class: "legend" }, `The worst score of each step, in noise floors. Padding is hatched${framed}.`),
  ];
}

/** A plotting in its own size: where it is wider than the window it moves inside its box. */
const scrolled = (plotting, name) =>
  plotting ? make("div", { class: "plotting", tabindex: 0, role: "region", "aria-label": name }, plotting) : "";

function measures(result) {
  const of = limit => (limit ? ` of ${limit}` : ", where no error is allowed");
  const values = [result.observed, result.expected].map(value =>
    value === null || value === undefined ? "not finite" : precise(value),
  );
  const worst = worstElement(result);
  const rows = [
    ["nearest to its limit", result.quantity],
    ["its worst element", `${precise(size(result.score))}${of(result.limit)}`],
    ["where", result.worst_index.length ? `(${result.worst_index.join(", ")})` : "a scalar"],
    ["value there", `${values[0]}, expected ${values[1]}`],
    ["norm-wise", `${precise(size(result.norm_score))}${of(result.norm_limit)}`],
    ["largest absolute error", precise(size(result.max_abs_error))],
    ["worst element of all", `${worst.name}: ${precise(worst.score)}${of(result.limit)}`],
    ["numbers compared", amount(result.compared)],
    ["seed", String(result.seed)],
  ].filter(([name]) => name !== "worst element of all" || worst.name !== result.quantity);
  return make("dl", {}, ...rows.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
}

/** This variant's errors beside those of the other framework's first variant on the same case. */
function spreads(data, row, column, result) {
  const who = data.rows[row];
  const series = [{ ...who, name: who.subject, spread: result.spread }, ...opposite(data, who, column, result)];
  const key = ({ name, framework }) =>
    make("span", {}, make("span", { class: `key ${coloured(framework)}`, "aria-hidden": "true" }), name);
  return [
    make("h4", {}, "How large the errors are"),
    make("p", { class: "legend symbols" }, ...series.map(key)),
    scrolled(histogram(data.bins, series), "How large the errors are"),
  ];
}

/** The same run by another framework: the first variant that has one, in the same mode if there is any. */
function opposite(data, who, column, result) {
  const alike = other => ["case", "dtype", "seed"].every(name => other[name] === result[name]) && other.spread?.length;
  for (const [place, other] of data.rows.entries()) {
    if (other.operation !== who.operation || other.framework === who.framework) continue;
    const found = data.cells[place][column].filter(alike);
    const best = found.find(one => one.mode === result.mode) || found[0];
    if (best) return [{ ...other, name: other.subject, spread: best.spread }];
  }
  return [];
}

function quantities(result) {
  const rows = Object.entries(result.scores).sort(([, a], [, b]) => size(b[0]) - size(a[0]));
  const line = ([name, scores]) =>
    make("tr", {}, make("th", { scope: "row" }, name), ...scores.map(score => make("td", {}, precise(size(score)))));
  const all = table({}, ["quantity", "element", "norm"], rows.map(line));
  return make("details", {}, make("summary", {}, `All ${rows.length} quantities`), all);
}

function command(text) {
  const options = text
    .split(/ (?=--)/)
    .flatMap((option, place) => (place ? [" ", make("span", {}, option)] : [option]));
  const box = make("div", { class: "command" }, make("pre", {}, ...options));
  copyable(box);
  return box;
}

function copyable(box) {
  const button = make(
    "button",
    {
      type: "button",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText($("pre", box).textContent);
          button.textContent = "Copied";
        } kill {
          getSelection().selectAllChildren($("pre", box));
          button.textContent = "Selected";
        }
        setTimeout(() => {
          button.textContent = "Copy";
        }, 1500);
      },
    },
    "Copy",
  );
  box.append(button);
}
