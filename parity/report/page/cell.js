// The summary of some results of a cell; `parity.report.table` summarises all of them, for pages without a script.

/** Summarise results: status, content, label, depth of the colour, and severity for sorting. */
function summarise(results, { name, limit }) {
  const { counts, worst } = tally(results);
  const status = STATUSES.find(each => counts[each]) || "absent";
  const scored = status === "passed" && limit !== 0;
  const largest = scored ? worst : 0;
  const heat = limit && largest > SMALL ? Math.min(1, Math.log10(largest / SMALL) / Math.log10(limit / SMALL)) : 0;
  const summary = {
    status,
    failures: counts.failed,
    worst: scored ? number(worst) : "",
    hasExpectedFailures: status === "passed" && counts.xfailed > 0,
  };
  const severity = counts.failed ? Infinity : limit ? largest / limit : 0;
  return { ...summary, heat, severity, label: label(name, summary) };
}

/** Count results by status, and find the largest score that passed. */
function tally(results) {
  const counts = Object.fromEntries(STATUSES.map(status => [status, 0]));
  let worst = 0;
  for (const { status, largest } of results) {
    counts[status] += 1;
    if (status === "passed") worst = Math.max(worst, largest.score);
  }
  return { counts, worst };
}

/** The content of a cell in words, for assistive technology. */
function label(contract, { status, failures, worst, hasExpectedFailures }) {
  const count = failures ? ` with ${plural(failures, "result")}` : "";
  const score = worst ? `, worst score ${worst}` : "";
  return `${contract}: ${MEANINGS[status]}${count}${score}${hasExpectedFailures ? ", with expected failures" : ""}`;
}

/** The content of a cell as elements. */
function content({ status, failures, worst, hasExpectedFailures }) {
  if (failures) return [`${SYMBOLS[status]} ${failures}`];
  const some = hasExpectedFailures ? make("span", { class: "some" }, SYMBOLS.xfailed) : null;
  return [worst ? make("b", {}, worst) : SYMBOLS[status], some].filter(Boolean);
}
