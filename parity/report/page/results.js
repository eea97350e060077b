// The results behind the matrix: unpacked once, read as objects, never changed.
// STATUSES (worst first), SYMBOLS, MEANINGS, SMALL and SELECTION are defined by `parity.report.html`.

/** Unpack what `parity.report.html` packed. */
async function unpack() {
  const bytes = Uint8Array.from(atob($("#bundle").textContent), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bundle = JSON.parse(await new Response(stream).text());
  const text = position => bundle.texts[position];
  const valuesOf = ([name, values], index) => [name, index < bundle.text_fields ? values.map(text) : values];
  const fields = Object.entries(bundle.fields).map(valuesOf);
  const results = bundle.fields.status.map((_, at) => Object.fromEntries(fields.map(([name, values]) => [name, values[at]])));
  for (const result of results) addScores(result, result.quantities.map(text));
  let at = 0;
  const unpackRow = ([operation, framework, variant]) => {
    return { operation, framework, variant, subject: `${framework}.${variant}` };
  };
  return {
    bins: bundle.bins,
    limit: bundle.limit,
    contracts: bundle.contracts.map(([name, promise, limit, against]) => ({ name, promise, limit, against })),
    rows: bundle.rows.map(unpackRow),
    cells: bundle.counts.map(row => row.map(count => results.slice(at, (at += count)))),
  };
}

/** Add the scores of the result's quantity, and which finite elementwise score is the largest. */
function addScores(result, quantities) {
  const { quantity, scores, own } = result;
  const [score, norm_score] = own || scores[quantities.indexOf(quantity)];
  const finite = quantities.map((name, index) => ({ name, score: scores[index][0] })).filter(each => each.score !== null);
  const largest = finite.reduce((one, other) => (other.score > one.score ? other : one), finite[0] || { name: quantity, score: 0 });
  Object.assign(result, { quantities, score, norm_score, largest });
}

/** The command that shows a result again, or the call; most begin with `SELECTION`, filled in. */
function commandOf(row, contract, result) {
  if (!result.reproduce.startsWith(" ")) return result.reproduce;
  const values = { ...row, contract: contract.name, dtype: result.dtype };
  return SELECTION.replace(/\{one\.(\w+)\}/g, (_, name) => values[name]) + result.reproduce;
}

/** A number, or infinity where JSON has null: the floor is 0 there and the error is not. */
const size = value => (value === null || value === undefined ? Infinity : value);

/** A score, short enough for a cell; formatted as by `parity.report.formatting.number`. */
function number(value) {
  if (!Number.isFinite(value)) return "∞";
  if (value === 0) return "0";
  if (value < 0.1) return "<0.1";
  if (value < 9.95) return (value % 1 === 0.25 ? value - 0.05 : value).toFixed(1); // Python rounds a half to the even digit
  if (value < 1000) return String(roundHalfEven(value));
  const [digits, exponent] = value.toExponential(1).split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

const roundHalfEven = value => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** A count with a space between thousands that does not break a line. */
const amount = count => count.toLocaleString("en").replaceAll(",", "\u202f");

/** A count of things; formatted as by `parity.report.formatting.plural`. */
const plural = (count, name) => `${count.toLocaleString("en").replaceAll(",", " ")} ${name}${count === 1 ? "" : "s"}`;

/** A number with four digits, as in report.json. */
const precise = value => (Number.isFinite(value) ? String(value) : "∞");

/** The quantity with the largest elementwise score; infinite where the result's own score is, which has no number. */
const worstElement = result =>
  Number.isFinite(size(result.score))
    ? result.largest
    : { name: result.quantity, score: Infinity };
