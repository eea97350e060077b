// One finding in full: what was measured, where, how its errors lie, and the command that shows it again.

function inFull(data, row, column, finding) {
  const { quantity, limit, reason, first, heat, spread, scores, reproduce } = finding;
  const sentence = said => make("p", { class: "sentence" }, said);
  const shown = [heading(finding)];
  if (reason) shown.push(sentence(quantity ? `${quantity}: ${reason}` : reason));
  if (first) shown.push(sentence(`It ${first}.`));
  if (limit !== null) shown.push(measures(finding));
  if (heat) shown.push(...where(heat, finding, data.limit));
  if (spread && spread.length) shown.push(...spreads(data, row, column, finding));
  if (scores && Object.keys(scores).length > 1) shown.push(quantities(finding));
  if (reproduce) shown.push(make("h4", {}, "See it again"), command(reproduce));
  return shown;
}

function heading(finding) {
  const title = [finding.case, finding.mode, finding.dtype].filter(Boolean).join(" · ");
  const mark = make("span", { class: "mark" }, SYMBOLS[finding.status]);
  return make("h3", { class: finding.status }, mark, ` ${title || finding.status}`);
}

function where(heat, finding, limit) {
  const framed = heat.quantity === finding.quantity ? "; the worst place is framed" : "";
  const legend = `The worst score of each step, in noise floors. Padding is hatched${framed}.`;
  return [
    make("h4", {}, `Where in the batch: ${heat.quantity}`),
    heatMap(heat, finding, limit) || "",
    make("p", { class: "legend" }, legend),
  ];
}

function measures(finding) {
  const of = limit => (limit ? ` of ${limit}` : ", where no error is allowed");
  const values = [finding.observed, finding.expected].map(value =>
    value === null || value === undefined ? "not finite" : precise(value),
  );
  const rows = [
    ["worst element", `${finding.quantity}: ${precise(size(finding.score))}${of(finding.limit)}`],
    ["norm-wise", `${precise(size(finding.norm_score))}${of(finding.norm_limit)}`],
    ["where", finding.worst_index.length ? `(${finding.worst_index.join(", ")})` : "a scalar"],
    ["value there", `${values[0]}, expected ${values[1]}`],
    ["largest absolute error", precise(size(finding.max_abs_error))],
    ["numbers compared", String(finding.compared)],
    ["seed", String(finding.seed)],
  ];
  return make("dl", {}, ...rows.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
}

/** This variant's errors beside those of the other framework's first variant on the same case. */
function spreads(data, row, column, finding) {
  const who = data.rows[row],
    series = [{ name: who.subject, spread: finding.spread }];
  const alike = other =>
    other.case === finding.case &&
    other.dtype === finding.dtype &&
    other.seed === finding.seed &&
    other.spread &&
    other.spread.length;
  for (const [place, other] of data.rows.entries()) {
    if (other.operation !== who.operation || other.wing === who.wing) continue;
    const found = data.cells[place][column]
      .filter(alike)
      .sort((a, b) => (b.mode === finding.mode) - (a.mode === finding.mode))[0];
    if (found) {
      series.push({ name: other.subject, spread: found.spread });
      break;
    }
  }
  const legend = series.map(({ name }, place) =>
    make("span", {}, make("span", { class: `key series-${place}` }), name),
  );
  return [
    make("h4", {}, "How large the errors are"),
    make("p", { class: "legend symbols" }, ...legend),
    histogram(data.bins, series),
  ];
}

function quantities(finding) {
  const rows = Object.entries(finding.scores).sort(([, a], [, b]) => size(b[0]) - size(a[0]));
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
        } catch {
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
