// npm run docs: writes the manual, a page for each instruction of the table, to dist/manual.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manualIndex, manualMnemonics, manualPage } from '../isa/manual-page.ts';
import { INSTRUCTIONS } from '../isa/table.ts';

const folder = join(import.meta.dirname, '../../dist/manual');
mkdirSync(folder, { recursive: true });
const mnemonics = manualMnemonics(INSTRUCTIONS);
for (const mnemonic of mnemonics) writeFileSync(join(folder, `${mnemonic}.md`), manualPage(INSTRUCTIONS, mnemonic));
writeFileSync(join(folder, 'index.md'), manualIndex(INSTRUCTIONS));
console.log(`${mnemonics.length} pages: ${join(folder, 'index.md')}`);
