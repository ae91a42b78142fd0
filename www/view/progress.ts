// How far the first synchronisation is: alone in the place of the lists, or as a strip above what is here already.

import { h, setAttribute, setText } from '../element.js';
import { icon } from '../icon.js';
import type { Arrival } from '../model.js';
import { progress } from '../wording.js';

class Progress {
  private readonly bar = h('progress', { class: 'progress-bar', max: 1, 'aria-label': 'Fetched' });
  private readonly text = h('p', { class: 'progress-text' });
  readonly children = [this.bar, this.text];

  update(arrival: Arrival): void {
    // Without a value the bar says that it is not known.
    setAttribute(this.bar, 'value', arrival.fraction > 0 ? arrival.fraction : null);
    setText(this.text, progress(arrival));
  }
}

/** Nothing is here yet. */
export class Arriving {
  private readonly progress = new Progress();
  readonly node = h(
    'section',
    { class: 'welcome arriving', 'aria-label': 'First synchronisation', 'aria-busy': 'true' },
    h('div', { class: 'cover-mark' }, icon('anchor')),
    h('h1', {}, 'Coming in'),
    h('p', {}, 'What you have on the server is on its way to this device. From then on it is here without a network too.'),
    ...this.progress.children,
  );

  update(arrival: Arrival): void {
    this.progress.update(arrival);
  }
}

/** Some of it is. */
export class ArrivalStrip {
  private readonly progress = new Progress();
  readonly node = h('div', { class: 'arrival-strip', hidden: true }, ...this.progress.children);

  /** `null`: there is nothing to wait for. */
  update(arrival: Arrival | null): void {
    this.node.hidden = arrival === null;
    if (arrival) this.progress.update(arrival);
  }
}
