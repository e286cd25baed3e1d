// The samples of a result: by benchmark and verdict, wrong ones first.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("completions-data").textContent);
  const rows = data.rows.map(([group, sample, outcome, blamed, extracted, reward, finish, tokens, text]) => {
    const [benchmark, id, question, gold, prompt] = data.questions[group];
    return { group, benchmark, id, question, gold, prompt, sample, outcome: data.words[outcome], blamed: data.words[blamed], extracted, reward,
      finish: data.words[finish], tokens, text, haystack: `${id}\n${question}\n${text}`.toLowerCase() };
  });

  const benchmarks = [...new Set(rows.map((row) => row.benchmark))];
  const found = [...new Set(rows.map((row) => row.outcome))].sort();
  const cut = rows.some((row) => row.finish === "length");
  const verdicts = [...(found.length > 2 ? [["not correct", "not correct"]] : []), ...found.map((word) => [word, word]),
    ...(cut ? [["cut off", "cut off"]] : [])];
  browse({
    rows,
    noun: "samples",
    columns: [
      ...(benchmarks.length > 1 ? [["benchmark", (row) => row.benchmark]] : []),
      ["verdict", (row) => row.outcome,
        (row) => [row.blamed && `by ${row.blamed}`, row.finish === "length" && "cut off"].filter(Boolean).join(", ")],
      ["answer", (row) => row.gold],
      ["read", (row) => row.extracted],
      ["tokens", (row) => row.tokens],
    ],
    ascending: ["benchmark", "verdict", "answer", "read"],
    filters: [
      ...(benchmarks.length > 1 ? [{ label: "benchmark", name: "benchmark", options: benchmarks.map((name) => [name, name]) }] : []),
      { label: "verdict", name: "verdict", options: verdicts },
    ],
    matches: (row, { benchmark, verdict }) =>
      (!benchmark || row.benchmark === benchmark) &&
      (!verdict || row.outcome === verdict || (verdict === "not correct" && row.outcome !== "correct") ||
        (verdict === "cut off" && row.finish === "length")),
    group: { show: "show the samples of this question", leave: "show all questions" },
    facts: (row) => [["question", row.id], ["answer", row.gold], ["read", row.extracted], ["verdict", row.outcome + (row.blamed && ` by ${row.blamed}`)],
      ["sample", row.sample], ["reward", row.reward], ["ended by", row.finish], ["prompt", row.prompt]],
  });
})();
