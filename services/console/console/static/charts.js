// Charts drawn by echarts where the page holds their numbers. Without script the page says the same in other ways.

const echarts = globalThis.echarts;
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

// The page's own colours: light-dark() is resolved by the browser for a real property only.
function colours() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const found = {};
  for (const name of ["text", "muted", "line", "line-strong", "accent", "accent-soft", "low", "medium", "surface", "raised"]) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

const axis = (c, name, more) => ({
  name,
  nameLocation: "middle",
  nameGap: 26,
  nameTextStyle: { color: c.muted, fontSize: 11 },
  axisLabel: { color: c.muted, fontSize: 11, hideOverlap: true },
  axisLine: { show: true, lineStyle: { color: c["line-strong"] } },
  axisTick: { show: false },
  splitLine: { lineStyle: { color: c.line } },
  ...more,
});

// Rich text: what echarts would write as HTML carries style attributes, which the page's policy forbids.
const tooltip = (c, formatter) => ({
  renderMode: "richText",
  backgroundColor: c.text,
  borderWidth: 0,
  padding: [6, 10],
  textStyle: { color: c.surface, fontSize: 12, lineHeight: 17 },
  formatter,
});

const percent = { min: 0, max: 100, interval: 25 };
const label = (text) => (value) => `${value}${text}`;

function calibration({ points }, c) {
  const most = Math.max(...points.map(([, , count]) => count));
  return {
    grid: { left: 44, right: 10, top: 10, bottom: 36 },
    tooltip: tooltip(c, ({ data: [predicted, observed, count] }) =>
      `Predicted ${Math.round(predicted)}%, came true ${Math.round(observed)}%\n${count.toLocaleString("en-GB")} examples`),
    xAxis: axis(c, "predicted", { type: "value", ...percent, axisLabel: { color: c.muted, fontSize: 11, formatter: label("%") } }),
    yAxis: axis(c, "came true", { type: "value", ...percent, nameGap: 34, axisLabel: { color: c.muted, fontSize: 11, formatter: label("%") } }),
    series: [
      { type: "line", data: [[0, 0], [100, 100]], showSymbol: false, silent: true, lineStyle: { color: c["line-strong"], type: "dashed", width: 1 } },
      {
        type: "scatter",
        data: points,
        symbolSize: ([, , count]) => 6 + 14 * Math.sqrt(count / most),
        itemStyle: { color: c.accent, opacity: 0.8, borderColor: c.surface, borderWidth: 1 },
      },
    ],
  };
}

function progress({ versions, lines }, c) {
  const tones = [c.accent, c.medium];
  return {
    grid: { left: 56, right: lines.length > 1 ? 56 : 16, top: 30, bottom: 36 },
    legend: { top: 0, left: 0, itemHeight: 8, textStyle: { color: c.text, fontSize: 12 }, icon: "roundRect" },
    tooltip: { ...tooltip(c), trigger: "axis", axisPointer: { lineStyle: { color: c["line-strong"] } } },
    xAxis: axis(c, "version", { type: "category", data: versions, boundaryGap: false }),
    yAxis: lines.map((line, place) => axis(c, "", { type: "value", scale: true, splitLine: { show: !place, lineStyle: { color: c.line } } })),
    series: lines.map((line, place) => ({
      type: "line",
      name: line.lower ? `${line.name} (lower is better)` : line.name,
      yAxisIndex: place,
      data: line.values,
      symbolSize: 5,
      lineStyle: { width: 2, color: tones[place] },
      itemStyle: { color: tones[place] },
    })),
  };
}

// How many order again after the n-th order, with the bounds of chance as a band.
function loyalty({ points, hooked }, c) {
  const column = (place) => points.map((point) => point[place]);
  const band = { type: "line", stack: "bounds", symbol: "none", silent: true, lineStyle: { opacity: 0 } };
  return {
    grid: { left: 48, right: 16, top: 16, bottom: 40 },
    tooltip: {
      ...tooltip(c, ([{ dataIndex }]) => {
        const [n, rate, low, high, reached] = points[dataIndex];
        return `After order ${n}: ${rate}% order again\nbetween ${low}% and ${high}%, ${reached.toLocaleString("en-GB")} customers`;
      }),
      trigger: "axis",
      axisPointer: { lineStyle: { color: c["line-strong"] } },
    },
    xAxis: axis(c, "after order", { type: "category", data: column(0), boundaryGap: false }),
    yAxis: axis(c, "", { type: "value", min: 0, max: 100, axisLabel: { color: c.muted, fontSize: 11, formatter: label("%") } }),
    series: [
      { ...band, data: column(2) },
      { ...band, data: points.map(([, , low, high]) => high - low), areaStyle: { color: c.accent, opacity: 0.16 } },
      {
        type: "line",
        data: column(1),
        symbolSize: 7,
        lineStyle: { width: 2, color: c.accent },
        itemStyle: { color: c.accent },
        markLine: hooked && {
          symbol: "none",
          silent: true,
          lineStyle: { color: c.medium, type: "dashed" },
          label: { color: c.medium, formatter: "hooked", fontSize: 11 },
          data: [{ xAxis: column(0).indexOf(hooked) }],
        },
      },
    ],
  };
}

function shares({ names, customers, money }, c, width) {
  const bar = (name, data, color) => ({ type: "bar", name, data, barMaxWidth: 14, itemStyle: { color, borderRadius: [0, 2, 2, 0] } });
  return {
    grid: { left: width < 480 ? 112 : 190, right: 24, top: 26, bottom: 24 },
    legend: { top: 0, left: 0, itemHeight: 8, textStyle: { color: c.text, fontSize: 12 }, icon: "roundRect" },
    tooltip: { ...tooltip(c), trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: label("%") },
    xAxis: axis(c, "", { type: "value", axisLabel: { color: c.muted, fontSize: 11, formatter: label("%") } }),
    yAxis: axis(c, "", { type: "category", data: names, inverse: true, axisLabel: { color: c.text, fontSize: 12, width: width < 480 ? 104 : 180, overflow: "truncate" } }),
    series: [bar("Customers", customers, c.low), bar("Money", money, c.accent)],
  };
}

const KINDS = { calibration, progress, loyalty, shares };

function draw(figure) {
  const { kind, ...numbers } = JSON.parse(figure.dataset.chart);
  const caption = figure.querySelector("figcaption");
  const place = document.createElement("div");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", figure.dataset.said);
  place.className = "drawn";
  figure.replaceChildren(place, ...(caption ? [caption] : []));
  const chart = echarts.init(place, null, { renderer: "canvas" });
  const textStyle = { fontFamily: getComputedStyle(document.body).fontFamily };
  const paint = () => chart.setOption({ animation: !still.matches, animationDuration: 300, textStyle, ...KINDS[kind](numbers, colours(), place.clientWidth) }, true);
  paint();
  dark.addEventListener("change", paint);
  new ResizeObserver(() => chart.resize()).observe(place);
}

if (echarts) document.querySelectorAll("[data-chart]").forEach(draw);
