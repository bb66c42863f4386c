/** Lines of a table: first column left, the others right. Columns without any content are left out. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((_, column) => column).filter((column) => rows.some((row) => row[column]));
  return drawTable(
    columns.map((column) => head[column]),
    rows.map((row) => columns.map((column) => row[column] ?? '')),
  );
}

function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => (column === 0 ? row[0].padEnd(width) : row[column].padStart(width)))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** Three significant digits, or whole numbers above 100; a dash for what is not known. */
export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export const times = (value: number | undefined): string =>
  value === undefined || Number.isNaN(value) ? '–' : `${number(value)}×`;
