// What a cell says of some of its findings; as `parity.report.cells` says it of all of them, for who has no script.

const COOL = 0.1; // noise floors: a score up to here has no colour

/** The status, how deep its colour is, how bad it is for an order, and what stands in it. */
function face(findings, limit, dtypes) {
  const status = ORDER.find(one => findings.some(finding => finding.status === one)) || "absent";
  const scores = status === "passed" && limit !== 0 ? dtypes.map(dtype => worstOf(findings, dtype)) : [];
  const top = Math.max(0, ...scores.map(score => score || 0));
  const heat = limit && top > COOL ? Math.min(1, Math.log10(top / COOL) / Math.log10(limit / COOL)) : 0;
  const severity = status === "failed" ? Infinity : limit ? top / limit : 0;
  return { status, heat, severity, parts: parts(findings, status, scores) };
}

/** The largest score of what passed in a dtype; null where nothing did. */
function worstOf(findings, dtype) {
  const scores = findings.filter(finding => finding.status === "passed" && finding.dtype === dtype).map(largest);
  return scores.length ? Math.max(...scores) : null;
}

function parts(findings, status, scores) {
  const count = one => findings.filter(finding => finding.status === one).length;
  const mark = make("span", { class: "mark" }, SYMBOLS[status]);
  if (status === "failed") return [mark, ` ${count("failed")}`];
  const some = status === "passed" && count("known") ? [make("span", { class: "some" }, SYMBOLS.known)] : [];
  if (!scores.length) return [mark, ...some];
  const texts = scores.map(score => make("span", {}, score === null ? SYMBOLS.absent : number(score)));
  return [make("span", { class: "numbers" }, ...texts), ...some];
}
