// A histogram of the errors: for each bin of scores, the share of all numbers that falls into it.

const WIDEST_BIN = 62;
const BAR_HEIGHT = 120;
const ABOVE = 18;
const SIDE = 8;

/** Bars side by side for each series: { name, framework, counts }. */
function histogram(names, series, room = Infinity) {
  const last = Math.max(4, ...series.map(({ counts }) => counts.findLastIndex(count => count > 0)));
  const bins = names.slice(0, last + 1);
  const binWidth = Math.min(WIDEST_BIN, Math.floor((room - 2 * SIDE) / bins.length)); // the last bin, ∞, is in sight
  const [width, base] = [2 * SIDE + bins.length * binWidth, ABOVE + BAR_HEIGHT];
  const plot = make("svg", {
    viewBox: `0 0 ${width} ${base + 34}`,
    class: "histogram",
    role: "img",
    style: `width:${width}px`,
    "aria-label": `Sizes of the errors, in noise floors: ${series.map(({ name }) => name).join(" and ")}.`,
  });
  const highest = Math.max(...series.flatMap(({ counts }) => counts.map(count => count / total(counts))));
  bins.forEach((name, bin) => {
    const middle = SIDE + (bin + 0.5) * binWidth - 3;
    plot.append(make("text", { x: middle, y: base + 16, class: "axis middle" }, name));
    series.forEach((each, index) => each.counts[bin] && plot.append(bar(each, bin, index, series.length, highest, binWidth)));
  });
  plot.append(
    make("line", { x1: SIDE, x2: width - SIDE, y1: base + 0.5, y2: base + 0.5, class: "base" }),
    make("text", { x: SIDE + 2, y: base + 31, class: "axis" }, "error, in noise floors"),
  );
  return plot;
}

const total = counts => counts.reduce((sum, count) => sum + count, 0) || 1;

/** The class of a framework's colour; its bars differ without colour too: solid, or an outline. */
const colourOf = framework => (["pytorch", "tensorflow"].includes(framework) ? `of-${framework}` : "of-other");

/** A count that fits above a bar: 1.4k for 1 435; the bar's title has all digits. */
function short(count) {
  const [unit, letter] = count >= 999_500 ? [1e6, "M"] : [1e3, "k"];
  if (count < 1000) return String(count);
  return `${count < 9.95 * unit ? (count / unit).toFixed(1) : Math.round(count / unit)}${letter}`;
}

function bar({ name, framework, counts }, bin, index, series, highest, binWidth) {
  const width = (binWidth - Math.min(10, binWidth / 8)) / series;
  const height = Math.max(1.5, (BAR_HEIGHT * counts[bin]) / total(counts) / highest);
  const [x, y] = [SIDE + bin * binWidth + 2 + index * width, ABOVE + BAR_HEIGHT - height];
  return make(
    "g",
    {},
    make("title", {}, `${name}: ${amount(counts[bin])} of ${amount(total(counts))} errors`),
    make("rect", { x, y, width: width - 2, height, rx: 1.5, class: colourOf(framework) }),
    make("text", { x: x + width / 2 - 1, y: y - 4, class: "count" }, short(counts[bin])),
  );
}
