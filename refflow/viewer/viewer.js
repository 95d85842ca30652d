// The page of `refflow show PROGRAM --html FILE`: a graph as boxes that open and close. No library; data: viewer/fold.py.
//
//   read     blocks with their children; a bundle for all edges between two children of one block
//   lay out  layout.js, which the page has before this file
//   draw     boxes, bundles, and short stubs where an edge leaves an open block
//   act      pan, zoom, open, close, move aside, search, select

// -- read ---------------------------------------------------------------------------------------------------

const graph = JSON.parse(document.getElementById("graph").textContent);
const blocks = graph.blocks;
blocks.forEach((b, id) => Object.assign(b, {
  id, children: [], bundles: new Map(), stubs: new Map(), inputs: [], outputs: b.outputs || [], readers: [],
  open: false, ops: b.type ? 1 : 0,
}));
const root = blocks[0];
for (const b of blocks) if (b.parent !== undefined) blocks[b.parent].children.push(b);
for (const b of [...blocks].reverse()) if (b !== root) blocks[b.parent].ops += b.ops;
root.open = true;

const above = (b) => (b === root ? null : blocks[b.parent]);
function ancestry(b) { // from the block itself to the root
  const chain = [];
  for (let at = b; at; at = above(at)) chain.push(at);
  return chain;
}

for (const [a, b, form] of graph.edges) {
  const from = ancestry(blocks[a]), to = ancestry(blocks[b]);
  blocks[b].inputs.push([blocks[a], form]);
  blocks[a].readers.push([blocks[b], form]);
  let i = from.length - 1, j = to.length - 1;
  while (i > 0 && j > 0 && from[i - 1] === to[j - 1]) { i--; j--; }
  if (i === 0 || j === 0) continue; // an op that reads itself
  const [scope, start, end] = [from[i], from[i - 1], to[j - 1]];
  const key = `${start.id} ${end.id}`;
  if (!scope.bundles.has(key)) scope.bundles.set(key, { from: start, to: end, tensors: new Set(), forms: new Map(), edges: 0 });
  const bundle = scope.bundles.get(key);
  bundle.edges++;
  bundle.tensors.add(`${a} ${form}`);
  bundle.forms.set(form, (bundle.forms.get(form) || 0) + 1);
  for (let k = i - 1; k > 0; k--) stub(from[k], from[k - 1], "out", bundle);
  for (let k = j - 1; k > 0; k--) stub(to[k], to[k - 1], "in", bundle);
}

function stub(scope, child, side, bundle) { // an edge of `child` that leaves `scope`
  if (!scope.stubs.has(child)) scope.stubs.set(child, { in: new Set(), out: new Set() });
  scope.stubs.get(child)[side].add(bundle);
}

const isDrawn = (bundle) => !bundle.from.aside && !bundle.to.aside;
const onlyWaits = (bundle) => bundle.forms.size === 1 && graph.forms[[...bundle.forms.keys()][0]] === "waits";
function words(bundle) {
  if (bundle.tensors.size === 1) return graph.forms[[...bundle.forms.keys()][0]];
  return bundle.forms.size === 1 ? `${bundle.tensors.size} × ${graph.forms[[...bundle.forms.keys()][0]]}`
    : `${bundle.tensors.size} tensors`;
}

// -- draw ---------------------------------------------------------------------------------------------------

const svg = document.getElementById("canvas"), world = document.getElementById("world");
let selected = null, colour = "structure";
const devices = [...new Set(blocks.filter((b) => b.type).map((b) => b.device))];

function made(kind, attributes, parent, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}

const hue = (i) => `hsl(${Math.round(i * 137.5 + 210) % 360} 70% 82%)`;
function fill(block) {
  if (colour === "structure") return block.kind < 0 ? "" : hue(block.kind);
  return block.type ? hue(devices.indexOf(block.device)) : "";
}

function draw() {
  measure(root);
  [root.x, root.y] = [0, 0];
  world.replaceChildren();
  drawBlock(root, 0, 0);
}

function drawBlock(block, x, y) { // x, y: where the block around it is
  [block.left, block.top] = [x + block.x, y + block.y];
  const like = selected && selected !== block && block.kind >= 0 && selected.kind === block.kind;
  const names = ["box", block.type ? "op" : "", block.open ? "open" : "", block.aside ? "aside" : "",
    selected === block && block !== root ? "selected" : "", like ? "like" : ""].filter(Boolean).join(" ");
  const box = made("rect", { class: names, x: block.left, y: block.top, width: block.w, height: block.h, rx: block.type ? 11 : 4 }, world);
  if (fill(block)) box.style.fill = fill(block);
  box.dataset.id = block.id;
  made("title", {}, box, `${block.name || "the graph"}${block.aside ? `\naside: ${block.aside}` : ""}`);
  if (!block.open) {
    made("text", { x: block.left + block.w / 2, y: block.top + 16, "text-anchor": "middle" }, world, block.shown);
    if (block.tags) made("text", { class: "small", x: block.left + block.w / 2, y: block.top + 30, "text-anchor": "middle" }, world, `↔ ${block.tags}`);
    return;
  }
  made("text", { x: block.left + 8, y: block.top + 15 }, world, `${block === root ? "" : "▾ "}${block.label}  (${block.ops})`);
  const drawn = [...block.bundles.values()].filter(isDrawn);
  for (const bundle of drawn) drawBundle(bundle, block, drawn.length < 120);
  for (const [child, sides] of block.stubs) drawStubs(block, child, sides);
  for (const child of block.children) drawBlock(child, block.left, block.top);
}

function drawBundle(bundle, scope, hasWords) {
  const [a, b] = bundle.back ? [bundle.to, bundle.from] : [bundle.from, bundle.to];
  const points = [[a.x + a.w / 2, a.y + a.h], ...bundle.bends.map((c) => [c.x, c.y]), [b.x + b.w / 2, b.y]]
    .map(([x, y]) => [x + scope.left, y + scope.top]);
  let path = `M${points[0]}`;
  for (let i = 1; i < points.length; i++) {
    const [[x, y], [u, v]] = [points[i - 1], points[i]], half = (v - y) / 2;
    path += `C${x},${y + half} ${u},${v - half} ${u},${v}`;
  }
  const touched = selected && (bundle.from === selected || bundle.to === selected);
  const line = made("path", { class: `edge${onlyWaits(bundle) ? " waits" : ""}${touched ? " touched" : ""}`, d: path,
    "stroke-width": Math.min(8, 1 + Math.log2(bundle.tensors.size)) }, world);
  line.setAttribute(bundle.back ? "marker-start" : "marker-end", "url(#arrow)");
  const forms = [...bundle.forms].map(([form, count]) => `${count} × ${graph.forms[form]}`);
  made("title", {}, line, `${bundle.from.name} → ${bundle.to.name}\n${forms.slice(0, 12).join("\n")}`);
  if (hasWords && !onlyWaits(bundle)) {
    const [x, y] = wordsAt(points, b.before, a.after);
    made("text", { class: "small", x: x + 4, y: y + 3 }, world, words(bundle));
  }
}

function wordsAt(points, into, out) { // where an edge is by itself: near the end that has fewer
  const last = points.length - 2, [i, s] = into > out ? [0, 0.3] : out > into ? [last, 0.75] : [last >> 1, 0.5];
  const [[x, y], [u, v]] = points.slice(i), half = (v - y) / 2;
  const at = (p, q, r, t) => (1 - s) ** 3 * p + 3 * (1 - s) ** 2 * s * q + 3 * (1 - s) * s * s * r + s ** 3 * t;
  return [at(x, x, u, u), at(y, y + half, v - half, v)];
}

function drawStubs(scope, child, sides) {
  if (child.aside) return;
  const x = scope.left + child.x + child.w / 2, lines = { in: [child.y - 14, child.y], out: [child.y + child.h, child.y + child.h + 14] };
  for (const side of ["in", "out"]) {
    const count = [...sides[side]].filter(isDrawn).length;
    if (!count) continue;
    const at = x + (side === "in" ? -7 : 7);
    const line = made("line", { class: "stub", x1: at, x2: at, y1: scope.top + lines[side][0], y2: scope.top + lines[side][1], "stroke-width": 3 }, world);
    made("title", {}, line, side === "in" ? "reads from outside of this block" : "is read outside of this block");
  }
}

// -- act ----------------------------------------------------------------------------------------------------

let view = { x: 20, y: 20, zoom: 1 };
const look = () => world.setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.zoom})`);

function keeping(block, change) { // what changes around it, the block stays where it is on the screen
  const before = [block.left, block.top];
  change();
  draw();
  view.x += (before[0] - block.left) * view.zoom;
  view.y += (before[1] - block.top) * view.zoom;
  look();
}

function begin() { // readable, from the top
  fit();
  if (view.zoom > 0.6) return;
  view.zoom = 0.6;
  view.x = Math.max(15, (svg.getBoundingClientRect().width - root.w * view.zoom) / 2);
  look();
}

function fit() {
  const { width, height } = svg.getBoundingClientRect();
  view.zoom = Math.min(1.5, (width - 30) / root.w, (height - 30) / root.h);
  view.x = (width - root.w * view.zoom) / 2;
  view.y = 15;
  look();
}

function reveal(block) {
  for (let at = above(block); at; at = above(at)) at.open = true;
  select(block);
  draw();
  const { width, height } = svg.getBoundingClientRect();
  view.zoom = Math.max(view.zoom, 0.6);
  view.x = width / 2 - (block.left + block.w / 2) * view.zoom;
  view.y = height / 2 - (block.top + block.h / 2) * view.zoom;
  look();
}

function toggle(block) {
  select(block);
  if (block !== root && !block.type) block.open = !block.open;
}

let drag = null;
svg.addEventListener("pointerdown", (e) => {
  drag = { x: e.clientX, y: e.clientY, view: { ...view }, moved: false, block: blocks[e.target.dataset ? e.target.dataset.id : -1] };
  svg.setPointerCapture(e.pointerId);
});
svg.addEventListener("pointermove", (e) => {
  if (!drag) return;
  const [dx, dy] = [e.clientX - drag.x, e.clientY - drag.y];
  drag.moved = drag.moved || Math.hypot(dx, dy) > 4;
  if (drag.moved) { view.x = drag.view.x + dx; view.y = drag.view.y + dy; look(); }
});
svg.addEventListener("pointerup", (e) => {
  const { block, moved } = drag || { moved: true };
  drag = null;
  if (moved || !block) return;
  keeping(block, () => {
    if (e.shiftKey && block !== root) block.aside = block.aside ? "" : "moved by hand";
    else toggle(block);
  });
});
svg.addEventListener("wheel", (e) => {
  e.preventDefault();
  const { left, top } = svg.getBoundingClientRect(), [x, y] = [e.clientX - left, e.clientY - top];
  const zoom = Math.min(4, Math.max(0.02, view.zoom * Math.exp(-e.deltaY / 400)));
  view = { x: x - (x - view.x) * zoom / view.zoom, y: y - (y - view.y) * zoom / view.zoom, zoom };
  look();
}, { passive: false });

const find = document.getElementById("find");
let hit = -1;
find.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || !find.value) return;
  const hits = blocks.filter((b) => b !== root && (b.name.includes(find.value) || b.type === find.value));
  if (hits.length) reveal(hits[hit = (hit + 1) % hits.length]);
});
find.addEventListener("input", () => { hit = -1; });
document.getElementById("fit").addEventListener("click", fit);
document.getElementById("close").addEventListener("click", () => {
  blocks.forEach((b) => { b.open = b === root; });
  draw();
  fit();
});
document.getElementById("colour").addEventListener("change", (e) => { colour = e.target.value; draw(); legend(); });

// -- the side -----------------------------------------------------------------------------------------------

function item(parent, text, block) {
  const li = document.createElement("li"), a = document.createElement(block ? "a" : "span");
  a.textContent = text;
  if (block) a.addEventListener("click", () => reveal(block));
  li.appendChild(a);
  parent.appendChild(li);
}

function list(parent, title, rows, most = 30) {
  if (!rows.length) return;
  const head = document.createElement("h2"), ul = document.createElement("ul");
  head.textContent = `${title} (${rows.length})`;
  rows.slice(0, most).forEach(([text, block]) => item(ul, text, block));
  if (rows.length > most) item(ul, `and ${rows.length - most} more`);
  parent.append(head, ul);
}

function within(block, other) {
  for (let at = other; at; at = above(at)) if (at === block) return true;
  return false;
}

function select(block) {
  selected = block;
  const panel = document.getElementById("about");
  panel.replaceChildren();
  const head = document.createElement("h1");
  head.textContent = block.name || "the graph";
  panel.appendChild(head);
  const about = document.createElement("div");
  about.textContent = block.type ? `${block.type}${block.device ? ` on ${block.device}` : ""}` : `${block.ops} operations`;
  panel.appendChild(about);
  if (block.aside) list(panel, `aside: ${block.aside}`, [["shift-click puts it back"]]);
  if (block.type) list(panel, "outputs", block.outputs.map((text) => [text]));
  const inside = block.type ? [block] : blocks.filter((b) => b.type && within(block, b));
  const ends = (side) => inside.flatMap((b) => b[side]).filter(([b]) => !within(block, b));
  list(panel, "inputs", ends("inputs").map(([b, form]) => [`${b.name}  ${graph.forms[form]}`, b]));
  list(panel, "read by", ends("readers").map(([b, form]) => [`${b.name}  ${graph.forms[form]}`, b]));
  if (block.attrs) list(panel, "attributes", block.attrs.map((text) => [text]));
  if (block.kind >= 0) list(panel, "built alike", blocks.filter((b) => b.kind === block.kind && b !== block).map((b) => [b.name, b]));
}

function legend() {
  const panel = document.getElementById("legend");
  panel.replaceChildren();
  const rows = colour === "device" ? devices.map((d, i) => [i, d || "no device asked for", null])
    : [...new Set(blocks.map((b) => b.kind).filter((k) => k >= 0))].sort((a, b) => a - b).slice(0, 14).map((kind) => {
      const like = blocks.filter((b) => b.kind === kind);
      return [kind, `${like.length} × ${like[0].name} (${like[0].ops})`, like[0]];
    });
  list(panel, colour === "device" ? "devices" : "blocks that are built alike", rows.map(([, text, block]) => [text, block]));
  panel.querySelectorAll("li").forEach((li, i) => {
    if (!rows[i]) return;
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = hue(rows[i][0]);
    li.prepend(swatch);
  });
}

for (let at = root; at.children.filter((c) => !c.aside).length === 1;) { // a graph in one scope begins opened
  at = at.children.find((c) => !c.aside);
  if (at.type) break;
  at.open = true;
}
select(root);
legend();
draw();
const asked = blocks.find((b) => b !== root && b.name === decodeURIComponent(location.hash.slice(1)));
if (asked) { // graph.html#layer1/MatMul
  asked.open = !asked.type;
  reveal(asked);
} else begin();
