/** Something that is done when it is asked for, once at a time: a second press while it is under way is none. */
export class Doing {
  busy = $state(false);
  problem = $state.raw<unknown>(null);

  async run(work: () => Promise<unknown>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    try {
      await work();
    } catch (cause) {
      this.problem = cause;
    } finally {
      this.busy = false;
    }
  }
}
