// The summary of some results of a cell; `parity.report.table` summarises all of them, for pages without a script.

/** Summarise results: status, content, label, depth of the colour, and severity for sorting. */
function summarise(results, { name, limit }, dtypes) {
  const { counts, worst } = tally(results);
  const status = STATUSES.find(each => counts[each]) || "absent";
  const scores = status === "passed" && limit !== 0 ? dtypes.map(dtype => worst.get(dtype)) : [];
  const largest = Math.max(0, ...scores.map(score => score || 0));
  const heat = limit && largest > SMALL ? Math.min(1, Math.log10(largest / SMALL) / Math.log10(limit / SMALL)) : 0;
  const summary = {
    status,
    failures: counts.failed,
    numbers: scores.map(score => (score === undefined ? SYMBOLS.absent : number(score))),
    hasExpectedFailures: status === "passed" && counts.xfailed > 0,
  };
  const severity = counts.failed ? Infinity : limit ? largest / limit : 0;
  return { ...summary, heat, severity, label: label(name, summary) };
}

/** Count results by status, and find the largest score that passed in each dtype. */
function tally(results) {
  const counts = Object.fromEntries(STATUSES.map(status => [status, 0]));
  const worst = new Map();
  for (const { status, dtype, largest_score: score } of results) {
    counts[status] += 1;
    if (status === "passed") worst.set(dtype, Math.max(worst.get(dtype) ?? 0, score));
  }
  return { counts, worst };
}

/** The content of a cell in words, for assistive technology. */
function label(contract, { status, failures, numbers, hasExpectedFailures }) {
  const count = failures ? ` with ${plural(failures, "result")}` : "";
  const worst = numbers.length ? `, worst score ${numbers.join(" and ")}` : "";
  return `${contract}: ${MEANINGS[status]}${count}${worst}${hasExpectedFailures ? ", with expected failures" : ""}`;
}

/** The content of a cell as elements. */
function content({ status, failures, numbers, hasExpectedFailures }) {
  const mark = make("span", { class: "mark" }, SYMBOLS[status]);
  if (failures) return [mark, ` ${failures}`];
  const some = hasExpectedFailures ? make("span", { class: "some" }, SYMBOLS.xfailed) : null;
  if (!numbers.length) return [mark, some].filter(Boolean);
  const scores = make("span", { class: "numbers" }, ...numbers.map(text => make("span", {}, text)));
  return [scores, some].filter(Boolean);
}
