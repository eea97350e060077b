// The results behind the matrix: unpacked once, read as objects, never changed.

async function unpack() {
  const bytes = Uint8Array.from(atob($("#bundle").textContent), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const told = JSON.parse(await new Response(stream).text());
  const read = packed => {
    const result = {};
    told.words.forEach((name, place) => {
      result[name] = told.texts[packed[place]];
    });
    told.values.forEach((name, place) => {
      result[name] = packed[told.words.length + place];
    });
    result.top = highest(result);
    return result;
  };
  return {
    bins: told.bins,
    limit: told.limit,
    contracts: told.contracts,
    rows: told.rows.map(([operation, framework, variant]) => ({ operation, framework, variant, subject: `${framework}.${variant}` })),
    cells: told.cells.map(row => row.map(cell => cell.map(read))),
  };
}

const ORDER = ["failed", "passed", "xfailed", "skipped"];
const MEANINGS = {
  passed: "holds",
  failed: "does not hold",
  xfailed: "expected failure",
  skipped: "skipped",
  absent: "not promised, or not run",
};
const SYMBOLS = { passed: "✓", failed: "✗", xfailed: "◆", skipped: "○", absent: "–" };

/** A number, or infinity where JSON has null: the floor is 0 there and the error is not. */
const size = value => (value === null || value === undefined ? Infinity : value);

/** A score, short enough for a cell; as `parity.report.formatting.number` says it. */
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

/** A count with its thousands apart, by a space that does not break a line. */
const amount = count => count.toLocaleString("en").replaceAll(",", "\u202f");

/** Any other number, to four digits, as it stands in report.json. */
const precise = value => (Number.isFinite(value) ? String(value) : "∞");

/** The quantity with the largest elementwise score, and that score; as `parity.report.record.largest` finds it. */
function highest({ scores, quantity }) {
  let [name, most] = [quantity, 0];
  for (const [one, [element]] of Object.entries(scores || {})) if (element > most) [name, most] = [one, element];
  return { name, score: most };
}

/** The largest elementwise score among all quantities of a result that has one. */
const largest = result => result.top.score;

/** The worst element of a result: infinite where what it is about is, which a score leaves out. */
const worstElement = result =>
  Number.isFinite(size(result.score)) ? result.top : { name: result.quantity, score: Infinity };

/** How many times its limit a result reached, elementwise or norm-wise. */
function share(result) {
  if (result.status !== "passed" && result.status !== "failed") return -1;
  const over = (score, limit) => (limit ? size(score) / limit : score === 0 ? 0 : Infinity);
  return Math.max(over(result.score, result.limit), over(result.norm_score, result.norm_limit));
}
