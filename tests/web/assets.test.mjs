// The files of the page: checksums of what is vendored, languages, size, no inline code.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { LANGUAGES_OF_FILES } from "./languages.mjs";

const WEB = fileURLToPath(new URL("../../web/", import.meta.url));
const read = (name) => readFileSync(WEB + name, "utf8");
const files = readdirSync(WEB, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`.replaceAll("//", "/").slice(WEB.length));

test("vendored files are unchanged, and each has a licence", () => {
  const listed = read("vendor/SHA256SUMS").trim().split("\n").map((line) => line.split(/\s+/));
  for (const [sum, name] of listed) {
    assert.equal(createHash("sha256").update(readFileSync(`${WEB}vendor/${name}`)).digest("hex"), sum, name);
  }
  const names = listed.map(([, name]) => `vendor/${name}`);
  const vendored = files.filter((name) => name.startsWith("vendor/") && !/(SHA256SUMS|README\.md)$/.test(name));
  assert.deepEqual(vendored.sort(), names.sort());
  for (const folder of new Set(names.map((name) => name.split("/")[1]))) assert.ok(names.includes(`vendor/${folder}/LICENSE`));
});

test("no language lacks a key, and placeholders agree", () => {
  const english = JSON.parse(read("languages/en.json"));
  const base = (key) => key.replace(/_(one|few|many|other)$/, "");
  const placeholders = (text) => [...text.matchAll(/\{\w+\}/g)].map(([one]) => one).sort().join();
  const bases = new Map(Object.entries(english).map(([key, text]) => [base(key), placeholders(text)]));
  for (const [language, words] of LANGUAGES_OF_FILES) {
    assert.deepEqual([...new Set(Object.keys(words).map(base))].sort(), [...bases.keys()].sort(), language);
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const key of Object.keys(words)) {
      assert.equal(placeholders(words[key]), bases.get(base(key)), `${language}: ${key}`);
      assert.ok(words[key].trim(), `${language}: ${key} is empty`);
    }
    for (const key of Object.keys(english).filter((one) => one.endsWith("_other"))) {
      for (const form of forms) {
        if (form === "many" && ["fr", "es"].includes(language)) continue; // millions
        assert.ok(`${base(key)}_${form}` in words, `${language}: ${base(key)}_${form}`);
      }
    }
  }
});

test("the code uses each key of the languages, and no other", () => {
  const code = files.filter((name) => /^[a-z0-9]+\.js$/.test(name)).map(read).join("\n");
  const keys = Object.keys(JSON.parse(read("languages/en.json")));
  const used = [...code.matchAll(/\b(?:t|count|value)\([^)]*?"([a-z_0-9]+)"/g)].map(([, key]) => key);
  const known = new Set(keys.map((key) => key.replace(/_(one|other)$/, "")));
  const direct = [...code.matchAll(/\bt\("([a-z_0-9]+)"/g)].map(([, key]) => key);
  for (const key of direct) assert.ok(known.has(key), `${key} has no words`);
  const prefixes = [...code.matchAll(/\bt\(`([a-z_]+)\$\{/g)].map(([, prefix]) => prefix);
  for (const key of known) {
    const isUsed = used.includes(key) || code.includes(`"${key}"`) || prefixes.some((prefix) => key.startsWith(prefix));
    assert.ok(isUsed, `${key} is used nowhere`);
  }
});

test("the page is at most 60 kB as a browser gets it", () => {
  const isLoaded = (name) => !/(\.png|\.md|LICENSE|SHA256SUMS)$/.test(name) && (!name.startsWith("languages/") || name.endsWith("/pl.json"));
  const total = files.filter(isLoaded).reduce((sum, name) => sum + brotliCompressSync(readFileSync(WEB + name)).length, 0);
  console.log(`${total} bytes with brotli`);
  assert.ok(total <= 60_000, `${total} bytes`);
});

test("index.html names every module, and holds no inline code or style", () => {
  const page = read("index.html");
  for (const name of files.filter((one) => one.endsWith(".js") && one !== "theme.js")) assert.ok(page.includes(`./assets/${name}"`), name);
  assert.doesNotMatch(page, /\son\w+=|\sstyle=|<style/);
  for (const [, attributes, content] of page.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)) {
    assert.ok(!content || attributes.includes("application/json"), content);
  }
});

test("every reference between files is relative and exists", () => {
  for (const name of files.filter((one) => /\.(js|json|css)$/.test(one) && !one.startsWith("languages/"))) {
    for (const [, path] of read(name).matchAll(/"(\.\.?\/[\w./-]+\.\w+)"/g)) {
      const target = new URL(path, `file:///${name}`).pathname.slice(1);
      assert.ok(files.includes(target), `${name} names ${path}`);
    }
  }
});
