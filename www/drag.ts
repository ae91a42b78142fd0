// Reordering with a pointer, finger or pen. The list stays as it is while something is dragged; other rows make room
// by transforms alone, and only the drop changes anything.

const THRESHOLD_PX = 4;
const SCROLL_EDGE_PX = 72;
const SCROLL_STEP_PX = 9;

export interface SortOptions {
  /** Selects the grip inside a row. */
  readonly grip: string;
  rows(): HTMLElement[];
  onStart(): void;
  /** Called after `onStart`, always. `to` equals `from` when nothing moved. */
  onEnd(from: number, to: number): void;
}

/** Makes the rows of a list draggable by their grips. */
export function sortable(list: HTMLElement, options: SortOptions): void {
  list.addEventListener('pointerdown', (event) => {
    const grip = event.target instanceof Element ? event.target.closest<HTMLElement>(options.grip) : null;
    if (!grip || event.button !== 0) return;
    const rows = options.rows();
    const from = rows.findIndex((row) => row.contains(grip));
    if (from >= 0) new Drag(list, grip, rows, from, event, options);
  });
}

class Drag {
  private readonly boxes: readonly DOMRect[];
  private readonly ends = new AbortController();
  private readonly startY: number;
  private readonly startScroll = window.scrollY;
  private y: number;
  private to: number;
  private moving = false;

  constructor(
    private readonly list: HTMLElement,
    grip: HTMLElement,
    private readonly rows: readonly HTMLElement[],
    private readonly from: number,
    start: PointerEvent,
    private readonly options: SortOptions,
  ) {
    this.boxes = rows.map((row) => row.getBoundingClientRect());
    this.startY = start.clientY;
    this.y = start.clientY;
    this.to = from;
    grip.setPointerCapture(start.pointerId);
    const { signal } = this.ends;
    grip.addEventListener('pointermove', (event) => this.move(event.clientY), { signal });
    grip.addEventListener('pointerup', () => this.end(this.to), { signal });
    grip.addEventListener('pointercancel', () => this.end(this.from), { signal });
    grip.addEventListener('lostpointercapture', () => this.end(this.from), { signal });
    window.addEventListener('scroll', () => this.show(), { signal });
    window.addEventListener('keydown', (event) => event.key === 'Escape' && this.end(this.from), { signal });
  }

  private move(y: number): void {
    this.y = y;
    if (!this.moving && Math.abs(y - this.startY) < THRESHOLD_PX) return;
    if (!this.moving) this.begin();
    this.show();
  }

  private begin(): void {
    this.moving = true;
    this.options.onStart();
    this.list.classList.add('sorting');
    this.rows[this.from]?.classList.add('dragged');
    requestAnimationFrame(() => this.scroll());
  }

  private show(): void {
    const box = this.boxes[this.from];
    if (!this.moving || !box) return;
    // Kept inside the list: a row that is pushed out of it would make the page longer and longer while it scrolls.
    const highest = (this.boxes[0]?.top ?? box.top) - box.top;
    const lowest = (this.boxes.at(-1)?.bottom ?? box.bottom) - box.bottom;
    const offset = Math.min(lowest, Math.max(highest, this.y - this.startY + window.scrollY - this.startScroll));
    this.to = this.from + this.passedBelow(box.bottom + offset) - this.passedAbove(box.top + offset);
    this.rows.forEach((row, index) => {
      row.style.transform = index === this.from ? `translateY(${offset}px)` : this.shiftOf(index, box.height);
    });
  }

  /** How many of the rows below have their middle above the dragged row's lower edge. */
  private passedBelow(bottom: number): number {
    return this.boxes.slice(this.from + 1).filter((other) => other.top + other.height / 2 < bottom).length;
  }

  private passedAbove(top: number): number {
    return this.boxes.slice(0, this.from).filter((other) => other.top + other.height / 2 > top).length;
  }

  private shiftOf(index: number, height: number): string {
    if (index > this.from && index <= this.to) return `translateY(${-height}px)`;
    if (index < this.from && index >= this.to) return `translateY(${height}px)`;
    return '';
  }

  private scroll(): void {
    if (this.ends.signal.aborted) return;
    if (this.y < SCROLL_EDGE_PX) window.scrollBy(0, -SCROLL_STEP_PX);
    else if (this.y > window.innerHeight - SCROLL_EDGE_PX) window.scrollBy(0, SCROLL_STEP_PX);
    requestAnimationFrame(() => this.scroll());
  }

  private end(to: number): void {
    if (this.ends.signal.aborted) return;
    this.ends.abort();
    for (const row of this.rows) row.style.transform = '';
    this.rows[this.from]?.classList.remove('dragged');
    this.list.classList.remove('sorting');
    if (this.moving) this.options.onEnd(this.from, to);
  }
}
