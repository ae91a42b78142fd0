// The switch that keeps the demo off the network although there is one.

import { h } from '../element.js';

export class OfflineSwitch {
  readonly node: HTMLLabelElement;
  private readonly input: HTMLInputElement;

  constructor(onChange: (offline: boolean) => void) {
    this.input = h('input', { type: 'checkbox', role: 'switch', class: 'switch', name: 'offline', on: { change: () => onChange(this.input.checked) } });
    this.node = h('label', { class: 'offline-switch' }, h('span', {}, 'Work offline'), this.input);
  }

  update(offline: boolean): void {
    this.input.checked = offline;
  }
}
