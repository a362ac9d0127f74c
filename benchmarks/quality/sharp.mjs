// Does with sharp what `contestants.py` asks for: a line of JSON in, its seconds out. One job at a time,
// in one thread; processor time is taken around each job, so that starting Node costs nothing.
//
//     node sharp.mjs FOLDER      where node_modules/sharp is

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sharp = createRequire(`${process.argv[2]}/`)("sharp");
sharp.concurrency(1);
sharp.cache(false);
console.log(`sharp ${sharp.versions.sharp}`);

for await (const line of createInterface({ input: process.stdin })) {
  const { file, pixels, format, options, to } = JSON.parse(line);
  const before = process.cpuUsage();
  await sharp(file).autoOrient().resize(pixels, pixels, { fit: "inside", withoutEnlargement: true })
    .toFormat(format, options).toFile(to);
  const { user, system } = process.cpuUsage(before);
  console.log((user + system) / 1e6);
}
