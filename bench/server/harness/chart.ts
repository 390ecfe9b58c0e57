/** The results as one SVG picture: a group of bars for each row, each row with a scale of its own. */
import { nameOf, type Results, type RowResult, valuesOf } from "./results.ts";
import type { Metric } from "./row.ts";
import { median } from "./statistics.ts";

const WIDTH = 860;
const MARGIN = 16;
const LABEL_WIDTH = 260;
const VALUE_WIDTH = 150;
const BAR_HEIGHT = 14;
const BAR_STEP = 18;
const TITLE_HEIGHT = 30;
const GROUP_GAP = 14;
/** Ours, others, and what is no server. */
const FILLS = { cartouche: "#b3541e", peer: "#7d8794", control: "#c9ced6" } as const;

/** The picture; long rows make it high, never wide. */
export function chartOf({ rows, machine, versions }: Results): string {
  const parts: string[] = [];
  let y = MARGIN;
  for (const row of rows) {
    parts.push(...group(row, y));
    y += TITLE_HEIGHT + row.contestants.length * BAR_STEP + GROUP_GAP;
  }
  const runtimes = ["Deno", "Bun", "Node"].map((name) => `${name} ${versions[name] ?? "?"}`).join(", ");
  const dates = [...new Set(rows.map(({ date }) => date))].sort().join(", ");
  const footer = `Medians. ${runtimes}; ${machine.cores} cores (${machine.cpu}); ${dates}`;
  parts.push(text(MARGIN, y + 12, footer, "start", 11));
  const height = y + 12 + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-family="system-ui, sans-serif" role="img">`,
    "<title>Cartouche beside other servers</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function group(row: RowResult, top: number): string[] {
  const [metric] = row.metrics;
  if (metric === undefined) return [];
  const values = row.contestants.map((each) => median(valuesOf(each, metric.key)));
  const most = Math.max(...values.filter(Number.isFinite), Number.MIN_VALUE);
  const room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
  const title = `${row.title}: ${metric.title}${metric.better === "less" ? " (less is better)" : ""}`;
  const parts = [text(MARGIN, top + 18, title, "start", 14, "bold")];
  row.contestants.forEach((each, at) => {
    const value = values[at] ?? NaN;
    const y = top + TITLE_HEIGHT + at * BAR_STEP;
    const x = MARGIN + LABEL_WIDTH;
    const length = Number.isFinite(value) ? Math.max(1, Math.max(0, value) / most * room) : 0;
    parts.push(
      text(x - 8, y + 11, nameOf(each), "end", 12),
      bar(x, y, length, FILLS[each.kind]),
      text(x + length + 6, y + 11, label(value, metric), "start", 12),
    );
  });
  return parts;
}

function label(value: number, { digits }: Metric): string {
  if (!Number.isFinite(value)) return "failed";
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

function bar(x: number, y: number, length: number, fill: string): string {
  const width = length.toFixed(1);
  return `<rect x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" fill="${fill}"/>`;
}

function text(
  x: number,
  y: number,
  content: string,
  anchor: "start" | "end",
  size: number,
  weight: "normal" | "bold" = "normal",
): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const place = `x="${x.toFixed(1)}" y="${y}" font-size="${size}" text-anchor="${anchor}"`;
  const boldness = weight === "bold" ? ` font-weight="bold"` : "";
  return `<text ${place}${boldness}>${escaped}</text>`;
}
