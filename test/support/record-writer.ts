/**
 * Writes numbered records to a qcow2 image until it is killed: each at a place of its own, flushed, then said on standard
 * output. Run with: node .ci/ts.js test/support/record-writer.ts IMAGE FIRST
 */
import { writeSync } from 'node:fs';
import { imageFiles } from '../../src/host/node/image-files.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { RECORD_BYTES, recordBytes, recordOffset } from './numbered-records.ts';

const [path, first] = process.argv.slice(2);
const image = await openImage(imageFiles(), path, { writable: true });
writeSync(1, `pid ${process.pid}\n`);
for (let number = Number(first); ; number++) {
  await image.write(recordOffset(number, image.size), recordBytes(number));
  // What is not flushed may be lost, and must do no harm.
  await image.write(recordOffset(number + 7777, image.size) + RECORD_BYTES, new Uint8Array(RECORD_BYTES).fill(0xee));
  await image.flush();
  writeSync(1, `${number}\n`);
}
