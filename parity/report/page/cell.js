// What a cell says of some of its findings; as `parity.report.cells` says it of all of them, for who has no script.

const COOL = 0.1; // noise floors: a score up to here has no colour

/** The status, how deep its colour is, how bad it is for an order, what stands in it, and the same in words. */
function face(findings, { name, limit }, dtypes) {
  const count = one => findings.filter(finding => finding.status === one).length;
  const status = ORDER.find(count) || "absent";
  const scores = status === "passed" && limit !== 0 ? dtypes.map(dtype => worstOf(findings, dtype)) : [];
  const top = Math.max(0, ...scores.map(score => score || 0));
  const heat = limit && top > COOL ? Math.min(1, Math.log10(top / COOL) / Math.log10(limit / COOL)) : 0;
  const said = {
    status,
    failures: status === "failed" ? count("failed") : 0,
    numbers: scores.map(score => (score === null ? SYMBOLS.absent : number(score))),
    refuses: status === "passed" && count("known") > 0,
  };
  const severity = status === "failed" ? Infinity : limit ? top / limit : 0;
  return { ...said, heat, severity, words: inWords(name, said) };
}

/** The largest score of what passed in a dtype; null where nothing did. */
function worstOf(findings, dtype) {
  const scores = findings.filter(finding => finding.status === "passed" && finding.dtype === dtype).map(largest);
  return scores.length ? Math.max(...scores) : null;
}

/** What a cell says to who does not see it. */
function inWords(contract, { status, failures, numbers, refuses }) {
  const many = failures ? ` with ${failures} findings` : "";
  const worst = numbers.length ? `, worst score ${numbers.join(" and ")}` : "";
  return `${contract}: ${MEANINGS[status]}${many}${worst}${refuses ? ", with known refusals" : ""}`;
}

function parts({ status, failures, numbers, refuses }) {
  const mark = make("span", { class: "mark" }, SYMBOLS[status]);
  if (failures) return [mark, ` ${failures}`];
  const some = refuses ? make("span", { class: "some" }, SYMBOLS.known) : null;
  if (!numbers.length) return [mark, some].filter(Boolean);
  const scores = make("span", { class: "numbers" }, ...numbers.map(text => make("span", {}, text)));
  return [scores, some].filter(Boolean);
}
