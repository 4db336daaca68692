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

// setAddress shows an address that breaks behind the dots of its host, if it has to, and
// not inside its port.
export function setAddress(node, address) {
  if (node.textContent === address) return;
  const [, host, port] = /^(.*?)(:\d+)?$/s.exec(address);
  const pieces = host.split(/(?<=[./-])/).flatMap((piece, i) => (i === 0 ? [piece] : [element("wbr"), piece]));
  node.replaceChildren(...pieces, ...(port ? [element("span", "port", port)] : []));
}

// setPill shows a state as a word, a shape and a color.
export function setPill(node, state, text) {
  node.dataset.state = state;
  setText(node, text);
}

// keep makes the children of a parent those of the keys, in their order: views
// remembers them, make makes those that are missing, and what is left goes. The head of
// a table stays.
export function keep(parent, views, keys, make) {
  const wanted = new Set(keys);
  for (const [key, view] of views) {
    if (wanted.has(key)) continue;
    view.root.remove();
    views.delete(key);
  }
  const first = parent.tHead ? 1 : 0;
  keys.forEach((key, i) => {
    if (!views.has(key)) views.set(key, make(key));
    const { root } = views.get(key), there = parent.children[first + i];
    if (there !== root) parent.insertBefore(root, there ?? null);
  });
}
