// A table of completions: filter, sort, page. Texts go in as text nodes, never as HTML.
// What it shows is the caller's: rows with group, question, text and what search looks through
// (haystack); columns as [name, value of a row, word beside it]; filters; facts of one row.
const browse = (() => {
  "use strict";
  const PAGE = 20;

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
  const good = (word) => (word === "correct" ? "good" : "");

  return function browse({ rows, filters, matches, facts, ascending = [], about = () => "", ...page }) {
    const root = document.getElementById("browser");
    const state = { text: "", group: null, sort: null, down: false, page: 0 };
    filters.forEach(({ name }) => { state[name] = ""; });
    const columns = page.columns.filter(([, get]) => rows.some((row) => get(row) !== null && get(row) !== undefined));

    function update(change) {
      Object.assign(state, { page: 0, group: null }, change);
      draw();
    }
    function field(label, control, name, className = "") {
      control.addEventListener("input", () => update({ [name]: control.value }));
      return make("label", { className }, label, control);
    }
    function choices(options) {
      const select = make("select", {}, make("option", { value: "", textContent: "all" }));
      options.forEach(([value, text]) => select.append(make("option", { value, textContent: text })));
      return select;
    }
    function form() {
      const form = root.querySelector(".filters");
      filters.forEach(({ label, name, options }) => form.append(
        field(label, options ? choices(options) : make("input", { type: "number", step: "any" }), name)));
      form.append(field("search question and completion", make("input", { type: "search" }), "text", "text"));
      form.addEventListener("submit", (event) => event.preventDefault());
    }

    function matching() {
      const text = state.text.toLowerCase();
      if (state.group !== null) return rows.filter((row) => row.group === state.group);
      return rows.filter((row) => matches(row, state) && (!text || row.haystack.includes(text)));
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
          Object.assign(state, { page: 0, sort: i, down: on ? !state.down : !ascending.includes(name) });
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
      const list = make("dl");
      facts(row).filter(([, value]) => value !== null && value !== "").forEach(([name, value]) =>
        list.append(make("dt", { textContent: name }), make("dd", { textContent: shown(value) })));
      const whole = make("button", { type: "button", textContent: page.group.show });
      whole.addEventListener("click", () => { Object.assign(state, { page: 0, group: row.group }); draw(); });
      return [make("pre", {}, ...marked(row.text)), list, whole];
    }
    function line(row) {
      const cells = columns.map(([name, get, word]) => {
        const value = get(row);
        const cell = make("td", { className: good(value) }, make("span", {}, shown(value)));
        const found = word && word(row);
        if (found) cell.append(" ", make("small", { textContent: found, className: good(found) }));
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
      const note = root.querySelector(".found");
      const counts = [found, rows].map((some) => some.length.toLocaleString("en"));
      note.replaceChildren(`${counts[0]} of ${counts[1]} ${page.noun}${about(found, shown)} `);
      if (state.group !== null) {
        const back = make("button", { type: "button", textContent: page.group.leave });
        back.addEventListener("click", () => update({}));
        note.append(back);
      }
      root.querySelector("thead").replaceChildren(head());
      root.querySelector("tbody").replaceChildren(...found.slice(state.page * PAGE, (state.page + 1) * PAGE).map(line));
      root.querySelector(".pages").replaceChildren(
        turn("previous", -1, state.page > 0), `page ${state.page + 1} of ${pages}`, turn("next", 1, state.page + 1 < pages));
    }

    form();
    draw();
    root.hidden = false;
  };
})();
