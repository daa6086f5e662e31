// Waiting for what will be true, by asking again. Limits are far above what is needed: they end a run that hangs.
export const LIMIT = 60_000;

export const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

/** The first truthy answer of `ask`; what it throws, or a long silence, is an error that says what was waited for. */
export async function until(what, ask, limit = LIMIT) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${limit / 1000} s for ${what}`);
    await pause(20);
  }
}

export function expect(truth, message) {
  if (!truth) throw new Error(message);
}
