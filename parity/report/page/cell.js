// What a cell says of some of its results; as `parity.report.cells` says it of all of them, for who has no script.

const COOL = 0.1; // noise floors: a score up to here has no colour

/** The status, how deep its colour is, how bad it is for an order, what stands in it, and the same in words. */
function face(results, { name, limit }, dtypes) {
  const { counts, worst } = tally(results);
  const status = ORDER.find(one => counts[one]) || "absent";
  const scores = status === "passed" && limit !== 0 ? dtypes.map(dtype => worst.get(dtype)) : [];
  const top = Math.max(0, ...scores.map(score => score || 0));
  const heat = limit && top > COOL ? Math.min(1, Math.log10(top / COOL) / Math.log10(limit / COOL)) : 0;
  const said = {
    status,
    failures: counts.failed,
    numbers: scores.map(score => (score === undefined ? SYMBOLS.absent : number(score))),
    hasExpectedFailures: status === "passed" && counts.xfailed > 0,
  };
  const severity = counts.failed ? Infinity : limit ? top / limit : 0;
  return { ...said, heat, severity, words: inWords(name, said) };
}

/** How many results have each status, and the largest score of what passed in each dtype. */
function tally(results) {
  const counts = { failed: 0, passed: 0, xfailed: 0, skipped: 0 };
  const worst = new Map();
  for (const result of results) {
    const { status, dtype } = result;
    counts[status] += 1;
    if (status === "passed") worst.set(dtype, Math.max(worst.get(dtype) ?? 0, largest(result)));
  }
  return { counts, worst };
}

/** What a cell says to who does not see it. */
function inWords(contract, { status, failures, numbers, hasExpectedFailures }) {
  const many = failures ? ` with ${failures} results` : "";
  const worst = numbers.length ? `, worst score ${numbers.join(" and ")}` : "";
  return `${contract}: ${MEANINGS[status]}${many}${worst}${hasExpectedFailures ? ", with expected failures" : ""}`;
}

function parts({ status, failures, numbers, hasExpectedFailures }) {
  const mark = make("span", { class: "mark" }, SYMBOLS[status]);
  if (failures) return [mark, ` ${failures}`];
  const some = hasExpectedFailures ? make("span", { class: "some" }, SYMBOLS.xfailed) : null;
  if (!numbers.length) return [mark, some].filter(Boolean);
  const scores = make("span", { class: "numbers" }, ...numbers.map(text => make("span", {}, text)));
  return [scores, some].filter(Boolean);
}
