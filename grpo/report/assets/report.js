// The table of completions: filter, sort, page. Texts go in as text nodes, never as HTML.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("completions-data").textContent);
  const root = document.getElementById("browser");
  const PAGE = 20;

  const rows = data.rows.map(([group, sample, reward, advantage, finish, tokens, parts, outcomes, text]) => {
    const [stage, step, problem] = data.groups[group];
    const [id, question, answer, prompt] = data.problems[problem];
    return { group, stage, step, id, question, answer, prompt, sample, reward, advantage, tokens, parts, text,
      finish: data.words[finish], outcomes: outcomes.map((word) => data.words[word]) };
  });
  rows.forEach((row) => { row.haystack = `${row.id}\n${row.question}\n${row.text}`.toLowerCase(); });

  const stages = [...new Set(rows.map((row) => row.stage))];
  const names = [...new Set([...data.parts, ...data.outcomes])];
  const part = (row, name) => row.parts[data.parts.indexOf(name)];
  const outcome = (row, name) => row.outcomes[data.outcomes.indexOf(name)];
  const columns = [
    ...(stages.length > 1 ? [["stage", (row) => row.stage]] : []),
    ["step", (row) => row.step],
    ["reward", (row) => row.reward],
    ...names.map((name) => [name, (row) => (data.parts.includes(name) ? part(row, name) : outcome(row, name)),
      (row) => (data.parts.includes(name) ? outcome(row, name) : undefined)]),
    ["advantage", (row) => row.advantage],
    ["tokens", (row) => row.tokens],
  ].filter(([, get]) => rows.some((row) => get(row) !== null && get(row) !== undefined));
  const state = { stage: "", step: "", outcome: "", from: "", to: "", text: "", group: null, sort: null, down: false, page: 0 };

  function make(name, properties = {}, ...children) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  }
  function shown(value) {
    if (value === null || value === undefined) return "–";
    return typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value);
  }
  function marked(text) {
    return text.split(/(<\/?(?:think|answer)>)/).map((piece, i) =>
      i % 2 ? make("span", { className: "tag", textContent: piece }) : piece);
  }

  function update(change) {
    Object.assign(state, { page: 0, group: null }, change);
    draw();
  }
  function field(label, control, name, className = "") {
    control.addEventListener("input", () => update({ [name]: control.value }));
    return make("label", { className }, label, control);
  }
  function choice(label, name, options) {
    const select = make("select", {}, make("option", { value: "", textContent: "all" }));
    options.forEach(([value, text]) => select.append(make("option", { value, textContent: text })));
    return field(label, select, name);
  }
  function filters() {
    const steps = [...new Set(rows.map((row) => row.step))].sort((a, b) => a - b);
    const found = new Set(rows.flatMap((row) => row.outcomes.map((word, i) => `${i}:${word}`)));
    const outcomes = [...found].sort().map((key) => {
      const [i, word] = key.split(":");
      return [key, `${data.outcomes[i]}: ${word}`];
    });
    const number = () => make("input", { type: "number", step: "any" });
    const form = root.querySelector(".filters");
    if (stages.length > 1) form.append(choice("stage", "stage", stages.map((name) => [name, name])));
    form.append(choice("step", "step", steps.map((step) => [String(step), String(step)])));
    if (outcomes.length) form.append(choice("outcome", "outcome", outcomes));
    form.append(field("reward from", number(), "from"), field("to", number(), "to"));
    form.append(field("search question and completion", make("input", { type: "search" }), "text", "text"));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  function matching() {
    const text = state.text.toLowerCase();
    const [wanted, word] = state.outcome.split(":");
    if (state.group !== null) return rows.filter((row) => row.group === state.group);
    return rows.filter((row) =>
      (!state.stage || row.stage === state.stage) &&
      (!state.step || row.step === Number(state.step)) &&
      (!state.outcome || row.outcomes[wanted] === word) &&
      (state.from === "" || (row.reward !== null && row.reward >= Number(state.from))) &&
      (state.to === "" || (row.reward !== null && row.reward <= Number(state.to))) &&
      (!text || row.haystack.includes(text)));
  }
  function sorted(found) {
    if (state.sort === null) return found;
    const get = columns[state.sort][1];
    const sign = state.down ? -1 : 1;
    const empty = (value) => value === null || value === undefined;
    return [...found].sort((a, b) => {
      const [x, y] = [get(a), get(b)];
      if (empty(x) || empty(y)) return empty(x) - empty(y);
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }

  function head() {
    const cells = columns.map(([name], i) => {
      const on = state.sort === i;
      const button = make("button", { type: "button", textContent: name + (on ? (state.down ? " ↓" : " ↑") : "") });
      button.addEventListener("click", () => {
        Object.assign(state, { page: 0, sort: i, down: on ? !state.down : name !== "step" });
        draw();
        root.querySelectorAll("thead button")[i].focus();
      });
      const cell = make("th", { scope: "col" }, button);
      if (on) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      return cell;
    });
    return make("tr", {}, ...cells, make("th", { scope: "col", textContent: "question and completion" }));
  }
  function detail(row) {
    const facts = [["problem", row.id], ["answer", row.answer], ["sample", row.sample], ["ended by", row.finish], ["prompt", row.prompt]];
    const list = make("dl");
    facts.filter(([, value]) => value !== null && value !== "").forEach(([name, value]) =>
      list.append(make("dt", { textContent: name }), make("dd", { textContent: shown(value) })));
    const whole = make("button", { type: "button", textContent: "show its whole group" });
    whole.addEventListener("click", () => { Object.assign(state, { page: 0, group: row.group }); draw(); });
    return [make("pre", {}, ...marked(row.text)), list, whole];
  }
  function line(row) {
    const cells = columns.map(([name, get, word]) => {
      const cell = make("td", {}, shown(get(row)));
      const found = word && word(row);
      if (found) cell.append(" ", make("small", { textContent: found, className: found === "correct" ? "good" : "" }));
      cell.dataset.name = name;
      return cell;
    });
    const summary = make("summary", {},
      make("span", { className: "asked", textContent: row.question }),
      make("span", { className: "said" }, ...marked(row.text.slice(0, 300))));
    const details = make("details", {}, summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(...detail(row));
    });
    return make("tr", {}, ...cells, make("td", { className: "text" }, details));
  }
  function turn(label, by, possible) {
    const button = make("button", { type: "button", textContent: label, disabled: !possible });
    button.addEventListener("click", () => {
      state.page += by;
      draw();
      root.querySelector(`.pages button:${by < 0 ? "first" : "last"}-child`).focus();
    });
    return button;
  }

  function draw() {
    const found = sorted(matching());
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const rewards = found.map((row) => row.reward).filter((value) => value !== null);
    const mean = rewards.length ? `, mean reward ${shown(rewards.reduce((a, b) => a + b, 0) / rewards.length)}` : "";
    const note = root.querySelector(".found");
    note.replaceChildren(`${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} completions${mean} `);
    if (state.group !== null) {
      const back = make("button", { type: "button", textContent: "leave this group" });
      back.addEventListener("click", () => update({}));
      note.append(back);
    }
    root.querySelector("thead").replaceChildren(head());
    root.querySelector("tbody").replaceChildren(...found.slice(state.page * PAGE, (state.page + 1) * PAGE).map(line));
    root.querySelector(".pages").replaceChildren(
      turn("previous", -1, state.page > 0), `page ${state.page + 1} of ${pages}`, turn("next", 1, state.page + 1 < pages));
  }

  filters();
  draw();
  root.hidden = false;
})();
