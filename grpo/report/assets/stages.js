// Prompts by their kind: without this all of them are listed.
(() => {
  "use strict";
  const root = document.getElementById("asked");
  const group = root.querySelector(".kinds");
  const buttons = [...group.querySelectorAll("button")];
  const prompts = [...root.querySelectorAll("details")];
  function choose(kind) {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.kind === kind)));
    prompts.forEach((prompt) => { prompt.hidden = kind !== "" && prompt.dataset.kind !== kind; });
    const shown = prompts.filter((prompt) => !prompt.hidden);
    if (!shown.some((prompt) => prompt.open)) shown[0].open = true;
  }
  buttons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.kind)));
  group.hidden = false;
})();
