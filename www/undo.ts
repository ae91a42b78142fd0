// The deletions that can still be taken back, newest last.

import type { Undo } from './workspace.js';

const MAX_STEPS = 20;

export class UndoStack {
  private readonly steps: Undo[] = [];

  /** Answers a function that takes back this step, once. */
  push(undo: Undo): Undo {
    this.steps.push(undo);
    if (this.steps.length > MAX_STEPS) this.steps.shift();
    return async () => {
      const at = this.steps.indexOf(undo);
      if (at < 0) return;
      this.steps.splice(at, 1);
      await undo();
    };
  }

  /** Takes back the newest step; answers whether there was one. */
  async undo(): Promise<boolean> {
    const step = this.steps.pop();
    await step?.();
    return step !== undefined;
  }
}
