// The zoomable map of the report. Loaded by the page itself, from the folder beside it: no other source, no requests but
// for tiles (images) and cells (scripts), since a page opened from a disk may read nothing else.
// Names come from strangers' files: they become text nodes, never markup.
"use strict";
(function () {
  const MOST_TILES = 192;          // kept decoded, about 1 MB each
  const DRAG_PX = 4;               // a pointer that moved less has clicked
  const THUMB_PX = 96;
  const NONE = 0xffffffff;

  const byId = (id) => document.getElementById(id);
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  let map = null, canvas = null, pen = null;
  const view = { x: 0, y: 0, scale: 1 };   // the picture's pixel at the middle, screen pixels a picture's pixel
  const tiles = new Map(), chunks = new Map(), waiting = new Map();
  let hover = -1, selected = -1, near = [], dirty = false, flight = 0, shown = false;

  // ---- the picture -----------------------------------------------------------------------------------------

  function tile(level, column, row, wanted) {
    const key = level + "/" + column + "_" + row;
    let found = tiles.get(key);
    if (found) { tiles.delete(key); tiles.set(key, found); return found; }
    if (!wanted) return null;
    found = { image: new Image(), ready: false, then: [] };
    found.image.onload = () => { found.ready = true; found.then.forEach((go) => go()); found.then = []; redraw(); };
    found.image.onerror = () => { found.failed = true; };
    found.image.src = map.folder + "/tiles/" + key + ".jpg";
    tiles.set(key, found);
    return found;
  }

  function forget() {
    for (const [key, old] of tiles) {
      if (tiles.size <= MOST_TILES) break;
      // The smallest levels are always at hand: they fill in for what is loading.
      if (Number(key.split("/")[0]) > 9) { old.image.src = ""; tiles.delete(key); }
    }
  }

  function levelFor(scale) { return clamp(Math.ceil(map.levels + Math.log2(scale) - 0.25), 0, map.levels); }

  // Draws the part of the picture that begins at (left, top) of its full size, at `scale`, onto (0, 0).
  function paint(pen, left, top, width, height, scale, level) {
    const shrink = Math.pow(2, map.levels - level), side = map.tile * shrink;
    const first = Math.max(Math.floor(left / side), 0), last = Math.floor(Math.min(left + width / scale, map.width - 1) / side);
    const upper = Math.max(Math.floor(top / side), 0), lower = Math.floor(Math.min(top + height / scale, map.height - 1) / side);
    let complete = true;
    for (let row = upper; row <= lower; row++) {
      for (let column = first; column <= last; column++) {
        let of = level, c = column, r = row, got = tile(of, c, r, true);
        if (!got.ready) complete = complete && Boolean(got.failed);
        while (!(got && got.ready) && of > 0) { of--; c >>= 1; r >>= 1; got = tile(of, c, r, of === 9 || of === 0); }
        if (!(got && got.ready)) continue;
        const whole = Math.pow(2, map.levels - of), x0 = column * side, y0 = row * side;
        const w = Math.min(side, map.width - x0), h = Math.min(side, map.height - y0);
        const sx = x0 / whole - c * map.tile, sy = y0 / whole - r * map.tile;
        const sw = Math.min(w / whole, got.image.width - sx), sh = Math.min(h / whole, got.image.height - sy);
        // Rounded outward, so that no seam of the background shows between tiles.
        const dx = Math.floor((x0 - left) * scale), dy = Math.floor((y0 - top) * scale);
        const right = Math.ceil((x0 + w - left) * scale), bottom = Math.ceil((y0 + h - top) * scale);
        pen.drawImage(got.image, sx, sy, sw, sh, dx, dy, right - dx, bottom - dy);
      }
    }
    return complete;
  }

  function corner() {
    return { left: view.x - canvas.width / 2 / view.scale, top: view.y - canvas.height / 2 / view.scale };
  }

  function outline(cell, color, width) {
    const { left, top } = corner(), c = cell % map.columns, r = Math.floor(cell / map.columns);
    pen.strokeStyle = color;
    pen.lineWidth = width * devicePixelRatio;
    const side = map.cell * view.scale, grow = pen.lineWidth / 2;
    pen.strokeRect((c * map.pitch - left) * view.scale - grow, (r * map.pitch - top) * view.scale - grow, side + 2 * grow, side + 2 * grow);
  }

  function draw() {
    dirty = false;
    if (!map || !canvas.width) return;
    const style = getComputedStyle(canvas), { left, top } = corner();
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingQuality = "high";
    paint(pen, left, top, canvas.width, canvas.height, view.scale, levelFor(view.scale));
    near.forEach((one) => outline(one.cell, style.color, 2));
    if (hover >= 0 && hover !== selected) outline(hover, style.color, 1.5);
    if (selected >= 0) outline(selected, style.borderTopColor, 3.5);
    forget();
  }

  function redraw() { if (!dirty) { dirty = true; requestAnimationFrame(draw); } }

  // ---- moving ----------------------------------------------------------------------------------------------

  function fitScale() { return Math.min(canvas.width / map.width, canvas.height / map.height) * 0.98; }

  function settle() {
    const least = fitScale(), most = Math.max(4 * devicePixelRatio, least);
    view.scale = clamp(view.scale, least, most);
    view.x = clamp(view.x, 0, map.width);
    view.y = clamp(view.y, 0, map.height);
    redraw();
  }

  function fit() { stop(); view.x = map.width / 2; view.y = map.height / 2; view.scale = 0; settle(); }

  // Zooms so that what lies under (x, y) of the canvas stays there.
  function zoom(factor, x, y) {
    stop();
    const { left, top } = corner(), at = { x: left + x / view.scale, y: top + y / view.scale };
    view.scale *= factor;
    settle();
    view.x = at.x - (x - canvas.width / 2) / view.scale;
    view.y = at.y - (y - canvas.height / 2) / view.scale;
    settle();
  }

  function stop() { if (flight) cancelAnimationFrame(flight); flight = 0; }

  function flyTo(cell) {
    stop();
    const from = { x: view.x, y: view.y, scale: view.scale };
    const to = {
      x: (cell % map.columns) * map.pitch + map.cell / 2,
      y: Math.floor(cell / map.columns) * map.pitch + map.cell / 2,
      scale: Math.max(view.scale, 72 * devicePixelRatio / map.pitch),
    };
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches, start = performance.now();
    const step = (now) => {
      const t = still ? 1 : clamp((now - start) / 450, 0, 1), e = t * t * (3 - 2 * t);
      view.x = from.x + (to.x - from.x) * e;
      view.y = from.y + (to.y - from.y) * e;
      view.scale = from.scale * Math.pow(to.scale / from.scale, e);
      flight = t < 1 ? requestAnimationFrame(step) : 0;
      settle();
    };
    flight = requestAnimationFrame(step);
  }

  function resize() {
    const box = canvas.getBoundingClientRect();
    canvas.width = Math.round(box.width * devicePixelRatio);
    canvas.height = Math.round(box.height * devicePixelRatio);
    if (!canvas.width) return;
    if (shown) settle(); else fit();
    shown = true;
  }

  // ---- what stands behind a cell ---------------------------------------------------------------------------

  function numbers(base64, bytes) {
    const text = atob(base64), buffer = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) buffer[i] = text.charCodeAt(i);
    return bytes === 4 ? new Uint32Array(buffer.buffer) : new Uint16Array(buffer.buffer);
  }

  // Calls `then` with the cell's path, label and neighbors, at once or when its file has come.
  function about(cell, then) {
    const index = Math.floor(cell / map.chunk), chunk = chunks.get(index);
    if (chunk) {
      const i = cell - index * map.chunk, path = chunk.paths[i];
      if (path === null || path === undefined) { then(null); return; }
      const label = chunk.labels[i] < 0 ? null : chunk.names[chunk.labels[i]], found = [];
      for (let j = 0; j < map.k; j++) {
        const other = chunk.near[i * map.k + j];
        if (other !== NONE) found.push({ cell: other, distance: chunk.far[i * map.k + j] * map.unit });
      }
      then({ path, label, near: found });
      return;
    }
    const others = waiting.get(index);
    if (others) { others.push([cell, then]); return; }
    waiting.set(index, [[cell, then]]);
    const script = document.createElement("script");
    script.src = map.folder + "/cells-" + index + ".js";
    script.onload = () => script.remove();
    script.onerror = () => { waiting.delete(index); script.remove(); };
    document.head.appendChild(script);
  }

  function words(parent, tag, text, kind) {
    const element = document.createElement(tag), isolated = document.createElement("bdi");
    isolated.textContent = text;
    element.appendChild(isolated);
    if (kind) element.className = kind;
    parent.appendChild(element);
    return element;
  }

  function thumb(parent, cell, side) {
    const picture = document.createElement("canvas");
    picture.width = picture.height = Math.round(side * devicePixelRatio);
    picture.style.width = picture.style.height = side + "px";
    parent.appendChild(picture);
    const scale = picture.width / map.cell, x = (cell % map.columns) * map.pitch, y = Math.floor(cell / map.columns) * map.pitch;
    const level = levelFor(scale);
    const again = () => {
      if (!paint(picture.getContext("2d"), x, y, picture.width, picture.height, scale, level)) {
        const side = map.tile * Math.pow(2, map.levels - level);
        for (const px of [x, x + map.cell - 1]) for (const py of [y, y + map.cell - 1]) {
          const one = tile(level, Math.floor(px / side), Math.floor(py / side), true);
          if (!one.ready && !one.failed && !one.then.includes(again)) one.then.push(again);
        }
      }
    };
    again();
  }

  function say(cell) {
    const tip = byId("zoom-tip");
    if (cell < 0) { tip.textContent = ""; return; }
    about(cell, (one) => {
      if (hover !== cell) return;
      tip.textContent = "";
      if (!one) return;
      words(tip, "span", one.path);
      if (one.label !== null) words(tip, "span", one.label, "label");
    });
  }

  function select(cell, fly) {
    const panel = byId("zoom-near");
    about(cell, (one) => {
      if (!one) { deselect(); return; }
      selected = cell;
      near = one.near;
      panel.textContent = "";
      panel.hidden = false;
      const head = document.createElement("div");
      head.className = "own";
      thumb(head, cell, THUMB_PX * 1.5);
      const text = document.createElement("div");
      head.appendChild(text);
      words(text, "strong", one.path);
      if (one.label !== null) words(text, "div", one.label, "label");
      words(text, "div", near.length ? near.length + " nearest neighbors" : "no neighbors are known", "muted");
      panel.appendChild(head);
      const list = document.createElement("ol");
      for (const other of near) {
        const item = document.createElement("li"), button = document.createElement("button");
        button.type = "button";
        thumb(button, other.cell, THUMB_PX);
        words(button, "span", other.distance.toFixed(3), "distance");
        const name = words(button, "span", "", "path");
        about(other.cell, (it) => { if (it) { name.firstChild.textContent = it.path; button.title = it.path; } });
        button.onclick = () => select(other.cell, true);
        item.appendChild(button);
        list.appendChild(item);
      }
      panel.appendChild(list);
      resize();
      if (fly) flyTo(cell); else redraw();
    });
  }

  function deselect() {
    selected = -1;
    near = [];
    byId("zoom-near").hidden = true;
    resize();
    redraw();
  }

  // ---- hands -----------------------------------------------------------------------------------------------

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * devicePixelRatio, y: (event.clientY - box.top) * devicePixelRatio };
  }

  function cellAt(at) {
    const { left, top } = corner(), x = left + at.x / view.scale, y = top + at.y / view.scale;
    const column = Math.floor(x / map.pitch), row = Math.floor(y / map.pitch);
    return x < 0 || y < 0 || column >= map.columns || row >= map.rows ? -1 : row * map.columns + column;
  }

  function listen() {
    const down = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      if (!down.size) moved = 0;
      down.set(event.pointerId, place(event));
      stop();
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = place(event), was = down.get(event.pointerId);
      if (!was) {
        const cell = cellAt(at);
        if (cell !== hover) { hover = cell; say(cell); redraw(); }
        return;
      }
      const others = [...down].filter(([id]) => id !== event.pointerId);
      down.set(event.pointerId, at);
      moved += Math.hypot(at.x - was.x, at.y - was.y);
      view.x -= (at.x - was.x) / view.scale / (others.length + 1);
      view.y -= (at.y - was.y) / view.scale / (others.length + 1);
      if (others.length === 1) {
        const fixed = others[0][1], span = (p) => Math.max(Math.hypot(p.x - fixed.x, p.y - fixed.y), 1);
        zoom(span(at) / span(was), (at.x + fixed.x) / 2, (at.y + fixed.y) / 2);
      }
      settle();
    });
    const up = (event) => {
      const at = down.get(event.pointerId);
      down.delete(event.pointerId);
      if (!at || event.type !== "pointerup" || down.size || moved > DRAG_PX * devicePixelRatio) return;
      const cell = cellAt(at);
      if (cell >= 0) select(cell, false); else deselect();
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { if (!down.size) { hover = -1; say(-1); redraw(); } });
    canvas.addEventListener("dblclick", (event) => { const at = place(event); zoom(2, at.x, at.y); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1, at = place(event);
      zoom(Math.pow(2, -clamp(event.deltaY * lines, -240, 240) / 240), at.x, at.y);
    }, { passive: false });
    const middle = (factor) => zoom(factor, canvas.width / 2, canvas.height / 2);
    const go = (x, y) => { stop(); view.x += x * canvas.width / 6 / view.scale; view.y += y * canvas.height / 6 / view.scale; settle(); };
    const keys = {
      "+": () => middle(1.5), "=": () => middle(1.5), "-": () => middle(1 / 1.5), "0": fit, "Home": fit, "Escape": deselect,
      "ArrowLeft": () => go(-1, 0), "ArrowRight": () => go(1, 0), "ArrowUp": () => go(0, -1), "ArrowDown": () => go(0, 1),
      "Enter": () => { const cell = cellAt({ x: canvas.width / 2, y: canvas.height / 2 }); if (cell >= 0) select(cell, false); },
    };
    canvas.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    byId("zoom-in").onclick = () => middle(2);
    byId("zoom-out").onclick = () => middle(0.5);
    byId("zoom-fit").onclick = fit;
    byId("zoom-full").onclick = () => {
      if (document.fullscreenElement) document.exitFullscreen(); else byId("zoom").requestFullscreen();
    };
    byId("zoom-full").hidden = !document.fullscreenEnabled;
    new ResizeObserver(resize).observe(canvas);
  }

  // ---- what the files beside the page call -----------------------------------------------------------------

  window.featlas = {
    map(what) {
      map = what;
      canvas = byId("zoom-canvas");
      pen = canvas.getContext("2d");
      byId("zoom").hidden = false;
      const still = byId("zoom-still");   // an atlas without posters has none
      if (still) still.hidden = true;
      listen();
      resize();
    },
    cells(index, chunk) {
      chunk.near = numbers(chunk.near, 4);
      chunk.far = numbers(chunk.far, 2);
      chunks.set(index, chunk);
      (waiting.get(index) || []).forEach(([cell, then]) => about(cell, then));
      waiting.delete(index);
    },
    // For tests: what is shown now.
    state() {
      return { view: Object.assign({}, view), width: map ? map.width : 0, height: map ? map.height : 0, hover, selected, near: near.length, loading: [...tiles.values()].filter((t) => !t.ready && !t.failed).length };
    },
  };
})();
