// How many errors are how large: for each bin of scores, the share of all numbers that falls into it.

const WIDE = 62;
const TALL = 120;
const ABOVE = 18;
const SIDE = 8;

/** Bars side by side: those of this variant, and those of the other framework's. */
function histogram(names, series) {
  const last = Math.max(4, ...series.map(({ spread }) => spread.findLastIndex(count => count > 0)));
  const bins = names.slice(0, last + 1);
  const [width, base] = [2 * SIDE + bins.length * WIDE, ABOVE + TALL];
  const plotting = make("svg", {
    viewBox: `0 0 ${width} ${base + 34}`,
    class: "spread",
    role: "img",
    style: `width:${width}px`,
    "aria-label": `How large the errors are, in noise floors: ${series.map(({ name }) => name).join(" and ")}.`,
  });
  const most = Math.max(...series.flatMap(({ spread }) => spread.map(count => count / total(spread))));
  bins.forEach((name, bin) => {
    const middle = SIDE + (bin + 0.5) * WIDE - 3;
    plotting.append(make("text", { x: middle, y: base + 16, class: "axis middle" }, name));
    series.forEach((one, place) => one.spread[bin] && plotting.append(bar(one, bin, place, series.length, most)));
  });
  plotting.append(
    make("line", { x1: SIDE, x2: width - SIDE, y1: base + 0.5, y2: base + 0.5, class: "base" }),
    make("text", { x: SIDE + 2, y: base + 31, class: "axis" }, "error, in noise floors"),
  );
  return plotting;
}

const total = spread => spread.reduce((sum, count) => sum + count, 0) || 1;

/** A framework has one colour on the whole page, and its bars are told apart without: solid, or an outline. */
const coloured = framework => (["pytorch", "tensorflow"].includes(framework) ? `of-${framework}` : "of-other");

/** A count that fits above a bar: 1.4k for 1 435; the bar's title has all of it. */
function short(count) {
  const [size, letter] = count >= 999_500 ? [1e6, "M"] : [1e3, "k"];
  if (count < 1000) return String(count);
  return `${count < 9.95 * size ? (count / size).toFixed(1) : Math.round(count / size)}${letter}`;
}

function bar({ name, framework, spread }, bin, place, of, most) {
  const wide = (WIDE - 10) / of;
  const high = Math.max(1.5, (TALL * spread[bin]) / total(spread) / most);
  const [x, y] = [SIDE + bin * WIDE + 2 + place * wide, ABOVE + TALL - high];
  return make(
    "g",
    {},
    make("title", {}, `${name}: ${amount(spread[bin])} of ${amount(total(spread))} errors`),
    make("rect", { x, y, width: wide - 2, height: high, rx: 1.5, class: coloured(framework) }),
    make("text", { x: x + wide / 2 - 1, y: y - 4, class: "count" }, short(spread[bin])),
  );
}
