// Checks a bill of materials: node sbom.mjs FILE LEAST NAME… fails unless it is CycloneDX, lists at least LEAST components with name,
// version and package URL, and has every NAME among them or in what it describes.

import { readFileSync } from 'node:fs';

const [file, least, ...names] = process.argv.slice(2);
const bom = JSON.parse(readFileSync(file, 'utf8'));
const problems = [];
if (bom.bomFormat !== 'CycloneDX') problems.push(`bomFormat is ${bom.bomFormat}`);
const components = bom.components ?? [];
const described = bom.metadata?.component;
const all = new Set([...components, described, ...(described?.components ?? [])].map((component) => component?.name));
if (components.length < Number(least)) problems.push(`only ${components.length} components`);
for (const name of names.filter((name) => !all.has(name))) problems.push(`${name} is missing`);
// What comes from a registry can be looked up by its package URL.
const nameless = components.filter((component) => !component.name || !component.version);
if (nameless.length) problems.push(`${nameless.length} components without name or version`);
const located = components.filter((component) => component.purl).length;
if (located < Number(least)) problems.push(`only ${located} components with a package URL`);
for (const problem of problems) console.error(`${file}: ${problem}`);
console.log(`${file}: ${bom.specVersion}, ${components.length} components`);
process.exitCode = problems.length ? 1 : 0;
