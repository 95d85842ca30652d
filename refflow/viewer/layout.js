"use strict";
// Where boxes stand, each open block by itself: layers from top to bottom, an order in each, then places [W59].
// measure(block) sets w and h of a block, and x and y of what is in it; viewer.js gives `above`, `isDrawn` and the blocks.

const GAP = 30, LAYER = 42, PAD = 12, HEAD = 22;

function tagsOf(block) { // what it touches that is aside
  const found = new Set();
  for (const bundle of above(block).bundles.values()) {
    if (bundle.to === block && bundle.from.aside) found.add(bundle.from.label);
    if (bundle.from === block && bundle.to.aside) found.add(bundle.to.label);
  }
  return [...found];
}

function measure(block) { // sets w and h, of everything in it first
  if (block.open) return layOut(block);
  const tags = block.aside ? [] : tagsOf(block);
  block.tags = tags.length > 2 ? `${tags.slice(0, 2).join(", ")} +${tags.length - 2}` : tags.join(", ");
  block.shown = block.type || block.series ? block.label : `${block.label}  (${block.ops})`;
  block.w = Math.max(46, 7 * block.shown.length + 14, block.tags ? 5.6 * block.tags.length + 22 : 0);
  block.h = 24 + (block.tags ? 12 : 0);
}

function layOut(scope) {
  scope.children.forEach(measure);
  const main = scope.children.filter((c) => !c.aside), aside = scope.children.filter((c) => c.aside);
  const edges = [...scope.bundles.values()].filter(isDrawn);
  const touched = new Set(edges.flatMap((e) => [e.from, e.to]));
  for (const c of main) c.before = c.after = 0;
  for (const e of edges) { e.from.after++; e.to.before++; }
  const layers = intoLayers(main.filter((c) => touched.has(c)), edges);
  order(layers);
  let [width, y] = place(layers, HEAD + PAD);
  [width, y] = grid(main.filter((c) => !touched.has(c)), PAD, y, width);
  let right = Math.max(width, 7 * scope.label.length + 60);
  if (aside.length) { // columns at the right
    let x = right + 26, top = HEAD + PAD, column = 0;
    const bottom = Math.max(y, 260);
    for (const b of aside) {
      if (top + b.h > bottom && top > HEAD + PAD) { x += column + GAP; top = HEAD + PAD; column = 0; }
      [b.x, b.y] = [x, top];
      top += b.h + 8;
      column = Math.max(column, b.w);
      y = Math.max(y, top);
    }
    right = x + column;
  }
  scope.w = right + PAD;
  scope.h = y + PAD;
}

function grid(loose, x0, y, width) { // blocks without edges, in rows
  const wide = Math.max(width, 120 * Math.ceil(Math.sqrt(loose.length)));
  let x = x0, row = 0;
  for (const b of loose) {
    if (x > x0 && x + b.w > wide) { x = x0; y += row + 8; row = 0; }
    [b.x, b.y] = [x, y];
    x += b.w + GAP;
    row = Math.max(row, b.h);
    width = Math.max(width, x);
  }
  return [width, loose.length ? y + row + 8 : y];
}

function intoLayers(nodes, edges) { // longest path from the sources; an edge over several layers gets bends
  const cells = new Map(nodes.map((b) => [b, { block: b, w: b.w, h: b.h, before: [], after: [], layer: 0 }]));
  const next = new Map(nodes.map((b) => [b, []]));
  for (const e of edges) next.get(e.from).push(e);
  const state = new Map(), sorted = [];
  for (const start of nodes) { // depth first, without recursion: an edge to a block on the way is turned around
    if (state.has(start)) continue;
    const stack = [[start, 0]];
    state.set(start, 1);
    while (stack.length) {
      const top = stack[stack.length - 1], edge = next.get(top[0])[top[1]++];
      if (!edge) { state.set(top[0], 2); sorted.push(top[0]); stack.pop(); continue; }
      edge.back = state.get(edge.to) === 1;
      if (!state.has(edge.to)) { state.set(edge.to, 1); stack.push([edge.to, 0]); }
    }
  }
  const ends = (e) => (e.back ? [e.to, e.from] : [e.from, e.to]).map((b) => cells.get(b));
  const out = new Map(nodes.map((b) => [cells.get(b), []]));
  for (const e of edges) { const [a, b] = ends(e); out.get(a).push(b); b.sources = (b.sources || 0) + 1; }
  const topological = sortedCells([...sorted].reverse().map((b) => cells.get(b)), out);
  for (const cell of topological) for (const to of out.get(cell)) to.layer = Math.max(to.layer, cell.layer + 1);
  for (const cell of topological) { // a source stands just before who reads it
    if (!cell.sources && out.get(cell).length) cell.layer = Math.min(...out.get(cell).map((c) => c.layer)) - 1;
  }
  const layers = [];
  const put = (cell) => { while (layers.length <= cell.layer) layers.push([]); layers[cell.layer].push(cell); };
  topological.forEach(put);
  const bends = edges.reduce((sum, e) => sum + Math.abs(ends(e)[0].layer - ends(e)[1].layer), 0);
  for (const e of edges) {
    const [a, b] = ends(e);
    let last = a;
    e.bends = [];
    for (let k = a.layer + 1; bends < 8000 && k < b.layer; k++) {
      const bend = { w: 4, h: 0, before: [], after: [], layer: k };
      put(bend);
      e.bends.push(bend);
      last.after.push(bend);
      bend.before.push(last);
      last = bend;
    }
    last.after.push(b);
    b.before.push(last);
  }
  return layers;
}

function sortedCells(cells, out) { // Kahn's order, which turned edges need
  const waits = new Map(cells.map((c) => [c, c.sources || 0])), ready = cells.filter((c) => !c.sources), found = [];
  for (let i = 0; i < ready.length; i++) {
    found.push(ready[i]);
    for (const to of out.get(ready[i])) {
      waits.set(to, waits.get(to) - 1);
      if (waits.get(to) === 0) ready.push(to);
    }
  }
  return found;
}

function order(layers) { // each cell where its neighbours are on average, downwards and upwards in turn
  layers.forEach((layer) => layer.forEach((cell, i) => { cell.at = i; }));
  for (let sweep = 0; sweep < 8; sweep++) {
    const down = sweep % 2 === 0, side = down ? "before" : "after";
    for (const layer of down ? layers : [...layers].reverse()) {
      for (const c of layer) c.want = c[side].length ? c[side].reduce((s, n) => s + n.at, 0) / c[side].length : c.at;
      layer.sort((a, b) => a.want - b.want).forEach((cell, i) => { cell.at = i; });
    }
  }
}

function place(layers, top) { // x: near the neighbours without overlap; y: a layer below the other
  for (const layer of layers) {
    let x = 0;
    for (const c of layer) { c.x = x; x += c.w + GAP; }
    for (const c of layer) c.x -= x / 2;
  }
  const middle = (c) => c.x + c.w / 2;
  for (let pass = 0; pass < 14; pass++) {
    for (const layer of pass % 2 ? [...layers].reverse() : layers) {
      for (const c of layer) {
        const near = [...c.before, ...c.after];
        c.want = near.length ? near.reduce((s, n) => s + middle(n), 0) / near.length - c.w / 2 : c.x;
      }
      let end = -Infinity, off = 0;
      for (const c of layer) { c.x = Math.max(c.want, end); end = c.x + c.w + (c.block ? GAP : 6); off += c.x - c.want; }
      for (const c of layer) c.x -= off / layer.length;
    }
  }
  const left = Math.min(0, ...layers.flat().map((c) => c.x));
  let width = 0, y = top;
  for (const layer of layers) {
    const height = Math.max(0, ...layer.map((c) => c.h));
    for (const c of layer) {
      c.x += PAD - left;
      c.y = y + (height - c.h) / 2;
      if (c.block) [c.block.x, c.block.y] = [c.x, c.y];
      width = Math.max(width, c.x + c.w);
    }
    y += height + LAYER;
  }
  return [width, layers.length ? y - LAYER + PAD : top];
}
