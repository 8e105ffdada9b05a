/** What the demo prints: numbered steps, and a line below them that is kept up to date on a terminal. */
export function screen(out: NodeJS.WriteStream) {
  const started = performance.now();
  let step = 0;
  let live = false;
  let last = 0;
  const clear = () => {
    if (live) out.write('\r\x1b[2K');
    live = false;
  };
  return {
    step(text: string): void {
      clear();
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
      out.write(`\n${seconds} s  ${++step}. ${text}\n`);
    },
    line(text: string): void {
      clear();
      out.write(`         ${text}\n`);
    },
    /** Replaces itself on a terminal; elsewhere one line a second. */
    progress(text: string): void {
      if (out.isTTY) {
        out.write(`\r\x1b[2K         ${text}`);
        live = true;
      } else if (performance.now() - last > 1_000) {
        last = performance.now();
        out.write(`         ${text}\n`);
      }
    },
  };
}
