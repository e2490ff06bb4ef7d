"""The cost model: values (`cost`), what rules see (`op`), which rule prices what (`registry`, `rules`), and the passes over a
graph that use them (`roles`, `model`, `gradients`, `memory`)."""
