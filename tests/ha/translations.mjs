// Formats every translated string as Home Assistant's frontend does, which shows
// "Translation error" in place of a string that it cannot format.
//
// node translations.mjs FOLDER-OF-NODE-MODULES FILE.json ...
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";

const [packages, ...files] = process.argv.slice(2);
const { IntlMessageFormat } = createRequire(resolve(packages, "x"))("intl-messageformat");

let passed = 0;
const failed = [];

function check(file, language, path, value) {
  if (typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) check(file, language, [...path, key], inner);
    return;
  }
  const placeholders = [...value.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, "<x> {y}"]);
  try {
    const shown = new IntlMessageFormat(value, language).format(Object.fromEntries(placeholders));
    if (typeof shown !== "string") throw new Error("not a plain text");
    passed += 1;
  } catch (error) {
    failed.push(`${file}: ${path.join(".")}: ${error.message}: ${value}`);
  }
}

for (const file of files) {
  check(file, basename(file, ".json"), [], JSON.parse(readFileSync(file, "utf8")));
}
for (const line of failed) console.error(line);
console.log(`${passed} passed, ${failed.length} failed`);
process.exit(failed.length || !passed ? 1 : 0);
