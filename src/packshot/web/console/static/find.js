// All elements of a piece of the page that match, the piece itself among them.

export const find = (root, selector) => [
  ...(root.matches?.(selector) ? [root] : []),
  ...root.querySelectorAll(selector),
];
