// All language files, by language.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../web/languages/", import.meta.url));

export const LANGUAGES_OF_FILES = readdirSync(FOLDER)
  .map((name) => [name.slice(0, 2), JSON.parse(readFileSync(FOLDER + name, "utf8"))]);
