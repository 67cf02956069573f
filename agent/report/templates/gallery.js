"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const base = data.folder ? `${data.folder}/` : "/";
  const TAGS = ["Success", "Reflection", "Failed", "unknown"];
  const CLASS = { Success: "success", Reflection: "reflection", Failed: "failed", unknown: "unknown" };
  const CHUNK = 96;
  const $ = (id) => document.getElementById(id);
  let cards = data.cards;
  let chosen = [];
  let shown = 0;
  const wanted = { tags: new Set(), text: "", editor: "", reasoner: "", sort: "started-" };

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const SVG = "http://www.w3.org/2000/svg";
  const draw = (name, attributes = {}, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // cards
  const label = (card) => card.tag || card.status;
  const build = (card) => {
    const words = make("div", { class: "words" });
    const request = make("span", { class: "request", dir: "auto" });
    request.textContent = card.request || "(no request)";
    const line = make("span", { class: "facts-line" });
    const tag = make("span", { class: `tag ${CLASS[card.tag] ?? "none"}` });
    tag.textContent = label(card);
    line.append(tag);
    const facts = [
      card.score === null ? "" : `${card.score.toFixed(1)} of 10`,
      `${card.tags.length} ${card.tags.length === 1 ? "round" : "rounds"}`, `${card.seconds.toFixed(1)} s`, card.photo,
    ];
    for (const fact of facts) {
      if (fact) { const span = make("span"); span.textContent = fact; line.append(span); }
    }
    words.append(request, line);
    const link = make("a", { href: `${base}runs/${encodeURIComponent(card.name)}.html` });
    if (card.thumb) {
      link.append(make("img", {
        class: "thumb", loading: "lazy", decoding: "async", alt: "Before and after", width: 360, height: 240,
        src: `${base}thumbs/${encodeURIComponent(card.name)}.jpg`,
      }));
    }
    link.append(words);
    return make("li", { class: "card" }, link);
  };
  const more = () => {
    const part = chosen.slice(shown, shown + CHUNK);
    $("cards").append(...part.map(build));
    shown += part.length;
    $("more").hidden = shown >= chosen.length;
  };

  // filters
  const passes = (card) =>
    (!wanted.tags.size || wanted.tags.has(label(card))) &&
    (!wanted.editor || card.editor === wanted.editor) &&
    (!wanted.reasoner || card.reasoner === wanted.reasoner) &&
    (!wanted.text || `${card.request}\n${card.photo}\n${card.id}`.toLowerCase().includes(wanted.text));
  const value = (card, key) => (key === "rounds" ? card.tags.length : card[key]);
  const order = (a, b) => {
    const key = wanted.sort.slice(0, -1);
    const [x, y] = [value(a, key), value(b, key)];
    if (x === y) return a.id < b.id ? -1 : 1;
    if (x === null || y === null) return x === null ? 1 : -1;  // without a number: last
    return (x < y ? -1 : 1) * (wanted.sort.endsWith("-") ? -1 : 1);
  };
  const refresh = () => {
    chosen = cards.filter(passes).sort(order);
    $("cards").replaceChildren();
    shown = 0;
    more();
    const all = chosen.length === cards.length ? "" : ` of ${cards.length.toLocaleString()}`;
    $("count").textContent = `${chosen.length.toLocaleString()}${all} ${cards.length === 1 ? "run" : "runs"}`;
    charts();
  };
  const options = (select, key, name) => {
    const before = select.value;
    const values = [...new Set(cards.map((card) => card[key]).filter(Boolean))].sort();
    select.replaceChildren(...["", ...values].map((entry) => {
      const option = make("option", { value: entry });
      option.textContent = entry || `any ${name}`;
      return option;
    }));
    select.value = values.includes(before) ? before : "";
  };
  const tagButtons = () => {
    const counts = new Map();
    for (const card of cards) counts.set(label(card), (counts.get(label(card)) ?? 0) + 1);
    const names = [...counts.keys()].sort((a, b) => (TAGS.indexOf(a) + 99) % 99 - (TAGS.indexOf(b) + 99) % 99);
    $("tags").replaceChildren(...names.map((name) => {
      const button = make("button", { type: "button", "aria-pressed": String(wanted.tags.has(name)) });
      button.textContent = `${name} ${counts.get(name).toLocaleString()}`;
      button.addEventListener("click", () => {
        if (!wanted.tags.delete(name)) wanted.tags.add(name);
        button.setAttribute("aria-pressed", String(wanted.tags.has(name)));
        refresh();
      });
      return button;
    }));
  };

  // charts, drawn from what passes the filters
  const figure = (title, svg, legend = []) => {
    const heading = make("h2");
    heading.textContent = title;
    const list = make("div", { class: "legend" });
    for (const [name, style] of legend) {
      const key = draw("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
      key.append(draw("rect", { width: 10, height: 10, rx: 2, class: style }));
      const item = make("span");
      item.append(key, name);
      list.append(item);
    }
    return make("div", {}, heading, svg, list);
  };
  const picture = (height, words) => draw("svg", { viewBox: `0 0 320 ${height}`, role: "img", "aria-label": words });
  const tagsByRound = () => {
    const rounds = [];
    for (const card of chosen) {
      card.tags.forEach((tag, index) => {
        rounds[index] ??= {};
        rounds[index][tag || "unknown"] = (rounds[index][tag || "unknown"] ?? 0) + 1;
      });
    }
    const most = Math.max(1, ...rounds.map((one) => Object.values(one).reduce((a, b) => a + b, 0)));
    const words = rounds.map((one, i) => `round ${i + 1}: ${Object.entries(one).map(([t, n]) => `${n} ${t}`).join(", ")}`);
    const svg = picture(Math.max(1, rounds.length) * 30, `Verdicts by round. ${words.join("; ")}`);
    rounds.forEach((one, index) => {
      svg.append(draw("text", { x: 0, y: index * 30 + 16 }, `round ${index + 1}`));
      let x = 56;
      for (const tag of TAGS) {
        if (!one[tag]) continue;
        const width = 225 * one[tag] / most;
        svg.append(draw("rect", { x, y: index * 30 + 3, width, height: 19, rx: 2, class: `f-${CLASS[tag]}` }));
        x += width + 1;
      }
      svg.append(draw("text", { x: x + 4, y: index * 30 + 16, class: "strong" }, Object.values(one).reduce((a, b) => a + b, 0)));
    });
    return figure("Verdicts by round", svg, TAGS.map((tag) => [tag, `f-${CLASS[tag]}`]));
  };
  const beforeAfter = () => {
    const pairs = chosen.map((card) => card.scores.filter((score) => score !== null)).filter((all) => all.length > 1);
    const bins = (scores) => {
      const counts = new Array(10).fill(0);
      for (const score of scores) counts[Math.min(9, Math.max(0, Math.floor(score)))] += 1;
      return counts;
    };
    const first = bins(pairs.map((all) => all[0]));
    const last = bins(pairs.map((all) => Math.max(...all.slice(1))));
    const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : 0);
    const means = [mean(pairs.map((all) => all[0])), mean(pairs.map((all) => Math.max(...all.slice(1))))];
    const words = pairs.length
      ? `Score of the first edit, mean ${means[0].toFixed(1)}, and best score after reflection, mean ${means[1].toFixed(1)}, over ${pairs.length} runs.`
      : "No run has reflected.";
    const svg = picture(132, words);
    const most = Math.max(1, ...first, ...last);
    for (let bin = 0; bin < 10; bin += 1) {
      const x = bin * 32;
      for (const [counts, style, offset] of [[first, "f-quiet", 3], [last, "f-accent", 16]]) {
        const height = 92 * counts[bin] / most;
        svg.append(draw("rect", { x: x + offset, y: 96 - height, width: 12, height, rx: 1.5, class: style }));
      }
      svg.append(draw("text", { x, y: 110, "text-anchor": "middle" }, bin));
    }
    svg.append(draw("text", { x: 318, y: 110, "text-anchor": "end" }, 10), draw("line", { x1: 0, x2: 320, y1: 96.5, y2: 96.5, class: "axis" }));
    svg.append(draw("text", { x: 0, y: 128, class: "strong" }, pairs.length ? `${pairs.length} ${pairs.length === 1 ? "run" : "runs"}: ${means[0].toFixed(1)} → ${means[1].toFixed(1)} on average` : words));
    return figure("Score before and after reflection", svg, [["first edit", "f-quiet"], ["best after it", "f-accent"]]);
  };
  const timeByStage = () => {
    const sums = {};
    for (const card of chosen) {
      for (const [stage, seconds] of Object.entries(card.stages)) sums[stage] = (sums[stage] ?? 0) + seconds;
    }
    const stages = ["think", "describe", "edit", "measure", "score", "conclude", "judge"].filter((stage) => sums[stage]);
    const most = Math.max(0.001, ...stages.map((stage) => sums[stage]));
    const each = (stage) => (sums[stage] / Math.max(1, chosen.length)).toFixed(2);
    const svg = picture(Math.max(1, stages.length) * 22, `Mean seconds by stage. ${stages.map((s) => `${s} ${each(s)}`).join(", ")}`);
    stages.forEach((stage, index) => {
      const y = index * 22;
      svg.append(draw("text", { x: 0, y: y + 13 }, stage));
      const width = Math.max(1.5, 190 * sums[stage] / most);
      svg.append(draw("rect", { x: 60, y: y + 2, width, height: 14, rx: 2, class: `s-${stage}` }));
      svg.append(draw("text", { x: 66 + width, y: y + 13, class: "strong" }, `${each(stage)} s`));
    });
    return figure("Time by stage, mean of a run", svg);
  };
  const charts = () => $("charts").replaceChildren(tagsByRound(), beforeAfter(), timeByStage());

  // events
  const controls = { text: "input", editor: "change", reasoner: "change", sort: "change" };
  let waiting;
  for (const [name, event] of Object.entries(controls)) {
    $(name).addEventListener(event, () => {
      wanted[name] = name === "text" ? $(name).value.trim().toLowerCase() : $(name).value;
      clearTimeout(waiting);
      waiting = setTimeout(refresh, name === "text" ? 120 : 0);
    });
  }
  $("reset").addEventListener("click", () => {
    Object.assign(wanted, { text: "", editor: "", reasoner: "", sort: "started-" });
    wanted.tags.clear();
    for (const name of Object.keys(controls)) $(name).value = wanted[name];
    tagButtons();
    refresh();
  });
  $("more").addEventListener("click", more);
  new IntersectionObserver((entries) => { if (entries[0].isIntersecting && !$("more").hidden) more(); }, { rootMargin: "800px" }).observe($("more"));

  const begin = () => {
    options($("editor"), "editor", "editor");
    options($("reasoner"), "reasoner", "reasoner");
    tagButtons();
    refresh();
  };
  begin();

  if (data.live) {
    let last = JSON.stringify(cards);
    const ask = async () => {
      try {
        const text = await (await fetch("/cards.json")).text();
        $("live").textContent = "live";
        if (text !== last) {
          last = text;
          cards = JSON.parse(text);
          const depth = shown;
          begin();
          while (shown < Math.min(depth, chosen.length)) more();
        }
      } catch {
        $("live").textContent = "the server has stopped";
      }
      setTimeout(ask, document.hidden ? 10000 : 2000);
    };
    setTimeout(ask, 2000);
  }
})();
