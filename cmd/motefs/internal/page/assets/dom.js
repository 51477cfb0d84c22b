// Elements are made here alone: of text nodes and attributes, never of markup in a
// string.

// el makes an element. Attributes that are null or false are left out; on… are listeners.
export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
  return e;
}

// setText changes a text only where it is another one, so that a live region says it once.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}
