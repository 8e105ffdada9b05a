/** A bar for each side of a case. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly kind: 'ours' | 'peer' | 'ceiling';
}

const colours: Readonly<Record<Bar['kind'], string>> = {
  ours: '#2563eb',
  peer: '#d97706',
  ceiling: '#94a3b8',
};
const barRoom = 360;
const valueWidth = 90;
/** Of a character, generously: nothing here can measure text. */
const characterWidth = 6.4;
const barHeight = 22;
const gap = 8;
const top = 36;

/** Horizontal bars as an SVG that needs nothing else, readable on light and dark pages. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map((bar) => bar.value), 1);
  const labelWidth = 16 + Math.ceil(Math.max(...bars.map((bar) => bar.name.length), 0) * characterWidth);
  const width = labelWidth + barRoom + valueWidth;
  const height = top + bars.length * (barHeight + gap) + gap;
  const rows = bars.map((bar, i) => {
    const y = top + i * (barHeight + gap);
    const length = Math.max(1, (bar.value / most) * barRoom);
    const middle = y + barHeight / 2 + 4;
    return [
      `<text x="${labelWidth - 8}" y="${middle}" text-anchor="end">${escapeXml(bar.name)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="3" fill="${colours[bar.kind]}"/>`,
      `<text x="${(labelWidth + length + 6).toFixed(1)}" y="${middle}">${Math.round(bar.value).toLocaleString('en')}</text>`,
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="8" y="22" font-size="14" font-weight="600">${escapeXml(title)}</text>`,
    ...rows,
    '</svg>\n',
  ].join('\n');
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
