// Building the page without a framework: one function that makes an element, one that keeps a list of them in order.

export type Child = Node | string | null | undefined | false;
type Listeners = { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };
type AttributeValue = string | number | boolean | null | undefined;
export type Attributes = { on?: Listeners } & { [name: string]: AttributeValue | Listeners };

/** Makes an element. `true` sets an empty attribute; `false`, `null` and `undefined` leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') listen(element, value as Listeners);
    else setAttribute(element, name, value as AttributeValue);
  }
  element.append(...present(children));
  return element;
}

/** Sets or removes an attribute, and touches nothing when it is already so. */
export function setAttribute(element: Element, name: string, value: AttributeValue): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else {
    const text = value === true ? '' : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Sets the text of an element, and touches nothing when it already reads so. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the children of an element. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...present(children));
}

/**
 * Brings the children of `parent` into the given order. Elements that stay are not taken out of the page where the
 * platform can move them in place, so that focus, selection and running transitions survive.
 */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  const focused = document.activeElement;
  wanted.forEach((element, index) => {
    const there = parent.children[index] ?? null;
    if (there !== element) move(parent, element, there);
  });
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function move(parent: Element, element: Element, before: Element | null): void {
  const target = parent as Element & { moveBefore?: (node: Node, before: Node | null) => void };
  if (target.moveBefore && element.parentNode === parent) target.moveBefore(element, before);
  else parent.insertBefore(element, before);
}

function listen(element: HTMLElement, listeners: Listeners): void {
  for (const [type, listener] of Object.entries(listeners)) element.addEventListener(type, listener as EventListener);
}

function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false);
}
