"use strict";
(() => {
  // A picture stands in the page once; the other places copy its address.
  const urls = new Map();
  for (const img of document.querySelectorAll("img[data-key][src]")) {
    if (!urls.has(img.dataset.key)) urls.set(img.dataset.key, img.getAttribute("src"));
  }
  for (const img of document.querySelectorAll("img[data-key]:not([src])")) {
    if (urls.has(img.dataset.key)) img.src = urls.get(img.dataset.key);
  }

  for (const figure of document.querySelectorAll(".compare")) {
    const range = figure.querySelector(".reveal");
    const show = () => {
      const percent = range.value / 10;
      figure.style.setProperty("--at", `${percent}%`);
      range.setAttribute("aria-valuetext", `${Math.round(percent)} % before, ${Math.round(100 - percent)} % after`);
    };
    range.addEventListener("input", show);
    // the handle follows the pointer exactly, without the margin that a range leaves for its thumb
    const follow = (event) => {
      const box = range.getBoundingClientRect();
      range.value = Math.round(1000 * (event.clientX - box.left) / box.width);
      show();
    };
    range.addEventListener("pointerdown", (event) => { range.setPointerCapture(event.pointerId); follow(event); });
    range.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
    range.addEventListener("pointerup", follow);
    show();
    for (const button of figure.querySelectorAll(".toggle")) {
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        const overlay = figure.querySelector(`[data-overlay="${button.dataset.toggle}"]`);
        if (overlay) overlay.hidden = !on;
        else figure.classList.toggle("difference", on);
      });
    }
  }

  const copy = document.getElementById("copy");
  if (copy) {
    const line = document.getElementById("command");
    copy.addEventListener("click", () => {
      getSelection().selectAllChildren(line);
      // the older call: navigator.clipboard asks for a permission that a page on disk cannot get
      copy.textContent = document.execCommand("copy") ? "Copied" : "Selected";
      setTimeout(() => { copy.textContent = "Copy"; }, 1600);
    });
  }

  // The close look: two panes over one view, a centre in shares of the picture and pixels of the screen per pixel.
  const dialog = document.getElementById("zoom");
  const panes = document.getElementById("panes");
  const pictures = [document.getElementById("pane-before"), document.getElementById("pane-after")];
  const view = { scale: 1, x: 0.5, y: 0.5 };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const reference = () => pictures[1].naturalWidth || 1;
  const fit = () => {
    const pane = pictures[1].parentElement.getBoundingClientRect();
    const height = pictures[1].naturalHeight || 1;
    return Math.min(pane.width / reference(), pane.height / height);
  };
  const draw = () => {
    view.scale = clamp(view.scale, Math.min(fit(), 1) / 2, 40);
    view.x = clamp(view.x, 0, 1);
    view.y = clamp(view.y, 0, 1);
    for (const img of pictures) {
      const pane = img.parentElement.getBoundingClientRect();
      const scale = view.scale * reference() / (img.naturalWidth || 1);
      const left = pane.width / 2 - view.x * img.naturalWidth * scale;
      const top = pane.height / 2 - view.y * img.naturalHeight * scale;
      img.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
      img.parentElement.classList.toggle("pixels", scale >= 2);
    }
    document.getElementById("zoomlevel").textContent = `${Math.round(view.scale * 100)} %`;
  };
  const zoom = (factor) => { view.scale *= factor; draw(); };
  const move = (dx, dy) => {
    view.x -= dx / (pictures[1].naturalWidth * view.scale || 1);
    view.y -= dy / (pictures[1].naturalHeight * view.scale || 1);
    draw();
  };
  const actions = {
    in: () => zoom(1.5), out: () => zoom(1 / 1.5), close: () => dialog.close(),
    fit: () => { Object.assign(view, { scale: fit(), x: 0.5, y: 0.5 }); draw(); },
    pixel: () => { view.scale = 8; draw(); },
  };
  for (const button of dialog.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => actions[button.dataset.zoom]());
  }
  for (const button of document.querySelectorAll(".look")) {
    button.addEventListener("click", async () => {
      pictures[0].src = urls.get(button.dataset.before) ?? "";
      pictures[1].src = urls.get(button.dataset.after) ?? "";
      document.getElementById("zoomname").textContent = button.dataset.name;
      dialog.showModal();
      await Promise.allSettled(pictures.map((img) => img.decode()));
      actions.fit();
      panes.focus();
    });
  }
  dialog.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 200 : 50;
    const keys = {
      "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": actions.fit,
      ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0),
      ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey) { event.preventDefault(); keys[event.key](); }
  });
  const pointers = new Map();
  panes.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    panes.setPointerCapture(event.pointerId);
  });
  panes.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const others = [...pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    if (others.length) {  // two fingers: their distance zooms
      const before = Math.hypot(last.clientX - others[0].clientX, last.clientY - others[0].clientY);
      const after = Math.hypot(event.clientX - others[0].clientX, event.clientY - others[0].clientY);
      if (before > 0) zoom(after / before);
    } else {
      move(event.clientX - last.clientX, event.clientY - last.clientY);
    }
    pointers.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    panes.addEventListener(kind, (event) => pointers.delete(event.pointerId));
  }
  panes.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400));
  }, { passive: false });
  addEventListener("resize", () => { if (dialog.open) draw(); });
})();
