// Copies the browser files we use from node_modules to static/vendor and draws static/icons.svg.
// Run: npm ci && npm run vendor. Commit the result together with package.json and the lock file.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = join(ROOT, "node_modules");
const VENDOR = join(ROOT, "static", "vendor");
const FONT_SUBSETS = ["latin", "latin-ext", "cyrillic"];

const ICONS = JSON.parse(readFileSync(join(ROOT, "scripts", "icons.json"), "utf8"));

function fresh(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

function withoutSourceMap(css) {
  return css.replace(/\n?\/\*# sourceMappingURL=.*?\*\/\s*$/, "\n");
}

function vendorBootstrap() {
  const folder = fresh(join(VENDOR, "bootstrap"));
  const css = readFileSync(join(MODULES, "bootstrap", "dist", "css", "bootstrap.min.css"), "utf8");
  writeFileSync(join(folder, "bootstrap.min.css"), withoutSourceMap(css));
  copyFileSync(join(MODULES, "bootstrap", "LICENSE"), join(folder, "LICENSE"));
}

function vendorInter() {
  const folder = fresh(join(VENDOR, "inter"));
  const source = join(MODULES, "@fontsource-variable", "inter");
  const faces = readFileSync(join(source, "wght.css"), "utf8").split(/(?=\/\* inter-)/);
  const kept = FONT_SUBSETS.map((subset) => {
    const face = faces.find((text) => text.startsWith(`/* inter-${subset}-wght-normal */`));
    if (!face) throw new Error(`The font package has no subset ${subset}`);
    copyFileSync(
      join(source, "files", `inter-${subset}-wght-normal.woff2`),
      join(folder, `inter-${subset}.woff2`),
    );
    return face.replace(`./files/inter-${subset}-wght-normal.woff2`, `inter-${subset}.woff2`).trim();
  });
  writeFileSync(join(folder, "inter.css"), kept.join("\n\n") + "\n");
  copyFileSync(join(source, "LICENSE"), join(folder, "LICENSE"));
}

function drawIcons() {
  const symbols = Object.entries(ICONS).map(([name, lucide]) => {
    const svg = readFileSync(join(MODULES, "lucide-static", "icons", `${lucide}.svg`), "utf8");
    const shapes = svg.replace(/<!--.*?-->/gs, "").replace(/<\/?svg[^>]*>/gs, "").replace(/\s+/g, " ").replace(/> </g, "><").trim();
    return (
      `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" ` +
      `stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`
    );
  });
  const own = readFileSync(join(ROOT, "scripts", "own-icons.svg"), "utf8").trim();
  writeFileSync(
    join(ROOT, "static", "icons.svg"),
    `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n${own}\n</svg>\n`,
  );
  copyFileSync(join(MODULES, "lucide-static", "LICENSE"), join(fresh(join(VENDOR, "lucide")), "LICENSE"));
}

vendorBootstrap();
vendorInter();
drawIcons();
