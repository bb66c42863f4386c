/** Rows in columns, for a terminal or a pipe: no lines, no colours. A last cell may be longer than its column. */
export function table(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [names, ...rows];
  const widths = names.map((_, column) =>
    Math.max(...all.map((row) => (column < row.length - 1 || row.length === names.length ? row[column].length : 0))),
  );
  const line = (row: readonly string[]): string => row.map((cell, column) => cell.padEnd(widths[column])).join('  ');
  return all.map((row) => line(row).trimEnd()).join('\n');
}
