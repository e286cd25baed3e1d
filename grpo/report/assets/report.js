// The completions of a run: by stage, step, outcome and reward.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("completions-data").textContent);
  const rows = data.rows.map(([group, sample, reward, advantage, finish, tokens, parts, outcomes, text]) => {
    const [stage, step, problem] = data.groups[group];
    const [id, question, answer, prompt] = data.problems[problem];
    return { group, stage, step, id, question, answer, prompt, sample, reward, advantage, tokens, parts, text,
      finish: data.words[finish], outcomes: outcomes.map((word) => data.words[word]),
      haystack: `${id}\n${question}\n${text}`.toLowerCase() };
  });

  const stages = [...new Set(rows.map((row) => row.stage))];
  const steps = [...new Set(rows.map((row) => row.step))].sort((a, b) => a - b);
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
  ];
  const outcomes = [...new Set(rows.flatMap((row) => row.outcomes.map((word, i) => `${i}:${word}`)))].sort();
  const filters = [
    ...(stages.length > 1 ? [{ label: "stage", name: "stage", options: stages.map((name) => [name, name]) }] : []),
    { label: "step", name: "step", options: steps.map((step) => [String(step), String(step)]) },
    ...(outcomes.length ? [{ label: "outcome", name: "outcome", options: outcomes.map((key) => {
      const [i, word] = key.split(":");
      return [key, `${data.outcomes[i]}: ${word}`];
    }) }] : []),
    { label: "reward from", name: "from" },
    { label: "to", name: "to" },
  ];
  function matches(row, { stage, step, outcome, from, to }) {
    const [wanted, word] = (outcome || "").split(":");
    return (!stage || row.stage === stage) &&
      (!step || row.step === Number(step)) &&
      (!outcome || row.outcomes[wanted] === word) &&
      (from === "" || (row.reward !== null && row.reward >= Number(from))) &&
      (to === "" || (row.reward !== null && row.reward <= Number(to)));
  }
  function about(found, shown) {
    const rewards = found.map((row) => row.reward).filter((value) => value !== null);
    return rewards.length ? `, mean reward ${shown(rewards.reduce((a, b) => a + b, 0) / rewards.length)}` : "";
  }
  browse({
    rows, columns, filters, matches, about, noun: "completions", ascending: ["step"],
    group: { show: "show its whole group", leave: "leave this group" },
    facts: (row) => [["problem", row.id], ["answer", row.answer], ["sample", row.sample], ["ended by", row.finish], ["prompt", row.prompt]],
  });
})();
