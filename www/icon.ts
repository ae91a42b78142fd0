// The demo's line icons, on a grid of 20, drawn in the colour of the text around them.

const PATHS = {
  add: 'M10 4v12M4 10h12',
  anchor: 'M10 7v10M10 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4M6.5 9.5h7M3 11.5c0 3.5 3 5.5 7 5.5s7-2 7-5.5M3 11.5l-1 1.6M3 11.5l1.6.9M17 11.5l1 1.6M17 11.5l-1.6.9',
  archive: 'M3.5 4.5h13v3.5h-13zM5 8v7.5h10V8M8 11h4',
  check: 'M5 10.5l3.4 3.4L15 7',
  close: 'M5 5l10 10M15 5L5 15',
  dark: 'M16 11.8A6.6 6.6 0 0 1 8.2 4a6.6 6.6 0 1 0 7.8 7.8z',
  edit: 'M12.5 4.5l3 3L7 16H4v-3z',
  grip: 'M7.5 5h.01M12.5 5h.01M7.5 10h.01M12.5 10h.01M7.5 15h.01M12.5 15h.01',
  help: 'M7.6 7.6A2.4 2.4 0 0 1 10 5.4c1.4 0 2.5 1 2.5 2.3 0 1.8-2.5 2-2.5 3.9M10 14.6h.01',
  leave: 'M11.5 6V4h-7v12h7v-2M8.5 10h8M13.5 7l3 3-3 3',
  light: 'M10 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6M10 2.5v1.6M10 15.9v1.6M2.5 10h1.6M15.9 10h1.6M4.7 4.7l1.1 1.1M14.2 14.2l1.1 1.1M4.7 15.3l1.1-1.1M14.2 5.8l1.1-1.1',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  note: 'M5 6h10M5 10h10M5 14h6',
  people: 'M7.5 9.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4M2.5 16c0-2.8 2.2-4.3 5-4.3s5 1.5 5 4.3M12.7 4.5a2.5 2.5 0 0 1 0 4.7M14.4 12c1.9.5 3.1 1.9 3.1 4',
  system: 'M3.5 4.5h13v9h-13zM7.5 16.5h5',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10M8.5 9v4.5M11.5 9v4.5',
} as const;

export type IconName = keyof typeof PATHS;

/** One icon. It is decoration: whoever uses it gives the name in words. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `icon icon-${name}`);
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
