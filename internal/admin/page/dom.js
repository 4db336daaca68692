// The document. Whatever the API gives enters it as text or as the value of an
// attribute, never as markup.

// stamp copies a template and returns its root and its parts by name.
export function stamp(id) {
  const template = document.getElementById(`${id}-template`);
  const parts = { root: template.content.firstElementChild.cloneNode(true) };
  for (const node of parts.root.querySelectorAll("[data-part]")) parts[node.dataset.part] = node;
  return parts;
}

export function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text != null) node.textContent = text;
  return node;
}

// setText leaves a text that is right alone, so that it can be selected and is
// not read aloud again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// setPill shows a state as a word, a shape and a color.
export function setPill(node, state, text) {
  node.dataset.state = state;
  setText(node, text);
}

// keep makes the children of a parent those of the keys, in their order: views
// remembers them, make makes those that are missing, and what is left goes.
export function keep(parent, views, keys, make) {
  for (const [key, view] of views) {
    if (keys.includes(key)) continue;
    view.root.remove();
    views.delete(key);
  }
  keys.forEach((key, i) => {
    if (!views.has(key)) views.set(key, make(key));
    const { root } = views.get(key);
    if (parent.children[i] !== root) parent.insertBefore(root, parent.children[i] ?? null);
  });
}
